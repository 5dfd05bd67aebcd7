"""Partial-volume recovery of a lesion's activity: how much of it the image still shows inside the lesion.

A recovery coefficient belongs to the *mean concentration in a lesion's contour* and is applied once, to that
mean. Voxel maps are never multiplied by it (docs/methods/recovery.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from scipy.special import erf

from ..errors import InputError
from ..text import counted

#: Below this volume [mL] the lesion's own volume is not known well enough; only a bound is quoted
#: (Jentzen et al., J Nucl Med 57 (2016) 1499).
KNOWN_VOLUME_ML = 0.16

#: No coefficient below this is used: phantoms measure none, and the error of the resolution would decide the dose. It
#: is used in place of a smaller one, and the dose is a bound.
LEAST_RECOVERY = 0.1
#: A sphere of this many resolutions shows half of its activity.
HALF_RECOVERY = 1.897

_SQRT_PI = math.sqrt(math.pi)
_TWO_SQRT_LN2 = 2.0 * math.sqrt(math.log(2.0))


def sphere_diameter_mm(volume_ml: object) -> np.ndarray:
    """Diameter [mm] of the sphere of a volume [mL]."""
    return np.cbrt(6000.0 * np.asarray(volume_ml, dtype=np.float64) / math.pi)


def sphere_volume_ml(diameter_mm: object) -> np.ndarray:
    """Volume [mL] of the sphere of a diameter [mm]."""
    return math.pi / 6000.0 * np.asarray(diameter_mm, dtype=np.float64) ** 3


def _reduced(diameter_mm: object, fwhm_mm: object) -> np.ndarray:
    d, f = np.asarray(diameter_mm, dtype=np.float64), np.asarray(fwhm_mm, dtype=np.float64)
    if np.any(~(d > 0.0)) or np.any(~(f > 0.0)):
        raise InputError(
            f"sphere of {d.min() if d.size else d} mm at a resolution of {f.min() if f.size else f} mm",
            why="diameter and resolution (FWHM) must be positive",
            field="recovery",
        )
    return _TWO_SQRT_LN2 * d / f


def sphere_recovery(diameter_mm: object, fwhm_mm: object) -> np.ndarray:
    """Recovery coefficient of the mean of a uniform sphere in a cold background.

    Parameters
    ----------
    diameter_mm
        Sphere diameter [mm], any shape.
    fwhm_mm
        Width of the (isotropic Gaussian) image resolution [mm].

    Returns
    -------
    ndarray
        Mean of the blurred sphere inside the true surface divided by its true concentration, in (0, 1).

    Notes
    -----
    With ``a = 2 sqrt(ln 2) d / FWHM``:
    ``RC = erf(a) - [3 - 2/a^2 - (1 - 2/a^2) exp(-a^2)] / (a sqrt(pi))``. For small a the terms cancel and the
    series ``sum_k c_k a^(2k-1)`` (first term a^3 / (6 sqrt(pi))) is used.
    """
    a = _reduced(diameter_mm, fwhm_mm)
    big = np.maximum(a, 0.5)
    s = 2.0 / big**2
    exact = erf(big) - (3.0 - s - (1.0 - s) * np.exp(-(big**2))) / (big * _SQRT_PI)
    return np.where(a < 0.5, _series(np.minimum(a, 0.5)), exact)


def _coefficients() -> list[tuple[int, float]]:
    terms = []
    for k in range(2, 12):
        c = -2.0 / (math.factorial(k - 1) * (2 * k - 1)) + 1.0 / math.factorial(k) + 2.0 / math.factorial(k + 1)
        terms.append((2 * k - 1, (-1) ** k * c / _SQRT_PI))
    return terms


_SERIES = _coefficients()


def _series(a: np.ndarray) -> np.ndarray:
    return sum((c * a**power for power, c in _SERIES), np.zeros_like(a))


def sphere_recovery_slope(diameter_mm: object, fwhm_mm: object) -> np.ndarray:
    """d ln RC / d ln V of :func:`sphere_recovery` (1 for vanishing spheres, 0 for large ones)."""
    a = _reduced(diameter_mm, fwhm_mm)
    small = np.minimum(a, 0.5)
    low = sum((power * c * small**power for power, c in _SERIES), np.zeros_like(small)) / _series(small) / 3.0
    b = np.maximum(a, 0.5)
    e = np.exp(-(b**2))
    s = 2.0 / b**2
    bracket = 3.0 - s - (1.0 - s) * e
    slope = 2.0 * s / b * (1.0 - e) + 2.0 * b * (1.0 - s) * e
    derivative = 2.0 / _SQRT_PI * e - (slope / b - bracket / b**2) / _SQRT_PI
    rc = erf(b) - bracket / (b * _SQRT_PI)
    return np.where(a < 0.5, low, b * derivative / rc / 3.0)


def edge_density(diameter_mm: object, fwhm_mm: object) -> np.ndarray:
    """Twice the blurred concentration on the surface of a uniform sphere, relative to its true value (phi).

    ``phi = erf(a) - 2 / (a sqrt(pi)) (1 - exp(-a^2))`` with ``a = 2 sqrt(ln 2) d / FWHM``: 1 for large
    spheres, where half of the concentration is left on the edge (Gear et al., EJNMMI 45 (2018) 2456).
    """
    a = _reduced(diameter_mm, fwhm_mm)
    return erf(a) - 2.0 / (a * _SQRT_PI) * -np.expm1(-(a**2))


class RecoveryModel(Protocol):
    """Interface of recovery models: functions of the lesion volume [mL]."""

    @property
    def name(self) -> str:
        """Name in the report."""

    def recovery(self, volume_ml: float) -> float:
        """Recovery coefficient, in (0, 1]."""

    def slope(self, volume_ml: float) -> float:
        """d ln RC / d ln V."""

    def relative_sigma(self, volume_ml: float) -> float:
        """Relative standard uncertainty from the model's own parameters (volume held fixed)."""


@dataclass(frozen=True)
class SphereRecovery:
    """Analytic recovery of a uniform sphere for a Gaussian resolution.

    Parameters
    ----------
    fwhm_mm
        Resolution of the reconstructed image for the tracer, positron range included [mm].
    fwhm_sigma_mm
        Its standard uncertainty [mm].
    """

    fwhm_mm: float
    fwhm_sigma_mm: float = 0.0
    name: str = "analytic sphere in a Gaussian resolution"

    def recovery(self, volume_ml: float) -> float:
        """Recovery coefficient of the sphere of this volume."""
        return float(sphere_recovery(sphere_diameter_mm(volume_ml), self.fwhm_mm))

    def slope(self, volume_ml: float) -> float:
        """d ln RC / d ln V."""
        return float(sphere_recovery_slope(sphere_diameter_mm(volume_ml), self.fwhm_mm))

    def relative_sigma(self, volume_ml: float) -> float:
        """RC depends on d / FWHM alone, so d ln RC / d ln FWHM = -3 d ln RC / d ln V."""
        return 3.0 * self.slope(volume_ml) * self.fwhm_sigma_mm / self.fwhm_mm


@dataclass(frozen=True, eq=False)
class PhantomRecovery:
    """Recovery fitted to a sphere phantom: ``RC = 1 - 1 / (1 + (V / b1)^b2)``.

    The family is the example of Gear et al., EJNMMI 45 (2018) 2456. Build it with :meth:`fit` from the user's
    table, or from known parameters.

    Parameters
    ----------
    b1_ml, b2
        Volume of 50 % recovery [mL] and steepness.
    covariance
        Covariance matrix of (b1, b2).
    table
        Measured (volume [mL], RC, sigma) rows the fit came from; for the report.
    """

    b1_ml: float
    b2: float
    covariance: np.ndarray = field(default_factory=lambda: np.zeros((2, 2)))
    table: tuple[tuple[float, float, float], ...] = ()
    name: str = "phantom curve 1 - 1/(1 + (V/b1)^b2)"

    def recovery(self, volume_ml: float) -> float:
        """Recovery coefficient of a lesion of this volume."""
        x = (volume_ml / self.b1_ml) ** self.b2
        return x / (1.0 + x)

    def slope(self, volume_ml: float) -> float:
        """d ln RC / d ln V = b2 (1 - RC)."""
        return self.b2 * (1.0 - self.recovery(volume_ml))

    def relative_sigma(self, volume_ml: float) -> float:
        """First-order propagation of the covariance of the fit."""
        g = (1.0 - self.recovery(volume_ml)) * np.array([-self.b2 / self.b1_ml, math.log(volume_ml / self.b1_ml)])
        return math.sqrt(max(float(g @ self.covariance @ g), 0.0))

    @property
    def implied_fwhm_mm(self) -> float:
        """Resolution [mm] at which a uniform sphere of ``b1_ml`` shows half of its activity."""
        return float(sphere_diameter_mm(self.b1_ml)) / HALF_RECOVERY

    @property
    def sphere_range_mm(self) -> tuple[float, float]:
        """Smallest and largest diameter of the measured spheres [mm]; without a table all sizes."""
        if not self.table:
            return 0.0, math.inf
        sizes = sphere_diameter_mm([row[0] for row in self.table])
        return float(sizes.min()), float(sizes.max())

    @property
    def largest_misfit(self) -> float:
        """Largest distance of a measured coefficient from the curve."""
        return max((abs(rc - self.recovery(ml)) for ml, rc, _ in self.table), default=0.0)

    @classmethod
    def fit(
        cls,
        recovery: object,
        *,
        diameter_mm: object | None = None,
        volume_ml: object | None = None,
        sigma: object | None = None,
    ) -> PhantomRecovery:
        """Weighted least squares fit to a phantom table.

        Parameters
        ----------
        recovery
            Measured recovery coefficients of the spheres, (n,), n >= 3.
        diameter_mm, volume_ml
            Inner diameters [mm] or volumes [mL] of the spheres (give one of them).
        sigma
            Standard uncertainty of each coefficient; taken from the scatter of the fit when not given.

        Raises
        ------
        InputError
            Fewer than three spheres, coefficients outside (0, 1.2), sizes or uncertainties that are not positive, a
            table through which there is no such curve.
        """
        from scipy.optimize import curve_fit

        rc = np.asarray(recovery, dtype=np.float64).reshape(-1)
        if (diameter_mm is None) == (volume_ml is None):
            raise InputError("a phantom curve needs either diameters or volumes", suggestion="give exactly one of them")
        size = sphere_volume_ml(diameter_mm) if volume_ml is None else np.asarray(volume_ml, dtype=np.float64)
        size = size.reshape(-1)
        if rc.size < 3 or size.size != rc.size:
            raise InputError(
                f"phantom curve with {counted(size.size, 'size')} and {counted(rc.size, 'coefficient')}",
                why="two parameters and their uncertainty need at least three spheres",
                suggestion="give one line for each sphere of the phantom, three or more",
                field="recovery",
            )
        if np.any(~(size > 0.0)) or np.any(~((rc > 0.0) & (rc < 1.2))):
            raise InputError(
                "phantom curve with a size that is not positive or a coefficient outside 0 to 1.2",
                why="no phantom gives one",
                suggestion="give recovery coefficients as fractions, such as 0.65",
                field="recovery",
            )
        weights = None if sigma is None else np.broadcast_to(np.asarray(sigma, dtype=np.float64), rc.shape)
        if weights is not None and np.any(~(weights > 0.0)):
            raise InputError(
                f"phantom curve with a standard uncertainty of {weights.min():g}",
                why="every measured value has one, above 0",
                suggestion="correct it, or leave out the uncertainties",
                field="recovery",
            )
        try:
            found, covariance = curve_fit(
                lambda v, b1, b2: 1.0 - 1.0 / (1.0 + (v / b1) ** b2),
                size,
                rc,
                p0=[float(np.interp(0.5, np.sort(rc), np.sort(size))), 0.8],
                sigma=weights,
                absolute_sigma=weights is not None,
                bounds=([1e-6, 0.05], [1e4, 10.0]),
            )
        except (RuntimeError, ValueError):
            raise _no_fit() from None
        if not (np.all(np.isfinite(found)) and np.all(np.isfinite(covariance))):
            raise _no_fit()
        scatter = np.full(rc.shape, math.nan) if weights is None else weights
        rows = tuple((float(v), float(r), float(s)) for v, r, s in zip(size, rc, scatter, strict=True))
        return cls(float(found[0]), float(found[1]), covariance, rows)


def _no_fit() -> InputError:
    return InputError(
        "no curve 1 - 1/(1 + (V/b1)^b2) goes through the table",
        why="recovery rises from 0 to 1 as the spheres grow",
        suggestion="check sizes and coefficients",
        field="recovery",
    )


@dataclass(frozen=True)
class Corrected:
    """A lesion's concentration after recovery.

    Attributes
    ----------
    concentration
        Corrected mean concentration of each scan, in the unit given.
    recovery, factor
        Recovery coefficient and the ratio corrected / measured of each scan.
    volume_ml
        Volume at which the coefficient was evaluated [mL]: the lesion's, or the known-volume limit.
    lower_bound
        True when the lesion is smaller than the known-volume limit: the dose is at least this.
    limited
        True when the coefficient was below :data:`LEAST_RECOVERY`, which was used in its place.
    model, flags
        Name of the model, and remarks.
    """

    concentration: np.ndarray
    recovery: float
    factor: np.ndarray
    volume_ml: float
    lower_bound: bool
    model: str
    flags: tuple[str, ...] = ()
    limited: bool = False


def correct(
    concentration: object,
    volume_ml: float,
    model: RecoveryModel,
    background: object = 0.0,
    *,
    already_corrected: bool = False,
    known_volume_ml: float = KNOWN_VOLUME_ML,
) -> Corrected:
    """Recovery-correct the mean concentration of a lesion: ``(C - (1 - RC) B) / RC``.

    Parameters
    ----------
    concentration
        Mean concentration inside the lesion's contour, scalar or one per scan [any unit].
    volume_ml
        Volume of that contour [mL].
    model
        Recovery model.
    background
        Concentration around the lesion (activity that spills in), same unit.
    already_corrected
        Whether the concentration has been recovery-corrected before, which is refused.
    known_volume_ml
        Below this volume the coefficient is evaluated at this volume and the result is a lower bound.

    Raises
    ------
    InputError
        A second correction; a volume that is not positive.
    """
    if already_corrected:
        raise InputError(
            "this concentration is already corrected for recovery",
            why="the correction is applied once; twice would overstate the dose",
            suggestion="pass the uncorrected image mean, or leave the recovery out",
            field="recovery",
        )
    if not volume_ml > 0.0:
        raise InputError(f"lesion volume {volume_ml!r} mL", why="recovery needs a positive volume", field="recovery")
    c = np.atleast_1d(np.asarray(concentration, dtype=np.float64))
    b = np.broadcast_to(np.asarray(background, dtype=np.float64), c.shape)
    lower = volume_ml < known_volume_ml
    at = max(volume_ml, known_volume_ml)
    rc = max(model.recovery(at), LEAST_RECOVERY)
    limited = rc > model.recovery(at)
    fixed = (c - (1.0 - rc) * b) / rc
    flags = []
    if lower:
        flags.append(f"volume below {known_volume_ml:g} mL: recovery evaluated there, dose is a lower bound")
    if limited:
        flags.append(f"recovery below {LEAST_RECOVERY:g}, which was used in its place: the dose is only a bound")
    if np.any(fixed < 0.0):
        flags.append("below background after recovery")
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(c != 0.0, fixed / c, math.nan)
    return Corrected(fixed, rc, factor, at, lower, model.name, tuple(flags), limited)
