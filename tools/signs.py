"""Numbers with their sign in the tables of Markdown pages."""

from __future__ import annotations


def with_sign(value: float, digits: int) -> str:
    """A number with its sign and so many decimals; what rounds to zero is ``+0.0``, never ``-0.0``."""
    return f"{round(value, digits) + 0.0:+.{digits}f}"
