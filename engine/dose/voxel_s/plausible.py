"""Bounds on the energy in a kernel, from what a decay emits and how far it goes: they catch another unit.

Half the mean chord of a voxel, V over half its surface, is a lower bound of the mean straight path from uniform decays
in it to its surface. An electron loses its collision stopping power along its path, which is longer than straight and
along which that power grows; so a voxel keeps of it at least the smaller of its energy and stopping power times half
the mean chord, but for the spread of the paths. A photon keeps at least what it would transfer along that path, times
the share of it that an electron of its energy needs to stop. :data:`SAFETY` covers the spread, other nuclear data and
tables that leave out conversion electrons.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...constants import ELECTRON_REST_MEV
from ...nuclides.emission import Emission
from ...physics import photons, stopping
from ...physics.material import Material
from ..local import emitted_energy
from .kernel import VoxelKernel

#: A table may hold this share of the lower bounds, and this multiple of the upper one in its source voxel.
SAFETY, MOST_IN_SOURCE = 0.25, 1.25
#: Electrons lose least per path near this energy [MeV].
MINIMUM_IONIZING_MEV = 1.2
#: Below this energy [MeV] electrons stop where they are, and photons are not followed.
SOFT_MEV = 0.001


def least_in_source_mev(kernel: VoxelKernel) -> float:
    """Energy that the source voxel holds at least [MeV per decay]; :data:`SAFETY` is in it."""
    return SAFETY * _along(kernel, _half_chord_cm(kernel))


def least_inside_mev(kernel: VoxelKernel) -> float:
    """Energy that all voxels of a kernel hold at least [MeV per decay]; :data:`SAFETY` is in it."""
    out = min(k * size / 10.0 for k, size in zip(kernel.reach, kernel.voxel_size_mm, strict=True))
    return SAFETY * _along(kernel, max(out, _half_chord_cm(kernel)))


def most_in_source_mev(kernel: VoxelKernel) -> float:
    """Energy that the source voxel holds at most [MeV per decay]; :data:`MOST_IN_SOURCE` is in it.

    All of the charged particles, and of the photons those that interact within its diagonal.
    """
    diagonal_cm = float(np.linalg.norm(kernel.voxel_size_mm)) / 10.0
    mu = _above(lambda e: photons.total(kernel.medium, e))
    held = sum(float(n @ (e * -np.expm1(-mu(e) * kernel.density_g_cm3 * diagonal_cm))) for e, n in _photons(kernel))
    return MOST_IN_SOURCE * (emitted_energy(kernel.emission).charged + held)


def _half_chord_cm(kernel: VoxelKernel) -> float:
    z, y, x = (size / 10.0 for size in kernel.voxel_size_mm)
    return z * y * x / (z * y + y * x + x * z)


def _along(kernel: VoxelKernel, path_cm: float) -> float:
    """Energy left along a straight path from each decay [MeV]."""
    depth = kernel.density_g_cm3 * path_cm
    total = emitted_energy(kernel.emission).alpha
    power = _above(lambda e: stopping.collision(kernel.medium, np.minimum(e, MINIMUM_IONIZING_MEV)))
    for energy, number in _charged(kernel.emission):
        hard = energy > SOFT_MEV
        total += float(number @ np.where(hard, np.minimum(energy, power(energy) * depth), energy))
    transfer, track = _above(lambda e: _transferred(kernel.medium, e)), _above(_range_of(kernel.medium))
    for energy, number in _photons(kernel):
        kept = -np.expm1(-transfer(energy) * depth) * np.minimum(1.0, depth / track(energy))
        total += float(number @ (energy * kept))
    return total


def _above(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """A table that begins at :data:`SOFT_MEV`, continued below by its first value."""
    return lambda energy: np.asarray(function(np.maximum(energy, SOFT_MEV)), np.float64)


def _range_of(medium: Material) -> Callable[[np.ndarray], np.ndarray]:
    return lambda energy: stopping.csda_range(medium, energy)


def _transferred(medium: Material, energy: np.ndarray) -> np.ndarray:
    """Coefficient of the energy that photons transfer to electrons, low by up to a tenth [cm2/g].

    All of it by photoelectric absorption, a/(1 + 2a) of it by Compton scattering, a in electron rest energies.
    """
    a = energy / ELECTRON_REST_MEV
    return photons.photoelectric(medium, energy) + photons.incoherent(medium, energy) * a / (1.0 + 2.0 * a)


def _charged(emission: Emission) -> list[tuple[np.ndarray, np.ndarray]]:
    """Energies [MeV] and numbers per decay of electrons and positrons."""
    parts = [_lines(emission.electron_lines)]
    for energy, per_mev in (
        (emission.beta_mev, emission.beta_per_mev),
        (emission.positron_mev, emission.positron_per_mev),
    ):
        if len(energy) > 1:
            middle, width = 0.5 * (energy[1:] + energy[:-1]), np.diff(energy)
            parts.append((middle, 0.5 * (per_mev[1:] + per_mev[:-1]) * width))
    return [part for part in parts if part[0].size]


def _photons(kernel: VoxelKernel) -> list[tuple[np.ndarray, np.ndarray]]:
    """Energies [MeV] and numbers per decay of photons, those of annihilation included."""
    annihilation = emitted_energy(kernel.emission).annihilation / ELECTRON_REST_MEV
    parts = [_lines(kernel.emission.photon_lines)]
    parts.append((np.array([ELECTRON_REST_MEV]), np.array([annihilation])))
    return [part for part in parts if part[0].size and part[1].any()]


def _lines(lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    table = np.asarray(lines, np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
