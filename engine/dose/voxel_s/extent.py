"""How far a voxel S kernel reaches, and how much of its medium must lie around it.

A kernel that is to reach as far as the energy goes would be 1.2 m wide for 131I in water. Without a reach in the
request it is therefore as wide as a fixed number of voxels allows, and cropped to the smallest box outside of which
less than a stated share of the emitted energy is deposited.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...constants import ELECTRON_REST_MEV
from ...errors import InputError
from ...memory import memory_bytes
from ...nuclides.emission import Emission
from ...physics import photons, stopping
from ...text import number
from ...transport.problem_checks import highest_energies
from ..local import emitted_energy
from .symmetry import images

if TYPE_CHECKING:
    from .make import KernelRequest

#: Most voxels of a kernel whose reach is not stated: 64 neighbours on each side of a cube.
LARGEST_AUTO = 129**3
#: Most voxels of kernel and surrounding medium together, 13 bytes each; the medium gives way first.
LARGEST_SIMULATED = 32_000_000
#: Bytes for each voxel that is simulated: density, material, source, and energy of a batch.
BYTES_PER_VOXEL = 17
#: Surrounding medium, in mean depths from which photons come back.
BACKSCATTER_DEPTHS = 4.0
#: A photon line counts for the surrounding medium from this share of the photon energy.
RELEVANT = 0.01

Reach = tuple[int, int, int]


@dataclass(frozen=True)
class Extent:
    """The boxes of a simulation.

    Parameters
    ----------
    reach
        Voxels from the source to the last neighbour that is simulated, along z, y and x.
    margin
        Voxels of the medium around those.
    margin_g_cm2, wanted_g_cm2
        Thickness of that medium, and what it would be without a bound [g/cm2].
    """

    reach: Reach
    margin: Reach
    margin_g_cm2: float
    wanted_g_cm2: float

    @property
    def half(self) -> Reach:
        """Voxels from the source to the end of the medium along z, y and x."""
        kz, ky, kx = (k + m for k, m in zip(self.reach, self.margin, strict=True))
        return kz, ky, kx


def extent_of(request: KernelRequest) -> Extent:
    """The boxes that a request needs.

    Raises
    ------
    InputError
        A reach that this machine cannot hold.
    """
    wanted = margin_g_cm2(request)
    reach = request.reach if request.reach is not None else _auto_reach(request)
    extent = Extent(reach, _margin(request, wanted), wanted, wanted)
    if _voxels(extent.half) > LARGEST_SIMULATED:
        low, high = 0.0, wanted
        for _ in range(80):
            middle = 0.5 * (low + high)
            fits = _voxels(Extent(reach, _margin(request, middle), middle, wanted).half) <= LARGEST_SIMULATED
            low, high = (middle, high) if fits else (low, middle)
        extent = Extent(reach, _margin(request, low), low, wanted)
    needed = _voxels(extent.half) * BYTES_PER_VOXEL + 40 * _voxels(extent.reach)
    memory = memory_bytes()
    if memory is not None and needed > memory / 2:
        shape = " x ".join(str(2 * k + 1) for k in extent.reach)
        raise InputError(
            f"a kernel of {shape} voxels needs {needed / 2**30:.3g} GB",
            why=f"this machine has {memory / 2**30:.3g} GB, and half of it is used at most",
            suggestion='give a smaller extent, for example "10 cm", or auto',
            field="extent",
        )
    return extent


def margin_g_cm2(request: KernelRequest) -> float:
    """Medium around a kernel that makes what is scattered back into it complete [g/cm2].

    A photon that goes on for the depth t and comes back at 180 degrees with the energy E' survives with
    exp(-(mu(E) + mu(E')) t); :data:`BACKSCATTER_DEPTHS` of 1/(mu + mu') leave 2 % of what comes back. Electrons come
    back from less than half their range.
    """
    emission, medium = request.emission, request.medium
    electron = fastest_mev(emission)
    lines = np.asarray(emission.photon_lines, float).reshape(-1, 2)
    carried = lines.prod(axis=1)
    energies = list(lines[carried > RELEVANT * max(carried.sum(), 1e-30), 0]) if len(lines) else []
    if emission.positron_mev.size:
        energies.append(ELECTRON_REST_MEV)
    if electron > 0.01:
        energies.append(electron / 3.0)  # bremsstrahlung
    depths = [0.0]
    for energy in energies:
        back = energy / (1.0 + 2.0 * energy / ELECTRON_REST_MEV)
        mu = photons.total(medium, np.maximum([energy, back], 0.001))
        depths.append(1.0 / float(np.sum(mu)))
    electrons = 0.5 * float(stopping.csda_range(medium, electron)) if electron > 0.001 else 0.0
    return max(BACKSCATTER_DEPTHS * max(depths), electrons)


def fastest_mev(emission: Emission) -> float:
    """Highest kinetic energy of an electron or positron that a decay emits [MeV]; 0 where there is none."""
    positron = float(emission.positron_mev[-1]) if emission.positron_mev.size > 1 else 0.0
    return max(highest_energies(emission)[0], positron)


def electron_range_mm(request: KernelRequest) -> float:
    """Range of the fastest electron or positron of a decay [mm]; 0 where it emits none."""
    electron = fastest_mev(request.emission)
    if electron <= 0.001:
        return 0.0
    return 10.0 * float(stopping.csda_range(request.medium, electron)) / request.density_g_cm3


def cropped_reach(
    octant_mev: np.ndarray, emitted_mev: float, voxel_size_mm: tuple[float, float, float], share: float
) -> Reach:
    """Reach of the smallest box, equally far along all axes, outside of which less than a share is deposited.

    Parameters
    ----------
    octant_mev
        Energies of offsets >= 0 (kz + 1, ky + 1, kx + 1), float64 [MeV per decay].
    emitted_mev
        Energy emitted [MeV per decay].
    voxel_size_mm
        (dz, dy, dx) [mm].
    share
        Largest share of the emitted energy outside.

    Returns
    -------
    tuple of int
        The whole reach where no box inside is large enough.
    """
    smallest, most = min(voxel_size_mm), [n - 1 for n in octant_mev.shape]
    ranks = np.zeros(octant_mev.shape, np.int64)  # the first box that holds a voxel
    for axis, (n, size) in enumerate(zip(octant_mev.shape, voxel_size_mm, strict=True)):
        rank = np.ceil(np.arange(n) * size / smallest - 1e-9).astype(np.int64)
        ranks = np.maximum(ranks, np.expand_dims(rank, [a for a in range(3) if a != axis]))
    inside = np.cumsum(np.bincount(ranks.ravel(), (octant_mev * images(octant_mev.shape)).ravel()))
    enough = np.flatnonzero(emitted_mev - inside <= share * emitted_mev + 1e-12)
    if not enough.size:
        return most[0], most[1], most[2]
    length = max(int(enough[0]), 1) * smallest
    kz, ky, kx = (min(k, r) for k, r in zip(most, reach_of(length, voxel_size_mm), strict=True))
    return kz, ky, kx


def reach_of(length_mm: float, voxel_size_mm: tuple[float, float, float]) -> Reach:
    """Voxels whose centres lie at most so far from that of the source along each axis; one at least."""
    kz, ky, kx = (max(int(np.floor(length_mm / size + 1e-9)), 1) for size in voxel_size_mm)
    return kz, ky, kx


def _auto_reach(request: KernelRequest) -> Reach:
    """The largest reach that an automatic extent may take; less where electrons carry nearly all energy."""
    sizes = request.voxel_size_mm
    low, high = min(sizes), 1e5 * max(sizes)
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _voxels(reach_of(middle, sizes)) <= LARGEST_AUTO else (low, middle)
    if _photon_share(request) < request.truncation:
        low = min(low, electron_range_mm(request) + 2.0 * max(sizes))
    return reach_of(low, sizes)


def _photon_share(request: KernelRequest) -> float:
    """Share of the energy that photons carry away from a decay at most, bremsstrahlung included."""
    energy = emitted_energy(request.emission)
    if energy.total <= 0:
        return 0.0
    electron = fastest_mev(request.emission)
    radiated = 0.0
    if electron > 0.001:
        ratio = stopping.radiative(request.medium, electron) / stopping.total(request.medium, electron)
        radiated = 0.5 * float(ratio) * (energy.electron + energy.positron)  # the yield is half the ratio at the top
    return (energy.photon + energy.annihilation + radiated) / energy.total


def _margin(request: KernelRequest, thickness: float) -> Reach:
    mm = 10.0 * thickness / request.density_g_cm3
    mz, my, mx = (int(np.ceil(mm / size)) for size in request.voxel_size_mm)
    return mz, my, mx


def _voxels(half: Reach) -> int:
    return math.prod(2 * k + 1 for k in half)


def extent_text(reach: Reach, voxel_size_mm: tuple[float, float, float]) -> str:
    """A reach in words: voxels on each side, and the size of the box."""
    voxels = " x ".join(str(2 * k + 1) for k in reach)
    box = " x ".join(number((2 * k + 1) * size / 10.0) for k, size in zip(reach, voxel_size_mm, strict=True))
    return f"{voxels} voxels ({box} cm) along z, y, x"
