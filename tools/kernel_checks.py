"""Measurements behind docs/methods/voxel-kernels.md: ``python -m hevesy.tools.kernel_checks margin`` and the like.

``margin``: what the medium around a kernel adds to it. ``extent``: energy outside of boxes in water. ``reference``:
kernels beside an independent code. ``scoring``: analog against track-length scoring of photons.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from ..engine.dose.voxel_s import KernelRequest, make_kernel, medium_named
from ..engine.dose.voxel_s import extent as extent_module
from ..engine.dose.voxel_s.symmetry import octant_of
from ..engine.nuclides.progeny import decay_emission
from ..engine.transport.problem import Problem
from .reference import reference_folder

#: Thicknesses that are compared, in mean depths from which photons come back; the last is the measure.
DEPTHS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0)


def margin(decays: int) -> None:
    """Energy in boxes of 41 voxels of 3 mm of water, and in their outermost centimetre, by the medium around them."""
    water, density = medium_named("water")
    usual = extent_module.BACKSCATTER_DEPTHS
    print("nuclide  depths  g/cm2  box %  outermost 9 mm %")
    for name in ("I-131", "Tc-99m", "I-125", "F-18", "Lu-177"):
        rows = []
        for depths in DEPTHS:
            extent_module.BACKSCATTER_DEPTHS = depths
            ask = KernelRequest(decay_emission(name).emission, (3.0, 3.0, 3.0), water, density, (20, 20, 20), decays)
            energy = make_kernel(ask).energy_mev
            outer = energy.sum() - energy[3:-3, 3:-3, 3:-3].sum()
            rows.append((depths, extent_module.extent_of(ask).margin_g_cm2, energy.sum(), outer))
        extent_module.BACKSCATTER_DEPTHS = usual
        for depths, thickness, box, outer in rows:
            low = (100 * (box / rows[-1][2] - 1), 100 * (outer / rows[-1][3] - 1))
            print(f"{name:8} {depths:4.0f} {thickness:8.1f} {low[0]:8.2f} {low[1]:8.2f}", flush=True)


def extent(decays: int) -> None:
    """Share of the emitted energy outside of cubes in water, from one kernel of voxels of 8 mm."""
    water, density = medium_named("water")
    halves = (5, 10, 20, 30, 40, 50, 60, 70)
    print("nuclide  outside [%] of cubes that reach " + ", ".join(f"{half}" for half in halves) + " cm")
    for name in ("I-131", "Lu-177", "Tc-99m", "I-124", "Y-90", "F-18"):
        ask = KernelRequest(decay_emission(name).emission, (8.0, 8.0, 8.0), water, density, (88, 88, 88), decays)
        kernel = make_kernel(ask)
        outside = []
        for half in halves:
            k = round(10 * half / 8 - 0.5)
            outside.append(100 * kernel.within((k, k, k)).truncated_share)
        print(f"{name:8} " + " ".join(f"{share:6.2f}" for share in outside), flush=True)


def reference(decays: int) -> None:
    """Kernels beside those of an independent code: z-scores of the classes of neighbours up to 6 away."""
    folder = reference_folder()
    if folder is None:
        raise SystemExit("the reference doses are not found; set HEVESY_SHARED")
    print("problem  seconds  self %  face %  rms z  largest |z|  classes")
    for name in ("i131", "lu177", "y90", "f18", "tc99m"):
        problem = Problem.load(folder / f"{name}_voxel_3mm_water.npz")
        start = time.perf_counter()
        kernel = make_kernel(
            KernelRequest(problem.emission, problem.voxel_size_mm, problem.materials[0], 1.0, (6, 6, 6), decays, 7)
        )
        box = tuple(slice(n // 2, n // 2 + 7) for n in problem.source.shape)
        if problem.reference_dose is None or problem.reference_sigma is None:
            raise SystemExit(f"{name} has no reference dose")
        truth, sigma = problem.reference_dose[box], problem.reference_sigma[box]
        ours = octant_of(kernel.s_gy_per_decay)
        error = octant_of(kernel.standard_error_mev) * (ours[0, 0, 0] / octant_of(kernel.energy_mev)[0, 0, 0])
        places = [(i, j, k) for i in range(7) for j in range(i, 7) for k in range(j, 7)]
        places = [place for place in places if error[place] < 0.05 * ours[place]]
        z = np.array([(ours[p] - truth[p]) / np.hypot(error[p], sigma[p]) for p in places])
        near = [100 * (ours[p] / truth[p] - 1) for p in ((0, 0, 0), (0, 0, 1))]
        print(
            f"{name:8} {time.perf_counter() - start:6.1f} {near[0]:7.3f} {near[1]:7.2f} {np.sqrt(np.mean(z**2)):6.2f} "
            f"{np.abs(z).max():6.2f} {len(places):4d}",
            flush=True,
        )


def scoring(decays: int) -> None:
    """Analog and track-length scoring of photons: difference, error and time, kernels of 21 voxels of 3 mm of water."""
    water, density = medium_named("water")
    print("nuclide  place  difference %  error of it %  error analog %  error track-length %  seconds")
    for name in ("I-131", "Tc-99m"):
        kernels, seconds = [], []
        for choice in ("analog", "track-length"):
            ask = KernelRequest(
                decay_emission(name).emission, (3.0, 3.0, 3.0), water, density, (10, 10, 10), decays,
                physics=(("photon_scoring", choice),),
            )  # fmt: skip
            start = time.perf_counter()
            kernels.append(make_kernel(ask))
            seconds.append(time.perf_counter() - start)
        for place in ((0, 0, 0), (0, 0, 1), (0, 0, 2), (1, 1, 1), (0, 0, 5)):
            (a, b), (ea, eb) = (
                [octant_of(array)[place] for array in pair]
                for pair in (
                    [kernel.energy_mev for kernel in kernels],
                    [kernel.standard_error_mev for kernel in kernels],
                )
            )
            values = (100 * (b / a - 1), 100 * np.hypot(ea, eb) / a, 100 * ea / a, 100 * eb / b)
            print(f"{name:8} {place} " + " ".join(f"{v:8.3f}" for v in values) + f"  {seconds[0]:.1f} {seconds[1]:.1f}")


CHECKS: dict[str, Callable[[int], None]] = {
    "margin": margin,
    "extent": extent,
    "reference": reference,
    "scoring": scoring,
}


def main() -> None:
    """Run the check that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("check", choices=CHECKS)
    parser.add_argument("--decays", type=float, default=4e5, help="decays of each kernel")
    given = parser.parse_args()
    CHECKS[given.check](int(given.decays))


if __name__ == "__main__":
    main()
