"""Reading and writing of text and JSON files: one rule for encodings, one for writing.

Text is UTF-8, with or without a byte order mark, or UTF-16 or UTF-32 with one. Tables, which may be in Windows-1252,
are read by :mod:`hevesy.engine.tables`.
"""

from __future__ import annotations

import codecs
import csv
import errno
import io
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .disk_errors import naming
from .durable import durable_replace, new_part, remove_left_parts
from .errors import InputError
from .own_files import kind_of
from .text import counted, csv_cell, nearest, shortened

#: Byte order marks and their encodings; UTF-32 first, whose mark begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


#: Longest text that is read [bytes]: the records of a trial of a thousand lesions have a tenth of it.
LONGEST_TEXT = 64 << 20


def read_text(path: str | Path, suggestion: str = "save it as UTF-8 text", *, table: bool = False) -> str:
    """Text of a file, lines ending in ``\\n``.

    Parameters
    ----------
    path
        UTF-8 with or without a byte order mark; UTF-16 or UTF-32 with one.
    suggestion
        What kind of file is needed, for the message.
    table
        Whether text that is no UTF-8 is read as Windows-1252, in which spreadsheets of western Europe save tables.
        Digits are the same in all encodings of its kind, and a heading that is read wrongly names no column.

    Raises
    ------
    InputError
        No such file, a file that cannot be read, a pipe or device, more than 64 MB, bytes that are not text.
    """
    path = Path(path)
    try:
        data = _bytes(path, suggestion)
    except FileNotFoundError:
        raise InputError(
            "no such file",
            why=f"looked for it in {path.parent.resolve().name}/",
            suggestion=_near_files(path),
            file=path,
        ) from None
    except OSError as error:
        why = str(error.strerror or error)
        raise InputError("cannot be read as text", why=why, suggestion=suggestion, file=path) from error
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = _western(data) if table and encoding == "utf-8" else data.decode(encoding)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        why = f"byte 0x{error.object[error.start]:02x} in line {line} is not {encoding.removesuffix('-sig').upper()}"
        raise InputError("cannot be read as text", why=why, suggestion=suggestion, file=path) from error
    if "\0" in text:
        why = f"line {text.count(chr(10), 0, text.index(chr(0))) + 1} holds a zero byte"
        raise InputError("cannot be read as text", why=why, suggestion=suggestion, file=path)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _western(data: bytes) -> str:
    """Text in UTF-8, else in Windows-1252 where all of it can be printed; the error of the former otherwise."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        with suppress(UnicodeDecodeError):
            text = data.decode("cp1252")
            if all(sign.isprintable() or sign in "\t\r\n\xa0" for sign in text):
                return text
        raise error from None


def _bytes(path: Path, suggestion: str) -> bytes:
    """Content of a regular file; others may never end, or wait for a writer."""
    if "\0" in str(path):
        raise InputError("no such file", why="its name holds a zero byte", suggestion=suggestion)
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):  # reading a folder says what it is
        raise InputError(
            "is a pipe or a device, not a file",
            why="its text may never end",
            suggestion="write the text to a file, and give that",
            file=path,
        )
    if found.st_size > LONGEST_TEXT:
        why = f"it has {found.st_size >> 20} MB, and a text of more than {LONGEST_TEXT >> 20} MB is none of these"
        raise InputError("cannot be read as text", why=why, suggestion=suggestion, file=path)
    return path.read_bytes()


def _near_files(path: Path) -> str:
    names = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
    # the ending alone makes no two names alike
    near = [name for name in nearest(path.name, names, n=3, cutoff=0.5) if nearest(path.stem, [Path(name).stem])]
    return f"did you mean '{near[0]}'?" if near else "check the path"


def sidecar(image: Path) -> Path:
    """The JSON file that describes an image: its name with the ending .json (BIDS sidecar)."""
    name = image.name
    stem = name[: -len(".nii.gz")] if name.lower().endswith(".nii.gz") else image.stem
    return image.with_name(stem + ".json")


def is_companion(path: Path) -> bool:
    """Whether a file that may describe another is there.

    Raises
    ------
    InputError
        Something of this name that is no ordinary file, as a link that leads nowhere: what it would say is not known.
    """
    if path.is_file():
        return True
    if not os.path.lexists(path):
        return False
    what = "a folder" if path.is_dir() else "a pipe or a device" if path.exists() else "a link that leads nowhere"
    raise InputError(
        f"is {what}, not a file",
        why="a file of this name describes the data beside it, and what it says is not known",
        suggestion="bring the file that it stands for, as with `datalad get`, or remove it if nothing belongs there",
        file=path,
    )


def read_json(path: str | Path, suggestion: str = "write valid JSON") -> Any:
    """Content of a JSON file.

    Raises
    ------
    InputError
        As :func:`read_text`; and where the text is not JSON, with its line; a key twice with two values.
    """
    text = read_text(path, suggestion)
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError("is not valid JSON", why=error.msg, suggestion=suggestion, file=path, field=where) from error
    except ValueError as error:
        raise InputError("is not valid JSON", why=str(error), suggestion=suggestion, file=path) from error


def parse_json(text: str) -> Any:
    """Content of a JSON text.

    Raises
    ------
    ValueError
        Not JSON; lists and objects inside each other without end; a number of thousands of digits; a key twice with
        two values.
    """
    try:
        return json.loads(text, object_pairs_hook=_told_apart)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise ValueError("its lists and objects are nested too deeply") from None
    except ValueError as error:
        if "integer string" in str(error):
            raise ValueError("it holds a number of thousands of digits") from None
        raise


def _told_apart(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out and out[key] != value:
            raise ValueError(f"it states {shortened(key, 40)!r} twice, with two values")
        out[key] = value
    return out


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A new file in the same folder, renamed to ``path`` when the block ends without an error and the disk holds it.

    It is made here and nowhere else, under a name that no other process has: two that write one file do not meet,
    and a link of its name, which somebody else has laid, is not followed. Its name ends like that of ``path``. What
    processes that were killed have left is removed.

    Parameters
    ----------
    path
        The file; its folder is made.

    Yields
    ------
    Path
        The empty temporary file, to be written by name.

    Raises
    ------
    OSError
        A disk that is full or fails, with ``path`` as its file; what was there before still is.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_left_parts(path)
    with naming(path):
        part, descriptor = new_part(path)
        try:
            yield part
            durable_replace(part, path)
        finally:
            os.close(descriptor)
            with suppress(OSError):  # what went wrong before is what is told
                part.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file through a temporary name in the same folder; UTF-8, line ends as given."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, data: bytes | memoryview) -> Path:
    """Write a file through a temporary name in the same folder."""
    with written_whole(Path(path)) as part:
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


#: Characters that the temporary name of a file has more than its own, at most.
_LONGEST_ADDITION = len(".part-4194304-01234567.")


def check_writable(path: Path, ending: str = "") -> None:
    """Refuse an output file or folder before anything is calculated for it.

    Parameters
    ----------
    path
        The file or folder to write.
    ending
        The longest ending that its name is given; room for a temporary name of a file by default.

    Raises
    ------
    InputError
        A parent that is a file, or a folder in which nothing may be written; a name that is too long.
    """
    check_name(path, ending)
    above = next((folder for folder in path.absolute().parents if os.path.lexists(folder)), Path("/"))
    if not above.is_dir():
        inside = path.absolute().relative_to(above).parts[0]
        what = "a file, not a folder" if above.exists() else "a link that leads nowhere"
        raise InputError(
            f"is {what}", why=f"{inside} would have to be in it", suggestion="give another output path", file=above
        )
    try:
        with tempfile.TemporaryFile(dir=above):  # a read-only disk, or a folder of the system's own
            pass
        if not os.access(above, os.W_OK):
            raise PermissionError("its permissions do not allow it")
    except OSError as error:
        raise InputError(
            "nothing can be written in this folder",
            why=error.strerror or str(error),
            suggestion="give another output path",
            file=above,
        ) from None


def check_name(path: Path, ending: str) -> None:
    """Refuse a name that the file system does not take, or not with what is added to it.

    Parameters
    ----------
    path
        The file or folder to write.
    ending
        The longest ending that is added; room for a temporary name of a file if empty.

    Raises
    ------
    InputError
        A name that is too long.
    """
    try:
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            path.with_name(path.name + (ending or "x" * _LONGEST_ADDITION)).lstat()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            return
        raise InputError(
            f"the name of the output has {counted(len(os.fsencode(path.name)), 'byte')}",
            why="with what is added to it for temporary and earlier output, it is longer than the file system allows",
            suggestion="give a shorter name",
            file=path,
        ) from None


def check_output_file(path: Path, inputs: Iterable[Path] = (), kind: str | None = None, *, any_: bool = False) -> Path:
    """Refuse an output file: as :func:`check_writable`; a folder, an input, a file that hevesy did not write.

    Parameters
    ----------
    path
        The file to write.
    inputs
        Files that the same command reads.
    kind
        Which kind of output a file there may be to be replaced, as :func:`hevesy.engine.own_files.kind_of` names it;
        any that hevesy writes by default.
    any_
        Whether any file there may be replaced, which the command has read as its own.

    Returns
    -------
    Path
        Where to write: the file that a link leads to, else the path as it is.

    Raises
    ------
    InputError
        A path at which no file can be written, one of the inputs, or something that would be lost.
    """
    check_name(path, "")
    path = Path(os.path.realpath(path)) if path.is_symlink() and path.exists() else path
    if any(one.exists() and path.exists() and one.samefile(path) for one in inputs):
        raise InputError(
            "is the input itself",
            why="writing there would destroy it",
            suggestion="give another output path",
            file=path,
        )
    if path.is_dir():
        raise InputError(
            "is a folder", why="the result is one file", suggestion=f"give for example {path / 'result'}", file=path
        )
    check_writable(path)
    if not os.path.lexists(path) or any_:
        return path
    if not path.is_file():
        what = "a link that leads nowhere" if path.is_symlink() else "a pipe or a device"
        raise InputError(f"is {what}", why="the output is a file", suggestion="give another output path", file=path)
    found = kind_of(path)
    if found is None or kind not in (None, found):
        raise InputError(
            "exists already, and is not an earlier output of this command",
            why="writing there would destroy it",
            suggestion="give another output path, or move the file away",
            file=path,
        )
    return path
