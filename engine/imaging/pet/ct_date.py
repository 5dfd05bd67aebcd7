"""Whether the CT of a scan was made with it, by the dates of the two."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from ...notes import CONTRADICTION, Note
from ..dicom.elements import text
from ..source import ImageSource
from .moments import date_of, stamp_of
from .scan import PetScan

#: A CT is made with its PET: more days than this between them, from either side of midnight, are another visit's.
_DAYS = 1


def distant_ct(ct: ImageSource, pets: Sequence[PetScan]) -> list[str]:
    """A remark where a CT was made on other days than all of the PETs that use it.

    Parameters
    ----------
    ct
        The CT, of which only a DICOM header states a date.
    pets
        The PETs of the visit that the case gives it to: one CT may serve the scans of several days.

    Returns
    -------
    list of str
        Empty where a date is not stated.
    """
    starts = [pet.start for pet in pets]
    day = _day(ct)
    if day is None or not starts:
        return []
    days = [(start.wall.date() - day).days for start in starts if start is not None and start.measured]
    if len(days) < len(starts) or min(abs(apart) for apart in days) <= _DAYS:
        return []
    nearest = min(days, key=abs)
    side = "before" if nearest > 0 else "after"
    words = (
        f"the CT was made on {day:%Y-%m-%d}, {abs(nearest)} days {side} the nearest PET "
        "that it belongs to: the body may have changed, or it is the CT of another visit"
    )
    return [Note(words, CONTRADICTION)]


def _day(ct: ImageSource) -> date | None:
    """The date of a CT; None where none is stated."""
    if not ct.is_dicom:
        return None
    data = ct.series("CT", "CT")[0].dataset
    by_stamp = stamp_of(text(data, "AcquisitionDateTime")).day
    return date_of(text(data, "AcquisitionDate")) or by_stamp or date_of(text(data, "SeriesDate"))
