"""The kernel with a stack and caps so small that histories reach them, and the same histories as plain Python.

In the real kernel no history of a test fills the stack or comes to a cap, so that what happens then would be code that
nothing has run. The limits are constants of the neutral source: the loader imports it once more, under another name,
with others in their place.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from hevesy.kernels import target
from hevesy.kernels.backends import python
from hevesy.kernels.loader import load
from hevesy.tools import cuda_offline, ptx_cache

from . import emulator, transport


class Limits(NamedTuple):
    """Constants of the neutral source: particles on the stack, flights of a photon, rounds of a rejection loop."""

    stack: int
    flights: int
    rounds: int


SMALL = Limits(1, 3, 2)


def set_limits(name: str, modules: ModuleType, limits: Limits) -> None:
    """Put limits in place of the constants of a target that has loaded nothing yet."""
    load(name, modules, "tables").STACK_DEPTH = limits.stack  # type: ignore[attr-defined]
    constants: Any = load(name, modules, "constants")
    constants.FLIGHTS_CAP, constants.LOOP_CAP = np.int32(limits.flights), np.int32(limits.rounds)


@cache
def library(limits: Limits = SMALL, cc: tuple[int, int] = (9, 0)) -> tuple[emulator.Library, str]:
    """The kernel with limits, compiled for this machine, and its PTX."""
    kernel = cuda_offline.Kernel()
    name = f"{kernel}-limits-{'-'.join(map(str, limits))}-sm{cc[0]}{cc[1]}.ptx"
    code = ptx_cache.stored(cuda_offline.ptx_folder() / name, lambda: _compile(limits, cc, kernel))
    return emulator.Library(emulator.build(code, cuda_offline.ptx_folder())), code


def _compile(limits: Limits, cc: tuple[int, int], kernel: cuda_offline.Kernel) -> str:
    from hevesy.kernels.backends import cuda_target

    name = "cuda_" + "_".join(map(str, limits))
    if name not in cuda_target._modules:
        cuda_target._modules[name] = cuda_target._module(name, cuda_target._whole)
        set_limits(name, cuda_target._modules[name], limits)
    return cuda_offline.compile_function(cuda_target.loaded(name, kernel.schedule), cc, kernel)


def run(world: Any, seed: int, batch: int, decays: int, limits: Limits = SMALL) -> transport.Outcome:
    """A batch by the kernel with limits."""
    code, _ = library(limits)
    tally, counters, _ = emulator.play(code, world, seed, batch, 0, decays, decays, 1, 64)
    return transport.Outcome(tally, counters, code.nan_conversions())


def as_python(world: Any, seed: int, batch: int, decays: int, limits: Limits = SMALL) -> transport.Outcome:
    """The same as plain Python."""
    name = "python_" + "_".join(map(str, limits))
    set_limits(name, target, limits)
    tally = np.zeros(world.density.size, np.int64)
    engine = python.Engine(world, seed, name)
    return transport.Outcome(tally, engine.run_batch(batch, decays, tally), 0)
