"""The record of the study: what each run gave, in two CSV files, of which page and figures are made."""

from __future__ import annotations

import csv
import itertools
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...engine.dose.local import emitted_energy
from ...engine.dose.voxel_s import VoxelKernel
from ...engine.errors import InputError
from ...engine.files import write_text
from .plan import COMPONENTS, Run
from .published import FOLDER, Neighbour

VALUES, RUNS = FOLDER / "voxel-s.csv", FOLDER / "voxel-s-runs.csv"
RUN_COLUMNS = (
    "nuclide", "voxel_mm", "component", "decays", "seed", "factor",
    "emitted_mev", "inside_mev", "inside_standard_error_mev",
)  # fmt: skip
#: Key of a kernel: nuclide, voxel [mm], component.
Key = tuple[str, float, str]


@dataclass(frozen=True)
class Values:
    """One kernel by neighbour.

    Parameters
    ----------
    run
        How it was made.
    emitted_mev
        Energy that a decay emits [MeV].
    inside_mev, inside_error_mev
        Energy in all voxels of the kernel, and a bound of its standard error [MeV].
    s
        Voxel S value and its standard error by neighbour [mGy/(MBq s)].
    """

    run: Run
    emitted_mev: float
    inside_mev: float
    inside_error_mev: float
    s: dict[Neighbour, tuple[float, float]]


@dataclass
class Record:
    """All kernels of the study by key."""

    kernels: dict[Key, Values] = field(default_factory=dict)

    def add(self, values: Values) -> None:
        """Put a kernel in, in the place of an earlier one."""
        self.kernels[values.run.nuclide, values.run.voxel_mm, values.run.component] = values

    def tables(self) -> list[tuple[str, float]]:
        """Nuclide and voxel [mm] of each table, once."""
        return list(dict.fromkeys(key[:2] for key in self.kernels))


def values_of(run: Run, kernel: VoxelKernel) -> Values:
    """A kernel by neighbour; `make_kernel` has averaged it over the symmetries of the cube, with its errors."""
    values, middle = kernel.s_mgy_per_mbq_s, kernel.reach
    errors = kernel.standard_error_mev * (values[middle] / kernel.energy_mev[middle])
    s = {}
    for n in itertools.combinations_with_replacement(range(min(middle) + 1), 3):
        at = tuple(c + step for c, step in zip(middle, n, strict=True))
        s[n] = float(values[at]), float(errors[at])
    return Values(run, emitted_energy(kernel.emission).total, *_inside(run, kernel), s)


def _inside(run: Run, kernel: VoxelKernel) -> tuple[float, float]:
    """Energy per decay [MeV] in all voxels of a kernel, and a bound of its standard error.

    Nearly all of an electron's energy stays inside: what is emitted on average less what left is known better than the
    sum over voxels, which has the noise of the spectrum. A photon leaves nearly all of its energy outside. The energy X
    of one decay that is scored is at most the largest E that one particle can have (several particles of a decay are
    independent), so that its variance is at most E times its mean.
    """
    emission = kernel.emission
    largest = max(
        float(np.max(energies, initial=0.0))
        for energies in (emission.beta_mev, emission.electron_lines[:, 0], emission.photon_lines[:, 0])
    )
    photons = run.component in ("photons", "whole")
    scored = float(kernel.energy_mev.sum()) if photons else kernel.truncated_mev
    error = math.sqrt(largest * max(scored, 0.0) / kernel.decays)
    return (scored if photons else emitted_energy(emission).total - scored), error


def write(record: Record, values: Path = VALUES, runs: Path = RUNS) -> None:
    """Write both CSV files."""
    head = ["nuclide", "voxel_mm", "i", "j", "k"]
    head += [f"{component}{end}" for component in COMPONENTS for end in ("_mgy_per_mbq_s", "_standard_error")]
    lines = [head]
    for nuclide, voxel in record.tables():
        kernels = [record.kernels.get((nuclide, voxel, component)) for component in COMPONENTS]
        for n in next(k for k in kernels if k).s:
            line = [nuclide, f"{voxel:g}", *map(str, n)]
            for kernel in kernels:
                line += [f"{kernel.s[n][0]:.6g}", f"{kernel.s[n][1]:.3g}"] if kernel else ["", ""]
            lines.append(line)
    _write(values, lines)
    lines = [
        list(RUN_COLUMNS),
        *(
            [
                *(k.run.nuclide, f"{k.run.voxel_mm:g}", k.run.component, str(k.run.decays), str(k.run.seed)),
                *(f"{k.run.factor:.4f}", f"{k.emitted_mev:.8g}", f"{k.inside_mev:.8g}", f"{k.inside_error_mev:.3g}"),
            ]
            for k in record.kernels.values()
        ),
    ]
    _write(runs, lines)


def _write(file: Path, lines: list[list[str]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, "".join(",".join(line) + "\n" for line in lines))


def read(values: Path = VALUES, runs: Path = RUNS) -> Record:
    """Read both CSV files.

    Raises
    ------
    InputError
        A file that is not there, or not as the study writes it.
    """
    record = Record()
    try:
        rows = _rows(values)
        for line in _rows(runs):
            run = Run(
                line["nuclide"], float(line["voxel_mm"]), line["component"],
                int(line["decays"]), int(line["seed"]), float(line["factor"]),
            )  # fmt: skip
            s = {
                (int(row["i"]), int(row["j"]), int(row["k"])): (
                    float(row[f"{run.component}_mgy_per_mbq_s"]),
                    float(row[f"{run.component}_standard_error"]),
                )
                for row in rows
                if row["nuclide"] == run.nuclide and float(row["voxel_mm"]) == run.voxel_mm
            }
            energies = (float(line[k]) for k in ("emitted_mev", "inside_mev", "inside_standard_error_mev"))
            record.add(Values(run, *energies, s))
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            "the record of the voxel S study cannot be read", why=str(error),
            suggestion="make it again: python -m hevesy.tools.voxel_s_study", file=values,
        ) from error  # fmt: skip
    return record


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
