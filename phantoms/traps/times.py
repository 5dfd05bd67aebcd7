"""Times, time zones and dates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from .patient import HALF_LIFE_F18_S, LESION_BQ_ML, LESION_ML, Change, at, write_patient
from .trap import IMPORT, Right, Trap

_LESION = {"L1": {"volume_ml": LESION_ML, "mean_bq_ml": LESION_BQ_ML}}
_RIGHT = Right(hours=(24.0, 96.0), lesions=_LESION)
#: Slices of one bed.
_SLICES = 5


def _item(data: Dataset) -> Dataset:
    item: Dataset = data.RadiopharmaceuticalInformationSequence[0]
    return item


def _patient(
    folder: Path, change: Change | None = None, both: bool = False, case: dict[str, Any] | None = None, **pet24: Any
) -> None:
    """The patient with a change of the first scan, or of both."""
    write_patient(folder, {"change": change, **pet24}, {"change": change} if both else {}, case=case or {})


def _beds(start: datetime, minutes: int = 7) -> Change:
    """Acquisition times of beds, without a date of their own."""

    def change(data: Dataset, number: int) -> None:
        data.AcquisitionTime = (start + timedelta(minutes=minutes * (number // _SLICES))).strftime("%H%M%S")
        del data.AcquisitionDate

    return change


def _midnight(folder: Path, stale: bool = False) -> None:
    start = datetime(2026, 1, 6, 23, 50)
    change = _beds(start)

    def dated(data: Dataset, number: int) -> None:
        change(data, number)
        data.AcquisitionDate = data.SeriesDate

    _patient(folder, dated if stale else change, start=start)


def _after_midnight(folder: Path) -> None:
    """The series begins before midnight, and its first bed after it."""
    start = datetime(2026, 1, 6, 23, 58)
    _patient(folder, _beds(start + timedelta(minutes=4)), start=start)


def _clock_only(half_life_s: float) -> Change:
    def change(data: Dataset, number: int) -> None:
        del _item(data).RadiopharmaceuticalStartDateTime
        _item(data).RadionuclideHalfLife = half_life_s

    return change


def _wrong_protocol(folder: Path, meaning: str | None = None) -> None:
    """124I with the half-life of 18F, and the administration as a clock time."""
    clock = _clock_only(HALF_LIFE_F18_S)

    def change(data: Dataset, number: int) -> None:
        clock(data, number)
        if meaning:
            code = _item(data).RadionuclideCodeSequence[0]
            code.CodeMeaning, code.CodeValue = meaning, "C-111A1"

    write_patient(folder, {"start": at(26.0), "change": change}, {"start": at(99.0), "change": change})


def _wrong_protocol_without_case(folder: Path) -> None:
    _wrong_protocol(folder)
    (folder / "case.yaml").unlink()


def _clocks_changed(folder: Path, own: bool = True) -> None:
    """Administration and first scan in summer time, second scan in winter time."""
    given = datetime(2026, 10, 23, 9)

    def zone(offset: str) -> Change:
        def change(data: Dataset, number: int) -> None:
            data.TimezoneOffsetFromUTC = offset
            _item(data).RadiopharmaceuticalStartDateTime = "20261023090000+0200" if own else "20261023070000+0000"

        return change

    write_patient(
        folder,
        {"administered": given, "start": given + timedelta(hours=24), "change": zone("+0200")},
        {"administered": given, "start": given + timedelta(hours=96), "change": zone("+0100")},
    )


def _clocks_changed_case_without_zone(folder: Path) -> None:
    _clocks_changed(folder)
    path = folder / "case.yaml"
    path.write_text(path.read_text().replace("activity: 74 MBq}", "activity: 74 MBq, administered: 2026-10-23T09:00}"))


def _zone(data: Dataset, number: int, offset: str = "+0100") -> None:
    data.TimezoneOffsetFromUTC = offset


def _other_zones(data: Dataset, number: int) -> None:
    """The same moments, the scan by a clock of another zone than the administration's."""
    data.TimezoneOffsetFromUTC = "-0500"
    local = at(24.0) - timedelta(hours=6)
    data.SeriesDate = data.AcquisitionDate = local.strftime("%Y%m%d")
    data.SeriesTime = data.AcquisitionTime = local.strftime("%H%M%S")
    _item(data).RadiopharmaceuticalStartDateTime = "20260105090000+0100"


def _date_time_only(data: Dataset, number: int, text: str = "20260106090000") -> None:
    del data.AcquisitionDate, data.AcquisitionTime
    data.AcquisitionDateTime, data.SeriesTime = text, "150000"


def _date_time_with_offset(data: Dataset, number: int) -> None:
    _date_time_only(data, number, "20260106080000.00+0000")
    _zone(data, number)


def _old_forms(data: Dataset, number: int) -> None:
    """Dates and times as they were written before DICOM 3."""
    data.SeriesDate = data.AcquisitionDate = "2026.01.06"
    data.SeriesTime = data.AcquisitionTime = "09:00:00"


def _short_stamp(data: Dataset, number: int, text: str = "202601050900") -> None:
    _item(data).RadiopharmaceuticalStartDateTime = text


def _date_stamp(data: Dataset, number: int) -> None:
    """The date-time holds the date alone, and the time stands in its own element."""
    _item(data).RadiopharmaceuticalStartDateTime = "20260105"


def _hour_stamp(data: Dataset, number: int) -> None:
    del _item(data).RadiopharmaceuticalStartTime
    _item(data).RadiopharmaceuticalStartDateTime = "2026010509"


def _private_administration(data: Dataset, number: int) -> None:
    """GE's private date-time of the administration; the standard's elements hold a clock time alone."""
    del _item(data).RadiopharmaceuticalStartDateTime
    block = data.private_block(0x0009, "GEMS_PETD_01", create=True)
    block.add_new(0x3B, "DT", "20260105090000.00")


def _no_times(data: Dataset, number: int) -> None:
    for keyword in ("AcquisitionDate", "AcquisitionTime", "SeriesTime", "StudyTime"):
        delattr(data, keyword)


def _series_day_before(data: Dataset, number: int) -> None:
    data.SeriesDate = data.StudyDate = "20260105"


def _two_zones(data: Dataset, number: int) -> None:
    data.TimezoneOffsetFromUTC = ["+0100", "+0200"]


def _two_administrations(folder: Path) -> None:
    write_patient(folder, {}, {"administered": at(48.0)})


def _case_administered(text: str, change: Change | None = None) -> Callable[[Path], None]:
    return lambda folder: _patient(folder, change, True, {"administered": text})


_LATE = Right(hours=(38.8333, 96.0), within=0.0002)
_AFTER = ("too long-lived to take the scan's day", "after: 24 h")

TRAPS: tuple[Trap, ...] = (
    Trap(
        "scan-over-midnight",
        "A whole-body scan runs over midnight, and no slice has a date of its own.",
        "The scan starts 38.83 h after the administration.",
        _midnight,
        _LATE,
        source="report",
    ),
    Trap(
        "scan-over-midnight-stale-date",
        "A whole-body scan runs over midnight, and every slice has the date of the series.",
        "The scan starts 38.83 h after the administration, and is said to run over midnight.",
        partial(_midnight, stale=True),
        Right(hours=_LATE.hours, within=_LATE.within, says=("ran over midnight",)),
        source="report",
    ),
    Trap(
        "first-bed-after-midnight",
        "The series begins two minutes before midnight, its first bed two minutes after it, without a date.",
        "The scan starts 38.97 h after the administration, with the series.",
        _after_midnight,
        Right(hours=(38.9667, 96.0), within=0.0002),
    ),
    Trap(
        "wrong-nuclide-clock-only",
        "124I was scanned with the protocol of 18F, and the administration is a clock time without a date.",
        "Refused, asking for the time after the administration: 26 h and 99 h.",
        _wrong_protocol,
        Right(refused=True, hours=(26.0, 99.0), says=_AFTER),
        source="report",
    ),
    Trap(
        "wrong-nuclide-in-every-element",
        "The header says 18F in code, meaning and half-life, the administration is a clock time; the case says 124I.",
        "Refused, asking for the time after the administration: 26 h and 99 h.",
        partial(_wrong_protocol, meaning="^18^Fluorine"),
        Right(refused=True, hours=(26.0, 99.0), says=_AFTER),
    ),
    Trap(
        "clock-change-between-scans",
        "The clocks are changed between the administration (+0200) and the second scan (+0100).",
        "24 h and 97 h.",
        _clocks_changed,
        Right(hours=(24.0, 97.0), within=1e-4),
        source="report",
    ),
    Trap(
        "clock-change-administration-in-utc",
        "The administration is stamped in UTC, the scans in summer and in winter time.",
        "24 h and 97 h.",
        partial(_clocks_changed, own=False),
        Right(hours=(24.0, 97.0), within=1e-4),
    ),
    Trap(
        "clock-change-case-without-zone",
        "The clocks are changed between the scans, and the case gives the administration without a time zone.",
        "Refused, asking for the offset from UTC.",
        _clocks_changed_case_without_zone,
        Right(refused=True, hours=(24.0, 97.0), says=("has no time zone", "+01:00")),
    ),
    Trap(
        "images-in-another-zone",
        "The scan is stamped by a clock at -0500, the administration at +0100.",
        "24 h.",
        partial(_patient, change=_other_zones),
        _RIGHT,
    ),
    Trap(
        "case-administered-in-utc",
        "The case gives the administration in UTC (08:00Z), the images are stamped at +0100.",
        "24 h and 96 h.",
        _case_administered("2026-01-05T08:00:00Z", _zone),
        _RIGHT,
        source="report",
    ),
    Trap(
        "case-administered-with-offset",
        "The case gives the administration as 10:00+02:00, the images are stamped at +0100.",
        "24 h and 96 h.",
        _case_administered("2026-01-05 10:00+02:00", _zone),
        _RIGHT,
    ),
    Trap(
        "case-administered-with-zone-images-without",
        "The case gives the administration at +01:00, the images have no time zone.",
        "24 h and 96 h: the images are taken as local time of that zone, which is said.",
        _case_administered("2026-01-05T09:00+01:00"),
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("has no time zone and is taken as local time",)),
    ),
    Trap(
        "case-administered-without-zone-images-with",
        "The case gives the administration without a time zone, the images are stamped at +0100.",
        "24 h and 96 h: the case's time is taken as local time of the images, which is said.",
        _case_administered("2026-01-05T09:00", _zone),
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("has no time zone and is taken as local time",)),
    ),
    Trap(
        "case-administered-date-only",
        "The case gives the administration as a date without a time of day.",
        "Refused, asking for the time.",
        _case_administered("2026-01-05"),
        Right(refused=True, hours=(24.0, 96.0), says=("has no time of day", "2026-01-05T09:00")),
        source="report",
    ),
    Trap(
        "case-administered-digits",
        "The case gives the administration as 20260105, which libraries take for seconds since 1970.",
        "Refused, showing the form of a date and time.",
        _case_administered("20260105"),
        Right(refused=True, hours=(24.0, 96.0), says=("is not a date and time",)),
    ),
    Trap(
        "acquisition-date-time-only",
        "AcquisitionDateTime in place of AcquisitionDate and AcquisitionTime; the series was stored at 15:00.",
        "24 h.",
        partial(_patient, change=_date_time_only),
        _RIGHT,
        source="report",
    ),
    Trap(
        "acquisition-date-time-with-offset",
        "AcquisitionDateTime with an offset of its own, in an object of another zone.",
        "24 h.",
        partial(_patient, change=_date_time_with_offset),
        _RIGHT,
    ),
    Trap(
        "dates-with-dots-and-colons",
        "Dates and times in the forms 2026.01.06 and 09:00:00 that were used before DICOM 3.",
        "24 h.",
        partial(_patient, change=_old_forms),
        _RIGHT,
    ),
    Trap(
        "administration-to-the-minute",
        "The date-time of the administration ends with the minutes.",
        "24 h.",
        partial(_patient, change=_short_stamp),
        _RIGHT,
    ),
    Trap(
        "administration-date-and-clock-apart",
        "The date-time of the administration holds the date alone; the time of day stands in its own element.",
        "24 h.",
        partial(_patient, change=_date_stamp),
        _RIGHT,
    ),
    Trap(
        "administration-to-the-hour",
        "The date-time of the administration ends with the hour, and there is no other element.",
        "Refused, asking for the time after the administration.",
        partial(_patient, change=_hour_stamp),
        Right(refused=True, hours=(24.0, 96.0), says=("after: 24 h",)),
    ),
    Trap(
        "administration-in-private-elements",
        "The date-time of the administration stands in the scanner's private elements alone (GE).",
        "24 h.",
        partial(_patient, change=_private_administration),
        _RIGHT,
        source="report",
    ),
    Trap(
        "no-time-of-the-scan",
        "The header has dates, and no time of the scan.",
        "Refused, asking for the time after the administration.",
        partial(_patient, change=_no_times),
        Right(refused=True, hours=(24.0, 96.0), says=("after: 24 h",)),
    ),
    Trap(
        "series-a-day-before-its-slices",
        "The series has the date of the day before its acquisitions, and nothing else tells which is right.",
        "Refused, asking for the time after the administration.",
        partial(_patient, change=_series_day_before),
        Right(refused=True, hours=(24.0, 96.0), says=("after: 24 h",)),
    ),
    Trap(
        "two-offsets-from-utc",
        "TimezoneOffsetFromUTC has two values.",
        "24 h as local times, and that the offset could not be read is said.",
        partial(_patient, change=_two_zones),
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("is no offset from UTC",)),
    ),
    Trap(
        "two-administrations-in-one-visit",
        "The header of the second scan states an administration two days later.",
        "Each scan has its own time, and that there are two administrations is said in the first place.",
        _two_administrations,
        Right(hours=(24.0, 48.0), within=1e-4, says=("one visit is one administration",)),
    ),
    Trap(
        "wrong-nuclide-clock-only-imported",
        "124I was scanned with the protocol of 18F, the administration is a clock time, and the files are imported.",
        "One visit of two scans; the check then asks for the time after the administration.",
        _wrong_protocol_without_case,
        Right(refused=True, hours=(26.0, 99.0), says=_AFTER),
        commands=IMPORT,
        source="report",
    ),
)
