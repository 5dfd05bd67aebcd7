"""Launches of a kernel of which only a few numbers change from one to the next."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import cuda_probe

log = logging.getLogger(__name__)


class Launch(NamedTuple):
    """Shape of a launch, and the threads that the device can hold at a time."""

    blocks: int
    threads: int
    resident: int


def launcher(kernel: Any, launch: Launch, fixed: tuple[Any, ...], numbers: int) -> Callable[..., None]:
    """A function of the last ``numbers`` arguments (int64) of a kernel that launches it with all of them.

    Numba types and unpacks the arguments at every launch. For the 60 fields of a world that takes longer than it
    takes a device to start, and the device idles meanwhile; here it is done once. The current device's context must be
    the same at every call.

    Parameters
    ----------
    kernel
        Numba's dispatcher.
    launch
        Blocks and threads.
    fixed
        The arguments before the numbers; they live as long as the function.
    numbers
        How many numbers follow.
    """
    configured = kernel[launch.blocks, launch.threads]
    if cuda_probe.simulated():
        return ThroughNumba(configured, fixed)
    try:
        return Prepared(kernel, configured, fixed, numbers)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        # parts of numba-cuda that are not public may be others in the next version
        log.info("CUDA launches through Numba's dispatcher, slower: %s", repr(error))
        return ThroughNumba(configured, fixed)


# Classes, not closures: the frame of a failed launch holds its function until the error is forgotten, and with a
# closure all arrays of the device.


class ThroughNumba:
    """Launches through Numba's dispatcher."""

    def __init__(self, configured: Any, fixed: tuple[Any, ...]) -> None:
        self._configured, self._fixed = configured, fixed

    def __call__(self, *numbers: int) -> None:
        """Launch the kernel."""
        self._configured(*self._fixed, *(np.int64(number) for number in numbers))


class Prepared:
    """Launches by cuda-core with the arguments as Numba unpacks them.

    Raises
    ------
    ImportError, AttributeError, TypeError, ValueError
        When this version of numba-cuda unpacks them in another way.
    """

    def __init__(self, kernel: Any, configured: Any, fixed: tuple[Any, ...], numbers: int) -> None:
        from cuda.core import LaunchConfig, launch
        from numba import typeof

        marks = [np.int64(-1 - i) for i in range(numbers)]
        arguments = (*fixed, *marks)
        definition = kernel.compile(tuple(typeof(a) for a in arguments))
        unpacked: list[Any] = []
        temporary: list[Any] = []
        for kind, value in zip(definition.argument_types, arguments, strict=True):
            definition._prepare_args(kind, value, configured.stream, temporary, unpacked)
        if temporary:
            raise ValueError("an argument is not on the device")
        # the marks come out as they went in: these are the places that change
        last = unpacked[-numbers:]
        if not all(isinstance(v, ctypes.c_int64) and v.value == m for v, m in zip(last, marks, strict=True)):
            raise ValueError("numbers are not passed as int64")
        self._fixed = fixed  # keeps the arrays alive, of which only the addresses are passed
        self._unpacked = unpacked[:-numbers]
        self._shape = LaunchConfig(grid=configured.griddim, block=configured.blockdim)
        self._function, self._stream = definition.library.get_cufunc().kernel, configured.stream
        self._launch = launch

    def __call__(self, *numbers: int) -> None:
        """Launch the kernel."""
        self._launch(
            self._stream, self._shape, self._function, *self._unpacked, *(ctypes.c_int64(number) for number in numbers)
        )
