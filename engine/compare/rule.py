"""The rule: whether a method may be used for a lesion in place of the reference, in one sentence."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ..lesions.record import TARGET
from ..text import interval_decimals, number, percent, signed, signed_percent
from .bias import Estimate
from .record import DO_NOT_USE, UNDETERMINED, USE, Bias

#: Tolerance of the mean dose unless another is given [%].
TOLERANCE_PERCENT = 5.0
#: More than this many times the decays is no advice: the bias is at the tolerance, or the dose at the threshold.
MOST_TIMES = 1e4


def rule_text(tolerance_percent: float, reference: str, threshold_gy: float | None) -> str:
    """The rule in words.

    Parameters
    ----------
    tolerance_percent
        Largest bias of the mean dose [%].
    reference
        What the reference method is called.
    threshold_gy
        Threshold of the lesions [Gy]; None where nothing is judged.
    """
    within = (
        f"the whole 95 % interval of the bias of its mean dose against {reference} lies within ±{tolerance_percent:g} %"
    )
    side = "" if threshold_gy is None else f" and the lesion is on the same side of {threshold_gy:g} Gy by both"
    change = "" if threshold_gy is None else ", or if the lesion changes side beyond the noise of the simulation"
    return (
        f"Use a method for a lesion if {within}{side}. Do not use it if the interval lies wholly outside{change}. "
        "Otherwise it is undetermined: simulate more decays."
    )


@dataclass(frozen=True)
class Question:
    """What the rule is asked about one lesion and method.

    Parameters
    ----------
    label, reference_label
        What the two methods are called.
    bias
        Of the mean.
    method, reference
        The means with their statistics.
    changes_side
        As of :func:`hevesy.engine.compare.sides.changes_side`.
    above
        Whether the method's mean reaches the threshold.
    threshold_gy
        Threshold [Gy]; None where nothing is judged.
    tolerance_percent
        Largest bias that is accepted [%].
    decays
        Decays behind the noise; 0 without any.
    """

    label: str
    reference_label: str
    bias: Bias
    method: Estimate
    reference: Estimate
    changes_side: bool | None
    above: bool | None
    threshold_gy: float | None
    tolerance_percent: float
    decays: int = 0


@dataclass(frozen=True)
class Answer:
    """What the rule says.

    Parameters
    ----------
    use
        :data:`~.record.USE`, :data:`~.record.DO_NOT_USE` or :data:`~.record.UNDETERMINED`.
    sentence
        The same in words.
    decays_needed
        Decays in all that would decide it; None where it is decided, or where no number of decays would.
    """

    use: str
    sentence: str
    decays_needed: float | None = None


def judge(asked: Question) -> Answer:
    """What the rule says of a method in a lesion.

    Parameters
    ----------
    asked
        The lesion and the method.

    Returns
    -------
    Answer
        The rule's word, and one sentence.
    """
    bias, name = asked.bias, subject(asked.label)
    if bias.percent is None:
        none = f"{subject(asked.reference_label)} gives no dose here, so that {_low(name)} has no bias to state"
        exact = asked.reference.standard_error == 0.0 and not asked.decays
        advice = "compare with another --reference" if exact else "simulate more decays"
        return Answer(UNDETERMINED, f"{none}: undetermined, {advice}.")
    if bias.low_percent is None or bias.high_percent is None:
        why = (
            "whose standard error is not known (20 batches are needed, and enough decays in the lesion)"
            if bias.standard_error_percent is None
            else "whose noise is as large as the dose itself"
        )
        side = f"{name} differs by {signed_percent(bias.percent)} here from {asked.reference_label}, {why}"
        return Answer(UNDETERMINED, f"{side}: undetermined, simulate more decays.")
    low, high, limit = bias.low_percent, bias.high_percent, asked.tolerance_percent
    interval = f"(95 % interval {_ends(low, high)})"
    edge = limit * (1.0 + 1e-9)  # a bias of 5 % is within 5 %, however it rounds
    inside, outside = max(-low, high) <= edge, low > edge or high < -edge
    decimals = interval_decimals(low, high)
    within = f"{name} differs by {signed_percent(bias.percent, decimals)} {interval} here"
    if inside:
        within = f"{name} is within {_largest(low, high)} % {interval} here"
    if outside:
        off = "above" if bias.percent > 0.0 else "below"
        within = f"{name} is {abs(bias.percent):.{decimals}f} % {off} {asked.reference_label} {interval} here"
    if asked.changes_side:
        joint = ", but" if inside else " and"
        return Answer(DO_NOT_USE, f"{within}{joint} puts the lesion {_sides(asked)}: do not use it.")
    if outside:
        return Answer(DO_NOT_USE, f"{within}, more than {limit:g} %: do not use it.")
    if inside and (asked.threshold_gy is None or asked.changes_side is False):
        return Answer(USE, f"{within}: use it.")
    return _undetermined(asked, name, interval, inside)


def not_covered(label: str, share: float, role: str) -> str:
    """What is said of a region that a foreign map does not cover.

    Parameters
    ----------
    label
        What the map is called.
    share
        Share of the region's volume that it covers, from 0 to 1.
    role
        Of the region.
    """
    what = "lesion" if role == TARGET else role
    if share == 0.0:
        return f"{subject(label)} has no dose here: the {what} lies outside it and is not compared."
    return f"{subject(label)} has a dose in {percent(min(share, 0.99))} of the {what} only, which is not compared."


def side_sentence(asked: Question, name: str) -> str:
    """What a method says of an organ against its limit; empty where both methods agree.

    Parameters
    ----------
    asked
        The organ and the method; the threshold is the organ's limit.
    name
        Of the organ.
    """
    if asked.changes_side is False:
        return ""
    if asked.changes_side is None:
        return f"{subject(asked.label)}: the noise leaves open whether {name} keeps its limit by both methods."
    return f"{subject(asked.label)} puts {name} {_sides(asked)}."


def _undetermined(asked: Question, name: str, interval: str, inside: bool) -> Answer:
    """An answer that more decays would give."""
    bias, times = asked.bias, 1.0
    assert bias.percent is not None and bias.low_percent is not None and bias.high_percent is not None
    if inside:
        what = f"{name} is within {_largest(bias.low_percent, bias.high_percent)} % {interval} here, but the noise"
        what += f" leaves open on which side of {asked.threshold_gy:g} Gy the lesion is"
    else:
        half = max(bias.high_percent - bias.percent, bias.percent - bias.low_percent)
        times = max(times, _times(half, asked.tolerance_percent - abs(bias.percent)))
        shown = signed_percent(bias.percent, interval_decimals(bias.low_percent, bias.high_percent))
        what = f"{name} differs by {shown} {interval} here, which does not settle "
        what += f"{asked.tolerance_percent:g} %"
    if asked.threshold_gy is not None and asked.changes_side is None:
        for one in (asked.method, asked.reference):
            times = max(times, _times(one.ends[1] - one.value, one.value - asked.threshold_gy))
    if not 1.0 < times <= MOST_TIMES or not asked.decays:
        return Answer(UNDETERMINED, f"{what}: undetermined, and too close for a simulation to decide.")
    needed = _rounded_up(times * asked.decays)
    return Answer(UNDETERMINED, f"{what}: undetermined, simulate about {number(needed, 2)} decays in all.", needed)


def _times(half: float, gap: float) -> float:
    """How many times the decays make a half interval smaller than a gap; 1 where it is already."""
    if not half > abs(gap):
        return 1.0
    return math.inf if gap == 0.0 else (half / gap) ** 2


def _rounded_up(value: float) -> float:
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / step) * step


def subject(label: str) -> str:
    """A method's label as the subject of a sentence: a qualifier after its comma in brackets, the first letter capital.

    Parameters
    ----------
    label
        Such as ``"local deposition, charged particles"``.

    Examples
    --------
    >>> from hevesy.engine.compare.rule import subject
    >>> subject("local deposition, charged particles")
    'Local deposition (charged particles)'
    """
    text = re.sub(r", ([a-z].*)$", r" (\1)", label).replace(", ", " with ")
    return text[:1].upper() + text[1:]


def _low(name: str) -> str:
    return name if name[:2].isupper() else name[:1].lower() + name[1:]


def _largest(low: float, high: float) -> str:
    """The end of an interval that is farther from zero, with the digits that the interval is shown with."""
    return f"{max(abs(low), abs(high)):.{interval_decimals(low, high)}f}"


def _ends(low: float, high: float) -> str:
    decimals = interval_decimals(low, high)
    return f"{signed(low, decimals)} to {signed_percent(high, decimals)}"


def _sides(asked: Question) -> str:
    here, there = ("above", "below") if asked.above else ("below", "above")
    return f"{here} {asked.threshold_gy:g} Gy where {asked.reference_label} has it {there}"
