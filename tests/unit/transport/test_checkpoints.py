"""When a transport saves its sums, by clocks that never jump; and how it is stopped in the middle of a batch."""

from __future__ import annotations

import itertools
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hevesy.engine.transport import checkpoints
from hevesy.engine.transport.checkpoints import STRETCH, Checkpoints
from hevesy.engine.transport.run import simulate
from hevesy.engine.transport.tally import Tally
from hevesy.kernels.backends import cpu
from hevesy.phantoms.problems import voxel_s
from hevesy.tests.patience import PATIENCE_S


@pytest.fixture(scope="module")
def problem():
    return voxel_s("Y-90", voxels=7)


@pytest.mark.parametrize(("every", "took"), [(60.0, 0.1), (60.0, 5.0), (1.0, 0.5)])
def test_the_cost_stays_under_two_percent(monkeypatch, every, took):
    """A day of batches of 0.7 s, on a disk that takes ``took`` seconds for a checkpoint."""
    clock = SimpleNamespace(now=1e6)
    monkeypatch.setattr(
        checkpoints, "time", SimpleNamespace(perf_counter=lambda: clock.now, process_time=lambda: clock.now)
    )

    def save(tally):
        clock.now += took

    saved = Checkpoints(save, every)
    saved.begin(int(took * checkpoints.EXPECTED_BYTES_PER_S))
    tally, start = Tally.empty((1,), 0, 1, 1), clock.now
    gaps, last = [], start
    while clock.now < start + 86_400.0:
        clock.now += 0.7
        if saved.due():
            gaps.append(clock.now - last)
            saved.save(tally)
            last = clock.now
        assert saved.spent_s <= 0.02 * (clock.now - start)
    assert min(gaps) >= max(every, STRETCH * took)
    assert max(gaps) < max(every, STRETCH * took) + 1.4
    assert saved.spent_s == pytest.approx(saved.saved * took)


def test_a_clock_that_jumps_changes_nothing(problem, monkeypatch):
    """Hours back and forth at every look at the time of day."""
    monkeypatch.setattr(checkpoints, "STRETCH", 0.0)
    run = {"decays": 40_000, "seed": 2, "backend": "cpu", "time_limit_s": 3600.0}

    def saved():
        numbers = []
        tally = simulate(problem, **run, checkpoint=Checkpoints(lambda tally: numbers.append(tally.n_batches), 1e-9))
        return tally, numbers

    whole, numbers = saved()
    assert numbers == list(range(1, 50))
    jumps = itertools.cycle([0.0, 1e5, -1e5, 3e9, -1e9])
    monkeypatch.setattr(time, "time", lambda: 1.7e9 + next(jumps))
    jumped, again = saved()
    assert again == numbers
    np.testing.assert_array_equal(jumped.energy_quanta_squared, whole.energy_quanta_squared)


class StopInside:
    """Asks for an end within a batch: at the first look there after a number of batches."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    def __call__(self) -> bool:
        self.left -= 1
        return False

    def peek(self) -> bool:
        return self.left <= 0


@pytest.fixture
def chunks(monkeypatch) -> list[int]:
    """The batch of each chunk that was begun; in batch 2 all but the first wait until the batch is over."""
    begun: list[int] = []
    over = threading.Event()
    of_range, run_batch = cpu.Engine._range, cpu.Engine.run_batch

    def held(self, batch, first, *more):
        begun.append(batch)
        assert batch != 2 or first == 0 or over.wait(PATIENCE_S)
        return of_range(self, batch, first, *more)

    def ends(self, batch, *more):
        try:
            return run_batch(self, batch, *more)
        finally:
            if batch == 2:
                over.set()

    monkeypatch.setattr(cpu.Engine, "_range", held)
    monkeypatch.setattr(cpu.Engine, "run_batch", ends)
    return begun


def test_a_stop_inside_a_batch_leaves_whole_batches(problem, chunks):
    """A batch that is given up is not begun to be added, and the chunks that wait are not simulated."""
    run = {"decays": 160_000, "seed": 2, "backend": "cpu", "batches": 4, "threads": 2}
    saved = []
    part = simulate(problem, **run, stop=StopInside(2), checkpoint=Checkpoints(saved.append, 1e9))
    assert (part.n_batches, part.complete, part.stopped_by) == (2, False, "interrupt")
    assert [tally.n_batches for tally in saved] == [2]
    # the first of 20, and one that each thread had begun
    assert 1 <= chunks.count(2) <= 3 and 3 not in chunks
    whole = simulate(problem, **run)
    resumed = simulate(problem, **run, resume=part)
    for name in ("energy_quanta", "energy_quanta_squared", "region_quanta"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))
    assert resumed.balance == whole.balance and resumed.complete


def test_a_time_limit_counts_the_parts_before(problem):
    run = {"seed": 2, "backend": "cpu", "decays": 40_000}
    part = simulate(problem, **run, time_limit_s=1e-9)
    assert part.stopped_by == "time limit" and part.n_batches == 1
    again = simulate(problem, **run, resume=part, time_limit_s=1e-9)
    assert again.stopped_by == "time limit" and again.n_batches == 1
    assert simulate(problem, **run, resume=part, time_limit_s=3600.0).n_batches == 50
