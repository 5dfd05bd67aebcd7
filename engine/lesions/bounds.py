"""Why the dose of a lesion is not an estimate but only a bound."""

from __future__ import annotations

from dataclasses import dataclass

#: Reasons for "at least this much".
SMALL = "its volume is below the smallest that is known well enough"
NO_RECOVERY = "not corrected for the resolution of the PET"
LATE_SCAN = "uptake and clearance not measured: one scan, later than the mean life of the nuclide"
#: Reasons for "at most this much".
BELOW_DETECTION = "below the detection limit in a scan"
ONE_SCAN = "clearance not measured: one scan, the largest plausible integral taken"
COLD = "less active than its surroundings, whose activity spills into it"


@dataclass(frozen=True)
class Bounds:
    """Reasons why a lesion's dose is a bound, in words that end "..., because it is ...".

    Parameters
    ----------
    lower
        Why the true dose is at least the stated one; empty where it is not a lower bound.
    upper
        Why the true dose is at most the stated one; empty where it is not an upper bound. With reasons of both
        kinds the stated dose bounds nothing.
    """

    lower: tuple[str, ...] = ()
    upper: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lower or self.upper)

    @property
    def sign(self) -> str:
        """What stands before the dose: ``"≥ "``, ``"≤ "``, ``"~ "`` where reasons of both kinds hold, or nothing."""
        if self.lower and self.upper:
            return "~ "
        return "≥ " if self.lower else "≤ " if self.upper else ""
