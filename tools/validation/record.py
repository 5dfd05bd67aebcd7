"""One judged number of the validation, and the error budget that all of them share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

#: Probability that the whole validation fails a correct code once by chance. Every judgement takes its Sidak share.
ALPHA = 1e-3

#: How a difference is judged:
#: ``plus`` passes up to the bar plus k combined standard errors (bars that hold "beyond statistics"),
#: ``larger`` up to the bar or k combined standard errors, whichever is larger,
#: ``p`` is a probability that must not fall below the judgement's share of ALPHA,
#: ``information`` is not judged: the reference is of other data, or carries no uncertainty of its own.
RULES = ("plus", "larger", "p", "information")


@dataclass(frozen=True)
class Record:
    """A quantity against its reference.

    Parameters
    ----------
    group, quantity, unit
        What was compared.
    reference, ours
        Both values in ``unit``.
    difference
        Ours minus reference as a fraction: of the reference, or of what ``unit`` says.
    sigma
        Combined standard error of that difference (ours and the reference's).
    bar
        Allowed difference.
    rule
        One of :data:`RULES`.
    judgements
        How many independent judgements this one stands for (the worst of several).
    remark
        What a reader must know.
    """

    group: str
    quantity: str
    unit: str
    reference: float
    ours: float
    difference: float
    sigma: float
    bar: float
    rule: str = "plus"
    judgements: int = 1
    remark: str = ""

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"rule {self.rule!r} is none of {RULES}")

    def allowed(self, k: float) -> float:
        """Largest difference that passes with ``k`` standard errors allowed."""
        if self.rule == "plus":
            return self.bar + k * self.sigma
        return max(self.bar, k * self.sigma)

    def verdict(self, k: float, share: float) -> str:
        """``pass``, ``FAIL`` or ``-`` (not judged)."""
        if self.rule == "information":
            return "-"
        if self.rule == "p":
            return "pass" if self.ours >= share else "FAIL"
        good = np.isfinite(self.difference) and np.isfinite(self.sigma) and abs(self.difference) <= self.allowed(k)
        return "pass" if good else "FAIL"

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def budget(records: list[Record]) -> tuple[float, float, int]:
    """Standard errors allowed to each judgement, its share of :data:`ALPHA`, and the number of judgements."""
    from scipy.stats import norm

    count = sum(r.judgements for r in records if r.rule != "information")
    share = float(-np.expm1(np.log1p(-ALPHA) / max(count, 1)))
    return float(norm.isf(share / 2)), share, count


def relative(
    group: str, quantity: str, unit: str, reference: tuple[float, float], ours: tuple[float, float], bar: float,
    rule: str = "plus", remark: str = "",
) -> Record:  # fmt: skip
    """Record of (value, standard error) pairs, the difference relative to the reference value."""
    value, error = ours
    target, target_error = reference
    return Record(
        group, quantity, unit, target, value, value / target - 1.0,
        float(np.hypot(error, target_error)) / abs(target), bar, rule, remark=remark,
    )  # fmt: skip
