"""The source of a problem as flat tables: where decays happen and what they emit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....kernels.emission import CATEGORY_COLUMNS
from ....kernels.tables import ELECTRON, PHOTON, POSITRON, QUANTA_PER_MEV
from ...errors import InputError
from ...nuclides.emission import Emission

#: the cumulative sum of activity ends here: integers, so that voxel choice is the same on every machine
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


@dataclass(frozen=True)
class _Category:
    """One kind of emission: particles of one spectrum, or of one list of lines.

    Parameters
    ----------
    kind
        Particle.
    pieces
        What the kernels read, one after the other: energies [MeV], cumulative sums from 0 to 1, and of a spectrum the
        densities per unit of cumulative probability.
    is_spectrum
        Whether it is a spectrum.
    rate
        Particles per decay.
    """

    kind: int
    pieces: tuple[np.ndarray, ...]
    is_spectrum: bool
    rate: float

    @property
    def highest_mev(self) -> float:
        return float(self.pieces[0].max())


def build(
    source: np.ndarray,
    emission: Emission,
    electron_cutoff_mev: float,
    photon_cutoff_mev: float,
    photons: bool,
) -> SourceTables:
    """Source tables; the energy of emissions that are not transported becomes one local energy per decay.

    Parameters
    ----------
    source
        Relative number of decays in each voxel, (nz, ny, nx).
    emission
        What one decay emits.
    electron_cutoff_mev, photon_cutoff_mev
        Lines at or below are deposited where they are emitted [MeV].
    photons
        False: so are all photon lines.

    Raises
    ------
    InputError
        No voxel has decays, or a decay emits nothing.
    """
    voxel, cdf = _activity(source)
    guide, shift = _source_guide(cdf)
    electrons, soft_electrons = _above(emission.electron_lines, electron_cutoff_mev)
    gammas, soft_gammas = _above(emission.photon_lines, photon_cutoff_mev if photons else np.inf)
    alphas = _energy(np.asarray(emission.alpha_lines, float).reshape(-1, 2))
    local = alphas + soft_electrons + soft_gammas
    kinds = (
        _spectrum(ELECTRON, emission.beta_mev, emission.beta_per_mev),
        _spectrum(POSITRON, emission.positron_mev, emission.positron_per_mev),
        _lines(ELECTRON, electrons),
        _lines(PHOTON, gammas),
    )
    categories = [category for category in kinds if category is not None]
    if not categories and local <= 0.0:
        raise InputError(
            "the emission is empty",
            why="no line and no spectrum with a positive number per decay",
            suggestion="name a nuclide or give electron_lines, photon_lines or a spectrum",
            field="emission",
        )
    return SourceTables(
        cdf=cdf,
        voxel=voxel,
        guide=guide,
        guide_shift=shift,
        **_emission_tables(categories),
        local_quanta=round(local * QUANTA_PER_MEV),
        highest_mev=max((c.highest_mev for c in categories), default=0.0),
        highest_positron_mev=max((c.highest_mev for c in categories if c.kind == POSITRON), default=0.0),
    )


def _activity(source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Voxels with decays, int32, and the cumulative sum of their decays up to :data:`CDF_TOP`, int64."""
    flat = np.asarray(source, np.float64).ravel()
    active = np.flatnonzero(flat > 0)
    if active.size == 0:
        raise InputError(
            "the source is empty",
            why="no voxel has a positive number of decays, so there is nothing to transport",
            suggestion="give at least one voxel of `source` a positive value",
            field="source",
        )
    cumulative = np.cumsum(flat[active])
    scaled = (cumulative / cumulative[-1] * float(CDF_TOP)).astype(np.float64)
    cdf = np.minimum(scaled, float(CDF_TOP)).astype(np.int64)
    cdf[-1] = CDF_TOP
    return active.astype(np.int32), cdf


def _above(lines: np.ndarray, cutoff_mev: float) -> tuple[np.ndarray, float]:
    """Lines above the cut-off, and the energy of the others [MeV per decay]."""
    lines = np.asarray(lines, float).reshape(-1, 2)
    below = lines[:, 0] <= cutoff_mev
    return lines[~below], _energy(lines[below])


def _energy(lines: np.ndarray) -> float:
    """Energy of lines [MeV per decay]."""
    return float((lines[:, 0] * lines[:, 1]).sum())


def _spectrum(kind: int, mev: np.ndarray, density: np.ndarray) -> _Category | None:
    """A spectrum of straight lines; None when it is empty."""
    mev, density = np.asarray(mev, float), np.asarray(density, float)
    if mev.size < 2:
        return None
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(mev))])
    rate = float(cumulative[-1])
    if rate <= 0.0:
        return None
    # densities per unit of cumulative probability: E = e0 + width t with p0 t + (p1 - p0) t^2/2 = (r - c0)/width
    return _Category(kind, (mev, cumulative / rate, density / rate), True, rate)


def _lines(kind: int, lines: np.ndarray) -> _Category | None:
    """Lines with an intensity above zero; None when there are none."""
    lines = lines[lines[:, 1] > 0]
    if len(lines) == 0:
        return None
    cumulative = np.cumsum(lines[:, 1])
    return _Category(kind, (lines[:, 0], cumulative / cumulative[-1]), False, float(cumulative[-1]))


def _emission_tables(categories: list[_Category]) -> dict[str, np.ndarray]:
    """All categories in flat arrays, with a row of the index for each."""
    rows: list[tuple[int, int, int, int, int]] = []
    values: list[np.ndarray] = []
    guides: list[np.ndarray] = []
    for category in categories:
        offset, cell = sum(v.size for v in values), sum(g.size for g in guides)
        rows.append((category.kind, offset, category.pieces[0].size, int(category.is_spectrum), cell))
        values.extend(category.pieces)
        guides.append(_emission_guide(category.pieces[1], category.is_spectrum))
    index = np.array(rows, np.int32).reshape(-1, CATEGORY_COLUMNS).ravel()
    return {
        "emission": np.concatenate(values).astype(np.float32) if values else np.zeros(1, np.float32),
        "emission_guide": np.concatenate(guides).astype(np.int32) if guides else np.zeros(1, np.int32),
        "index": index if index.size else np.zeros(CATEGORY_COLUMNS, np.int32),
        "rate": np.array([round(category.rate * 2.0**32) for category in categories] or [0], np.int64),
    }


def _source_guide(cdf: np.ndarray) -> tuple[np.ndarray, int]:
    """Where to start looking in the cumulative sum, by the leading bits of the target, and the shift to these bits.

    As many cells as voxels, rounded down to a power of two: on average a look-up takes at most one step more.
    """
    bits = max(int(cdf.size).bit_length() - 1, 1)
    shift = 62 - bits
    below = np.arange(1 << bits, dtype=np.int64) << shift
    return np.minimum(np.searchsorted(cdf, below, side="right"), cdf.size - 1).astype(np.int32), shift


def _emission_guide(cumulative: np.ndarray, is_spectrum: bool) -> np.ndarray:
    """The same for a cumulative sum from 0 to 1, of lines or at the points of a spectrum; one cell more than points."""
    sums = cumulative.astype(np.float32).astype(np.float64)
    # slightly early, since float32 may round a number up into the next cell
    below = np.arange(cumulative.size + 1) / cumulative.size * (1 - 1e-6) - 1e-7
    place = np.searchsorted(sums, below, side="right")
    return np.clip(place - 1, 0, cumulative.size - 2) if is_spectrum else np.clip(place, 0, cumulative.size - 1)
