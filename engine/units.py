"""Quantities with units: text such as ``7.4 GBq`` or ``24 h`` becomes a float in the one unit used inside.

A number without a unit is refused wherever a unit is needed: a dose in rad or an activity in mCi read as if
it were in Gy or MBq is the mistake that this module exists to prevent. Unit names are those of pint
(:mod:`pint` is imported on first use only, since it takes longer than all the rest of the command line).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from .errors import InputError


@dataclass(frozen=True)
class Dimension:
    """One kind of quantity.

    Parameters
    ----------
    name
        What it is, as a user would say it.
    unit
        The unit of the float inside.
    examples
        Right forms, shown in messages and in the JSON Schema.
    minimum, open_minimum
        Smallest value [``unit``]; with ``open_minimum`` that value itself is refused.
    """

    name: str
    unit: str
    examples: tuple[str, ...]
    minimum: float | None = None
    open_minimum: bool = False


ACTIVITY = Dimension("activity", "MBq", ("7.4 GBq", "74 MBq", "200 mCi"), 0.0, True)
TIME = Dimension("time", "h", ("24 h", "4 days", "90 min"), 0.0, False)
DURATION = Dimension("duration", "s", ("10 min", "90 s", "1 h"), 0.0, True)
DOSE = Dimension("dose", "Gy", ("20 Gy", "2000 cGy"), 0.0, True)
MASS = Dimension("mass", "kg", ("75 kg", "62000 g"), 0.0, True)
ENERGY = Dimension("energy", "MeV", ("10 keV", "0.01 MeV"), 0.0, True)
LENGTH = Dimension("length", "mm", ("6 mm", "0.4 cm"), 0.0, True)
HEIGHT = Dimension("height", "cm", ("175 cm", "1.75 m"), 0.0, True)
SENSITIVITY = Dimension("radiosensitivity", "1/Gy", ("0.2 /Gy",), 0.0, True)
FRACTION = Dimension("fraction", "", ("5 %", "0.05 fraction"), 0.0, False)

_NUMBER = r"[+-]?(?:\d+(?:[.,]\d*)*|\.\d+)(?:[eE][+-]?\d+)?"
#: A comma before three digits may separate thousands; only one before another number of them is a decimal mark.
_COMMA = re.compile(r"[+-]?(?:\d+,(?:\d{1,2}|\d{4,})|0+,\d+)(?:[eE][+-]?\d+)?")
#: A time in several units, the larger first: ``23 h 30 min``.
_PARTS = re.compile(r"(?:\d+\s*(?:days?|d|hours?|h|min)\s*)+\d+(?:\.\d+)?\s*(?:hours?|h|min|s)")
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")
_QUANTITY = re.compile(rf"\s*({_NUMBER}|[+-]?(?:nan|inf))\s*(.*?)\s*$", re.IGNORECASE)

#: Factors of the units that clinical input uses; anything else is asked of pint. Names are those pint knows.
_COMMON: dict[tuple[str, str], float] = {
    ("GBq", "MBq"): 1e3, ("MBq", "MBq"): 1.0, ("kBq", "MBq"): 1e-3, ("mCi", "MBq"): 37.0,
    ("h", "h"): 1.0, ("min", "h"): 1 / 60, ("d", "h"): 24.0, ("days", "h"): 24.0, ("day", "h"): 24.0,
    ("s", "s"): 1.0, ("min", "s"): 60.0, ("h", "s"): 3600.0,
    ("Gy", "Gy"): 1.0, ("/Gy", "1/Gy"): 1.0, ("1/Gy", "1/Gy"): 1.0,
    ("kg", "kg"): 1.0, ("g", "kg"): 1e-3, ("mm", "mm"): 1.0, ("cm", "mm"): 10.0,
    ("cm", "cm"): 1.0, ("m", "cm"): 100.0, ("keV", "MeV"): 1e-3, ("MeV", "MeV"): 1.0,
    ("%", ""): 0.01, ("percent", ""): 0.01, ("fraction", ""): 1.0,
}  # fmt: skip

#: pint reads "rad" as an angle; as a dose it is 0.01 Gy.
_ALIASES = {("rad", "Gy"): "rads", ("krad", "Gy"): "kilorads"}

#: By dimension alone Sv is Gy and Hz is Bq; equivalent dose and frequency must not pass for the real thing.
_NAMED = {"Gy": {"gray", "rads"}, "MBq": {"becquerel", "curie", "rutherford"}}


def parse(value: object, dimension: Dimension, *, field: str | None = None, file: object | None = None) -> float:
    """Read a quantity with its unit.

    Parameters
    ----------
    value
        Text such as ``"7.4 GBq"``; a :class:`datetime.timedelta` is taken as a time too.
    dimension
        What it must be.
    field, file
        Where it stands, for the message.

    Returns
    -------
    float
        The value in ``dimension.unit``.

    Raises
    ------
    InputError
        No unit, no number, a unit of another kind, a value that is not finite or out of range.
    """
    example = f"write it with its unit, for example {dimension.examples[0]}"

    def refuse(problem: str, why: str, suggestion: str = example) -> InputError:
        return InputError(problem, why=why, suggestion=suggestion, field=field, file=file)

    if isinstance(value, timedelta) and dimension.unit in ("h", "s"):
        return value.total_seconds() / (3600.0 if dimension.unit == "h" else 1.0)
    if isinstance(value, bool) or value is None or not isinstance(value, str | int | float):
        raise refuse(f"{value!r} is not a quantity", f"{_article(dimension.name)} is needed here")
    text = str(value).strip()
    if dimension.unit in ("h", "s") and _PARTS.fullmatch(text):
        return in_range(_sum_of_parts(text, dimension, refuse), dimension, shown=text, field=field, file=file)
    match = _QUANTITY.match(text)
    if match is None:
        raise refuse(f"{value!r} is not a quantity", f"{_article(dimension.name)} starts with a number")
    number, unit = _number(match[1], match[2], text, refuse), match[2]
    if not unit and not math.isfinite(number):
        raise refuse(f"{text} is not a quantity", f"{_article(dimension.name)} must be a finite number")
    if not unit:
        forms = " or ".join(f"{match[1]} {e.split(maxsplit=1)[1]}" for e in dimension.examples[:2])
        raise refuse(
            f"{match[1]} has no unit",
            f"{_article(dimension.name)} without a unit can be off by orders of magnitude",
            f"write {forms}",
        )
    factor = unit_factor(unit, dimension)
    if factor is None:
        likely = next((one for one, own in _COMMON if own == dimension.unit and one.lower() == unit.lower()), None)
        if likely is None and dimension.unit == "h" and re.fullmatch(r":\d{2}", unit):
            likely = "h" if unit == ":00" else f"h {unit[1:]} min"
        advice = f"write {match[1]} {likely}" if likely else example
        raise refuse(f"'{unit}' is not a unit of {dimension.name}", f"read in {text!r}", advice)
    return in_range(number * factor, dimension, shown=text, field=field, file=file)


def _number(digits: str, unit: str, shown: str, refuse: Callable[[str, str, str], InputError]) -> float:
    """A number with a decimal point, or with a comma that can be nothing else."""
    if "," not in digits and digits.count(".") <= 1:
        return float(digits)
    if _COMMA.fullmatch(digits):
        return float(digits.replace(",", "."))
    plain = re.sub(r"[,.](?=\d{3}(?!\d))", "", digits)
    forms = [f"{form} {unit}".strip() for form in (plain, digits.replace(",", ".")) if form.count(".") <= 1]
    raise refuse(
        f"{shown!r} may be read in two ways",
        "a comma or a point before three digits may separate thousands, or be the decimal mark",
        f"write {' or '.join(dict.fromkeys(forms))}" if "," not in plain else "write the number with a decimal point",
    )


def _sum_of_parts(text: str, dimension: Dimension, refuse: Callable[[str, str, str], InputError]) -> float:
    """A time in several units [``dimension.unit``], each smaller than the one before, of which it is a part."""
    total, above = 0.0, math.inf
    for digits, unit in _PART.findall(text):
        factor = unit_factor(unit, dimension) or 0.0
        part = float(digits) * factor
        if not part < above:
            raise refuse(
                f"{text!r} is not a time",
                "each unit is smaller than the one before, and its number less than one of those",
                f"write it in one unit, for example {dimension.examples[0]}",
            )
        total, above = total + part, factor
    return total


def in_range(
    value: float, dimension: Dimension, *, shown: str = "", field: str | None = None, file: object | None = None
) -> float:
    """A number in ``dimension.unit``, unchanged.

    Parameters
    ----------
    value
        The number [``dimension.unit``].
    dimension
        What it must be.
    shown
        How the user wrote it, for the message.
    field, file
        Where it stands, for the message.

    Raises
    ------
    InputError
        A value that is not finite or out of range.
    """
    shown = shown or f"{value:g} {dimension.unit}".rstrip()
    example = f"write it with its unit, for example {dimension.examples[0]}"
    if not math.isfinite(value):
        why = f"{_article(dimension.name)} must be a finite number"
        raise InputError(f"{shown} is not finite", why=why, suggestion=example, field=field, file=file)
    low = dimension.minimum
    if low is not None and (value < low or (dimension.open_minimum and value == low)):
        bound = "more than" if dimension.open_minimum else "at least"
        why = f"{_article(dimension.name)} must be {bound} {low:g} {dimension.unit}".rstrip()
        raise InputError(f"{shown} is out of range", why=why, suggestion=example, field=field, file=file)
    return value


@lru_cache(maxsize=256)
def unit_factor(unit: str, dimension: Dimension) -> float | None:
    """Factor from ``unit`` to the dimension's own; None when it is unknown or not of that kind."""
    known = _COMMON.get((unit, dimension.unit))
    if known is not None:
        return known
    import pint

    registry = _registry()
    try:
        quantity = registry.Quantity(1.0, _ALIASES.get((unit, dimension.unit), unit))
        names = {registry.parse_unit_name(name)[0][1] for name, _ in quantity.unit_items()}
        if dimension.unit in _NAMED and not names <= _NAMED[dimension.unit]:
            return None
        return float(quantity.to(dimension.unit or "dimensionless").magnitude)
    except (pint.errors.PintError, AttributeError, TypeError, ValueError, AssertionError, SyntaxError):
        return None
    except Exception as error:  # pint parses text with tokenize, whose own errors may pass through
        if type(error).__module__ in ("tokenize", "token", "pint"):
            return None
        raise


def format_quantity(value: float, dimension: Dimension) -> str:
    """The text form that :func:`parse` reads back to exactly ``value``."""
    return f"{value!r} {dimension.unit or 'fraction'}"


@lru_cache(maxsize=1)
def _registry():  # type: ignore[no-untyped-def]
    import pint

    return pint.UnitRegistry()


def _article(name: str) -> str:
    return ("an " if name[0] in "aeiou" else "a ") + name
