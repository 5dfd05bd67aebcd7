"""The columns of the lesion table in docs/formats/result.md, written from `hevesy.engine.lesions.columns`.

``make columns`` writes them; a test fails when page and table differ.
"""

from __future__ import annotations

from ..engine.lesions.columns import COLUMNS
from .page_table import FORMATS, PageTable

PLACE = PageTable("columns", FORMATS / "result.md")


def column_table() -> str:
    """The columns as a Markdown table, in the order of lesions.csv."""
    lines = ["| column | unit | meaning | formerly |", "|---|---|---|---|"]
    for column in COLUMNS:
        former = f"`{column.formerly}`" if column.formerly else ""
        lines.append(f"| `{column.name}` | {column.unit} | {column.description} | {former} |")
    return "\n".join(lines)


if __name__ == "__main__":
    PLACE.write(column_table())
