"""Values of a time-activity curve, and what stands for those below the detection limit."""

from __future__ import annotations

import math

import numpy as np

from ..errors import InputError
from ..text import counted
from .conversion import LN2
from .fitting import two_point

#: Shortest effective half-life [h] of a tracer between two scans: iodine leaves metastases within days, and the fastest
#: of organs, kidneys and bladder, within hours.
LEAST_EFFECTIVE_H = 1.0
#: A tracer that lives for hours or minutes is made for faster processes; below this share of its physical half-life
#: nothing is left for a second scan.
LEAST_SHARE_OF_PHYSICAL = 0.25


def one_per_scan(numbers: object, times: np.ndarray, field: str) -> np.ndarray:
    """The numbers as finite values, one for each scan (a scalar counts for all).

    Raises
    ------
    InputError
        Another number of values, or one that is not finite.
    """
    values = np.asarray(numbers, dtype=np.float64)
    if values.ndim > 1 or (values.ndim == 1 and values.size != times.size):
        raise InputError(
            f"{counted(values.size, 'value')} for {counted(times.size, 'scan')}",
            why="each scan needs one value",
            field=field,
        )
    values = np.broadcast_to(values, times.shape).copy()
    if not np.all(np.isfinite(values)):
        raise InputError("a value that is not a finite number", field=field)
    return values


def raise_to_limit(
    u: np.ndarray,
    s: np.ndarray | None,
    limit: np.ndarray | None,
    times: np.ndarray,
    physical: float,
    *,
    two_points: bool,
    uptake: str,
) -> tuple[np.ndarray, bool]:
    """Replace retention below the detection limit so that the TIA coefficient becomes an upper bound.

    Parameters
    ----------
    u, s
        Retention of each scan and its standard uncertainty (None: unknown), (nt,), float64.
    limit
        Detection limit of each, (nt,), float64; None: three standard uncertainties for a value at or below zero.
    times, physical
        Scan times [h], and the decay constant of the therapy nuclide [1/h].
    two_points
        Whether the two-point rule follows, whose integral is not monotone in the first value.
    uptake
        Unseen phase before the first scan, one of :data:`~hevesy.engine.kinetics.models.UPTAKES`.

    Returns
    -------
    (u, below)
        Retention with the replaced values, and whether there was one.

    Raises
    ------
    InputError
        A value at or below zero with neither a limit nor sigma.
    """
    if limit is None:
        if np.all(u > 0.0):
            return u, False
        if s is None:
            worst = int(np.argmin(u))
            raise InputError(
                f"retention {u[worst]:.3g} at {times[worst]:g} h",
                why="a value at or below zero only shows that the activity is below the detection limit of the scan",
                suggestion="give the detection limit (or sigma): the result is then an upper bound",
                field="fraction",
            )
        limit = np.where(u > 0.0, -np.inf, 3.0 * s)
    under = u < limit
    if not np.any(under):
        return u, False
    bound = np.where(under, limit, u)
    if two_points and under[0] and bound[1] < bound[0]:
        # The TIA coefficient is not monotone in U1: it is largest at an end of [U2, limit], so take that end.
        flat = np.array([bound[1], bound[1]])
        decay = np.exp(-physical * times)
        steep_tau, flat_tau = (
            fit.shape.integral(fit.amplitude, fit.rates)[0]
            for fit in (two_point(times, v * decay, v, physical, uptake) for v in (bound, flat))
        )
        if flat_tau > steep_tau:
            bound = flat
    return bound, True


def require_possible(times: np.ndarray, u: np.ndarray, tracer: float) -> None:
    """Refuse a fall between two scans that no tissue shows.

    Parameters
    ----------
    times, u
        Scan times [h] and retention of the two scans, (2,) float64; both measured.
    tracer
        Decay constant of the tracer [1/h].

    Raises
    ------
    InputError
        The effective half-life of the tracer between them is too short.
    """
    if not u[0] > u[1] > 0.0:
        return
    effective = LN2 / (math.log(u[0] / u[1]) / (times[1] - times[0]) + tracer)
    least = min(LEAST_EFFECTIVE_H, LEAST_SHARE_OF_PHYSICAL * LN2 / tracer)
    if effective < least:
        raise InputError(
            f"the activity falls with an effective half-life of {effective:.3g} h between the scans at {times[0]:.6g} "
            f"and {times[1]:.6g} h",
            why=f"no lesion loses a tracer with less than {least:.2g} h: the times or the units of the scans are "
            "wrong, or both are reconstructions of one scan",
            suggestion="check the times ('after') and the units of the scans",
            field="visits.scans",
        )
