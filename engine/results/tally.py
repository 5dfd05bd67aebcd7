"""The integers that a Monte Carlo run leaves, and its energy balance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import statistics
from ..constants import QUANTUM_MEV
from ..dose.map import DoseMap


@dataclass(frozen=True)
class Balance(Mapping[str, float]):
    """Energy emitted, deposited in the grid and escaped from it: exact integers, read as MeV per decay.

    A mapping too: ``balance["emitted"]`` and ``balance.emitted`` are the same number.
    """

    emitted_quanta: int
    deposited_quanta: int
    escaped_quanta: int
    histories: int

    def _per_decay(self, quanta: int) -> float:
        return quanta / self.histories * QUANTUM_MEV if self.histories else 0.0

    @property
    def emitted(self) -> float:
        """Energy emitted [MeV per decay]."""
        return self._per_decay(self.emitted_quanta)

    @property
    def deposited(self) -> float:
        """Energy deposited in the grid [MeV per decay]."""
        return self._per_decay(self.deposited_quanta)

    @property
    def escaped(self) -> float:
        """Energy that left the grid [MeV per decay]."""
        return self._per_decay(self.escaped_quanta)

    @property
    def residual_quanta(self) -> int:
        """Emitted - deposited - escaped: zero, or energy was lost."""
        return self.emitted_quanta - self.deposited_quanta - self.escaped_quanta

    def __getitem__(self, key: str) -> float:
        if key not in ("emitted", "deposited", "escaped"):
            raise KeyError(key)
        return float(getattr(self, key))

    def __iter__(self) -> Iterator[str]:
        return iter(("emitted", "deposited", "escaped"))

    def __len__(self) -> int:
        return 3


@dataclass(frozen=True)
class TallyData:
    """The integers a Monte Carlo run leaves.

    Parameters
    ----------
    energy_quanta
        int64 (nz, ny, nx): sum over batches; one quantum is 2^-26 MeV.
    energy_quanta_squared
        uint64 (2, nz, ny, nx): sum over batches of squared batch sums, low and high 64 bits.
    region_quanta
        int64 (batch, region): each batch's energy in each region, times the mask's integer weights.
    batch_ids
        int64 (batch,): which batches these are; batch b is histories [b n, (b + 1) n).
    batch_histories
        Histories in each batch n.
    balance
        Quanta emitted, deposited, escaped.
    counters
        Counts of capped loops, stack overflows and the like.
    region_names
        Names of the regions.
    """

    energy_quanta: np.ndarray
    energy_quanta_squared: np.ndarray
    region_quanta: np.ndarray
    batch_ids: np.ndarray
    batch_histories: int
    balance: tuple[int, int, int]
    counters: dict[str, int] = field(default_factory=dict)
    region_names: tuple[str, ...] = ()

    @property
    def n_batches(self) -> int:
        """Number of batches."""
        return len(self.batch_ids)

    @property
    def histories(self) -> int:
        """Number of histories (decays simulated)."""
        return self.n_batches * self.batch_histories

    @property
    def history_range(self) -> np.ndarray:
        """int64 (k, 2): the half-open ranges of histories, joined where they touch."""
        ids = np.sort(np.asarray(self.batch_ids, dtype=np.int64))
        if not ids.size:
            return np.empty((0, 2), dtype=np.int64)
        cuts = np.nonzero(np.diff(ids) != 1)[0]
        first = ids[np.concatenate([[0], cuts + 1])]
        last = ids[np.concatenate([cuts, [ids.size - 1]])] + 1
        return np.stack([first, last], axis=1) * self.batch_histories

    @classmethod
    def of(cls, tally: Any, region_names: Sequence[str] = ()) -> TallyData:
        """From the transport's tally."""
        if isinstance(tally, cls):
            return tally
        balance = tally.balance
        if isinstance(balance, Mapping):
            balance = tuple(balance[key] for key in ("emitted", "deposited", "escaped"))
        elif not isinstance(balance, Sequence | np.ndarray):
            balance = (balance.emitted, balance.deposited, balance.escaped)
        emitted, deposited, escaped = (int(value) for value in balance)
        ids = np.asarray(tally.batch_ids, dtype=np.int64)
        regions = np.asarray(tally.region_quanta, dtype=np.int64).reshape(ids.size, -1)
        names = tuple(region_names) or tuple(getattr(tally, "region_names", ()) or ())
        return cls(
            energy_quanta=np.asarray(tally.energy_quanta, dtype=np.int64),
            energy_quanta_squared=np.asarray(tally.energy_quanta_squared, dtype=np.uint64),
            region_quanta=regions,
            batch_ids=ids,
            batch_histories=int(tally.batch_histories),
            balance=(emitted, deposited, escaped),
            counters={str(key): int(value) for key, value in dict(tally.counters or {}).items()},
            region_names=names or tuple(f"region {i + 1}" for i in range(regions.shape[1])),
        )

    def mean_sigma_mev(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean energy per decay and its standard error in each voxel [MeV]."""
        return statistics.batch_mean_sigma(
            self.energy_quanta, self.energy_quanta_squared, self.n_batches, self.batch_histories
        )

    def dose_map(
        self, density_g_cm3: np.ndarray, volume_ml: float, decays: float | None = None, air: float = 0.0
    ) -> DoseMap:
        """Dose [Gy for `decays`, else Gy per decay]; voxels below `air` [g/cm3] get none."""
        factor = statistics.gy_per_mev(density_g_cm3, volume_ml) * (1.0 if decays is None else decays)
        factor[np.asarray(density_g_cm3) < air] = 0.0
        mean, sigma = self.mean_sigma_mev()
        return DoseMap(
            "mc",
            mean * factor,
            sigma * factor,
            "Gy per decay" if decays is None else "Gy",
            decays=1.0 if decays is None else float(decays),
            air_density_g_cm3=air,
            tally=self,
        )
