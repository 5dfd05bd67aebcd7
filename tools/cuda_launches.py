"""Launches of the CUDA kernel up to the driver, where there is none: what Numba makes of its arguments, recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import numpy as np


class DeviceArray:
    """What Numba asks of an array on the device when it unpacks it for a launch."""

    __cuda_memory__ = True

    def __init__(self, host: np.ndarray) -> None:
        from numba import typeof

        self._numba_type_ = typeof(host)
        layout = SimpleNamespace(strides_in_bytes=host.strides, is_contiguous_c=True, is_contiguous_f=True)
        self._strided_memory_view_shim = SimpleNamespace(
            size=host.size, dtype=host.dtype, ptr=host.ctypes.data, shape=host.shape, _layout=layout
        )


class Recorded(NamedTuple):
    """A launch as cuda-core gets it."""

    stream: Any
    shape: Any
    function: Any
    arguments: tuple[Any, ...]


class BoundKernel:
    """Numba's dispatcher with one compiled kernel, of which nothing is compiled."""

    def __init__(self, definition: Any) -> None:
        self.definition = definition

    def compile(self, signature: Any) -> Any:
        """The kernel, whatever the signature."""
        return self.definition

    def __getitem__(self, shape: tuple[int, int]) -> Any:
        stream, (blocks, threads) = "stream", shape
        grid, block = (blocks, 1, 1), (threads, 1, 1)

        class Configured(SimpleNamespace):
            def __call__(self, *arguments: Any) -> None:
                self.definition.launch(arguments, self.griddim, self.blockdim, self.stream, 0)

        return Configured(definition=self.definition, griddim=grid, blockdim=block, stream=stream)


@contextlib.contextmanager
def without_a_driver() -> Iterator[tuple[BoundKernel, tuple[Any, ...], list[Recorded]]]:
    """The kernel, its arguments before the numbers, and the launches of it that cuda-core was asked for."""
    import cuda.core
    from hevesy.tools import cuda_offline
    from numba.cuda import dispatcher

    launches: list[Recorded] = []

    def config(grid: Any, block: Any, **_: Any) -> Any:
        return grid, block

    def launch(stream: Any, shape: Any, function: Any, *arguments: Any) -> None:
        launches.append(Recorded(stream, shape, function, arguments))

    world = cuda_offline.world()
    on_device = type(world)(*(DeviceArray(v) if isinstance(v, np.ndarray) else v for v in world))
    arrays = (DeviceArray(np.zeros(n, np.int64)) for n in (world.density.size, 1, 1))
    definition = dispatcher._Kernel.__new__(dispatcher._Kernel)
    definition.extensions, definition.debug, definition.cooperative = [], False, False
    definition._codelibrary = SimpleNamespace(get_cufunc=lambda: SimpleNamespace(kernel="function"))
    definition.signature = SimpleNamespace(args=cuda_offline.signature(cuda_offline.KERNELS[0]))
    with contextlib.ExitStack() as stack:
        for module in (cuda.core, dispatcher):
            stack.enter_context(mock.patch.object(module, "launch", launch))
            stack.enter_context(mock.patch.object(module, "LaunchConfig", config))
        yield BoundKernel(definition), (on_device, *arrays, np.uint32(1), np.uint32(2)), launches
