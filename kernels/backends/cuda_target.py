"""The CUDA target of the neutral source: the counterpart of ``kernels/target.py``.

Two variants. ``"cuda"`` scores into one array of all voxels. ``"cuda_tiled"`` scores into a window of them, for
grids whose tally does not fit the device: the same histories are then simulated once per window.

Everything is float32 with fast-math: without it, sine, cosine and division compile to float64 slow paths
(docs/decisions/0003-cuda-backend.md). Link-time optimisation stays off, so that the machine code
that runs is assembled from the PTX that the gates check.
"""

from __future__ import annotations

import math
import types as pytypes
from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from .. import target
from ..loader import load
from .cuda_probe import simulated

if not simulated():
    from numba.cuda import libdevice

TWO_PI = np.float32(6.283185307179586)

#: Options of every function of the call graph, kernels and callees. Numba loses ``lto`` when they are given to
#: ``cuda.jit`` without the function, so give both at once.
OPTIONS: dict[str, Any] = {"fastmath": True}
if not simulated():
    OPTIONS["lto"] = False


class Tile(NamedTuple):
    """A window of the tally: energy of voxels ``first`` to ``first + values.size - 1``."""

    values: Any
    first: Any


def _retype(constant: Any) -> Any:
    if type(constant) is float:
        return np.float32(constant)
    if type(constant) is tuple:
        return tuple(_retype(item) for item in constant)
    return constant


def _device(function: Any) -> Any:
    """Compile a neutral function for the device, its float literals as float32."""
    code = function.__code__
    function.__code__ = code.replace(co_consts=tuple(_retype(c) for c in code.co_consts))
    return cuda.jit(function, device=True, **OPTIONS)


def _whole(tally, index, value):
    cuda.atomic.add(tally, np.uint64(index), value)  # type: ignore[call-arg]


def _tiled(tally, index, value):
    local = np.int64(index) - tally.first
    if local >= 0 and local < tally.values.size:
        cuda.atomic.add(tally.values, np.uint64(local), value)  # type: ignore[call-arg]


def _fetch_add(array, index, value):
    return cuda.atomic.add(array, np.uint64(index), value)  # type: ignore[call-arg]


def _likely(condition):
    return condition


def _prefetch(tally, index):
    """Do nothing: a GPU thread does not wait for an addition whose result it does not read."""
    return  # Numba needs a statement after the docstring


def _float_bits(x):
    return libdevice.float_as_int(np.float32(x))


def _bits_float(bits):
    return libdevice.int_as_float(np.int32(bits))


def _log(x):
    return math.log(np.float32(x))


def _exp(x):
    return math.exp(np.float32(x))


def _cos_sin_2pi(x):
    angle = TWO_PI * np.float32(x)
    return math.cos(angle), math.sin(angle)


def _module(name: str, add: Any) -> pytypes.ModuleType:
    module = pytypes.ModuleType(f"hevesy_kernels_{name}.target")
    contents: dict[str, Any] = {"NAME": name, "real": np.float32, "device": _device}
    for kind in ("int32", "int64", "uint32", "uint64"):
        contents[kind.replace("uint", "u").replace("int", "i")] = getattr(np, kind)
    contents["atomic_add"] = cuda.jit(add, device=True, **OPTIONS)
    if simulated():
        contents |= {name: getattr(target, name) for name in ("float_bits", "bits_float")}
    else:
        contents |= {f.__name__[1:]: cuda.jit(f, device=True, **OPTIONS) for f in (_float_bits, _bits_float)}
    functions = (_log, _exp, _cos_sin_2pi, _fetch_add, _likely, _prefetch)
    contents |= {f.__name__[1:]: cuda.jit(f, device=True, **OPTIONS) for f in functions}
    contents["unlikely"] = contents["likely"]
    vars(module).update(contents)
    return module


_modules: dict[str, pytypes.ModuleType] = {}


#: order in which a thread advances its histories, and the kernel with that order
SCHEDULES = {"interleaved": "interleaved_kernel", "histories": "history_kernel"}


def kernel_function(tiled: bool = False, schedule: str = "interleaved") -> Any:
    """The undecorated kernel function, with the whole neutral call graph below it built for CUDA."""
    name = "cuda_tiled" if tiled else "cuda"
    if name not in _modules:
        _modules[name] = _module(name, _tiled if tiled else _whole)
    return getattr(load(name, _modules[name], "backends.cuda_kernels"), SCHEDULES[schedule])
