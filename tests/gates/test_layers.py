"""Architecture rules: one-way dependencies, complete packages, no output from library code.

All of it is read from the source with :mod:`ast`; nothing is imported.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("engine", "kernels", "cli", "phantoms")
SOURCES = sorted(p for top in PACKAGES for p in (ROOT / top).rglob("*.py"))
NAMES = [str(p.relative_to(ROOT)) for p in SOURCES]

#: What each part may import of hevesy, by the longest prefix that fits. Plain ``kernels``: the neutral source.
MAY_IMPORT = {
    "cli": ("cli", "engine", "phantoms"),
    "engine": ("engine", "kernels"),
    "phantoms": ("phantoms", "engine"),
    "kernels.backends": ("kernels",),
    "kernels": ("kernels",),
}
#: What the whole of hevesy.kernels outside backends and the loader may take from elsewhere: no array library
#: that runs, no compiler, no engine.
NOT_IN_NEUTRAL = {"numba", "cupy", "scipy", "h5py", "hevesy"}
NEUTRAL_EXEMPT = {"kernels/cache.py", "kernels/loader.py", "kernels/tables.py", "kernels/target.py"}
#: Slow libraries that must not be imported with a module of the engine, the kernels or the command line.
LAZY = {"SimpleITK", "pydicom", "highdicom", "matplotlib", "icrp107", "radioactivedecay", "pint", "jinja2"}
#: Modules whose whole purpose is one of those, themselves imported only inside functions.
OWNERS = {
    "SimpleITK": ("engine/imaging/", "engine/grid.py", "engine/export/", "phantoms/"),
    "pydicom": ("engine/imaging/", "engine/export/", "phantoms/"),
    "highdicom": ("engine/imaging/", "engine/export/", "phantoms/"),
    "matplotlib": ("engine/report/",),
    "jinja2": ("engine/report/",),
}

LONGEST_FILE, LONGEST_FUNCTION, MOST_ARGUMENTS = 400, 60, 8
#: Public functions with more arguments: keyword options that a user gives one by one, in the words of the case
#: file and of the command line.
WIDE_FACES = {
    ("engine/run.py", "run"),
    ("engine/simulation.py", "simulate"),
    ("engine/kinetics/curves.py", "fit_curve"),
    ("engine/kinetics/voxelwise.py", "voxel_tia"),
}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, module: ast.AST, top_level_only: bool = False) -> list[str]:
    """Absolute names of all imports; those inside hevesy start with the part's name (``engine.grid``)."""
    package = path.relative_to(ROOT).parent.parts
    names = []
    for node in ast.walk(module) if not top_level_only else _top_level(module):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
                stem = ".".join((*base, node.module or "")).strip(".")
                # `from . import x` may name a module x or an attribute: the same part either way
                names += [f"{stem}.{alias.name}".strip(".") for alias in node.names]
            else:
                names.append(node.module or "")
    return names


def _top_level(module: ast.AST):
    """Imports that run when the module is imported; TYPE_CHECKING blocks do not."""
    stack = list(ast.iter_child_nodes(module))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            stack += node.orelse
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            stack += list(ast.iter_child_nodes(node))


def part_of(module: str) -> str:
    return max((p for p in MAY_IMPORT if module == p or module.startswith(p + ".")), key=len)


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_dependencies_run_one_way(path):
    allowed = MAY_IMPORT[part_of(module_name(path))]
    inside = [name for name in imported(path, tree(path)) if name.split(".")[0] in PACKAGES]
    wrong = [n for n in inside if not any(n == a or n.startswith(a + ".") for a in allowed)]
    assert not wrong, f"{path.relative_to(ROOT)} may import {allowed}, and imports {wrong}"


def test_nothing_but_tests_imports_tests():
    """Tools and benchmarks stand without the tests, which import from them."""
    sources = [*SOURCES, *sorted((ROOT / "tools").rglob("*.py")), *sorted((ROOT / "benchmarks").rglob("*.py"))]
    wrong = []
    for path in sources:
        names = [name.removeprefix("hevesy.") for name in imported(path, tree(path))]
        wrong += [f"{path.relative_to(ROOT)}: {name}" for name in names if name.split(".")[0] == "tests"]
    assert not wrong, wrong


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_imports_inside_the_package_are_relative(path):
    wrong = [n for n in imported(path, tree(path)) if n == "hevesy" or n.startswith("hevesy.")]
    assert not wrong, f"{path.relative_to(ROOT)} names its own package: {wrong}"


NEUTRAL = [
    p
    for p in SOURCES
    if module_name(p).startswith("kernels")
    and not module_name(p).startswith("kernels.backends")
    and str(p.relative_to(ROOT)) not in NEUTRAL_EXEMPT
]


@pytest.mark.parametrize("path", NEUTRAL, ids=[str(p.relative_to(ROOT)) for p in NEUTRAL])
def test_neutral_physics_imports_no_engine_and_no_compiler(path):
    wrong = {n.split(".")[0] for n in imported(path, tree(path))} & (NOT_IN_NEUTRAL | {"engine", "cli"})
    assert not wrong, f"{path.relative_to(ROOT)} is one source for all targets and imports {sorted(wrong)}"


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_slow_libraries_are_imported_where_they_are_used(path):
    tops = {n.split(".")[0] for n in imported(path, tree(path), top_level_only=True)} & LAZY
    relative = str(path.relative_to(ROOT))
    wrong = {n for n in tops if not relative.startswith(OWNERS.get(n, ()) or "\0")}
    assert not wrong, f"{relative} imports {sorted(wrong)} at the top: move it into the function that uses it"


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if not module_name(p).startswith("cli")],
    ids=[n for n in NAMES if not n.startswith("cli/")],
)  # fmt: skip
def test_libraries_neither_print_nor_exit(path):
    wrong = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("print", "sys.exit", "exit", "quit", "os._exit", "warnings.filterwarnings"):
                wrong.append(f"line {node.lineno}: {called}")
        if isinstance(node, ast.Raise) and node.exc is not None and "SystemExit" in ast.unparse(node.exc):
            wrong.append(f"line {node.lineno}: raise SystemExit")
    assert not wrong, f"{path.relative_to(ROOT)}: {wrong}; use logging, or raise an error of engine.errors"


def test_packages_list_is_the_tree():
    """A forgotten subpackage works in an editable install and is missing from the wheel."""
    if sys.version_info >= (3, 11):
        import tomllib

        listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    else:
        block = re.search(r"^packages = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
        assert block is not None
        listed = set(re.findall(r'"([\w.]+)"', block[1]))
    found = {"hevesy"}
    for top in PACKAGES:
        for init in (ROOT / top).rglob("__init__.py"):
            found.add(".".join(("hevesy", *init.parent.relative_to(ROOT).parts)))
    assert listed == found, f"in the tree only: {found - listed}; in the list only: {listed - found}"


def test_every_source_folder_is_a_package():
    bare = {p.parent for p in SOURCES if not (p.parent / "__init__.py").exists()}
    assert not bare, f"no __init__.py in {sorted(str(b.relative_to(ROOT)) for b in bare)}"


def test_files_stay_readable():
    """At most 400 lines and one subject a file."""
    long = {n: sum(1 for _ in p.open(encoding="utf-8")) for n, p in zip(NAMES, SOURCES, strict=True)}
    too_long = {n: k for n, k in long.items() if k > LONGEST_FILE}
    assert not too_long, f"split by subject: {too_long}"


def too_long(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """More than 60 lines, signature included and docstring not."""
    docstring = ast.get_docstring(function, clean=False)
    lines = (function.end_lineno or 0) - function.lineno + 1
    return lines - (len(docstring.splitlines()) if docstring else 0) > LONGEST_FUNCTION


def too_wide(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """More than 8 arguments, self included."""
    given = function.args
    return len(given.posonlyargs) + len(given.args) + len(given.kwonlyargs) > MOST_ARGUMENTS


def is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A command of cli/: its arguments are the command's options, each ``Annotated[type, typer.Option(...)]``."""
    return any("typer." in ast.unparse(arg.annotation) for arg in function.args.args if arg.annotation)


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if not module_name(p).startswith("kernels")],
    ids=[n for n in NAMES if not n.startswith("kernels/")],
)  # fmt: skip
def test_functions_stay_readable(path):
    """kernels/ apart: there registers and inlining decide what is one function (docs/decisions/0006)."""
    name = str(path.relative_to(ROOT))
    functions = [n for n in ast.walk(tree(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = [f.name for f in functions if too_long(f)]
    wide = [f.name for f in functions if too_wide(f) and (name, f.name) not in WIDE_FACES]
    if name.startswith("cli/"):
        wide = [f.name for f in functions if f.name in wide and not is_command(f)]
    assert not long, f"{name}: more than {LONGEST_FUNCTION} lines without docstring, split by step: {long}"
    assert not wide, f"{name}: more than {MOST_ARGUMENTS} arguments, group them: {wide}"


def test_an_unreadable_function_would_be_seen():
    body = "\n    x = 1" * 59
    sixty, more = (ast.parse(f'def f():\n    """One.\n\n    Two.\n    """{body}{end}') for end in ("", "\n    y = 2"))
    assert not too_long(sixty.body[0])
    assert too_long(more.body[0])
    eight, nine = (
        ast.parse(f"def f({names}): pass") for names in ("a, b, c, d, e, f, /, g, *, h", "a, b, c, d, e, f, g, h, *, i")
    )
    assert not too_wide(eight.body[0])
    assert too_wide(nine.body[0])


def test_the_wide_faces_are_wide():
    """An exception that is no longer needed goes."""
    for name, function in WIDE_FACES:
        (found,) = [n for n in tree(ROOT / name).body if isinstance(n, ast.FunctionDef) and n.name == function]
        assert too_wide(found), f"{name}: {function} needs no exception any more"


def test_no_machine_paths_in_the_tree():
    """Nothing in the sources names the machine on which it was written."""
    wrong = []
    for path in [*SOURCES, *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(r"(?<![\w.])/(?:root|home|Users|work)/", line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}")
    assert not wrong, wrong
