"""CT numbers to mass density and elemental composition.

Density and composition follow W. Schneider, T. Bortfeld, W. Schlegel, "Correlation between CT numbers and
tissue parameters needed for Monte Carlo simulations of clinical dose distributions", Phys Med Biol 45
(2000) 459-478: piecewise linear density, 24 composition bins. The density curve may be replaced by a
scanner's own calibration; the composition bins stay.

Neglected: the scanner and tube voltage dependence of the composition bin limits (bone differs by 10-20 % in
HU between 80 and 140 kVp); contrast medium, which reads as dense tissue or bone; metal beyond 3000 HU.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..grid import Grid, Volume
from ..physics.material import Material
from ..text import counted
from .ct_calibration import AIR_G_CM3, DEFAULT_CALIBRATION, METAL_HU, Calibration
from .resample import average, average_slabs, coverage
from .volumes import refuse_undefined_hu

log = logging.getLogger(__name__)

#: CT numbers below this are the scanner's padding outside its round field of view [HU].
PADDING_HU = -1100.0

_ELEMENTS = (1, 6, 7, 8, 11, 12, 15, 16, 17, 18, 19, 20)
# Lower bin limit [HU], name, mass per cent of H C N O Na Mg P S Cl Ar K Ca (Schneider 2000, table 6).
_BINS: tuple[tuple[float, str, tuple[float, ...]], ...] = (
    (-math.inf, "air", (0, 0, 75.5, 23.2, 0, 0, 0, 0, 0, 1.3, 0, 0)),
    (-950, "lung", (10.3, 10.5, 3.1, 74.9, 0.2, 0, 0.2, 0.3, 0.3, 0, 0.2, 0)),
    (-120, "adipose_1", (11.6, 68.1, 0.2, 19.8, 0.1, 0, 0, 0.1, 0.1, 0, 0, 0)),
    (-82, "adipose_2", (11.3, 56.7, 0.9, 30.8, 0.1, 0, 0, 0.1, 0.1, 0, 0, 0)),
    (-52, "adipose_3", (11.0, 45.8, 1.5, 41.1, 0.1, 0, 0.1, 0.2, 0.2, 0, 0, 0)),
    (-22, "adipose_4", (10.8, 35.6, 2.2, 50.9, 0, 0, 0.1, 0.2, 0.2, 0, 0, 0)),
    (8, "adipose_5", (10.6, 28.4, 2.6, 57.8, 0, 0, 0.1, 0.2, 0.2, 0, 0.1, 0)),
    (19, "soft_tissue", (10.3, 13.4, 3.0, 72.3, 0.2, 0, 0.2, 0.2, 0.2, 0, 0.2, 0)),
    (80, "connective_tissue", (9.4, 20.7, 6.2, 62.2, 0.6, 0, 0, 0.6, 0.3, 0, 0, 0)),
    (120, "marrow_bone_1", (9.5, 45.5, 2.5, 35.5, 0.1, 0, 2.1, 0.1, 0.1, 0, 0.1, 4.5)),
    (200, "marrow_bone_2", (8.9, 42.3, 2.7, 36.3, 0.1, 0, 3.0, 0.1, 0.1, 0, 0.1, 6.4)),
    (300, "marrow_bone_3", (8.2, 39.1, 2.9, 37.2, 0.1, 0, 3.9, 0.1, 0.1, 0, 0.1, 8.3)),
    (400, "marrow_bone_4", (7.6, 36.1, 3.0, 38.0, 0.1, 0.1, 4.7, 0.2, 0.1, 0, 0, 10.1)),
    (500, "marrow_bone_5", (7.1, 33.5, 3.2, 38.7, 0.1, 0.1, 5.4, 0.2, 0, 0, 0, 11.7)),
    (600, "marrow_bone_6", (6.6, 31.0, 3.3, 39.4, 0.1, 0.1, 6.1, 0.2, 0, 0, 0, 13.2)),
    (700, "marrow_bone_7", (6.1, 28.7, 3.5, 40.0, 0.1, 0.1, 6.7, 0.2, 0, 0, 0, 14.6)),
    (800, "marrow_bone_8", (5.6, 26.5, 3.6, 40.5, 0.1, 0.2, 7.3, 0.3, 0, 0, 0, 15.9)),
    (900, "marrow_bone_9", (5.2, 24.6, 3.7, 41.1, 0.1, 0.2, 7.8, 0.3, 0, 0, 0, 17.0)),
    (1000, "marrow_bone_10", (4.9, 22.7, 3.8, 41.6, 0.1, 0.2, 8.3, 0.3, 0, 0, 0, 18.1)),
    (1100, "marrow_bone_11", (4.5, 21.0, 3.9, 42.0, 0.1, 0.2, 8.8, 0.3, 0, 0, 0, 19.2)),
    (1200, "marrow_bone_12", (4.2, 19.4, 4.0, 42.5, 0.1, 0.2, 9.2, 0.3, 0, 0, 0, 20.1)),
    (1300, "marrow_bone_13", (3.9, 17.9, 4.1, 42.9, 0.1, 0.2, 9.6, 0.3, 0, 0, 0, 21.0)),
    (1400, "marrow_bone_14", (3.6, 16.5, 4.2, 43.2, 0.1, 0.2, 10.0, 0.3, 0, 0, 0, 21.9)),
    (1500, "marrow_bone_15", (3.4, 15.5, 4.2, 43.5, 0.1, 0.2, 10.3, 0.3, 0, 0, 0, 22.5)),
)  # fmt: skip
_LIMITS_HU = np.array([limit for limit, _, _ in _BINS[1:]], float)
_LAST_BIN_TOP_HU = 1600.0

# Relative atomic masses, and mean excitation energies [eV] of the elements as constituents of liquid and
# solid compounds: ICRU Report 37 (1984), table 5.1 (measured for H, C, N, O, F, Cl; others 1.13 times the
# element's own I).
_ATOMIC_MASS = {
    1: 1.008, 6: 12.011, 7: 14.007, 8: 15.999, 9: 18.998, 11: 22.990, 12: 24.305, 15: 30.974, 16: 32.06,
    17: 35.45, 18: 39.948, 19: 39.098, 20: 40.078, 26: 55.845, 30: 65.38, 53: 126.904,
}  # fmt: skip
_I_COMPOUND_EV = {
    1: 19.2, 6: 81.0, 7: 82.0, 8: 106.0, 9: 112.0, 17: 180.0,
    11: 1.13 * 149, 12: 1.13 * 156, 15: 1.13 * 173, 16: 1.13 * 180, 18: 1.13 * 188, 19: 1.13 * 190,
    20: 1.13 * 191, 26: 1.13 * 286, 30: 1.13 * 330, 53: 1.13 * 491,
}  # fmt: skip
#: Mean excitation energy of dry air and liquid water, ICRU 37 [eV].
_I_AIR_EV, _I_WATER_EV = 85.7, 75.0


def mean_excitation_ev(Z: Sequence[int], mass_fraction: Sequence[float]) -> float:
    """Mean excitation energy I of a liquid or solid compound by Bragg additivity [eV].

    ln I = sum(w Z/A ln I_Z) / sum(w Z/A) with the elements' values in compounds (ICRU Report 37, section
    5.4). The rule neglects molecular binding beyond those values: a few per cent in I, some 0.5 % in
    stopping power.
    """
    missing = [z for z in Z if z not in _I_COMPOUND_EV]
    if missing:
        raise ValueError(f"no mean excitation energy for Z = {missing}")
    weight = [w * z / _ATOMIC_MASS[z] for z, w in zip(Z, mass_fraction, strict=True)]
    log_i = [math.log(_I_COMPOUND_EV[z]) for z in Z]
    return math.exp(sum(w * value for w, value in zip(weight, log_i, strict=True)) / sum(weight))


@lru_cache(maxsize=1)
def materials() -> tuple[Material, ...]:
    """The 24 Schneider materials in order of CT number; nominal density is the mean of each bin."""
    out = []
    for number, (_, name, per_cent) in enumerate(_BINS):
        used = [(z, w) for z, w in zip(_ELEMENTS, per_cent, strict=True) if w > 0]
        total = sum(w for _, w in used)
        Z, fraction = tuple(z for z, _ in used), tuple(w / total for _, w in used)
        if name == "air":
            excitation, density = _I_AIR_EV, AIR_G_CM3
        else:
            top = _LIMITS_HU[number] if number < len(_LIMITS_HU) else _LAST_BIN_TOP_HU
            excitation = mean_excitation_ev(Z, fraction)
            density = float(DEFAULT_CALIBRATION.density(np.linspace(_LIMITS_HU[number - 1], top, 41)).mean())
        out.append(Material(name, Z, fraction, excitation, density))
    return tuple(out)


def water() -> Material:
    """Liquid water with I = 75 eV (ICRU 37)."""
    return Material("water", (1, 8), (0.111894, 0.888106), _I_WATER_EV, 1.0)


def material_index(hu: np.ndarray) -> np.ndarray:
    """Index of the composition bin of each CT number [HU]; uint8, same shape."""
    return np.searchsorted(_LIMITS_HU, hu, side="right").astype(np.uint8)


@dataclass
class Tissue:
    """Mass density and composition on the dose grid.

    Parameters
    ----------
    density_g_cm3
        float32 (nz, ny, nx) [g/cm3].
    material
        uint8 (nz, ny, nx), index into ``materials``.
    materials
        The compositions.
    notes
        What was assumed, clipped or filled, one sentence each.
    """

    density_g_cm3: np.ndarray
    material: np.ndarray
    materials: tuple[Material, ...]
    notes: list[str] = field(default_factory=list)


def check_hu(ct: Volume) -> list[str]:
    """Refuse values that cannot be Hounsfield units; report what will be clipped.

    Returns the notes. Raises InputError for NaN, for images with nothing but air, for values that look stored
    without their rescale (water near 1000), for densities or normalised images given as HU, and for a PET.
    """
    values, source = ct.values, ct.source or None
    refuse_undefined_hu(ct)
    low, high = float(values.min()), float(values.max())
    if high <= -900.0:
        raise InputError(
            f"the CT values run from {low:g} to {high:g} HU, all of them air",
            why="they show no patient",
            suggestion="check the rescale slope and intercept and that this is the CT",
            file=source,
        )
    if low >= 0.0 and 0.0 < high <= 10.0 and np.any(values != np.rint(values)):
        raise InputError(
            f"the CT values run from {low:g} to {high:g}",
            why="that is a density or a normalised image, not HU",
            suggestion="give the CT in Hounsfield units (air -1000, water 0)",
            file=source,
        )
    sample = values.reshape(-1)[:: max(1, values.size // 2_000_000)]
    body = sample[sample > low + 500.0] if high - low > 800.0 else sample
    typical = float(np.median(body))
    stored = low >= -50.0 and high > low and body.size > 0.2 * sample.size and 900.0 <= typical <= 1150.0
    if stored:
        raise InputError(
            f"the CT values run from {low:g} to {high:g} and tissue lies near {typical:.0f}",
            why="water is 0 HU; these look like stored values without their rescale intercept (often -1024)",
            suggestion="export the CT with rescale slope and intercept applied",
            file=source,
        )
    shows_activity = low >= 0.0 and high > low and (high > METAL_HU or bool(np.any(sample != np.rint(sample))))
    if shows_activity:
        raise InputError(
            f"the CT values run from {low:g} to {high:g}, none of them below zero",
            why="air is -1000 HU and fat -100 HU; values like these are those of a PET",
            suggestion="check that `ct` names the CT and `pet` the PET",
            file=source,
        )
    notes = []
    metal = int(np.count_nonzero(values > METAL_HU))
    if metal:
        notes.append(
            f"{counted(metal, 'CT voxel')} ({metal * ct.grid.voxel_volume_ml:.3g} mL) above {METAL_HU:g} HU, "
            f"up to {high:g}, {'was' if metal == 1 else 'were'} clipped: metal or artefact, "
            f"density and dose there are not reliable"
        )
    padding = int(np.count_nonzero(values < PADDING_HU))
    if padding:
        below = f"below {PADDING_HU:g} HU"
        voxels = counted(padding, "CT voxel", (f"{below} was", f"{below} were"))
        notes.append(f"{voxels} taken as padding: air")
    return notes


def from_ct(
    ct: Volume,
    grid: Grid,
    calibration: Calibration | str | Path | Sequence[Sequence[float]] | None = None,
) -> Tissue:
    """Density and composition of a CT on the dose grid.

    CT numbers become density on the CT's own grid, which is then averaged by volume, so that mass is
    conserved; averaging CT numbers first would not conserve it where the curve bends. A dose voxel's
    composition is the bin of its mass-weighted mean CT number: where tissue meets air the tissue, which
    holds the mass, decides.

    Parameters
    ----------
    ct
        Hounsfield units on any grid.
    grid
        The dose grid. What lies outside the CT is air.
    calibration
        HU against g/cm3: a CSV file, a list of pairs, or None for Schneider 2000.

    Raises
    ------
    InputError
        For values that cannot be HU, an unusable calibration, or no overlap.
    """
    if ct.quantity != "HU":
        raise InputError(
            f"the CT holds {ct.quantity}, not HU",
            why="densities come from Hounsfield units",
            suggestion="give the CT image",
            file=ct.source or None,
        )
    curve = Calibration.read(calibration)
    notes = [f"density from CT numbers by {curve.name}, composition by Schneider 2000", *check_hu(ct)]
    notes += curve.remarks(float(ct.values.min()), float(ct.values.max()))
    share = coverage(ct.grid, grid)
    if not np.any(share > 0.0):
        raise InputError(
            "the CT and the dose grid do not overlap",
            why="no voxel would have a density",
            suggestion="check that PET and CT belong together (frame of reference, orientation)",
            file=ct.source or None,
        )

    def clipped(z0: int, z1: int) -> np.ndarray:
        hu = np.minimum(np.asarray(ct.values[z0:z1], np.float64), METAL_HU)
        return np.where(hu < PADDING_HU, -1000.0, np.maximum(hu, -1000.0))

    def density_slab(z0: int, z1: int) -> np.ndarray:
        return curve.density(clipped(z0, z1))

    def weighted_slab(z0: int, z1: int) -> np.ndarray:
        hu = clipped(z0, z1)
        return curve.density(hu) * hu

    if ct.grid.is_parallel_to(grid):
        density = average_slabs(density_slab, ct.grid, grid)
        weighted = average_slabs(weighted_slab, ct.grid, grid)
    else:
        whole = ct.grid.shape[0]
        density = average(density_slab(0, whole), ct.grid, grid)
        # shifted so that it is positive, as the matching of totals needs
        shifted = density_slab(0, whole) * (clipped(0, whole) + 1000.0)
        weighted = average(shifted, ct.grid, grid) - 1000.0 * density
        notes.append("the CT is rotated against the dose grid and was averaged over sub-points of each voxel")
    density += (1.0 - share) * AIR_G_CM3
    weighted += (1.0 - share) * AIR_G_CM3 * -1000.0
    density = np.maximum(density, AIR_G_CM3)
    material = material_index(weighted / density)
    outside = float(np.mean(share < 0.5))
    if outside > 0.0:
        notes.append(f"{100.0 * outside:.2g} % of the dose grid lies outside the CT and was taken as air")
    for note in notes:
        log.debug("%s", note)
    return Tissue(density.astype(np.float32), material, materials(), notes)
