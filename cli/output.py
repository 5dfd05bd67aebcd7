"""What the terminal shows: tables, JSON, and a progress line with the time left."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer


def echo_json(data: Any) -> None:
    """Print JSON on standard output; what is not finite becomes null."""
    from ..engine.text import plain

    typer.echo(json.dumps(plain(data), indent=2, ensure_ascii=False, default=str))


def echo_table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None, text_columns: int = 1
) -> None:
    """Print a table; the first ``text_columns`` are flush left, numbers flush right."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < text_columns else "right", overflow="fold")
    for row in rows:
        table.add_row(*(escape(show(cell)) for cell in row))
    width = None if sys.stdout.isatty() else 160
    Console(width=width, highlight=False).print(table)


def show(value: Any, digits: int = 4) -> str:
    """A number with ``digits`` significant figures, a hyphen for a missing value, text as it is."""
    from ..engine.text import significant

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
    from rich.progress import TimeRemainingColumn as TimeLeft

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeLeft(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=1.0)

        def update(fraction: float, message: str = "") -> None:
            bar.update(task, completed=min(max(fraction, 0.0), 1.0), description=message)

        yield update


#: Longest silence of the progress lines in a log [s].
SILENCE_S = 10.0


def _lines() -> Callable[..., None]:
    start = time.monotonic()
    last_tenth, last_kind, last_time = -1, "", start

    def tell(fraction: float, message: str = "") -> None:
        nonlocal last_tenth, last_kind, last_time
        now, tenth, kind = time.monotonic(), int(10 * fraction), message.split(":")[0]
        if tenth == last_tenth and kind == last_kind and now - last_time < SILENCE_S:
            return
        last_tenth, last_kind, last_time = tenth, kind, now
        elapsed = now - start
        left = ""
        if 0.05 < fraction < 0.97 and elapsed > 5.0:
            left = f", about {duration(elapsed / fraction - elapsed)} left"
        typer.echo(f"{100 * fraction:3.0f} %  {message}{left}", err=True)

    return tell
