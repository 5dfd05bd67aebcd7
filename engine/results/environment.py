"""What this installation is: versions, devices, data tables and their hashes."""

from __future__ import annotations

import contextlib
import platform
import subprocess
from functools import lru_cache
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from ...kernels.backends import cuda_probe
from ...kernels.backends.machine import cpu_name, usable_cores
from ..text import counted
from ..version import __version__

#: Libraries that the numbers of a result pass through; their versions are in its provenance.
NUMERICAL_PACKAGES = (
    "numpy", "scipy", "numba", "h5py", "SimpleITK", "pydicom", "radioactivedecay", "icrp107-database",
)  # fmt: skip
PACKAGES = (*NUMERICAL_PACKAGES, "pydantic", "pint", "highdicom", "matplotlib")
#: what a run on a GPU passes through, by the names of the distributions that bring it
GPU_PACKAGES = {"numba-cuda": ("numba-cuda",), "CuPy": ("cupy-cuda13x", "cupy-cuda12x", "cupy")}
ROOT = Path(__file__).resolve().parents[2]
#: What decides the numbers of a result, besides the tables; the command line is not part of it.
CODE_FOLDERS = ("engine", "kernels")


def describe() -> dict[str, Any]:
    """Versions, machine, backends and data tables, as plain nested dictionaries."""
    return {
        "hevesy": {
            "version": __version__,
            "commit": commit() or "unknown (not a checkout)",
            "sources": f"sha256 {code_hash()}" if code_hash() else "unknown (only compiled files)",
        },
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "cpu": cpu_name(),
            "cores": usable_cores(),
        },
        "backends": backends(),
        "data": {name: f"sha256 {digest}" for name, digest in table_hashes().items()},
        "packages": {name: _version(name) for name in PACKAGES}
        | {name: _version(*distributions) for name, distributions in GPU_PACKAGES.items()},
    }


def commit() -> str | None:
    """Commit of the running checkout, with ``+changes`` when the tree differs; None for a wheel.

    Where there is no git, as on nodes of a cluster, it is read from the files of git, and changes are not seen.
    """
    if not (ROOT / ".git").exists():
        return None
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except FileNotFoundError:
        return _head()
    except (OSError, subprocess.SubprocessError):
        return None


def _head() -> str | None:
    """The commit that is checked out, by the files of git; None where they do not say."""
    try:
        folder = ROOT / ".git"
        if folder.is_file():  # of a further worktree
            folder = (ROOT / folder.read_text("utf-8").partition("gitdir:")[2].strip()).resolve()
        head = (folder / "HEAD").read_text("utf-8").strip()
        if not head.startswith("ref:"):
            return head
        name = head.partition("ref:")[2].strip()
        common = folder / "commondir"
        homes = [folder, (folder / common.read_text("utf-8").strip()).resolve()] if common.exists() else [folder]
        for home in homes:
            if (home / name).is_file():
                return (home / name).read_text("utf-8").strip()
            packed = (home / "packed-refs").read_text("utf-8") if (home / "packed-refs").exists() else ""
            for line in packed.splitlines():
                if line.endswith(f" {name}"):
                    return line.split()[0]
    except (OSError, UnicodeDecodeError):
        pass
    return None


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def backends() -> dict[str, str]:
    """Which transport backends can run here, and on what."""
    devices = {"cpu": f"Numba {_version('numba')}, {counted(usable_cores(), 'thread')}"}
    reason = cuda_probe.why_not()
    if reason is not None:
        devices["cuda"] = f"not usable: {reason}"
    else:
        survey = cuda_probe.survey_devices()
        told = {n: f" (compute capability {is_})" if is_ else "" for n, is_ in survey.capabilities.items()}
        devices["cuda"] = ", ".join(f"{survey.names[n]}{told.get(n, '')}" for n in survey.usable)
        devices["cuda"] += f", driver {cuda_probe.driver_version() or 'of unknown version'}"
        devices["cuda"] += "".join(f"; not used: {text}" for text in survey.refused())
    return devices


@lru_cache(maxsize=1)
def code_hash() -> str:
    """SHA-256 of the Python sources of ``engine`` and ``kernels``: the same for a checkout and a wheel made from it.

    Names are those of POSIX and lines end as there. Hidden files and folders, which editors leave, are not part of it.
    Where there are no sources, only compiled files, it is empty.
    """
    digest = sha256()
    found = {path.relative_to(ROOT): path for folder in CODE_FOLDERS for path in (ROOT / folder).rglob("*.py")}
    sources = {name.as_posix(): path for name, path in found.items() if not any(p.startswith(".") for p in name.parts)}
    for name in sorted(sources):
        content = sources[name].read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{name}:{len(content)};".encode())
        digest.update(content)
    return digest.hexdigest() if sources else ""


@lru_cache(maxsize=1)
def table_hashes() -> dict[str, str]:
    """SHA-256 of the physics tables that ship with hevesy, by file name."""
    files = sorted((ROOT / "kernels" / "data").glob("*.h5"))
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}


def _version(*distributions: str) -> str:
    """Version of the first of these that is installed."""
    for name in distributions:
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return "not installed"
