"""Which cases the study has, how many decays each gets, and in which order they run."""

from __future__ import annotations

import math
from dataclasses import dataclass

NUCLIDES = ("I-131", "I-124", "Lu-177", "Y-90", "Re-188")
VOLUMES_ML = (0.05, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
VOXELS_MM = (1.0, 2.0, 3.0, 4.0, 6.0)
BLURS_MM = (0.0, 6.0, 8.0, 12.0)
SOFT, LUNG, BONE = "soft tissue", "lung", "cortical bone"
SOFT_LUNG, SOFT_BONE = "soft tissue/lung", "soft tissue/bone"
MEDIA = (SOFT, LUNG, BONE, SOFT_LUNG, SOFT_BONE)

#: Voxel at which media and blur are compared [mm]; largest volume at voxels of 1 mm [mL].
MAIN_VOXEL_MM, LARGEST_AT_1_MM_ML = 3.0, 10.0
#: The first pass: these volumes give every axis its points.
SPARSE_VOLUMES_ML = (0.1, 1.0, 10.0, 100.0)
#: Of these the ones that run first: the figures of voxel and blur show them.
FIRST_VOLUMES_ML = (1.0, 10.0)
#: Volumes in which blur is crossed with the voxel, and the other media with the voxel.
CROSSED_VOLUMES_ML = (0.3, 3.0, 30.0)
#: Decays per voxel of the sphere, and the fewest and most of them.
DECAYS_PER_VOXEL, FEWEST_DECAYS, MOST_DECAYS = 1000.0, 1_000_000, 4_000_000
#: 124I gives a positron in 23 % of its decays only, and needs this many times as many for the same error.
MORE_DECAYS = {"I-124": 2.0}


@dataclass(frozen=True)
class Case:
    """One sphere.

    Parameters
    ----------
    nuclide
        Name, as in ``"I-131"``.
    medium
        One of :data:`MEDIA`; of the last two the sphere's centre lies on the plane between them.
    volume_ml
        Volume of the sphere [mL].
    voxel_mm
        Edge of the cubic voxels [mm].
    blur_mm
        Full width at half maximum of the PET's resolution [mm]; 0 for the true activity.
    """

    nuclide: str
    medium: str
    volume_ml: float
    voxel_mm: float
    blur_mm: float = 0.0

    @property
    def name(self) -> str:
        """Name of the case, and of its files."""
        medium = self.medium.replace(" ", "-").replace("/", "+")
        return f"{self.nuclide}_{medium}_{self.volume_ml:g}mL_{self.voxel_mm:g}mm_blur{self.blur_mm:g}"

    @property
    def diameter_mm(self) -> float:
        """Diameter of the sphere [mm]."""
        return 2.0 * (3.0 * self.volume_ml * 1e3 / (4.0 * math.pi)) ** (1.0 / 3.0)

    @property
    def sub_voxel(self) -> bool:
        """Whether the sphere is narrower than two voxels, so that its histogram has hardly any points."""
        return self.diameter_mm < 2.0 * self.voxel_mm

    @property
    def decays(self) -> int:
        """Decays to simulate."""
        voxels = self.volume_ml * 1e3 / self.voxel_mm**3
        wanted = min(max(DECAYS_PER_VOXEL * voxels, FEWEST_DECAYS), MOST_DECAYS)
        return int(round(wanted * MORE_DECAYS.get(self.nuclide, 1.0), -3))

    @property
    def seed(self) -> int:
        """Seed of the random numbers: its place among all combinations, so it stays when the design grows."""
        place = 0
        for value, values in (
            (self.nuclide, NUCLIDES),
            (self.medium, MEDIA),
            (self.volume_ml, VOLUMES_ML),
            (self.voxel_mm, VOXELS_MM),
            (self.blur_mm, BLURS_MM),
        ):
            place = place * len(values) + values.index(value)  # type: ignore[arg-type]
        return 1000 + place

    def unblurred(self) -> Case:
        """The same sphere with its true activity."""
        return Case(self.nuclide, self.medium, self.volume_ml, self.voxel_mm)


def design() -> tuple[Case, ...]:
    """Every case, the first pass first; within a pass in the order of media, voxels and blurs."""
    full = _cases(VOLUMES_ML)
    crossed = [
        (medium, volume, voxel, blur)
        for medium in MEDIA
        for volume in CROSSED_VOLUMES_ML
        for voxel in (2.0, 4.0, 6.0)
        for blur in BLURS_MM
        if (medium == SOFT) != (blur == 0.0) and not (medium != SOFT and voxel == 4.0)
    ]
    return tuple(dict.fromkeys(_of_all_nuclides([*_sparse(), *full, *crossed])))


def first_pass() -> tuple[Case, ...]:
    """The sparse part of the design, which has all nuclides, media, voxels and blurs, and every second volume."""
    return tuple(_of_all_nuclides(_sparse()))


def _sparse() -> list[tuple[str, float, float, float]]:
    return list(dict.fromkeys([*_cases(FIRST_VOLUMES_ML), *_cases(SPARSE_VOLUMES_ML)]))


def _cases(volumes_ml: tuple[float, ...]) -> list[tuple[str, float, float, float]]:
    media = [(medium, volume, MAIN_VOXEL_MM, 0.0) for medium in MEDIA for volume in volumes_ml]
    voxels = [
        (SOFT, volume, voxel, 0.0)
        for voxel in VOXELS_MM
        for volume in volumes_ml
        if voxel > 1.0 or volume <= LARGEST_AT_1_MM_ML
    ]
    blurs = [(SOFT, volume, MAIN_VOXEL_MM, blur) for blur in BLURS_MM for volume in volumes_ml]
    return list(dict.fromkeys([*media, *voxels, *blurs]))


def _of_all_nuclides(rows: list[tuple[str, float, float, float]]) -> list[Case]:
    return [Case(nuclide, *row) for row in rows for nuclide in NUCLIDES]
