"""Moments: dates, times of day and time zones of headers and cases as one thing, and the time between two of them.

A moment knows its zone or does not. One that does is converted, never cut; one that does not is compared with one that
does under an assumption that is said. Whether its parts were all stated is kept beside it: a date that was taken from
another element is never evidence for anything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from enum import Enum

#: Zones lie between these hours of UTC.
_ZONE_LEAST, _ZONE_MOST = -12, 14
#: Years of scans: PET is younger, and dates that de-identification moved by centuries can still be subtracted.
_YEAR_LEAST, _YEAR_MOST = 1900, 2200
#: A scan with all its beds, and a series made from it soon after, take less than the rest of the day [h]: a clock time
#: that lies further off than this, on a date that was not stated, belongs to the day before or after.
_MOST_OF_A_DAY_H = 20.0

_DATE = re.compile(r"(\d{4})([.-]?)(\d{2})\2(\d{2})")
_CLOCK = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,9}))?)?)?")
_ZONE = re.compile(r"([+-])(\d{2}):?(\d{2})")


class Origin(Enum):
    """Where a moment comes from."""

    MEASURED = "measured"
    COMPLETED = "completed"
    ASSUMED = "assumed"


@dataclass(frozen=True)
class Moment:
    """A point in time.

    Parameters
    ----------
    when
        Date and time; with a zone where that is known, else local time of a place that is not stated.
    origin
        `MEASURED`: all of it was stated. `COMPLETED`: a part was taken from a neighbouring field. `ASSUMED`: a part is
        a convention.
    """

    when: datetime
    origin: Origin = Origin.MEASURED

    @property
    def aware(self) -> bool:
        """Whether the zone is known."""
        return self.when.tzinfo is not None

    @property
    def wall(self) -> datetime:
        """What a clock on the wall showed, without a zone; for display and for sorting."""
        return self.when.replace(tzinfo=None)

    @property
    def measured(self) -> bool:
        """Whether all of it was stated."""
        return self.origin is Origin.MEASURED

    def plus(self, seconds: float) -> Moment:
        """A moment that much later [s]."""
        return replace(self, when=self.when + timedelta(seconds=seconds))

    def next_day(self, days: int = 1) -> Moment:
        """The same time of day some days later: a date that is not the stated one."""
        return Moment(self.when + timedelta(days=days), Origin.COMPLETED)


@dataclass(frozen=True)
class Stamp:
    """The parts of a date-time as a header states them, each None where it does not.

    Parameters
    ----------
    day
        The date.
    clock_s
        Time of day [s]; None too where only the hour is stated, which is no time of a scan.
    zone
        Offset from UTC.
    """

    day: date | None = None
    clock_s: float | None = None
    zone: timezone | None = None

    def moment(self, origin: Origin = Origin.MEASURED) -> Moment | None:
        """Date and time together; None where one of them is missing."""
        if self.day is None or self.clock_s is None:
            return None
        midnight = datetime(self.day.year, self.day.month, self.day.day, tzinfo=self.zone)
        return Moment(midnight + timedelta(seconds=self.clock_s), origin)


def date_of(text: str) -> date | None:
    """``20260105`` or ``2026.01.05`` as a date; None for anything else."""
    found = _DATE.fullmatch(text.strip())
    if found is None or not _YEAR_LEAST <= int(found[1]) <= _YEAR_MOST:
        return None
    try:
        return date(int(found[1]), int(found[3]), int(found[4]))
    except ValueError:
        return None


def clock_of(text: str) -> float | None:
    """``090000.25``, ``0900`` or ``09:00:00`` as seconds of the day; None for anything else, and for an hour alone."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None or found[2] is None:
        return None
    hours, minutes, seconds = int(found[1]), int(found[2]), int(found[3] or 0)
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    return 3600.0 * hours + 60.0 * minutes + seconds + float(f"0.{found[4] or 0}")


def zone_of(text: str) -> timezone | None:
    """``+0100`` as an offset from UTC; None for anything else."""
    if text.strip() == "Z":
        return timezone.utc
    found = _ZONE.fullmatch(text.strip())
    if found is None or int(found[3]) > 59:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3])) * (-1 if found[1] == "-" else 1)
    if not timedelta(hours=_ZONE_LEAST) <= offset <= timedelta(hours=_ZONE_MOST):
        return None
    return timezone(offset)


def stamp_of(text: str, zone: timezone | None = None) -> Stamp:
    """A DICOM date-time (``20260105090000.5+0100``, or its beginning) or an ISO one by its parts.

    Parameters
    ----------
    text
        As it stands in the header.
    zone
        Offset of the whole object, which holds where the text has none of its own.
    """
    text = text.strip()
    own = re.search(r"(Z|[+-]\d{2}:?\d{2})$", text[10:] if "-" in text[:8] else text[8:])
    if own is not None:
        text, zone = text[: len(text) - len(own[0])], zone_of(own[0])
    day = re.match(r"\d{4}([.-]?)\d{2}\1\d{2}", text)
    if day is None:
        return Stamp(None, None, zone)
    return Stamp(date_of(day[0]), clock_of(text[day.end() :].lstrip("T ")), zone)


def moment_of(day: object, clock: object) -> datetime | None:
    """A DICOM date and time of day as one local time; None where one of them is missing or cannot be read."""
    stamp = Stamp(date_of(str(day or "")), clock_of(str(clock or "")))
    found = stamp.moment()
    return None if found is None else found.when


def seconds_between(earlier: Moment, later: Moment) -> tuple[float, str]:
    """Time from one moment to another [s], and what had to be assumed of their zones; empty where nothing had.

    Where one alone has a zone, the other is taken as local time in it.
    """
    if earlier.aware == later.aware:
        return (later.when - earlier.when).total_seconds(), ""
    known, other = (earlier, later) if earlier.aware else (later, earlier)
    zone = known.when.tzinfo
    here, there = (m.when if m.aware else m.when.replace(tzinfo=zone) for m in (earlier, later))
    said = f"{other.wall:%Y-%m-%d %H:%M} has no time zone and is taken as local time of {known.when:%Y-%m-%d %H:%M%z}"
    return (there - here).total_seconds(), said


def gap_s(earlier: Moment, later: Moment) -> float:
    """Time from one moment to another of the same header [s], whose zones are those of one object."""
    return seconds_between(earlier, later)[0]


def near(anchor: Moment, clock_s: float, zone: timezone | None) -> Moment:
    """A time of day whose date is not stated, on the day of another moment of the same scan.

    A time that lies most of a day before or after it belongs to the next or the previous day.
    """
    day = anchor.wall.date()
    found = Stamp(day, clock_s, zone).moment(Origin.COMPLETED)
    assert found is not None
    hours = gap_s(anchor, found) / 3600.0
    if abs(hours) > _MOST_OF_A_DAY_H:
        return found.next_day(1 if hours < 0.0 else -1)
    return found


def over_midnight(moments: dict[str, Moment]) -> tuple[dict[str, Moment], int]:
    """Times of the slices of one scan, and how many of them had to be moved to the next day.

    No scan lasts most of a day: slices that seem to be acquired so long before the last one were acquired after
    midnight, under the date of the day before.
    """
    if not moments:
        return moments, 0
    last = max(moments.values(), key=lambda m: m.wall)
    early = {key for key, m in moments.items() if gap_s(m, last) > _MOST_OF_A_DAY_H * 3600.0}
    dates = {m.wall.date() for m in moments.values()}
    if not early or len(dates) > 1:
        return moments, 0
    return {key: m.next_day() if key in early else m for key, m in moments.items()}, len(early)
