"""Whether decay factors and frame reference times belong to the decay correction that is stated beside them.

A decay factor is what the scanner multiplied a slice with, to correct it to the moment that the decay correction names:
close to 1 for the start of the scan (START), the decay since the administration for ADMIN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from ...errors import InputError
from ...notes import CAUTION, CONTRADICTION, CRITICAL, Note
from ..dicom.elements import number
from ..dicom.find import Header
from .header import PetHeader
from .timing import uid_of

#: Time [s] that beds, and a series opened before them, can lie from the start of the scan: where each slice has its own
#: time, and where none is known.
BEDS_S, SCAN_S = 1800.0, 3600.0
#: Decay of less than this (natural logarithm) is within what PET measures: no two moments are then told apart.
_LEAST_LOG = 0.03
#: Decay factors of ADMIN and the times differ by more than this: one of them is wrong, and the values with it.
_OFF_LOG = 0.05


def correction_fits(
    info: PetHeader, headers: Sequence[Header], since_h: float, half_lives_s: Iterable[float | None]
) -> list[str]:
    """Hold the decay factors and frame reference times of a series in Bq/mL against its decay correction.

    Parameters
    ----------
    info, headers
        What the header says, and the slices.
    since_h
        Time from administration to scan as the scanner knew it [h].
    half_lives_s
        Half-lives that the scanner may have corrected with [s].

    Returns
    -------
    list of str
        Remarks.

    Raises
    ------
    InputError
        They say another kind of correction than the one stated.
    """
    known = [half_life for half_life in half_lives_s if half_life]
    if info.units != "BQML" or not known:
        return []
    factors = [(factor, info.slice_delay_s.get(uid, 0.0)) for uid, factor in info.decay_factor.items()]
    if not factors and any(number(header.dataset, "DecayFactor") == 1.0 for header in headers):
        factors = [(1.0, 0.0)]
    remarks = factors_fit(
        info.decay_correction, factors, since_h * 3600.0, known, BEDS_S if info.slice_delay_s else SCAN_S,
        headers[0].path, "DecayFactor (0054,1321)",
    )  # fmt: skip
    return remarks + _reference_times(info, headers, max(known))


def factors_fit(
    kind: str,
    factors: Sequence[tuple[float, float]],
    since_s: float,
    half_lives_s: Sequence[float],
    allowed_s: float,
    file: Path,
    field: str,
) -> list[str]:
    """Hold decay factors against the kind of decay correction; remarks on those that do not fit it well.

    A factor of 1 on every slice is written by scanners that state none, and tells nothing.

    Parameters
    ----------
    kind
        ``"START"``, ``"ADMIN"`` or ``"NONE"``.
    factors
        Of each slice: its decay factor, and the time from the start of the scan to its middle [s].
    since_s
        Time from administration to scan [s].
    half_lives_s
        Half-lives that the scanner may have corrected with [s].
    allowed_s
        What the beds of the scan explain [s].
    file, field
        For the refusal.

    Raises
    ------
    InputError
        They are those of another kind.
    """
    if not factors:
        return []
    logs = [(math.log(factor), delay) for factor, delay in factors]
    if all(abs(log) < 1e-6 for log, _ in logs):
        lost = math.log(2.0) * since_s / max(half_lives_s)
        if kind != "ADMIN" or lost <= _LEAST_LOG:
            return []
        words = (
            "the header says decay corrected to the administration (ADMIN), and gives a decay factor of 1; if nothing "
            f"was corrected, the activity is {math.exp(lost):.4g} times what is stated here"
        )
        return [Note(words, CONTRADICTION, CRITICAL)]
    if all(_contradict(kind, logs, since_s, half_life, allowed_s) for half_life in half_lives_s):
        low, high = min(f for f, _ in factors), max(f for f, _ in factors)
        shown = f"{low:.5g}" if low == high else f"{low:.5g} to {high:.5g}"
        decay = math.exp(min(math.log(2.0) * since_s / half_lives_s[-1], 700.0))
        raise InputError(
            f"the header says decay correction {kind}, and decay factors of {shown}",
            why=f"a factor is close to 1 for START and about {decay:.4g} for ADMIN ({since_s / 3600.0:.4g} h after the "
            "administration), and there is none for NONE: the activity depends on which of the two is right",
            suggestion="export the series again, or correct the element that is wrong",
            file=file,
            field=field,
        )
    return _doubtful(kind, logs, since_s, half_lives_s)


def _contradict(
    kind: str, logs: Sequence[tuple[float, float]], since_s: float, half_life_s: float, allowed_s: float
) -> bool:
    """Whether factors (their logarithms, with the delay of the slice) are of another kind, by one half-life."""
    rate = math.log(2.0) / half_life_s
    ahead = [log / rate - delay for log, delay in logs]
    if kind == "NONE":
        return max(log for log, _ in logs) > _LEAST_LOG
    if kind == "START":
        return min(ahead) > allowed_s and rate * min(ahead) > _LEAST_LOG
    return max(ahead) < 0.5 * since_s and rate * (since_s - max(ahead)) > _LEAST_LOG


def _doubtful(
    kind: str, logs: Sequence[tuple[float, float]], since_s: float, half_lives_s: Sequence[float]
) -> list[str]:
    """A remark where factors of ADMIN are those of another time than the one that is undone."""
    if kind != "ADMIN":
        return []
    rates = [math.log(2.0) / half_life for half_life in half_lives_s]
    off = min((median(log - rate * (since_s + delay) for log, delay in logs) for rate in rates), key=abs)
    if abs(off) <= _OFF_LOG:
        return []
    words = (
        f"the decay factors are {math.exp(off):.4g} times those of {since_s / 3600.0:.4g} h from administration to "
        "scan, by which the correction to the administration was undone: a time or a half-life is wrong"
    )
    return [Note(words, CONTRADICTION, CRITICAL)]


def _reference_times(info: PetHeader, headers: Sequence[Header], half_life_s: float) -> list[str]:
    """A remark where START-corrected slices have reference times that lie further from the start than their beds."""
    if info.decay_correction != "START":
        return []
    ahead = []
    for header in headers:
        stated = number(header.dataset, "FrameReferenceTime")
        if stated is None or uid_of(header) not in info.slice_delay_s:
            return []
        ahead.append(1e-3 * stated - info.slice_delay_s[uid_of(header)])
    if not ahead or min(ahead) <= BEDS_S or math.log(2.0) * min(ahead) / half_life_s <= _LEAST_LOG:
        return []
    words = (
        f"the frame reference times lie {min(ahead):.0f} s after the slices were acquired, counted from the start of "
        "the scan"
    )
    if info.decay_factor:
        words += "; the decay factors are those of its start, which is used"
        return [Note(words, CONTRADICTION, CAUTION)]
    words += ": the values may have been corrected to an earlier moment than the start that is used"
    return [Note(words, CONTRADICTION, CRITICAL)]
