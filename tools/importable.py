"""Has ``import hevesy`` find this checkout, whose root is the package, whatever else is installed.

For programs that must run with a checkout and a few libraries alone, and that another installed hevesy must not take
over: a wheel lacks tools and benchmarks, another checkout has other code. Run by path, before the first import of
hevesy: ``runpy.run_path("tools/importable.py")``.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]


def make_importable() -> None:
    """Have ``import hevesy`` find this checkout.

    Raises
    ------
    ImportError
        If another hevesy was imported before: its modules are in use.
    """
    loaded = sys.modules.get("hevesy")
    if loaded is not None:
        if folder_of(loaded) != ROOT:
            raise ImportError(f"hevesy was imported from {folder_of(loaded)} before, and this is {ROOT}")
        return
    spec = importlib.util.spec_from_file_location(
        "hevesy", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["hevesy"] = package
    spec.loader.exec_module(package)


def folder_of(package: ModuleType) -> Path | None:
    """The folder that a package was imported from; None where it has none."""
    return Path(package.__file__).resolve().parent if package.__file__ else None


make_importable()
