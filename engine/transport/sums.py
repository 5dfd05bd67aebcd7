"""Where the sums of batches are kept while a run goes on: in the tally, or on the device that plays them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..errors import HevesyError
from .tally import Tally

Weights = list[tuple[np.ndarray, np.ndarray]]


def region_sums(quanta: np.ndarray, weights: Weights) -> np.ndarray:
    """Weighted energy of each region in one batch [quanta times weight], exact."""
    flat = quanta.reshape(-1)
    return np.array([int((flat[index] * weight).sum()) for index, weight in weights], np.int64)


class HostSums:
    """Every batch's tally comes to the host and is added there."""

    def __init__(self, engine: Any, tally: Tally, weights: Weights) -> None:
        self._engine, self._tally, self._weights = engine, tally, weights
        self._scratch = np.zeros(tally.energy_quanta.size, np.int64)
        # batches are added in a thread of its own: Ctrl-C reaches the main thread alone
        self._adder = ThreadPoolExecutor(1, thread_name_prefix="hevesy-sums")
        self._adder.submit(int).result()

    def play(self, batch: int) -> None:
        """Play a batch and add it to the tally."""
        self._scratch[:] = 0
        counters = self._engine.run_batch(batch, self._tally.batch_histories, self._scratch)
        check_balance(counters)
        regions = region_sums(self._scratch, self._weights)
        pool = getattr(self._engine, "pool", None)
        try:
            self._adder.submit(self._tally.add_batch, batch, self._scratch, regions, counters, pool).result()
        except KeyboardInterrupt:
            self._adder.submit(int).result()  # one after the other: what was begun is done then
            raise

    def settle(self) -> None:
        """Bring the tally's voxels up to date: they are."""


class DeviceSums:
    """Voxels stay on the device; counters and region totals come to the host with every batch.

    The sums are those of :class:`HostSums`, to the bit.
    """

    def __init__(self, device: Any, tally: Tally) -> None:
        self._device, self._tally = device, tally
        self._earlier = tally.n_batches
        if self._earlier:
            device.begin(tally.energy_quanta, tally.energy_quanta_squared)

    def play(self, batch: int) -> None:
        """Play a batch; all but its voxels go to the tally."""
        counters, regions = self._device.run_batch(batch, self._tally.batch_histories)
        check_balance(counters)
        self._tally.add_counts(batch, regions, counters)

    def settle(self) -> None:
        """Bring the tally's voxels up to date."""
        if self._device.batches != self._tally.n_batches - self._earlier:
            # an interrupt between the two: rather no result than one that is wrong by a batch
            raise HevesyError("the run was interrupted while a batch was being added: start it again")
        self._device.fetch(self._tally.energy_quanta, self._tally.energy_quanta_squared)


def sums_of(engine: Any, tally: Tally, weights: Weights) -> HostSums | DeviceSums:
    """Sums on the engine's device where it offers them, else on the host."""
    offered = engine.sums(weights) if hasattr(engine, "sums") else None
    return HostSums(engine, tally, weights) if offered is None else DeviceSums(offered, tally)


def check_balance(counters: dict[str, int]) -> None:
    """Every emitted quantum is deposited or escaped; anything else is a bug, not a result."""
    missing = counters["emitted"] - counters["deposited"] - counters["escaped"]
    if missing != 0:
        raise HevesyError(
            f"energy balance broken by {missing} quanta in one batch (emitted {counters['emitted']}); "
            "this is a bug: please report the problem file and the seed"
        )
