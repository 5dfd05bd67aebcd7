"""Sums of batches on the host: exact, on any number of threads, and whole when a run is interrupted."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hevesy.engine.statistics import add_limbs, limbs_to_int, square_limbs, zero_limbs
from hevesy.engine.transport import sums
from hevesy.engine.transport.tally import Tally
from hevesy.kernels.backends import cpu_sums
from hevesy.tests.patience import PATIENCE_S

N = 3 * cpu_sums.CHUNK + 17


def batches(count: int) -> list[np.ndarray]:
    """Every size a batch can have, a third of the voxels empty."""
    random = np.random.default_rng(5)
    found = []
    for _ in range(count):
        quanta = random.integers(-(1 << 62), 1 << 62, N) >> random.integers(0, 62, N)
        quanta[random.random(N) < 0.3] = 0
        found.append(quanta)
    found[0][:4] = [np.iinfo(np.int64).min, np.iinfo(np.int64).max, 0, -1]
    return found


@pytest.mark.parametrize("threads", [0, 3])
def test_sums_and_squares_are_exact(threads) -> None:
    pool = ThreadPoolExecutor(threads) if threads else None
    total, low, high = np.zeros(N, np.int64), np.zeros(N, np.uint64), np.zeros(N, np.uint64)
    limbs, exact = zero_limbs((N,)), np.zeros(N, np.int64)
    for quanta in batches(5):
        cpu_sums.add_batch(quanta, total, low, high, pool)
        limbs = add_limbs(limbs, square_limbs(quanta))
        exact += quanta
    assert np.array_equal(total, exact)
    assert np.array_equal(np.stack([low, high]), limbs)


def test_a_sum_beyond_128_bits_is_an_error() -> None:
    most = np.iinfo(np.uint64).max
    quanta, total = np.array([0, 1 << 20]), np.zeros(2, np.int64)
    low, high = np.array([most, most - (1 << 40) + 1]), np.array([most, most])
    with pytest.raises(OverflowError, match="128 bits"):
        cpu_sums.add_batch(quanta, total, low, high)
    # one less fits to the last bit
    low, high = np.array([most, most - (1 << 40)]), np.array([most, most])
    cpu_sums.add_batch(quanta, total, low, high)
    assert limbs_to_int(np.stack([low, high])).tolist() == [2**128 - 1, 2**128 - 1]


def test_an_interrupt_leaves_whole_batches(monkeypatch) -> None:
    """Ctrl-C while a batch is added: it is added to the end, then the interrupt is seen."""
    import _thread

    class Engine:
        def run_batch(self, batch: int, per_batch: int, scratch: np.ndarray) -> dict[str, int]:
            scratch += 3
            return {"emitted": 12, "deposited": 12, "escaped": 0}

    tally = Tally.empty((1, 2, 2), 0, 1, 1, backend="cpu", device="")
    plain = Tally.add_batch
    begun, pressed = threading.Event(), threading.Event()

    def slowly(self, *given) -> None:
        begun.set()
        assert pressed.wait(PATIENCE_S)
        plain(self, *given)

    monkeypatch.setattr(Tally, "add_batch", slowly)

    def press() -> None:
        if begun.wait(PATIENCE_S):  # else the test has failed, and nobody is to be interrupted
            _thread.interrupt_main()
            pressed.set()

    threading.Thread(target=press).start()
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            sums.HostSums(Engine(), tally, []).run_batch(0)
    finally:
        signal.signal(signal.SIGINT, former)
    assert tally.batch_ids.tolist() == [0]
    assert (tally.energy_quanta == 3).all()
    assert (limbs_to_int(tally.energy_quanta_squared) == 9).all()
