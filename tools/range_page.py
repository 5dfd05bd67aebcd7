"""The ranges of quantities in docs/formats/case.md, written from `hevesy.engine.case.ranges`.

``make ranges`` writes them; a test fails when page and module differ.
"""

from __future__ import annotations

from ..engine.case.ranges import RANGES
from .page_table import FORMATS, PageTable

PLACE = PageTable("ranges", FORMATS / "case.md")


def range_table() -> str:
    """The ranges as a Markdown table."""
    lines = ["| quantity | refused outside | because | unusual outside | where lie |", "|---|---|---|---|---|"]
    for limits in RANGES:
        usual = " to ".join(map(limits.text, limits.usual)) if limits.usual else ""
        least, most = limits.text(limits.least), limits.text(limits.most)
        lines.append(f"| {limits.name} | {least} to {most} | {limits.reason} | {usual} | {limits.usually} |")
    return "\n".join(lines)


if __name__ == "__main__":
    PLACE.write(range_table())
