"""A neck and thorax out of simple shapes, each with its density and iodide uptake.

Coordinates are patient millimetres, LPS, as (z, y, x): z up from the lowest slice, y towards the back, x
towards the left. Shapes later in the list lie over earlier ones. Uptakes are typical of radioiodide under
rhTSH 24 h after administration (SUV by weight, decay-corrected) and only need to be plausible: they are
background to the lesions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

from .shapes import Box, Capsule, Cylinder, Ellipsoid, Rib, Shape, Trunk

AIR_DENSITY = 0.0012  # g/cm3


@dataclass(frozen=True)
class Region:
    """A shape filled with one tissue.

    Parameters
    ----------
    name
        Its name.
    shape
        Its shape.
    density_g_cm3
        Mass density.
    suv_24h
        Uptake 24 h after administration, decay-corrected, as SUV by weight; 0 for none.
    biological_half_life_h
        Half-life of its mono-exponential clearance after 24 h [h].
    """

    name: str
    shape: Shape
    density_g_cm3: float
    suv_24h: float = 0.0
    biological_half_life_h: float = 22.0


@dataclass(frozen=True)
class Uptakes:
    """Background SUV at 24 h of the organs that vary most from patient to patient."""

    liver: float = 0.65
    blood: float = 0.55
    stomach: float = 10.0
    salivary: float = 8.0
    thyroid_bed: float = 0.5
    muscle: float = 0.3
    lung: float = 0.25
    marrow: float = 0.35


OUTLINE = Trunk(
    (
        (-40.0, 0.0, 112.0, 168.0),
        (190.0, 0.0, 108.0, 172.0),
        (250.0, 8.0, 84.0, 165.0),
        (285.0, 10.0, 66.0, 72.0),
        (345.0, 8.0, 64.0, 62.0),
        (420.0, 0.0, 82.0, 70.0),
    )
)

#: Where a lesion may sit: centre (z, y, x) [mm] and the largest radius [mm] that stays in that tissue.
SITES: dict[str, tuple[tuple[tuple[float, float, float], float], ...]] = {
    "lung": (
        ((185.0, 0.0, -82.0), 22.0),
        ((120.0, 35.0, -85.0), 23.0),
        ((95.0, -15.0, -82.0), 23.0),
        ((180.0, 5.0, 84.0), 22.0),
        ((125.0, 40.0, 92.0), 23.0),
        ((145.0, -20.0, -84.0), 20.0),
        ((150.0, -15.0, 88.0), 18.0),
    ),
    "node": (
        ((315.0, 12.0, -42.0), 11.0),
        ((312.0, 12.0, 42.0), 11.0),
        ((345.0, 16.0, -40.0), 11.0),
        ((264.0, 0.0, 44.0), 15.0),
        ((262.0, 0.0, -44.0), 15.0),
        ((205.0, -35.0, 0.0), 11.0),
        ((150.0, -55.0, -6.0), 12.0),
    ),
    "bone": (
        ((150.0, 66.0, 0.0), 15.5),
        ((70.0, 66.0, 0.0), 15.5),
        ((205.0, 66.0, 0.0), 15.5),
        ((110.0, 66.0, 0.0), 15.5),
    ),
}


def neck_and_thorax(uptakes: Uptakes | None = None) -> list[Region]:
    """The regions of the phantom from the outside in, without lesions."""
    u = uptakes or Uptakes()
    soft, muscle = 1.04, (u.muscle, 22.0)
    regions = [
        Region("fat", OUTLINE, 0.95, 0.1),
        Region("muscle", OUTLINE.shrunk(9.0), soft, *muscle),
        Region("right lung", Ellipsoid((115.0, 6.0, -82.0), (138.0, 72.0, 62.0)), 0.26, u.lung),
        Region("left lung", Ellipsoid((115.0, 6.0, 82.0), (138.0, 72.0, 62.0)), 0.26, u.lung),
        Region("mediastinum", Cylinder((110.0, -5.0, 0.0), 150.0, (72.0, 26.0)), soft, u.blood * 0.7),
        Region("heart", Ellipsoid((75.0, -28.0, 28.0), (52.0, 44.0, 48.0)), 1.05, u.blood),
        Region("liver", Ellipsoid((-22.0, 0.0, -70.0), (62.0, 84.0, 82.0)), 1.06, u.liver),
        Region("stomach", Ellipsoid((-18.0, -28.0, 72.0), (40.0, 36.0, 36.0)), 1.04, u.stomach, 22.0),
    ]
    for i in range(8):
        height = 35.0 + 26.0 * i
        # Just outside the lungs at that height.
        wide = math.sqrt(1.0 - ((height - 115.0) / 138.0) ** 2)
        ring = Rib((height, 4.0, 0.0), (23.0 + 72.0 * wide, 91.0 + 61.0 * wide), 5.5, 0.3)
        regions.append(Region(f"rib {i + 1}", ring, 1.40, u.marrow))
    spine = [(-60.0, 66.0, 0.0), (225.0, 66.0, 0.0), (290.0, 36.0, 0.0), (450.0, 34.0, 0.0)]
    for i, (start, end) in enumerate(pairwise(spine)):
        radius = 18.5 if i == 0 else 13.0
        regions.append(Region("vertebral cortex", Capsule(start, end, radius), 1.45, u.marrow))
    for i, (start, end) in enumerate(pairwise(spine)):
        radius = 16.0 if i == 0 else 10.5
        regions.append(Region("vertebral spongiosa", Capsule(start, end, radius), 1.18, u.marrow))
    regions += [
        Region("spinal canal", Capsule((-60.0, 89.0, 0.0), (225.0, 89.0, 0.0), 8.0), soft, 0.2),
        Region("sternum", Box((150.0, -88.0, 0.0), (70.0, 5.0, 18.0)), 1.25, u.marrow),
        Region("right clavicle", Capsule((232.0, -52.0, -18.0), (246.0, -20.0, -130.0), 6.0), 1.45, u.marrow),
        Region("left clavicle", Capsule((232.0, -52.0, 18.0), (246.0, -20.0, 130.0), 6.0), 1.45, u.marrow),
        Region("trachea", Capsule((195.0, -2.0, 0.0), (450.0, -26.0, 0.0), 9.0), AIR_DENSITY),
        Region("right bronchus", Capsule((195.0, -2.0, 0.0), (172.0, 4.0, -36.0), 6.5), AIR_DENSITY),
        Region("left bronchus", Capsule((195.0, -2.0, 0.0), (168.0, 4.0, 38.0), 6.0), AIR_DENSITY),
    ]
    for side, name in ((-1.0, "right"), (1.0, "left")):
        regions += [
            Region(
                f"{name} thyroid bed",
                Ellipsoid((300.0, -20.0, side * 16.0), (16.0, 8.0, 7.0)),
                soft,
                u.thyroid_bed,
                60.0,
            ),
            Region(
                f"{name} submandibular gland",
                Ellipsoid((372.0, -30.0, side * 32.0), (11.0, 14.0, 8.0)),
                1.05,
                0.7 * u.salivary,
                50.0,
            ),
            Region(
                f"{name} parotid gland",
                Ellipsoid((398.0, 14.0, side * 50.0), (20.0, 16.0, 10.0)),
                1.04,
                u.salivary,
                50.0,
            ),
        ]
    return regions


@dataclass(frozen=True)
class Lesion:
    """A lesion with its truth.

    Parameters
    ----------
    name, site
        Its name, and one of ``lung``, ``node``, ``bone``.
    centre_mm
        Its centre (z, y, x) [mm, LPS].
    volume_ml
        Its volume.
    uptake_percent_per_g_24h
        Uptake 24 h after administration, decay-corrected [% of the administered activity per g].
    biological_half_life_h
        Half-life of its mono-exponential clearance after 24 h [h].
    density_g_cm3
        Mass density.
    ratios
        Proportions of its semi-axes (z, y, x); a sphere by default.
    """

    name: str
    site: str
    centre_mm: tuple[float, float, float]
    volume_ml: float
    uptake_percent_per_g_24h: float
    biological_half_life_h: float
    density_g_cm3: float = 1.05
    ratios: tuple[float, float, float] = field(default=(1.0, 1.0, 1.0))

    @property
    def mass_g(self) -> float:
        """Its mass [g]."""
        return self.volume_ml * self.density_g_cm3

    @property
    def uptake_fraction_24h(self) -> float:
        """Its whole uptake at 24 h as a fraction of the administered activity, decay-corrected."""
        return self.uptake_percent_per_g_24h * 0.01 * self.mass_g


#: The lesions of the default patient: at 7.4 GBq some above 20 Gy, some below, one close to it.
DEFAULT_LESIONS: tuple[Lesion, ...] = (
    Lesion("right level IV node", "node", (315.0, 12.0, -42.0), 2.5, 0.062, 90.0, 1.05),
    Lesion("left upper lobe", "lung", (180.0, 5.0, 84.0), 1.2, 0.012, 60.0, 1.00),
    Lesion("right lower lobe", "lung", (95.0, -15.0, -82.0), 6.0, 0.0265, 85.0, 1.00),
    Lesion("T8 vertebra", "bone", (110.0, 66.0, 0.0), 12.0, 0.016, 120.0, 1.20),
    Lesion("paratracheal node", "node", (205.0, -35.0, 0.0), 1.0, 0.004, 50.0, 1.05),
    Lesion("right upper lobe", "lung", (185.0, 0.0, -82.0), 0.35, 0.05, 75.0, 0.95),
)
