"""A PET scan as activity concentration, with the times and doses of its header."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ..volumes import Volume
from .moments import Moment, Origin
from .stated import Body


@dataclass
class PetScan:
    """One PET scan.

    Parameters
    ----------
    volume
        Activity concentration [Bq/mL] of the tracer, true at ``time_h``.
    time_h
        Time from administration to the start of the scan [h].
    administered_activity_mbq
        At administration [MBq]; None when neither case nor header says.
    tracer
        Nuclide as the header names it, e.g. ``"F-18"``; None when it does not.
    assumptions
        What was assumed, converted or contradictory, one sentence each.
    weight_kg, half_life_s
        Body weight [kg] and half-life of the tracer [s], where known.
    start, given
        Start of the scan and time of administration as resolved, where known, and whether they were stated.
    """

    volume: Volume
    time_h: float
    administered_activity_mbq: float | None = None
    tracer: str | None = None
    assumptions: list[str] = field(default_factory=list)
    weight_kg: float | None = None
    half_life_s: float | None = None
    start: Moment | None = None
    given: Moment | None = None

    @property
    def scan_start(self) -> datetime | None:
        """Start of the scan by the clock on the wall."""
        return None if self.start is None else self.start.wall

    @property
    def administered(self) -> datetime | None:
        """Time of administration by the clock on the wall."""
        return None if self.given is None else self.given.wall

    @property
    def time_origin(self) -> Origin:
        """Whether `time_h` was stated in all parts, completed from a neighbouring field, or rests on a convention."""
        origins = {moment.origin for moment in (self.start, self.given) if moment is not None}
        return next((one for one in (Origin.ASSUMED, Origin.COMPLETED) if one in origins), Origin.MEASURED)

    @property
    def left_bq(self) -> float | None:
        """What decay leaves of the administered activity at the scan [Bq]; None where it is not known."""
        if not self.administered_activity_mbq or not self.half_life_s:
            return None
        return float(self.administered_activity_mbq * 1e6 * 0.5 ** (self.time_h * 3600.0 / self.half_life_s))


@dataclass(frozen=True)
class Known:
    """What the case says of a PET; None where it is silent. Arguments of :func:`read_pet`."""

    administered: Moment | None = None
    activity_mbq: float | None = None
    weight_kg: float | None = None
    half_life_s: float | None = None
    after_h: float | None = None
    tracer: str | None = None
    body: Body = Body()
