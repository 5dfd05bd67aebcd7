"""The integers that a simulation leaves, from which mean and standard error follow exactly."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..statistics import add_limbs, batch_mean_sigma, gy_per_mev, region_mean_sigma, zero_limbs

#: Names of the energy balance, in the order of the result file.
BALANCE = ("emitted", "deposited", "escaped")


@dataclass(eq=False)
class Tally:
    """Sums over whole batches of decays, and how they were simulated; one quantum is 2^-26 MeV.

    A simulation adds batches to it, shards are added to each other, and a result holds the :meth:`frozen` form.

    Parameters
    ----------
    energy_quanta
        Deposited energy, int64 (nz, ny, nx), summed over batches.
    energy_quanta_squared
        Sum over batches of squared batch energies: uint64 (2, nz, ny, nx), low and high 64 bits.
    region_quanta
        Energy of each region in each batch times the region's integer weights, int64 (batch, region).
    batch_ids
        Which batches these are, int64 (batch,); batch b is the decays [b n, (b + 1) n).
    batch_histories
        Decays in each batch, n.
    balance
        Energy emitted, deposited and escaped [quanta]; emitted = deposited + escaped, exactly.
    counters
        Events by name: steps, capped loops, stack overflows and the like.
    region_names
        Names of the regions.
    seed, backend, device, threads
        What simulated them.
    wall_time_s, cpu_time_s
        Time by the clock, and of all cores for this process [s].
    complete, stopped_by
        Whether the run reached what was asked for, and what ended it: ``"decays"``, ``"until"``, ``"time limit"`` or
        ``"interrupt"``.
    options
        The physics options of the run.
    """

    energy_quanta: np.ndarray
    energy_quanta_squared: np.ndarray
    region_quanta: np.ndarray
    batch_ids: np.ndarray
    batch_histories: int
    balance: dict[str, int]
    counters: dict[str, int] = field(default_factory=dict)
    region_names: tuple[str, ...] = ()
    seed: int = 0
    backend: str = ""
    device: str = ""
    threads: int = 1
    wall_time_s: float = 0.0
    cpu_time_s: float = 0.0
    complete: bool = True
    stopped_by: str = "decays"
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def empty(cls, shape: tuple[int, ...], n_regions: int, batch_histories: int, seed: int, **facts: Any) -> Tally:
        """A tally of no batches; ``facts`` are the other fields."""
        return cls(
            energy_quanta=np.zeros(shape, np.int64),
            energy_quanta_squared=zero_limbs(shape),
            region_quanta=np.zeros((0, n_regions), np.int64),
            batch_ids=np.zeros(0, np.int64),
            batch_histories=batch_histories,
            balance=dict.fromkeys(BALANCE, 0),
            seed=seed,
            **facts,
        )

    @classmethod
    def joined(cls, parts: Iterable[Tally]) -> Tally:
        """The exact sum of parts of one run, with the facts of the first; the parts stay as they are.

        Raises
        ------
        OverflowError
            The energy of a voxel does not fit into 64 bits, or its square into 128.
        """
        first, *others = parts
        total = replace(
            first,
            energy_quanta=first.energy_quanta.copy(),
            energy_quanta_squared=first.energy_quanta_squared.copy(),
            balance=dict(first.balance),
            counters=dict(first.counters),
        )
        for part in others:
            total.add(part)
        order = np.argsort(total.batch_ids, kind="stable")
        total.batch_ids, total.region_quanta = total.batch_ids[order], total.region_quanta[order]
        return total

    @property
    def n_batches(self) -> int:
        """Number of batches in these sums."""
        return len(self.batch_ids)

    @property
    def decays(self) -> int:
        """Number of decays simulated."""
        return self.n_batches * self.batch_histories

    @property
    def history_range(self) -> np.ndarray:
        """The half-open ranges of decays in these sums, joined where they touch: int64 (k, 2)."""
        return history_ranges(self.batch_ids, self.batch_histories)

    def add_batch(
        self,
        batch: int,
        quanta: np.ndarray,
        regions: np.ndarray,
        counters: dict[str, int],
        pool: Executor | None = None,
    ) -> None:
        """Add one whole batch: ``quanta`` flat or shaped, ``regions`` its weighted sums; on the threads of ``pool``."""
        from ...kernels.backends.cpu_sums import add_batch

        self._check_open()
        low, high = self.energy_quanta_squared.reshape(2, -1)
        add_batch(quanta.reshape(-1), self.energy_quanta.reshape(-1), low, high, pool)
        self.add_counts(batch, regions, counters)

    def add_counts(self, batch: int, regions: np.ndarray, counters: dict[str, int]) -> None:
        """Add all of a batch but its voxels, which a device may hold until the end (:mod:`.sums`)."""
        self._check_open()
        self._append(np.array([batch], np.int64), regions[None, :], counters, counters)

    def add(self, other: Tally) -> None:
        """Add the batches of another part of the same run, exactly.

        Raises
        ------
        OverflowError
            The energy of a voxel does not fit into 64 bits, or its square into 128.
        """
        self._check_open()
        total = self.energy_quanta + other.energy_quanta
        if (((self.energy_quanta ^ total) & (other.energy_quanta ^ total)) < 0).any():
            raise OverflowError("the energy of a voxel does not fit into 64 bits")
        self.energy_quanta_squared[...] = add_limbs(self.energy_quanta_squared, other.energy_quanta_squared)
        self.energy_quanta[...] = total
        self._append(other.batch_ids, other.region_quanta, other.balance, other.counters)
        self.wall_time_s += other.wall_time_s
        self.cpu_time_s += other.cpu_time_s

    def frozen(self) -> Tally:
        """The same sums, without a copy, in arrays that cannot be written to; nothing can be added to them."""
        names = ("energy_quanta", "energy_quanta_squared", "region_quanta", "batch_ids")
        views = {name: getattr(self, name).view() for name in names}
        for view in views.values():
            view.flags.writeable = False
        return replace(self, **views, balance=dict(self.balance), counters=dict(self.counters))

    def mean_sigma_mev(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean energy per decay in each voxel and its standard error [MeV], each (nz, ny, nx)."""
        return batch_mean_sigma(self.energy_quanta, self.energy_quanta_squared, self.n_batches, self.batch_histories)

    def dose_gy_per_decay(self, density: np.ndarray, voxel_volume_ml: float) -> tuple[np.ndarray, np.ndarray]:
        """Mean absorbed dose and its standard error [Gy per decay], each (nz, ny, nx)."""
        mean, sigma = self.mean_sigma_mev()
        scale = gy_per_mev(density, voxel_volume_ml)
        return mean * scale, sigma * scale

    def region_energy(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean weighted energy per decay of each region and its standard error [MeV, times the weight]."""
        return region_mean_sigma(self.region_quanta, self.batch_histories)

    def figure_of_merit(self) -> np.ndarray:
        """1/(relative variance times processor time) of each region's mean [1/s]; nan without a standard error.

        It does not depend on the length of the run, so it compares methods. The time is that of the process on the
        CPU, and by the clock on a device whose work the processor does not do.
        """
        mean, sigma = self.region_energy()
        time = self.wall_time_s if self.backend == "cuda" else self.cpu_time_s
        variance = np.divide(sigma, mean, out=np.full_like(mean, np.nan), where=mean > 0) ** 2
        return np.divide(1.0, variance * time, out=np.full_like(mean, np.nan), where=variance * time > 0)

    def _append(self, ids: np.ndarray, regions: np.ndarray, balance: dict[str, int], counters: dict[str, int]) -> None:
        self.region_quanta = np.vstack([self.region_quanta, regions])
        self.batch_ids = np.concatenate([self.batch_ids, ids])
        for name in self.balance:
            self.balance[name] += balance[name]
        for name, count in counters.items():
            self.counters[name] = self.counters.get(name, 0) + count

    def _check_open(self) -> None:
        if not self.energy_quanta.flags.writeable:
            raise ValueError("this tally belongs to a result: its sums are final")


def history_ranges(batch_ids: np.ndarray, batch_histories: int) -> np.ndarray:
    """The half-open ranges of decays in batches, joined where they touch.

    Parameters
    ----------
    batch_ids
        Numbers of the batches (n,), int64, in any order.
    batch_histories
        Decays in each.

    Returns
    -------
    ndarray
        First decay, and the one after the last: int64 (k, 2).
    """
    ids = np.sort(batch_ids)
    if not ids.size:
        return np.empty((0, 2), np.int64)
    cuts = np.nonzero(np.diff(ids) != 1)[0]
    first = ids[np.concatenate([[0], cuts + 1])]
    last = ids[np.concatenate([cuts, [ids.size - 1]])] + 1
    return np.stack([first, last], axis=1) * batch_histories
