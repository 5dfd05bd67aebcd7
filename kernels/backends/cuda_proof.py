"""The proof that a CUDA device can be used: it is used. Run in a process of its own by ``cuda_probe``.

A kernel of three lines is compiled, linked, loaded and launched on every device, on memory that CuPy allocated, with
the options of the transport; CuPy then compiles and launches one of its own. Nothing is read from a cache, so the
compilers are proved too. What is learnt is printed as it is learnt, a JSON list on each line:

- ``["count", devices]``,
- ``["device", number, name, reason, capability]`` for each, with an empty reason where it can be used, and an empty
  compute capability where it was not told,
- ``["stack", reason, suggestion]`` if it does not come that far.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

import numpy as np

#: values that the kernel changes; more than a warp, fewer than a block
VALUES = 100
#: longest reason that is passed on; libraries put whole compiler logs into their errors
LONGEST = 300
#: what packages raise that are damaged or do not belong together, and no driver
OF_PACKAGES = (ImportError, AttributeError, TypeError, ctypes.ArgumentError, SystemExit)


def one_line(text: str) -> str:
    """The first sentence of a text, not too long."""
    lines = [line.strip() for line in text.splitlines() if line.strip(" -=*:")]
    return lines[0].split(". ")[0][:LONGEST].rstrip(".") if lines else ""


def reason_of(error: BaseException) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {one_line(str(error))}".rstrip(": ")


def prove(number: int, cuda: Any, cupy: Any) -> None:
    """Have a device calculate something, and look at the result.

    Raises
    ------
    Exception
        Whatever the compilers, the driver or CuPy raise; `ArithmeticError` if the result is wrong.
    """
    from .cuda_target import OPTIONS

    def halve_and_count(out, count):
        i = cuda.grid(1)
        if i < out.size and cuda.atomic.add(count, 0, 1) >= 0:
            out[i] = out[i] // 2 + 1

    with cuda.gpus[number], cupy.cuda.Device(number):
        values = cupy.asarray(np.arange(VALUES, dtype=np.int64))
        count = cupy.asarray(np.zeros(1, np.int64))
        kernel = cuda.jit(halve_and_count, **OPTIONS)
        kernel[1, 128](cuda.as_cuda_array(values), cuda.as_cuda_array(count))
        squares = (values * values).get()
        if not np.array_equal(squares, (np.arange(VALUES) // 2 + 1) ** 2) or int(count.get()[0]) != VALUES:
            raise ArithmeticError("wrong result")


def tell(*fact: Any) -> None:
    """Print one fact, at once: the process may not live to print another."""
    sys.stdout.write("\n" + json.dumps(fact) + "\n")  # a library may have printed half a line
    sys.stdout.flush()


def examine(number: int, cuda: Any, cupy: Any) -> tuple[str, str, str]:
    """Name of a device, why it cannot be used (empty if it can), and its compute capability."""
    from .cuda_probe import OLDEST

    name, is_ = "of unknown name", ""
    try:
        given = cupy.cuda.runtime.getDeviceProperties(number)["name"]
        name = given.decode() if isinstance(given, bytes) else str(given)
        capability = cuda.gpus[number].compute_capability
        is_, least = (".".join(str(n) for n in version) for version in (capability, OLDEST))
        if tuple(capability) < OLDEST:
            return name, f"compute capability {is_}; {least} or newer is needed", is_
        prove(number, cuda, cupy)
    except (Exception, SystemExit) as error:  # the packages, compilers and drivers below raise errors of every kind
        return name, f"a test of three lines failed ({reason_of(error)})", is_
    return name, "", is_


def main(known: set[int]) -> None:
    """Examine every device but those that are known."""
    from .cuda_probe import INSTALL

    packages = stage = "the CUDA packages do not load"
    suggestion = install = f"in a new environment: {INSTALL}"
    try:
        import cupy

        from .cuda_stack import cuda

        packages = "the CUDA packages do not work"
        stage, suggestion = "the CUDA driver does not start", "check `nvidia-smi`; the driver may be too old"
        if not cuda.is_available():
            error_text = cuda.cuda_error()
            if error_text is None:
                tell("stack", "libNVVM cannot be loaded", f"it comes with {INSTALL}")
            else:
                tell("stack", f"{stage} ({one_line(error_text)})", suggestion)
            return
        count = cupy.cuda.runtime.getDeviceCount()
    except (Exception, SystemExit) as error:  # see above
        if isinstance(error, OF_PACKAGES):
            stage, suggestion = packages, install
        tell("stack", f"{stage} ({reason_of(error)})", suggestion)
        return
    tell("count", int(count))
    for number in sorted(set(range(count)) - known):
        tell("device", number, *examine(number, cuda, cupy))
