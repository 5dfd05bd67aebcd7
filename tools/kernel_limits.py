"""Where kernel convolution fails, and by how much: ``python -m hevesy.tools.kernel_limits``.

An active sphere of 81 voxels of 3 mm (2.2 mL) in a cube of 18 cm of water, at its surface, in lung, and at bone. The
table has the mean dose of the sphere and of the voxels within 6 mm around it, by every method, against Monte Carlo.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import numpy as np
from hevesy.engine.dose.compute import compute_dose
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.physics.material import Material
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.run_options import RunOptions
from hevesy.phantoms.mixed import BONE, LUNG, WATER

AIR = Material("air", (7, 8, 18), (0.755, 0.232, 0.013), 85.7, 0.0012)
MATERIALS = (WATER, LUNG, BONE, AIR)
VOXELS, SIZE_MM = 60, 3.0
RADIUS_MM, AROUND_MM = 7.5, 6.0
METHODS = ("kernel", "kernel-unscaled", "local")
#: Dose is stated from this density on [g/cm3]; in the air around the cube it is not.
AIR_G_CM3 = 0.01


def cases() -> dict[str, np.ndarray]:
    """Index of the material in each voxel, by what the case is."""
    z, _, _ = _places()
    water = np.zeros((VOXELS,) * 3, np.uint8)
    ball = _distance() <= RADIUS_MM
    lung = np.ones_like(water)
    nodule = np.where(ball, 0, lung).astype(np.uint8)
    return {
        "water in water": water,
        "water at air": np.where(z > RADIUS_MM, 3, water).astype(np.uint8),
        "lung in lung": lung,
        "water in lung": nodule,
        "water at lung": np.where(z > RADIUS_MM, 1, water).astype(np.uint8),
        "water at bone": np.where(z > RADIUS_MM, 2, water).astype(np.uint8),
        "bone in water": np.where(ball, 2, water).astype(np.uint8),
    }


def regions(material: np.ndarray) -> dict[str, np.ndarray]:
    """The sphere, and what is within :data:`AROUND_MM` of it: of its own medium, and of another one."""
    r = _distance()
    ball, shell = r <= RADIUS_MM, (r > RADIUS_MM) & (r <= RADIUS_MM + AROUND_MM) & (material != 3)
    own = material[VOXELS // 2, VOXELS // 2, VOXELS // 2]
    parts = {"sphere": ball, "around, same": shell & (material == own), "around, other": shell & (material != own)}
    return {name: part for name, part in parts.items() if part.any()}


def problem(material: np.ndarray, name: str) -> Problem:
    """The sphere full of a nuclide."""
    density = np.array([m.nominal_density_g_cm3 for m in MATERIALS], np.float32)[material]
    source = (_distance() <= RADIUS_MM).astype(np.float32)
    return Problem(density, material, MATERIALS, (SIZE_MM,) * 3, source, nuclide(name).emission)


def rows(name: str, decays: int) -> Iterator[tuple[str, str, list[float], float]]:
    """(case, region, bias of each method [%], standard error of Monte Carlo [%])."""
    for case, material in cases().items():
        body = problem(material, name)
        parts = regions(material)
        options = RunOptions(
            decays=decays, backend="cpu", regions=[part.astype(np.uint8) for part in parts.values()],
            region_names=tuple(parts),
        )  # fmt: skip
        doses = {m: compute_dose(m, body, air_density_g_cm3=AIR_G_CM3, options=options) for m in ("mc", *METHODS)}
        tally = doses["mc"].tally
        assert tally is not None
        energy, spread = tally.region_energy()
        mass = body.density_g_cm3.astype(float)
        for number, (region, part) in enumerate(parts.items()):
            mean = {m: float((dose.mean * mass)[part].sum()) for m, dose in doses.items()}
            bias = [100.0 * (mean[m] / mean["mc"] - 1.0) for m in METHODS]
            yield case, region, bias, 100.0 * float(spread[number] / energy[number])


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nuclides", nargs="+", default=["I-131", "Lu-177", "Y-90"])
    parser.add_argument("--decays", type=lambda text: int(float(text)), default=2_000_000)
    options = parser.parse_args(arguments)
    print("| nuclide | case | region | kernel % | kernel-unscaled % | local % | s.e. % |")
    print("|---|---|---|---|---|---|---|")
    for name in options.nuclides:
        for case, region, bias, error in rows(name, options.decays):
            cells = " | ".join(f"{value:+.1f}" for value in bias)
            print(f"| {name} | {case} | {region} | {cells} | {error:.2f} |", flush=True)
    return 0


def _places() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance of each voxel's centre from that of the middle one along z, y and x [mm]."""
    steps = (np.arange(VOXELS) - VOXELS // 2) * SIZE_MM
    z, y, x = np.meshgrid(steps, steps, steps, indexing="ij")
    return z, y, x


def _distance() -> np.ndarray:
    z, y, x = _places()
    return np.sqrt(z**2 + y**2 + x**2)


if __name__ == "__main__":
    sys.exit(main())
