"""The engine that simulates batches of a world: which backend, and why not another one."""

from __future__ import annotations

import logging
from typing import Any

from ...kernels.loader import UnsafeCacheError, cache_root
from ...kernels.tables import World
from ..errors import InputError

log = logging.getLogger(__name__)

BACKENDS = ("auto", "cpu", "cuda", "python")


def check_backend(backend: str) -> None:
    """Refuse a backend that does not exist.

    Raises
    ------
    InputError
        With the names of those that do.
    """
    if backend not in BACKENDS:
        raise InputError(
            f"unknown backend {backend!r}",
            why=f"there are {', '.join(BACKENDS)}",
            suggestion=f"one of {', '.join(BACKENDS)}",
            field="backend",
        )


def check_cache() -> None:
    """Refuse a cache that compiled code must not be loaded from.

    Raises
    ------
    InputError
        With the reason.
    """
    try:
        cache_root()
    except UnsafeCacheError as error:
        raise InputError(
            str(error),
            why="compiled code is loaded from the cache",
            suggestion="set HEVESY_CACHE to a folder of your own, by its whole path, or leave it unset",
            field="HEVESY_CACHE",
        ) from None


def chosen_backend(backend: str) -> str:
    """The backend behind a name: ``"auto"`` is a usable CUDA device, else the CPU; the log says which and why."""
    check_cache()
    if backend != "auto":
        return backend
    from ...kernels.backends.cuda_probe import why_not

    reason = why_not()
    if reason is None:
        log.info("backend: cuda, a usable CUDA device was found")
        return "cuda"
    log.info("backend: cpu, because %s", reason)
    return "cpu"


def compiles_first(backend: str) -> bool:
    """Whether a run on this backend would compile its kernels, which takes about a minute; later runs find them."""
    if backend == "cpu":
        from ...kernels.backends import cpu

        return not cpu.compiled_before()
    if backend == "cuda":
        check_usable(backend)
        from ...kernels.backends import cuda

        return not cuda.compiled_before()
    return False


def check_usable(backend: str) -> None:
    """Refuse a CUDA backend on a machine that cannot run it; any other backend runs everywhere.

    Raises
    ------
    InputError
        With the reason.
    """
    check_cache()
    if backend != "cuda":
        return
    from ...kernels.backends import cuda_probe

    try:
        cuda_probe.devices()
    except cuda_probe.CudaUnavailable as error:
        raise _unusable(error) from error


def open_engine(backend: str, world: World, seed: int, threads: int | None) -> Any:
    """The engine of this backend for this world; another backend is never used in its place.

    Raises
    ------
    InputError
        The CUDA backend cannot run here, or the problem does not fit its device.
    """
    if backend == "cuda":
        return _cuda_engine(world, seed)
    if backend == "python":
        from ...kernels.backends import python

        return python.Engine(world, seed)
    from ...kernels.backends import cpu

    return cpu.Engine(world, seed, threads)


def _cuda_engine(world: World, seed: int) -> Any:
    from ...kernels.backends import cuda, cuda_memory, cuda_probe

    try:
        return cuda.Engine(world, seed)
    except cuda_probe.CudaUnavailable as error:
        raise _unusable(error) from error
    except cuda_memory.CudaMemoryError as error:
        raise InputError(
            "the problem does not fit the CUDA device",
            why=str(error),
            suggestion="use coarser voxels or a smaller field, or the CPU: --backend cpu",
            field="backend",
        ) from error


def _unusable(error: Any) -> InputError:
    """The refusal for a `CudaUnavailable`."""
    return InputError(
        "backend 'cuda' cannot run here",
        why=error.why,
        suggestion=error.suggestion or "use the CPU: --backend cpu",
        field="backend",
    )
