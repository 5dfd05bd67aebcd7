"""What a reader of a convolved dose must know: the kernel, where the energy went, and where the medium differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from ..notes import CAUTION, Note
from ..text import counted
from ..transport.problem import Problem
from ..transport.run_options import RunOptions
from .kernel_choice import medium_text, reach_text
from .voxel_s.kernel import VoxelKernel

if TYPE_CHECKING:
    from .kernel_method import EnergyAccount

#: Densities that a kernel is taken to hold for, as shares of that of its medium.
LOWEST, HIGHEST = 0.8, 1.2
#: Regions are not named where less than this share of them and of the voxels around them has another density.
NAMED = 0.01
#: Most regions that one note names, the worst first.
MOST_NAMES = 8

Regions = list[tuple[str, np.ndarray]]
Fields = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def regions_of(problem: Problem, options: RunOptions) -> Regions:
    """Name and weights (nz, ny, nx) of the regions of a run, else of its problem."""
    if options.regions is not None and len(options.regions):
        weights = [np.asarray(region, np.float64) for region in options.regions]
        names = list(options.region_names) or [f"region {number}" for number in range(1, len(weights) + 1)]
        return list(zip(names, weights, strict=True))
    if problem.regions is None:
        return []
    labels = np.asarray(problem.regions)
    return [(name, (labels == number).astype(np.float64)) for number, name in enumerate(problem.region_names, 1)]


def kernel_notes(
    kernel: VoxelKernel, account: EnergyAccount, fields: Fields, regions: Regions, air_density_g_cm3: float
) -> tuple[str, ...]:
    """Notes of a convolved dose, one sentence each.

    Parameters
    ----------
    kernel
        The kernel.
    account
        Where the energy went.
    fields
        Share of the decays, energy per decay [MeV], mass density [g/cm3] and whether a voxel is given a dose; each
        (nz, ny, nx).
    regions
        Name and weights of lesions and other regions.
    air_density_g_cm3
        Voxels of lower density get no dose.
    """
    share, energy, density, tissue = fields
    notes = [_kernel(kernel), _account(account)]
    in_air = ~tissue & (share > 0)
    if in_air.any():
        voxels = counted(int(in_air.sum()), "voxel", ("with activity is", "with activity are"))
        text = (
            f"{voxels} air (below {air_density_g_cm3:g} g/cm3): no dose is stated there; "
            f"{_percent(share[in_air].sum())} of the decays happen in them, and the kernel spreads their energy as if "
            "in tissue."
        )
        notes.append(Note(text, weight=CAUTION))
    ratio = density / kernel.density_g_cm3
    other = tissue & ((ratio < LOWEST) | (ratio > HIGHEST))
    if other.any():
        notes.append(Note(_other_density(kernel, share, tissue, other), weight=CAUTION))
    if other.any() or not tissue.all():
        notes += _regions(regions, tissue, other)
    if kernel.decays:
        notes.append(
            _error(kernel, share, np.divide(energy, density, out=np.zeros(energy.shape), where=tissue), energy)
        )
    return tuple(notes)


def standard_error_at(kernel: VoxelKernel, share: np.ndarray, voxel: tuple[int, ...]) -> float:
    """Standard error that the kernel's noise gives the energy of a voxel [MeV per decay].

    Mirror images in a kernel are one value; other voxels of it are taken as independent, and those that are averaged
    over directions as wrong by one factor together.
    """
    weight = np.zeros(kernel.energy_mev.shape)  # decays at the offset that brings each value of the kernel here
    to, source = [], []
    for at, n, r in zip(voxel, share.shape, kernel.reach, strict=True):
        low, high = max(at - r, 0), min(at + r, n - 1)
        source.append(slice(low, high + 1))
        to.append(slice(at - high + r, at - low + r + 1))
    weight[tuple(to)] = np.flip(share[tuple(source)])
    images = np.ones(1)
    for axis, n in enumerate(weight.shape):
        weight = 0.5 * (weight + np.flip(weight, axis))
        pair = np.full(n, 2.0)
        pair[n // 2] = 1.0
        images = images * np.expand_dims(pair, [a for a in range(3) if a != axis])
    part = weight * kernel.standard_error_mev
    far = np.zeros(part.shape, bool)
    if kernel.averaged_from_mm is not None:
        steps = (((np.arange(n) - n // 2) * mm) ** 2 for n, mm in zip(part.shape, kernel.voxel_size_mm, strict=True))
        z, y, x = np.ix_(*steps)
        far = z + y + x >= kernel.averaged_from_mm**2
    return float(np.hypot(np.sqrt((images * part**2)[~far].sum()), part[far].sum()))


def _kernel(kernel: VoxelKernel) -> str:
    size = " x ".join(f"{step:.4g}" for step in kernel.voxel_size_mm)
    origin = f"from {kernel.decays:.3g} simulated decays" if kernel.decays else "imported"
    return (
        f"Convolved with a kernel of {medium_text(kernel.medium, kernel.density_g_cm3)} in voxels of {size} mm, "
        f"{reach_text(kernel.reach)}, {origin}: everything is taken for this medium, also what is around the grid."
    )


def _account(account: EnergyAccount) -> str:
    parts = {
        "in voxels with a dose": account.deposited_mev,
        "in air": account.air_mev,
        "outside the grid": account.outside_mev,
        "beyond the kernel's reach": account.truncated_mev,
    }
    listed = [f"{_percent(mev / account.emitted_mev)} {place}" for place, mev in parts.items()]
    text = (
        f"Of {account.emitted_mev:.4g} MeV emitted per decay the kernel puts {', '.join(listed[:-1])} and {listed[-1]}."
    )
    if abs(account.imparted_mev - account.deposited_mev) > 1e-9 * account.deposited_mev > 0:
        text = (
            f"{text[:-1]}; with the mass of the kernel's medium in every voxel the dose stands for "
            f"{_percent(account.imparted_mev / account.deposited_mev, 3)} of the energy in voxels with a dose."
        )
    return text


def _other_density(kernel: VoxelKernel, share: np.ndarray, tissue: np.ndarray, other: np.ndarray) -> str:
    low, high = LOWEST * kernel.density_g_cm3, HIGHEST * kernel.density_g_cm3
    return (
        f"The kernel is taken to hold from {low:.2g} to {high:.2g} g/cm3: {_percent(share[other].sum())} of the decays "
        f"and {_percent(other.sum() / tissue.sum())} of the tissue volume are outside, where its dose, and that of "
        "their neighbours, can be wrong by tens of per cent."
    )


def _regions(regions: Regions, tissue: np.ndarray, other: np.ndarray) -> list[str]:
    """A note on the regions in or beside which voxels of another density, or air, lie."""
    wrong, shares = other | ~tissue, []
    for name, weight in regions:
        around = ndimage.binary_dilation(weight > 0, np.ones((3, 3, 3), bool))
        if around.any():
            shares.append((float(wrong[around].mean()), name))
    named = sorted(((part, name) for part, name in shares if part > NAMED), key=lambda pair: -pair[0])
    if not named:
        return []
    listed = ", ".join(f"{name} {_percent(part)}" for part, name in named[:MOST_NAMES])
    more = f", and {counted(len(named) - MOST_NAMES, 'other')}" if len(named) > MOST_NAMES else ""
    text = f"Air or another density in the volume of a lesion and the voxels around it: {listed}{more}."
    return [Note(text, weight=CAUTION)]


def _error(kernel: VoxelKernel, share: np.ndarray, dose: np.ndarray, energy: np.ndarray) -> str:
    middle = kernel.reach
    source = kernel.standard_error_mev[middle] / kernel.energy_mev[middle]
    voxel = tuple(int(i) for i in np.unravel_index(int(dose.argmax()), dose.shape))
    hottest = standard_error_at(kernel, share, voxel) / energy[voxel] if energy[voxel] > 0 else 0.0
    return (
        f"The kernel has a standard error of {_percent(source)} in its source voxel, which makes about "
        f"{_percent(hottest)} in the voxel of highest dose; it is in no uncertainty."
    )


def _percent(part: float, digits: int = 2) -> str:
    """A share in per cent, without an exponent."""
    value = 100.0 * float(part)
    return f"{value:.{digits}g} %" if 1e-3 <= abs(value) < 99.5 else f"{round(value, 3):g} %"
