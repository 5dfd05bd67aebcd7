"""A voxel S kernel: what one decay in a voxel deposits in that voxel and in its neighbours, in a uniform medium."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...constants import JOULE_PER_MEV
from ...nuclides.emission import Emission
from ...nuclides.names import Progeny
from ...physics.material import Material
from ...text import number, percent

#: One mGy/(MBq s) in Gy per decay.
GY_PER_DECAY = 1e-9
#: Below this share of what is emitted the truncated energy is the rounding of sums and of tables of twelve figures.
ROUNDING = 1e-11


@dataclass(frozen=True, eq=False)
class VoxelKernel:
    """Energy deposited around a voxel whose decays are uniform inside it, in an unbounded uniform medium.

    Energy and not dose, because energy is what adds up to what was emitted; dose is energy over the mass of a voxel.

    Parameters
    ----------
    energy_mev
        Mean energy per decay in the voxel at each offset (nz, ny, nx), float64 [MeV]; all three are odd, and the
        source voxel is the middle one.
    standard_error_mev
        One standard error of each (nz, ny, nx), float64 [MeV].
    voxel_size_mm
        (dz, dy, dx) [mm].
    medium, density_g_cm3
        Composition and mass density [g/cm3] of the medium.
    emission
        What one decay emits.
    emitted_mev
        Energy that one decay emits [MeV], neutrinos apart.
    decays, seed, backend
        Decays simulated, seed and backend; 0, 0 and "" for a kernel from elsewhere.
    progeny
        How the progeny of the nuclide are counted in the emission.
    averaged_from_mm
        Distance from the source beyond which values are averaged over directions [mm]; None: nowhere.
    notes
        How it was made, and what it leaves out, one sentence each.
    """

    energy_mev: np.ndarray
    standard_error_mev: np.ndarray
    voxel_size_mm: tuple[float, float, float]
    medium: Material
    density_g_cm3: float
    emission: Emission
    emitted_mev: float
    decays: int = 0
    notes: tuple[str, ...] = ()
    seed: int = 0
    backend: str = ""
    progeny: Progeny = "none"
    averaged_from_mm: float | None = None

    @property
    def reach(self) -> tuple[int, int, int]:
        """Voxels from the source to the last neighbour along z, y and x."""
        kz, ky, kx = (n // 2 for n in self.energy_mev.shape)
        return kz, ky, kx

    @property
    def voxel_mass_g(self) -> float:
        """Mass of one voxel of the medium [g]."""
        dz, dy, dx = self.voxel_size_mm
        return self.density_g_cm3 * dz * dy * dx * 1e-3

    @property
    def s_gy_per_decay(self) -> np.ndarray:
        """Voxel S values [Gy per decay], the MIRD quantity S(k <- 0) in another unit."""
        return self.energy_mev * (JOULE_PER_MEV / (self.voxel_mass_g * 1e-3))

    @property
    def truncated_mev(self) -> float:
        """Energy per decay that is deposited beyond the last neighbours [MeV]; zero where only rounding is left.

        Negative where a table of others deposits more than our decay data emit.
        """
        left = self.emitted_mev - float(self.energy_mev.sum())
        return left if abs(left) > ROUNDING * self.emitted_mev else 0.0

    @property
    def truncated_share(self) -> float:
        """The same as a share of the energy emitted."""
        return self.truncated_mev / self.emitted_mev if self.emitted_mev > 0 else 0.0

    @property
    def farthest_mm(self) -> float:
        """Distance of the last voxels, those in the corners, from the source [mm]."""
        return float(np.linalg.norm([k * size for k, size in zip(self.reach, self.voxel_size_mm, strict=True)]))

    @property
    def s_mgy_per_mbq_s(self) -> np.ndarray:
        """Voxel S values [mGy/(MBq s)], the unit of published tables."""
        return self.s_gy_per_decay / GY_PER_DECAY

    @property
    def truncation_text(self) -> str:
        """The truncated energy in a sentence."""
        return (
            f"{percent(self.truncated_share)} of the emitted energy ({number(self.truncated_mev)} of "
            f"{number(self.emitted_mev, 4)} MeV per decay) is deposited beyond the last neighbours."
        )

    def with_notes(self, notes: tuple[str, ...]) -> VoxelKernel:
        """The same kernel with other notes."""
        return replace(self, notes=notes)

    def within(self, reach: tuple[int, int, int]) -> VoxelKernel:
        """The inner part, at most so many voxels from the source along z, y and x."""
        box = tuple(slice(max(k - r, 0), k + min(k, r) + 1) for k, r in zip(self.reach, reach, strict=True))
        return replace(self, energy_mev=self.energy_mev[box], standard_error_mev=self.standard_error_mev[box])
