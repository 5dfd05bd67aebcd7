"""Reading and writing of text, CSV and JSON files: one rule for encodings and delimiters, one for writing.

Text is UTF-8, with or without a byte order mark, or UTF-16 or UTF-32 with one. The cells of a CSV file are separated
by semicolons where every line has one, else by commas, else by tabs; where semicolons separate, a comma may be the
decimal mark, as spreadsheets of many countries write it.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InputError
from .text import csv_cell, nearest

#: Byte order marks and their encodings; UTF-32 first, whose mark begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: str | Path, suggestion: str = "save it as UTF-8 text") -> str:
    """Text of a file, lines ending in ``\\n``.

    Parameters
    ----------
    path
        UTF-8 with or without a byte order mark; UTF-16 or UTF-32 with one.
    suggestion
        What kind of file is needed, for the message.

    Raises
    ------
    InputError
        No such file, a file that cannot be read, bytes that are not text.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            "no such file",
            why=f"looked for it in {path.parent.resolve().name or '/'}/",
            suggestion=_near_files(path),
            file=path,
        ) from None
    except OSError as error:
        why = str(error.strerror or error)
        raise InputError("cannot be read as text", why=why, suggestion=suggestion, file=path) from error
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        why = f"byte 0x{error.object[error.start]:02x} in line {line} is not {encoding.removesuffix('-sig').upper()}"
        raise InputError("cannot be read as text", why=why, suggestion=suggestion, file=path) from error
    if "\0" in text:
        why = f"line {text.count(chr(10), 0, text.index(chr(0))) + 1} holds a zero byte"
        raise InputError("cannot be read as text", why=why, suggestion=suggestion, file=path)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _near_files(path: Path) -> str:
    names = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
    near = nearest(path.name, names, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else "check the path; it is relative to the case file"


def sidecar(image: Path) -> Path:
    """The JSON file that describes an image: its name with the ending .json (BIDS sidecar)."""
    name = image.name
    stem = name[: -len(".nii.gz")] if name.lower().endswith(".nii.gz") else image.stem
    return image.with_name(stem + ".json")


def read_json(path: str | Path, suggestion: str = "write valid JSON") -> Any:
    """Content of a JSON file.

    Raises
    ------
    InputError
        As :func:`read_text`; and where the text is not JSON, with its line.
    """
    text = read_text(path, suggestion)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError("is not valid JSON", why=error.msg, suggestion=suggestion, file=path, field=where) from error


@dataclass(frozen=True)
class CsvRow:
    """One line of a CSV file: its number in the file, from 1, and its cells without blanks around them."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class CsvFile:
    """The lines of a CSV file.

    Attributes
    ----------
    path
        The file.
    rows
        Lines that hold something, comments left out.
    comments
        Lines that begin with ``#``, whole.
    delimiter
        What separates the cells.
    """

    path: Path
    rows: tuple[CsvRow, ...]
    comments: tuple[str, ...] = ()
    delimiter: str = ","

    def number(self, text: str) -> float:
        """A cell as a number; ValueError where it is not one. With semicolons, a comma may be the decimal mark."""
        if self.delimiter == ";" and text.count(",") == 1 and "." not in text:
            text = text.replace(",", ".")
        return float(text)

    def records(self) -> Iterator[dict[str, str]]:
        """Every line below the heading by the names of the columns; a cell that is missing is empty."""
        if not self.rows:
            return
        names = self.rows[0].cells
        for row in self.rows[1:]:
            cells = row.cells + ("",) * (len(names) - len(row.cells))
            yield dict(zip(names, cells, strict=False))


def read_csv(path: str | Path, suggestion: str = "save it as CSV in UTF-8", *, comments: bool = True) -> CsvFile:
    """Lines of a CSV file.

    Parameters
    ----------
    path
        A text file, as for :func:`read_text`.
    suggestion
        What kind of file is needed, for the message.
    comments
        Whether lines that begin with ``#`` are comments.

    Raises
    ------
    InputError
        As :func:`read_text`.
    """
    remarks: list[str] = []
    numbers: list[int] = []
    lines: list[str] = []
    for number, line in enumerate(read_text(path, suggestion).split("\n"), start=1):
        if comments and line.lstrip().startswith("#"):
            remarks.append(line.strip())
        elif line.strip():
            numbers.append(number)
            lines.append(line)
    delimiter = _delimiter(lines)
    reader = csv.reader(lines, delimiter=delimiter)
    rows, first = [], 0
    for cells in reader:
        stripped = tuple(text.strip() for text in cells)
        if any(stripped):
            rows.append(CsvRow(numbers[first], stripped))
        first = reader.line_num
    return CsvFile(Path(path), tuple(rows), tuple(remarks), delimiter)


def _delimiter(lines: Sequence[str]) -> str:
    """The separator of cells: semicolons where every line has one, else commas, else tabs."""
    bare = ["".join(line.split('"')[::2]) for line in lines]  # separators inside quotes do not count
    if bare and all(";" in line for line in bare):
        return ";"
    return "\t" if bare and "\t" in bare[0] and "," not in bare[0] else ","


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder, renamed to ``path`` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file through a temporary name in the same folder; UTF-8, line ends as given."""
    with _whole(Path(path)) as part:
        part.write_text(text, encoding="utf-8", newline="")
    return Path(path)


def write_bytes(path: str | Path, data: bytes) -> Path:
    """Write a file through a temporary name in the same folder."""
    with _whole(Path(path)) as part:
        part.write_bytes(data)
    return Path(path)


def write_json(path: str | Path, content: Any, indent: int = 1) -> Path:
    """Write plain data (:func:`hevesy.engine.text.plain`) as JSON; ValueError for what is not finite."""
    return write_text(path, json.dumps(content, indent=indent, allow_nan=False) + "\n")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any] | Mapping[str, Any]]) -> str:
    """A CSV table as text, cells by :func:`hevesy.engine.text.csv_cell`.

    Parameters
    ----------
    columns
        The heading.
    rows
        Each a sequence in the columns' order, or a mapping from which the columns are taken (None where absent).
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(columns)
    for row in rows:
        values = [row.get(name) for name in columns] if isinstance(row, Mapping) else row
        table.writerow([csv_cell(value) for value in values])
    return out.getvalue()


def check_writable(path: Path) -> None:
    """Refuse an output file or folder before anything is calculated for it.

    Raises
    ------
    InputError
        A parent that is a file, or a folder in which nothing may be written.
    """
    above = next((folder for folder in path.absolute().parents if folder.exists()), Path("/"))
    if not above.is_dir():
        inside = path.absolute().relative_to(above).parts[0]
        raise InputError("is a file, not a folder", why=f"{inside} would have to be in it", file=above)
    if not os.access(above, os.W_OK):
        raise InputError(
            "nothing can be written in this folder",
            why="its permissions do not allow it",
            suggestion="give another output path",
            file=above,
        )


def check_output_file(path: Path) -> None:
    """:func:`check_writable`, and not the name of a folder.

    Raises
    ------
    InputError
        A path at which no file can be written.
    """
    if path.is_dir():
        raise InputError(
            "is a folder", why="the result is one file", suggestion=f"give for example {path / 'result'}", file=path
        )
    check_writable(path)
