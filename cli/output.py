"""What the terminal shows: tables, JSON, and a progress line with the time left."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from ..engine.progress import TimeLeft
from ..engine.text import plain, printable, significant


def echo(text: object = "", *, err: bool = False) -> None:
    """Print text as it is but for what a terminal would obey: names and paths come from files of others."""
    typer.echo(printable(str(text), lines=True), err=err)


def echo_json(data: Any) -> None:
    """Print JSON on standard output; what is not finite becomes null."""
    echo(json.dumps(plain(data), indent=2, ensure_ascii=False, default=str))


def echo_table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None, text_columns: int = 1
) -> None:
    """Print a table; the first ``text_columns`` and those of long text are flush left, numbers flush right.

    Text is wrapped at words to the width of the terminal, and a word of the first column that is longer is shortened
    in its middle. A number is never broken, so a table whose numbers need more is wider than the terminal.
    """
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    cells = [[printable(show(cell)) for cell in row] for row in rows]
    texts = [i < text_columns or any(len(row[i]) > 2 * _NARROWEST for row in cells) for i in range(len(columns))]
    widths = _column_widths(columns, cells, texts)
    table = Table(
        title=None if title is None else escape(printable(title)),
        title_justify="left",
        header_style="bold",
        box=box.HEAVY_HEAD,
    )
    for column, width, text in zip(columns, widths, texts, strict=True):
        table.add_column(escape(column), justify="left" if text else "right", width=width)
    for row in cells:
        shown = (cell if i else _fitted(cell, widths[i]) for i, cell in enumerate(row))
        table.add_row(*(Text(cell, overflow="fold") for cell in shown))
    console = Console(width=sum(widths) + _FRAME * len(widths) + 1, highlight=False)
    with console.capture() as drawn:
        console.print(table)
    typer.echo(drawn.get(), nl=False)  # not by rich, which makes an exit code of a reader that has gone away


#: Characters that a column takes beside its text: a line and a blank on both sides.
_FRAME = 3
#: Columns of text are no narrower than this, where their text is longer; a cell of more characters is text.
_NARROWEST = 16


def _column_widths(columns: Sequence[str], cells: Sequence[Sequence[str]], texts: Sequence[bool]) -> list[int]:
    """Widths such that the table fits the terminal where it can: headings give way first, then text, never numbers."""
    natural, headings, narrow = [], [], []
    for i, column in enumerate(columns):
        cell = max((len(row[i]) for row in cells), default=1)
        words = max((len(word) for row in cells for word in row[i].split()), default=1)
        heading = max((len(word) for word in column.split()), default=1)
        natural.append(max([cell, *(len(line) for line in column.split("\n"))]))
        headings.append(max(cell, heading))
        # words of the first column, the names, may be shortened; others (a hash) are whole
        narrow.append(min(headings[i], max(_NARROWEST, heading, words if i else 1)) if texts[i] else headings[i])
    widths = natural
    room = line_width() - _FRAME * len(columns) - 1
    for floors in (headings, narrow):
        while sum(widths) > room and widths != floors:
            widest = max((i for i in range(len(widths)) if widths[i] > floors[i]), key=lambda i: widths[i])
            widths[widest] -= 1
    return widths


def _fitted(text: str, width: int) -> str:
    """The text with the middle left out of each word that is longer than the column."""
    return re.sub(rf"\S{{{width + 1},}}", lambda word: _shorter(word[0], width), text)


def _shorter(word: str, width: int) -> str:
    ahead = width // 2
    return f"{word[:ahead]}…{word[len(word) - (width - 1 - ahead) :]}"


def line_width() -> int:
    """Characters in a line: the width of the terminal, 80 on a pipe."""
    return shutil.get_terminal_size((80, 24)).columns


#: What must not be torn apart: a sign or number and what follows it, as in "P > 99.9 %", "34 (21–53) Gy", "k = 2".
_TOGETHER = re.compile(
    r"(?<=[\d)]) (?=(?:[kMG]?Bq|[mµ]?Gy|%|h|mL|mm|g|d)\b|%|\(\d)|(?<=[<>=≥≤~±]) (?=\S)|(?<=\S) (?=[<>=≥≤~±] )"
)


def echo_text(text: str, *, err: bool = False) -> None:
    """Print a sentence, wrapped at words and never between a number and its unit."""
    kept = _TOGETHER.sub("\u00a0", text)
    lines = textwrap.wrap(
        kept, min(line_width(), 100), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    echo("\n".join(lines).replace("\u00a0", " "), err=err)


def show(value: Any, digits: int = 4) -> str:
    """A number with ``digits`` significant figures, a hyphen for a missing value, text as it is."""
    return significant(value, digits)


def duration(seconds: float) -> str:
    """``75`` as ``1 min 15 s``."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def progress_line(quiet: bool = False) -> Iterator[Callable[..., None]]:
    """A progress bar on standard error; yields ``update(fraction, message)``, fraction from 0 to 1.

    On a pipe or in a log the bar is replaced by a line for each tenth, and one every ten seconds.
    """
    if quiet:
        yield lambda fraction, message="": None
        return
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task, left_of = bar.add_task("", total=1.0, left=""), TimeLeft()

        def update(fraction: float, message: str = "") -> None:
            seconds = left_of(fraction, message)
            left = "" if seconds is None else f"about {duration(seconds)} left"
            bar.update(task, completed=min(max(fraction, 0.0), 1.0), description=printable(message), left=left)

        yield update


#: Longest silence of the progress lines in a log [s].
SILENCE_S = 10.0
#: From this fraction on a log does not say how little time is left.
_ENDS = 0.97


def _lines() -> Callable[..., None]:
    left_of = TimeLeft()
    last_tenth, last_kind, last_time = -1, "", time.monotonic()

    def tell(fraction: float, message: str = "") -> None:
        nonlocal last_tenth, last_kind, last_time
        now, tenth, kind = time.monotonic(), int(10 * fraction), message.split(":")[0]
        seconds = left_of(fraction, message)
        if tenth == last_tenth and kind == last_kind and now - last_time < SILENCE_S:
            return
        last_tenth, last_kind, last_time = tenth, kind, now
        left = "" if seconds is None or fraction >= _ENDS else f", about {duration(seconds)} left"
        echo(f"{100 * fraction:3.0f} %  {message}{left}", err=True)

    return tell
