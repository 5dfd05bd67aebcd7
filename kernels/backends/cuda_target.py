"""The CUDA target of the neutral source: the counterpart of ``kernels/target.py``.

Two variants. ``"cuda"`` scores into one array of all voxels. ``"cuda_tiled"`` scores into a window of them, for
grids whose tally does not fit the device: the same histories are then simulated once per window.

Everything is float32 with fast-math: without it, sine, cosine and division compile to float64 slow paths
(docs/decisions/0003-cuda-backend.md). Link-time optimisation stays off, so that the machine code
that runs is assembled from the PTX that the gates check.
"""

from __future__ import annotations

import types as pytypes
from typing import Any, NamedTuple

import numpy as np

from .. import target
from ..loader import load
from . import cuda_compiler
from .cuda_compiler import cuda
from .cuda_options import SCHEDULE
from .cuda_probe import simulated

if not simulated():
    from .cuda_compiler import libdevice

TWO_PI = np.float32(6.283185307179586)

#: Options of every function of the call graph, kernels and callees. Numba loses ``lto`` when they are given to
#: ``cuda.jit`` without the function, so give both at once.
OPTIONS: dict[str, Any] = {"fastmath": True}
if not simulated():
    OPTIONS["lto"] = False
#: functions that the neutral source lets a target replace, and what stands for them here
OWN_FORMS: dict[str, Any] = {}
if cuda_compiler.SUCCESSOR:
    # its functions are not made of LLVM's instructions
    load_vector: Any = cuda.jit(target.load4, device=True, **OPTIONS)
elif not simulated():
    from .cuda_loads import load_vector
    from .cuda_philox import philox

    OWN_FORMS["philox"] = philox


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
    return cuda.jit(function, device=True, **OPTIONS, **cuda_compiler.needs(code))


def _own_form(function: Any) -> Any:
    """The form that this target has of a neutral function, else the function compiled as it is."""
    return OWN_FORMS.get(function.__name__) or _device(function)


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


def _lanes(condition):
    # a vote waits for every thread that its mask names, so it must not name those that an incomplete last warp lacks
    first = np.uint32(cuda.threadIdx.x) & np.uint32(0xFFFFFFE0)
    missing = np.uint32(32) - min(np.uint32(cuda.blockDim.x) - first, np.uint32(32))
    return np.int32(cuda.popc(cuda.ballot_sync(np.uint32(0xFFFFFFFF) >> missing, condition)))


def _load4(array, index):
    return load_vector(array, np.uint32(index))


def _float_bits(x):
    return libdevice.float_as_int(np.float32(x))


def _bits_float(bits):
    return libdevice.int_as_float(np.int32(bits))


# the approximate functions by name, since not every compiler takes them for those of `math` under fast-math
def _log(x):
    return libdevice.fast_logf(np.float32(x))


def _exp(x):
    return libdevice.fast_expf(np.float32(x))


def _cos_sin_2pi(x):
    angle = TWO_PI * np.float32(x)
    return libdevice.fast_cosf(angle), libdevice.fast_sinf(angle)


def _module(name: str, add: Any) -> pytypes.ModuleType:
    module = pytypes.ModuleType(f"hevesy_kernels_{name}.target")
    contents: dict[str, Any] = {"NAME": name, "cuda": cuda, "real": np.float32, "device": _device}
    contents["own_form"] = _own_form
    for kind in ("int32", "int64", "uint32", "uint64"):
        contents[kind.replace("uint", "u").replace("int", "i")] = getattr(np, kind)
    contents["atomic_add"] = cuda.jit(add, device=True, **OPTIONS)
    hardware = (_float_bits, _bits_float, _log, _exp, _cos_sin_2pi, _lanes, _load4)
    functions: tuple[Any, ...] = (_fetch_add, _likely, _prefetch)
    if simulated():
        contents |= {f.__name__[1:]: getattr(target, f.__name__[1:]) for f in hardware}
    else:
        functions += hardware
    contents |= {f.__name__[1:]: cuda.jit(f, device=True, **OPTIONS) for f in functions}
    contents["unlikely"] = contents["likely"]
    vars(module).update(contents)
    return module


_modules: dict[str, pytypes.ModuleType] = {}


#: order in which a thread advances its histories, and the kernel with that order
SCHEDULES = {"voted": "voted_kernel", "interleaved": "interleaved_kernel", "histories": "history_kernel"}


def kernel_function(tiled: bool = False, schedule: str = SCHEDULE) -> Any:
    """The undecorated kernel function, with the whole neutral call graph below it built for CUDA."""
    name = "cuda_tiled" if tiled else "cuda"
    if name not in _modules:
        _modules[name] = _module(name, _tiled if tiled else _whole)
    return loaded(name, schedule)


def loaded(name: str, schedule: str) -> Any:
    """The same of a target by its name."""
    module = load(name, _modules[name], "backends.cuda_kernels")
    cuda_compiler.construct_tuples(module.__name__.split(".")[0])
    return getattr(module, SCHEDULES[schedule])
