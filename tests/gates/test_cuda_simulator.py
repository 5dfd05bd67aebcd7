"""The launch logic on Numba's CUDA simulator: same integers for any launch shape, device count and window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hevesy.tests.conftest import SUITE_ALPHA
from hevesy.tests.gates import on_simulator
from hevesy.tools import cuda_offline
from scipy import stats

SHAPES = (
    "default", "few threads", "more threads than histories", "two devices", "three windows", "short launches",
    "history after history",
)  # fmt: skip


@pytest.fixture(scope="module")
def simulated():
    return on_simulator.output_of(Path(__file__).with_name("cuda_simulated.py"))


@pytest.mark.parametrize("shape", SHAPES)
def test_tallies_and_counters_are_those_of_the_plain_loop(simulated, shape):
    assert simulated[shape] == simulated["plain"]


@pytest.mark.parametrize("shape", SHAPES)
def test_energy_balances_exactly(simulated, shape):
    counters = simulated[shape]["counters"]
    assert counters["emitted"] == counters["deposited"] + counters["escaped"] > 0
    assert counters["deposited"] == simulated[shape]["sum"]
    assert counters["decays"] == 30
    assert counters["stack_overflows"] == 0


def test_photons_by_track_length(simulated):
    """The other scoring mode, its tally in two windows."""
    found = simulated["track length"]
    assert found == simulated["track length, plain"]
    assert found["hash"] != simulated["plain"]["hash"]
    counters = found["counters"]
    assert counters["track_scored"] > 0
    assert found["sum"] == counters["deposited"] - counters["transferred"] + counters["track_scored"]
    assert counters["emitted"] == counters["deposited"] + counters["escaped"]


def test_the_simulator_does_not_pass_for_a_gpu(simulated):
    assert simulated["device"]["backend"] == "cuda-simulator"
    assert "no device" in simulated["device"]["name"]


def test_energies_agree_with_the_cpu(simulated):
    """Deposited and escaped energy and the number of electrons, batch by batch, against compiled code."""
    from hevesy.kernels.backends import cpu

    engine = cpu.Engine(cuda_offline.world(), seed=99, n_threads=1)
    batches = []
    for batch in range(200):
        counts = engine.run_batch(batch, 10, np.zeros(64, np.int64))
        batches.append([counts["deposited"], counts["escaped"], counts["electrons"]])
    engine.close()
    ours, theirs = np.array(simulated["batches"], float), np.array(batches, float)
    p = stats.ttest_ind(ours, theirs, equal_var=False).pvalue
    assert (p > SUITE_ALPHA / 100 / 3).all(), (p, ours.mean(axis=0), theirs.mean(axis=0))
