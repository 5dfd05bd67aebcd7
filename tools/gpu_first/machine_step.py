"""The first step: what is installed here. With the standard library alone, as a machine may have no more."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata

from . import advice
from .runner import Notes

#: packages that every step needs, each with what pip is told to install
NEEDED = {
    "numpy": "numpy<2.5", "scipy": "scipy", "numba": "numba<0.69", "numba-cuda": "numba-cuda[cu{0}]>=0.30,<0.31",
    "h5py": "h5py", "pytest": "pytest",
}  # fmt: skip
CUPY = "cupy-cuda{0}x"
#: other packages whose version may explain a failure
OTHERS = (
    "cupy-cuda13x", "cupy-cuda12x", "llvmlite", "cuda-core", "cuda-bindings", "cuda-pathfinder", "nvidia-nvvm",
    "nvidia-nvjitlink", "nvidia-cuda-nvrtc", "nvidia-cuda-runtime",
)  # fmt: skip
#: libraries of the compilers, each with the package that brings it for CUDA 12 and for CUDA 13
LIBRARIES = {
    "nvvm": {12: "nvidia-cuda-nvcc-cu12", 13: "nvidia-nvvm==13.0.*"},
    "nvrtc": {12: "nvidia-cuda-nvrtc-cu12", 13: "nvidia-cuda-nvrtc==13.0.*"},
    "nvJitLink": {12: "nvidia-nvjitlink-cu12", 13: "nvidia-nvjitlink==13.0.*"},
}
DRIVER = "an NVIDIA driver"
#: the first driver of CUDA 13
CUDA_13_DRIVER = 580
SMI_FIELDS = "name,driver_version,memory.total,clocks.max.sm,persistence_mode,utilization.gpu"


def machine(notes: Notes) -> None:
    """Versions, driver, cards, and where the compiler's libraries come from."""
    from hevesy.engine.results.environment import commit
    from hevesy.kernels.backends import cuda_probe
    from hevesy.kernels.backends.machine import cpu_name, usable_cores
    from hevesy.tools.reference import reference_folder

    versions = {name: version for name in (*NEEDED, *OTHERS) if (version := _version(name))}
    libraries = {name: _library(name) for name in LIBRARIES}
    driver = cuda_probe.driver_version()
    notes.tell(
        "machine",
        commit=commit() or "unknown", python=platform.python_version(), system=platform.platform(), cpu=cpu_name(),
        cores=usable_cores(), driver=driver, cards=_smi(), versions=versions, libraries=libraries,
        reference=reference_folder() is not None,
    )  # fmt: skip
    notes.say(", ".join(f"{name} {version}" for name, version in versions.items()))
    for name, place in libraries.items():
        notes.say(f"{name}: {place or 'NOT FOUND'}")
    lacks = [name for name in NEEDED if name not in versions]
    lacks += cuda_probe.missing_packages() + [name for name, place in libraries.items() if not place]
    lacks += [] if advice.driver_is_here() else [DRIVER]
    if lacks:
        lacks = list(dict.fromkeys(lacks))
        notes.tell(advice.KIND, text=what_to_install(lacks, driver))
        raise RuntimeError(f"missing: {', '.join(lacks)}")


def what_to_install(lacks: Iterable[str], driver: str) -> str:
    """What brings the things that are missing: a line for pip, and where a driver comes from.

    Parameters
    ----------
    lacks
        Names of :data:`NEEDED` and :data:`LIBRARIES`, ``"CuPy"``, :data:`DRIVER`.
    driver
        Version of the driver, which decides between CUDA 12 and 13; CUDA 13 where it is empty.
    """
    major = driver.split(".")[0]
    cuda = 12 if major.isdigit() and int(major) < CUDA_13_DRIVER else 13
    libraries = [LIBRARIES[name][cuda] for name in lacks if name in LIBRARIES]
    # numba-cuda has the libraries come along in their newest version, which older drivers of CUDA 13 refuse
    toolkit = ["cuda-toolkit==13.0.*"] if cuda == 13 and "numba-cuda" in lacks else []
    wanted = [text.format(cuda) for name, text in {**NEEDED, "CuPy": CUPY}.items() if name in lacks]
    wanted += toolkit + libraries
    lines = []
    if wanted:
        quoted = " ".join(f"'{name}'" for name in wanted)
        lines.append(f"{sys.executable} -m pip install {quoted}")
    if libraries:
        lines.append("or set CUDA_HOME to a toolkit")
    if DRIVER in lacks:
        lines.append(advice.NO_DRIVER)
    return "; ".join(lines)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _library(name: str) -> str:
    """Path of a library of the CUDA toolkit, and how it was found; empty when it was not."""
    try:
        from cuda import pathfinder

        loaded = pathfinder.load_nvidia_dynamic_lib(name)
    except Exception:  # each of its failures has another type
        return ""
    return f"{loaded.abs_path} ({getattr(loaded, 'found_via', 'unknown')})"


def _smi() -> list[str]:
    """Lines of nvidia-smi, one for each card: what :data:`SMI_FIELDS` names."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    asked = [program, f"--query-gpu={SMI_FIELDS}", "--format=csv,noheader"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return []
