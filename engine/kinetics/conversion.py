"""From the activity of a tracer to the activity of the therapy nuclide.

Both nuclides label the same chemistry, so they share the retention U(t): the share of the administered
activity that is in the volume at time t, corrected for physical decay to the time of administration. Each
nuclide's own decay is then applied: ``a_therapy(t) = U(t) exp(-lambda_therapy t)``.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import InputError

LN2 = math.log(2.0)


def decay_constant(half_life_h: float, field: str = "half-life") -> float:
    """Decay constant [1/h] of a half-life [h].

    Raises
    ------
    InputError
        For a half-life that is not a positive finite number.
    """
    value = float(half_life_h)
    if not math.isfinite(value) or value <= 0.0:
        raise InputError(
            f"half-life {half_life_h!r} h",
            why="a half-life is a positive, finite time",
            suggestion="give it in hours, such as 100.224 for I-124",
            field=field,
        )
    return LN2 / value


def scan_times(times_h: object) -> np.ndarray:
    """Checked scan times [h after administration], one dimension, strictly increasing and positive.

    Raises
    ------
    InputError
        For no scan, a scan at or before administration, or times that repeat or run backwards.
    """
    times = np.atleast_1d(np.asarray(times_h, dtype=np.float64))
    if times.ndim != 1 or times.size == 0:
        raise InputError("no scan times", why="kinetics need at least one scan", field="times_h")
    if not np.all(np.isfinite(times)):
        raise InputError("a scan time is not a number", field="times_h")
    if times[0] <= 0.0:
        raise InputError(
            f"a scan {times[0]:g} h after administration",
            why="a scan at or before the administration cannot show its uptake",
            suggestion="check the administration time and the scan dates",
            field="times_h",
        )
    if np.any(np.diff(times) <= 0.0):
        listed = ", ".join(f"{t:g}" for t in times)
        raise InputError(
            f"scan times {listed} h",
            why="each scan must be later than the one before",
            suggestion="sort the scans by time and remove repeated ones",
            field="times_h",
        )
    return times


def retention(activity: np.ndarray, times_h: np.ndarray, tracer_half_life_h: float) -> np.ndarray:
    """Retention U: tracer activity (at scan time) corrected for physical decay to administration.

    Parameters
    ----------
    activity
        Tracer activity, or concentration, or share of the administered activity; (nt, ...), float64; scan
        first.
    times_h
        Scan times after administration (nt,), float64 [h].
    tracer_half_life_h
        Physical half-life of the tracer [h].

    Returns
    -------
    ndarray
        Same shape as ``activity``, float64, in its unit.
    """
    return _scale(activity, times_h, decay_constant(tracer_half_life_h, "tracer_half_life_h"))


def to_therapy(
    activity: np.ndarray, times_h: np.ndarray, tracer_half_life_h: float, therapy_half_life_h: float
) -> np.ndarray:
    """Activity the therapy nuclide would show at the same times, for equal administered activities.

    ``a_therapy = a_tracer exp((lambda_tracer - lambda_therapy) t)``: a factor 1.083 at 24 h and 1.375 at 96 h
    from I-124 to I-131.

    Parameters
    ----------
    activity
        Tracer activity, physical, at the scan times; (nt, ...), float64; scan first.
    times_h
        Scan times after administration (nt,), float64 [h].
    tracer_half_life_h, therapy_half_life_h
        Physical half-lives [h].

    Returns
    -------
    ndarray
        Same shape as ``activity``, float64, in its unit.

    Examples
    --------
    >>> import numpy as np
    >>> from hevesy.engine.kinetics import to_therapy
    >>> to_therapy(np.ones(2), np.array([24.0, 96.0]), 100.2, 192.6).round(3)
    array([1.083, 1.375])
    """
    difference = decay_constant(tracer_half_life_h, "tracer_half_life_h") - decay_constant(
        therapy_half_life_h, "therapy_half_life_h"
    )
    return _scale(activity, times_h, difference)


def _scale(activity: np.ndarray, times_h: np.ndarray, rate: float) -> np.ndarray:
    values = np.asarray(activity, dtype=np.float64)
    times = np.asarray(times_h, dtype=np.float64)
    factor = np.exp(rate * times)
    return values * factor.reshape(factor.shape + (1,) * (values.ndim - factor.ndim))


def percent_per_gram(retained_fraction: float, mass_g: float) -> float:
    """Percentage of the administered activity per gram, decay corrected [%IA/g].

    Parameters
    ----------
    retained_fraction
        Share of the administered activity in the tissue, decay corrected to administration.
    mass_g
        Mass of the tissue [g].

    Returns
    -------
    float
        %IA/g.
    """
    return 100.0 * retained_fraction / mass_g


def suv(percent_ia_per_gram: float, weight_kg: float) -> float:
    """Body-weight standardised uptake value of a decay-corrected %IA/g [g/mL at 1 g/mL].

    Parameters
    ----------
    percent_ia_per_gram
        Decay-corrected percentage of the administered activity per gram [%IA/g].
    weight_kg
        Body weight [kg].

    Returns
    -------
    float
        SUV [g/mL], for tissue of 1 g/mL.
    """
    return percent_ia_per_gram / 100.0 * weight_kg * 1000.0


def contradictions(
    times_h: np.ndarray,
    retained_fraction: np.ndarray,
    sigma: np.ndarray | None = None,
    allowance: float = 3.0,
) -> list[str]:
    """Name retention values that cannot be: below zero, above 100 %, or later growth beyond the noise.

    Parameters
    ----------
    times_h, retained_fraction
        Scan times [h] and retention U (share of the administered activity, decay corrected); (nt,), float64.
    sigma
        Standard uncertainty of each value, (nt,) or scalar, float64; 10 % of the value where not given.
    allowance
        How many standard uncertainties count as beyond the noise.

    Returns
    -------
    list of str
        One sentence for each contradiction; empty when there is none.
    """
    times = scan_times(times_h)
    u = np.atleast_1d(np.asarray(retained_fraction, dtype=np.float64))
    s = 0.1 * np.abs(u) if sigma is None else np.broadcast_to(np.asarray(sigma, dtype=np.float64), u.shape)
    sentences = []
    for t, value, error in zip(times, u, s, strict=True):
        if value < -allowance * error:
            sentences.append(f"retention {100 * value:.3g} % at {t:g} h is below zero beyond its noise")
        if value - allowance * error > 1.0:
            sentences.append(f"retention {100 * value:.3g} % at {t:g} h is more than was administered")
    for i in range(1, u.size):
        excess = u[i] - u[i - 1]
        if excess > allowance * math.hypot(s[i], s[i - 1]) and times[i - 1] >= 24.0:
            sentences.append(
                f"the activity at {times[i]:g} h is above what physical decay alone leaves of that at "
                f"{times[i - 1]:g} h (retention {100 * u[i - 1]:.3g} % to {100 * u[i]:.3g} %)"
            )
    return sentences
