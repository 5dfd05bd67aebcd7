"""The gamma index of a dose map against another, and the share of voxels that pass, with and without noise.

For every voxel of the reference the smallest of sqrt(distance^2/criterion^2 + difference^2/criterion^2) over the
evaluated map, which is interpolated trilinearly (Low et al. 1998, Med Phys 25:656). Distance criteria of 1 to 3 mm are
smaller than voxels of 3 to 5 mm, so that the interpolation decides; :mod:`...kernels.backends.cpu_gamma` finds the
minimum over the interpolated map itself, not over samples of it.

Noise of the reference lowers the rate and noise of the evaluated map raises it (Low and Dempsey 2003, Med Phys
30:2455; Graves, Jia and Jiang 2013, Med Phys 40:071703). Two numbers say by how much: ``noise_pass_percent``, the rate
that a method without bias would get, and ``corrected_pass_percent``, the rate extrapolated to no noise by simulation
and extrapolation (Cook and Stefanski 1994, J Am Stat Assoc 89:1314). Laws and limits: docs/methods/gamma.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...kernels.backends.cpu_gamma import PASS, gamma_of_voxels
from ..dose.map import DoseMap
from ..errors import InputError
from ..grid import Grid
from .record import GammaRate

#: Criteria [%], [mm] and normalisations that a comparison states.
CRITERIA = ((1.0, 1.0), (1.0, 2.0), (2.0, 2.0), (3.0, 3.0))
NORMALISATIONS = GLOBAL, LOCAL = ("global", "local")
#: Voxels below this share of the normalisation dose are left out [%].
FLOOR_PERCENT = 10.0
#: The normalisation dose is the largest whose standard error is below this share of it: the largest of all is else that
#: of some voxel of little mass and much noise.
LARGEST_RELATIVE_ERROR = 0.1
#: Variances of added noise, in those of the maps, from which the rate without noise is extrapolated.
_ADDED = (0.0, 0.5, 1.0, 1.5, 2.0)
#: No rate is extrapolated where a method without bias would lose more than this [%]: beyond, the extrapolation was
#: found to err by more than some points (docs/methods/gamma.md).
_MOST_LOST_PERCENT = 5.0
#: Voxels, drawn evenly, and repetitions of them with which noise is simulated: 0.3 points of standard error at most.
_SIMULATED, _REPETITIONS = 20_000, 20
#: Repetitions where whole maps are drawn.
_FIELDS = 4


@dataclass(frozen=True)
class _Voxels:
    """Judged voxels: indices (n, 3), reference doses (n,), their standard errors (n,) or None, normalisation dose."""

    index: np.ndarray
    dose: np.ndarray
    sigma: np.ndarray | None
    highest: float

    def some(self, rng: np.random.Generator) -> _Voxels:
        """At most `_SIMULATED` of them."""
        if len(self.dose) <= _SIMULATED:
            return self
        chosen = np.sort(rng.choice(len(self.dose), _SIMULATED, replace=False))
        sigma = None if self.sigma is None else self.sigma[chosen]
        return _Voxels(self.index[chosen], self.dose[chosen], sigma, self.highest)


@dataclass(frozen=True)
class _Criterion:
    """What gamma is measured in: [%], [mm], normalisation, voxel size [mm]."""

    dose_percent: float
    distance_mm: float
    normalisation: str
    voxel_mm: tuple[float, float, float]

    def gamma(self, evaluated: np.ndarray, voxels: _Voxels, dose: np.ndarray, limit: float | None) -> np.ndarray:
        """Gamma of voxels (n,) for these reference doses; without a limit only whether it is at most one is certain."""
        scale = dose if self.normalisation == LOCAL else np.full(len(dose), voxels.highest)
        # a reference without dose differs from any other by infinitely many local criteria
        criterion = np.maximum(self.dose_percent / 100.0 * scale, np.finfo(np.float64).tiny * 1e16)
        return gamma_of_voxels(evaluated, voxels.index, dose, criterion, self.distance_mm, self.voxel_mm, limit)

    def passing(self, evaluated: np.ndarray, voxels: _Voxels, dose: np.ndarray) -> float:
        """Share with a gamma index of at most one."""
        return float(np.mean(self.gamma(evaluated, voxels, dose, None) <= PASS))


def gamma_index(
    grid: Grid,
    reference_gy: np.ndarray,
    evaluated_gy: np.ndarray,
    dose_percent: float,
    distance_mm: float,
    normalisation: str = GLOBAL,
    floor_percent: float = FLOOR_PERCENT,
    largest: float = 2.0,
) -> np.ndarray:
    """Gamma index of every voxel.

    Parameters
    ----------
    grid
        Of both maps.
    reference_gy, evaluated_gy
        Dose maps (nz, ny, nx), float64 [Gy]; NaN where there is no dose to compare.
    dose_percent, distance_mm
        Criterion [%], [mm].
    normalisation
        ``"global"``: per cent of the largest reference dose; ``"local"``: of the reference dose of the voxel.
    floor_percent
        Voxels below this share of the largest reference dose are left out [%].
    largest
        Gamma is not searched beyond this: larger ones get this number.

    Returns
    -------
    ndarray
        float64 (nz, ny, nx); NaN where no gamma index is stated.

    Raises
    ------
    InputError
        A criterion that is not above zero; an unknown normalisation.
    """
    (criterion,) = _criteria([(dose_percent, distance_mm)], [normalisation], grid)
    voxels = _judged(reference_gy, None, evaluated_gy, floor_percent)
    out = np.full(grid.shape, np.nan)
    evaluated = np.ascontiguousarray(evaluated_gy, np.float64)
    out[tuple(voxels.index.T)] = criterion.gamma(evaluated, voxels, voxels.dose, float(largest))
    return out


def gamma_rates(
    visit: str,
    grid: Grid,
    reference: DoseMap,
    evaluated: DoseMap,
    criteria: Sequence[tuple[float, float]] = CRITERIA,
    normalisations: Iterable[str] = NORMALISATIONS,
    floor_percent: float = FLOOR_PERCENT,
    seed: int = 0,
) -> list[GammaRate]:
    """Shares of voxels that pass, for every normalisation and criterion.

    Parameters
    ----------
    visit
        Name of the visit, for the records.
    grid
        Of both maps.
    reference, evaluated
        Dose (nz, ny, nx) in one unit, with standard errors where the method has them; NaN where there is no dose.
    criteria
        Pairs of dose [%] and distance [mm].
    normalisations
        ``"global"`` and ``"local"``.
    floor_percent
        Voxels below this share of the largest reference dose are left out [%].
    seed
        Of the simulated noise.

    Returns
    -------
    list of GammaRate
        Normalisation by normalisation, criterion by criterion; rates are None where no voxel is judged.

    Raises
    ------
    InputError
        A criterion that is not above zero; an unknown normalisation.
    ValueError
        Maps of different shapes or units.

    References
    ----------
    Low DA, Harms WB, Mutic S, Purdy JA (1998) Med Phys 25:656-661. Graves YJ, Jia X, Jiang SB (2013) Med Phys
    40:071703. Cook JR, Stefanski LA (1994) J Am Stat Assoc 89:1314-1328.
    """
    if reference.unit != evaluated.unit or reference.mean.shape != evaluated.mean.shape:
        raise ValueError(f"{reference.unit} {reference.mean.shape} and {evaluated.unit} {evaluated.mean.shape}")
    every = _criteria(criteria, normalisations, grid)
    voxels = _judged(reference.mean, _errors(reference), evaluated.mean, floor_percent)
    voxels, box = _cropped(voxels, grid, max((one.distance_mm for one in every), default=0.0))
    dose, sigma = np.ascontiguousarray(evaluated.mean[box], np.float64), _errors(evaluated)
    sigma = None if sigma is None else sigma[box]
    noise = _Noise(voxels, reference.mean[box], dose, sigma, seed) if len(voxels.dose) else None
    rates = []
    for one in every:
        share = noise_share = corrected = None
        if noise is not None:
            share = one.passing(dose, voxels, voxels.dose)
            noise_share, corrected = noise.rates(one, share)
        rates.append(
            GammaRate(
                visit, one.dose_percent, one.distance_mm, one.normalisation, floor_percent, len(voxels.dose),
                _percent(share), _percent(noise_share), _percent(corrected),
            )
        )  # fmt: skip
    return rates


class _Noise:
    """Rates with more noise, and without.

    For the method without bias one map has to stand for the truth: the one with less noise, as a rule the evaluated
    one. A reference is drawn about it, and where the evaluated map has noise of its own, such a map too.
    """

    def __init__(
        self, voxels: _Voxels, reference: np.ndarray, evaluated: np.ndarray, sigma: np.ndarray | None, seed: int
    ) -> None:
        rng = np.random.default_rng(seed)
        self.voxels = voxels.some(rng)
        self.index = tuple(self.voxels.index.T)
        self.evaluated, self.sigma = evaluated, sigma
        count = len(self.voxels.dose)
        self.known = self.voxels.sigma is not None or sigma is not None
        self.own = np.zeros(count) if self.voxels.sigma is None else self.voxels.sigma
        self.truth = evaluated
        if sigma is not None and float(np.mean(sigma[self.index] ** 2)) > float(np.mean(self.own**2)):
            self.truth = np.ascontiguousarray(reference, np.float64)
        repetitions = int(np.clip(_SIMULATED // count, 1, _REPETITIONS if sigma is None else _FIELDS))
        self.draws = rng.standard_normal((repetitions, count)) if self.known else np.empty((0, count))
        self.fields = None if sigma is None else rng.standard_normal((repetitions, *evaluated.shape))

    def rates(self, criterion: _Criterion, share: float) -> tuple[float | None, float | None]:
        """The share that a method without bias would get, and the one extrapolated to no noise; None without noise.

        ``share`` is that of all voxels as they are. Nothing is extrapolated for an evaluated map with more noise than
        the reference: the search finds agreement in its noise, and the share is no smooth function of it.
        """
        if not self.known:
            return None, None
        expected = self._without_bias(criterion)
        if self.truth is not self.evaluated or 100.0 * (1.0 - expected) > _MOST_LOST_PERCENT:
            return expected, None
        shares = [self._with_added(criterion, added) for added in _ADDED]
        # a parabola through the shares by least squares, at minus the variance of the maps
        corrected = share + float(np.polyval(np.polyfit(_ADDED, shares, 2), -1.0)) - shares[0]
        return expected, min(max(corrected, 0.0), 1.0)

    def _without_bias(self, criterion: _Criterion) -> float:
        return float(np.mean(list(self._drawn(criterion, self.truth, self.truth[self.index], 1.0))))

    def _with_added(self, criterion: _Criterion, variance: float) -> float:
        """The share with noise of this variance, in those of the maps, added to both."""
        if variance == 0.0:
            return criterion.passing(self.evaluated, self.voxels, self.voxels.dose)
        return float(np.mean(list(self._drawn(criterion, self.evaluated, self.voxels.dose, variance))))

    def _drawn(
        self, criterion: _Criterion, evaluated: np.ndarray, dose: np.ndarray, variance: float
    ) -> Iterator[float]:
        """Shares for draws about a map and about reference doses."""
        root = np.sqrt(variance)
        for n, draw in enumerate(self.draws):
            moved = evaluated
            if self.fields is not None and self.sigma is not None:
                moved = evaluated + root * self.sigma * self.fields[n]
            yield criterion.passing(moved, self.voxels, dose + root * self.own * draw)


def _criteria(criteria: Iterable[tuple[float, float]], normalisations: Iterable[str], grid: Grid) -> list[_Criterion]:
    out = []
    for normalisation in normalisations:
        if normalisation not in NORMALISATIONS:
            raise InputError(
                f"unknown normalisation of the gamma index: {normalisation!r}",
                why="a dose criterion is a share of the largest dose or of that of each voxel",
                suggestion="use global or local",
                field="gamma",
            )
        for percent, distance in criteria:
            if not (np.isfinite(percent) and percent > 0.0 and np.isfinite(distance) and distance > 0.0):
                raise InputError(
                    f"the gamma criterion is {percent:g} %, {distance:g} mm",
                    why="both must be above zero",
                    suggestion="use for example 3 %, 3 mm",
                    field="gamma",
                )
            out.append(_Criterion(float(percent), float(distance), normalisation, grid.spacing_mm))
    return out


def _errors(dose: DoseMap) -> np.ndarray | None:
    """Standard errors of a map, zero where there are none; None if it has none anywhere."""
    if dose.sigma is None or not np.any(np.nan_to_num(dose.sigma) > 0.0):
        return None
    return np.nan_to_num(np.asarray(dose.sigma, np.float64), posinf=0.0)


def _judged(reference: np.ndarray, sigma: np.ndarray | None, evaluated: np.ndarray, floor_percent: float) -> _Voxels:
    """Voxels with both doses, above zero and at or above the floor."""
    dose = np.nan_to_num(np.asarray(reference, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    certain = dose if sigma is None else np.where(sigma <= LARGEST_RELATIVE_ERROR * dose, dose, 0.0)
    highest = float(certain.max(initial=0.0)) or float(dose.max(initial=0.0))
    chosen = (dose > 0.0) & (dose >= floor_percent / 100.0 * highest) & np.isfinite(evaluated)
    index = np.argwhere(chosen)
    return _Voxels(index, dose[chosen], None if sigma is None else sigma[chosen], highest)


def _cropped(voxels: _Voxels, grid: Grid, distance_mm: float) -> tuple[_Voxels, tuple[slice, slice, slice]]:
    """Voxels with indices in the box that holds them and all that is searched around them, and that box."""
    if not len(voxels.dose):
        return voxels, (slice(0), slice(0), slice(0))
    room = np.ceil(1.01 * distance_mm / np.array(grid.spacing_mm)).astype(int) + 1
    low = np.maximum(voxels.index.min(axis=0) - room, 0)
    high = np.minimum(voxels.index.max(axis=0) + room + 1, grid.shape)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return replace(voxels, index=voxels.index - low), (z, y, x)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share
