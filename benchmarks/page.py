"""Writes the newest results into docs/performance.md: ``python -m hevesy.benchmarks.page``.

A generated part stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``; everything else is left as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hevesy.benchmarks import decay_report, machine, peers, report
from hevesy.tools.ptx import model_tables

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


def gpu(content: dict[str, Any]) -> str:
    """The short tables of a GPU run."""
    from hevesy.benchmarks import gpu_bench as bench

    return f"{content['when']}\n\n```\n{bench.table(content)}\n```"


#: part of the page: (kind of result, how it is shown, what makes it)
PARTS: dict[str, tuple[str, Callable[[dict[str, Any]], str], str]] = {
    "cpu": ("cpu", report.tables, "make bench"),
    "peers": ("peers", peers.tables, "make bench-peers"),
    "decay": ("decay", decay_report.tables, "python -m hevesy.benchmarks.decay_report"),
    "model": ("model", model_tables.tables, "python -m hevesy.tools.ptx.model"),
    "gpu": ("gpu", gpu, "make gpu-bench"),
}


def filled(text: str, folder: Path = machine.RESULTS) -> str:
    """The page with every generated part made anew from the newest result of its kind."""
    for name, (kind, show, command) in PARTS.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"no part {begin} ... {end} in the page")
        content = machine.latest(kind, folder)
        body = f"No measurement yet: `{command}`." if content is None else show(content)
        text = f"{before}{begin}\n{body}\n{end}{after}"
    return text


def main(page: Path = PAGE, folder: Path = machine.RESULTS) -> int:
    """Write the page."""
    page.write_text(filled(page.read_text(encoding="utf-8"), folder), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
