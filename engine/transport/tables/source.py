"""The source of a problem as flat tables: where decays happen and what they emit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....kernels.emission import CATEGORY_COLUMNS
from ....kernels.tables import ELECTRON, PHOTON, POSITRON, QUANTA_PER_MEV
from ...errors import InputError
from ...nuclides.emission import Emission

#: the running sum of activity ends here: integers, so that voxel choice is the same on every machine
CDF_TOP = 1 << 62


@dataclass(frozen=True)
class SourceTables:
    """Flat arrays for the kernels."""

    cdf: np.ndarray
    voxel: np.ndarray
    guide: np.ndarray
    guide_shift: int
    emission: np.ndarray
    emission_guide: np.ndarray
    index: np.ndarray
    rate: np.ndarray
    local_quanta: int
    highest_mev: float
    highest_positron_mev: float


def build(
    source: np.ndarray,
    emission: Emission,
    electron_cutoff_mev: float,
    photon_cutoff_mev: float,
    photons: bool,
) -> SourceTables:
    """Source tables; emissions that no transport would carry away become one local energy per decay."""
    flat = np.asarray(source, np.float64).ravel()
    active = np.flatnonzero(flat > 0)
    if active.size == 0:
        raise InputError(
            "the source is empty",
            why="no voxel has a positive number of decays, so there is nothing to transport",
            suggestion="give at least one voxel of `source` a positive value",
            field="source",
        )
    running = np.cumsum(flat[active])
    cdf = (running / running[-1] * float(CDF_TOP)).astype(np.float64)
    cdf_int = np.minimum(cdf, float(CDF_TOP)).astype(np.int64)
    cdf_int[-1] = CDF_TOP
    guide, shift = _source_guide(cdf_int)
    electrons = np.asarray(emission.electron_lines, float).reshape(-1, 2)
    gammas = np.asarray(emission.photon_lines, float).reshape(-1, 2)
    alphas = np.asarray(emission.alpha_lines, float).reshape(-1, 2)
    local = float((alphas[:, 0] * alphas[:, 1]).sum())
    quiet = electrons[:, 0] <= electron_cutoff_mev
    local += float((electrons[quiet, 0] * electrons[quiet, 1]).sum())
    electrons = electrons[~quiet]
    quiet = gammas[:, 0] <= photon_cutoff_mev if photons else np.ones(len(gammas), bool)
    local += float((gammas[quiet, 0] * gammas[quiet, 1]).sum())
    gammas = gammas[~quiet]

    values: list[np.ndarray] = []
    guides: list[np.ndarray] = []
    rows: list[tuple[int, int, int, int, int]] = []
    rates: list[float] = []
    offset = 0
    highest = highest_positron = 0.0

    def add(kind: int, pieces: list[np.ndarray], points: int, is_spectrum: bool, rate: float) -> None:
        nonlocal offset
        rows.append((kind, offset, points, int(is_spectrum), sum(g.size for g in guides)))
        guides.append(_emission_guide(pieces[1], is_spectrum))
        rates.append(rate)
        values.extend(pieces)
        offset += sum(p.size for p in pieces)

    for kind, mev, density in (
        (ELECTRON, emission.beta_mev, emission.beta_per_mev),
        (POSITRON, emission.positron_mev, emission.positron_per_mev),
    ):
        mev, density = np.asarray(mev, float), np.asarray(density, float)
        if mev.size < 2:
            continue
        running = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(mev))])
        rate = float(running[-1])
        if rate <= 0.0:
            continue
        # densities per unit of cumulative probability: E = e0 + width t with p0 t + (p1 - p0) t^2/2 = (r - c0)/width
        add(kind, [mev, running / rate, density / rate], mev.size, True, rate)
        highest = max(highest, float(mev[-1]))
        if kind == POSITRON:
            highest_positron = float(mev[-1])
    for kind, lines in ((ELECTRON, electrons), (PHOTON, gammas)):
        lines = lines[lines[:, 1] > 0]
        if len(lines) == 0:
            continue
        running = np.cumsum(lines[:, 1])
        add(kind, [lines[:, 0], running / running[-1]], len(lines), False, float(running[-1]))
        highest = max(highest, float(lines[:, 0].max()))
    if not rows and local <= 0.0:
        raise InputError(
            "the emission is empty",
            why="no line and no spectrum with a positive number per decay",
            suggestion="name a nuclide or give electron_lines, photon_lines or a spectrum",
            field="emission",
        )
    index = np.array(rows, np.int32).reshape(-1, CATEGORY_COLUMNS).ravel()
    return SourceTables(
        cdf=cdf_int,
        voxel=active.astype(np.int32),
        guide=guide,
        guide_shift=shift,
        emission=np.concatenate(values).astype(np.float32) if values else np.zeros(1, np.float32),
        emission_guide=np.concatenate(guides).astype(np.int32) if guides else np.zeros(1, np.int32),
        index=index if index.size else np.zeros(CATEGORY_COLUMNS, np.int32),
        rate=np.array([round(r * 2.0**32) for r in rates] or [0], np.int64),
        local_quanta=round(local * QUANTA_PER_MEV),
        highest_mev=highest,
        highest_positron_mev=highest_positron,
    )


def _source_guide(cdf: np.ndarray) -> tuple[np.ndarray, int]:
    """Where to start looking in the running sum, by the leading bits of the target; and how far left they stand.

    As many cells as voxels, rounded down to a power of two: on average a look-up goes on for at most one step.
    """
    bits = max(int(cdf.size).bit_length() - 1, 1)
    shift = 62 - bits
    below = np.arange(1 << bits, dtype=np.int64) << shift
    return np.minimum(np.searchsorted(cdf, below, side="right"), cdf.size - 1).astype(np.int32), shift


def _emission_guide(running: np.ndarray, is_spectrum: bool) -> np.ndarray:
    """The same for a running sum from 0 to 1, of lines or at the points of a spectrum; one cell more than points."""
    sums = running.astype(np.float32).astype(np.float64)
    # a little early, since float32 may round a number up into the next cell
    below = np.arange(running.size + 1) / running.size * (1 - 1e-6) - 1e-7
    place = np.searchsorted(sums, below, side="right")
    return np.clip(place - 1, 0, running.size - 2) if is_spectrum else np.clip(place, 0, running.size - 1)
