"""What noise does to the pass rate of the gamma index, and what is left of that after the correction.

``python -m hevesy.tools.gamma_noise`` prints the table of docs/methods/gamma.md: dose maps without noise, their pass
rates, and the rates with simulated noise in the reference or in the evaluated map. ``--speed`` times a whole body, and
``--save`` writes its maps for another program.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from ..engine.compare.gamma import CRITERIA, NORMALISATIONS, gamma_rates
from ..engine.compare.record import GammaRate
from ..engine.dose.map import DoseMap
from ..engine.grid import Grid
from ..kernels.backends.cpu_gamma import PASS, gamma_of_voxels

VOXEL_MM = (4.0, 4.0, 4.0)
#: Centre, radius [voxels] and uptake of the spheres in a grid of (50, 64, 64) voxels.
SPHERES = (((25, 32, 32), 9, 10), ((10, 25, 35), 4, 30), ((35, 40, 25), 3, 60), ((40, 30, 40), 5, 40))
#: Relative standard errors at a quarter of the largest dose; elsewhere as the root of the dose.
NOISE = (0.003, 0.01, 0.02)
SCENES = ("unbiased", "1.5 % higher", "blurred", "errors of 3 %, smooth", "errors of 2 %, voxel by voxel")


class Row(NamedTuple):
    """A scene at a noise: [%] for the true rate, the raw one, that without bias, the extrapolated and the widened."""

    scene: str
    noise: float
    where: str
    criterion: str
    true: float | None
    raw: float | None
    expected: float | None
    corrected: float | None
    widened: float | None


def spheres(shape: tuple[int, int, int] = (50, 64, 64), blur: float = 1.2, times: int = 1) -> np.ndarray:
    """Blurred spheres (nz, ny, nx) [Gy], all lengths ``times`` as long."""
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    dose = np.zeros(shape)
    for (cz, cy, cx), radius, uptake in SPHERES:
        inside = (z - times * cz) ** 2 + (y - times * cy) ** 2 + (x - times * cx) ** 2 <= (times * radius) ** 2
        dose += uptake * inside
    return np.asarray(gaussian_filter(dose, blur) + 1e-6)


def scene(name: str, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A method's dose map without noise, with the bias of this name."""
    if name == "1.5 % higher":
        return truth * 1.015
    if name == "blurred":
        return spheres(truth.shape, 1.35)
    if name == "errors of 3 %, smooth":
        field = gaussian_filter(rng.standard_normal(truth.shape), 3)
        return truth * (1.0 + 0.03 * field / field.std())
    if name == "errors of 2 %, voxel by voxel":
        return truth * (1.0 + 0.02 * rng.standard_normal(truth.shape))
    return truth.copy()


def widened(grid: Grid, reference: DoseMap, evaluated: np.ndarray, criterion: GammaRate) -> float:
    """Pass rate [%] with the standard error of the reference added in squares to the dose criterion."""
    assert reference.sigma is not None
    chosen = reference.mean >= criterion.floor_percent / 100.0 * reference.mean.max()
    dose, sigma = reference.mean[chosen], reference.sigma[chosen]
    base = criterion.dose_percent / 100.0 * (dose if criterion.normalisation == "local" else dose.max())
    wide = np.hypot(base, sigma)
    gamma = gamma_of_voxels(evaluated, np.argwhere(chosen), dose, wide, criterion.distance_mm, grid.spacing_mm, None)
    return float(100.0 * np.mean(gamma <= PASS))


def rows(noises: tuple[float, ...] = NOISE, seed: int = 5) -> Iterator[Row]:
    """Every scene with noise in the reference, in both (half as much in the evaluated map), and in the latter alone."""
    truth = spheres()
    grid = Grid(truth.shape, VOXEL_MM)
    rng = np.random.default_rng(seed)
    exact = DoseMap("mc", truth, None, "Gy")
    for name in SCENES:
        dose = scene(name, truth, rng)
        true = gamma_rates("", grid, exact, DoseMap(name, dose, None, "Gy"))
        for noise in noises:
            sigma = noise * np.sqrt(truth * truth.max() / 4.0)
            reference = DoseMap("mc", truth + sigma * rng.standard_normal(truth.shape), sigma, "Gy")
            plain = DoseMap(name, dose, None, "Gy")
            noisy, half = (
                DoseMap(name, dose + part * sigma * rng.standard_normal(truth.shape), part * sigma, "Gy")
                for part in (1.0, 0.5)
            )
            pairs = (
                ("reference", gamma_rates("", grid, reference, plain)),
                ("both", gamma_rates("", grid, reference, half)),
                ("evaluated", gamma_rates("", grid, exact, noisy)),
            )
            for where, rates in pairs:
                for a, b in zip(true, rates, strict=True):
                    wide = widened(grid, reference, dose, b) if where == "reference" else None
                    criterion = f"{b.normalisation} {b.dose_percent:g} %/{b.distance_mm:g} mm"
                    shares = (a.pass_percent, b.pass_percent, b.noise_pass_percent, b.corrected_pass_percent, wide)
                    yield Row(name, noise, where, criterion, *shares)


def errors(table: list[Row], where: str) -> dict[str, np.ndarray]:
    """Differences from the true rate [points] of the rows that have a corrected one, by kind of rate."""
    chosen = [row for row in table if row.where == where and row.corrected is not None]
    kinds = ("raw", "corrected", "widened") if where == "reference" else ("raw", "corrected")
    return {kind: np.array([getattr(row, kind) - row.true for row in chosen]) for kind in kinds}


def whole_body_maps() -> tuple[DoseMap, DoseMap]:
    """A noisy reference and a biased map of a whole body of 128 x 128 x 100 voxels."""
    truth = spheres((100, 128, 128), 1.2, 2)
    body = gaussian_filter((truth > 0.5).astype(float), 4.0) * 0.2 * truth.max() + truth
    rng = np.random.default_rng(1)
    sigma = 0.03 * np.sqrt(body * body.max() / 4.0)
    reference = DoseMap("mc", body + sigma * rng.standard_normal(body.shape), sigma, "Gy")
    evaluated = DoseMap("local", gaussian_filter(body, 0.5) * 1.01, None, "Gy")
    return reference, evaluated


def whole_body() -> tuple[list[GammaRate], float]:
    """Rates of a whole body by all criteria, and the seconds they took."""
    reference, evaluated = whole_body_maps()
    grid = Grid(reference.mean.shape, VOXEL_MM)
    gamma_rates("", grid, reference, evaluated, CRITERIA[:1], NORMALISATIONS[:1])  # compiled
    start = time.perf_counter()
    rates = gamma_rates("", grid, reference, evaluated)
    return rates, time.perf_counter() - start


def main(words: list[str] | None = None) -> int:
    """Print the rates scene by scene, and their errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speed", action="store_true", help="time the rates of a whole body")
    parser.add_argument("--save", type=Path, metavar="FILE.npz", help="write the two maps of the whole body")
    options = parser.parse_args(words)
    if options.save is not None:
        reference, evaluated = whole_body_maps()
        np.savez(options.save, reference=reference.mean, evaluated=evaluated.mean)
        return 0
    if options.speed:
        rates, seconds = whole_body()
        for rate in rates:
            print(f"{rate.normalisation} {rate.dose_percent:g} %/{rate.distance_mm:g} mm: {rate.pass_percent:.2f} %")
        print(f"{rates[0].voxels} voxels, {len(rates)} criteria with noise: {seconds:.1f} s")
        return 0
    table = list(rows())
    print("scene | noise [%] | in | criterion | true | raw | without bias | corrected | widened [%]")
    for row in table:
        numbers = ["-" if x is None else f"{x:.1f}" for x in row[4:]]
        print(" | ".join([row.scene, f"{100 * row.noise:g}", row.where, row.criterion, *numbers]))
    for where, words in (("reference", "in the reference"), ("both", "in both")):
        for kind, off in errors(table, where).items():
            size = np.abs(off)
            middle = f"error {np.mean(size):.2f} on average, {np.median(size):.2f} median, {np.max(size):.1f} worst"
            print(f"noise {words}, {kind}: {len(off)} rates, {middle} [points]")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
