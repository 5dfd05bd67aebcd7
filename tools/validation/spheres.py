"""131I uniformly in spheres: mean dose to the sphere.

A sphere is made of whole voxels (those with their centre inside), in number times voxel volume exactly the wanted
mass; source and target are the same voxels. Its surface has steps, which electrons that range over several voxels do
not see; those stopped sooner leave a voxel's face in proportion to its area, half as large again as the sphere's. The
size of that is measured by running the electrons on voxels twice as wide as well and stated with the result.

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
from hevesy.engine.nuclides import energy_per_decay
from hevesy.engine.statistics import MEV_IN_JOULE
from hevesy.engine.transport import simulate
from hevesy.engine.transport.problem import Emission, Material, Problem

from .record import Record

BAR = 0.005
#: no beta or conversion electron of 131I gets farther in tissue [cm] (CSDA range of 0.81 MeV: 0.34 cm)
MARGIN_CM = 0.36
#: voxels of the electron run across the sphere and its margins, and of the photon run
ACROSS, ACROSS_PHOTONS, SURROUND_CM = 151, 121, 30.0
DECAYS = {"electrons": (1_500_000, 60_000), "photons": (1_500_000, 60_000)}


@dataclass(frozen=True)
class Part:
    """Energy per decay left in the sphere [MeV], its standard error, and the voxel that was used [cm]."""

    energy_mev: float
    sigma_mev: float
    voxel_cm: float


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
    radius_cm: float, medium: Material, emission: Emission, across: int, decays: int, seed: int, threads: int | None
) -> Part:
    """Electrons alone (their bremsstrahlung is followed to the faces of the cube)."""
    alone = replace(emission, photon_lines=np.empty((0, 2)))
    problem, voxel = voxel_sphere(radius_cm, across, radius_cm + MARGIN_CM, medium, alone)
    return kept(problem, voxel, decays, seed, threads)


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
    records, rows = [], []
    for sphere in wanted:
        radius, grams = float(sphere["radius_cm"]), float(sphere["mass_g"])
        n_e, n_p = (DECAYS[k][1 if quick else 0] for k in ("electrons", "photons"))
        fine = electrons_in_sphere(radius, medium, emission, across, n_e, seed, threads)
        coarse = electrons_in_sphere(radius, medium, emission, across // 2, n_e, seed + 1, threads)
        photons = photons_in_sphere(radius, medium, emission, n_p, seed + 2, threads)
        to_gray = MEV_IN_JOULE / (grams * 1e-3)
        ours = (fine.energy_mev + photons.energy_mev) * to_gray
        error = math.hypot(fine.sigma_mev, photons.sigma_mev) * to_gray
        target, target_error = float(sphere["S_gy_per_decay"]), float(sphere["sigma_gy_per_decay"])
        step = (coarse.energy_mev - fine.energy_mev) / (fine.energy_mev + photons.energy_mev)
        step_error = math.hypot(fine.sigma_mev, coarse.sigma_mev) / (fine.energy_mev + photons.energy_mev)
        records.append(
            Record(
                "131I sphere in soft tissue", f"mean dose, {grams:g} g", "Gy/decay", target, ours, ours / target - 1.0,
                math.hypot(error, target_error) / target, BAR,
                remark=f"voxels {10 * fine.voxel_cm:.2f} mm; twice as wide changes it by {100 * step:+.2f} "
                f"({100 * step_error:.2f}) %",
            )
        )  # fmt: skip
        rows.append(
            {
                "mass_g": grams, "electrons_mev": fine.energy_mev, "electrons_coarse_mev": coarse.energy_mev,
                "photons_mev": photons.energy_mev, "voxel_cm": fine.voxel_cm,
                "reference_mev": float(sphere["energy_deposited_mev_per_decay"]),
            }
        )  # fmt: skip
    records.append(_celldose(folder, quick, seed + 3, threads))
    return records, rows


def _celldose(folder: Path, quick: bool, seed: int, threads: int | None) -> Record:
    """Champion et al. (J Nucl Med 2008;49:151): 87.1 % of the electron energy of 131I stays in a sphere of 2.5 mm."""
    source = hevesy.Problem.load(folder / "i131_voxel_3mm_water_icrp107.npz")
    n = DECAYS["electrons"][1 if quick else 0]
    part = electrons_in_sphere(0.25, source.materials[0], source.emission, ACROSS, n, seed, threads)
    emitted = energy_per_decay(source.emission).electron
    ours, error = part.energy_mev / emitted, part.sigma_mev / emitted
    return Record(
        "131I sphere in water", "share of the electron energy that stays in a uniformly active sphere of 2.5 mm radius",
        "", 0.871, ours, ours / 0.871 - 1.0, error / 0.871, 0.0, "information",
        remark="CELLDOSE, J Nucl Med 2008;49:151: another code with its own 131I electrons, no uncertainty stated",
    )  # fmt: skip
