"""The result of a run: doses, the integer tally they come from, lesions, and where all of it came from.

A result holds the exact integers of the transport (:class:`TallyData`), so shards of one problem merge into
the very numbers that one run would have given, and mean and standard error are recomputed, never averaged.
The file format is in docs/formats/result.md; reading and writing is in `hevesy.engine.export.hdf5`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import statistics
from .dose import DoseMap, voxel_volume_ml
from .errors import InputError
from .grid import Grid
from .lesions import LesionDose
from .provenance import Provenance, problem_hash
from .transport.problem import Problem

SIMULATE, CASE = "simulate", "case"


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
        return quanta / self.histories * statistics.QUANTUM_MEV if self.histories else 0.0

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


@dataclass
class Result:
    """Doses of one problem or of one visit of a case.

    Parameters
    ----------
    kind
        ``"simulate"`` (Gy per decay) or ``"case"`` (Gy for the therapy activity).
    grid, density_g_cm3
        Dose grid and mass density on it [g/cm3].
    doses
        By method.
    tally
        The integers behind ``doses["mc"]``.
    tia_bq_h_ml
        Time-integrated activity concentration of the therapy nuclide [Bq h/mL].
    lesion_masks, lesion_names
        uint8 (lesion, nz, ny, nx): volume fraction times 255, and the names.
    lesions
        Records of the lesions.
    ct_hu
        CT on the dose grid, for display [HU].
    assumptions, warnings
        One sentence each.
    case_yaml
        The resolved case, without identity.
    complete, stopped
        Whether the run reached its goal; if not, why it stopped.
    provenance
        Where all of it comes from.
    """

    kind: str
    grid: Grid
    density_g_cm3: np.ndarray
    doses: dict[str, DoseMap] = field(default_factory=dict)
    tally: TallyData | None = None
    tia_bq_h_ml: np.ndarray | None = None
    lesion_masks: np.ndarray | None = None
    lesion_names: tuple[str, ...] = ()
    lesions: list[LesionDose] = field(default_factory=list)
    ct_hu: np.ndarray | None = None
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    case_yaml: str = ""
    complete: bool = True
    stopped: str = ""
    provenance: Provenance = field(default_factory=Provenance)

    @classmethod
    def from_tally(
        cls,
        problem: Problem,
        tally: Any,
        *,
        grid: Grid | None = None,
        decays: float | None = None,
        air_density_g_cm3: float = 0.0,
        region_names: Sequence[str] = (),
        **values: Any,
    ) -> Result:
        """A result with the Monte Carlo dose of a finished tally.

        Parameters
        ----------
        problem
            What was simulated.
        tally
            The transport's tally, with ``seed``, ``backend``, ``device`` and ``wall_time_s``.
        grid
            Geometry; by default one at the origin with the problem's voxel size.
        decays
            Decays in the whole grid that the dose stands for; None: dose per decay.
        air_density_g_cm3
            Voxels below get no dose.
        region_names
            Names of the tally's regions; by default those it has itself, else those of the problem.
        values
            Other fields of the result.
        """
        names = tuple(region_names) or tuple(getattr(tally, "region_names", ()) or ()) or problem.region_names
        data = TallyData.of(tally, names)
        if grid is None:
            nz, ny, nx = np.shape(problem.density_g_cm3)
            dz, dy, dx = (float(step) for step in problem.voxel_size_mm)
            grid = Grid((nz, ny, nx), (dz, dy, dx))
        volume = voxel_volume_ml(problem)
        values.setdefault("kind", SIMULATE if decays is None else CASE)
        values.setdefault(
            "provenance",
            Provenance.now(
                input_hash=problem_hash(problem),
                seed=int(tally.seed),
                backend=str(tally.backend),
                device=str(tally.device),
                wall_time_s=float(tally.wall_time_s),
                physics=dict(getattr(tally, "options", None) or problem.physics),
            ),
        )
        values.setdefault("complete", bool(getattr(tally, "complete", True)))
        if not values["complete"]:
            values.setdefault("stopped", str(getattr(tally, "stopped_by", "")))
        result = cls(grid=grid, density_g_cm3=np.asarray(problem.density_g_cm3, dtype=np.float32), tally=data, **values)
        result.doses["mc"] = data.dose_map(problem.density_g_cm3, volume, decays, air_density_g_cm3)
        return result

    @property
    def dose_gy_per_decay(self) -> np.ndarray:
        """Monte Carlo dose [Gy per decay], float64 (nz, ny, nx)."""
        dose = self._monte_carlo()
        return dose.mean if dose.decays == 1.0 else dose.mean / dose.decays

    @property
    def sigma_gy_per_decay(self) -> np.ndarray:
        """One standard error of `dose_gy_per_decay`; NaN when there are fewer than 20 batches."""
        dose = self._monte_carlo()
        if dose.sigma is None:
            return np.full(dose.mean.shape, np.nan)
        return dose.sigma if dose.decays == 1.0 else dose.sigma / dose.decays

    @property
    def balance(self) -> Balance:
        """Energy emitted, deposited and escaped."""
        if self.tally is None:
            raise self._no_transport()
        return Balance(*self.tally.balance, self.tally.histories)

    @property
    def backend(self) -> str:
        """The backend that ran; empty without a Monte Carlo run."""
        return self.provenance.backend

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.provenance.seed

    @property
    def device(self) -> str:
        """The device that ran."""
        return self.provenance.device

    @property
    def wall_time_s(self) -> float:
        """Time the transport took [s]; of merged shards, the sum."""
        return self.provenance.wall_time_s

    @property
    def histories(self) -> int:
        """Decays simulated."""
        return 0 if self.tally is None else self.tally.histories

    @property
    def decays(self) -> int:
        """Decays simulated."""
        return self.histories

    def region_dose_gy_per_decay(self, mass_g: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Mean dose and standard error of each region [Gy per decay]; `mass_g` times the mask's weights."""
        if self.tally is None:
            raise self._no_transport()
        mean, sigma = statistics.region_mean_sigma(self.tally.region_quanta, self.tally.batch_histories)
        factor = statistics.MEV_IN_JOULE / (np.asarray(mass_g, dtype=np.float64) * 1e-3)
        return mean * factor, sigma * factor

    def figure_of_merit(self) -> dict[str, float]:
        """1/(relative variance of the mean x time by the clock) of each region [1/s]; NaN without a standard error.

        It does not depend on how long a run is, so it compares methods on one machine.
        """
        if self.tally is None:
            raise self._no_transport()
        mean, sigma = statistics.region_mean_sigma(self.tally.region_quanta, self.tally.batch_histories)
        with np.errstate(divide="ignore", invalid="ignore"):
            merit = (mean / sigma) ** 2 / self.wall_time_s
        return {name: float(m) for name, m in zip(self.tally.region_names, merit, strict=False)}

    def save(self, path: str | Path) -> Path:
        """Write the result: to a temporary name, renamed when whole."""
        from .export.hdf5 import write_result

        return write_result(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Result:
        """Read a result; a foreign, truncated or newer file is an InputError."""
        from .export.hdf5 import read_result

        return read_result(Path(path))

    @staticmethod
    def merge(results: Sequence[Result]) -> Result:
        """Join shards of one problem; see `hevesy.engine.merge.merge_results`."""
        return merge(results)

    def _monte_carlo(self) -> DoseMap:
        if "mc" not in self.doses:
            raise self._no_transport()
        return self.doses["mc"]

    def _no_transport(self) -> InputError:
        return InputError(
            "this result has no Monte Carlo dose",
            why=f"it holds {', '.join(self.doses) or 'no dose at all'}",
            suggestion="run again with --method mc",
        )


def merge(results: Sequence[Result]) -> Result:
    """Join shards of one problem; see `hevesy.engine.merge.merge_results`."""
    from .merge import merge_results

    return merge_results(results)
