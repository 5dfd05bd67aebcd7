"""131I uniformly in spheres: mean dose to the sphere.

A sphere is made of whole voxels (those with their centre inside), in number times voxel volume exactly the wanted
mass; source and target are the same voxels. Its surface has steps, which electrons that range over several voxels do
not see; those stopped sooner leave in proportion to its area, half as large again as the sphere's. That is corrected:
in one medium the share kept by any body is the integral of the point kernel k(r) times the probability g(r) that a
point at distance r from a random point of the body lies in the body too. For a ball g = 1 - 3r/4R + r^3/16R^3, for the
voxels it is sampled, and k, from a run of the same electrons, only weights the small difference of the two. The same
on voxels twice as wide, corrected in the same way, must give the same dose; the page shows both.

Electrons and photons are separate runs of the same source, added: fine voxels in a margin that no electron
crosses, and coarser voxels in up to 30 cm of tissue for the photons.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hevesy
import numpy as np
from hevesy.engine.constants import JOULE_PER_MEV, QUANTA_PER_MEV
from hevesy.engine.nuclides.decay import energy_per_decay
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.physics.material import Material
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.run import simulate

from .record import Record

BAR = 0.005
#: pairs of points at each distance, for the geometry of the voxels; distances
PAIRS, SHELLS = 200_000, 60
#: no beta or conversion electron of 131I gets farther in tissue [cm] (CSDA range of 0.81 MeV: 0.34 cm)
MARGIN_CM = 0.36
#: voxels of the electron run across the sphere and its margins, and of the photon run
ACROSS, ACROSS_PHOTONS, SURROUND_CM = 151, 121, 30.0
DECAYS = {"electrons": (1_500_000, 60_000), "photons": (1_500_000, 60_000)}


@dataclass(frozen=True)
class Kernel:
    """Energy per decay [MeV] in spherical shells around a point, at the mean radius of each."""

    radius_cm: np.ndarray
    energy_mev: np.ndarray


@dataclass(frozen=True)
class Part:
    """Energy per decay left in the sphere [MeV] with the correction in it, its standard error, the voxel [cm]."""

    energy_mev: float
    sigma_mev: float
    voxel_cm: float
    correction_mev: float = 0.0


def voxel_sphere(
    radius_cm: float, across: int, outer_cm: float, medium: Material, emission: Emission
) -> tuple[Problem, float]:
    """A sphere of whole voxels in a cube of half edge ``outer_cm`` (``across`` voxels); and its voxel size [cm]."""
    n = across | 1
    voxel = 2.0 * outer_cm / n
    axis = (np.arange(n) - n // 2) * voxel
    square = axis**2
    inside = square[:, None, None] + square[None, :, None] + square[None, None, :] <= radius_cm**2
    # the voxel edge at which the voxels' volume is the sphere's
    voxel = (4.0 / 3.0 * math.pi * radius_cm**3 / int(inside.sum())) ** (1.0 / 3.0)
    problem = Problem(
        density_g_cm3=np.ones(inside.shape, np.float32),
        material=np.zeros(inside.shape, np.uint8),
        materials=(medium,),
        voxel_size_mm=(10.0 * voxel,) * 3,
        source=inside.astype(np.float32),
        emission=emission,
        regions=inside.astype(np.uint8),
        region_names=("sphere",),
    )
    return problem, voxel


def kept(problem: Problem, voxel_cm: float, decays: int, seed: int, threads: int | None) -> Part:
    """Energy per decay that stays in the sphere."""
    tally = simulate(problem, decays=decays, seed=seed, backend="cpu", threads=threads)
    mean, sigma = tally.region_energy()
    return Part(float(mean[0]), float(sigma[0]), voxel_cm)


def electrons_in_sphere(
    radius_cm: float,
    medium: Material,
    emission: Emission,
    kernel: Kernel,
    across: int,
    decays: int,
    seed: int,
    threads: int | None,
) -> Part:
    """Electrons alone (their bremsstrahlung is followed to the faces of the cube), corrected for the steps."""
    alone = replace(emission, photon_lines=np.empty((0, 2)))
    problem, voxel = voxel_sphere(radius_cm, across, radius_cm + MARGIN_CM, medium, alone)
    part = kept(problem, voxel, decays, seed, threads)
    extra = step_correction(problem, radius_cm, voxel, kernel)
    return replace(part, energy_mev=part.energy_mev + extra, correction_mev=extra)


def electron_kernel(medium: Material, emission: Emission, quick: bool, seed: int, threads: int | None) -> Kernel:
    """Energy per decay against the distance from a point source of the electrons (voxels of 0.04 mm)."""
    alone = replace(emission, photon_lines=np.empty((0, 2)))
    n = 181
    source = np.zeros((n, n, n), np.float32)
    source[(n // 2,) * 3] = 1.0
    voxel = 2.0 * MARGIN_CM / n
    problem = Problem(
        density_g_cm3=np.ones(source.shape, np.float32),
        material=np.zeros(source.shape, np.uint8),
        materials=(medium,),
        voxel_size_mm=(10.0 * voxel,) * 3,
        source=source,
        emission=alone,
    )
    tally = simulate(problem, decays=20_000 if quick else 200_000, seed=seed, backend="cpu", threads=threads)
    axis2 = ((np.arange(n) - n // 2) * voxel) ** 2
    r = np.sqrt(axis2[:, None, None] + axis2[:, None] + axis2)
    edges = np.linspace(0.0, MARGIN_CM, SHELLS + 1)
    energy = tally.energy_quanta / (QUANTA_PER_MEV * tally.decays)
    inside = r < edges[-1]
    bins = np.digitize(r[inside], edges) - 1
    held = np.bincount(bins, energy[inside], minlength=SHELLS)
    weighted = np.bincount(bins, (energy * r)[inside], minlength=SHELLS)
    middle = np.divide(weighted, held, out=0.5 * (edges[1:] + edges[:-1]), where=held > 0)
    return Kernel(middle, held)


def step_correction(problem: Problem, radius_cm: float, voxel_cm: float, kernel: Kernel, seed: int = 3) -> float:
    """Energy per decay [MeV] that a ball keeps beyond what its voxels keep."""
    random = np.random.Generator(np.random.Philox(seed))
    body = np.asarray(problem.regions) == 1
    voxels = np.argwhere(body)
    total = 0.0
    for r, energy in zip(kernel.radius_cm, kernel.energy_mev, strict=True):
        x = r / radius_cm
        ball = 1.0 - 0.75 * x + x**3 / 16.0 if x < 2.0 else 0.0
        start = voxels[random.integers(0, len(voxels), PAIRS)] + random.random((PAIRS, 3))
        direction = random.normal(size=(PAIRS, 3))
        end = np.floor(start + direction * (r / voxel_cm / np.linalg.norm(direction, axis=1))[:, None]).astype(int)
        within = np.all((end >= 0) & (end < body.shape), axis=1)
        total += energy * (ball - body[tuple(end[within].T)].sum() / PAIRS)
    return float(total)


def photons_in_sphere(
    radius_cm: float, medium: Material, emission: Emission, decays: int, seed: int, threads: int | None
) -> Part:
    """Photon lines alone, in up to 30 cm of the medium on every side (20 radii for the smallest spheres)."""
    alone = Emission(emission.nuclide, photon_lines=emission.photon_lines)
    problem, voxel = voxel_sphere(radius_cm, ACROSS_PHOTONS, min(SURROUND_CM, 14.0 * radius_cm), medium, alone)
    return kept(problem, voxel, decays, seed, threads)


def run(folder: Path, quick: bool, seed: int, threads: int | None = None) -> tuple[list[Record], list[dict[str, Any]]]:
    """All spheres of the reference: judged records and their parts."""
    wanted = json.loads((folder / "spheres_i131.json").read_text(encoding="utf-8"))["spheres"]
    source = hevesy.Problem.load(folder / "i131_voxel_4p8mm_tissue.npz")
    medium, emission = source.materials[0], source.emission
    across = 101 if quick else ACROSS
    kernel = electron_kernel(medium, emission, quick, seed + 10, threads)
    records, rows = [], []
    for sphere in wanted:
        radius, grams = float(sphere["radius_cm"]), float(sphere["mass_g"])
        n_e, n_p = (DECAYS[k][1 if quick else 0] for k in ("electrons", "photons"))
        fine = electrons_in_sphere(radius, medium, emission, kernel, across, n_e, seed, threads)
        coarse = electrons_in_sphere(radius, medium, emission, kernel, across // 2, n_e, seed + 1, threads)
        photons = photons_in_sphere(radius, medium, emission, n_p, seed + 2, threads)
        to_gray = JOULE_PER_MEV / (grams * 1e-3)
        ours = (fine.energy_mev + photons.energy_mev) * to_gray
        error = math.hypot(fine.sigma_mev, photons.sigma_mev) * to_gray
        target, target_error = float(sphere["S_gy_per_decay"]), float(sphere["sigma_gy_per_decay"])
        total = fine.energy_mev + photons.energy_mev
        step = (coarse.energy_mev - fine.energy_mev) / total
        step_error = math.hypot(fine.sigma_mev, coarse.sigma_mev) / total
        records.append(
            Record(
                "131I sphere in soft tissue",
                f"mean dose, {grams:g} g",
                "Gy/decay",
                target,
                ours,
                ours / target - 1.0,
                math.hypot(error, target_error) / target,
                BAR,
                remark=f"voxels {10 * fine.voxel_cm:.2f} mm, steps {100 * fine.correction_mev / total:+.2f} %; "
                f"voxels twice as wide, steps {100 * coarse.correction_mev / total:+.2f} %, differ by "
                f"{100 * step:+.2f} ({100 * step_error:.2f}) %",
            )
        )
        rows.append(
            {
                "mass_g": grams,
                "electrons_mev": fine.energy_mev,
                "electrons_coarse_mev": coarse.energy_mev,
                "photons_mev": photons.energy_mev,
                "correction_mev": fine.correction_mev,
                "voxel_cm": fine.voxel_cm,
                "reference_mev": float(sphere["energy_deposited_mev_per_decay"]),
            }
        )
    records.append(_celldose(folder, quick, seed + 3, threads))
    return records, rows


def _celldose(folder: Path, quick: bool, seed: int, threads: int | None) -> Record:
    """Champion et al. (J Nucl Med 2008;49:151): 87.1 % of the electron energy of 131I stays in a sphere of 2.5 mm."""
    source = hevesy.Problem.load(folder / "i131_voxel_3mm_water_icrp107.npz")
    n = DECAYS["electrons"][1 if quick else 0]
    kernel = electron_kernel(source.materials[0], source.emission, quick, seed + 10, threads)
    part = electrons_in_sphere(0.25, source.materials[0], source.emission, kernel, ACROSS, n, seed, threads)
    emitted = energy_per_decay(source.emission).electron
    ours, error = part.energy_mev / emitted, part.sigma_mev / emitted
    return Record(
        "131I sphere in water",
        "share of the electron energy that stays in a uniformly active sphere of 2.5 mm radius",
        "",
        0.871,
        ours,
        ours / 0.871 - 1.0,
        error / 0.871,
        0.0,
        "information",
        remark="CELLDOSE, J Nucl Med 2008;49:151: another code with its own 131I electrons, no uncertainty stated",
    )
