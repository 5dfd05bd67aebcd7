"""Radial energy deposition around a point source, from a voxel tally: shells by volume fraction.

A voxel tally of a point source is a picture through voxels: the source fills one voxel, and what a voxel holds is
spread over it again when it is shared between shells. :func:`seen_through_voxels` passes a reference kernel through
the same voxels, so that both sides of a comparison carry the same blur and none is left in the difference.
"""

from __future__ import annotations

import numpy as np
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.physics.material import Material
from hevesy.engine.transport.problem import Problem

WATER = Material("water_liquid", (1, 8), (0.111894, 0.888106), 75.0, 1.0)
#: sub-points per voxel edge when a voxel is shared between shells
SPLIT = 6


def point_problem(emission: Emission, radius_cm: float, voxels: int, physics: dict | None = None) -> Problem:
    """A source voxel in the middle of a water cube of half-edge ``radius_cm``; ``voxels`` (odd) an edge."""
    shape = (voxels, voxels, voxels)
    source = np.zeros(shape, np.float32)
    source[(voxels // 2,) * 3] = 1.0
    size = 20.0 * radius_cm / voxels
    return Problem(
        density_g_cm3=np.ones(shape, np.float32),
        material=np.zeros(shape, np.uint8),
        materials=(WATER,),
        voxel_size_mm=(size, size, size),
        source=source,
        emission=emission,
        physics=physics or {},
    )


def shell_labels(voxels: int, voxel_cm: float, radii_cm: np.ndarray) -> np.ndarray:
    """Shell of each voxel's centre, 1 for the innermost, 0 beyond the last radius; uint8 (n, n, n).

    As regions of a run they give the covariance of the shells' energies between batches.
    """
    axis = (np.arange(voxels) - voxels // 2) * voxel_cm
    square = axis**2
    r = np.sqrt(square[:, None, None] + square[None, :, None] + square[None, None, :])
    shell = np.searchsorted(radii_cm, r) + 1
    return np.where(shell > len(radii_cm), 0, shell).astype(np.uint8)


def cumulative_share(energy: np.ndarray, voxel_cm: float, radii_cm: np.ndarray, split: int = SPLIT) -> np.ndarray:
    """Energy (nz, ny, nx; odd, the source in the middle) deposited within each radius of the middle voxel's centre.

    The eight octants are added first (mirror symmetry of the shells), then each voxel is shared between the shells
    by ``split``^3 points.
    """
    n = energy.shape[0]
    folded = np.asarray(energy, float)
    for axis in range(3):
        upper = np.take(folded, np.arange(n // 2, n), axis=axis)
        lower = np.take(folded, np.arange(n // 2, -1, -1), axis=axis)
        # the middle layer is its own mirror image: count it once
        lower[tuple(slice(0, 1) if a == axis else slice(None) for a in range(3))] = 0.0
        folded = upper + lower
    m = folded.shape[0]
    offsets = (np.arange(split) + 0.5) / split - 0.5
    square = (((np.arange(m))[:, None] + offsets).ravel() * voxel_cm) ** 2
    edges2 = np.concatenate([[-1.0], np.asarray(radii_cm) ** 2])
    total = np.zeros(len(radii_cm) + 1)
    plane_square = square[:, None] + square[None, :]
    for z in range(m):
        weights = np.repeat(np.repeat(folded[z], split, axis=0), split, axis=1).ravel() / split**3
        for depth in square[z * split : (z + 1) * split]:
            shell = np.searchsorted(edges2, (plane_square + depth).ravel()) - 1
            total += np.bincount(shell, weights, minlength=total.size)[: total.size]
    return np.cumsum(total)[:-1]


def seen_through_voxels(
    shell_energy: np.ndarray,
    radii_cm: np.ndarray,
    voxel_cm: float,
    split: int = SPLIT,
    samples: int = 4_000_000,
    seed: int = 5,
) -> np.ndarray:
    """Cumulative energy within each radius of a kernel that is seen through voxels of a size.

    Parameters
    ----------
    shell_energy
        Energy in each shell of the kernel of a point source; within a shell it is even in radius.
    radii_cm
        Outer radii of the shells.
    voxel_cm
        Edge of the voxels, one of which, in the middle, is the source.
    split
        As in :func:`cumulative_share`: the same sub-points share out a voxel here.
    samples, seed
        Points of the integration; the shells are stratified.
    """
    random = np.random.Generator(np.random.Philox(seed))
    radii = np.asarray(radii_cm, float)
    inner = np.concatenate([[0.0], radii[:-1]])
    each = max(samples // len(radii), 1)
    total = np.zeros(len(radii) + 1)
    for low, high, energy in zip(inner, radii, shell_energy, strict=True):
        r = low + (high - low) * (np.arange(each) + random.random(each)) / each
        direction = random.normal(size=(each, 3))
        direction /= np.linalg.norm(direction, axis=1)[:, None]
        point = (random.random((each, 3)) - 0.5) * voxel_cm + r[:, None] * direction
        part = (random.integers(0, split, (each, 3)) + 0.5) / split - 0.5
        point = (np.rint(point / voxel_cm) + part) * voxel_cm
        shell = np.searchsorted(radii, np.linalg.norm(point, axis=1))
        total += energy / each * np.bincount(shell, minlength=total.size)
    return np.cumsum(total)[:-1]


def mean_radius(cumulative: np.ndarray, radii_cm: np.ndarray) -> float:
    """Energy-weighted mean radius [cm] within the last radius, the energy being even in radius within a shell."""
    radii = np.concatenate([[0.0], radii_cm])
    shells = np.diff(np.concatenate([[0.0], cumulative]))
    return float((shells * 0.5 * (radii[1:] + radii[:-1])).sum() / shells.sum())


def radius_within(cumulative: np.ndarray, radii_cm: np.ndarray, energy: float) -> float:
    """Radius [cm] that holds ``energy``."""
    return float(np.interp(energy, np.concatenate([[0.0], cumulative]), np.concatenate([[0.0], radii_cm])))
