"""What a transport run leaves: exact integer sums, from which mean and standard error follow."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..statistics import batch_mean_sigma, gy_per_mev, region_mean_sigma, zero_limbs


@dataclass
class Tally:
    """Integer tallies of whole batches; one quantum is 2^-26 MeV.

    Parameters
    ----------
    energy_quanta
        Deposited energy, int64 (nz, ny, nx), summed over batches.
    energy_quanta_squared
        Sum over batches of squared batch energies: uint64 (2, nz, ny, nx), low and high limbs.
    region_quanta
        Weighted energy of each region in each batch, int64 (batch, regions).
    batch_histories
        Decays in one batch.
    batch_ids
        Which batches these are; shards of one run have disjoint ids.
    balance
        Emitted, deposited and escaped energy [quanta]; emitted = deposited + escaped, exactly.
    counters
        Events of the run, by name.
    wall_time_s, cpu_time_s
        Time by the clock, and of all cores for this process [s].
    """

    energy_quanta: np.ndarray
    energy_quanta_squared: np.ndarray
    region_quanta: np.ndarray
    batch_histories: int
    batch_ids: list[int]
    balance: dict[str, int]
    counters: dict[str, int]
    seed: int
    backend: str
    device: str
    threads: int = 1
    wall_time_s: float = 0.0
    cpu_time_s: float = 0.0
    complete: bool = True
    stopped_by: str = "decays"
    region_names: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def empty(cls, shape: tuple[int, int, int], n_regions: int, batch_histories: int, seed: int, **kind: Any) -> Tally:
        """A tally of no batches."""
        return cls(
            energy_quanta=np.zeros(shape, np.int64),
            energy_quanta_squared=zero_limbs(shape),
            region_quanta=np.zeros((0, n_regions), np.int64),
            batch_histories=batch_histories,
            batch_ids=[],
            balance={"emitted": 0, "deposited": 0, "escaped": 0},
            counters={},
            seed=seed,
            **kind,
        )

    @property
    def n_batches(self) -> int:
        """Number of batches in these sums."""
        return len(self.batch_ids)

    @property
    def decays(self) -> int:
        """Number of decays played."""
        return self.n_batches * self.batch_histories

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

        low, high = self.energy_quanta_squared.reshape(2, -1)
        add_batch(quanta.reshape(-1), self.energy_quanta.reshape(-1), low, high, pool)
        self.add_counts(batch, regions, counters)

    def add_counts(self, batch: int, regions: np.ndarray, counters: dict[str, int]) -> None:
        """Add all of a batch but its voxels, which a device may keep until the end (:mod:`.sums`)."""
        self.region_quanta = np.vstack([self.region_quanta, regions[None, :]])
        self.batch_ids.append(batch)
        for name in self.balance:
            self.balance[name] += counters[name]
        for name, count in counters.items():
            self.counters[name] = self.counters.get(name, 0) + count

    def dose_gy_per_decay(self, density: np.ndarray, voxel_volume_ml: float) -> tuple[np.ndarray, np.ndarray]:
        """Mean absorbed dose and one standard error of it [Gy per decay], each (nz, ny, nx)."""
        mean, sigma = batch_mean_sigma(
            self.energy_quanta, self.energy_quanta_squared, self.n_batches, self.batch_histories
        )
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
