"""What this installation is: versions, devices, data tables and their hashes."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "numpy", "scipy", "numba", "h5py", "pydantic", "pint", "SimpleITK", "pydicom", "highdicom",
    "icrp107-database", "radioactivedecay", "matplotlib",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]


def describe() -> dict[str, Any]:
    """Versions, machine, backends and data tables, as plain nested dictionaries."""
    return {
        "hevesy": {"version": _version("hevesy"), "commit": commit() or "unknown (not a checkout)"},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "cpu": cpu_name(),
            "cores": usable_cores(),
        },
        "backends": backends(),
        "data": {path.name: f"sha256 {digest(path)}" for path in data_tables()},
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


def usable_cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_name() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def backends() -> dict[str, str]:
    """Which transport backends can run here, and on what."""
    found = {"cpu": f"Numba {_version('numba')}, {usable_cores()} threads"}
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
        names = [cupy.cuda.runtime.getDeviceProperties(i)["name"].decode() for i in range(count)]
        found["cuda"] = ", ".join(names) or "no device"
    except ImportError:
        found["cuda"] = "not installed (pip install 'hevesy[gpu]')"
    except Exception as error:  # the CUDA runtime reports a missing driver in several ways of its own
        found["cuda"] = f"not usable: {error}"
    return found


def data_tables() -> list[Path]:
    """The compiled physics tables that ship with hevesy."""
    return sorted((ROOT / "kernels" / "data").glob("*.h5"))


@lru_cache(maxsize=16)
def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return (
            hashlib.file_digest(stream, "sha256").hexdigest()
            if hasattr(hashlib, "file_digest")
            else (hashlib.sha256(stream.read()).hexdigest())
        )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
