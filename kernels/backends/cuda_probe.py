"""Whether CUDA can be used here, and if not, why, in terms that a user can act on."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import sys
from functools import lru_cache
from pathlib import Path

#: the oldest device that the CUDA 13 tools compile for
OLDEST = (7, 5)
INSTALL = "pip install 'hevesy[gpu]'"


class CudaUnavailable(RuntimeError):
    """CUDA cannot run here.

    Parameters
    ----------
    why
        The reason, one clause.
    suggestion
        What to do about it.
    """

    def __init__(self, why: str, suggestion: str = "") -> None:
        self.why, self.suggestion = why, suggestion
        super().__init__(why)


def simulated() -> bool:
    """Whether Numba's CUDA simulator replaces a device (tests of the launch logic)."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def missing_packages() -> list[str]:
    """Packages of the extra ``gpu`` that are not installed."""
    names = {"numba_cuda": "numba-cuda", "cupy": "CuPy"}
    return [shown for module, shown in names.items() if importlib.util.find_spec(module) is None]


def _driver_missing() -> bool:
    """Whether the CUDA driver library is missing, tested without loading Numba or CuPy."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(name)
    except OSError:
        return True
    return False


@lru_cache(maxsize=1)
def devices() -> tuple[int, ...]:
    """Numbers of the usable devices.

    Raises
    ------
    CudaUnavailable
        If there is none, with the reason.
    """
    if simulated():
        return (0,)
    missing = missing_packages()
    if missing:
        raise CudaUnavailable(f"{' and '.join(missing)} not installed", INSTALL)
    if _driver_missing():
        raise CudaUnavailable(
            "no NVIDIA driver on this machine (its CUDA library cannot be loaded)",
            "run where an NVIDIA GPU and its driver are, or use the CPU",
        )
    from numba import cuda

    if not cuda.is_available():
        raise CudaUnavailable(
            f"the CUDA driver or libNVVM does not work ({_reason()})",
            f"check `nvidia-smi`; libNVVM comes with {INSTALL}",
        )
    import cupy

    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise CudaUnavailable(f"the CUDA runtime reports: {error}", "check `nvidia-smi`") from error
    usable = tuple(i for i in range(count) if cuda.gpus[i].compute_capability >= OLDEST)
    if not usable:
        old = ", ".join(f"{c[0]}.{c[1]}" for c in (cuda.gpus[i].compute_capability for i in range(count)))
        raise CudaUnavailable(
            f"{count} CUDA devices, of compute capability {old or 'none'}; {OLDEST[0]}.{OLDEST[1]} or newer is needed",
            "use the CPU",
        )
    return usable


def _reason() -> str:
    from numba import cuda

    error = cuda.cuda_error()
    return str(error) if error else "libNVVM not found"


def why_not() -> str | None:
    """Why CUDA cannot be used, or None when it can; the simulator does not count as a device."""
    if simulated():
        return "Numba's CUDA simulator is on, which is not a device"
    try:
        devices()
    except CudaUnavailable as error:
        return error.why
    return None


def driver_version() -> str:
    """Version of the NVIDIA driver, empty if it cannot be determined."""
    file = Path("/proc/driver/nvidia/version")
    try:
        version = re.search(r"\s(\d+\.\d+(?:\.\d+)?)\s", file.read_text())
        if version:
            return version[1]
    except OSError:
        pass
    return _driver_version_from_smi()


def _driver_version_from_smi() -> str:
    import shutil
    import subprocess

    smi = shutil.which("nvidia-smi")
    if smi is None:
        return ""
    try:
        answer = subprocess.run(
            [smi, "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return (answer.stdout.split() or [""])[0]
