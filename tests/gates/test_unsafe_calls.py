"""No input is ever run: the product unpickles, evaluates and unpacks nothing, and hands no text to a shell.

Read from the source with :mod:`ast`; every exception is listed with its reason.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for top in ("engine", "cli", "kernels") for path in (ROOT / top).rglob("*.py"))
#: Modules that make objects or code from bytes.
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "xmlrpc", "code", "codeop"}
#: Calls that run text, unpack without a check, or make a file name that another may take first.
CALLS = {"eval", "exec", "__import__", "extractall", "mktemp", "unsafe_load", "full_load"}
#: Calls that hand a text to a shell.
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
#: Loaders of YAML that make nothing but text, numbers, lists and mappings.
LOADERS = {"SafeLoader", "CSafeLoader", "BaseLoader", "CBaseLoader"}
#: What is not read from anybody's input.
EXEMPT = {
    ("kernels/backends/cpu_kept.py", "import of pickle"): "kernels compiled here, in a cache of this user alone",
    ("kernels/backends/cuda_kept.py", "import of pickle"): "kernels compiled here, in a cache of this user alone",
    ("engine/nuclides/decay_data.py", "load that unpickles"): "data of an installed package, as it has them",
}


def unsafe(source: ast.AST) -> list[tuple[int, str]]:
    """Line and name of each unsafe import or call."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(source):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [(node.lineno, f"import of {name}") for name in names if name.split(".")[0] in MODULES]
        elif isinstance(node, ast.Call):
            found += [(node.lineno, what) for what in _of_call(node)]
    return found


def _of_call(node: ast.Call) -> list[str]:
    called = ast.unparse(node.func)
    name = called.split(".")[-1]
    given = {word.arg: ast.unparse(word.value) for word in node.keywords if word.arg}
    out = [f"call of {name}"] if name in CALLS else []
    if called in SHELLS or given.get("shell") not in (None, "False"):
        out.append("a shell")
    if called in ("yaml.load", "yaml.load_all", "yaml.compose", "yaml.parse"):
        loader = given.get("Loader", ast.unparse(node.args[1]) if len(node.args) > 1 else "")
        out += [] if loader.split(".")[-1] in LOADERS else ["a loader of YAML that makes objects"]
    if called in ("np.load", "numpy.load") and given.get("allow_pickle") != "False":
        out.append("load that unpickles")
    if given.get("allow_pickle") == "True" and called not in ("np.load", "numpy.load"):
        out.append("call that pickles")
    return out


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_is_read_is_run(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    found = unsafe(ast.parse(path.read_text(encoding="utf-8")))
    assert not [(line, what) for line, what in found if (name, what) not in EXEMPT]


def test_the_exceptions_are_needed() -> None:
    for name, what in EXEMPT:
        found = unsafe(ast.parse((ROOT / name).read_text(encoding="utf-8")))
        assert what in {one for _, one in found}, f"{name} needs no exception for {what}"


@pytest.mark.parametrize(
    "text, what",
    [
        ("import pickle", "import of pickle"),
        ("from pickle import loads", "import of pickle"),
        ("eval(text)", "call of eval"),
        ("os.system(text)", "a shell"),
        ("archive.extractall(folder)", "call of extractall"),
        ("tempfile.mktemp()", "call of mktemp"),
        ("subprocess.run(text, shell=True)", "a shell"),
        ("yaml.load(text)", "a loader of YAML that makes objects"),
        ("yaml.load(text, Loader=yaml.Loader)", "a loader of YAML that makes objects"),
        ("np.load(file)", "load that unpickles"),
        ("np.load(file, allow_pickle=True)", "load that unpickles"),
        ("np.save(file, x, allow_pickle=True)", "call that pickles"),
    ],
)
def test_each_of_them_would_be_seen(text: str, what: str) -> None:
    assert what in {one for _, one in unsafe(ast.parse(text))}


#: Rooms that read what users and other programs write: their refusals say problem, reason and advice.
READING = ("case", "cohort", "compare", "imaging", "transport", "dose/voxel_s")
GROUND = ("archive.py", "files.py", "tables.py", "units.py", "until.py", "folders.py", "bids.py", "grid.py")
#: Checks of arguments that no file holds.
ARGUMENTS = {"engine/imaging/registration.py"}


@pytest.mark.parametrize(
    "path",
    [path for room in READING for path in sorted((ROOT / "engine" / room).rglob("*.py"))]
    + [ROOT / "engine" / name for name in GROUND],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_refusals_of_input_have_reason_and_advice(path: Path) -> None:
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "InputError"
    ]
    lacking = [node.lineno for node in calls if not {"why", "suggestion"} <= {word.arg for word in node.keywords}]
    assert not lacking or str(path.relative_to(ROOT)) in ARGUMENTS
