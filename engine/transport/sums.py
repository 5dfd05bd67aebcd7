"""Where the sums of batches are held during a run: in the tally, or on the device that simulates them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..errors import HevesyError
from .problem import Problem
from .tally import Tally

#: Of each region: flat indices of its voxels, and their int64 weights.
Weights = list[tuple[np.ndarray, np.ndarray]]


def regions_of(
    problem: Problem, regions: Sequence[np.ndarray] | np.ndarray | None, names: Sequence[str]
) -> tuple[tuple[str, ...], Weights]:
    """Names and weights of the regions of a run.

    Parameters
    ----------
    problem
        Its own regions, each voxel in one of them with weight 1, are used when no others are given.
    regions
        Integer weights per voxel of each region, (n, nz, ny, nx).
    names
        Their names; "region 1", "region 2" and so on by default.
    """
    if regions is None:
        if problem.regions is None:
            return (), []
        flat = np.asarray(problem.regions).ravel()
        count = max(int(flat.max()), len(problem.region_names))
        indices = [np.flatnonzero(flat == i) for i in range(1, count + 1)]
        named = [problem.region_names[i] if i < len(problem.region_names) else f"region {i + 1}" for i in range(count)]
        return tuple(named), [(index, np.ones(index.size, np.int64)) for index in indices]
    weights = []
    for region in regions:
        flat = np.asarray(region).ravel()
        index = np.flatnonzero(flat)
        weights.append((index, flat[index].astype(np.int64)))
    return tuple(names) or tuple(f"region {i + 1}" for i in range(len(weights))), weights


def region_sums(quanta: np.ndarray, weights: Weights) -> np.ndarray:
    """Weighted energy of each region in one batch [quanta times weight], exact."""
    flat = quanta.reshape(-1)
    return np.array([int((flat[index] * weight).sum()) for index, weight in weights], np.int64)


class HostSums:
    """Every batch's tally comes to the host and is added there."""

    def __init__(self, engine: Any, tally: Tally, weights: Weights) -> None:
        self._engine, self._tally, self._weights = engine, tally, weights
        self._scratch = np.zeros(tally.energy_quanta.size, np.int64)
        # batches are added in a separate thread, because Ctrl-C reaches the main thread only
        self._adder = ThreadPoolExecutor(1, thread_name_prefix="hevesy-sums")
        self._adder.submit(int).result()

    def compile(self) -> None:
        """Compile, or read from the cache, what simulates batches and adds them."""
        if hasattr(self._engine, "compile"):
            self._engine.compile()
        from ...kernels.backends.cpu_sums import add_batch

        none, limb = np.zeros(1, np.int64), np.zeros(1, np.uint64)
        add_batch(none, none.copy(), limb, limb.copy())

    def run_batch(self, batch: int) -> None:
        """Simulate a batch and add it to the tally."""
        self._scratch[:] = 0
        counters = self._engine.run_batch(batch, self._tally.batch_histories, self._scratch)
        check_balance(counters)
        regions = region_sums(self._scratch, self._weights)
        pool = getattr(self._engine, "pool", None)
        try:
            self._adder.submit(self._tally.add_batch, batch, self._scratch, regions, counters, pool).result()
        except KeyboardInterrupt:
            self._adder.submit(int).result()  # returns when the batch that was being added is complete
            raise

    def settle(self) -> None:
        """Nothing to do: the tally's voxels are up to date after every batch."""


class DeviceSums:
    """Voxels stay on the device; counters and region totals come to the host with every batch.

    The sums are bit-identical to those of :class:`HostSums`.
    """

    def __init__(self, device: Any, tally: Tally) -> None:
        self._device, self._tally = device, tally
        self._earlier = tally.n_batches
        if self._earlier:
            device.begin(tally.energy_quanta, tally.energy_quanta_squared)

    def compile(self) -> None:
        """Nothing to do: an engine on a device was compiled when it was opened."""

    def run_batch(self, batch: int) -> None:
        """Simulate a batch; all but its voxels go to the tally."""
        counters, regions = self._device.run_batch(batch, self._tally.batch_histories)
        check_balance(counters)
        self._tally.add_counts(batch, regions, counters)

    def settle(self) -> None:
        """Bring the tally's voxels up to date."""
        if self._device.batches != self._tally.n_batches - self._earlier:
            # an interrupt between the two: no result is better than one that is wrong by a batch
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
