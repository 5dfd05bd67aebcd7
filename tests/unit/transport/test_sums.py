"""Sums of batches are whole batches or no result: interrupts at every point, additions that were lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hevesy.engine.errors import HevesyError
from hevesy.engine.statistics import add_limbs, square_limbs, zero_limbs
from hevesy.engine.transport import engines, run
from hevesy.engine.transport.sums import DeviceSums, HostSums, sums_of
from hevesy.engine.transport.tally import Tally
from hevesy.kernels.backends import cuda_errors, cuda_memory
from hevesy.kernels.backends.device import Device
from hevesy.tests.unit.kernels.cuda_fakes import FakeDevice, batches, tally_of, weights_of
from hevesy.tools import cuda_offline

VOXELS, BATCHES = 60, 4


class Trap:
    """Counts what the host asks of a device, and does something at one of these calls."""

    def __init__(self, act: Callable[[], None], at: int = -1) -> None:
        self.act, self.at, self.calls, self.armed = act, at, 0, False

    def __call__(self) -> None:
        if self.armed:
            self.calls += 1
            if self.calls == self.at:
                self.act()


class Watched(np.ndarray):
    """An array whose every operation springs a trap before it, as a device may be interrupted between any two."""

    trap: Trap

    def __array_finalize__(self, other):
        self.trap = getattr(other, "trap", None)

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        self.trap()
        plain = [np.asarray(x) if isinstance(x, Watched) else x for x in inputs]
        into = None if out is None else tuple(np.asarray(x) for x in out)
        result = getattr(ufunc, method)(*plain, **options, **({} if into is None else {"out": into}))
        return watched(result, self.trap) if into is None else out[0]

    def __setitem__(self, key, value):
        self.trap()
        super().__setitem__(key, value)


def watched(array: np.ndarray, trap: Trap) -> np.ndarray:
    view = np.asarray(array).view(Watched)
    view.trap = trap
    return view


class WatchedMemory(cuda_memory.HostMemory):
    """Host memory that counts every call."""

    def __init__(self, trap: Trap) -> None:
        self.trap = trap

    def array(self, host):
        self.trap()
        return watched(host.copy(), self.trap)

    def zeros(self, size, dtype=np.int64):
        self.trap()
        return watched(np.zeros(size, dtype), self.trap)

    def mark(self):
        self.trap()

    def get(self, array, mark=None):
        self.trap()
        return np.array(array)


def energies() -> list[np.ndarray]:
    return [quanta >> 14 for quanta in batches(BATCHES, VOXELS)]


def interrupted(act: Callable[[], None], at: int, slots: int = 2) -> tuple[Tally | None, int]:
    """Tally of a run of which ``act`` happens at a call of the second batch; None when it is refused. The calls."""
    trap = Trap(act, at)
    device = FakeDevice(energies(), slots=slots, memory=WatchedMemory(trap))
    tally = tally_of(regions=5)
    sums = sums_of(device, tally, weights_of(VOXELS))
    assert isinstance(sums, DeviceSums)
    try:
        for batch in range(BATCHES):
            trap.armed = batch == 1
            sums.run_batch(batch, batch + 1 if batch + 1 < BATCHES else None)
    except KeyboardInterrupt:
        pass
    trap.armed = False
    try:
        sums.settle(regions=True)
    except HevesyError:
        return None, trap.calls
    return tally, trap.calls


def assert_whole(tally: Tally) -> None:
    """The tally is the exact sum of the batches that it names."""
    given = energies()[: tally.n_batches]
    assert tally.batch_ids.tolist() == list(range(len(given)))
    limbs = zero_limbs((VOXELS,))
    with np.errstate(over="ignore"):
        for quanta in given:
            limbs = add_limbs(limbs, square_limbs(quanta))
        assert np.array_equal(tally.energy_quanta.reshape(-1), sum(given))
    assert np.array_equal(tally.energy_quanta_squared.reshape(2, -1), limbs)
    assert np.array_equal(tally.region_quanta[:, 3], [int(q.sum()) for q in given])


def nothing() -> None:
    pass


def interrupt() -> None:
    raise KeyboardInterrupt


def ctrl_c() -> None:
    """The signal, and time for the main thread to act on it."""
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    time.sleep(0.01)


@pytest.mark.parametrize("slots", [1, 2])
def test_an_exception_at_any_point_leaves_whole_batches_or_no_result(slots):
    whole, calls = interrupted(nothing, 0, slots)
    assert_whole(whole)
    assert calls > 25
    refused = []
    for at in range(1, calls + 1):
        tally, _ = interrupted(interrupt, at, slots)
        if tally is None:
            refused.append(at)
        else:
            assert tally.n_batches in (1, 2)
            assert_whole(tally)
    # before the first write to the sums the run is what it was; after it, it may not be told from half a batch
    assert refused == list(range(refused[0], refused[-1] + 1))
    assert 2 < refused[0] < calls


@pytest.mark.parametrize("slots", [1, 2])
def test_ctrl_c_at_any_point_leaves_whole_batches(slots):
    """A signal, which Python gives to the main thread: the batch that is being added is added to its end."""
    _, calls = interrupted(nothing, 0, slots)
    for at in range(1, calls + 1, 3):
        tally, _ = interrupted(ctrl_c, at, slots)
        assert tally is not None, at
        assert 1 <= tally.n_batches <= BATCHES
        assert_whole(tally)


def test_half_a_batch_that_adds_up_to_nothing_is_no_result():
    """Energy that balances to zero cannot be missed in the voxels; its squares can."""
    device = FakeDevice([np.array([0, 0, 5]), np.array([7, -7, 0])])
    tally = tally_of((1, 1, 3), regions=0)
    sums = DeviceSums(device.sums([]), tally, [])
    sums.run_batch(0)
    device.counters = lambda slot, mark: interrupt()  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        sums.run_batch(1)
    with pytest.raises(HevesyError, match="interrupted while a batch was being added"):
        sums.settle()


def test_the_next_batch_is_begun_before_the_last_is_read_and_none_beyond_the_end():
    device = FakeDevice(energies())
    tally = tally_of(regions=0)
    sums = sums_of(device, tally, [])
    sums.run_batch(0, 1)
    assert device.begun == [0, 1]
    sums.run_batch(1, 2)
    sums.run_batch(2, None)
    assert device.begun == [0, 1, 2]
    sums.settle()
    assert_voxels(tally, 3)


def test_a_batch_that_was_begun_and_is_not_wanted_is_forgotten():
    device = FakeDevice(energies())
    tally = tally_of(regions=0)
    sums = sums_of(device, tally, [])
    sums.run_batch(0, 3)
    sums.settle()
    assert_voxels(tally, 1)
    sums.run_batch(1, None)
    assert device.begun == [0, 3, 1]
    sums.settle()
    assert_voxels(tally, 2)


def assert_voxels(tally: Tally, count: int) -> None:
    with np.errstate(over="ignore"):
        assert np.array_equal(tally.energy_quanta.reshape(-1), sum(energies()[:count]))


@pytest.mark.parametrize("offer", [True, False])
def test_one_quantum_too_many_is_no_result(offer):
    """Voxels and counters are compared on the device and on the host, whatever went wrong."""
    device = FakeDevice(energies(), offer)
    tally = tally_of(regions=0)
    sums = sums_of(device, tally, [])
    sums.run_batch(0)
    sums.settle()
    device.energies[1] = device.energies[1].copy()
    counters = device._counters(1)
    device._counters = lambda batch: counters  # type: ignore[method-assign]
    device.energies[1][7] += 1
    sums.run_batch(1)
    with pytest.raises(HevesyError, match="its voxels differ from its counters by 1 quanta"):
        sums.settle()


@pytest.mark.parametrize("offer", [True, False])
def test_a_region_that_lost_a_quantum_is_no_result(offer):
    weights = weights_of(VOXELS)
    tally = tally_of(regions=len(weights))
    sums = sums_of(FakeDevice(energies(), offer), tally, weights)
    sums.run_batch(0)
    sums.settle(regions=True)
    tally.region_quanta[0, 1] -= 1
    sums.settle()
    with pytest.raises(HevesyError, match="its regions differ from its voxels"):
        sums.settle(regions=True)


def test_voxels_without_counts_are_no_result_on_the_host(monkeypatch):
    tally = tally_of(regions=0)
    sums = HostSums(FakeDevice(energies(), offer=False), tally, [])
    sums.run_batch(0)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tally, "add_counts", stop)
    with pytest.raises(KeyboardInterrupt):
        sums.run_batch(1)
    with pytest.raises(HevesyError, match="not whole"):
        sums.settle()


@pytest.mark.parametrize("offer", [True, False])
def test_an_earlier_part_is_not_judged_again(offer):
    """A result whose file lacks a counter can be resumed: what was added since is compared."""
    weights = weights_of(VOXELS)
    tally = tally_of(regions=len(weights))
    first = sums_of(FakeDevice(energies(), offer), tally, weights)
    first.run_batch(0)
    first.settle()
    del tally.counters["transferred"]
    sums = sums_of(FakeDevice(energies(), offer), tally, weights)
    sums.run_batch(1)
    sums.settle(regions=True)
    assert_voxels(tally, 2)


def engine_of(**attributes: Any) -> Any:
    """An engine of tiny_problem()'s 64 voxels that runs no physics."""
    device = FakeDevice([q >> 14 for q in batches(BATCHES, 64)])
    for name, value in attributes.items():
        setattr(device, name, value)
    device.device = Device("cuda", "none", 1)  # type: ignore[attr-defined]
    if "close" not in attributes:
        device.close = nothing  # type: ignore[attr-defined]
    return device


def test_a_device_that_fails_during_a_run_is_one_error(monkeypatch):
    def fail(slot: int, mark: None) -> dict[str, int]:
        raise cuda_errors.CudaFailure("simulating histories failed: CUDA_ERROR_LAUNCH_TIMEOUT")

    monkeypatch.setattr(run, "open_engine", lambda *_, **__: engine_of(counters=fail))
    with pytest.raises(HevesyError) as caught:
        run.simulate(cuda_offline.tiny_problem(), decays=40, batch_histories=10, backend="python")
    assert str(caught.value) == (
        "the CUDA device failed during the run: simulating histories failed: CUDA_ERROR_LAUNCH_TIMEOUT\n"
        "  try: run it again (a result that was saved before can still be resumed), or use the CPU: --backend cpu"
    )


def test_a_stop_ends_a_run_on_a_device_after_whole_batches(monkeypatch):
    """The batch that was begun beyond the stop is not counted."""
    engine = engine_of()
    monkeypatch.setattr(run, "open_engine", lambda *_, **__: engine)
    asked = iter([False, True])
    tally = run.simulate(
        cuda_offline.tiny_problem(), decays=40, batch_histories=10, backend="python", stop=lambda: next(asked)
    )
    assert (tally.n_batches, tally.stopped_by, tally.complete) == (2, "interrupt", False)
    assert engine.begun == [0, 1, 2]
    with np.errstate(over="ignore"):
        assert np.array_equal(tally.energy_quanta.reshape(-1), engine.energies[0] + engine.energies[1])


@pytest.mark.parametrize(
    ("error", "problem", "why"),
    [
        (cuda_errors.CudaTooLarge("needs 30 GiB"), "the problem does not fit the CUDA device", "needs 30 GiB"),
        (cuda_errors.CudaMemoryError("no memory for it"), "the CUDA device is out of memory", "no memory for it"),
        (cuda_errors.CudaFailure("no image"), "the CUDA device does not run the kernel", "no image"),
        (EOFError("Ran out of\ninput"), "the CUDA device cannot be opened", "EOFError: Ran out of input"),
    ],
)
@pytest.mark.parametrize("where", ["Engine", "sums_of"])
def test_auto_uses_the_cpu_where_the_device_cannot_run_the_problem(monkeypatch, caplog, error, problem, why, where):
    """With the batches of the CPU, and one line that says why; asked for by name, the device is refused."""
    from hevesy.kernels.backends import cuda, cuda_probe

    def fail(*_: Any) -> None:
        raise error

    closed = []
    opened = engine_of(sums=fail, close=lambda: closed.append(1))
    monkeypatch.setattr(cuda_probe, "why_not", lambda: None)
    monkeypatch.setattr(cuda, "Engine", fail if where == "Engine" else lambda *_: opened)
    monkeypatch.setattr(run, "compiles_first", lambda _: False)
    monkeypatch.setattr(engines, "_warned", set())
    options = {"until": "voxels>50%:99%", "threads": 1}
    with caplog.at_level("INFO"):
        tally = run.simulate(cuda_offline.tiny_problem(), backend="auto", **options)
    assert (tally.backend, tally.batch_histories) == ("cpu", run.OPEN_ENDED_BATCH)
    (line,) = [r for r in caplog.records if "backend: cpu" in r.getMessage()]
    assert (line.levelname, line.getMessage()) == ("WARNING", f"backend: cpu, because {problem}: {why}")
    assert tally.device.endswith(f"; no GPU: {problem}: {why}")
    with pytest.raises(engines.InputError) as caught:
        run.simulate(cuda_offline.tiny_problem(), backend="cuda", **options)
    assert caught.value.exit_code == 2
    assert (caught.value.problem, caught.value.why) == (problem, why)
    assert len(closed) == (2 if where == "sums_of" else 0)
    assert "--backend cpu" in caught.value.suggestion


def test_short_batches_depend_on_the_backend_that_runs():
    options = run.RunOptions(decays=10**9, short_batches=True)
    assert run.batches_of(options, "cpu") == (run.LONGEST_BATCH, 10_000)
    assert run.batches_of(options, "cuda") == (run.LONGEST_BATCH_CUDA, 100)
    assert run.batches_of(run.RunOptions(decays=70, short_batches=True), "cuda") == (2, 35)
    resumed = run.RunOptions(decays=70, short_batches=True, resume=SimpleNamespace(batch_histories=7))
    assert run.batches_of(resumed, "cpu") == (7, 10)
