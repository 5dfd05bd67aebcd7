"""One tally: batches add up exactly, parts of a run add up to the whole in any order, a result's sums are final."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.statistics import limbs_to_int
from hevesy.engine.transport.tally import Tally

SHAPE = (2, 3, 4)
PER_BATCH = 1000
COUNTS = {"emitted": 7 * 2**60, "deposited": 4 * 2**60, "escaped": 3 * 2**60, "steps": 5}


def quanta(batch: int) -> np.ndarray:
    return np.random.default_rng([3, batch]).integers(0, 2**50, size=SHAPE)


def part(*batches: int) -> Tally:
    tally = Tally.empty(SHAPE, 1, PER_BATCH, 7, region_names=("all",), backend="cpu")
    for batch in batches:
        tally.add_batch(batch, quanta(batch), np.array([quanta(batch).sum()]), COUNTS)
    return tally


def python_integers(batches) -> tuple[np.ndarray, np.ndarray]:
    """Sums and sums of squares in integers without a size."""
    energies = [quanta(b).astype(object) for b in batches]
    return sum(energies), sum(e * e for e in energies)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_parts_add_up_to_the_whole_in_any_order(order):
    parts = [part(0, 1, 2, 3), part(4), part(5, 6)]
    before = [p.energy_quanta.copy() for p in parts]
    total = Tally.joined(parts[i] for i in order)
    sums, squares = python_integers(range(7))
    assert (total.energy_quanta == sums).all()
    assert (limbs_to_int(total.energy_quanta_squared) == squares).all()
    assert total.batch_ids.tolist() == list(range(7))
    assert total.region_quanta[:, 0].tolist() == [int(quanta(b).sum()) for b in range(7)]
    assert total.balance == {name: 7 * COUNTS[name] for name in ("emitted", "deposited", "escaped")}
    assert total.counters == {name: 7 * count for name, count in COUNTS.items()}
    assert total.decays == 7 * PER_BATCH and total.history_range.tolist() == [[0, 7 * PER_BATCH]]
    for p, energy in zip(parts, before, strict=True):
        assert (p.energy_quanta == energy).all()
    assert [p.n_batches for p in parts] == [4, 1, 2]


def test_a_gap_shows_in_the_ranges():
    assert Tally.joined([part(5), part(0, 1)]).history_range.tolist() == [[0, 2000], [5000, 6000]]
    assert part().history_range.shape == (0, 2)


def test_the_tally_of_a_result_is_final():
    tally = part(0, 1)
    frozen = tally.frozen()
    assert np.shares_memory(frozen.energy_quanta, tally.energy_quanta)
    for change in (
        lambda: frozen.add(part(2)),
        lambda: frozen.add_batch(2, quanta(2), np.array([1]), COUNTS),
        lambda: frozen.add_counts(2, np.array([1]), COUNTS),
        lambda: frozen.energy_quanta.__setitem__((0, 0, 0), 1),
        lambda: frozen.batch_ids.__setitem__(0, 1),
    ):
        with pytest.raises(ValueError):
            change()
    tally.add(part(2))
    assert frozen.n_batches == 2
    assert frozen.balance["emitted"] == 2 * COUNTS["emitted"] and frozen.counters["steps"] == 10


def test_a_voxel_beyond_64_bits_is_refused():
    full = part(0)
    full.energy_quanta[0, 0, 0] = 2**63 - 1
    with pytest.raises(OverflowError, match="64 bits"):
        Tally.joined([full, part(1)])
