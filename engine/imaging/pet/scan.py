"""A PET scan as activity concentration, with the times and doses of its header."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ..volumes import Volume


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
    scan_start, administered
        Dates and times as resolved, where known.
    """

    volume: Volume
    time_h: float
    administered_activity_mbq: float | None = None
    tracer: str | None = None
    assumptions: list[str] = field(default_factory=list)
    weight_kg: float | None = None
    half_life_s: float | None = None
    scan_start: datetime | None = None
    administered: datetime | None = None


@dataclass(frozen=True)
class Known:
    """What the case says of a PET; None where it is silent. Arguments of :func:`read_pet`."""

    administered: datetime | None = None
    activity_mbq: float | None = None
    weight_kg: float | None = None
    half_life_s: float | None = None
    after_h: float | None = None
