"""In place of Numba's CUDA package, where ``FAULT_KERNEL`` is set: kernels run on the host, and fail as it says.

Python imports this module when it starts, in the process under test and in the one that it starts. The value lists
``device:fault`` pairs; a device that is not listed works.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
import types


class Cuda(types.ModuleType):
    """What ``cuda_proof`` and ``cuda_stack`` use of ``numba.cuda``."""

    def __init__(self, faults: dict[int, str]) -> None:
        super().__init__("numba.cuda")
        self.faults, self.current, self.thread = faults, 0, 0
        self.config = types.SimpleNamespace()
        self.libdevice = self.atomic = types.SimpleNamespace(add=self._add)
        self.gpus = self

    def __getitem__(self, number: int) -> _Device:
        return _Device(self, number)

    def is_available(self) -> bool:
        return True

    def as_cuda_array(self, array):
        return array

    def grid(self, _dimensions: int) -> int:
        return self.thread

    def jit(self, function, **_options):
        if self.faults.get(self.current) == "compiler":
            raise AttributeError("module 'numpy' has no attribute 'row_stack'")
        return _Kernel(self, function)

    @staticmethod
    def _add(array, index, value):
        array[index] += value
        return array[index] - value


class _Device(contextlib.AbstractContextManager):
    def __init__(self, cuda: Cuda, number: int) -> None:
        self.cuda, self.number = cuda, number
        self.compute_capability = (7, 0) if cuda.faults.get(number) == "old" else (9, 0)

    def __enter__(self):
        self.cuda.current = self.number
        return self

    def __exit__(self, *_):
        return None


class _Kernel:
    def __init__(self, cuda: Cuda, function) -> None:
        self.cuda, self.function = cuda, function

    def __getitem__(self, shape: tuple[int, int]):
        return lambda *arguments: self._launch(shape[0] * shape[1], arguments)

    def _launch(self, threads: int, arguments) -> None:
        fault = self.cuda.faults.get(self.cuda.current, "")
        if fault == "refused":
            raise RuntimeError("[209] Call to cuLibraryLoadData results in CUDA_ERROR_NO_BINARY_FOR_GPU\nlong text")
        if fault == "linker":
            raise RuntimeError("libnvJitLink.so.13: cannot open shared object file: No such file or directory")
        if fault == "crash":
            os.abort()
        while fault == "hang":
            time.sleep(1)
        for self.cuda.thread in range(threads if fault != "wrong" else threads // 4):
            self.function(*arguments)


if "FAULT_KERNEL" in os.environ:
    pairs = (pair.split(":") for pair in os.environ["FAULT_KERNEL"].split(","))
    sys.modules["numba.cuda"] = Cuda({int(number): fault for number, fault in pairs})
    internal, extending = (types.ModuleType(f"numba.cuda.{name}") for name in ("cudadrv", "extending"))
    internal.driver = types.SimpleNamespace(Linker=None)  # nothing is linked: kernels run on the host
    extending.intrinsic = lambda function: function
    sys.modules |= {module.__name__: module for module in (internal, extending)}
