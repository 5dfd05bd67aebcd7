"""A report shows what it is given: engine/report reads no file but its own templates and looks nothing up."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from .test_rooms import FILES, arrows, imports, room_of, tree

REPORT = sorted(module for module in FILES if room_of(module) == "report")
#: Rooms whose objects a report shows. Case, nuclides and images are read by whoever makes its input.
MAY_IMPORT = {"report", "results", "dose", "lesions", "ground"}
#: Libraries and modules that read files or the network.
READERS = {"SimpleITK", "csv", "h5py", "io", "json", "os", "pydicom", "requests", "shutil", "urllib", "yaml"}
#: Calls that read a file or ask for one.
READING = {
    "open", "read_text", "read_bytes", "load", "fromfile", "loadtxt", "genfromtxt", "is_file", "is_dir", "exists",
    "glob", "rglob", "iterdir", "read_image", "read_result", "safe_load", "imread",
}  # fmt: skip
TEMPLATES = "engine.report.templates"


def readings(source: ast.AST) -> set[str]:
    """Names of the calls in a module that read a file."""
    called = {ast.unparse(node.func).split(".")[-1] for node in ast.walk(source) if isinstance(node, ast.Call)}
    return called & READING


@pytest.mark.parametrize("module", REPORT)
def test_report_imports_only_what_it_shows(module: str) -> None:
    rooms = {name: room_of(name) for name in arrows(module)}
    assert not {name: room for name, room in rooms.items() if room not in MAY_IMPORT}


@pytest.mark.parametrize("module", REPORT)
def test_report_opens_no_file_but_its_templates(module: str) -> None:
    taken = {name.split(".")[0] for node in ast.walk(tree(module)) for name in imports(module, node)}
    allowed = {"io"} if module == "engine.report.figures" else set()  # a picture is written to memory
    assert not (taken & READERS) - allowed
    assert readings(tree(module)) == ({"read_text"} if module == TEMPLATES else set())


def test_a_report_that_reads_would_be_seen() -> None:
    assert readings(ast.parse("case = yaml.safe_load((folder / 'case.yaml').read_text())")) == {
        "safe_load",
        "read_text",
    }
    assert TEMPLATES in REPORT and Path(FILES[TEMPLATES]).is_file()
