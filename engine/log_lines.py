"""Lines of a log: one for each message, without what a terminal would obey."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from .text import printable


class LogFile(logging.FileHandler):
    """A log file; a disk that does not take it any more ends nothing, and is met again by what matters."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say nothing: the logger would print a traceback for each line."""

    def close(self) -> None:
        """Close the file; what it has not taken is lost."""
        with suppress(OSError):
            super().close()


class PlainFormatter(logging.Formatter):
    """Formats records as usual; names and paths in them come from files of others and are made harmless."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text; with several lines only where it holds a traceback."""
        return printable(super().format(record), lines=bool(record.exc_info))
