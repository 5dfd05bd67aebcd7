"""The precision at which a simulation may stop: ``lesions:1%`` or ``voxels>50%:2%``, read in this one place."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

from .errors import InputError
from .text import did_you_mean

#: What a criterion can ask for; ``voxels`` also says which ones.
QUANTITIES = ("lesions", "regions", "voxels")
EXAMPLES = ("lesions:1%", "voxels>50%:2%")

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_TRY = 'write "lesions:1%" or "voxels>50%:2%"'


@dataclass(frozen=True)
class Until:
    """A quantity and its target relative standard error.

    ``str()`` gives the canonical text, which :meth:`parse` reads back to an equal object.

    Parameters
    ----------
    quantity
        ``"lesions"`` or ``"regions"`` (the same: the mean of each of them), or ``"voxels"`` (the root mean square
        over the voxels above a share of the largest dose).
    goal_percent
        Target relative standard error [%], above 0 and below 100.
    above_percent
        For ``"voxels"``: share of the largest dose that a voxel must exceed to count [%], 0 or more and below 100.

    Raises
    ------
    InputError
        A quantity that does not exist, or a value outside its range.
    """

    quantity: str
    goal_percent: float
    above_percent: float | None = None

    def __post_init__(self) -> None:
        if self.quantity not in QUANTITIES:
            raise _refused(
                f"unknown quantity {self.quantity!r}",
                "the precision of " + ", ".join(QUANTITIES) + " can be requested",
                did_you_mean(self.quantity, QUANTITIES) + f", {_TRY}",
            )
        if self.quantity == "voxels" and self.above_percent is None:
            raise _refused(
                "'voxels' does not say which ones", "a share of the largest dose is needed", 'write "voxels>50%:2%"'
            )
        if self.quantity != "voxels" and self.above_percent is not None:
            raise _refused(
                f"'{self.quantity}>{_plain(self.above_percent)}%' has a share of the largest dose",
                "only voxels are chosen by their dose",
                _TRY,
            )
        if not 0.0 < self.goal_percent < 100.0:
            raise _refused(
                f"a goal of {_plain(self.goal_percent)} %",
                "a relative standard error must be above 0 % and below 100 %",
                f'choose a goal such as 1 %: "{self._subject}:1%"',
            )
        if self.above_percent is not None and not 0.0 <= self.above_percent < 100.0:
            raise _refused(
                f"voxels above {_plain(self.above_percent)} % of the largest dose",
                "that share must be at least 0 % and below 100 %",
                'choose a share such as 50 %: "voxels>50%:2%"',
            )

    @classmethod
    def parse(cls, text: object) -> Until:
        """Read a criterion; an :class:`Until` is returned as it is.

        Spaces around names, numbers and signs do not matter.

        Parameters
        ----------
        text
            ``"lesions:1%"``, ``"regions:1%"`` or ``"voxels>50%:2%"``.

        Raises
        ------
        InputError
            With field ``until``, the value as given, and what is wrong with it.
        """
        if isinstance(text, cls):
            return text
        try:
            if not isinstance(text, str):
                raise _refused("it is not text", "a criterion names a quantity and its target uncertainty", _TRY)
            subject, colon, goal = text.partition(":")
            if not colon:
                raise _refused("there is no ':'", "a criterion names a quantity and its target uncertainty", _TRY)
            name, sign, share = (part.strip() for part in subject.partition(">"))
            above = _per_cent(share, "share of the largest dose") if sign else None
            return cls(name, _per_cent(goal, "goal"), above)
        except InputError as error:
            raise InputError(
                f"{text!r} is not a valid stop criterion: {error.problem}",
                why=error.why,
                suggestion=error.suggestion,
                field="until",
            ) from None

    @property
    def goal(self) -> float:
        """Target relative standard error, as a fraction."""
        return self.goal_percent / 100

    @property
    def voxels_above(self) -> float | None:
        """Share of the largest dose that a voxel must exceed to count, as a fraction; None unless for voxels."""
        return None if self.above_percent is None else self.above_percent / 100

    @property
    def _subject(self) -> str:
        return self.quantity if self.above_percent is None else f"{self.quantity}>{_plain(self.above_percent)}%"

    def __str__(self) -> str:
        return f"{self._subject}:{_plain(self.goal_percent)}%"


def _per_cent(text: str, name: str) -> float:
    """The number in ``"1 %"``."""
    number, sign, rest = text.strip().partition("%")
    number = number.strip()
    if not sign and _NUMBER.fullmatch(number):
        raise _refused(f"the {name} {number!r} has no per cent sign", "1 and 1 % are not the same", f"write {number}%")
    if rest.strip() or not _NUMBER.fullmatch(number) or not math.isfinite(float(number)):
        why = "decimals are written with a point" if "," in number else "a number in per cent is needed"
        raise _refused(f"the {name} {text.strip()!r} is not a number in per cent", why, _TRY)
    return float(number)


def _plain(value: float) -> str:
    """The shortest decimal that is read back as ``value``, without an exponent."""
    if not math.isfinite(value):
        return str(value)
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _refused(problem: str, why: str, suggestion: str) -> InputError:
    return InputError(problem, why=why, suggestion=suggestion, field="until")
