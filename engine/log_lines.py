"""Lines of a log: one for each message, without what a terminal would obey."""

from __future__ import annotations

import logging

from .text import printable


class PlainFormatter(logging.Formatter):
    """Formats records as usual; names and paths in them come from files of others and are made harmless."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text; with several lines only where it holds a traceback."""
        return printable(super().format(record), lines=bool(record.exc_info))
