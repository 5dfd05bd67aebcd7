"""The time zone of a DICOM object: stated, or told by two elements that give one moment with and without an offset."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import TYPE_CHECKING

from ...same import SAME_EVENT_S
from ..dicom.elements import items, text
from .moments import Moment, Stamp, clock_of, date_of, stamp_of, zone_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Offsets from UTC are multiples of this [s].
_QUARTER_S = 900.0


def zone_of_object(data: Dataset) -> timezone | None:
    """Offset that holds for the dates and times of an object that have none of their own; None where nothing tells.

    Rule: TimezoneOffsetFromUTC; else, beside an AcquisitionDateTime with an offset of its own, the offset by which
    AcquisitionDate and AcquisitionTime are the same moment; without these, that of AcquisitionDateTime, unless it is
    UTC and the series began a whole number of quarter hours away: a clock on the wall then stamped the series. Else,
    beside an administration with an offset of its own, the offset by which its time of day alone is the same moment.
    """
    stated = zone_of(text(data, "TimezoneOffsetFromUTC"))
    if stated is not None:
        return stated
    moment = stamp_of(text(data, "AcquisitionDateTime")).moment()
    if moment is None or not moment.aware:
        return _by_administration(data)
    pair = Stamp(date_of(text(data, "AcquisitionDate")), clock_of(text(data, "AcquisitionTime"))).moment()
    own = moment.when.tzinfo
    assert isinstance(own, timezone)
    if pair is not None:
        return _between(pair, moment) or own
    series = Stamp(date_of(text(data, "SeriesDate")), clock_of(text(data, "SeriesTime"))).moment()
    if series is not None and own.utcoffset(None) == timedelta(0):
        return _between(series, moment) or own
    return own


def _by_administration(data: Dataset) -> timezone | None:
    """The offset that turns the stated moment of the administration into its stated time of day."""
    for item in items(data, "RadiopharmaceuticalInformationSequence")[:1]:
        moment = stamp_of(text(item, "RadiopharmaceuticalStartDateTime")).moment()
        clock = clock_of(text(item, "RadiopharmaceuticalStartTime"))
        if moment is None or not moment.aware or clock is None:
            return None
        days = [Stamp(moment.wall.date() + timedelta(days=days), clock).moment() for days in (0, -1, 1)]
        return next((zone for day in days if day and (zone := _between(day, moment)) is not None), None)
    return None


def _between(local: Moment, aware: Moment) -> timezone | None:
    """The offset from UTC by which a local time is the same moment as another; None where there is none."""
    seconds = (local.wall - aware.when.astimezone(timezone.utc).replace(tzinfo=None)).total_seconds()
    whole = _QUARTER_S * round(seconds / _QUARTER_S)
    if abs(seconds - whole) > SAME_EVENT_S:
        return None
    hours, minutes = divmod(int(abs(whole)) // 60, 60)
    return zone_of(f"{'-' if whole < 0.0 else '+'}{hours:02d}:{minutes:02d}")
