"""Compiled CUDA kernels and the folder they are cached in."""

from __future__ import annotations

import contextlib
import logging
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ..cache import cache_root, say_temporary, temporary_root
from ..loader import source_hash
from . import cuda_probe
from .cuda_options import MAX_REGISTERS, SCHEDULE

log = logging.getLogger(__name__)

#: what compiles and links, where it is installed: without nvJitLink the driver links, and rounds in its own way
COMPILERS = (
    "numba", "numba-cuda", "llvmlite", "numpy", "cuda-core", "cuda-bindings", "cuda-toolkit",
    "nvidia-nvvm", "nvidia-nvvm-cu12", "nvidia-cuda-nvcc", "nvidia-nvjitlink", "nvidia-nvjitlink-cu12",
)  # fmt: skip


def versions() -> list[str]:
    """Names and versions of everything that has a hand in a kernel, of this Python first."""
    out = [sys.version]
    for name in COMPILERS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            out.append(f"{name} {metadata.version(name)}")
    return out


def cache_folder() -> Path:
    """Cache folder of kernels compiled from exactly these sources, with these versions and options."""
    from . import cuda_target

    key = source_hash("cuda", *versions(), repr(sorted(cuda_target.OPTIONS.items())))
    return cache_root() / f"kernels-cuda-{key[:24]}"


def compiled_before() -> bool:
    """Whether this machine has the compiled transport in its cache; the simulator compiles nothing."""
    return cuda_probe.simulated() or any(cache_folder().rglob("*.nbc"))


@cache
def compiled(tiled: bool = False, schedule: str = SCHEDULE, max_registers: int | None = MAX_REGISTERS) -> Any:
    """The kernel; Numba compiles it, or reads it from the cache, at the first launch on a device.

    Parameters
    ----------
    tiled
        Whether it scores into a window of the tally.
    schedule
        Order of the histories of a thread (``cuda_target.SCHEDULES``).
    max_registers
        Ceiling of registers per thread; None leaves the number to the assembler.
    """
    from . import cuda_target
    from .cuda_stack import cuda

    function = cuda_target.kernel_function(tiled, schedule)
    if cuda_probe.simulated():
        return cuda.jit(function, **cuda_target.OPTIONS)
    ceiling = {} if max_registers is None else {"max_registers": max_registers}
    kernel = cuda.jit(function, **ceiling, **cuda_target.OPTIONS)
    # Numba's own key holds the source and the types, not the options: each ceiling has a folder
    _keep(kernel, function, cache_folder() / f"registers-{max_registers or 'free'}")
    return kernel


def _keep(kernel: Any, function: Any, folder: Path) -> None:
    """Have a kernel read from a folder and written to it, else in the temporary cache, where that can be done."""
    try:
        try:
            kernel._cache = _kept(function, folder)
        except (OSError, RuntimeError) as error:
            kernel._cache = _kept(function, temporary_root() / folder.parent.name / folder.name)
            say_temporary(folder.parent.parent, error)
    except (OSError, RuntimeError) as error:
        log.info("compiled CUDA kernels are not kept: %s", error)


def _kept(function: Any, folder: Path) -> Any:
    from .cuda_kept import KeptKernels
    from .cuda_stack import cuda

    config: Any = cuda.config
    previous = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        return KeptKernels(function, folder)
    finally:
        config.CACHE_DIR = previous
