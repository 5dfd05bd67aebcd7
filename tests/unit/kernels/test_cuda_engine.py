"""The engine on a device that is none: memory that runs out, devices that fail, batches begun ahead, options."""

from __future__ import annotations

import gc
import json
import logging
import os
import re

import numpy as np
import pytest
from hevesy.engine.errors import HevesyError
from hevesy.engine.transport import run
from hevesy.engine.transport.sums import DeviceSums, HostSums, sums_of
from hevesy.kernels.backends import cuda, cuda_memory, cuda_options, cuda_probe, cuda_sums
from hevesy.tests.unit.kernels.cuda_fakes import CUDARuntimeError, fake_gpu, tally_of
from hevesy.tools import cuda_offline

WEIGHTS = [(np.arange(20), np.arange(20))]


@pytest.fixture(params=["late", "prompt"])
def gpu(monkeypatch, tmp_path, request):
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: pip install '.[gates]'")
    monkeypatch.setenv("HEVESY_CACHE", str(tmp_path))
    with fake_gpu(monkeypatch, request.param == "prompt") as parts:
        yield parts


@pytest.fixture
def two(monkeypatch):
    monkeypatch.setattr(cuda_probe, "devices", lambda: (0, 1))


@pytest.fixture(scope="module")
def world():
    return cuda_offline.world()


def tally_by(engine, kind, batches=3):
    tally = tally_of((4, 4, 4), regions=1)
    sums = sums_of(engine, tally, WEIGHTS)
    assert isinstance(sums, kind)
    for batch in range(batches):
        sums.run_batch(batch, batch + 1 if batch + 1 < batches else None)
    sums.settle(regions=True)
    return tally


def same(a, b):
    assert a.energy_quanta.sum() > 0
    assert np.array_equal(a.energy_quanta, b.energy_quanta)
    assert np.array_equal(a.energy_quanta_squared, b.energy_quanta_squared)
    assert np.array_equal(a.region_quanta, b.region_quanta)
    assert (a.counters, a.balance) == (b.counters, b.balance)


def test_memory_that_runs_out_while_an_engine_opens_is_refused_and_freed(gpu, two, world):
    memory, _ = gpu
    engine = cuda.Engine(world, 1)
    allocated = memory.alive
    assert allocated >= 40
    engine.close()
    assert memory.alive == 0
    for room in range(0, allocated, 5):
        memory.left = room
        with pytest.raises(cuda.CudaMemoryError, match=r"no memory for an array of \d+\.\d\d GiB: Out of memory"):
            cuda.Engine(world, 1)
        assert (memory.alive, memory.kept) == (0, 0), room


def test_memory_is_freed_while_the_refusal_is_handled(gpu, world):
    """The CPU takes over with the device's memory free, not after the error has been forgotten."""
    memory, _ = gpu
    memory.left = 10
    try:
        cuda.Engine(world, 1)
    except cuda.CudaMemoryError:
        assert (memory.alive, memory.kept) == (0, 0)
    else:
        pytest.fail("there was no room")


def test_no_room_for_sums_means_sums_on_the_host(gpu, world, caplog):
    memory, kernel = gpu
    engine = cuda.Engine(world, 1)
    before = memory.alive
    usual = tally_by(engine, DeviceSums)
    assert len(engine.lanes[0].slots) == 2
    engine.close()
    engine = cuda.Engine(world, 1)
    with caplog.at_level(logging.INFO):
        for room in range(12):
            memory.left = room
            if engine.sums(WEIGHTS) is not None:
                break
            assert (memory.alive, memory.kept) == (before, before), room
            assert len(engine.lanes[0].slots) == 1
            assert "sums of batches on the host (no memory for " in caplog.text
    assert room >= 7
    memory.left = 0
    engine.close()
    memory.left = before
    same(usual, tally_by(cuda.Engine(world, 1), HostSums))


def test_without_room_for_a_second_tally_the_next_batch_waits(gpu, world, monkeypatch):
    _, kernel = gpu
    usual = tally_by(cuda.Engine(world, 1), DeviceSums)
    launched, kernel.launches = [batch for batch, *_ in kernel.launches if _ != [0, 0]], []
    assert launched == [0, 1, 2]
    engine = cuda.Engine(world, 1)
    entries = sum(index.size for index, _ in WEIGHTS)
    needed = cuda_memory.TALLY_BYTES * world.density.size + cuda.cuda_sums.needed_bytes(world.density.size, entries)
    monkeypatch.setattr(cuda_memory.MemoryPlan, "room", needed - 1)
    same(usual, tally_by(engine, DeviceSums))
    assert engine.slots == 1
    monkeypatch.setattr(cuda_memory.MemoryPlan, "room", needed)
    same(usual, tally_by(cuda.Engine(world, 1), DeviceSums))


def test_several_devices_leave_the_sums_of_one(gpu, two, world):
    one, both = cuda.Engine(world, 1, devices=[0]), cuda.Engine(world, 1)
    assert (len(one.lanes), len(both.lanes)) == (1, 2)
    same(tally_by(one, DeviceSums), tally_by(both, DeviceSums))


@pytest.mark.parametrize("divided", [0, 1])
def test_devices_of_which_one_has_room_for_a_window_alone(gpu, two, world, monkeypatch, divided):
    """The sums go to the host, whichever device it is: they need the whole tally of each."""
    usual = tally_by(cuda.Engine(world, 1, devices=[0]), DeviceSums)
    opened, plan = [], cuda_memory.plan

    def tight(world, free, stacks=0, tiles=None):
        opened.append(free)
        return plan(world, free, stacks, 2 if len(opened) == divided + 1 else tiles)

    monkeypatch.setattr(cuda_memory, "plan", tight)
    engine = cuda.Engine(world, 1)
    assert [lane.plan.tiles for lane in engine.lanes] == [2 - divided, 1 + divided]
    same(usual, tally_by(engine, HostSums))


@pytest.mark.parametrize("devices", [[0], [0, 1]])
def test_a_run_that_began_allocates_no_more(gpu, two, world, devices):
    """Neither a run that is resumed, nor the parts of a batch that come from other devices."""
    memory, _ = gpu
    engine = cuda.Engine(world, 1, devices=devices)
    earlier = tally_by(engine, DeviceSums, 2)
    offered = engine.sums(WEIGHTS)
    memory.left = 0
    sums = DeviceSums(offered, earlier, WEIGHTS)
    sums.run_batch(2, 3)
    sums.settle(regions=True)
    memory.left = 100
    same(earlier, tally_by(cuda.Engine(world, 1, devices=devices), DeviceSums))


def test_sums_of_several_devices_are_planned_with_what_the_tallies_pass_through(gpu, two, world, monkeypatch):
    engine = cuda.Engine(world, 1)
    needed = cuda_sums.needed_bytes(world.density.size, 20) + cuda_memory.TALLY_BYTES * world.density.size
    monkeypatch.setattr(cuda_memory.MemoryPlan, "room", needed - 1)
    assert engine.sums(WEIGHTS) is None
    monkeypatch.setattr(cuda_memory.MemoryPlan, "room", needed)
    assert engine.sums(WEIGHTS) is not None


class TestTheseDevices:
    """A wait that is missing or comes too early is seen, by a device that is late."""

    @pytest.fixture(autouse=True)
    def usual(self, monkeypatch, tmp_path):
        pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: pip install '.[gates]'")
        monkeypatch.setenv("HEVESY_CACHE", str(tmp_path))
        with fake_gpu(monkeypatch):
            self.engine = cuda.Engine(cuda_offline.world(), 1)
            yield

    def wrong(self):
        """Whether a run of three batches ends in an error."""
        try:
            tally_by(self.engine, DeviceSums)
        except HevesyError as error:
            assert re.search("tally of this run is not whole|energy balance broken", str(error))
            return True
        return False

    def test_nothing_is_seen_where_nothing_is_wrong(self):
        assert not self.wrong()

    def test_a_mark_that_nobody_waits_for(self, monkeypatch):
        def get(memory, array, mark=None):
            return array.get() if mark is None else array.get(stream=memory._reading)

        monkeypatch.setattr(cuda_memory.CupyMemory, "get", get)
        assert self.wrong()

    def test_a_mark_before_the_work(self, monkeypatch):
        """Recorded before the batch is added, and as it is when the next one has been asked for."""
        usual = cuda_memory.CupyMemory.mark
        early: list = []

        def region_index(index, tally, ask=cuda_sums.RegionIndex.ask):
            early[:] = [usual(self.engine.lanes[0].memory)]
            return ask(index, tally)

        monkeypatch.setattr(cuda_sums.RegionIndex, "ask", region_index)
        monkeypatch.setattr(cuda_memory.CupyMemory, "mark", lambda memory: early[0])
        assert self.wrong()

    def test_tickets_that_nobody_clears(self, monkeypatch):
        usual = cuda_memory.CupyMemory.clear
        tickets = self.engine.lanes[0]._tickets
        monkeypatch.setattr(
            cuda_memory.CupyMemory, "clear", lambda memory, array: array is tickets or usual(memory, array)
        )
        with pytest.raises(AssertionError):
            same(tally_by(cuda.Engine(cuda_offline.world(), 1), DeviceSums), tally_by(self.engine, DeviceSums))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("cudaErrorLaunchTimeout: the launch timed out", "the driver ended a launch that a display was waiting for"),
        ("cudaErrorIllegalAddress: an illegal memory access", "a bad memory access, which is a bug"),
    ],
)
def test_a_launch_that_fails_is_one_error_and_frees_the_memory(gpu, text, meaning):
    memory, kernel = gpu

    def stop() -> bool:
        kernel.error = CUDARuntimeError(text)
        return False

    with pytest.raises(HevesyError) as caught:
        run.simulate(cuda_offline.tiny_problem(), decays=50, batch_histories=10, backend="cuda", stop=stop)
    said = str(caught.value)
    assert f"the CUDA device failed during the run: launching histories failed: {text} ({meaning})" in said
    assert "--backend cpu" in said
    del caught
    gc.collect()  # from Python 3.12 on, the error and its frames hold each other
    assert memory.alive == 0


def test_a_device_that_does_not_load_the_kernel_is_refused(gpu, world):
    memory, kernel = gpu
    kernel.error = CUDARuntimeError("cudaErrorNoKernelImageForDevice")
    with pytest.raises(cuda.CudaFailure, match="loading the kernel failed: cudaErrorNoKernelImageForDevice"):
        cuda.Engine(world, 1)
    assert (memory.alive, memory.kept) == (0, 0)


def test_a_bug_of_the_host_is_not_the_device(gpu, world):
    _, kernel = gpu
    kernel.error = ZeroDivisionError("of ours")
    with pytest.raises(ZeroDivisionError):
        cuda.Engine(world, 1)


def test_launches_are_as_long_as_the_device_is_large(gpu, world):
    _, kernel = gpu
    engine = cuda.Engine(world, 1)
    assert engine.lanes[0].per_launch == 2 << 16
    engine.close()
    kernel.launches = []
    engine = cuda.Engine(world, 1, options=cuda.CudaOptions(histories_per_launch=4))
    engine.run_batch(5, 10, np.zeros(64, np.int64))
    assert kernel.launches[1:] == [(5, 0, 4), (5, 4, 8), (5, 8, 10)]


def test_options_of_a_card_are_used_and_named(gpu, world):
    best = cuda.CudaOptions("histories", 96, 64, 1000)
    cuda_options.save("Fake GPU", best)
    cuda_options.save("Another", cuda_options.DEFAULT)
    engine = cuda.Engine(world, 1, devices=[0])
    assert engine.lanes[0].options == best
    assert engine.lanes[0].launch.threads == 64
    assert engine.device.name == (
        "Fake GPU (compute capability 9.0, histories, at most 96 registers, blocks of 64 threads, "
        "at most 1000 histories per launch), driver 580.1, CUDA 13.0"
    )
    assert cuda.describe([0], 1).name == engine.device.name
    other = cuda.Engine(world, 1, devices=[0], options=cuda_options.DEFAULT)
    assert "(compute capability 9.0, voted, at most 96 registers)" in other.device.name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 3000 + "]" * 3000, "cannot be read as JSON (maximum recursion depth"),
        ("[]", "must hold one object"),
        ('{"Fake GPU": 3}', "options must be an object, not 3"),
        ('{"Fake GPU": {"scheduel": "histories"}}', "unknown option 'scheduel'; there are schedule, max_registers"),
        ('{"Fake GPU": {"schedule": ["histories"]}}', "schedule must be one of voted, interleaved, histories"),
        ('{"Fake GPU": {"max_registers": 100}}', "max_registers must be one of (None, 96, 80, 64), not 100"),
        ('{"Fake GPU": {"max_registers": 96.0}}', "not 96.0"),
        ('{"Fake GPU": {"threads": 100}}', "threads must be a multiple of 32 up to 256, not 100"),
        ('{"Fake GPU": {"threads": true}}', "not True"),
        ('{"Fake GPU": {"histories_per_launch": 0}}', "histories_per_launch must be a positive whole number"),
    ],
)
def test_options_that_cannot_be_used_are_ignored_and_logged(gpu, caplog, text, why):
    file = cuda_options.options_file()
    file.write_text(text)
    assert cuda_options.options_for("Fake GPU") == cuda_options.DEFAULT
    assert "options of Fake GPU ignored, the defaults are used" in caplog.text
    assert why in caplog.text
    cuda_options.save("Other", cuda_options.DEFAULT)
    assert "Other" in json.loads(file.read_text())


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_options_that_are_no_file_are_ignored_and_logged(gpu, caplog, make):
    """To open a pipe that nobody writes to would not end."""
    make(cuda_options.options_file())
    assert cuda_options.options_for("Fake GPU") == cuda_options.DEFAULT
    assert "cuda-options.json: cannot be read as JSON (is not a file)" in caplog.text


def test_options_that_no_kernel_can_have_are_not_saved(gpu):
    with pytest.raises(ValueError, match="max_registers"):
        cuda_options.save("Fake GPU", cuda.CudaOptions(max_registers=1))
    assert not cuda_options.options_file().exists()
