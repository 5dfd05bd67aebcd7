"""The reproducibility contract: the same integers for any threads, chunks, shards and order of merging."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.results.merge import merge
from hevesy.engine.results.result import Result
from hevesy.engine.statistics import add_limbs
from hevesy.engine.transport.run import simulate
from hevesy.kernels.backends import cpu
from hevesy.tests.verification.drivers import BONE, LUNG, WATER, block

DECAYS, BATCHES, SEED = 6000, 6, 17


def problem():
    rng = np.random.default_rng(5)
    shape = (6, 5, 4)
    material = rng.integers(0, 3, shape)
    return block(
        nuclide("I-124").emission,
        shape,
        3.0,
        (LUNG, WATER, BONE),
        np.array([0.26, 1.0, 1.85])[material],
        material,
        rng.random(shape),
    )


def weights():
    return np.array([(np.indices((6, 5, 4)).sum(axis=0) % 3 == i) * np.uint8(200) for i in range(3)])


def run(**options):
    return simulate(problem(), **({"decays": DECAYS, "batches": BATCHES, "seed": SEED, "regions": weights()} | options))


def assert_identical(a, b) -> None:
    np.testing.assert_array_equal(a.energy_quanta, b.energy_quanta)
    np.testing.assert_array_equal(a.energy_quanta_squared, b.energy_quanta_squared)
    np.testing.assert_array_equal(a.region_quanta, b.region_quanta)
    assert a.balance == b.balance and a.counters == b.counters and np.array_equal(a.batch_ids, b.batch_ids)


@pytest.fixture(scope="module")
def whole():
    return run(threads=1)


@pytest.mark.parametrize("threads", [2, 3])
def test_any_number_of_threads(whole, threads) -> None:
    assert_identical(run(threads=threads), whole)


@pytest.mark.parametrize("chunk", [1, 37, 10_000])
def test_any_chunk_of_histories(whole, chunk, monkeypatch) -> None:
    monkeypatch.setattr(cpu, "CHUNK", chunk)
    assert_identical(run(threads=2), whole)


def test_another_seed_is_another_run(whole) -> None:
    other = run(seed=SEED + 1)
    assert (other.energy_quanta != whole.energy_quanta).mean() > 0.9
    high = run(seed=SEED + (1 << 32))
    assert (high.energy_quanta != whole.energy_quanta).mean() > 0.9


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_shards_add_up_to_the_whole(whole, order) -> None:
    per_batch = DECAYS // BATCHES
    shards = [
        run(decays=2 * per_batch, batches=None, first_batch=first, batch_histories=per_batch) for first in (0, 2, 4)
    ]
    shards = [shards[i] for i in order]
    np.testing.assert_array_equal(sum(s.energy_quanta for s in shards), whole.energy_quanta)
    squares = shards[0].energy_quanta_squared
    for s in shards[1:]:
        squares = add_limbs(squares, s.energy_quanta_squared)
    np.testing.assert_array_equal(squares, whole.energy_quanta_squared)
    rows = {b: row for s in shards for b, row in zip(s.batch_ids, s.region_quanta, strict=True)}
    np.testing.assert_array_equal(np.array([rows[b] for b in range(BATCHES)]), whole.region_quanta)
    for key, value in whole.balance.items():
        assert sum(s.balance[key] for s in shards) == value
    merged = merge([Result.from_tally(problem(), s) for s in shards])
    np.testing.assert_array_equal(merged.tally.energy_quanta, whole.energy_quanta)
    np.testing.assert_array_equal(merged.tally.energy_quanta_squared, whole.energy_quanta_squared)


def test_a_run_twice_in_one_process(whole) -> None:
    assert_identical(run(threads=1), whole)
