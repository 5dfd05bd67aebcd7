"""The result of a run: doses, the integer tally they come from, lesions, and where all of it came from.

A result holds the exact integers of the transport (`hevesy.engine.transport.tally.Tally`), so shards of one problem
merge into the very numbers that one run would have given, and mean and standard error are recomputed, never averaged.
The file format is in docs/formats/result.md; reading and writing is in `hevesy.engine.results.hdf5`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import statistics
from ..constants import JOULE_PER_MEV
from ..dose.map import DoseMap, voxel_volume_ml
from ..dose.methods import METHODS, simulated_method
from ..dose.montecarlo import dose_map
from ..errors import InputError
from ..grid import Grid
from ..lesions.record import LesionDose
from ..transport.problem import Problem
from ..transport.tally import BALANCE, Tally
from .balance import Balance
from .provenance import Provenance

SIMULATE, CASE = "simulate", "case"


@dataclass
class Result:
    """Doses of one problem or of one visit of a case.

    Parameters
    ----------
    kind
        ``"simulate"`` (Gy per decay) or ``"case"`` (Gy for the therapy activity).
    grid, density_g_cm3
        Dose grid and mass density on it (nz, ny, nx), float32 [g/cm3].
    doses
        By method.
    tally
        The integers behind the dose that was simulated.
    tia_bq_h_ml
        Time-integrated activity concentration of the therapy nuclide (nz, ny, nx), float32 [Bq h/mL].
    lesion_masks, lesion_names
        uint8 (lesion, nz, ny, nx): volume fraction times 255, and the names.
    lesions
        Records of the lesions.
    ct_hu
        CT on the dose grid, for display (nz, ny, nx), float32 [HU].
    assumptions, warnings, critical
        One sentence each; the critical ones, which change the verdict or what may be claimed, are among the warnings.
    case_yaml
        The resolved case, without identity.
    complete, stopped
        Whether the run reached its goal; if not, why it stopped.
    provenance
        Where all of it comes from.
    problem
        The transport problem of a case, from which a dose of another method can be calculated; None for
        ``"simulate"``, whose problem is a file of its own, and in files of a format before 1.2.
    frame_of_reference
        Code that stands for the DICOM frame of reference of the images (:func:`hevesy.engine.privacy.series_code`);
        empty without one.
    sums_alone
        Whether the tally is all, as of a shard, whose doses nobody needs before it is merged: its file holds none, and
        reading it calculates them where they are asked for (:meth:`with_doses`).
    """

    kind: str
    grid: Grid
    density_g_cm3: np.ndarray
    doses: dict[str, DoseMap] = field(default_factory=dict)
    tally: Tally | None = None
    tia_bq_h_ml: np.ndarray | None = None
    lesion_masks: np.ndarray | None = None
    lesion_names: tuple[str, ...] = ()
    lesions: list[LesionDose] = field(default_factory=list)
    ct_hu: np.ndarray | None = None
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    critical: tuple[str, ...] = ()
    case_yaml: str = ""
    complete: bool = True
    stopped: str = ""
    provenance: Provenance = field(default_factory=Provenance)
    problem: Problem | None = None
    frame_of_reference: str = ""
    sums_alone: bool = False

    @classmethod
    def from_tally(
        cls,
        problem: Problem,
        tally: Tally,
        *,
        grid: Grid | None = None,
        decays: float | None = None,
        air_density_g_cm3: float = 0.0,
        sums_alone: bool = False,
        **values: Any,
    ) -> Result:
        """A result with the Monte Carlo dose of a finished tally.

        Parameters
        ----------
        problem
            What was simulated.
        tally
            What the transport left; the result holds its frozen form.
        grid
            Geometry; by default one at the origin with the problem's voxel size.
        decays
            Decays in the whole grid that the dose stands for; None: dose per decay.
        air_density_g_cm3
            Voxels below get no dose.
        sums_alone
            Leave the dose, per decay, to be calculated when the result is read or merged.
        values
            Other fields of the result.
        """
        if grid is None:
            nz, ny, nx = np.shape(problem.density_g_cm3)
            dz, dy, dx = (float(step) for step in problem.voxel_size_mm)
            grid = Grid((nz, ny, nx), (dz, dy, dx))
        volume = voxel_volume_ml(problem)
        values.setdefault("kind", SIMULATE if decays is None else CASE)
        values.setdefault("provenance", Provenance.of(problem, tally))
        values.setdefault("complete", tally.complete)
        if not values["complete"]:
            values.setdefault("stopped", tally.stopped_by)
        density = np.asarray(problem.density_g_cm3, dtype=np.float32)
        tally = tally.frozen()
        result = cls(grid=grid, density_g_cm3=density, tally=tally, sums_alone=sums_alone, **values)
        if not sums_alone:
            result.doses["mc"] = dose_map(tally, density, volume, decays, air_density_g_cm3)
        return result

    def with_doses(self) -> Result:
        """This result; where the tally is all, with the dose per decay that it gives."""
        if not self.sums_alone or self.tally is None:
            return self
        dose = dose_map(self.tally, self.density_g_cm3, self.grid.voxel_volume_ml)
        return replace(self, doses={dose.method: dose}, sums_alone=False)

    @property
    def dose_gy_per_decay(self) -> np.ndarray:
        """Monte Carlo dose [Gy per decay], float64 (nz, ny, nx)."""
        dose = self.simulated
        return dose.mean if dose.decays == 1.0 else dose.mean / dose.decays

    @property
    def sigma_gy_per_decay(self) -> np.ndarray:
        """One standard error of `dose_gy_per_decay`; NaN when there are fewer than 20 batches."""
        dose = self.simulated
        assert dose.sigma is not None
        return dose.sigma if dose.decays == 1.0 else dose.sigma / dose.decays

    @property
    def balance(self) -> Balance:
        """Energy emitted, deposited and escaped."""
        if self.tally is None:
            raise self._no_transport()
        emitted, deposited, escaped = (self.tally.balance[name] for name in BALANCE)
        return Balance(emitted, deposited, escaped, self.tally.decays)

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
        return 0 if self.tally is None else self.tally.decays

    @property
    def decays(self) -> int:
        """Decays simulated."""
        return self.histories

    def region_dose_gy_per_decay(self, mass_g: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Mean dose and standard error of each region [Gy per decay]; `mass_g` times the mask's weights."""
        if self.tally is None:
            raise self._no_transport()
        mean, sigma = statistics.region_mean_sigma(self.tally.region_quanta, self.tally.batch_histories)
        mean = self._with_local(mean)
        factor = JOULE_PER_MEV / (np.asarray(mass_g, dtype=np.float64) * 1e-3)
        return mean * factor, sigma * factor

    def figure_of_merit(self) -> dict[str, float]:
        """1/(relative variance of the mean x time by the clock) of each region [1/s]; NaN without a standard error.

        It does not depend on how long a run is, so it compares methods on one machine.
        """
        if self.tally is None:
            raise self._no_transport()
        mean, sigma = statistics.region_mean_sigma(self.tally.region_quanta, self.tally.batch_histories)
        mean = self._with_local(mean)
        with np.errstate(divide="ignore", invalid="ignore"):
            merit = (mean / sigma) ** 2 / self.wall_time_s
        return {name: float(m) for name, m in zip(self.tally.region_names, merit, strict=False)}

    def save(self, path: str | Path) -> Path:
        """Write the result: to a temporary name, renamed when whole."""
        from .hdf5 import write_result

        return write_result(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, *, doses: bool = True) -> Result:
        """Read a result; a foreign, truncated or newer file is an InputError.

        Parameters
        ----------
        path
            The file.
        doses
            Whether the dose of a shard, whose file holds none, is calculated.

        Returns
        -------
        Result
            All that the file holds.
        """
        from .hdf5 import read_result

        result = read_result(Path(path))
        return result.with_doses() if doses else result

    @staticmethod
    def merge(results: Sequence[Result], *, partial: bool = False) -> Result:
        """Join shards of one problem; see :func:`hevesy.engine.results.merge.merge`."""
        from .merge import merge

        return merge(results, partial=partial)

    @property
    def simulated(self) -> DoseMap:
        """The dose that was simulated, whose tally this is: one of all that a decay emits before one of a part.

        Raises
        ------
        InputError
            No method of this result simulates.
        """
        name = simulated_method(name for name, dose in self.doses.items() if dose.sigma is not None)
        if name is None:
            raise self._no_transport()
        return self.doses[name]

    @property
    def simulated_part(self) -> str:
        """What of the emission the tally holds, where that is not all: ``"photons"`` of a hybrid dose."""
        name = simulated_method(name for name, dose in self.doses.items() if dose.sigma is not None)
        return METHODS[name].simulated_part if self.tally is not None and name in METHODS else ""

    def _with_local(self, mean_mev: np.ndarray) -> np.ndarray:
        """Weighted region energies [MeV per decay], with what was not simulated where that is a part of the dose."""
        if not self.simulated_part:
            return mean_mev
        if self.lesion_masks is None or "local" not in self.doses:
            raise InputError(
                "the energy of the regions is not known",
                why="only the photons were simulated, and this result lacks the masks or the local dose",
                suggestion="run again with this version",
            )
        local, volume = self.doses["local"], self.grid.voxel_volume_ml
        energy = local.mean / local.decays * self.density_g_cm3 * (volume * 1e-3 / JOULE_PER_MEV)
        return mean_mev + np.array([float((energy * mask).sum()) for mask in self.lesion_masks])

    def _no_transport(self) -> InputError:
        return InputError(
            "this result has no Monte Carlo dose",
            why=f"it holds {', '.join(self.doses) or 'no dose at all'}",
            suggestion="run again with --method mc",
        )
