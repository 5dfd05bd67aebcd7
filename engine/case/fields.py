"""What the blocks of a case are made of: fields with units, paths, nuclides, and refusal of unknown keys."""

from __future__ import annotations

import math
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    SerializationInfo,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import core_schema

from .. import units
from ..dose.methods import METHODS, dose_method
from ..errors import InputError
from ..nuclides.names import canonical_name
from ..privacy import telling_name
from ..series_path import SeriesPath
from ..text import LONGEST_NAME, printable, shortened
from ..until import EXAMPLES, Until
from . import ranges
from .file import Refused, refuse_unknown_keys
from .ranges import Range


class Quantity:
    """Annotation of a float that is written as text with a unit in files.

    Parameters
    ----------
    dimension
        What kind of quantity it is, or its range, which says that too.
    """

    def __init__(self, dimension: units.Dimension | Range) -> None:
        self.range = dimension if isinstance(dimension, Range) else None
        self.dimension = dimension.dimension if isinstance(dimension, Range) else dimension

    def _read(self, value: Any) -> float:
        try:
            number = units.parse(value, self.dimension)
            return number if self.range is None else self.range.check(number, str(value).strip())
        except InputError as error:
            raise Refused(error) from error

    def _write(self, value: float) -> str:
        return units.format_quantity(value, self.dimension)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_before_validator_function(
            self._read,
            core_schema.float_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(self._write, when_used="unless-none"),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        name = f"{self.dimension.name} with its unit"
        if self.range is not None:
            name += f", {self.range.text(self.range.least)} to {self.range.text(self.range.most)}"
        return {"type": "string", "description": name, "examples": list(self.dimension.examples)}


def read_path(value: Any, info: ValidationInfo) -> Path:
    """Resolve against the case file; a DICOM series may follow as ``folder#SeriesInstanceUID``."""
    context = info.context or {}
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise Refused(_no_path(value, "a file or folder is needed here"))
    try:
        path = Path(os.path.normpath(Path(context.get("base", Path.cwd())) / Path(value).expanduser()))
        on_disk = SeriesPath.parse(path).path
        missing = context.get("check_files", True) and not on_disk.exists()
        parent = next(p for p in on_disk.parents if p.exists())
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise Refused(_no_path(value, (error.strerror or "the system refuses it").lower())) from None
    except (RuntimeError, ValueError):
        raise Refused(_no_path(value, "it names a user that is not known here, or holds a zero byte")) from None
    if missing:
        raise Refused(
            InputError(
                f"no such file or folder: {shortened(value, 200)}",
                why=f"{parent} exists, and {on_disk.relative_to(parent)} is not in it",
                suggestion="paths are relative to the case file; correct it or bring the file",
            )
        )
    return path


def _no_path(value: Any, why: str) -> InputError:
    advice = "write one path, as in pet: pet_24h.nii.gz"
    return InputError(f"{shortened(repr(value), 60)} is not a path", why=why, suggestion=advice)


def _write_path(path: Path, info: SerializationInfo) -> str:
    context = info.context or {}
    if context.get("names_only"):
        return telling_name(*SeriesPath.parse(path))
    base = context.get("relative_to")
    if base is None:
        return str(path)
    # Relative, so that a whole tree can be moved, and with a code for the UID that a folder's series is known by.
    folder, uid = SeriesPath.parse(path)
    return SeriesPath(Path(os.path.relpath(folder, base)), uid).coded()


def _read_nuclide(value: Any) -> str:
    try:
        return canonical_name(str(value))
    except InputError as error:
        raise Refused(error) from error


_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ]\s*(\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)\s*(Z|z|[+-]\d{2}(?::?\d{2})?)?)?"
)


def _read_moment(value: Any) -> Any:
    """Date and time of day, with a zone or without; a date alone is refused, since midnight is not meant."""
    if value is None or isinstance(value, datetime):
        return value
    text = str(value).strip()
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        why = "a date and a time of day are needed, with the offset from UTC where it is known"
        suggestion = _in_order(text) or "write it as 2026-01-05T09:00, or 2026-01-05T09:00+01:00"
        raise Refused(InputError(f"'{text}' is not a date and time", why=why, suggestion=suggestion))
    day, clock, zone = found.groups()
    if clock is None:
        raise Refused(
            InputError(
                f"'{day}' has no time of day",
                why="the time from administration to scan is needed within minutes, and midnight is hardly meant",
                suggestion=f"write it as {day}T09:00",
            )
        )
    try:
        return datetime.fromisoformat(
            f"{day}T{clock.zfill(5) if clock.count(':') == 1 else clock.zfill(8)}{_offset(zone)}"
        )
    except ValueError:
        why = "there is no such date, time of day or offset from UTC"
        suggestion = "check its numbers"
        if re.fullmatch(r"24:00(?::00)?", clock):
            suggestion = f"write midnight as the beginning of the day after {day}, at 00:00"
        raise Refused(InputError(f"'{text}' is not a date and time", why=why, suggestion=suggestion)) from None


def _in_order(text: str) -> str:
    """Advice on a date whose day comes first, by the points or by a number that is no month; empty otherwise."""
    found = re.fullmatch(r"(\d{1,2})([./])(\d{1,2})\2(\d{4})(?:[ ,T]+(\d{1,2}:\d{2}(?::\d{2})?))?", text)
    if found is None:
        return ""
    first, sign, second, year, clock = found.groups()
    if sign == "/" and int(first) <= 12 and int(second) <= 12:
        return f"write the year first, then month and day, as in {year}-12-31T{clock or '09:00'}"
    day, month = (first, second) if int(second) <= 12 else (second, first)
    return f"write it as {year}-{month.zfill(2)}-{day.zfill(2)}T{(clock or '09:00').zfill(5)}"


def _offset(zone: str | None) -> str:
    """An offset from UTC in the one form ``+01:00``."""
    if not zone or zone in "Zz":
        return "+00:00" if zone else ""
    return f"{zone[:3]}:{zone[3:].strip(':') or '00'}"


class MethodName:
    """Annotation of the name of a dose method."""

    @staticmethod
    def _read(value: Any) -> str:
        try:
            return dose_method(value).name
        except InputError as error:
            raise Refused(error) from error

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": "string", "enum": list(METHODS)}


def _read_until(value: Any) -> Until:
    try:
        return Until.parse(value)
    except InputError as error:
        raise Refused(error) from error


def checked(pattern: re.Pattern[str], problem: str, why: str, suggestion: str) -> BeforeValidator:
    def read(value: Any) -> Any:
        if value is not None and not pattern.fullmatch(str(value)):
            raise Refused(InputError(f"{value!r} {problem}", why=why, suggestion=suggestion))
        return value

    return BeforeValidator(read)


#: Largest number of decays that is read: a fast GPU would need years for it.
MOST_DECAYS = 1e15


def _read_count(value: Any) -> int:
    """``1000000``, ``1e6`` or ``1_000_000``."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if isinstance(value, bool) or not (math.isfinite(number) and 1 <= number <= MOST_DECAYS and number == int(number)):
        raise Refused(
            InputError(
                f"{value!r} is not a number of decays",
                why=f"a whole number from 1 to {MOST_DECAYS:g} is needed",
                suggestion="write for example 1000000 or 1e6",
            )
        )
    return int(number)


def _read_line(value: Any) -> Any:
    """Text as it is; refused with characters that no file or page can hold, or that a terminal would obey."""
    text = str(value) if isinstance(value, int | float) else value
    if isinstance(text, str) and printable(text, lines=True) != text:
        raise Refused(
            InputError(
                f"{printable(text)!r} holds a control character",
                why="it goes into files, pages and terminals, which would obey or refuse it",
                suggestion="write it with letters, digits and signs alone",
            )
        )
    return text


def _too_long(name: str) -> bool:
    return len(name) > LONGEST_NAME or len(name.encode()) > 2 * LONGEST_NAME - 20  # room for what is added meanwhile


def read_name(value: Any) -> Any:
    """The name of a patient or a visit: what a folder can be called."""
    text = _read_line(value)
    if not isinstance(text, str):
        return text
    name = text.strip()
    if "\n" in name or "\t" in name or not any(map(str.isalnum, name)) or _too_long(name):
        shown = f"a name of {len(name)} characters" if _too_long(name) else f"the name {name!r}"
        raise Refused(
            InputError(
                shown,
                why="results are stored in folders of this name: one line with a letter or digit, at most "
                f"{LONGEST_NAME} characters",
                suggestion="give a short name, such as P01 or baseline",
            )
        )
    return name


Time = Annotated[float, Quantity(units.TIME)]
Dose = Annotated[float, Quantity(units.DOSE)]
TherapyActivity = Annotated[float, Quantity(ranges.THERAPY_ACTIVITY)]
TracerActivity = Annotated[float, Quantity(ranges.TRACER_ACTIVITY)]
Threshold = Annotated[float, Quantity(ranges.THRESHOLD)]
OrganLimit = Annotated[float, Quantity(ranges.ORGAN_LIMIT)]
ScanTime = Annotated[float, Quantity(ranges.SCAN_TIME)]
BiologicalHalfLife = Annotated[float, Quantity(ranges.BIOLOGICAL_HALF_LIFE)]
Resolution = Annotated[float, Quantity(ranges.FWHM)]
ResolutionError = Annotated[float, Quantity(ranges.FWHM_SIGMA)]
RelativeError = Annotated[float, Quantity(ranges.UNCERTAINTY)]
TimeLimit = Annotated[float, Quantity(ranges.TIME_LIMIT)]
Mass = Annotated[float, Quantity(ranges.WEIGHT)]
Height = Annotated[float, Quantity(ranges.HEIGHT)]
Cutoff = Annotated[float, Quantity(ranges.CUTOFF)]
Length = Annotated[float, Quantity(units.LENGTH)]
Fraction = Annotated[float, Quantity(units.FRACTION)]
InputPath = Annotated[
    Path,
    BeforeValidator(read_path),
    PlainSerializer(_write_path, return_type=str),
    WithJsonSchema({"type": "string"}),
]
DateTime = Annotated[datetime, BeforeValidator(_read_moment)]
Nuclide = Annotated[str, BeforeValidator(_read_nuclide)]
Method = Annotated[str, MethodName()]
Count = Annotated[int, BeforeValidator(_read_count)]
Text = Annotated[str, BeforeValidator(_read_line)]
Name = Annotated[str, BeforeValidator(read_name)]
StopCriterion = Annotated[
    Until,
    PlainValidator(_read_until),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "description": "quantity and target uncertainty", "examples": list(EXAMPLES)}),
]


class Block(BaseModel):
    """What all blocks share: frozen, and an unknown key is refused with the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, data: Any) -> Any:
        return refuse_unknown_keys(data, [f.alias or name for name, f in cls.model_fields.items()])
