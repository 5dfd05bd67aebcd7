"""The problem files of the reference code: region means, voxel S values, voxel-by-voxel scatter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hevesy
import numpy as np
from hevesy.engine.constants import JOULE_PER_MEV
from hevesy.engine.statistics import region_mean_sigma
from hevesy.engine.transport.comparisons import HOT_SHARE, compare
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.two_sample import welch

from .record import Record, relative

#: label, decays of the full run, decays of the quick one. The full run's standard errors of the region means are half
#: to all of the reference's own, so that more decays would not sharpen a judgement.
FILES: dict[str, tuple[str, int, int]] = {
    "i131_voxel_3mm_water": ("131I, 3 mm, water", 60_000_000, 200_000),
    "i131_voxel_3mm_water_icrp107": ("131I (ICRP 107), 3 mm, water", 30_000_000, 200_000),
    "i131_voxel_4p8mm_tissue": ("131I, 4.8 mm, soft tissue", 40_000_000, 200_000),
    "lu177_voxel_3mm_water": ("177Lu, 3 mm, water", 120_000_000, 300_000),
    "y90_voxel_3mm_water": ("90Y, 3 mm, water", 30_000_000, 100_000),
    "f18_voxel_3mm_water": ("18F, 3 mm, water", 24_000_000, 100_000),
    "tc99m_voxel_3mm_water": ("99mTc, 3 mm, water", 80_000_000, 300_000),
    "i124_voxel_3mm_water_icrp107": ("124I, 3 mm, water", 24_000_000, 100_000),
    "i131_heterogeneous_3mm": ("131I in lung, tissue and bone", 120_000_000, 500_000),
}
#: Acceptance limits: voxel S of the source voxel, its face neighbours and all others
SELF_BAR, FACE_BAR, OTHER_BAR = 0.005, 0.01, 0.02
#: neighbours farther from the source than this hold bremsstrahlung only for 90Y; they are shown like all others
REACH = 6
#: a mean of fewer standard errors than this rests on a few photons: not normal, its error not well known
ENOUGH = 10.0
#: independent parts of the heterogeneous phantom (at least 10) of so many decays and batches
SHARDS, SHARD_DECAYS, SHARD_BATCHES = 60, 2_000_000, 50
#: chi2/ndf of its voxels may differ from one by this
SCATTER_BAR = 0.05


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
    balance: dict[str, int] = field(default_factory=dict)


class OffsetRegions(Sequence[np.ndarray]):
    """Regions of a run: those of the problem, then the voxels at each offset from the middle voxel.

    Offsets are told apart up to the symmetries of the cube (sorted absolute offsets). As regions of the run they
    have their own batch sums: particles that cross several voxels of one offset, and pairs of annihilation photons
    that leave in opposite directions, are in their standard errors. Masks are made when asked for, one at a time.
    """

    def __init__(self, problem: Problem, reach: int = REACH) -> None:
        self.own = np.asarray(problem.regions if problem.regions is not None else np.zeros(problem.source.shape))
        self.own_names = tuple(problem.region_names)
        self.part = tuple(slice(n // 2 - reach, n // 2 + reach + 1) for n in self.own.shape)
        offset = np.abs(np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"))).reshape(3, -1)
        unique, group = np.unique(np.sort(offset, axis=0).T, axis=0, return_inverse=True)
        self.offsets = [tuple(int(i) for i in row) for row in unique]
        self.group = group.reshape((2 * reach + 1,) * 3)
        self.mass_g = np.bincount(
            group.ravel(), np.asarray(problem.density_g_cm3, float)[self.part].ravel() * problem.voxel_volume_ml
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return (*self.own_names, *(",".join(map(str, offset)) for offset in self.offsets))

    def __len__(self) -> int:
        return len(self.own_names) + len(self.offsets)

    def __getitem__(self, index: Any) -> Any:
        if index >= len(self):
            raise IndexError(index)
        if index < len(self.own_names):
            return (self.own == index + 1).astype(np.uint8)
        mask = np.zeros(self.own.shape, np.uint8)
        mask[self.part] = self.group == index - len(self.own_names)
        return mask

    def means(self, result: Any) -> dict[tuple[int, ...], tuple[float, float]]:
        """Mean dose at each offset and its standard error [Gy per decay]."""
        quanta = result.tally.region_quanta[:, len(self.own_names) :]
        mean, sigma = region_mean_sigma(quanta, result.tally.batch_histories)
        scale = JOULE_PER_MEV / (self.mass_g * 1e-3)
        return {o: (float(m), float(e)) for o, m, e in zip(self.offsets, mean * scale, sigma * scale, strict=True)}


def simulate(
    problem: Problem, decays: int, seed: int, threads: int | None = None, **options: Any
) -> tuple[Any, dict[tuple[int, ...], tuple[float, float]]]:
    """Simulate a voxel S problem: the result, and the mean dose and standard error at each offset."""
    regions = OffsetRegions(problem)
    result = hevesy.simulate(
        problem,
        decays=decays,
        seed=seed,
        backend="cpu",
        threads=threads,
        regions=regions,
        region_names=regions.names,
        **options,
    )
    return result, regions.means(result)


def neighbour_bar(offset: tuple[int, ...]) -> float:
    """The acceptance limit of a neighbour."""
    return {0: SELF_BAR, 1: FACE_BAR}.get(sum(offset), OTHER_BAR)


def run_file(folder: Path, name: str, decays: int, seed: int, threads: int | None = None) -> VoxelRun:
    """Simulate one problem file and judge it."""
    problem = hevesy.Problem.load(folder / f"{name}.npz")
    if "voxel" in name:
        result, means = simulate(problem, decays, seed, threads)
        scatter: list[float] = []
    else:
        result, scatter = _in_shards(problem, decays, seed, threads)
        means = {}
    assert result.backend == "cpu" and result.balance.residual_quanta == 0
    data = result.tally
    run = VoxelRun(
        name,
        FILES[name][0],
        result.decays,
        result.wall_time_s,
        [],
        np.empty(0),
        counters=dict(data.counters),
        balance=data.balance,
    )
    _regions(run, result, problem, scatter)
    reference, reference_sigma = np.asarray(problem.reference_dose), np.asarray(problem.reference_sigma)
    if means:
        _neighbours(run, means, data.n_batches, reference, reference_sigma)
    else:
        _depth_profile(run, problem, result.dose_gy_per_decay, result.sigma_gy_per_decay, reference, reference_sigma)
    return run


def _in_shards(problem: Problem, decays: int, seed: int, threads: int | None) -> tuple[Any, list[float]]:
    """The run in up to :data:`SHARDS` parts: their sum, and chi2/ndf of each against the reference.

    One comparison of 196 voxels scatters by sqrt(2/196) = 0.10 and cannot tell whether chi2/ndf is within 0.05 of
    one; the mean over independent parts, whose own noise is far above the reference's, can.
    """
    count = min(max(decays // SHARD_DECAYS, 10), SHARDS)
    per_batch = -(-decays // (count * SHARD_BATCHES))
    parts = [
        hevesy.simulate(
            problem,
            decays=per_batch * SHARD_BATCHES,
            batch_histories=per_batch,
            first_batch=i * SHARD_BATCHES,
            seed=seed,
            backend="cpu",
            threads=threads,
        )
        for i in range(count)
    ]
    scatter = [compare(part, problem).chi2_per_ndf for part in parts]
    return hevesy.merge(parts), scatter


def _regions(run: VoxelRun, result: Any, problem: Problem, scatter: list[float]) -> None:
    """Records of the region means, and of the scatter of voxels where there are enough independent ones."""
    found = compare(result, problem)
    batches = result.tally.n_batches
    for r in found.regions:
        run.records.append(
            Record(
                run.label,
                f"mean dose, {r.region}",
                "Gy/decay",
                r.reference_gy,
                r.simulated_gy,
                r.difference,
                float(np.hypot(r.sigma, r.reference_sigma)),
                r.bar,
                freedom=welch(r.sigma, r.reference_sigma, batches),
            )
        )
    if found.chi2_judged:
        run.records.append(
            Record(
                run.label,
                f"scatter of {found.ndf} voxels above 10 % of maximum: p of chi-square",
                "",
                1.0,
                found.chi2_p_value,
                0.0,
                0.0,
                0.0,
                "p",
                remark=f"chi2/ndf {found.chi2_per_ndf:.3f}, one standard deviation of it being "
                f"{np.sqrt(2 / found.ndf):.3f}; largest z {found.largest_z:.2f}",
            )
        )
    if scatter:
        mean, error = float(np.mean(scatter)), float(np.std(scatter, ddof=1) / np.sqrt(len(scatter)))
        # the reference's own noise is the same in every part: what it adds to chi2/ndf does not average out
        hot = np.asarray(problem.reference_dose) > HOT_SHARE * np.nanmax(problem.reference_dose)
        own = result.sigma_gy_per_decay[hot] ** 2 * len(scatter)
        common = np.asarray(problem.reference_sigma)[hot] ** 2
        error = float(np.hypot(error, np.mean(common / (common + own)) * np.sqrt(2 / found.ndf)))
        run.records.append(
            Record(
                run.label,
                f"chi2/ndf of voxels above 10 % of maximum, mean of {len(scatter)} independent parts",
                "",
                1.0,
                mean,
                mean - 1.0,
                error,
                SCATTER_BAR,
                freedom=len(scatter) - 1,
            )
        )


def _neighbours(
    run: VoxelRun,
    ours: dict[tuple[int, ...], tuple[float, float]],
    batches: int,
    reference: np.ndarray,
    reference_sigma: np.ndarray,
) -> None:
    middle = [n // 2 for n in reference.shape]
    z = []
    for offset, (value, error) in ours.items():
        at = tuple(m + o for m, o in zip(middle, offset, strict=True))
        target, target_error = float(reference[at]), float(reference_sigma[at])
        record = relative(
            run.label,
            "voxel S " + ",".join(map(str, offset)),
            "Gy/decay",
            (target, target_error),
            (value, error),
            neighbour_bar(offset),
            "larger" if value >= ENOUGH * error > 0 else "information",
            batches=batches,
        )
        if record.rule != "information":
            z.append(record.z)
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
