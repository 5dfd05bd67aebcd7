"""Sums and squares of batches on the device are those of the host, to the bit."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hevesy.benchmarks import gpu_bench as bench
from hevesy.engine.errors import HevesyError
from hevesy.engine.statistics import add_limbs, square_limbs, zero_limbs
from hevesy.engine.transport.sums import DeviceSums, HostSums, region_sums, sums_of
from hevesy.kernels.backends import cuda, cuda_memory, cuda_sums
from hevesy.tests.gates import on_simulator
from hevesy.tests.unit.kernels.cuda_fakes import FakeDevice, batches, tally_of, weights_of


@pytest.mark.parametrize("chunk", [7, 1 << 21])
def test_squares_are_exact_in_128_bits(chunk):
    energies = batches(6, 100)
    energies[0][:4] = [np.iinfo(np.int64).min, np.iinfo(np.int64).max, 0, -1]
    total, limbs = np.zeros(100, np.int64), zero_limbs((100,))
    low, high = np.zeros(100, np.uint64), np.zeros(100, np.uint64)
    with np.errstate(over="ignore"):
        for quanta in energies:
            limbs = add_limbs(limbs, square_limbs(quanta))
            total += quanta
        mine = np.zeros(100, np.int64)
        for quanta in energies:
            cuda_sums.add_batch(quanta, mine, low, high, chunk)
    assert np.array_equal(mine, total)
    assert np.array_equal(np.stack([low, high]), limbs)
    exact = sum(q.astype(object) ** 2 for q in energies)
    assert [int(h) * 2**64 + int(v) for h, v in zip(high, low, strict=True)] == list(exact)


def test_regions_are_differences_of_one_running_sum():
    quanta = batches(1, 60)[0] >> 12
    weights = weights_of(60)
    index = cuda_sums.RegionIndex(weights, np.copy)
    assert index.entries == 80
    assert np.array_equal(index.totals(index.ask(quanta)), region_sums(quanta, weights))
    empty = cuda_sums.RegionIndex(weights[:1], np.copy)
    assert np.array_equal(empty.totals(empty.ask(quanta)), [0])
    none = cuda_sums.RegionIndex([], np.copy)
    assert none.totals(none.ask(quanta)).shape == (0,)


def test_a_run_is_the_same_on_the_device_and_on_the_host():
    energies = [quanta >> 14 for quanta in batches(8, 60)]
    weights = weights_of(60)
    tallies = []
    for offer in (True, False):
        tally = tally_of(regions=len(weights))
        sums = sums_of(FakeDevice(energies, offer), tally, weights)
        assert isinstance(sums, DeviceSums if offer else HostSums)
        for batch in range(8):
            sums.run_batch(batch)
        sums.settle()
        tallies.append(tally)
    a, b = tallies
    assert np.array_equal(a.energy_quanta, b.energy_quanta)
    assert np.array_equal(a.energy_quanta_squared, b.energy_quanta_squared)
    assert np.array_equal(a.region_quanta, b.region_quanta)
    assert (a.batch_ids.tolist(), a.balance, a.counters) == (b.batch_ids.tolist(), b.balance, b.counters)


def test_a_run_goes_on_from_earlier_sums():
    energies = [quanta >> 14 for quanta in batches(6, 60)]
    whole, parts = tally_of(regions=0), tally_of(regions=0)
    for tally, spans in ((whole, [range(6)]), (parts, [range(2), range(2, 6)])):
        for span in spans:
            sums = sums_of(FakeDevice(energies), tally, [])
            for batch in span:
                sums.run_batch(batch)
            sums.settle()
            sums.settle()  # as often as one likes
    assert np.array_equal(whole.energy_quanta, parts.energy_quanta)
    assert np.array_equal(whole.energy_quanta_squared, parts.energy_quanta_squared)


def test_a_batch_that_was_counted_by_halves_is_no_result():
    tally = tally_of(regions=0)
    device = FakeDevice([q >> 14 for q in batches(2, 60)])
    offered = device.sums([])
    sums = DeviceSums(offered, tally, [])
    sums.run_batch(0)
    offered.run_batch(1, 10)  # as if an interrupt came before the host counted it
    with pytest.raises(HevesyError, match="interrupted while a batch was being added"):
        sums.settle()


def test_more_than_128_bits_are_refused():
    device = FakeDevice([np.full(4, 1 << 61)] * 2)
    device._counters = lambda batch: {"deposited": 1 << 64}  # type: ignore[method-assign]
    with pytest.raises(OverflowError, match="128 bits"):
        device.sums([]).run_batch(0, 10)


def engine_with(plan: cuda_memory.MemoryPlan, voxels: int) -> cuda.Engine:
    """An engine that has planned and holds nothing."""
    engine = object.__new__(cuda.Engine)
    engine._voxels = voxels
    engine.lanes = [SimpleNamespace(number=0, plan=plan)]
    return engine


def test_no_room_means_sums_on_the_host_and_says_so(caplog):
    voxels = 512**3
    plan = cuda_memory.MemoryPlan(voxels, 5 * voxels, 0, 0, 0, 4 << 30, tiles=1)
    with caplog.at_level(logging.INFO):
        assert engine_with(plan, voxels).sums([]) is None
    assert "sums of batches on the host (on the device: 3.16 GiB of 2.05 GiB left)" in caplog.text


def test_a_divided_tally_has_its_sums_on_the_host():
    plan = cuda_memory.MemoryPlan(1000, 5000, 0, 0, 0, 1 << 30, tiles=2)
    assert engine_with(plan, 1000).sums([]) is None


def test_sums_of_the_largest_grid_fit_24_gib():
    """512^3 voxels, all of them active and in a region: the plan of tests/gates/test_cuda_host.py and the sums."""
    voxels = 512**3
    plan = cuda_memory.MemoryPlan(voxels, 5 * voxels, 12 * voxels, 1 << 24, 600 << 20, 24 << 30, tiles=1)
    needed = cuda_sums.needed_bytes(voxels, voxels)
    assert needed < plan.room
    assert plan.total + needed < 12 << 30


@pytest.fixture(scope="module")
def simulated():
    return on_simulator.output_of(Path(__file__).with_name("cuda_sums_simulated.py"))


def test_simulated_runs_leave_the_same_integers(simulated):
    assert simulated["device"] == simulated["host"] == simulated["resumed"]
    assert int(simulated["device"]["sum"]) > 0
    assert simulated["device"]["batches"] == "6"


def test_a_simulated_run_to_a_goal_ends_at_the_same_batch(simulated):
    assert simulated["until"] == simulated["host, until"]


def test_two_simulated_devices_share_every_batch(simulated):
    assert all(simulated["two devices"].values()), simulated["two devices"]


def test_gpu_bench_times_a_patient(simulated):
    """The host side of ``make gpu-bench``, on the simulator."""
    row = simulated["bench"]
    assert row["target_per_s"] == 1.5e8
    assert row["by_devices"]["1"]["sums"] == "device"
    assert row["by_devices"]["1"]["decays_per_s"] > 0
    assert row["by_schedule"].keys() == {"voted", "interleaved", "histories"}
    assert row["goals"]["voxels>50%:99%"]["reached"]
    problem = {
        "problem": "p",
        "decays_per_s": 1e8,
        "ready_s": 1.0,
        "registers": 150,
        "cpu_decays_per_s": 1e6,
        "shapes": {"132x128": 9e7},
    }
    text = bench.table({"device": "none", "commit": "0" * 40, "rows": [problem], "patients": [row]})
    assert "100.0" in text and "132x128" in text and "i131_patient_4mm" in text and "by histories" in text
