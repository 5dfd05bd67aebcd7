"""When a PET was acquired, from the elements of a DICOM header.

Every moment says whether it was stated or completed. What was completed proves nothing: it is not held against the case
or against another element.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from ...errors import InputError
from ...notes import CAUTION, CONTRADICTION, CRITICAL, Note
from ...same import SAME_EVENT_S
from ..dicom.elements import number, text
from ..dicom.find import Header
from .moments import Moment, Origin, Stamp, clock_of, date_of, gap_s, near, over_midnight, stamp_of, zone_of
from .private import private_text
from .zones import zone_of_object

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: A start of the scan that is off by more than this [s] is said in the first box: 18F decays by 3 % in it.
REFERENCE_S = 300.0
#: A series is opened within this [s] before its first bed: dates that lie further apart contradict each other.
MOST_AHEAD_S = 4.0 * 3600.0
#: A scan with all its beds takes less than this [s].
_MOST_SCAN_S = 86400.0
#: Decay factors lie between these: a correction to the end of a bed, and one over forty half-lives.
_LEAST_FACTOR, _MOST_FACTOR = 0.5, 1e12
#: Private creators whose date-times of administration and of the start of the scan are known (GE's PET scanners).
GE, _GE_SCAN, GE_ADMINISTERED = "GEMS_PETD_01", 0x0D, 0x3B


@dataclass(frozen=True)
class ScanTimes:
    """When a series was acquired.

    Parameters
    ----------
    start
        Start of the scan, for which values that are corrected to it hold; None where no element tells.
    slice_delay_s
        Time from the start to the middle of a slice's own acquisition [s], by SOP instance UID; empty where not every
        slice has one.
    decay_factor
        Stated decay factors, by SOP instance UID; empty where there are none, or all are 1.
    notes
        What was assumed or is contradictory.
    """

    start: Moment | None
    slice_delay_s: dict[str, float] = field(default_factory=dict)
    decay_factor: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def uid_of(header: Header) -> str:
    """SOP instance UID of a file; empty where it has none."""
    return text(header.dataset, "SOPInstanceUID")


def _half_frame_s(header: Header) -> float:
    milliseconds = number(header.dataset, "ActualFrameDuration")
    return 0.5e-3 * milliseconds if milliseconds is not None and 0.0 < milliseconds < 1e3 * _MOST_SCAN_S else 0.0


def scan_start(headers: Sequence[Header], half_life_s: float | None) -> ScanTimes:
    """The time for which START-corrected values hold, and each slice's delay from it.

    Rule: the series time, unless the earliest acquisition came before it (a derived series has the time
    of its creation) or the header's decay factors or frame reference times say that the acquisition was the reference.

    Parameters
    ----------
    headers
        Headers of the series.
    half_life_s
        As the header states it [s]: the scanner's own decay factors follow from it.
    """
    notes = _unread_zone(headers[0].dataset)
    series = _series_moment(headers[0].dataset)
    acquired = _acquired(headers, series, notes)
    _require_one_scan(headers, acquired)
    factors = _decay_factors(headers)
    if unsure := _another_day(headers[0].dataset, acquired, series):
        return ScanTimes(None, {}, factors, [*notes, unsure])
    earliest = min(acquired.values(), key=lambda m: m.wall) if acquired else None
    start = series if earliest is None else earliest
    if earliest is None:
        zone = zone_of_object(headers[0].dataset)
        stated = stamp_of(private_text(headers[0].dataset, 0x0009, GE, _GE_SCAN), zone).moment()
        start = stated if stated is not None else series
        if series is not None and stated is None:
            words = "the header has no acquisition time; the time of the series is taken as the start of the scan"
            notes.append(Note(words, CONTRADICTION))
    elif series is not None:
        gap = gap_s(series, earliest)
        if 0.0 < gap <= SAME_EVENT_S:
            start = series
        elif gap > SAME_EVENT_S:
            start = _by_evidence(headers, acquired, factors, half_life_s, (series, earliest), notes)
        elif gap < -SAME_EVENT_S:
            notes.append(
                f"the series time lies {-gap:.0f} s after the first acquisition (a derived series); "
                "the acquisition is taken as the start of the scan"
            )
    delays: dict[str, float] = {}
    if start is not None and len(acquired) == len(headers):
        for header in headers:
            delays[uid_of(header)] = gap_s(start, acquired[uid_of(header)]) + _half_frame_s(header)
    if start is not None and not start.measured:
        notes.append(
            f"the date of the scan is not stated beside its time and was completed: {start.wall:%Y-%m-%d %H:%M:%S}"
        )
    return ScanTimes(start, delays, factors, notes)


def _unread_zone(data: Dataset) -> list[str]:
    """A remark where the object states an offset from UTC that cannot be read."""
    stated = text(data, "TimezoneOffsetFromUTC")
    if not stated or zone_of(stated) is not None:
        return []
    words = f"TimezoneOffsetFromUTC is {stated!r}, which is no offset from UTC; times are taken as local time"
    return [Note(words, CONTRADICTION)]


def _require_one_scan(headers: Sequence[Header], acquired: dict[str, Moment]) -> None:
    """Refuse slices that were acquired on different days."""
    if not acquired:
        return
    first, last = (pick(acquired.values(), key=lambda m: m.wall) for pick in (min, max))
    if abs(gap_s(first, last)) <= _MOST_SCAN_S:
        return
    raise InputError(
        f"slices of one PET series were acquired at {first.wall:%Y-%m-%d %H:%M} and {last.wall:%Y-%m-%d %H:%M}",
        why="one scan takes less than a day: two are mixed, or dates were changed",
        suggestion="export the series again",
        file=headers[0].path.parent,
        field="AcquisitionDate",
    )


def _series_moment(data: Dataset) -> Moment | None:
    """Date and time of the series; the date of the study where it has none."""
    zone = zone_of_object(data)
    clock = clock_of(text(data, "SeriesTime"))
    stated = Stamp(date_of(text(data, "SeriesDate")), clock, zone).moment()
    if stated is not None or clock is None:
        return stated
    day = date_of(text(data, "StudyDate")) or date_of(text(data, "AcquisitionDate"))
    study = Stamp(day, clock_of(text(data, "StudyTime")), zone).moment()
    return near(study, clock, zone) if study is not None else Stamp(day, clock, zone).moment(Origin.COMPLETED)


def _acquired(headers: Sequence[Header], series: Moment | None, notes: list[str]) -> dict[str, Moment]:
    """When each slice was acquired, by SOP instance UID; slices without a time are left out."""
    found: dict[str, Moment] = {}
    differ, by_local_clock = 0.0, False
    for header in headers:
        data = header.dataset
        zone = zone_of_object(data)
        pair = Stamp(date_of(text(data, "AcquisitionDate")), clock_of(text(data, "AcquisitionTime")), zone)
        stamp = stamp_of(text(data, "AcquisitionDateTime"), zone)
        by_pair, by_stamp = pair.moment(), stamp.moment()
        if by_pair is not None and by_stamp is not None:
            differ = max(differ, abs(gap_s(by_pair, by_stamp)))
        by_local_clock = not text(data, "TimezoneOffsetFromUTC") and by_stamp is not None and by_stamp.aware
        moment = by_stamp if by_local_clock else by_pair or by_stamp
        if moment is None and pair.clock_s is not None:
            moment = _completed(pair.clock_s, stamp.day or date_of(text(data, "StudyDate")), zone, series)
        if moment is not None:
            found[uid_of(header)] = moment
    if differ > SAME_EVENT_S:
        used = "the one with an offset from UTC is" if by_local_clock else "the latter are"
        words = f"AcquisitionDateTime lies {differ:.0f} s from AcquisitionDate and AcquisitionTime; {used} used"
        notes.append(Note(words, CONTRADICTION))
    found, moved = over_midnight(found)
    if moved:
        words = f"the scan ran over midnight: {moved} of {len(found)} slices were acquired on the day after their date"
        notes.append(Note(words, CONTRADICTION))
    return found


def _completed(clock_s: float, day: object, zone: object, series: Moment | None) -> Moment | None:
    """A time of day on the date of the series, else of the study."""
    if series is not None:
        return near(series, clock_s, zone)  # type: ignore[arg-type]
    return Stamp(day, clock_s, zone).moment(Origin.COMPLETED)  # type: ignore[arg-type]


def _another_day(data: Dataset, acquired: dict[str, Moment], series: Moment | None) -> Note | None:
    """A remark where times of day got the date of a series that was made after the scan, and the study's differs.

    A series whose time lies after its slices was made from them, and may have been on a later day than the scan.
    """
    earliest = min(acquired.values(), key=lambda m: m.wall, default=None)
    if earliest is None or earliest.measured or series is None or gap_s(earliest, series) <= SAME_EVENT_S:
        return None
    zone = zone_of_object(data)
    study = Stamp(date_of(text(data, "StudyDate")), clock_of(text(data, "StudyTime")) or 0.0, zone).moment()
    if study is None:
        return None
    clock = (earliest.wall - earliest.wall.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    other = near(study, clock, zone)
    if abs(gap_s(earliest, other)) <= SAME_EVENT_S:
        return None
    words = (
        "the acquisition has no date: by the series, which was made after it, it was at "
        f"{earliest.wall:%Y-%m-%d %H:%M}, by the study at {other.wall:%Y-%m-%d %H:%M}"
    )
    return Note(words, CONTRADICTION, CRITICAL)


def _decay_factors(headers: Sequence[Header]) -> dict[str, float]:
    """The decay factors of the slices; none where all are 1, which some scanners write whatever they did."""
    found = {}
    for header in headers:
        factor = number(header.dataset, "DecayFactor")
        if factor is not None and _LEAST_FACTOR <= factor <= _MOST_FACTOR:
            found[uid_of(header)] = factor
    return found if any(abs(factor - 1.0) > 1e-6 for factor in found.values()) else {}


def _by_evidence(
    headers: Sequence[Header],
    acquired: dict[str, Moment],
    factors: dict[str, float],
    half_life_s: float | None,
    times: tuple[Moment, Moment],
    notes: list[str],
) -> Moment | None:
    """Series or first acquisition, whichever the decay factors or the frame reference times mean; else the series.

    None where nothing tells, and too much lies between them for one scan.
    """
    series, earliest = times
    said = f"the first acquisition lies {gap_s(series, earliest):.0f} s after the series time"
    for reference, name in (
        (_by_factor(headers, acquired, factors, half_life_s, series), "decay factor"),
        (_by_frame(headers, acquired, series), "frame reference time"),
    ):
        if reference is None:
            continue
        off = [abs(gap_s(series, moment) - reference) for moment in times]
        if min(off) <= SAME_EVENT_S:
            chosen = times[off.index(min(off))]
            what = "series" if chosen is series else "acquisition"
            value = (
                f" {factors[uid_of(headers[0])]:g}" if name == "decay factor" and uid_of(headers[0]) in factors else ""
            )
            notes.append(f"{said}; the header's {name}{value} refers to the {what} time, taken as scan start")
            return chosen
        words = f"{said}, and its {name} refers to neither, but to a time {reference:.0f} s after the series time"
        notes.append(Note(words, CONTRADICTION, CRITICAL if abs(reference) > REFERENCE_S else CAUTION))
    if gap_s(series, earliest) > MOST_AHEAD_S:
        words = f"{said}, and nothing tells which of the two is the start of the scan"
        notes.append(Note(words, CONTRADICTION, CRITICAL))
        return None
    notes.append(f"{said}; the series time is taken as the start of the scan")
    return series


def _by_factor(
    headers: Sequence[Header],
    acquired: dict[str, Moment],
    factors: dict[str, float],
    half_life_s: float | None,
    series: Moment,
) -> float | None:
    """Time from the series time to that which the decay factors of all slices refer to [s]; None without them."""
    if not half_life_s:
        return None
    found = []
    for header in headers:
        uid = uid_of(header)
        if uid in factors and uid in acquired:
            middle = gap_s(series, acquired[uid]) + _half_frame_s(header)
            found.append(middle - math.log(factors[uid]) * half_life_s / math.log(2.0))
    return median(found) if found else None


def _by_frame(headers: Sequence[Header], acquired: dict[str, Moment], series: Moment) -> float | None:
    """The same from FrameReferenceTime (0054,1300) [ms]; None where it is absent or zero on every slice.

    It counts to the middle of a frame, or to its beginning: half a frame more or less is no matter here.
    """
    found = []
    for header in headers:
        stated = number(header.dataset, "FrameReferenceTime")
        uid = uid_of(header)
        if stated is not None and stated > 0.0 and uid in acquired:
            found.append(gap_s(series, acquired[uid]) - 1e-3 * stated)
    return median(found) if found else None
