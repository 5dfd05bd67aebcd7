"""Steps below the engine: whether the compilers, the driver and CuPy work, alone and together."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from .runner import Notes

#: attributes that the backend asks a device for, and others that explain its speed
ATTRIBUTES = ("MULTIPROCESSOR_COUNT", "MAX_THREADS_PER_MULTIPROCESSOR")
EXPLAINING = ("CLOCK_RATE", "MEMORY_CLOCK_RATE", "L2_CACHE_SIZE", "KERNEL_EXEC_TIMEOUT")
ROUNDS = 50


def plain_kernel(notes: Notes) -> None:
    """A kernel of one line by numba-cuda as it is installed."""
    from numba import cuda

    _count(notes, cuda)


def own_kernel(notes: Notes) -> None:
    """The same through the project's own import of numba-cuda."""
    from hevesy.kernels.backends.cuda_stack import cuda

    _count(notes, cuda)


def _count(notes: Notes, cuda: Any) -> None:
    @cuda.jit
    def count(out):
        cuda.atomic.add(out, 0, np.int64(1))

    out = cuda.to_device(np.zeros(1, np.int64))
    begin = time.perf_counter()
    count[4, 64](out)
    counted = int(out.copy_to_host()[0])
    if counted != 256:
        raise ArithmeticError(f"256 threads counted to {counted}")
    notes.say(f"compiled and run in {time.perf_counter() - begin:.1f} s")


def names(notes: Notes) -> None:
    """Attributes of the device, by the names that the backend uses."""
    from hevesy.kernels.backends.cuda_stack import cuda

    device = cuda.gpus[0]
    try:
        name = device.name
        notes.tell("card", name=name.decode() if isinstance(name, bytes) else str(name))
    except Exception as error:
        notes.say(f"name: not given ({type(error).__name__})")
    found = {name: int(getattr(device, name)) for name in ATTRIBUTES}
    for name in EXPLAINING:
        try:
            found[name] = int(getattr(device, name))
        except Exception as error:  # an unknown name, or a value that a newer driver no longer gives
            notes.say(f"{name}: not given ({type(error).__name__})")
    notes.tell("attributes", **found)
    notes.say(", ".join(f"{name} {value}" for name, value in found.items()))


def cupy_and_numba(notes: Notes) -> None:
    """CuPy fills, Numba adds, CuPy adds and reads: one context, and one order of work."""
    import cupy
    from hevesy.kernels.backends.cuda_stack import cuda

    @cuda.jit
    def add(values, number):
        i = cuda.grid(1)
        if i < values.size:
            cuda.atomic.add(values, i, number)

    size = 1 << 16 if notes.given.get("factor", 1.0) < 1.0 else 1 << 20
    with cuda.gpus[0], cupy.cuda.Device(0):
        values = cupy.zeros(size, np.int64)
        argument = cuda.as_cuda_array(values)
        begin = time.perf_counter()
        for i in range(ROUNDS):
            values.fill(i)
            add[(size + 127) // 128, 128](argument, np.int64(3))
            values += 1
            read = values.get()
            if not (read == i + 4).all():
                raise ArithmeticError(f"round {i}: {int((read != i + 4).sum())} of {size} values are not {i + 4}")
        seconds = (time.perf_counter() - begin) / ROUNDS
        free, total = cupy.cuda.Device(0).mem_info
    count = int(cupy.cuda.runtime.getDeviceCount())
    notes.tell("interleaved", devices=count, round_ms=1e3 * seconds, free_bytes=int(free), total_bytes=int(total))
    notes.say(f"{1e3 * seconds:.2f} ms a round, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free")


def use(notes: Notes) -> None:
    """What ``--backend auto`` would do here."""
    from hevesy.kernels.backends import cuda as backend
    from hevesy.kernels.backends import cuda_probe

    reason = cuda_probe.why_not()
    if reason is not None:
        raise RuntimeError(f"no usable CUDA device: {reason}")
    numbers = cuda_probe.devices()
    name = backend.device_name(numbers[0])
    notes.tell("device", name=name, numbers=list(numbers), text=backend.describe(numbers, 1).name)
    notes.say(backend.describe(numbers, 1).name)
