"""Dose point kernels in water: energy within every radius of a point source.

The reference shells are compared after they have been seen through the same voxels (tools/validation/radial.py).
Standard errors come from batch totals of the shells (voxels by their centres), so correlations between shells count.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from hevesy.engine.constants import QUANTA_PER_MEV
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.run import simulate
from hevesy.engine.transport.two_sample import welch
from hevesy.tools.validation import radial

from .record import Record

#: histories of the full and of the quick run
HISTORIES: dict[str, tuple[int, int]] = {
    "electron_100_keV": (1_500_000, 20_000),
    "electron_200_keV": (1_000_000, 15_000),
    "electron_500_keV": (600_000, 8_000),
    "electron_1000_keV": (500_000, 5_000),
    "positron_800_keV": (600_000, 15_000),
    "positron_800_keV_far": (1_500_000, 50_000),
    "photon_30_keV": (8_000_000, 200_000),
    "photon_80_keV": (5_000_000, 100_000),
    "photon_364p5_keV": (4_000_000, 100_000),
    "photon_637_keV": (4_000_000, 100_000),
    "photon_1690_keV": (3_000_000, 50_000),
}
#: Acceptance limits: of the emitted energy at every radius; of the mean radius
SHELL_BAR, MEAN_BAR = 0.01, 0.005
BATCHES = 100
#: voxels along an edge: full, quick
VOXELS = (201, 101)
#: sub-points along the edge of a voxel that is shared between shells
SPLIT = 3


@dataclass
class KernelRun:
    """One kernel: cumulative energies as fractions of the emitted energy."""

    name: str
    radii_cm: np.ndarray
    reference: np.ndarray
    ours: np.ndarray
    sigma: np.ndarray
    records: list[Record]
    histories: int
    wall_time_s: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "histories": self.histories,
            "wall_time_s": self.wall_time_s,
            "radii_cm": self.radii_cm.tolist(),
            "reference": self.reference.tolist(),
            "ours": self.ours.tolist(),
            "sigma": self.sigma.tolist(),
        }


def load(folder: Path) -> dict[str, dict[str, Any]]:
    """The reference kernels."""
    return dict(json.loads((folder / "point_kernels.json").read_text(encoding="utf-8"))["kernels"])


def emission_of(kernel: dict[str, Any]) -> Emission:
    """One particle per decay."""
    energy = float(kernel["energy_mev"])
    line = np.array([[energy, 1.0]])
    if kernel["particle"] == "electron":
        return Emission("electron", electron_lines=line)
    if kernel["particle"] == "photon":
        return Emission("photon", photon_lines=line)
    # a spectrum 1 eV wide: positrons have no list of lines
    edges = np.array([energy - 5e-7, energy + 5e-7])
    return Emission("positron", positron_mev=edges, positron_per_mev=np.full(2, 1e6))


def problem_of(kernel: dict[str, Any], voxels: int, far: bool = False) -> tuple[Problem, np.ndarray]:
    """A water cube around one source voxel, and the radii that it resolves.

    Electrons: a little beyond the last fine shell. Photons: 50 cm to the faces, as wide as the reference. The
    positron has both: a cube of 1 cm half edge for its own track, where back-scatter of its annihilation photons
    from outside is missing, and (``far``) one of 50 cm for the annihilation photons.
    """
    radii = np.asarray(kernel["shell_outer_radius_cm"], float)
    physics = {
        "electron_cutoff_mev": float(kernel["electron_cutoff_kinetic_kev"]) * 1e-3,
        "photon_cutoff_mev": float(kernel["photon_cutoff_kev"]) * 1e-3,
    }
    if kernel["particle"] == "photon" or far:
        keep, half_edge = (radii <= 20.0 + 1e-9) & (radii > (0.9 if far else 0.0)), 50.0
    elif kernel["particle"] == "positron":
        keep, half_edge = radii <= 0.45, 1.0
    else:
        keep = np.arange(len(radii)) < len(radii) - 1
        half_edge = 1.02 * radii[keep][-1]
    problem = radial.point_problem(emission_of(kernel), half_edge, voxels, physics)
    return problem, radii[keep]


def run_kernel(
    name: str, kernel: dict[str, Any], histories: int, voxels: int, seed: int, threads: int | None = None
) -> KernelRun:
    """Simulate one kernel and judge it; ``name`` ends in ``_far`` for the positron's annihilation photons."""
    problem, radii = problem_of(kernel, voxels, name.endswith("_far"))
    voxel_cm = problem.voxel_size_mm[0] * 0.1
    labels = radial.shell_labels(voxels, voxel_cm, radii)
    problem = replace(problem, regions=labels, region_names=tuple(f"shell {i + 1}" for i in range(len(radii))))
    tally = simulate(problem, decays=histories, seed=seed, backend="cpu", batches=BATCHES, threads=threads)
    emitted = float(kernel["energy_mev"])
    scale = 1.0 / (QUANTA_PER_MEV * tally.decays * emitted)
    ours = radial.cumulative_share(tally.energy_quanta * scale, voxel_cm, radii, SPLIT)
    per_batch = np.cumsum(tally.region_quanta.astype(float), axis=1) / (
        QUANTA_PER_MEV * tally.batch_histories * emitted
    )
    sigma = per_batch.std(axis=0, ddof=1) / np.sqrt(len(per_batch))
    shells = np.asarray(kernel["energy_in_shell_mev_per_particle"], float) / emitted
    errors = np.asarray(kernel["sigma_energy_in_shell_mev"], float) / emitted
    every = np.asarray(kernel["shell_outer_radius_cm"], float)
    kept = np.isin(every, radii)
    reference = radial.seen_through_voxels(shells, every, voxel_cm, SPLIT)[kept]
    # shells of one history are anticorrelated: the quadrature sum is an upper bound of the reference's own error
    target_sigma = np.sqrt(np.cumsum(errors**2))[kept]
    combined = np.hypot(sigma, target_sigma)
    label = "point kernel, " + name.replace("364p5", "364.5").replace("_", " ")
    worst = int((np.abs(ours - reference) / (SHELL_BAR + 5 * combined)).argmax())
    records = [
        Record(
            label, f"energy within {radii[worst]:.4g} cm, worst of {len(radii)} radii", "fraction of emitted",
            float(reference[worst]), float(ours[worst]), float(ours[worst] - reference[worst]),
            float(combined[worst]), SHELL_BAR, judgements=len(radii),
            freedom=welch(float(sigma[worst]), float(target_sigma[worst]), BATCHES),
        )
    ]  # fmt: skip
    if name.endswith("_far"):
        return KernelRun(name, radii, reference, ours, combined, records, tally.decays, tally.wall_time_s)
    mean = radial.mean_radius(ours, radii)
    target = radial.mean_radius(reference, radii)
    batch_means = np.array([radial.mean_radius(row, radii) for row in per_batch])
    own = batch_means.std(ddof=1) / np.sqrt(len(batch_means))
    theirs = _mean_radius_error(shells, errors, every, len(radii))
    records.append(
        Record(
            label,
            f"mean radius of energy deposition within {radii[-1]:.4g} cm",
            "cm",
            target,
            mean,
            mean / target - 1.0,
            float(np.hypot(own, theirs)) / target,
            MEAN_BAR,
            freedom=welch(own, theirs, BATCHES),
        )
    )
    if kernel["particle"] == "electron":
        level = 0.9
        ours_90 = radial.radius_within(ours, radii, level)
        target_90 = radial.radius_within(reference, radii, level)
        slope = float(np.interp(ours_90, radii, np.gradient(ours, radii)))
        error = float(np.interp(ours_90, radii, combined)) / slope
        records.append(
            Record(
                label,
                "radius within which 90 % of the emitted energy stays",
                "cm",
                target_90,
                ours_90,
                ours_90 / target_90 - 1.0,
                error / target_90,
                MEAN_BAR,
                freedom=BATCHES - 1,
            )
        )
    return KernelRun(name, radii, reference, ours, combined, records, tally.decays, tally.wall_time_s)


def _mean_radius_error(shells: np.ndarray, errors: np.ndarray, radii: np.ndarray, keep: int) -> float:
    middle = 0.5 * (np.concatenate([[0.0], radii[:-1]]) + radii)[:keep]
    total = shells[:keep].sum()
    mean = (middle * shells[:keep]).sum() / total
    return float(np.sqrt(((middle - mean) ** 2 * errors[:keep] ** 2).sum()) / total)
