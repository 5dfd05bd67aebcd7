"""When a tracer was given, from the elements of a DICOM header: a stated date-time, else a clock time on a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...notes import CAUTION, CONTRADICTION, CRITICAL, Note
from ...same import SAME_EVENT_S
from ..dicom.elements import text
from .moments import Moment, Origin, Stamp, clock_of, date_of, gap_s, seconds_between, stamp_of
from .private import private_text
from .timing import GE, GE_ADMINISTERED
from .zones import zone_of_object

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Longest half-life [s] of a nuclide whose administration time without a date is taken on the scan's day: a day later
#: less than 1.6 % of it is left, and no one scans then. 64Cu, 99mTc and 123I are scanned on the day after.
SAME_DAY_HALF_LIFE_S = 4.0 * 3600.0
#: Half-lives after which an image shows nothing: 0.1 % is left.
MOST_HALF_LIVES = 10.0
#: A scan follows its administration within this many days; a header that says otherwise has a wrong date.
MOST_DAYS = 30.0


def administration(
    first: Dataset, item: Dataset | None, scan: Moment | None, half_life_s: float | None
) -> tuple[Moment | None, list[str]]:
    """Administration time: a stated date-time, else the clock field on the scan's day; and how it was found.

    A date-time that lies after the scan, or too long before it, has a wrong date. For a nuclide with a half-life of
    hours the clock time on the scan's day (or the day before) is then right; for a longer-lived one nothing is
    assumed and the case has to state it.

    Parameters
    ----------
    first, item
        The header and its item of the radiopharmaceutical.
    scan
        Start of the scan.
    half_life_s
        Half-life of the tracer [s]: the case's, else the longest that the header names.
    """
    if item is None:
        return None, ["the header has no radiopharmaceutical information"]
    zone = zone_of_object(first)
    stamp = stamp_of(text(item, "RadiopharmaceuticalStartDateTime"), zone)
    clock = clock_of(text(item, "RadiopharmaceuticalStartTime"))
    private = stamp_of(private_text(first, 0x0009, GE, GE_ADMINISTERED), zone).moment()
    stamped = stamp.moment()
    if stamped is None and stamp.day is not None and clock is not None:
        stamped = Stamp(stamp.day, clock, zone).moment()
    if scan is None:
        return None, ["the header has no scan time"]
    if stamped is None and clock is None and private is None:
        return None, ["the header has no administration time"]
    stamped, private = (_by_clock_of(scan, moment) for moment in (stamped, private))
    agree = None not in (clock, stamp.clock_s) and abs((clock or 0.0) - (stamp.clock_s or 0.0)) <= SAME_EVENT_S
    notes = _two_clocks(stamped, None if agree else clock, private)
    long_lived = half_life_s is None or half_life_s > SAME_DAY_HALF_LIFE_S
    if long_lived and stamped is not None and _is_placeholder(scan, stamped, first):
        words = (
            f"scan and administration have the date {scan.wall:%Y-%m-%d}, which stands in place of dates that were "
            "removed: the days between the two are not known"
        )
        return None, [*notes, words]
    for moment in (stamped, private):
        if moment is not None and _follows(moment, scan, half_life_s):
            return moment, [*notes, *_unlike_zones(moment, scan)]
    if half_life_s is None or half_life_s > SAME_DAY_HALF_LIFE_S:
        reason = "has no date" if stamped is None else f"({stamped.wall:%Y-%m-%d %H:%M}) contradicts the scan's date"
        words = (
            f"the administration time {reason} (scan {scan.wall:%Y-%m-%d %H:%M}), and the tracer is too "
            "long-lived to take the scan's day"
        )
        return None, [*notes, words]
    moment, said = _on_the_scans_day(stamped, clock, scan, half_life_s)
    return moment, [*notes, said]


def _is_placeholder(scan: Moment, given: Moment, data: Dataset) -> bool:
    """Whether one date of scan and administration was written by de-identification in place of all dates.

    The first of January, when no one begins a study, or the patient's date of birth.
    """
    day = scan.wall.date()
    if given.wall.date() != day:
        return False
    return (day.month, day.day) == (1, 1) or day == date_of(text(data, "PatientBirthDate"))


def _by_clock_of(scan: Moment, moment: Moment | None) -> Moment | None:
    """The same moment by the clock of the scan, where both have a zone."""
    if moment is None or not moment.aware or not scan.aware:
        return moment
    return Moment(moment.when.astimezone(scan.when.tzinfo), moment.origin)


def _unlike_zones(given: Moment, scan: Moment) -> list[str]:
    """A remark where only one of two moments has a zone: UTC may then stand beside local time."""
    said = seconds_between(given, scan)[1]
    if not said:
        return []
    zone = (given if given.aware else scan).when.utcoffset()
    return [Note(said, CONTRADICTION, CAUTION if zone else CRITICAL)]


def _follows(given: Moment, scan: Moment, half_life_s: float | None) -> bool:
    """Whether a scan can follow an administration by so much."""
    most = MOST_DAYS * 86400.0
    if half_life_s:
        most = min(most, MOST_HALF_LIVES * half_life_s)
    return 0.0 <= gap_s(given, scan) <= most


def _two_clocks(stamped: Moment | None, clock: float | None, private: Moment | None) -> list[str]:
    notes: list[str] = []
    if stamped is not None and clock is not None:
        by_clock = Stamp(stamped.wall.date(), clock, None).moment()
        assert by_clock is not None
        if abs((by_clock.wall - stamped.wall).total_seconds()) > SAME_EVENT_S:
            words = (
                f"two administration clock times in the header, {stamped.wall:%H:%M:%S} and "
                f"{by_clock.wall:%H:%M:%S}; the date-time field's is used"
            )
            notes.append(Note(words, CONTRADICTION))
    if stamped is not None and private is not None and abs(gap_s(stamped, private)) > SAME_EVENT_S:
        words = (
            f"the header's administration times differ: {stamped.wall:%Y-%m-%d %H:%M:%S}, and "
            f"{private.wall:%Y-%m-%d %H:%M:%S} among the scanner's private elements"
        )
        notes.append(Note(words, CONTRADICTION))
    return notes


def _on_the_scans_day(
    stamped: Moment | None, clock: float | None, scan: Moment, half_life_s: float
) -> tuple[Moment | None, str]:
    """A clock time on the day of the scan, or the day before, and what was assumed."""
    if stamped is not None:
        clock = (stamped.wall - stamped.wall.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    if clock is None:
        return None, "the administration time cannot be read"
    found = Stamp(scan.wall.date(), clock, scan.when.tzinfo).moment(Origin.ASSUMED)  # type: ignore[arg-type]
    assert found is not None
    if gap_s(found, scan) < 0.0:
        found = Moment(found.plus(-86400.0).when, Origin.ASSUMED)
    hours = gap_s(found, scan) / 3600.0
    if hours * 3600.0 > MOST_HALF_LIVES * half_life_s:
        return None, f"the administration at {found.wall:%H:%M:%S} would lie {hours:.3g} h before the scan"
    if stamped is None:
        day = "the scan's day" if found.wall.date() == scan.wall.date() else "the day before the scan"
        return found, f"the header gives the administration's time of day only, {found.wall:%H:%M:%S}; taken on {day}"
    words = (
        f"the header's administration date {stamped.wall:%Y-%m-%d %H:%M:%S} contradicts the scan's "
        f"{scan.wall:%Y-%m-%d %H:%M:%S}; its time of day was taken on the scan's day ({hours:.3g} h before the scan)"
    )
    return found, Note(words, CONTRADICTION)
