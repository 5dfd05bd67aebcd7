"""Devices that are none: batches of given energies, in the memory of the host."""

from __future__ import annotations

import contextlib
import sys
import threading
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from hevesy.engine.transport.tally import Tally
from hevesy.kernels.backends import cuda, cuda_lane, cuda_memory, cuda_probe, cuda_sums
from hevesy.kernels.tables import COUNTERS


def batches(count: int, voxels: int, seed: int = 1) -> list[np.ndarray]:
    """Energies of batches, small and as large as 64 bits hold, of either sign."""
    random = np.random.default_rng(seed)
    bits = random.integers(0, 62, (count, voxels))
    values = random.integers(0, 1 << 62, (count, voxels)) >> bits
    return list(np.where(random.random((count, voxels)) < 0.2, -values, values))


class FakeDevice:
    """Plays given batches: an engine with host memory."""

    backend = "cuda"

    def __init__(
        self,
        energies: list[np.ndarray],
        offer: bool = True,
        slots: int = 2,
        memory: cuda_memory.HostMemory | None = None,
    ) -> None:
        self.energies, self.offer, self.slots = energies, offer, slots
        self.memory = memory or cuda_memory.HostMemory()
        self.tallies = [self.memory.zeros(energies[0].size) for _ in range(slots)]
        self.holds = [0] * slots
        #: batches in the order in which they were begun
        self.begun: list[int] = []

    def _counters(self, batch: int) -> dict[str, int]:
        scored = int(np.abs(self.energies[batch]).astype(object).sum())
        # energy that a voxel lost is energy that was scored elsewhere
        lost = scored - int(self.energies[batch].astype(object).sum())
        return {"emitted": scored, "deposited": scored, "escaped": 0, "transferred": lost}

    def run_batch(self, batch: int, per_batch: int, tally: np.ndarray) -> dict[str, int]:
        tally += self.energies[batch]
        return self._counters(batch)

    def start(self, batch: int, per_batch: int, slot: int) -> None:
        self.begun.append(batch)
        self.memory.clear(self.tallies[slot])
        self.tallies[slot] += self.energies[batch]
        self.holds[slot] = batch

    def tally(self, slot: int) -> np.ndarray:
        return self.tallies[slot]

    def counters(self, slot: int, mark: None) -> dict[str, int]:
        return self._counters(self.holds[slot])

    def sums(self, weights):
        return cuda_sums.Sums(self, self.memory, weights) if self.offer else None


def tally_of(shape=(3, 4, 5), regions: int = 3) -> Tally:
    return Tally.empty(shape, regions, 10, 1, backend="cuda", device="none")


def weights_of(voxels: int) -> list:
    random = np.random.default_rng(2)
    return [
        (np.arange(0), np.arange(0)),  # first, without voxels
        (np.arange(0, voxels, 3), random.integers(1, 256, len(range(0, voxels, 3)))),
        (np.arange(0), np.arange(0)),  # in between
        (np.arange(voxels), np.ones(voxels, np.int64)),
        (np.arange(0), np.arange(0)),  # last
    ]


class Queue:
    """Work of one device in the order in which it was asked for: done when somebody waits for it, or at once.

    A device does its work at any time between the two. What comes out right with both needs no luck.
    """

    def __init__(self, prompt: bool) -> None:
        self._prompt, self._work = prompt, deque[Callable[[], None]]()
        self._done = 0

    @property
    def asked(self) -> int:
        """Pieces of work so far."""
        return self._done + len(self._work)

    def ask(self, work: Callable[[], None]) -> None:
        """Have work done after all before it."""
        self._work.append(work)
        if self._prompt:
            self.wait(self.asked)

    def wait(self, count: int) -> None:
        """Return when so many pieces are done; do no more than that."""
        while self._done < count:
            self._work.popleft()()
            self._done += 1


class Allocations:
    """Memory of devices that have room for so many more arrays."""

    def __init__(self, prompt: bool = False) -> None:
        self.left = 1 << 30
        #: arrays that somebody held when memory was last returned to the driver: theirs was not
        self.kept = 0
        self._alive: list[weakref.ref[FakeArray]] = []
        self._queues = defaultdict[int, Queue](lambda: Queue(prompt))
        self._local = threading.local()

    @property
    def current(self) -> list[int]:
        """Devices that this thread has made current, the innermost last."""
        if not hasattr(self._local, "current"):
            self._local.current = [0]
        return self._local.current

    @property
    def queue(self) -> Queue:
        """Work of the current device."""
        return self._queues[self.current[-1]]

    def new(self, values: np.ndarray) -> FakeArray:
        """An array in the memory of the current device.

        Raises
        ------
        OutOfMemoryError
            Of CuPy, when no room is left.
        """
        if not self.left:
            raise OutOfMemoryError(f"Out of memory allocating {values.nbytes} bytes (allocated so far: 9 bytes)")
        self.left -= 1
        array = FakeArray(self, self.queue, values)
        self._alive.append(weakref.ref(array))
        return array

    def zeros(self, size: int, dtype: Any) -> FakeArray:
        """An array that is set to zero when its turn comes."""
        array = self.new(poisoned(np.empty(size, dtype)))
        array.fill(0)
        return array

    @property
    def alive(self) -> int:
        """Arrays that somebody still holds."""
        return sum(reference() is not None for reference in self._alive)


class OutOfMemoryError(MemoryError):
    """Named as CuPy's."""


class CUDARuntimeError(RuntimeError):
    """Named as CuPy's."""


def poisoned(values: np.ndarray) -> np.ndarray:
    """The same array with nothing of use in it."""
    values.view(np.uint8)[...] = 0xAA
    return values


class FakeArray(np.lib.mixins.NDArrayOperatorsMixin):
    """What the backend uses of CuPy's arrays: operations are asked for, and hold poison until they are done.

    Parameters
    ----------
    memory, queue
        The memory that the array is in, and the work of its device.
    values
        What it holds.
    base
        The array that this one is a part of.
    """

    def __init__(self, memory: Allocations, queue: Queue, values: np.ndarray, base: FakeArray | None = None) -> None:
        self._memory, self._queue, self.values, self._base = memory, queue, values, base
        self.size, self.nbytes, self.dtype = values.size, values.nbytes, values.dtype

    def ask(self, work: Callable[[], Any]) -> None:
        """Have the device that the array is on do something, which must be the current one."""
        if self._memory.queue is not self._queue:
            raise RuntimeError("work for the array of another device than the current one")
        self._queue.ask(work)

    def _later(self, function: Callable[..., np.ndarray], *arguments: Any) -> FakeArray:
        """The result of a function, when its turn comes; its shape and type are known now."""
        raw = [self._raw(argument) for argument in arguments]
        values = poisoned(np.empty_like(function(*raw)))
        self.ask(lambda: np.copyto(values, function(*raw)))
        return FakeArray(self._memory, self._queue, values)

    def _raw(self, value: Any) -> Any:
        if not isinstance(value, FakeArray):
            return value
        if value._queue is not self._queue:
            raise RuntimeError("arrays of two devices in one operation")
        return value.values

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None) -> Any:
        if method != "__call__":
            return NotImplemented
        if out is None:
            return self._later(ufunc, *inputs)
        target, raw = self._raw(out[0]), [self._raw(argument) for argument in inputs]
        self.ask(lambda: ufunc(*raw, out=target))
        return out[0]

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __getitem__(self, key: Any) -> FakeArray:
        if isinstance(key, FakeArray):
            return self._later(np.take, self, key)
        return FakeArray(self._memory, self._queue, self.values[key], self)

    def __setitem__(self, key: Any, value: Any) -> None:
        values, raw = self.values, self._raw(value)
        self.ask(lambda: values.__setitem__(key, raw))

    def view(self, dtype: Any) -> FakeArray:
        return FakeArray(self._memory, self._queue, self.values.view(dtype), self)

    def astype(self, dtype: Any) -> FakeArray:
        return self._later(lambda values: values.astype(dtype), self)

    def cumsum(self) -> FakeArray:
        return self._later(np.cumsum, self)

    def fill(self, value: Any) -> None:
        values = self.values
        self.ask(lambda: values.fill(value))

    def set(self, host: np.ndarray) -> None:
        values, copy = self.values, host.copy()
        self.ask(lambda: np.copyto(values, copy))

    def get(self, stream: object = None) -> np.ndarray:
        """A copy: behind all work of the device, or, in another stream, of what is there."""
        if stream is None:
            self._queue.wait(self._queue.asked)
        return self.values.copy()


class Current:
    """A context in which a device is the current one."""

    def __init__(self, memory: Allocations, number: int) -> None:
        self._memory, self.id = memory, number

    def __enter__(self) -> None:
        self._memory.current.append(self.id)

    def __exit__(self, *_: object) -> None:
        self._memory.current.pop()

    def set(self, host: np.ndarray) -> None:
        self[:] = host


def fake_cupy(memory: Allocations) -> Any:
    """The parts of CuPy that the backend uses, on the host."""

    class Device(Current):
        mem_info = (80 << 30, 80 << 30)

        def __init__(self, number: int) -> None:
            super().__init__(memory, number)

    class Event:
        def __init__(self, **_: bool) -> None:
            self._queue, self._count = memory.queue, 0

        def record(self) -> None:
            self._queue, self._count = memory.queue, memory.queue.asked

        def synchronize(self) -> None:
            self._queue.wait(self._count)

    runtime = SimpleNamespace(
        getDeviceProperties=lambda number: {"name": b"Fake GPU"}, driverGetVersion=lambda: 13000,
    )  # fmt: skip

    def give_back() -> None:
        memory.kept = memory.alive

    return SimpleNamespace(
        cuda=SimpleNamespace(Device=Device, Stream=lambda **_: object(), Event=Event, runtime=runtime),
        asarray=lambda host: memory.new(host.copy()),
        zeros=memory.zeros,
        get_default_memory_pool=lambda: SimpleNamespace(free_all_blocks=give_back),
    )


class FakeKernel:
    """Deposits that depend on batch and history alone, as those of the real kernel do."""

    def __init__(self) -> None:
        #: what the next launches raise
        self.error: Exception | None = None
        self.launches: list[tuple[int, int, int]] = []

    def __getitem__(self, shape: tuple[int, int]) -> FakeKernel:
        return self

    def __call__(self, world, tally, totals, tickets, seed_low, seed_high, batch, first, last, per_batch) -> None:
        if self.error is not None:
            raise type(self.error)(*self.error.args)
        self.launches.append((int(batch), int(first), int(last)))
        window, from_voxel = (tally.values, int(tally.first)) if hasattr(tally, "first") else (tally, 0)
        deposits, counters, taken = window.values, totals.values, tickets.values
        voxels = world.density.size

        def work() -> None:
            index = np.arange(first + taken[0], last)
            quanta = 1 + (index + batch) % 7
            voxel = (index * 7 + batch * 3) % voxels - from_voxel
            inside = (voxel >= 0) & (voxel < deposits.size)
            np.add.at(deposits, voxel[inside], quanta[inside])
            for name in ("emitted", "deposited"):
                counters[COUNTERS.index(name)] += quanta.sum()
            taken[0] += last - first

        window.ask(work)


@contextlib.contextmanager
def fake_gpu(monkeypatch: Any, prompt: bool = False) -> Iterator[tuple[Allocations, FakeKernel]]:
    """A machine on which the real engine opens, with a kernel that is none.

    Its devices do their work when somebody waits for it, or, ``prompt``, at once.
    """
    from hevesy.kernels.backends.cuda_stack import cuda as numba_cuda

    class Gpu(Current):
        MULTIPROCESSOR_COUNT, MAX_THREADS_PER_MULTIPROCESSOR, compute_capability = 2, 2048, (9, 0)

    memory, kernel = Allocations(prompt), FakeKernel()
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(memory))
    monkeypatch.setattr(numba_cuda, "gpus", [Gpu(memory, 0), Gpu(memory, 1)])
    monkeypatch.setattr(numba_cuda, "as_cuda_array", lambda array: array)
    monkeypatch.setattr(cuda_probe, "devices", lambda: (0,))
    monkeypatch.setattr(cuda_probe, "driver_version", lambda: "580.1")
    monkeypatch.setattr(cuda_lane, "compiled", lambda *_: kernel)
    monkeypatch.setattr(cuda_lane.Lane, "_measure_launch", lambda lane: cuda.Launch(4, lane.options.threads, 4096))
    yield memory, kernel
