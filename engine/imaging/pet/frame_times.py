"""When the frame of a PET volume began, by its sidecar, and what contradicts that; moments are in s from TimeZero."""

from __future__ import annotations

import math
from pathlib import Path

from ...errors import InputError
from ...notes import CAUTION, CONTRADICTION, CRITICAL, Note
from ...same import SAME_EVENT_S, SAME_SECOND_S
from ...text import counted
from .factors import SCAN_S, factors_fit
from .given import SAME_DAY_HALF_LIFE_S
from .header import PetHeader
from .sidecar import Sidecar
from .times import same_hours

#: A frame begins within this [s] of the start of its scan.
_MOST_SCAN_S = 86400.0
#: A long-lived tracer is seldom scanned within this [h] of its administration. Hours or minutes that were written in
#: place of seconds lie there: 96 h in minutes is 5760, and 5760 s are 1.6 h.
EARLY_H = 2.0


def frame_start_s(facts: Sidecar, sidecar: Path) -> float | None:
    """Start of the frame [s from TimeZero]; None where the sidecar does not state the scan's.

    BIDS counts FrameTimesStart from TimeZero, as ScanStart. Many sidecars count it from ScanStart instead, and have 0
    for the only frame: that is the scan's start too, since no frame begins before its scan.

    Raises
    ------
    InputError
        A frame that begins before its scan, or a day after it.
    """
    scan, frame = facts.scan_start_s, facts.frame_starts_s[0] if facts.frame_starts_s else None
    if scan is None or frame is None or abs(frame) <= SAME_SECOND_S:
        return scan
    if not -SAME_SECOND_S <= frame - scan <= _MOST_SCAN_S:
        raise InputError(
            f"FrameTimesStart is {frame:g} s, and ScanStart {scan:g} s",
            why="both count from TimeZero, and a frame begins with its scan or soon after it: one of them is wrong",
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
    if late_s > SAME_SECOND_S:
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
    if (
        abs(to_s - injection_s) <= SAME_SECOND_S
        and sidecar_h * 3600.0 > SAME_SECOND_S
        and not same_hours(time_h, sidecar_h)
    ):
        raise InputError(
            f"ImageDecayCorrectionTime and InjectionStart are {sidecar_h:.4g} h before the scan, and the case gives "
            f"{time_h:.4g} h",
            why="the values are corrected to the injection: how much decay is to be undone depends on which is right",
            suggestion="correct `after` in the case, or ScanStart and InjectionStart in the sidecar",
            file=sidecar,
            field="InjectionStart",
        )


def half_frame_s(facts: Sidecar, sidecar: Path, notes: list[str]) -> float:
    """Time from the start of the frame to its middle [s]; 0 where the sidecar does not tell.

    Parameters
    ----------
    facts, sidecar
        What the sidecar says, and the file.
    notes
        Gets a remark where the frame begins at another time than the scan.

    Raises
    ------
    InputError
        Several frames.
    """
    count = max(len(facts.frame_starts_s), len(facts.frame_durations_s))
    if count > 1:
        raise InputError(
            f"the sidecar describes {counted(count, 'frame')}, and the volume is one",
            why="which of the frames it shows, and when that was, is not known",
            suggestion="give the volume of one frame, with a sidecar for that frame alone",
            file=sidecar,
            field="FrameTimesStart" if len(facts.frame_starts_s) > 1 else "FrameDuration",
        )
    if facts.frame_starts_s and facts.scan_start_s is not None:
        begins, late = facts.frame_starts_s[0], facts.frame_starts_s[0] - facts.scan_start_s
        words = f"FrameTimesStart is {begins:g} s, and ScanStart {facts.scan_start_s:g} s"
        if abs(late) > SAME_EVENT_S and abs(begins) <= SAME_SECOND_S:
            notes.append(Note(f"{words}; the frame's is taken as counted from the start of the scan", CONTRADICTION))
        elif abs(late) > SAME_EVENT_S:
            notes.append(Note(f"{words}; the frame's counts", CONTRADICTION, CAUTION))
    return 0.5 * max([0.0, *facts.frame_durations_s])


def sidecar_factors(
    facts: Sidecar, info: PetHeader, half_lives_s: list[float | None], hours: float, sidecar: Path
) -> list[str]:
    """Hold the decay factors of a sidecar against its decay correction; refused where they are of another kind.

    Parameters
    ----------
    facts, info
        What the sidecar says.
    half_lives_s
        Half-lives that may have been corrected with [s].
    hours
        From administration to scan.
    sidecar
        The file.
    """
    known = [half_life for half_life in half_lives_s if half_life]
    factors = [(factor, 0.0) for factor in facts.decay_factor if factor > 0.0]
    if info.units != "BQML" or not known or facts.corrected_to_s is not None:
        return []
    return factors_fit(info.decay_correction, factors, hours * 3600.0, known, SCAN_S, sidecar, "DecayFactor")


def uncorrected_factor(delay_s: float, half_life_s: float | None) -> tuple[float, str]:
    """Factor from the middle of an uncorrected frame to its start, and a remark."""
    if not half_life_s or not delay_s:
        return 1.0, "the values are not decay corrected; they are taken as true at the start of the scan"
    factor = math.exp(math.log(2.0) * delay_s / half_life_s)
    return factor, (
        f"the values are not decay corrected; they were brought from the middle of the frame, {delay_s:g} s after its "
        f"start, to it: multiplied by {factor:.5g}"
    )


def early_scan(info: PetHeader, half_life_s: float | None) -> list[str]:
    """A remark where a long-lived tracer was scanned soon after its administration, as hours read as seconds would."""
    if info.after_h is None or info.after_h >= EARLY_H or not half_life_s or half_life_s <= SAME_DAY_HALF_LIFE_S:
        return []
    seconds = info.after_h * 3600.0
    words = (
        f"ScanStart lies {seconds:g} s after InjectionStart, soon for a tracer of this half-life; both are in seconds, "
        f"and hours ({seconds:g} h) or minutes ({seconds / 60.0:.4g} h) may have been written"
    )
    return [Note(words, CONTRADICTION, CRITICAL)]
