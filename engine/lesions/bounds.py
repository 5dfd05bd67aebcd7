"""Why the dose of a lesion is not an estimate but only a bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Reasons for "at least this much".
SMALL = "its volume is below the smallest that is known well enough"
LIMITED = "its recovery is smaller than any that a phantom measures; the correction was limited"
NO_RECOVERY = "not corrected for the resolution of the PET"
LATE_SCAN = "uptake and clearance not measured: one scan, later than the mean life of the nuclide"
MISPLACED = "its outline misses its activity in a scan: check the registration"
#: Reasons for "at most this much".
BELOW_DETECTION = "below the detection limit in a scan"
ONE_SCAN = "clearance not measured: one scan, the largest plausible integral taken"
COLD = "less active than its surroundings, whose activity spills into it"
#: Reasons why nothing can be said of how far the dose may lie from the truth.
FIRST_MISPLACED = "its outline misses its activity in the first scan: check the registration"
UNRESOLVED = "the times of the scans cannot tell its clearance"
STOPPED = "the transport was stopped before its standard error was known"


@dataclass(frozen=True)
class Bounds:
    """Reasons why a lesion's dose is a bound; all empty where it is an estimate.

    Parameters
    ----------
    lower
        Why the true dose is at least the stated one.
    upper
        Why the true dose is at most the stated one. With reasons of both kinds the stated dose bounds nothing.
    unknown
        Why nothing can be said of how far the true dose lies from the stated one.
    """

    lower: tuple[str, ...] = ()
    upper: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.reasons)

    @property
    def reasons(self) -> tuple[str, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.lower, *self.upper, *self.unknown)))

    @property
    def open(self) -> bool:
        """Whether the stated dose bounds nothing."""
        return bool(self.unknown or (self.lower and self.upper))

    @property
    def at_least(self) -> bool:
        """Whether the stated dose is a lower bound."""
        return bool(self.lower) and not self.open

    @property
    def at_most(self) -> bool:
        """Whether the stated dose is an upper bound."""
        return bool(self.upper) and not self.open

    @property
    def sign(self) -> str:
        """What stands before the dose: ``"≥ "``, ``"≤ "``, ``"~ "`` where it bounds nothing, or nothing."""
        if self.open:
            return "~ "
        return "≥ " if self.lower else "≤ " if self.upper else ""

    def to_dict(self) -> dict[str, list[str]]:
        """Plain data for lesions.json."""
        return {"lower": list(self.lower), "upper": list(self.upper), "unknown": list(self.unknown)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Sequence[str]]) -> Bounds:
        """From what `to_dict` gave."""
        return cls(*(tuple(record.get(kind) or ()) for kind in ("lower", "upper", "unknown")))


#: A dose that is no bound.
ESTIMATE = Bounds()
