"""Text tables that people write: one rule for separators, decimal marks, headings, units and numbers.

Cells are separated by semicolons where every line has one, else by tabs where every line has one, else by commas, else
by blanks. A comma may be the decimal mark wherever it does not separate the cells, as spreadsheets of many countries
write it. The first line is a heading where none of its cells begins as a number does; a heading names the columns and
their units. What could be read in two ways is refused.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import InputError
from .files import read_text
from .text import counted, nearest, shortened

#: Signs that are not seen and mean nothing: byte order marks inside a file, zero-width spaces, soft hyphens.
_UNSEEN = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u2060\u00ad"))
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_POINT = re.compile(r"[+-]?\d*\.\d*(?:[eE][+-]?\d+)?", re.ASCII)
_COMMA = re.compile(r"[+-]?\d*,\d*(?:[eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:[,.]\d{3})+", re.ASCII)
#: What stands for a missing number; in a first line too, which is then no heading.
_MISSING = frozenset({"nan", "inf", "+inf", "-inf", "infinity", "none", "null", "n/a", "na", "#n/a", "-", "--"})
_MINUS = str.maketrans({"\u2212": "-", "\u2013": "-", "\u2010": "-", "\u2011": "-"})


@dataclass(frozen=True)
class CsvRow:
    """One line of a table: its number in the file, from 1, and its cells without blanks around them."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """A column that a table may have.

    Parameters
    ----------
    name
        What the program calls it, with its unit: ``diameter_mm``.
    words
        What it may be called, in small letters, blanks between the words, without the unit.
    units
        Units that a heading may state, in small letters, and the factor from each to the column's own.
        The empty unit stands where a heading states none.
    """

    name: str
    words: tuple[str, ...]
    units: Mapping[str, float]

    def factor(self, heading: str) -> float | None:
        """Factor of the unit that a heading states; None where it is no heading of this column."""
        text = _words(heading)
        for words in sorted(self.words, key=len, reverse=True):
            if text == words:
                return self.units.get("")
            if text.startswith(words + " "):
                factor = self.units.get(text[len(words) + 1 :])
                if factor is not None:
                    return factor
        return None

    def begins(self, heading: str) -> bool:
        """Whether a heading begins with the name of this column; single letters are no names by themselves."""
        return any(_words(heading).startswith(words + " ") for words in self.words if len(words) > 1)

    def without_unit(self, heading: str) -> bool:
        """Whether a heading names this column, and not its unit."""
        return _words(heading) in self.words


def _words(heading: str) -> str:
    """A heading in small letters, with single blanks for what stands between words and around units."""
    small = heading.replace("³", "3").casefold().replace("\u03bc", "\u00b5")  # the letter mu, for the sign micro
    return " ".join(re.sub(r"[\s_()\[\]{},:]+", " ", small).split())


@dataclass(frozen=True)
class CsvFile:
    """The lines of a table.

    Attributes
    ----------
    path
        The file.
    rows
        Lines that hold something, comments left out.
    comments
        Lines that begin with ``#``, whole.
    delimiter
        What separates the cells; a blank stands for any number of them.
    """

    path: Path
    rows: tuple[CsvRow, ...]
    comments: tuple[str, ...] = ()
    delimiter: str = ","

    @property
    def heading(self) -> CsvRow | None:
        """The first line, where none of its cells begins as a number does."""
        first = self.rows[0] if self.rows else None
        return None if first is None or any(map(_begins_as_number, first.cells)) else first

    @property
    def data(self) -> tuple[CsvRow, ...]:
        """The lines below the heading; all of them where there is none."""
        return self.rows if self.heading is None else self.rows[1:]

    def number(self, text: str, line: int, column: str = "") -> float:
        """A cell as a number, a comma as the decimal mark where it does not separate the cells.

        Raises
        ------
        InputError
            Not a finite number.
        """
        plain = text.translate(_MINUS)
        if self.delimiter != "," and _COMMA.fullmatch(plain):
            plain = plain.replace(",", ".")
        value = float(plain) if _NUMBER.fullmatch(plain) else math.nan
        if not math.isfinite(value):
            what = "an empty cell" if not text else f"{shortened(text, 40)!r}"
            raise self.refusal(f"{what} is not a number", line, column)
        return value

    def refusal(self, problem: str, line: int, column: str = "", why: str = "", suggestion: str = "") -> InputError:
        """An error about one line."""
        return InputError(
            problem,
            why=why or "each cell holds one finite number, with a decimal point",
            suggestion=suggestion or "correct that line; separate the cells with semicolons if decimals have commas",
            file=self.path,
            field=f"line {line}{f', {column}' if column else ''}",
        )

    def columns(self, known: Sequence[Column], *, others: bool = False) -> dict[str, tuple[int, float]]:
        """Place of each column in the lines, and the factor from its unit to the column's own.

        Parameters
        ----------
        known
            The columns that there may be.
        others
            Whether columns of other names may stand beside them; they are not read.

        Raises
        ------
        InputError
            No heading; a column without its unit, of another name, or twice.
        """
        names = ", ".join(column.name for column in known)
        if self.heading is None:
            raise InputError(
                "has no heading" if self.rows else "is empty",
                why="without the names of its columns their units are not known",
                suggestion=f"begin with a line of names: {names}",
                file=self.path,
            )
        found: dict[str, tuple[int, float]] = {}
        for place, cell in enumerate(self.heading.cells):
            column = next((one for one in known if one.factor(cell) is not None), None)
            if column is None and cell:
                self._no_column(cell, known, others)
            if column is None:
                continue
            if column.name in found:
                raise self.refusal(
                    f"{cell!r} is the second column of {column.name}",
                    self.heading.line,
                    why="a column appears twice: one of the two would be ignored",
                    suggestion="keep one",
                )
            found[column.name] = (place, column.factor(cell) or 1.0)
        return found

    def _no_column(self, cell: str, known: Sequence[Column], others: bool) -> None:
        """Refuse a heading that is no known column, unless others may be there and it resembles none."""
        assert self.heading is not None
        for column in known:
            if column.without_unit(cell):
                raise self.refusal(
                    f"the column {cell!r} states no unit",
                    self.heading.line,
                    why="a number without its unit can be off by powers of ten",
                    suggestion=f"call it {column.name}, or write the unit in brackets after the name",
                )
        names = [column.name for column in known]
        near = nearest(cell, names, cutoff=0.5 if not others else 0.75)
        unknown = next((column for column in known if column.begins(cell)), None)
        if unknown is not None and not near:
            units = ", ".join(unit for unit in unknown.units if unit)
            raise self.refusal(
                f"the column {shortened(cell, 40)!r} has a unit that is not known here",
                self.heading.line,
                why=f"{unknown.name} may be given in {units or 'its own unit alone'}",
                suggestion=f"call it {unknown.name}, or rename it if it is something else",
            )
        if near or not others:
            raise self.refusal(
                f"unknown column {shortened(cell, 40)!r}",
                self.heading.line,
                why="column names include the unit: " + ", ".join(names),
                suggestion=f"did you mean {near[0]!r}?" if near else "rename it, or leave it out",
            )

    def values(self, place: int, column: str, *, missing: bool = False) -> np.ndarray:
        """Numbers of one column (n,), float64; NaN for an empty cell where it may be missing.

        Raises
        ------
        InputError
            A cell that is not a number; a line with more cells than the heading or, without one, than the first line.
        """
        out = np.full(len(self.data), math.nan)
        width = len(self.rows[0].cells) if self.rows else 0
        for i, row in enumerate(self.data):
            self._check_width(row, width)
            cell = row.cells[place] if place < len(row.cells) else ""
            if cell or not missing:
                out[i] = self.number(cell, row.line, column)
        return out

    def _check_width(self, row: CsvRow, width: int) -> None:
        cells = row.cells
        if len(cells) <= width:
            return
        commas = self.delimiter == ","
        raise self.refusal(
            f"{counted(len(cells), 'cell')} for {counted(width, 'column')}: {shortened(','.join(cells), 50)!r}",
            row.line,
            why="decimal commas between commas can be read in two ways" if commas else "which is which is not known",
            suggestion="separate the cells with semicolons, or write decimal points"
            if commas
            else "give one cell for each column",
        )

    def records(self) -> Iterator[dict[str, str]]:
        """Every line below the first by the names in it; a cell that is missing is empty."""
        if not self.rows:
            return
        names = self.rows[0].cells
        for row in self.rows[1:]:
            cells = row.cells + ("",) * (len(names) - len(row.cells))
            yield dict(zip(names, cells, strict=False))


def _filled(cells: Sequence[str]) -> Sequence[str]:
    """Cells without the empty ones at the end, which spreadsheets add."""
    last = max((i for i, cell in enumerate(cells) if cell), default=-1)
    return cells[: last + 1]


def _begins_as_number(cell: str) -> bool:
    """Whether a cell is a number, or what was meant as one."""
    return bool(re.match(r"[^\w]*\d", cell)) or cell.casefold() in _MISSING


def read_csv(path: str | Path, suggestion: str = "save it as CSV in UTF-8", *, comments: bool = True) -> CsvFile:
    """Lines of a table.

    Parameters
    ----------
    path
        A text file, as for :func:`hevesy.engine.files.read_text`.
    suggestion
        What kind of file is needed, for the message.
    comments
        Whether lines that begin with ``#`` are comments.

    Raises
    ------
    InputError
        As :func:`hevesy.engine.files.read_text`; a quotation mark that is not closed; a cell of more than 128 kB;
        decimal points and decimal commas, or thousands separators, in one table.
    """
    remarks: list[str] = []
    numbers: list[int] = []
    lines: list[str] = []
    for number, raw in enumerate(read_text(path, suggestion, table=comments).split("\n"), start=1):
        line = raw.translate(_UNSEEN)
        if comments and line.lstrip().startswith("#"):
            remarks.append(line.strip())
        elif line.strip() and not (number == 1 and re.fullmatch(r"sep=.", line.strip())):  # a line for Excel alone
            numbers.append(number)
            lines.append(line)
    delimiter = _delimiter(lines)
    rows = tuple(_rows(Path(path), lines, numbers, delimiter))
    table = CsvFile(Path(path), rows, tuple(remarks), delimiter)
    if comments:  # not the tables that this program writes, which hold any text
        _check_marks(table)
    return table


def _rows(path: Path, lines: Sequence[str], numbers: Sequence[int], delimiter: str) -> Iterator[CsvRow]:
    if delimiter == " ":
        # a unit in brackets belongs to the name before it
        joined = (re.sub(r"\s+(?=[\[(])", "", line) for line in lines)
        yield from (CsvRow(number, tuple(line.split())) for number, line in zip(numbers, joined, strict=True))
        return
    reader, first = csv.reader(lines, delimiter=delimiter), 0
    try:
        for cells in reader:
            if reader.line_num != first + 1:
                raise _broken(path, numbers[first], "a quotation mark is not closed", "its cell would run over lines")
            stripped = tuple(_filled([text.strip() for text in cells]))
            if stripped:
                yield CsvRow(numbers[first], stripped)
            first = reader.line_num
    except csv.Error:
        where = numbers[min(first, len(numbers) - 1)]
        raise _broken(path, where, "holds a cell of more than 128 kB", "no table of measured values does") from None


def _broken(path: Path, line: int, problem: str, why: str) -> InputError:
    return InputError(problem, why=why, suggestion="correct that line", file=path, field=f"line {line}")


def _delimiter(lines: Sequence[str]) -> str:
    """The separator of cells: semicolons or tabs where every line has one, else commas, else blanks."""
    bare = ["".join(line.split('"')[::2]) for line in lines]  # separators inside quotes do not count
    if bare and all(";" in line for line in bare):
        return ";"
    beside = re.compile(r",\s*\t|\t\s*,")  # a tab that only aligns what commas separate
    if bare and all("\t" in line for line in bare) and not any(beside.search(line) for line in bare):
        return "\t"
    blanks = bare and not any(sign in line for line in bare for sign in ",;\t")
    return " " if blanks and all(len(line.split()) > 1 for line in bare) and not any('"' in x for x in lines) else ","


def _check_marks(table: CsvFile) -> None:
    """Refuse numbers whose commas or points may be decimal marks or thousands separators.

    Raises
    ------
    InputError
        Decimal points beside decimal commas; commas that all stand before three digits.
    """
    if table.delimiter == ",":
        return
    cells = [(row.line, cell.translate(_MINUS)) for row in table.data for cell in row.cells]
    points = [(line, cell) for line, cell in cells if _POINT.fullmatch(cell) and any(map(str.isdigit, cell))]
    commas = [(line, cell) for line, cell in cells if _COMMA.fullmatch(cell) and any(map(str.isdigit, cell))]
    if points and commas:
        raise table.refusal(
            f"{commas[0][1]!r} has a comma, and {points[0][1]!r} in line {points[0][0]} a point",
            commas[0][0],
            why="one of the two separates thousands, and which is not known",
            suggestion="write all numbers with a decimal point, and without thousands separators",
        )
    if commas and all(_THOUSANDS.fullmatch(cell) for _, cell in commas):
        raise table.refusal(
            f"{commas[0][1]!r} may be a decimal number or thousands",
            commas[0][0],
            why="every comma in the table stands before three digits",
            suggestion="write a decimal point, or no thousands separator",
        )
