"""The problem files of the reference code: region means, voxel S values, voxel-by-voxel scatter."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hevesy
import numpy as np
from hevesy.engine.transport.validate import compare

from .record import Record, relative

#: label, decays of the full run, decays of the quick one
FILES: dict[str, tuple[str, int, int]] = {
    "i131_voxel_3mm_water": ("131I, 3 mm, water", 8_000_000, 200_000),
    "i131_voxel_3mm_water_icrp107": ("131I (ICRP 107), 3 mm, water", 6_000_000, 200_000),
    "i131_voxel_4p8mm_tissue": ("131I, 4.8 mm, soft tissue", 6_000_000, 200_000),
    "lu177_voxel_3mm_water": ("177Lu, 3 mm, water", 10_000_000, 300_000),
    "y90_voxel_3mm_water": ("90Y, 3 mm, water", 4_000_000, 100_000),
    "f18_voxel_3mm_water": ("18F, 3 mm, water", 4_000_000, 100_000),
    "tc99m_voxel_3mm_water": ("99mTc, 3 mm, water", 8_000_000, 300_000),
    "i124_voxel_3mm_water_icrp107": ("124I, 3 mm, water", 4_000_000, 100_000),
    "i131_heterogeneous_3mm": ("131I in lung, tissue and bone", 20_000_000, 500_000),
}
#: physics.md section 6: voxel S of the source voxel, its face neighbours and all others
SELF_BAR, FACE_BAR, OTHER_BAR = 0.005, 0.01, 0.02
#: neighbours farther from the source than this hold bremsstrahlung only for 90Y; they are shown like all others
REACH = 6
#: a mean of fewer standard errors than this rests on a few photons: not normal, its error not well known
ENOUGH = 10.0


@dataclass
class VoxelRun:
    """What one problem file gave."""

    name: str
    label: str
    decays: int
    wall_time_s: float
    records: list[Record]
    z: np.ndarray
    table: list[dict[str, Any]] = field(default_factory=list)
    profile: dict[str, Any] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    balance: tuple[int, int, int] = (0, 0, 0)


def neighbour_means(
    dose: np.ndarray, sigma: np.ndarray, reach: int = REACH
) -> dict[tuple[int, ...], tuple[float, float]]:
    """Mean dose of the voxels at each offset from the middle voxel, up to the symmetries of the cube.

    Returns
    -------
    dict
        Sorted absolute offset to (mean, standard error). The voxels of one offset are counted as independent: they
        lie on different sides of the source.
    """
    middle = [n // 2 for n in dose.shape]
    part = tuple(slice(m - reach, m + reach + 1) for m in middle)
    offset = np.abs(np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"))).reshape(3, -1)
    keys = np.sort(offset, axis=0).T
    unique, group = np.unique(keys, axis=0, return_inverse=True)
    group = group.ravel()
    count = np.bincount(group)
    mean = np.bincount(group, dose[part].ravel()) / count
    error = np.sqrt(np.bincount(group, sigma[part].ravel() ** 2)) / count
    return {tuple(int(i) for i in u): (float(m), float(e)) for u, m, e in zip(unique, mean, error, strict=True)}


def neighbour_bar(offset: tuple[int, ...]) -> float:
    """The bar of physics.md section 6 for a neighbour."""
    return {0: SELF_BAR, 1: FACE_BAR}.get(sum(offset), OTHER_BAR)


def run_file(folder: Path, name: str, decays: int, seed: int, threads: int | None = None) -> VoxelRun:
    """Simulate one problem file and judge it."""
    label = FILES[name][0]
    problem = hevesy.Problem.load(folder / f"{name}.npz")
    result = hevesy.simulate(problem, decays=decays, seed=seed, backend="cpu", threads=threads)
    assert result.backend == "cpu" and result.balance.residual_quanta == 0
    found = compare(result, problem)
    records = [
        Record(
            label, f"mean dose, {r.region}", "Gy/decay", r.reference_gy, r.simulated_gy, r.difference,
            float(np.hypot(r.sigma, r.reference_sigma)), r.bar,
        )
        for r in found.regions
    ]  # fmt: skip
    if found.chi2_judged:
        records.append(
            Record(
                label, f"scatter of {found.ndf} voxels above 10 % of maximum: p of chi-square", "", 1.0,
                found.chi2_p_value, 0.0, 0.0, 0.0, "p",
                remark=f"chi2/ndf {found.chi2_per_ndf:.3f} (0.95 to 1.05 asked; one standard deviation of it is "
                f"{np.sqrt(2 / found.ndf):.3f}), largest z {found.largest_z:.2f}",
            )
        )  # fmt: skip
    data = result.tally
    run = VoxelRun(
        name, label, result.decays, result.wall_time_s, records, np.empty(0),
        counters=dict(data.counters), balance=data.balance,
    )  # fmt: skip
    dose, sigma = result.dose_gy_per_decay, result.sigma_gy_per_decay
    reference, reference_sigma = np.asarray(problem.reference_dose), np.asarray(problem.reference_sigma)
    if "voxel" in name:
        _neighbours(run, dose, sigma, reference, reference_sigma)
    else:
        _depth_profile(run, problem, dose, sigma, reference, reference_sigma)
    return run


def _neighbours(run: VoxelRun, dose, sigma, reference, reference_sigma) -> None:
    ours = neighbour_means(dose, sigma)
    middle = [n // 2 for n in reference.shape]
    z = []
    for offset, (value, error) in ours.items():
        at = tuple(m + o for m, o in zip(middle, offset, strict=True))
        target, target_error = float(reference[at]), float(reference_sigma[at])
        record = relative(
            run.label, "voxel S " + ",".join(map(str, offset)), "Gy/decay", (target, target_error), (value, error),
            neighbour_bar(offset), "larger" if value >= ENOUGH * error > 0 else "information",
        )  # fmt: skip
        if record.rule != "information":
            z.append(record.difference / record.sigma)
        run.table.append(
            {"offset": offset, "reference": target, "reference_sigma": target_error, "ours": value, "sigma": error}
        )
        run.records.append(record)
    run.z = np.array(z)


def _depth_profile(run: VoxelRun, problem, dose, sigma, reference, reference_sigma) -> None:
    """Line of voxels along x through the middle of the spheres, and z of the hot voxels (mirror pairs once)."""
    source = np.asarray(problem.source)
    plane, row = np.unravel_index(int(source.sum(axis=2).argmax()), source.shape[:2])
    line = (int(plane), int(row))
    # the reference is averaged over the mirror in z: so are we
    mean = 0.5 * (dose + dose[::-1])
    error = np.sqrt(sigma**2 + sigma[::-1] ** 2) / 2
    half = slice(0, dose.shape[0] // 2)
    hot = reference[half] > 0.1 * np.nanmax(reference)
    spread = np.sqrt(error[half] ** 2 + reference_sigma[half] ** 2)
    run.z = ((mean[half] - reference[half]) / spread)[hot]
    run.profile = {
        "plane_z": line[0], "row_y": line[1], "voxel_mm": problem.voxel_size_mm[2],
        "density": np.asarray(problem.density_g_cm3)[line].tolist(),
        "reference": reference[line].tolist(), "reference_sigma": reference_sigma[line].tolist(),
        "ours": mean[line].tolist(), "sigma": error[line].tolist(),
    }  # fmt: skip
