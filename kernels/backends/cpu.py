"""CPU backend: Numba-compiled histories on a pool of threads, atomic int64 tallies.

Fast-math stays off: it gains little and makes results depend on inlining and on the processor. Compiled code is cached
in a folder named by the hash of every kernel source, because Numba's own cache does not detect a change in a callee in
another file, nor damage of its own files.
"""

from __future__ import annotations

import logging
import os
import sys
import types as pytypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.extending import intrinsic

from .. import target
from ..cache import cache_root, places
from ..loader import load, source_hash
from ..tables import COUNTERS, STACK_DEPTH, STACK_INTS, STACK_REALS, World
from . import cpu_math
from .cpu_kept import KeptFunctions
from .device import Device
from .machine import cpu_name, usable_cores
from .shares import shared

log = logging.getLogger(__name__)

OPTIONS: dict[str, Any] = {"fastmath": False, "error_model": "numpy", "nogil": True, "_nrt": False, "forceinline": True}
#: histories assigned to a thread at a time
CHUNK = 2048


def _retype(constant):
    if type(constant) is float:
        return np.float32(constant)
    if type(constant) is tuple:
        return tuple(_retype(item) for item in constant)
    return constant


def _device(function):
    """Compile a neutral function; its float literals become float32, so that nothing widens to float64."""
    code = function.__code__
    function.__code__ = code.replace(co_consts=tuple(_retype(c) for c in code.co_consts))
    return njit(**OPTIONS)(function)


@intrinsic
def _atomic_add(typingctx, array, index, value):
    """Add to an element; returns its previous value."""
    signature = array.dtype(array, types.intp, array.dtype)

    def codegen(context, builder, signature, arguments):
        struct = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.gep(struct.data, [arguments[1]])
        return builder.atomic_rmw("add", pointer, arguments[2], "monotonic")

    return signature, codegen


@njit(**OPTIONS)
def _add(array, index, value):
    _atomic_add(array, index, value)


@njit(**OPTIONS)
def _fetch_add(array, index, value):
    return _atomic_add(array, index, value)


@intrinsic
def _fetch_line(typingctx, array, index):
    """Request the cache line of an element, for writing."""
    signature = types.void(array, types.intp)

    def codegen(context, builder, signature, arguments):
        struct = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte = ir.IntType(8).as_pointer()
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", (byte,), kind)
        place = builder.bitcast(builder.gep(struct.data, [arguments[1]]), byte)
        # for writing, into all cache levels, data
        builder.call(fetch, [place, number(1), number(3), number(1)])
        return context.get_dummy_value()

    return signature, codegen


@njit(**OPTIONS)
def _prefetch(array, index):
    _fetch_line(array, index)


@njit(**OPTIONS)
def _lanes(condition):
    return np.int32(condition)


def _expected(value: bool):
    """A condition whose usual value the compiler is told: it then emits a branch, never a select."""

    @intrinsic
    def expect(typingctx, condition):
        def codegen(context, builder, signature, arguments):
            bit = ir.IntType(1)
            hint = builder.module.declare_intrinsic("llvm.expect", (bit,), ir.FunctionType(bit, [bit, bit]))
            return builder.call(hint, [arguments[0], bit(int(value))])

        return types.boolean(types.boolean), codegen

    def expected(condition):
        return expect(condition)

    return njit(**OPTIONS)(expected)


def _target() -> pytypes.ModuleType:
    module = pytypes.ModuleType("hevesy_kernels_cpu.target")
    module.NAME = "cpu"  # type: ignore[attr-defined]
    module.real = np.float32  # type: ignore[attr-defined]
    for name in ("int32", "int64", "uint32", "uint64"):
        setattr(module, name.replace("uint", "u").replace("int", "i"), getattr(np, name))
    module.device = module.own_form = _device  # type: ignore[attr-defined]
    module.atomic_add = _add  # type: ignore[attr-defined]
    module.fetch_add = _fetch_add  # type: ignore[attr-defined]
    module.prefetch = _prefetch  # type: ignore[attr-defined]
    module.lanes = _lanes  # type: ignore[attr-defined]
    module.likely, module.unlikely = _expected(True), _expected(False)  # type: ignore[attr-defined]
    module.load4 = njit(**OPTIONS)(target.load4)  # type: ignore[attr-defined]
    for function in (cpu_math.float_bits, cpu_math.bits_float, cpu_math.log, cpu_math.exp, cpu_math.cos_sin_2pi):
        setattr(module, function.__name__, njit(**OPTIONS)(function))
    return module


def cache_folder() -> Path:
    """Cache folder of kernels compiled from exactly these sources, with this Numba and these options."""
    key = source_hash(numba.__version__, np.__version__, sys.version, repr(sorted(OPTIONS.items())))
    return cache_root() / f"kernels-{key[:24]}"


def compiled_before() -> bool:
    """Whether this machine has the compiled transport in its cache."""
    return any(any(place.parent.glob("*.nbc")) for place in places(cache_folder() / "any"))


def kept(function: Any, **options: Any) -> Any:
    """A function compiled with these options of Numba, or read from the cache, at its first use.

    Parameters
    ----------
    function
        A function at the top level of its module: a closure would never be found in the cache.
    options
        Of ``numba.njit``.
    """
    dispatcher = njit(**options)(function)
    dispatcher._cache = KeptFunctions(function, cache_folder())
    return dispatcher


@lru_cache(maxsize=2)
def compiled(module: str, name: str) -> Any:
    """A loop over decays of the neutral source, compiled (or read from the cache) at first use.

    Parameters
    ----------
    module
        Name below ``kernels``.
    name
        A function at its top level: a closure would never be found in the cache.
    """
    return kept(getattr(load("cpu", _target(), module), name), **OPTIONS)


def _compiled() -> Any:
    return compiled("batch", "run_range")


def threads(requested: int | None = None) -> int:
    """Threads to use: the requested number, else ``$HEVESY_THREADS``, else every core this process may run on."""
    if requested:
        return requested
    environment = os.environ.get("HEVESY_THREADS")
    if environment:
        return int(environment)
    return usable_cores()


def device(n_threads: int | None = None) -> Device:
    """Describe the processor this backend runs on."""
    return Device("cpu", cpu_name(), threads(n_threads))


class Engine:
    """Runs batches of one prepared world.

    Parameters
    ----------
    world
        The flat tables (host arrays).
    seed
        Seed of the run (64 bits).
    n_threads
        Threads; default all cores.
    """

    backend = "cpu"

    def __init__(self, world: World, seed: int, n_threads: int | None = None) -> None:
        self.world = world
        self.seed = (np.uint32(seed & 0xFFFFFFFF), np.uint32((seed >> 32) & 0xFFFFFFFF))
        self.device = device(n_threads)
        self._voxels = int(world.nx) * int(world.ny) * int(world.nz)
        self.pool = ThreadPoolExecutor(self.device.threads, thread_name_prefix="hevesy")
        self._run = _compiled()
        #: asked after every chunk; True gives up the batch
        self.stop: Callable[[], bool] | None = None

    def compile(self) -> None:
        """Compile what runs a batch, or read it from the cache, without a history."""
        self._range(0, 0, 0, 1, np.zeros(self._voxels, np.int64))

    def run_batch(self, batch: int, per_batch: int, tally: np.ndarray) -> dict[str, int]:
        """Simulate all histories of a batch into ``tally`` (int64, flat); returns the counters.

        What a signal handler or an error raises here leaves no chunk to be begun: each thread ends the one that it has.

        Raises
        ------
        KeyboardInterrupt
            ``stop`` says so.
        """

        def work(first: int) -> np.ndarray:
            return self._range(batch, first, min(first + CHUNK, per_batch), per_batch, tally)

        total = np.zeros(len(COUNTERS), np.int64)
        for counters in shared(self.pool, work, range(0, per_batch, CHUNK), self.stop):
            total += counters
        return dict(zip(COUNTERS, (int(v) for v in total), strict=True))

    def _range(self, batch: int, first: int, last: int, per_batch: int, tally: np.ndarray) -> np.ndarray:
        """Simulate histories ``first`` to ``last - 1`` of a batch on the calling thread; the counters."""
        counters = np.zeros(len(COUNTERS), np.int64)
        stack_real = np.zeros(STACK_DEPTH * STACK_REALS, np.float32)
        stack_int = np.zeros(STACK_DEPTH * STACK_INTS, np.int32)
        self._run(
            self.world, tally, counters, stack_real, stack_int, *self.seed,
            np.int64(batch), np.int64(first), np.int64(last), np.int64(per_batch),
        )  # fmt: skip
        return counters

    def close(self) -> None:
        """Shut down the thread pool; what no thread has begun is given up."""
        self.pool.shutdown(wait=True, cancel_futures=True)
