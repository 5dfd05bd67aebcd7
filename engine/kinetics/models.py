"""The shapes a time-activity curve may have, with their integrals and derivatives in closed form.

Every shape describes a(t), the activity of the therapy nuclide per administered activity, through an
amplitude and biological rates ``lambda_b >= 0``; the effective rate is ``lambda_e = lambda_b +
lambda_physical``, so no curve can decay more slowly than the nuclide does. The forms are those of Jentzen et
al., J Nucl Med 49 (2008) 1017 (linear rise followed by a mono-exponential) and of the MIRD schema (sums of
exponentials).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import InputError

#: How the activity gets from nothing at administration to its value at the peak.
UPTAKES = ("linear-activity", "linear-retention", "instant")
#: Largest exponent of a curve continued back to the administration; a double holds e^709, and nobody e^500.
_MOST_EXPONENT = 500.0


def require_uptake(uptake: str) -> None:
    """InputError unless ``uptake`` is one of :data:`UPTAKES`."""
    if uptake not in UPTAKES:
        raise InputError(f"unknown uptake {uptake!r}", why="it must be one of " + ", ".join(UPTAKES), field="uptake")


@dataclass(frozen=True)
class Shape:
    """One curve shape for one therapy nuclide.

    Parameters
    ----------
    kind
        ``"rise"`` (uptake to ``peak_h``, then mono-exponential), ``"mono"`` (mono-exponential from t = 0),
        ``"bi"`` (A (exp(-lambda_e t) - exp(-lambda_u t))) or ``"decay"`` (physical decay from t = 0).
    physical
        Decay constant of the therapy nuclide [1/h].
    peak_h
        Time of the peak [h]; for ``"rise"`` only.
    uptake
        One of :data:`UPTAKES`; for ``"rise"`` only. ``"instant"`` extrapolates the exponential back to t = 0.
    """

    kind: str
    physical: float
    peak_h: float = 0.0
    uptake: str = "linear-activity"

    @property
    def rates(self) -> int:
        """Number of biological rates (without the amplitude)."""
        return {"rise": 1, "mono": 1, "bi": 2, "decay": 0}[self.kind]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of amplitude and rates, in the order of the Jacobian and covariance."""
        amplitude = "peak_activity" if self.kind == "rise" else "amplitude"
        return (amplitude, "biological_rate_per_h", "uptake_rate_per_h")[: 1 + self.rates]

    def unit(self, t: np.ndarray, rates: np.ndarray) -> np.ndarray:
        """The curve at times t [h] for amplitude 1."""
        t = np.asarray(t, dtype=np.float64)
        if self.kind == "decay":
            return np.exp(-self.physical * t)
        slow = rates[0] + self.physical
        if self.kind == "mono":
            return np.exp(-slow * t)
        if self.kind == "bi":
            return np.exp(-slow * t) - np.exp(-(rates[1] + self.physical) * t)
        after = np.exp(-slow * (t - self.peak_h))
        if self.uptake == "instant":
            return after
        rise = t / self.peak_h
        if self.uptake == "linear-retention":
            rise = rise * np.exp(-self.physical * (t - self.peak_h))
        return np.where(t < self.peak_h, rise, after)

    def jacobian(self, t: np.ndarray, amplitude: float, rates: np.ndarray) -> np.ndarray:
        """Derivatives of the curve by amplitude and rates, (nt, 1 + rates)."""
        columns = [self.unit(t, rates)]
        if self.kind in ("mono", "bi"):
            columns.append(-t * amplitude * np.exp(-(rates[0] + self.physical) * t))
        if self.kind == "bi":
            columns.append(t * amplitude * np.exp(-(rates[1] + self.physical) * t))
        if self.kind == "rise":
            lag = t - self.peak_h
            slope = -lag * amplitude * np.exp(-(rates[0] + self.physical) * lag)
            columns.append(slope if self.uptake == "instant" else np.where(lag < 0.0, 0.0, slope))
        return np.stack(columns, axis=1)

    def integral(self, amplitude: float, rates: np.ndarray) -> tuple[float, np.ndarray]:
        """Integral from 0 to infinity [h x unit] and its derivatives by amplitude and rates."""
        if self.kind == "decay":
            return amplitude / self.physical, np.array([1.0 / self.physical])
        slow = rates[0] + self.physical
        if self.kind == "mono":
            return amplitude / slow, np.array([1.0 / slow, -amplitude / slow**2])
        if self.kind == "bi":
            fast = rates[1] + self.physical
            unit = 1.0 / slow - 1.0 / fast
            return amplitude * unit, np.array([unit, -amplitude / slow**2, amplitude / fast**2])
        if self.uptake == "instant":
            if slow * self.peak_h > _MOST_EXPONENT:
                half_life = math.log(2.0) / slow
                raise InputError(
                    f"a half-life of {half_life:.3g} h cannot be continued back from {self.peak_h:.4g} h to 0",
                    why="more would have been there than any number holds: times or units of the scans are wrong",
                    suggestion="check the scans, or use uptake: linear",
                    field="kinetics.uptake",
                )
            grow = math.exp(slow * self.peak_h)
            slope = amplitude * grow * (self.peak_h / slow - 1.0 / slow**2)
            return amplitude * grow / slow, np.array([grow / slow, slope])
        unit = self.rise_integral() + 1.0 / slow
        return amplitude * unit, np.array([unit, -amplitude / slow**2])

    def rise_integral(self) -> float:
        """Integral of the uptake phase for peak activity 1 [h]."""
        if self.uptake == "linear-activity":
            return 0.5 * self.peak_h
        x = self.physical * self.peak_h
        return (math.exp(x) - 1.0 - x) / (self.physical * x)

    def tail(self, start_h: float, amplitude: float, rates: np.ndarray) -> float:
        """Integral from ``start_h`` (at or after the peak) to infinity [h x unit]."""
        if self.kind == "bi":
            slow, fast = rates[0] + self.physical, rates[1] + self.physical
            return amplitude * (math.exp(-slow * start_h) / slow - math.exp(-fast * start_h) / fast)
        slow = self.physical if self.kind == "decay" else rates[0] + self.physical
        return amplitude * float(self.unit(np.array([start_h]), rates)[0]) / slow
