"""Options of ``make bench``, and what it leaves: one JSON under benchmarks/results and a table at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hevesy.benchmarks import machine, report


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hevesy")
    group.addoption("--quick", action="store_true", help="the main problems alone, a minute or two")
    group.addoption("--results", type=Path, default=machine.RESULTS, help="folder of the JSON")


def pytest_configure(config: pytest.Config) -> None:
    config.hevesy_provenance = machine.provenance()  # type: ignore[attr-defined]
    config.hevesy_rows = []  # type: ignore[attr-defined]


@pytest.fixture
def quick(request: pytest.FixtureRequest) -> bool:
    """Whether this is the short run."""
    return bool(request.config.getoption("--quick"))


@pytest.fixture
def keep(request: pytest.FixtureRequest, benchmark: Any) -> Any:
    """Keeps figures: ``keep(part, name, figures)``, in the report and in pytest-benchmark's own file."""

    def put(part: str, name: str, figures: dict[str, Any]) -> None:
        benchmark.extra_info.update(figures)
        request.config.hevesy_rows.append({"part": part, "name": name, **figures})  # type: ignore[attr-defined]

    return put


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    rows = config.hevesy_rows  # type: ignore[attr-defined]
    if not rows:
        return
    content = {
        "format": "hevesy-bench", "format_version": 1, "quick": bool(config.getoption("--quick")),
        **config.hevesy_provenance, "complete": exitstatus == 0, "rows": rows,  # type: ignore[attr-defined]
    }  # fmt: skip
    file = machine.write("quick" if content["quick"] else "cpu", content, config.getoption("--results"))
    terminalreporter.write_line("")
    for line in report.tables(content).splitlines():
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"\nwritten: {file.name}")
