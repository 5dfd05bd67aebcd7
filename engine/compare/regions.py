"""The regions of a comparison, and their doses on the footing of the lesion table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..dose.local import NO_DOSE_BELOW_G_CM3
from ..dose.map import DoseMap
from ..lesions.dvh import RegionDoses
from ..lesions.record import ORGAN, TARGET, LesionDose
from ..results.result import Result

#: Role and name of the region of all tissue.
BODY = "body"
#: Weight of a voxel that is wholly inside a region.
WEIGHT_ONE = 255
#: Share of a region that a foreign map must cover for its dose to be stated.
WHOLE = 0.999


@dataclass(frozen=True)
class Region:
    """One lesion, organ or reference region of a visit, or the whole body.

    Parameters
    ----------
    name, role
        As in the lesion table; ``"body"`` for all tissue.
    weight
        Share of each voxel inside it times 255 (nz, ny, nx), uint8.
    density_g_cm3
        Mass density on the grid (nz, ny, nx) [g/cm3].
    voxel_volume_ml
        Volume of one voxel [mL].
    record
        Record of the lesion table; None for the body.
    record_dose
        The dose map that the record is of; None for the body.
    """

    name: str
    role: str
    weight: np.ndarray
    density_g_cm3: np.ndarray
    voxel_volume_ml: float
    record: LesionDose | None = None
    record_dose: DoseMap | None = None

    @cached_property
    def _index(self) -> np.ndarray:
        return np.flatnonzero(self.weight)

    @cached_property
    def _share(self) -> np.ndarray:
        """Share of each of its voxels inside it (n,)."""
        return self.weight.reshape(-1)[self._index].astype(np.float64) / WEIGHT_ONE

    @cached_property
    def _voxel_mass_g(self) -> np.ndarray:
        density = self.density_g_cm3.reshape(-1)[self._index].astype(np.float64)
        return self._share * density * self.voxel_volume_ml

    @property
    def volume_ml(self) -> float:
        """Volume [mL]."""
        return float(self._share.sum()) * self.voxel_volume_ml if self.record is None else self.record.volume_ml

    @property
    def mass_g(self) -> float:
        """Mass that mean doses are stated for [g]."""
        return float(self._voxel_mass_g.sum()) if self.record is None else self.record.mass_g

    @property
    def voxel_metrics(self) -> bool:
        """Whether D and V of its voxels may be stated: not for a lesion within two PET resolutions."""
        return self.record is None or self.record.voxel_metrics == "shown"

    @property
    def threshold_gy(self) -> float | None:
        """What its mean dose is held against: the threshold of a lesion, the limit of an organ [Gy]."""
        if self.record is None:
            return None
        value = self.record.limit_gy if self.role == ORGAN else self.record.threshold_gy
        return value if math.isfinite(value) and self.role in (TARGET, ORGAN) else None

    @property
    def _recovery(self) -> float:
        return 1.0 if self.record is None else self.record.recovery_dose_factor

    def energy_gy_g(self, dose: DoseMap) -> float:
        """Dose times mass, summed over its voxels [Gy g].

        Parameters
        ----------
        dose
            A dose map [Gy]; voxels without dose (NaN) get the mean of the others.
        """
        doses = self._doses(dose)
        known = np.isfinite(doses)
        if known.all():
            return float(doses @ self._voxel_mass_g)
        mass = float(self._voxel_mass_g[known].sum())
        return float(doses[known] @ self._voxel_mass_g[known]) / mass * float(self._voxel_mass_g.sum())

    def covered(self, dose: DoseMap) -> float:
        """Share of its volume that has a dose, from 0 to 1.

        Parameters
        ----------
        dose
            A dose map [Gy], NaN where it has no dose.
        """
        known = np.isfinite(self._doses(dose))
        return 1.0 if known.all() else float(self._share[known].sum() / self._share.sum())

    def same(self, one: DoseMap, other: DoseMap) -> bool:
        """Whether two maps are the same in its voxels, as single precision keeps them.

        Parameters
        ----------
        one, other
            Dose maps [Gy].
        """
        mine, theirs = self._doses(one), self._doses(other)
        return bool(np.allclose(mine, theirs, rtol=1e-5, atol=1e-6 * float(np.nanmax(theirs, initial=0.0))))

    def _doses(self, dose: DoseMap) -> np.ndarray:
        return np.asarray(dose.mean, dtype=np.float64).reshape(-1)[self._index]

    def mean_gy(self, method: str, dose: DoseMap, *, of_run: bool) -> float | None:
        """Mean dose as ``dose_gy`` of the lesion table [Gy]; None where the map does not cover the region.

        The energy in the mask over the mass of the lesion itself, times the record's recovery factor. What the record
        itself says is taken from it: it knows the mask to more than 8 bits, and other methods are scaled to that.

        Parameters
        ----------
        method
            Name of the method.
        dose
            Its dose map [Gy].
        of_run
            Whether the map is that of the run, which the record has seen.
        """
        record = self.record
        if self.covered(dose) < WHOLE:
            return None
        if record is None:
            return self.energy_gy_g(dose) / self.mass_g
        if of_run and method == record.method:
            return record.dose_gy
        if of_run and method == "local" and math.isfinite(record.dose_local_gy):
            return record.dose_local_gy * self._recovery
        mine, exact = self.energy_gy_g(dose), 1.0
        if self.record_dose is not None and record.dose_map_gy > 0.0:
            known = self.energy_gy_g(self.record_dose)
            exact = record.dose_map_gy * record.mass_g / known if known > 0.0 else 1.0
        return mine * exact / record.mass_g * self._recovery

    def metrics(self, dose: DoseMap) -> tuple[float | None, float | None, float | None]:
        """D95 [Gy], D50 [Gy] and V20Gy [%] of a map; None where the lesion table has the mean alone.

        All maps are taken over the mask that the result stores with 8 bits, so that equal maps have equal values. Of
        the body V20Gy alone: most of it has next to no dose.

        Parameters
        ----------
        dose
            A dose map [Gy].
        """
        if not self.voxel_metrics or self.covered(dose) < WHOLE:
            return None, None, None
        region, record = self.region_doses(dose), self.record
        v20 = region.volume_at_dose(20.0)
        if record is None:
            return None, None, v20
        judged = math.isfinite(record.v20gy_percent)
        return region.dose_at_volume(95), region.dose_at_volume(50), v20 if judged else None

    def region_doses(self, dose: DoseMap) -> RegionDoses:
        """Doses of its voxels with the volume of each.

        Parameters
        ----------
        dose
            A dose map [Gy]; voxels without dose are left out.
        """
        doses = self._doses(dose)
        known = np.isfinite(doses)
        return RegionDoses(doses[known], self._share[known])


def regions_of(result: Result) -> tuple[Region, ...]:
    """The regions of a visit: those of the lesion table in its order, and the body last.

    Parameters
    ----------
    result
        Of the visit.

    Returns
    -------
    tuple of Region
        One per mask with a record, then all tissue above the density of air.
    """
    named = {lesion.lesion: lesion for lesion in result.lesions}
    density, volume = result.density_g_cm3, result.grid.voxel_volume_ml
    masks: Sequence[np.ndarray] = () if result.lesion_masks is None else list(result.lesion_masks)
    regions = []
    for name, mask in zip(result.lesion_names, masks, strict=True):
        record = named.get(name)
        if record is not None:  # masks and records are of the same names, one each
            dose = result.doses.get(record.method)
            regions.append(Region(name, record.role, mask, density, volume, record, dose))
    tissue = (density >= NO_DOSE_BELOW_G_CM3).astype(np.uint8) * np.uint8(WEIGHT_ONE)
    return *regions, Region(BODY, BODY, tissue, density, volume)
