"""A small body of lung, water and bone voxels at random: no layer, no symmetry, every pair of neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.nuclides.emission import Emission
from ..engine.physics.material import Material
from ..engine.transport.problem import Problem

WATER = Material("water", (1, 8), (0.111894, 0.888106), 75.0, 1.0)
BONE = Material(
    "cortical bone (ICRP)",
    (1, 6, 7, 8, 12, 15, 16, 20, 30),
    (0.047234, 0.14433, 0.04199, 0.446096, 0.0022, 0.10497, 0.00315, 0.20993, 0.0001),
    106.4,
    1.85,
)
LUNG = Material(
    "lung (ICRU)",
    (1, 6, 7, 8, 11, 15, 16, 17, 19),
    (0.103, 0.105, 0.031, 0.749, 0.002, 0.002, 0.003, 0.003, 0.002),
    75.2,
    0.26,
)


def mixed(emission: Emission, **physics: Any) -> tuple[Problem, np.ndarray, np.ndarray]:
    """Lung, water and bone voxels of 3 mm at random, an active block in the middle; photons are switched off.

    Returns
    -------
    problem, material, source
        The problem, the index of each voxel's material (lung, water, bone) and its source, (5, 5, 5).
    """
    shape = (5, 5, 5)
    material = np.random.default_rng(12).integers(0, 3, shape)
    source = np.zeros(shape)
    source[1:4, 1:4, 1:4] = 1
    problem = Problem(
        density_g_cm3=np.array([0.26, 1.0, 1.85], np.float32)[material],
        material=material.astype(np.uint8),
        materials=(LUNG, WATER, BONE),
        voxel_size_mm=(3.0, 3.0, 3.0),
        source=source.astype(np.float32),
        emission=emission,
        physics={"photons": "off", **physics},
    )
    return problem, material, source


def region_weights(material: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Quiet and active voxels of each material of :func:`mixed`: six regions, uint8 (6, nz, ny, nx)."""
    return np.array([((material == m) & ((source > 0) == a)).astype(np.uint8) for m in range(3) for a in (0, 1)])
