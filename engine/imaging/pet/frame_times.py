"""The frames that a sidecar describes, its decay factors, and times that only another unit explains."""

from __future__ import annotations

import math
from pathlib import Path

from ...errors import InputError
from ...notes import CAUTION, CONTRADICTION, CRITICAL, Note
from ...same import SAME_EVENT_S
from ...text import counted
from .factors import SCAN_S, factors_fit
from .given import SAME_DAY_HALF_LIFE_S
from .header import PetHeader
from .sidecar import Sidecar

#: A frame begins within this [s] of the start of its scan.
_MOST_SCAN_S = 86400.0
#: A long-lived tracer is seldom scanned within this [h] of its administration. Hours or minutes that were written in
#: place of seconds lie there: 96 h in minutes is 5760, and 5760 s are 1.6 h.
EARLY_H = 2.0


def frame_delay_s(facts: Sidecar, sidecar: Path, notes: list[str]) -> float:
    """Time from the start of the scan to the middle of the frame [s]; 0 where the sidecar does not tell.

    Parameters
    ----------
    facts, sidecar
        What the sidecar says, and the file.
    notes
        Gets a remark where the frame begins at another time than the scan.

    Raises
    ------
    InputError
        Several frames, or one that begins before its scan, or a day after it.
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
    half = 0.5 * max([0.0, *facts.frame_durations_s])
    if not facts.frame_starts_s or facts.scan_start_s is None:
        return half
    begins = facts.frame_starts_s[0]
    late = begins - facts.scan_start_s
    if abs(late) <= SAME_EVENT_S:
        return half
    words = f"FrameTimesStart is {begins:g} s, and ScanStart {facts.scan_start_s:g} s"
    if abs(begins) <= SAME_EVENT_S:
        notes.append(Note(f"{words}; the frame's is taken as counted from the start of the scan", CONTRADICTION))
        return half
    if not 0.0 <= late <= _MOST_SCAN_S:
        raise InputError(
            words,
            why="both count from TimeZero, and a frame begins with its scan or soon after it: one of them is wrong",
            suggestion="correct one of them",
            file=sidecar,
            field="FrameTimesStart",
        )
    notes.append(Note(f"{words}; the frame began {late:g} s after the start of the scan", CONTRADICTION, CAUTION))
    return late + half


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
    """Factor from the middle of an uncorrected frame to the start of its scan, and a remark."""
    if not half_life_s or not delay_s:
        return 1.0, "the values are not decay corrected; they are taken as true at the start of the scan"
    factor = math.exp(math.log(2.0) * delay_s / half_life_s)
    return factor, (
        f"the values are not decay corrected; they were brought from the middle of the frame, {delay_s:g} s after the "
        f"start of the scan, to it: multiplied by {factor:.5g}"
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
