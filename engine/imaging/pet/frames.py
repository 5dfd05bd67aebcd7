"""When the frame of a PET volume began, by the times of its sidecar, all in s from TimeZero."""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError
from .sidecar import Sidecar
from .times import same_hours

#: Longest time [s] between two moments that are one: times are stated in whole seconds.
_SAME_S = 1.0


def frame_start_s(facts: Sidecar, sidecar: Path) -> float | None:
    """Start of the frame [s from TimeZero]; None where the sidecar does not state the scan's.

    BIDS counts FrameTimesStart from TimeZero, as ScanStart. Many sidecars count it from ScanStart instead, and have 0
    for the only frame: that is the scan's start too, since no frame begins before its scan.

    Raises
    ------
    InputError
        A frame that begins before its scan.
    """
    scan, frame = facts.scan_start_s, facts.frame_starts_s[0] if facts.frame_starts_s else None
    if scan is None or frame is None or abs(frame) <= _SAME_S:
        return scan
    if frame < scan - _SAME_S:
        raise InputError(
            f"FrameTimesStart is {frame:g} s, before ScanStart at {scan:g} s",
            why="no frame begins before its scan: one of the two is wrong, or counted from another moment",
            suggestion="correct one of them; both are in seconds from TimeZero",
            file=sidecar,
            field="FrameTimesStart",
        )
    return frame


def check_corrected_to(facts: Sidecar, start_s: float, sidecar: Path) -> None:
    """Refuse values that are corrected to a moment after the end of their frame.

    Parameters
    ----------
    facts
        With ``corrected_to_s``.
    start_s
        Start of the frame [s from TimeZero].
    sidecar
        The file, for the message.
    """
    duration_s = sum(facts.frame_durations_s)
    assert facts.corrected_to_s is not None
    late_s = facts.corrected_to_s - start_s - max(duration_s, 0.0)
    if late_s > _SAME_S:
        key = "FrameTimesStart" if start_s != facts.scan_start_s else "ScanStart"
        raise InputError(
            f"ImageDecayCorrectionTime is {facts.corrected_to_s:g} s, {late_s:g} s after the frame, "
            f"which begins by {key} at {start_s:g} s"
            + (f" and lasts {duration_s:g} s by FrameDuration" if duration_s > 0.0 else ""),
            why="decay is corrected to the scan or to the injection before it: one of these is wrong, and the activity "
            "depends on it",
            suggestion=f"correct ImageDecayCorrectionTime or {key}; both are in seconds from TimeZero",
            file=sidecar,
            field="ImageDecayCorrectionTime",
        )


def check_agreement(facts: Sidecar, time_h: float, sidecar_h: float | None, sidecar: Path) -> None:
    """Refuse values corrected to an injection that the case sets at another time.

    Parameters
    ----------
    facts
        The sidecar.
    time_h, sidecar_h
        Hours from administration to scan that are used, and by the sidecar.
    sidecar
        The file, for the message.
    """
    to_s, injection_s = facts.corrected_to_s, facts.injection_start_s
    if not facts.decay_corrected or to_s is None or injection_s is None or sidecar_h is None:
        return
    if abs(to_s - injection_s) <= _SAME_S and sidecar_h * 3600.0 > _SAME_S and not same_hours(time_h, sidecar_h):
        raise InputError(
            f"ImageDecayCorrectionTime and InjectionStart are {sidecar_h:.4g} h before the scan, and the case gives "
            f"{time_h:.4g} h",
            why="the values are corrected to the injection: how much decay is to be undone depends on which is right",
            suggestion="correct `after` in the case, or ScanStart and InjectionStart in the sidecar",
            file=sidecar,
            field="InjectionStart",
        )
