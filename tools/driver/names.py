"""Names of CuPy's API, so that its stand-in has none that CuPy lacks: python -m hevesy.tools.driver.names

Run where CuPy is installed (no GPU is needed); what it prints is ``cupy_names.json``.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

FILE = Path(__file__).with_name("cupy_names.json")
#: the modules and classes that the stand-in has as well
OBJECTS = (
    "cupy", "cupy.ndarray", "cupy.cuda", "cupy.cuda.Device", "cupy.cuda.MemoryPool", "cupy.cuda.memory",
    "cupy.cuda.memory.OutOfMemoryError", "cupy.cuda.runtime", "cupy.cuda.runtime.CUDARuntimeError",
    "cupy.cuda.stream", "cupy.cuda.Stream", "cupy.cuda.Event",
)  # fmt: skip


def public_names(thing: Any) -> list[str]:
    """Names of a module or class that others may use, operators included."""
    special = {"__weakref__", "__dict__", "__module__", "__firstlineno__", "__static_attributes__", "__annotations__"}
    special |= set(dir(ModuleType)) | {"__builtins__", "__cached__", "__file__", "__path__", "__all__"}
    names = [n for n in dir(thing) if n not in special and (not n.startswith("_") or n.endswith("__"))]
    modules = {n for n in names if isinstance(getattr(thing, n, None), ModuleType)}
    # what a module has imported is not its own
    return [n for n in names if n not in modules or getattr(thing, n).__name__.startswith("cupy")]


def at(path: str) -> Any:
    """The object of a dotted path from ``cupy`` on."""
    import cupy

    thing: Any = cupy
    for part in path.split(".")[1:]:
        thing = getattr(thing, part)
    return thing


def api() -> dict[str, Any]:
    """Version of the CuPy that is imported here, and the names of its objects."""
    import cupy

    lines = {path: textwrap.wrap(" ".join(public_names(at(path))), 110) for path in OBJECTS}
    return {"version": cupy.__version__, "names": lines}


def stored() -> tuple[str, dict[str, set[str]]]:
    """The same from the file: the version, and the names of each object."""
    content = json.loads(FILE.read_text())
    return content["version"], {path: set(" ".join(lines).split()) for path, lines in content["names"].items()}


if __name__ == "__main__":
    print(json.dumps(api(), indent=1))
