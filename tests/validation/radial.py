"""Radial energy deposition around a point source, from a voxel tally: shells by volume fraction."""

from __future__ import annotations

import numpy as np

from hevesy.engine.transport.problem import Emission, Material, Problem

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


def cumulative_share(energy: np.ndarray, voxel_cm: float, radii_cm: np.ndarray) -> np.ndarray:
    """Share of ``energy`` (nz, ny, nx) deposited within each radius of the centre voxel's centre."""
    n = energy.shape[0]
    offsets = (np.arange(SPLIT) + 0.5) / SPLIT - 0.5
    axis = ((np.arange(n) - n // 2)[:, None] + offsets).ravel() * voxel_cm
    edges = np.concatenate([[0.0], radii_cm, [np.inf]])
    total = np.zeros(edges.size - 1)
    square = axis**2
    part = energy / SPLIT**3
    for z in range(n):
        fine_z = square[z * SPLIT : (z + 1) * SPLIT]
        plane = part[z]
        rows = np.flatnonzero(plane.any(axis=1))
        if rows.size == 0:
            continue
        r = np.sqrt(fine_z[:, None, None] + square[None, :, None] + square[None, None, :])
        weights = np.repeat(np.repeat(plane, SPLIT, axis=0), SPLIT, axis=1)
        for layer in r:
            total += np.histogram(layer, edges, weights=weights)[0]
    return np.cumsum(total)[:-1]
