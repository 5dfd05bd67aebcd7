"""Which column of a table of voxel S values is which: offsets, S, its standard error, and what is not read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...tables import CsvFile, CsvRow
from ...text import counted, shortened
from .told import unit_gy_per_decay

_INDEX_NAMES = (("i", "j", "k"), ("z", "y", "x"), ("x", "y", "z"))
_VALUE = re.compile(r"(voxel )?s( values?)?|vsv|dose|value")
_ERROR = re.compile(
    r"(?:s )?(?:(?:rel|relative|abs|absolute|std|standard|stat|statistical)\.? ?)*"
    r"(?:errors?|err|unc|uncertainty|uncertainties|u|u_s|us|sigma|σ|s\.?d\.?|s\.?e\.?|sem|std|stdev|stddev|rel|relative|"
    r"deviation)\.?(?: ?(?:of s|s))?"
)
_EXPANDED = re.compile(r"(?:^|\W)(?:2|3) ?(?:sigma|σ|sd|u)|k ?= ?[23]|expanded|95 ?%|fwhm|ci\b|confidence")


@dataclass(frozen=True)
class Columns:
    """Places of the columns of a table, and the unit that its heading states.

    Parameters
    ----------
    index
        Of the offsets along z, y and x.
    value, error
        Of S, and of its standard error.
    unit
        Of S; None where the heading states none.
    relative
        What an error is to be multiplied with to be a share of S; 0 where it is in the unit of S.
    unread
        Names of the other columns.
    """

    index: tuple[int, int, int]
    value: int
    error: int | None = None
    unit: str | None = None
    relative: float = 0.0
    unread: tuple[str, ...] = ()

    def error_of(self, table: CsvFile, row: CsvRow, value: float) -> float:
        """Standard error of a line, in the unit of S.

        Raises
        ------
        InputError
            No number, or a share above one, which may be in per cent.
        """
        assert self.error is not None  # noqa: S101 (asked for only where there is one)
        number = table.number(row.cells[self.error], row.line, "error")
        if not self.relative:
            return number
        if self.relative == 1.0 and number > 1.0:
            raise table.refusal(
                f"a relative error of {number:g}",
                row.line,
                why="without a unit it is a share, of which this would be more than S itself",
                suggestion="name its unit in the heading: relative error [%]",
            )
        return number * self.relative * abs(value)


def columns_of(table: CsvFile) -> Columns:
    """The columns of a table by its heading; without one, i, j, k and S.

    Raises
    ------
    InputError
        Columns that are missing or named twice, errors in another unit or of another coverage.
    """
    heading = table.heading
    if heading is None:
        width = len(table.data[0].cells)
        if width != 4:
            raise table.refusal(
                f"{counted(width, 'column')} without a heading",
                table.data[0].line,
                why="without names, four columns are i, j, k and S",
                suggestion="give the columns names: i,j,k,S [mGy/(MBq s)],standard error [mGy/(MBq s)]",
            )
        return Columns((0, 1, 2), 3)
    names, units = zip(*(_split(cell) for cell in heading.cells), strict=True)
    index = next((found for triple in _INDEX_NAMES if (found := _places(names, triple))), None)
    values = [i for i, name in enumerate(names) if _VALUE.fullmatch(name)]
    errors = [i for i, name in enumerate(names) if _ERROR.fullmatch(name) and i not in values]
    if index is None or len(values) != 1 or len(errors) > 1:
        raise table.refusal(
            f"the heading {shortened(' '.join(heading.cells), 60)!r}",
            heading.line,
            why="the columns i, j, k and S must be named once each, and a standard error at most once",
            suggestion="name them: i,j,k,S [mGy/(MBq s)],standard error [mGy/(MBq s)]",
        )
    for cell in heading.cells:
        if _EXPANDED.search(cell.lower()):
            raise table.refusal(
                f"the column {shortened(cell, 40)!r}",
                heading.line,
                why="a kernel holds one standard error, not a multiple of it",
                suggestion="divide it by its coverage factor and name it standard error",
            )
    error = errors[0] if errors else None
    relative = 0.0 if error is None else _relative(table, names[error], units[error], units[values[0]])
    known = {*index, *values, *errors}
    unread = tuple(cell.strip() for i, cell in enumerate(heading.cells) if i not in known and cell.strip())
    return Columns(index, values[0], error, units[values[0]] or None, relative, unread)


def _relative(table: CsvFile, name: str, unit: str, unit_of_s: str) -> float:
    """Factor that makes an error a share of S; 0 where it is in the unit of S."""
    if unit in ("%", "percent", "per cent"):
        return 0.01
    if unit.lower() in ("", "s", "1", "-", "rel", "relative", "fraction"):  # u(S)
        share = name.startswith("rel") or unit.lower() in ("rel", "relative", "fraction")
        return 1.0 if share else 0.0
    if unit_gy_per_decay(unit) is None or unit_gy_per_decay(unit) != unit_gy_per_decay(unit_of_s):
        assert table.heading is not None  # noqa: S101 (it names the columns)
        raise table.refusal(
            f"the errors are in {unit!r}, the values in {unit_of_s!r}",
            table.heading.line,
            why="both columns must have one unit, or the errors be in %",
            suggestion="convert one of them",
        )
    return 0.0


def _places(names: tuple[str, ...], triple: tuple[str, str, str]) -> tuple[int, int, int] | None:
    """Places of the offsets along z, y, x; i, j, k stand for them in this order."""
    if any(names.count(name) != 1 for name in triple):
        return None
    order = ("z", "y", "x") if "x" in triple else triple
    z, y, x = (names.index(name) for name in order)
    return z, y, x


def _split(cell: str) -> tuple[str, str]:
    """Name of a column in small letters, and its unit: what stands in brackets, or behind the name."""
    match = re.fullmatch(r"\s*([^\[(]*?)\s*(?:\[(.*)\]|\((.*)\))?\s*", cell)
    name, unit = (match[1], match[2] or match[3] or "") if match else (cell, "")
    if not unit and "gy" in name.lower():
        cut = re.search(r"\S*gy", name, re.IGNORECASE)
        assert cut is not None  # noqa: S101 (it holds "gy")
        name, unit = name[: cut.start()], name[cut.start() :]
    if not unit and (percent := re.fullmatch(r"(.*?)[\s_]*(%|percent|per cent)[\s_]*(.*)", name)):
        name, unit = f"{percent[1]} {percent[3]}", "%"
    return re.sub(r"[\s_]+", " ", name).strip().lower(), unit.strip()
