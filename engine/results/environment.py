"""What this installation is: versions, devices, data tables and their hashes."""

from __future__ import annotations

import platform
import subprocess
from functools import lru_cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from ...kernels.backends.machine import cpu_name, usable_cores
from ..text import counted
from ..version import __version__

#: Libraries that the numbers of a result pass through; their versions are in its provenance.
NUMERICAL_PACKAGES = (
    "numpy", "scipy", "numba", "h5py", "SimpleITK", "pydicom", "radioactivedecay", "icrp107-database",
)  # fmt: skip
PACKAGES = (*NUMERICAL_PACKAGES, "pydantic", "pint", "highdicom", "matplotlib")
ROOT = Path(__file__).resolve().parents[2]


def describe() -> dict[str, Any]:
    """Versions, machine, backends and data tables, as plain nested dictionaries."""
    return {
        "hevesy": {"version": __version__, "commit": commit() or "unknown (not a checkout)"},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "cpu": cpu_name(),
            "cores": usable_cores(),
        },
        "backends": backends(),
        "data": {name: f"sha256 {digest}" for name, digest in table_hashes().items()},
        "packages": {name: _version(name) for name in PACKAGES},
    }


def commit() -> str | None:
    """Commit of the running checkout, with ``+changes`` when the tree differs; None for a wheel."""
    if not (ROOT / ".git").exists():
        return None
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def backends() -> dict[str, str]:
    """Which transport backends can run here, and on what."""
    devices = {"cpu": f"Numba {_version('numba')}, {counted(usable_cores(), 'thread')}"}
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
        names = [cupy.cuda.runtime.getDeviceProperties(i)["name"].decode() for i in range(count)]
        devices["cuda"] = ", ".join(names) or "no device"
    except ImportError:
        devices["cuda"] = "not installed (pip install 'hevesy[gpu]')"
    except Exception as error:  # the CUDA runtime reports a missing driver in several ways of its own
        devices["cuda"] = f"not usable: {error}"
    return devices


@lru_cache(maxsize=1)
def table_hashes() -> dict[str, str]:
    """SHA-256 of the physics tables that ship with hevesy, by file name."""
    files = sorted((ROOT / "kernels" / "data").glob("*.h5"))
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
