"""Where the sums of batches are held during a run: in the tally, or on the device that simulates them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


class Account:
    """Whether the voxels and regions of a tally hold exactly the energy that its counters say was scored.

    Integers, so one addition that was lost, half done or done twice shows, whatever the reason. What a tally began
    with is not judged: only what was added since.

    Parameters
    ----------
    tally
        The tally, before the first batch is added.
    weights
        Indices and weights of its regions.
    """

    def __init__(self, tally: Tally, weights: Weights) -> None:
        self._tally, self._weights = tally, weights
        self._voxels, self._regions = 0, np.zeros(len(weights), np.int64)
        if tally.n_batches:
            self._voxels, self._regions = self._excess(), self._region_excess()

    def check(self, *, regions: bool = False) -> None:
        """Compare the voxels, and the regions where asked.

        Raises
        ------
        HevesyError
            They differ: the tally is no result.
        """
        quanta = (self._excess() - self._voxels) % (1 << 64)
        if quanta:
            raise HevesyError(_no_result(f"its voxels differ from its counters by {_signed(quanta)} quanta"))
        if regions and not np.array_equal(self._region_excess(), self._regions):
            raise HevesyError(_no_result("its regions differ from its voxels"))

    def _excess(self) -> int:
        """Quanta in voxels beyond those that were scored, modulo 2^64 as the voxels are summed."""
        count = self._tally.counters.get
        scored = count("deposited", 0) - count("transferred", 0) + count("track_scored", 0)
        return int(self._tally.energy_quanta.sum()) - scored

    def _region_excess(self) -> np.ndarray:
        """The same of the regions of all batches, beyond what their voxels hold; int64 (regions,)."""
        return self._tally.region_quanta.sum(axis=0) - region_sums(self._tally.energy_quanta, self._weights)


def _no_result(why: str) -> str:
    return (
        f"the tally of this run is not whole: {why}. It was interrupted while a batch was being added, or this is a "
        "bug: run it again, and report the problem file and the seed if it happens again"
    )


def _signed(quanta: int) -> int:
    return quanta - (1 << 64) if quanta >= 1 << 63 else quanta


class _Adder:
    """Runs functions one after the other in a thread of its own, because Ctrl-C reaches the main thread only."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hevesy-sums")
        self.wait()

    def run(self, function: Callable[..., None], *arguments: Any) -> None:
        """Run a function to its end, also when Ctrl-C comes meanwhile: then it ends first."""
        try:
            self._thread.submit(function, *arguments).result()
        except KeyboardInterrupt:
            self.wait()
            raise

    def wait(self) -> None:
        """Return when all that was given has ended, which a second Ctrl-C may have kept :meth:`run` from seeing."""
        self._thread.submit(int).result()


class HostSums:
    """Every batch's tally comes to the host and is added there."""

    def __init__(self, engine: Any, tally: Tally, weights: Weights) -> None:
        self._engine, self._tally, self._weights = engine, tally, weights
        self._scratch = np.zeros(tally.energy_quanta.size, np.int64)
        self._account, self._adder = Account(tally, weights), _Adder()

    def compile(self) -> None:
        """Compile, or read from the cache, what simulates batches and adds them."""
        if hasattr(self._engine, "compile"):
            self._engine.compile()
        from ...kernels.backends.cpu_sums import add_batch

        none, limb = np.zeros(1, np.int64), np.zeros(1, np.uint64)
        add_batch(none, none.copy(), limb, limb.copy())

    def run_batch(self, batch: int, following: int | None = None) -> None:
        """Simulate a batch and add it to the tally; the following one is not begun."""
        self._scratch[:] = 0
        counters = self._engine.run_batch(batch, self._tally.batch_histories, self._scratch)
        check_balance(counters)
        regions = region_sums(self._scratch, self._weights)
        pool = getattr(self._engine, "pool", None)
        self._adder.run(self._tally.add_batch, batch, self._scratch, regions, counters, pool)

    def settle(self, *, regions: bool = False) -> None:
        """Compare the tally's voxels, which are up to date after every batch, with its counters.

        Raises
        ------
        HevesyError
            They differ: the tally is no result.
        """
        self._adder.wait()
        self._account.check(regions=regions)


class DeviceSums:
    """Voxels stay on the device; counters and region totals come to the host with every batch.

    The sums are bit-identical to those of :class:`HostSums`.
    """

    def __init__(self, device: Any, tally: Tally, weights: Weights) -> None:
        self._device, self._tally = device, tally
        self._earlier = tally.n_batches
        self._account, self._adder = Account(tally, weights), _Adder()
        if self._earlier:
            device.begin(tally.energy_quanta, tally.energy_quanta_squared)

    def compile(self) -> None:
        """Nothing to do: an engine on a device was compiled when it was opened."""

    def run_batch(self, batch: int, following: int | None = None) -> None:
        """Simulate a batch; all but its voxels go to the tally. The device may begin the following one meanwhile."""
        self._adder.run(self._add, batch, following)

    def _add(self, batch: int, following: int | None) -> None:
        counters, regions = self._device.run_batch(batch, self._tally.batch_histories, following)
        check_balance(counters)
        self._tally.add_counts(batch, regions, counters)
        self._device.counted()

    def settle(self, *, regions: bool = False) -> None:
        """Bring the tally's voxels up to date and compare them with its counters.

        Raises
        ------
        HevesyError
            A batch was added by halves: no result is better than a wrong one.
        """
        self._adder.wait()
        if self._device.adding or self._device.batches != self._tally.n_batches - self._earlier:
            raise HevesyError("the run was interrupted while a batch was being added: start it again")
        self._device.fetch(self._tally.energy_quanta, self._tally.energy_quanta_squared)
        self._account.check(regions=regions)


def sums_of(engine: Any, tally: Tally, weights: Weights) -> HostSums | DeviceSums:
    """Sums on the engine's device where it offers them, else on the host."""
    offered = engine.sums(weights) if hasattr(engine, "sums") else None
    return HostSums(engine, tally, weights) if offered is None else DeviceSums(offered, tally, weights)


def check_balance(counters: dict[str, int]) -> None:
    """Every emitted quantum is deposited or escaped; anything else is a bug, not a result."""
    missing = counters["emitted"] - counters["deposited"] - counters["escaped"]
    if missing != 0:
        raise HevesyError(
            f"energy balance broken by {missing} quanta in one batch (emitted {counters['emitted']}); "
            "this is a bug: please report the problem file and the seed"
        )
