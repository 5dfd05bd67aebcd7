"""Hours from administration to scan: what the case says, else what the header says, and where they disagree."""

from __future__ import annotations

from ...errors import InputError
from ...notes import CAUTION, CONTRADICTION, CRITICAL, Note
from ...same import SAME_HOURS_H, SAME_HOURS_SHARE
from .header import PetHeader
from .moments import Moment, seconds_between
from .scan import Known

#: A difference beyond this share of the time changes a dose by as much, and stands in the first box.
_CRITICAL_SHARE = 0.1
#: No scan follows an administration after more days than these.
_MOST_DAYS = 60.0


def scan_times(info: PetHeader, known: Known, notes: list[str]) -> tuple[float | None, float | None]:
    """Hours from administration to scan for the dosimetry, and as the scanner knew it (None: unknown).

    What the header does not state but was completed from its other elements is not held against the case.

    Parameters
    ----------
    info
        The header, or the facts of a sidecar.
    known
        What the case says.
    notes
        Gets what was assumed, and where case and header disagree.

    Raises
    ------
    InputError
        The case's administration lies after the scan, or too long before it.
    """
    header_h, measured = info.after_h, info.after_h is not None
    if header_h is None and info.start is not None and info.given is not None:
        seconds, _ = seconds_between(info.given, info.start)
        header_h, measured = seconds / 3600.0, info.start.measured and info.given.measured
    if known.after_h is not None:
        if measured and header_h is not None:
            notes += _differ("the case says", known.after_h, header_h)
        return known.after_h, header_h if measured else None
    if known.administered is not None and info.start is not None:
        hours = _since(known.administered, info.start, notes)
        if measured and header_h is not None:
            notes += _differ("the case's administration time gives", hours, header_h)
        return hours, header_h if measured else None
    notes += info.time_notes
    return header_h, header_h


def _since(administered: Moment, start: Moment, notes: list[str]) -> float:
    seconds, said = seconds_between(administered, start)
    hours = seconds / 3600.0
    if said:
        notes.append(Note(said))
    if hours < 0.0 or hours > 24.0 * _MOST_DAYS:
        raise InputError(
            f"the scan of {start.wall:%Y-%m-%d %H:%M} lies {hours:.4g} h after the administration of "
            f"{administered.wall:%Y-%m-%d %H:%M}",
            why="a scan follows its administration within days; de-identification may have shifted dates",
            suggestion="give `after: 24 h` for the scan in the case instead",
            field="administered",
        )
    return hours


def same_hours(case_h: float, header_h: float) -> bool:
    """Whether case and header give a scan the same time [h]."""
    return abs(header_h - case_h) <= max(SAME_HOURS_H, SAME_HOURS_SHARE * case_h)


def _differ(said: str, case_h: float, header_h: float) -> list[str]:
    if same_hours(case_h, header_h):
        return []
    off = abs(header_h - case_h)
    words = (
        f"{said} {case_h:.4g} h from administration to scan, the header's times say {header_h:.4g} h; the case's is "
        "used"
    )
    return [Note(words, CONTRADICTION, CRITICAL if off > _CRITICAL_SHARE * case_h else CAUTION)]
