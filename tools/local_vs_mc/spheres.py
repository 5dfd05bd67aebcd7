"""The transport problem of a case: a sphere of uniform activity in a medium, rasterised with fractional voxels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from ...engine.grid import Grid
from ...engine.imaging import tissue
from ...engine.nuclides.decay import nuclide
from ...engine.physics.material import Material
from ...engine.transport.problem import Problem
from ...phantoms.shapes import full_fraction, sphere
from .design import BONE, LUNG, SOFT, SOFT_BONE, SOFT_LUNG, Case

#: Medium around the sphere, in which photons scatter back [mm].
MARGIN_MM = 50.0
#: Composition (name among the tissues of a CT) and mass density [g/cm3] of each medium.
COMPOSITIONS = {SOFT: ("soft_tissue", 1.04), LUNG: ("lung", 0.26), BONE: ("marrow_bone_15", 1.92)}
#: What lies below and above the plane through the sphere's centre.
SIDES = {SOFT_LUNG: (SOFT, LUNG), SOFT_BONE: (SOFT, BONE)}
#: Sub-points along each axis of a voxel that the sphere's surface crosses.
SUB_POINTS = 12
#: Width of a Gaussian over its standard deviation.
FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


@dataclass(frozen=True, eq=False)
class Sphere:
    """A case on its grid.

    Parameters
    ----------
    problem
        The transport problem; its source is in decays, and sums to one decay.
    fraction
        Fraction of each voxel inside the sphere (nz, ny, nx), float64.
    layered
        Whether two media meet in the plane through the centre, so that the z axis is not like the others.
    """

    problem: Problem
    fraction: np.ndarray
    layered: bool = False


@lru_cache(maxsize=8)
def medium(name: str) -> Material:
    """Composition of a medium, at the density that the study gives it."""
    wanted, density = COMPOSITIONS[name]
    found = next(material for material in tissue.materials() if material.name == wanted)
    return replace(found, nominal_density_g_cm3=density)


def centred_grid(half_mm: float, voxel_mm: float) -> Grid:
    """A cube of voxels whose centre is a corner of the middle ones, at least so far from its faces [mm]."""
    half = math.ceil(half_mm / voxel_mm)
    return Grid((2 * half,) * 3, (voxel_mm,) * 3, (-(half - 0.5) * voxel_mm,) * 3)


def built(case: Case) -> Sphere:
    """A case on its grid."""
    ball = sphere((0.0, 0.0, 0.0), case.volume_ml)
    grid = centred_grid(ball.semi_axes_mm[0] + MARGIN_MM, case.voxel_mm)
    fraction = full_fraction(ball, grid, points=SUB_POINTS)
    activity = blurred(fraction, case.blur_mm, case.voxel_mm)
    density, material, materials = _media(case.medium, fraction.shape)
    problem = Problem(
        density_g_cm3=density,
        material=material,
        materials=materials,
        voxel_size_mm=(case.voxel_mm,) * 3,
        source=(activity / activity.sum()).astype(np.float32),
        emission=nuclide(case.nuclide).emission,
        notes={"case": case.name},
    )
    return Sphere(problem, fraction, case.medium in SIDES)


def blurred(activity: np.ndarray, fwhm_mm: float, voxel_mm: float) -> np.ndarray:
    """Activity as a scanner of this resolution sees it: convolved with a Gaussian, without noise.

    Parameters
    ----------
    activity
        In each voxel (nz, ny, nx), float64.
    fwhm_mm
        Full width at half maximum [mm].
    voxel_mm
        Edge of the voxels [mm].
    """
    if fwhm_mm == 0.0:
        return activity
    return np.asarray(gaussian_filter(activity, fwhm_mm / FWHM_PER_SIGMA / voxel_mm, mode="constant", truncate=5.0))


def _media(name: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, tuple[Material, ...]]:
    """Density, material index and materials of a medium, or of two that meet in the middle plane."""
    below, above = SIDES.get(name, (name, name))
    density = np.full(shape, COMPOSITIONS[below][1], np.float32)
    material = np.zeros(shape, np.uint8)
    if above == below:
        return density, material, (medium(below),)
    half = shape[0] // 2
    density[half:], material[half:] = COMPOSITIONS[above][1], 1
    return density, material, (medium(below), medium(above))
