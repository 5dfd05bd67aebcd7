"""Decay within a scan: from each slice's own acquisition to the start of the scan."""

from __future__ import annotations

import math
from statistics import median

from ...notes import CONTRADICTION, CRITICAL, Note
from .header import PetHeader

#: A header's half-life further than this from the nuclide's is reported.
HALF_LIFE_TOLERANCE = 0.005
#: A half-life this far from the tracer's is that of another nuclide: the scanner's calibration may be too.
OTHER_NUCLIDE = 0.05
#: A stated decay factor fits the time of its slice within this [s], half a long bed, or this share.
_FITS_S, _FITS_SHARE = 300.0, 0.05


def within_scan(
    info: PetHeader, scanner_s: float | None, true_s: float | None, since_h: float, notes: list[str]
) -> dict[str, float] | None:
    """Factor of each slice that makes its values true at the start of the scan; None where none is needed.

    Uncorrected slices (NONE) are brought to the start with the tracer's half-life. The others were brought to it, or
    to the administration, by the scanner: with the half-life in its header. Where that is not the tracer's, its
    correction is turned back and the right one applied.

    Parameters
    ----------
    info
        The header.
    scanner_s, true_s
        Half-life in the header, and that of the tracer [s].
    since_h
        Time from administration to scan as the scanner knew it [h].
    notes
        Gets a remark on what was done.
    """
    if info.decay_correction == "NONE":
        return _uncorrected(info, true_s, notes)
    if not scanner_s or not true_s or abs(scanner_s / true_s - 1.0) <= HALF_LIFE_TOLERANCE:
        return None
    if not info.slice_delay_s:
        words = (
            "the header's half-life is not the tracer's, and not every slice has an acquisition time: the scanner's "
            "correction of the decay within the scan could not be put right"
        )
        notes.append(Note(words, CONTRADICTION, CRITICAL))
        return None
    offset = since_h * 3600.0 if info.decay_correction == "ADMIN" else 0.0
    wrong, right = math.log(2.0) / scanner_s, math.log(2.0) / true_s
    stated = _stated_factors(info, offset, scanner_s, true_s, notes)
    if stated is None:
        return None
    factors = {}
    for uid, delay in info.slice_delay_s.items():
        made = math.log(stated[uid]) if uid in stated else wrong * (delay + offset)
        factors[uid] = math.exp(right * delay - made + wrong * offset)
    low, high = min(factors.values()), max(factors.values())
    words = (
        f"the scanner corrected the decay within the scan with a half-life of {scanner_s:.6g} s; that was turned back "
        f"and done with {true_s:.6g} s (factors {low:.4f} to {high:.4f})"
    )
    notes.append(Note(words, CONTRADICTION))
    return factors


def _uncorrected(info: PetHeader, half_life_s: float | None, notes: list[str]) -> dict[str, float] | None:
    if not info.slice_delay_s or not half_life_s:
        words = "PET values are not decay corrected (NONE); they are taken as true at the scan start"
        notes.append(Note(words, CONTRADICTION))
        return None
    rate = math.log(2.0) / half_life_s
    factors = {uid: math.exp(rate * delay) for uid, delay in info.slice_delay_s.items()}
    notes.append(
        "PET values are not decay corrected (NONE); each slice was brought from its own time to the "
        f"scan start (factors {min(factors.values()):.4f} to {max(factors.values()):.4f})"
    )
    return factors


def _stated_factors(
    info: PetHeader, offset_s: float, scanner_s: float, true_s: float, notes: list[str]
) -> dict[str, float] | None:
    """The decay factors that the scanner says it used; empty where it says none; None if they are the tracer's own."""
    pairs = [(math.log(f), info.slice_delay_s[u] + offset_s) for u, f in info.decay_factor.items() if f > 0.0]
    if not pairs:
        return {}

    def off(half_life_s: float) -> float:
        return median(abs(log * half_life_s / math.log(2.0) - time) for log, time in pairs)

    longest = max(time for _, time in pairs)
    fits = max(_FITS_S, _FITS_SHARE * longest)
    if off(true_s) < off(scanner_s) and off(true_s) <= fits:
        words = (
            f"the header's half-life {scanner_s:.6g} s is not the tracer's {true_s:.6g} s, but its decay factors are "
            "those of the tracer: the decay within the scan was corrected rightly"
        )
        notes.append(Note(words, CONTRADICTION))
        return None
    if off(scanner_s) > fits:
        words = (
            f"the header's decay factors fit neither its half-life {scanner_s:.6g} s nor the tracer's {true_s:.6g} s "
            "and the times of its slices; they were turned back as stated"
        )
        notes.append(Note(words, CONTRADICTION, CRITICAL))
    return dict(info.decay_factor)
