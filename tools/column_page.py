"""The columns of the lesion table in docs/formats/result.md, written from `hevesy.engine.lesions.columns`.

``make columns`` writes them; a test fails when page and table differ.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..engine.errors import InputError
from ..engine.lesions.columns import COLUMNS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "formats" / "result.md"
BEGIN, END = "<!-- columns: written by `make columns` -->", "<!-- end of columns -->"


def column_table() -> str:
    """The columns as a Markdown table, in the order of lesions.csv."""
    lines = ["| column | unit | meaning | formerly |", "|---|---|---|---|"]
    for column in COLUMNS:
        former = f"`{column.formerly}`" if column.formerly else ""
        lines.append(f"| `{column.name}` | {column.unit} | {column.description} | {former} |")
    return "\n".join(lines)


def with_table(page: str) -> str:
    """The page with its table of columns replaced by the present one.

    Raises
    ------
    InputError
        The page has lost the marks around the table.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(
            "the page has no place for the table of columns",
            why=f"it belongs between {BEGIN} and {END}",
            suggestion="put both lines back",
            file=PAGE,
        )
    return f"{before}{BEGIN}\n\n{column_table()}\n\n{END}{after}"


def main() -> int:
    """Rewrite the page."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_table(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
