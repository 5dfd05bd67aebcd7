"""The engine that simulates batches of a world: which backend, and why not another one."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from ...kernels.backends.cuda_errors import CudaFailure, CudaMemoryError, CudaTooLarge
from ...kernels.loader import UnsafeCacheError, cache_root
from ...kernels.tables import World
from ..errors import HevesyError, InputError
from ..text import shortened

log = logging.getLogger(__name__)

BACKENDS = ("auto", "cpu", "cuda", "python")
#: why this process has run on the CPU before
_warned: set[str] = set()


class DeviceRefused(InputError):
    """A CUDA device that a run cannot use, found out before its first batch."""


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


def backend_behind(name: str) -> str:
    """The backend behind a name: ``"auto"`` is a usable CUDA device, else the CPU."""
    check_cache()
    if name != "auto":
        return name
    from ...kernels.backends import cuda_probe

    return "cuda" if cuda_probe.why_not() is None else "cpu"


def chosen_backend(name: str) -> str:
    """The backend behind a name, of a run that begins: the log says which ``"auto"`` is, and why."""
    backend = backend_behind(name)
    if name != "auto":
        return backend
    from ...kernels.backends import cuda_probe

    reason = cuda_probe.why_not()
    if reason is None:
        log.info("backend: cuda, a usable CUDA device was found")
    else:
        _say_cpu(reason, cuda_probe.expected())
    return backend


def cpu_instead(refusal: DeviceRefused) -> str:
    """Say that a run continues on the CPU, in place of a device that refused it; returns the reason."""
    reason = f"{refusal.problem}: {refusal.why}"
    _say_cpu(reason, expected=True)
    return reason


def _say_cpu(reason: str, expected: bool) -> None:
    """Log the backend; where the CPU is not what its owner expects, it is said on the terminal too, once."""
    surprising = reason not in _warned and expected
    log.log(logging.WARNING if surprising else logging.INFO, "backend: cpu, because %s", reason)
    _warned.add(reason)


def no_gpu(engine: Any, requested: str, refused: str = "") -> str:
    """Why ``"auto"`` took the CPU; empty where it did not, or another backend was requested.

    Parameters
    ----------
    engine
        What runs.
    requested
        The backend that was asked for.
    refused
        Why a usable device does not run this problem (:func:`cpu_instead`).
    """
    if requested != "auto" or engine.device.backend != "cpu":
        return ""
    from ...kernels.backends.cuda_probe import why_not

    return refused or why_not() or ""


def device_of(engine: Any, requested: str, refused: str = "") -> str:
    """What ran, for the result; where ``"auto"`` took the CPU, with the reason (arguments of :func:`no_gpu`)."""
    reason = no_gpu(engine, requested, refused)
    return f"{engine.device.name}; no GPU: {reason}" if reason else str(engine.device.name)


def compiles_first(backend: str) -> bool:
    """Whether a run on this backend would compile its kernels, which takes about a minute; later runs find them."""
    if backend == "cpu":
        from ...kernels.backends import cpu

        return not cpu.compiled_before()
    if backend == "cuda":
        check_usable(backend)
        from ...kernels.backends import cuda

        with opening(backend):
            return not cuda.compiled_before()
    return False


def check_usable(backend: str) -> None:
    """Refuse a CUDA backend on a machine that cannot run it; any other backend runs everywhere.

    Raises
    ------
    DeviceRefused
        With the reason.
    """
    check_cache()
    if backend != "cuda":
        return
    from ...kernels.backends import cuda_probe

    with opening(backend):
        cuda_probe.devices()


def open_engine(backend: str, world: World, seed: int, threads: int | None) -> Any:
    """The engine of this backend for this world.

    Parameters
    ----------
    backend
        One of :data:`BACKENDS` but ``"auto"``.
    world, seed, threads
        What it simulates, and on how many threads of the CPU.

    Raises
    ------
    DeviceRefused
        The CUDA backend cannot run here, or not this problem.
    """
    if backend == "cuda":
        with opening(backend):
            from ...kernels.backends import cuda

            return cuda.Engine(world, seed)
    if backend == "python":
        from ...kernels.backends import python

        return python.Engine(world, seed)
    from ...kernels.backends import cpu

    return cpu.Engine(world, seed, threads)


@contextlib.contextmanager
def opening(backend: str) -> Iterator[None]:
    """Report whatever goes wrong between the choice of a device and its first batch as a refusal of the device.

    Packages, compilers, drivers and files of others take part, which raise errors of every kind. Other backends have
    their errors as they are.

    Raises
    ------
    DeviceRefused
        With the reason.
    """
    try:
        yield
    except HevesyError:
        raise
    except Exception as error:
        if backend != "cuda":
            raise
        raise _refusal(error) from error


def _refusal(error: Exception) -> DeviceRefused:
    from ...kernels.backends.cuda_probe import CudaUnavailable

    why, check = str(error), "check `nvidia-smi`, or use the CPU: --backend cpu"
    if isinstance(error, CudaUnavailable):
        problem, why, check = "backend 'cuda' cannot run here", error.why, error.suggestion or check
    elif isinstance(error, CudaTooLarge):
        problem = "the problem does not fit the CUDA device"
        check = "use coarser voxels or a smaller field, or the CPU: --backend cpu"
    elif isinstance(error, CudaMemoryError):
        problem = "the CUDA device is out of memory"
        check = "end what else uses it (`nvidia-smi` lists that), or use the CPU: --backend cpu"
    elif isinstance(error, CudaFailure):
        problem = "the CUDA device does not run the kernel"
    else:
        problem, why = "the CUDA device cannot be opened", f"{type(error).__name__}: {shortened(error, 200)}"
        log.info("%s", problem, exc_info=error)  # the traceback is for whoever asks for all messages
    return DeviceRefused(problem, why=" ".join(why.split()), suggestion=check, field="backend")


@contextlib.contextmanager
def device_failures() -> Iterator[None]:
    """Report a device that fails while it simulates as an error that a user can act on.

    Raises
    ------
    HevesyError
        What the device reports. The sums of the run were on the device and are lost; results that were saved before
        are not touched.
    """
    try:
        yield
    except (CudaFailure, CudaMemoryError) as error:
        raise HevesyError(
            f"the CUDA device failed during the run: {error}\n"
            "  try: run it again (a result that was saved before can still be resumed), or use the CPU: --backend cpu"
        ) from error
