"""The ranges of quantities in docs/formats/case.md, written from `hevesy.engine.case.ranges`.

``make ranges`` writes them; a test fails when page and module differ.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..engine.case.ranges import RANGES
from ..engine.errors import InputError

PAGE = Path(__file__).resolve().parents[1] / "docs" / "formats" / "case.md"
BEGIN, END = "<!-- ranges: written by `make ranges` -->", "<!-- end of ranges -->"


def range_table() -> str:
    """The ranges as a Markdown table."""
    lines = ["| quantity | refused outside | because | unusual outside | where lie |", "|---|---|---|---|---|"]
    for limits in RANGES:
        usual = " to ".join(map(limits.text, limits.usual)) if limits.usual else ""
        least, most = limits.text(limits.least), limits.text(limits.most)
        lines.append(f"| {limits.name} | {least} to {most} | {limits.reason} | {usual} | {limits.usually} |")
    return "\n".join(lines)


def with_table(page: str) -> str:
    """The page with its table of ranges replaced by the present one.

    Raises
    ------
    InputError
        The page has lost the marks around the table.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(
            "the page has no place for the table of ranges",
            why=f"it belongs between {BEGIN} and {END}",
            suggestion="put both lines back",
            file=PAGE,
        )
    return f"{before}{BEGIN}\n\n{range_table()}\n\n{END}{after}"


def main() -> int:
    """Rewrite the page."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_table(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
