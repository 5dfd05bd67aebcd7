"""Values as text and back: numbers (standard uncertainties with two digits, GUM 7.2.6), counts, cells, near words."""

from __future__ import annotations

import difflib
import math
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NONE = "–"


def command_text(*words: object) -> str:
    """A command of hevesy as a user can copy it into a shell: ``hevesy status 'out 1'``."""
    return shlex.join(["hevesy", *map(str, words)])


def number(value: float | None, digits: int = 3) -> str:
    """A number with significant digits, no exponent in the usual range; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    # the place follows the rounded number: 9.996 has one digit before the point more than 9.99
    exponent = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if exponent >= 6 or exponent < -4:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}×10{superscript(int(power))}"
    return f"{value:.{max(digits - 1 - exponent, 0)}f}"


def significant(value: Any, digits: int = 4) -> str:
    """A number for a terminal, in plain characters; a hyphen for a missing value, text as it is."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Table:
    """A table for a terminal; the first `text_columns` are flush left, numbers flush right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str | None = None
    text_columns: int = 1


def dose_unit(highest_gy: float) -> tuple[str, float]:
    """Unit that suits doses up to this one [Gy], and how many of it are one gray: Gy, mGy below 0.1 Gy, µGy."""
    if not 0.0 < highest_gy < 0.1:  # NaN too
        return "Gy", 1.0
    return ("mGy", 1e3) if highest_gy >= 1e-4 else ("µGy", 1e6)


def dose_text(gy: float, sigma_gy: float = math.nan) -> str:
    """A dose [Gy] in the unit of its size, with its standard uncertainty where there is one: ``8.5 ± 1.1 mGy``."""
    unit, factor = dose_unit(gy)
    return f"{plus_minus(gy * factor, sigma_gy * factor)} {unit}"


def activity_text(mbq: float | None, digits: int = 4) -> str:
    """An activity [MBq] in the unit of its size: ``7.4 GBq``, ``8 MBq``, ``389 MBq``, ``50 kBq``; a dash for none."""
    if mbq is None or not math.isfinite(mbq):
        return NONE
    unit, factor = ("GBq", 1e-3) if mbq >= 1000.0 else ("MBq", 1.0) if mbq >= 1.0 or mbq <= 0 else ("kBq", 1e3)
    return f"{mbq * factor:.{digits}g} {unit}"


def superscript(power: int) -> str:
    """A whole number in superscript digits."""
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def plus_minus(value: float, sigma: float) -> str:
    """Value ± standard uncertainty: the latter with two significant digits, the former to its place."""
    if not math.isfinite(value):
        return NONE
    if not math.isfinite(sigma):
        return number(value)
    if sigma <= 0:
        return f"{number(value)} ± 0"
    # rounding may carry into one more digit (0.0996 -> 0.10), so the place is that of the rounded number
    rounded = float(f"{sigma:.1e}")
    decimals = max(1 - math.floor(math.log10(rounded)), 0)
    return f"{value:.{decimals}f} ± {rounded:.{decimals}f}"


def percent(fraction: float | None, digits: int = 2) -> str:
    """A fraction as per cent."""
    return NONE if fraction is None or not math.isfinite(fraction) else f"{number(100 * fraction, digits)} %"


def chance(probability: float | None) -> str:
    """A probability as per cent; within 0.1 % of either end only that bound is given."""
    if probability is None or not math.isfinite(probability):
        return NONE
    if probability < 1e-3:
        return "< 0.1 %"
    if probability > 1.0 - 1e-3:
        return "> 99.9 %"
    return f"{100 * probability:.1f} %" if min(probability, 1.0 - probability) < 0.1 else f"{100 * probability:.0f} %"


def stated_chance(probability: float, relation: str = "=") -> str:
    """``P = 52 %``, ``P > 99.9 %``; with a relation such as ≥ where the probability is itself a bound."""
    text = chance(probability)
    return f"P {text}" if text[0] in "<>" else f"P {relation} {text}"


def signed(value: float | None, decimals: int = 1) -> str:
    """A difference with its sign, in as many decimals: ``+4.3``, ``−0.02``, ``0.0``; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{value:+.{decimals}f}".replace("-", "−")
    return text[1:] if float(f"{value:.{decimals}f}") == 0 else text


def covered_text(percent: float) -> str:
    """What part of something is covered [%]; never the whole, of which nothing is said."""
    if percent == 0.0:
        return "outside"
    decimals = 0 if percent < 99.0 else 1
    return f"{min(percent, 99.0 if decimals == 0 else 99.9):.{decimals}f} % covered"


def signed_percent(value: float | None, decimals: int = 1) -> str:
    """A difference given in per cent, with its sign."""
    text = signed(value, decimals)
    return text if text == NONE else f"{text} %"


def interval_decimals(low: float | None, high: float | None) -> int:
    """Decimals of a value in per cent and of the ends of its interval: two where the interval is narrow and near zero.

    Every place that shows a bias rounds it so: a terminal, a sentence and a page have the same digits.
    """
    a, b = or_nan(low), or_nan(high)
    return 2 if b - a < 0.5 and max(abs(a), abs(b)) < 10.0 else 1


def counted(count: int, noun: str, verbs: tuple[str, str] | None = None) -> str:
    """A count with its noun, and a verb that agrees: ``1 lesion is``, ``2 lesions are``, ``0 lesions``.

    Parameters
    ----------
    count
        How many.
    noun
        In the singular; only its last word changes: ``batch`` to ``batches``, ``energy`` to ``energies``.
    verbs
        What follows, in the singular and the plural: ``("is", "are")``.
    """
    text = f"{count} {noun if count == 1 else _plural(noun)}"
    return text if verbs is None else f"{text} {verbs[count != 1]}"


def _plural(noun: str) -> str:
    """The regular plural of an English noun."""
    if re.search("[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if re.search("(s|x|z|ch|sh)$", noun) else "s")


def count_of(count: int, total: int, noun: str, verbs: tuple[str, str] | None = None) -> str:
    """A count out of a total: ``1 of 6 lesions reaches``, ``2 of 6 lesions reach``, ``0 of 1 lesion reaches``.

    Parameters
    ----------
    count, total
        How many of how many.
    noun
        In the singular; it agrees with the total.
    verbs
        What follows, in the singular and the plural: ``("reaches", "reach")``. It agrees with the count; of a single
        one it is always singular.
    """
    text = f"{count} of {counted(total, noun)}"
    return text if verbs is None else f"{text} {verbs[1 not in (count, total)]}"


def shortened(value: Any, length: int = 80) -> str:
    """A value as text of at most ``length`` characters, its middle left out where it is longer."""
    text = str(value)
    half = (length - 3) // 2
    return text if len(text) <= length else f"{text[:half]}...{text[-half:]}"


def csv_cell(value: Any) -> str:
    """A value in a CSV file: numbers with nine digits, yes and no, nothing for what is missing.

    A text that a spreadsheet would calculate, one that begins with ``=``, ``+``, ``-`` or ``@``, gets an apostrophe
    before it; a number that is text does not.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.9g}"
    text = printable(str(value))
    return f"'{text}" if isinstance(value, str) and _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


#: What a spreadsheet takes for the start of a formula, blanks before it or not; and what is a number all the same.
_FORMULA = re.compile(r"\s*[=+\-@]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
#: Signs that move a cursor, begin a terminal's escape sequence, break a line, turn the direction of writing, or are
#: half of a character; and those that nobody sees, by which two names that look the same would differ.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u2060-\u2064\ufeff\u2028-\u202e\u2066-\u2069\u200e\u200f\ud800-\udfff]"
)
#: A terminal's escape sequence: colours, moves of the cursor, titles of the window.
_ESCAPE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]?")
#: Longest name of a patient, a visit or a lesion [characters]: results are stored in folders of such names, and file
#: systems take 255 bytes; letters of most alphabets have one or two.
LONGEST_NAME = 120


def printable(text: str, *, lines: bool = False) -> str:
    """Text for a terminal, a log or a table: blanks for control characters, and nothing for escape sequences.

    Parameters
    ----------
    text
        Any text, from files of others too.
    lines
        Whether it may have several lines.
    """
    plain = _UNPRINTABLE.sub(" ", _ESCAPE.sub("", text))
    return plain if lines else plain.replace("\n", " ").replace("\t", " ")


def escaped(text: str) -> str:
    """A foreign text for a message that says what is there: characters that do not print are written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def shown_name(name: object, otherwise: str = "unnamed") -> str:
    """The name of a structure of a file of others as it is used everywhere: printable, one line, not too long.

    Parameters
    ----------
    name
        What the file calls it.
    otherwise
        The name where that is empty.
    """
    text = " ".join(printable(str(name)).split())
    if len(text) > LONGEST_NAME:
        text = shortened(text, LONGEST_NAME)
    return text or otherwise


def or_nan(value: Any) -> float:
    """A number of a JSON file, in which null stands for NaN."""
    return math.nan if value is None else float(value)


def nearest(word: str, known: Iterable[str], n: int = 1, cutoff: float = 0.6) -> list[str]:
    """The known words most like a word, best first, whatever their case; none where none is alike."""
    lower = {k.lower(): k for k in known}
    return [lower[match] for match in difflib.get_close_matches(word.lower(), list(lower), n=n, cutoff=cutoff)]


def did_you_mean(word: str, known: Iterable[str], otherwise: str | None = None, n: int = 1, cutoff: float = 0.6) -> str:
    """A suggestion that names the nearest known words.

    Parameters
    ----------
    word, known
        What was written, and what could have been meant.
    otherwise
        Suggestion where no known word is near; all of them are listed when it is None.
    n, cutoff
        Words named at most, and how alike they must be (:mod:`difflib`).
    """
    known = list(known)
    near = nearest(word, known, n, cutoff)
    if near:
        return f"did you mean {' or '.join(repr(name) for name in near)}?"
    return "known here: " + ", ".join(known) if otherwise is None else otherwise


def plain(value: Any) -> Any:
    """Convert to what JSON can hold: no NumPy types, None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # arrays and numbers of NumPy, which is not loaded for this
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
