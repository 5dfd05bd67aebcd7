"""One check of the validation, and the error budget that all checks share."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from hevesy.engine.transport.two_sample import quantile, root_z, welch

#: Probability that any check of the validation fails a correct code by chance. Every check has its Sidak share.
ALPHA = 1e-3

#: How a difference is checked:
#: ``plus`` passes up to the limit plus k combined standard errors (limits "beyond statistics"),
#: ``larger`` up to the limit or k combined standard errors, whichever is larger; the errors count between the square
#: roots of the two means where these are given, which is right for few deposits too (engine/transport/two_sample.py),
#: ``p`` is a probability that must not fall below the check's share of ALPHA,
#: ``information`` has no verdict: the reference is from other data, or has no uncertainty of its own.
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
        Number of independent checks of which this one is the worst.
    remark
        Remark for the reader.
    freedom
        Degrees of freedom behind ``sigma``: k is Student's quantile.
    z
        Difference in combined standard errors; NaN: ``difference / sigma``.
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
    freedom: float = math.inf
    z: float = math.nan

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"rule {self.rule!r} is none of {RULES}")

    def strain(self, share: float) -> float:
        """Difference over what passes with probability ``share`` of a false alarm: above one it fails."""
        k = quantile(share, self.freedom)
        if self.rule == "plus":
            allowed = self.bar + k * self.sigma
            return abs(self.difference) / allowed if allowed > 0.0 else (math.inf if self.difference else 0.0)
        z = self.difference / self.sigma if np.isnan(self.z) and self.sigma > 0.0 else self.z
        of_bar = abs(self.difference) / self.bar if self.bar > 0.0 else math.inf
        of_noise = abs(z) / k if np.isfinite(z) else math.inf
        return min(of_bar, of_noise)

    def verdict(self, share: float) -> str:
        """``pass``, ``FAIL`` or ``-`` (no verdict)."""
        if self.rule == "information":
            return "-"
        if self.rule == "p":
            return "pass" if self.ours >= share else "FAIL"
        good = np.isfinite(self.difference) and np.isfinite(self.sigma) and self.strain(share) <= 1.0
        return "pass" if good else "FAIL"

    def to_dict(self) -> dict[str, Any]:
        """Plain values; None for what is not finite."""
        values = asdict(self)
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def budget(records: list[Record]) -> tuple[float, float, int]:
    """Standard errors allowed to each check, its share of :data:`ALPHA`, and the number of checks."""
    count = sum(r.judgements for r in records if r.rule != "information")
    share = float(-np.expm1(np.log1p(-ALPHA) / max(count, 1)))
    return quantile(share), share, count


def relative(
    group: str,
    quantity: str,
    unit: str,
    reference: tuple[float, float],
    ours: tuple[float, float],
    bar: float,
    rule: str = "plus",
    remark: str = "",
    batches: float = math.inf,
) -> Record:
    """Record of (value, standard error) pairs, the difference relative to the reference value.

    ``batches`` are those behind our standard error.
    """
    value, error = ours
    target, target_error = reference
    return Record(
        group,
        quantity,
        unit,
        target,
        value,
        value / target - 1.0,
        float(np.hypot(error, target_error)) / abs(target),
        bar,
        rule,
        remark=remark,
        freedom=welch(error, target_error, batches),
        z=root_z(value, error, target, target_error),
    )
