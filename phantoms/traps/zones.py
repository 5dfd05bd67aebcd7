"""Offsets from UTC in some elements of a header, and none in others."""

from __future__ import annotations

import math
from datetime import timedelta
from functools import partial
from pathlib import Path

from pydicom.dataset import Dataset

from .objects import enhanced_pet
from .patient import LESION_BQ_ML, LESION_ML, RATE, at, pet_truth, write_patient
from .trap import Right, Trap

_LESION = {"L1": {"volume_ml": LESION_ML, "mean_bq_ml": LESION_BQ_ML}}
_RIGHT = Right(hours=(24.0, 96.0), lesions=_LESION, within=1e-3)
_DAY_S = 86400.0


def _enhanced(
    folder: Path, zone: str, given: str, corrected_to: str = "", to_administration: bool = False, whole: str = ""
) -> None:
    """An Enhanced PET whose frames are stamped with an offset, and its administration with another."""

    def change(data: Dataset) -> None:
        moment = at(24.0).strftime("%Y%m%d%H%M%S") + zone
        for frame in data.PerFrameFunctionalGroupsSequence:
            frame.FrameContentSequence[0].FrameAcquisitionDateTime = moment
        data.AcquisitionDateTime, data.DecayCorrectionDateTime = moment, corrected_to or moment
        data.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime = given
        if whole:
            data.TimezoneOffsetFromUTC = whole

    values = pet_truth(math.exp(RATE * _DAY_S)) if to_administration else None
    enhanced_pet("Bq/ml", values, change)(folder)


def _classic(
    folder: Path, acquired: str = "", given: str = "20260105080000+0000", clock: bool = True, private: bool = False
) -> None:
    """Slices with an offset in AcquisitionDateTime or in the administration alone."""

    def change(data: Dataset, number: int) -> None:
        item = data.RadiopharmaceuticalInformationSequence[0]
        if acquired:
            data.AcquisitionDateTime = acquired
        item.RadiopharmaceuticalStartDateTime = given
        if not clock:
            del item.RadiopharmaceuticalStartTime
        if private:
            del data.AcquisitionDate, data.AcquisitionTime
            data.SeriesTime, data.TimezoneOffsetFromUTC = (at(24.0) + timedelta(hours=6)).strftime("%H%M%S"), "+0100"
            block = data.private_block(0x0009, "GEMS_PETD_01", create=True)
            block.add_new(0x0D, "DT", at(24.0).strftime("%Y%m%d%H%M%S.00"))

    write_patient(folder, {"change": change})


TRAPS: tuple[Trap, ...] = (
    Trap(
        "frames-stamped-with-an-offset",
        "An Enhanced PET whose frames are stamped at +0100, and its administration in UTC.",
        "24 h.",
        partial(_enhanced, zone="+0100", given="20260105080000+0000"),
        _RIGHT,
        source="report",
    ),
    Trap(
        "frames-stamped-west-of-utc",
        "An Enhanced PET whose frames are stamped at -0500, and its administration in UTC.",
        "24 h.",
        partial(_enhanced, zone="-0500", given="20260105140000+0000"),
        _RIGHT,
    ),
    Trap(
        "frames-stamped-on-another-day-than-utc",
        "An Enhanced PET whose frames are stamped at +0900, and its administration at midnight UTC.",
        "24 h.",
        partial(_enhanced, zone="+0900", given="20260105000000+0000"),
        Right(hours=(24.0, 96.0), lesions=_LESION, unsaid=("one visit is one administration",)),
    ),
    Trap(
        "frames-and-object-in-different-zones",
        "An Enhanced PET whose frames are stamped at +0100, in an object of the zone -0500.",
        "24 h.",
        partial(_enhanced, zone="+0100", given="20260105090000+0100", whole="-0500"),
        _RIGHT,
    ),
    Trap(
        "enhanced-pet-corrected-to-its-start-in-utc",
        "An Enhanced PET stamped at +0100 and decay corrected to its start, which is given in UTC.",
        "Corrected to the start: 100000 Bq/mL at 24 h.",
        partial(_enhanced, zone="+0100", given="20260105080000+0000", corrected_to="20260106080000+0000"),
        _RIGHT,
        source="report",
    ),
    Trap(
        "enhanced-pet-corrected-to-its-administration-in-local-time",
        "An Enhanced PET decay corrected to the administration, given once in local time and once in UTC.",
        "The correction to the administration is undone: 100000 Bq/mL at 24 h.",
        partial(
            _enhanced,
            zone="+0100",
            given="20260105080000+0000",
            corrected_to="20260105090000+0100",
            to_administration=True,
        ),
        _RIGHT,
        source="report",
    ),
    Trap(
        "offset-in-acquisition-date-time-alone",
        "AcquisitionDateTime has an offset beside a plain AcquisitionDate and Time; the administration is in UTC.",
        "24 h.",
        partial(_classic, acquired="20260106090000+0100"),
        _RIGHT,
        source="report",
    ),
    Trap(
        "acquisition-date-time-in-utc-beside-local-times",
        "AcquisitionDateTime is in UTC; plain date and time, and those of the administration, are local (+0100).",
        "24 h.",
        partial(_classic, acquired="20260106080000+0000", given="20260105090000"),
        _RIGHT,
    ),
    Trap(
        "offset-in-the-administration-alone",
        "The administration is given in UTC and as a local time of day; the scan has local times.",
        "24 h: its two forms tell the zone.",
        partial(_classic),
        _RIGHT,
    ),
    Trap(
        "administration-in-utc-and-nothing-else",
        "The administration is given in UTC, and nothing tells the zone of the scan.",
        "What was assumed is said in the first place.",
        partial(_classic, given="20260105090000+0000", clock=False),
        Right(hours=(24.0, 96.0), says=("has no time zone and is taken as local time",)),
    ),
    Trap(
        "private-scan-time-in-the-zone-of-the-object",
        "The scan's time stands in the scanner's private elements (GE), in the zone of the object.",
        "24 h.",
        partial(_classic, private=True),
        _RIGHT,
        source="report",
    ),
)
