"""The rooms of engine/ stand in an order, and imports run down it: no arrow up, no circle, nothing hidden in functions.

Read from the source with :mod:`ast`; nothing is imported.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: The rooms from the top down; a file belongs to the longest name that fits, and may import from its own room and
#: from those below it. ``ground`` holds the flat files: words that every room uses.
ROOMS = (
    "cohort",
    "batch",
    "run",
    "check",
    "simulation",
    "compare",
    "export",
    "report",
    "pipeline.clinic",
    "pipeline",
    "results",
    "dose",
    "transport",
    "transport.tables",
    "clinic",
    "lesions",
    "imaging.sorting",
    "imaging.masks",
    "imaging.pet",
    "imaging",
    "imaging.dicom",
    "imaging.formats",
    "case",
    "dose.methods",
    "kinetics",
    "physics",
    "nuclides",
    "ground",
)
#: Flat files of engine/ that are not ground words: the three faces.
FACES = {"run", "check", "simulation"}
#: Circles of files that are meant: an object and the file format it saves itself in.
SAVE_AND_LOAD = (
    {"engine.results.result", "engine.results.hdf5", "engine.results.merge"},
    {"engine.transport.problem", "engine.transport.problem_file", "engine.transport.problem_checks"},
)
#: Libraries that take long to import (SimpleITK 0.2 s, matplotlib 0.3 s, SciPy's parts 0.1 s each ...) and modules
#: that load such a one: these alone may be imported inside functions.
SLOW = {
    "SimpleITK", "cupy", "dask", "dask_jobqueue", "distributed", "h5py", "highdicom", "icrp107", "jinja2", "markupsafe",
    "matplotlib", "multiprocessing",
    "pint", "pydicom", "radioactivedecay", "scipy", "yaml",
}  # fmt: skip
LOADS_SLOW = {"kernels.backends", "engine.transport.tables.build"}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted((ROOT / "engine").rglob("*.py"))}


def room_of(module: str) -> str:
    inner = module.removeprefix("engine").removeprefix(".")
    fits = [room for room in ROOMS if inner == room or inner.startswith(room + ".")]
    return max(fits, key=len) if fits else "ground"


def imports(module: str, node: ast.AST) -> Iterator[str]:
    """Full names that an import statement takes: modules where they are files, else the module of the name."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield node.module or ""
    elif isinstance(node, ast.ImportFrom):
        package = FILES[module].relative_to(ROOT).parent.parts
        base = package[: len(package) - node.level + 1]
        stem = ".".join((*base, *((node.module or "").split(".") if node.module else ())))
        for alias in node.names:
            yield f"{stem}.{alias.name}" if f"{stem}.{alias.name}" in FILES else stem


def tree(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def for_types_only(module: ast.Module) -> set[int]:
    """Nodes under ``if TYPE_CHECKING``."""
    blocks = (n for n in ast.walk(module) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test))
    return {id(node) for block in blocks for node in ast.walk(block)}


def arrows(module: str) -> set[str]:
    """Modules of engine that a module imports, wherever in it, but for its types."""
    parsed = tree(module)
    types = for_types_only(parsed)
    taken = {name for node in ast.walk(parsed) if id(node) not in types for name in imports(module, node)}
    return {name for name in taken if name in FILES and name != module}


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Strongly connected components of more than one module (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    out: list[set[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in graph[module]:
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            tied = set(stack[stack.index(module) :])
            del stack[stack.index(module) :]
            if len(tied) > 1:
                out.append(tied)

    for module in graph:
        if module not in index:
            visit(module)
    return out


def test_flat_files_are_the_faces_and_the_ground():
    """A subject is a folder: a flat file that imports a room is not a ground word."""
    flat = [m for m in FILES if m.count(".") == 1 and FILES[m].name != "__init__.py"]
    ground = [m for m in flat if m.removeprefix("engine.") not in FACES]
    wrong = {m: {a for a in arrows(m) if room_of(a) != "ground"} for m in ground}
    assert not {m: a for m, a in wrong.items() if a}
    assert {m.removeprefix("engine.") for m in flat} >= FACES


@pytest.mark.parametrize("module", FILES)
def test_no_import_runs_up(module):
    here = ROOMS.index(room_of(module))
    up = {name: room_of(name) for name in arrows(module) if ROOMS.index(room_of(name)) < here}
    assert not up, f"{module} is in {ROOMS[here]!r} and imports from above: {up}"


def test_no_circles_but_the_two_that_save_themselves():
    tied = circles({module: arrows(module) for module in FILES})
    wrong = [sorted(circle) for circle in tied if not any(circle <= meant for meant in SAVE_AND_LOAD)]
    assert not wrong


def test_a_circle_would_be_seen():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]
    assert circles({"a": {"b"}, "b": set()}) == []


@pytest.mark.parametrize("module", FILES)
def test_imports_stand_at_the_top(module):
    """Inside a function only what is slow to load, and the two save/load faces."""
    wrong = []
    for function in (n for n in ast.walk(tree(module)) if isinstance(n, ast.FunctionDef)):
        for node in ast.walk(function):
            for name in imports(module, node) if isinstance(node, ast.Import | ast.ImportFrom) else ():
                slow = name.split(".")[0] in SLOW or any(name.startswith(heavy) for heavy in LOADS_SLOW)
                face = any({module, name} <= meant for meant in SAVE_AND_LOAD)
                if not (slow or face):
                    wrong.append(f"line {node.lineno}: {name}")
    assert not wrong, f"{module}: {wrong}; move them to the top of the file"


def test_the_architecture_page_lists_the_rooms_in_this_order():
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `engine/([\w/]+?)(?:\.py)?/?` \|", page, re.M)
    assert [name.replace("/", ".") for name in listed] == [room for room in ROOMS if room != "ground"]


PACKAGES = {module: path for module, path in FILES.items() if path.name == "__init__.py" and module != "engine"}


def face_of(path: Path) -> dict[str, str]:
    """The names that a room shows and the files that they are in; empty without ``face(...)``."""
    calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    table = next((call.args[1] for call in calls if ast.unparse(call.func) == "face"), None)
    return {} if table is None else dict(ast.literal_eval(table))


@pytest.mark.parametrize("room", PACKAGES)
def test_every_room_has_a_face(room):
    shown = face_of(PACKAGES[room])
    assert shown, f"{room} shows no names: give it a face (engine/faces.py)"
    missing = {name: file for name, file in shown.items() if f"{room}.{file}" not in FILES}
    assert not missing, f"{room} shows names of files that it does not have: {missing}"


@pytest.mark.parametrize("room", PACKAGES)
def test_a_face_hides_none_of_its_files(room):
    """A name and a file of one name: which of the two one gets would depend on what was imported before."""
    twice = [name for name in face_of(PACKAGES[room]) if f"{room}.{name}" in FILES]
    assert not twice, f"{room}: {twice}"


@pytest.mark.parametrize(
    ("use", "unused"),
    [
        ("import hevesy", {"numpy", "pydantic", "hevesy.engine.case"}),
        ("import hevesy.cli.main", {"numpy", "scipy", "h5py", "numba", "SimpleITK", "hevesy.engine.transport.run"}),
        ("import hevesy; hevesy.Case", {"numpy", "scipy", "h5py", "numba", "SimpleITK", "pint"}),
        ("import hevesy; hevesy.Problem; hevesy.simulate", {"scipy", "h5py", "numba", "SimpleITK", "matplotlib"}),
    ],
)
def test_a_start_loads_no_library_that_it_does_not_use(use, unused):
    code = f"import sys\n{use}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not unused & set(done.stdout.split())
