"""Every name that hevesy asks of Numba's CUDA package, the driver and CuPy exists, looked up without a device.

A name that is wrong shows only where there is a GPU, in the first run there. So the names are read off the source, and
looked up in the packages: attributes of a device in the driver's own enumeration, those of compiled kernels in Numba's
classes, those of CuPy in CuPy where it is installed and else in the list below.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hevesy.tools import cuda_offline

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    [*(ROOT / "kernels" / "backends").glob("cuda*.py"), ROOT / "tools" / "cuda_offline.py"]
    + [ROOT / "benchmarks" / "gpu_bench.py", *(ROOT / "tests" / "gpu").glob("*.py")]
    + [ROOT / "tools" / "gpu_first" / "stack_steps.py"]
)
#: modules from which the files import Numba's ``cuda``
SOURCES = ("numba", "cuda_stack", "cuda_compiler", "target")
#: names of CuPy that hevesy uses, each of them in CuPy 14.2.0
CUPY = {
    "asarray", "cuda.Device", "cuda.Event", "cuda.Stream", "cuda.runtime.driverGetVersion",
    "cuda.runtime.getDeviceCount", "cuda.runtime.getDeviceProperties", "get_default_memory_pool", "zeros",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def packages():
    for name in ("numba_cuda", "cuda.bindings"):
        try:
            missing = importlib.util.find_spec(name) is None
        except ModuleNotFoundError:
            missing = True
        if missing and cuda_offline.REQUIRED:
            pytest.fail(f"HEVESY_REQUIRE_GATES is set and this environment lacks {name}")
        if missing:
            pytest.skip(f"needs {name}: pip install '.[gates]'")


def chains(tree: ast.AST) -> Iterator[tuple[list[str], ast.expr]]:
    """Attributes taken in turn, outermost chains only: ``a[0].b.c`` gives (["b", "c"], the node of ``a[0]``)."""
    inner = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            names: list[str] = []
            base: ast.expr = node
            while isinstance(base, ast.Attribute):
                names.insert(0, base.attr)
                base = base.value
            yield names, base


def aliases(tree: ast.AST) -> dict[str, str]:
    """What a file calls the packages: Numba's ``cuda`` by its name there, CuPy by ``cupy``."""
    called = {"cupy": "cupy", "_cupy": "cupy"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[-1] in SOURCES:
            called |= {a.asname or a.name: "cuda" for a in node.names if a.name == "cuda"}
        if isinstance(node, ast.ImportFrom) and node.module == "cuda_compiler":
            called |= {a.asname or a.name: f"cuda.{a.name}" for a in node.names if a.name == "libdevice"}
        if isinstance(node, ast.ImportFrom) and node.module == "numba.cuda":
            called |= {a.asname or a.name: f"cuda.{a.name}" for a in node.names}
    return called


def uses(package: str) -> set[str]:
    """Dotted names below a package that the files use, up to the first call or index."""
    names = set()
    for file in FILES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        called = aliases(tree)
        for attributes, base in chains(tree):
            chain = [base.id, *attributes] if isinstance(base, ast.Name) else attributes
            if chain[0] == "self":
                chain = chain[1:]
            home = called.get(chain[0], "").split(".")
            if home[0] == package and len(chain) > 1:
                names.add(".".join([*home[1:], *chain[1:]]))
    return names


def values(kind: str, tree: ast.AST) -> set[str]:
    """Names of variables of a file that hold devices (``gpus[...]``) or compiled kernels."""
    pattern = {"device": r"\bgpus\[|\bcontext\(\)|get_current_device\(\)", "definition": r"\.compile\(|\.overloads\b"}
    held = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and re.search(pattern[kind], ast.unparse(node.value)):
            held |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return held


def imported(tree: ast.AST) -> set[str]:
    """Names that a file imports or defines as classes, and Numba's configuration."""
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {(a.asname or a.name).split(".")[0] for n in nodes for a in n.names}
    return names | {n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef)} | {"config", "self", "cls"}


def asked(kind: str) -> set[str]:
    """Attributes that the files ask of devices, or of compiled kernels."""
    names = set()
    for file in FILES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        held, brought = values(kind, tree), imported(tree)
        for attributes, base in chains(tree):
            if isinstance(base, ast.Name) and base.id in held:
                names.add(attributes[0])
            # capitals of what is neither a module nor a class are a driver's, whatever a variable is called
            if kind == "device" and isinstance(base, ast.Name) and attributes[0].isupper() and base.id not in brought:
                names.add(attributes[0])
            if kind == "device" and isinstance(base, ast.Subscript) and ast.unparse(base.value).endswith("gpus"):
                names.add(attributes[0])
    return names


def has(cls: type, name: str) -> bool:
    """Whether objects of a class have an attribute: of the class, or set by its methods."""
    return hasattr(cls, name) or re.search(rf"\bself\.{name}\b\s*[,=]", inspect.getsource(cls)) is not None


def lacks(root: object, names: set[str]) -> list[str]:
    """Dotted names that cannot be followed from an object; an instance's own attributes are its class's business."""
    lacking = []
    for name in sorted(names):
        value = root
        for part in name.split("."):
            if not hasattr(value, part):
                lacking.append(name)
                break
            value = getattr(value, part)
            if isinstance(value, property):
                break
    return lacking


def test_names_of_numba_cuda_exist():
    from hevesy.kernels.backends.cuda_stack import cuda

    names = uses("cuda")
    assert {"jit", "as_cuda_array", "atomic.add", "libdevice.float_as_int", "shared.array"} <= names
    assert not lacks(cuda, names - {"gpus"})
    assert hasattr(cuda, "gpus")
    assert lacks(cuda, {"atomic.add", "as_cuda_aray"}) == ["as_cuda_aray"]


def test_attributes_of_devices_exist():
    """Numba looks capitals up among the driver's attributes, at the moment of use."""
    from cuda.bindings.driver import CUdevice_attribute
    from numba.cuda.cudadrv.driver import Device

    names = asked("device")
    assert {"MULTIPROCESSOR_COUNT", "MAX_THREADS_PER_MULTIPROCESSOR", "compute_capability"} <= names
    known = {name.removeprefix("CU_DEVICE_ATTRIBUTE_") for name in CUdevice_attribute.__members__}
    assert "MAX_THREADS_PER_MULTI_PROCESSOR" not in known
    assert not [name for name in names if name not in known and not has(Device, name)]


def test_attributes_of_compiled_kernels_exist():
    from numba.cuda.dispatcher import _Kernel

    names = asked("definition")
    assert {"regs_per_thread", "local_mem_per_thread", "max_cooperative_grid_blocks"} <= names
    assert not [name for name in names if not has(_Kernel, name)]
    assert not has(_Kernel, "registers_per_thread")


def test_names_of_cupy_exist():
    names = uses("cupy")
    assert {"cuda.Device", "asarray"} <= names
    assert names == CUPY, f"not in the list: {sorted(names - CUPY)}; no longer used: {sorted(CUPY - names)}"
    if importlib.util.find_spec("cupy") is not None:
        import cupy

        assert not lacks(cupy, CUPY)


def test_whoever_compiles_for_a_device_does_so_with_the_stack_prepared():
    """``cuda_stack`` prepares NumPy for Numba: no file reaches ``numba.cuda`` without it."""
    #: read inside a target that ``cuda_target`` has made, which imports it from there
    inside = {"kernels/backends/cuda_kernels.py", "kernels/backends/cuda_stack.py"}
    inside.add("tools/gpu_first/stack_steps.py")  # whose first kernel shows whether it must be prepared
    direct = []
    for folder in ("kernels", "engine", "tools", "benchmarks", "tests", "cli"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            if "numba" in text and str(file.relative_to(ROOT).as_posix()) not in inside:
                direct += [file.name for node in ast.walk(ast.parse(text)) if reaches_past(node)]
    assert not direct, f"import cuda from hevesy.kernels.backends.cuda_stack: {sorted(set(direct))}"


def reaches_past(node: ast.AST) -> bool:
    """Whether a statement imports Numba's ``cuda`` package itself."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "numba" and any(a.name == "cuda" for a in node.names)
    return isinstance(node, ast.Import) and any(a.name == "numba.cuda" for a in node.names)


def test_a_numpy_without_row_stack_compiles():
    """NumPy 2.5 has removed a function that Numba's CUDA package names whenever it compiles."""
    code = (
        "import numpy as np\n"
        "vars(np).pop('row_stack', None)\n"
        "assert not hasattr(np, 'row_stack')\n"
        "from hevesy.kernels.backends.cuda_stack import cuda\n"
        "from hevesy.tools import cuda_offline\n"
        "from numba import types\n"
        "def add_one(out):\n"
        "    out[0] += 1\n"
        "with cuda_offline.device((9, 0)):\n"
        "    print(cuda.compile(add_one, (types.int64[::1],), device=False, abi='numba', cc=(9, 0), output='ptx')[0])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ".entry" in ran.stdout
