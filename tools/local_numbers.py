"""The numbers of docs/methods/local.md: local deposition and hybrid against Monte Carlo, and what pairing gains.

python -m hevesy.tools.local_numbers [--decays 1e6]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from hevesy.engine.constants import JOULE_PER_MEV, QUANTUM_MEV
from hevesy.engine.dose.compute import compute_dose
from hevesy.engine.dose.local import emitted_energy
from hevesy.engine.dose.map import DoseMap, relative_source
from hevesy.engine.nuclides import nuclide
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.pairing import paired_mean
from hevesy.engine.physics.material import Material
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.run_options import RunOptions
from hevesy.engine.transport.same_decays import expected
from hevesy.engine.transport.tally import Tally
from hevesy.kernels.backends.machine import usable_cores

WATER = Material("water", (1, 8), (0.111894, 0.888106), 78.0, 1.0)
SIDES_MM = (2.0, 3.0, 4.8, 10.0)
NUCLIDES = ("I-131", "Lu-177", "Y-90", "I-124", "F-18", "Tc-99m")
#: voxels of the body with two spheres
SHAPE, SIDE_MM = (48, 48, 48), 4.0
#: radius and centre in voxels
RADII = {"sphere of 16 mL": (4.0, (24, 24, 14)), "sphere of 2 mL": (2.0, (24, 24, 34))}
BATCHES = 50


def isolated(name: str, side_mm: float, size: int = 11) -> Problem:
    """Decays in the middle voxel of a block of water."""
    source = np.zeros((size,) * 3, np.float32)
    source[(size // 2,) * 3] = 1.0
    return _problem(nuclide(name).emission, source, side_mm)


def body(name: str) -> tuple[Problem, np.ndarray]:
    """A block of water with two spheres of ten times the concentration around them, and the spheres' masks."""
    at = np.indices(SHAPE)
    masks = [
        sum((axis - c) ** 2 for axis, c in zip(at, centre, strict=True)) <= radius**2
        for radius, centre in RADII.values()
    ]
    source = np.full(SHAPE, 0.1, np.float32)
    for mask in masks:
        source[mask] = 1.0
    return _problem(nuclide(name).emission, source, SIDE_MM), np.array(masks, np.uint8)


def _problem(emission: Emission, source: np.ndarray, side_mm: float) -> Problem:
    shape = source.shape
    density, material = np.ones(shape, np.float32), np.zeros(shape, np.uint8)
    return Problem(density, material, (WATER,), (side_mm,) * 3, source, emission)


def isolated_rows(decays: int) -> Iterator[str]:
    """Excess of each method in an isolated voxel."""
    yield "| nuclide | voxel | `local` | `local+photons` | `hybrid` | one standard error |"
    yield "|---|---|---|---|---|---|"
    for name in NUCLIDES:
        for side in SIDES_MM:
            problem = isolated(name, side)
            options = RunOptions(decays=decays, seed=8, backend="cpu", batches=BATCHES)
            mc = compute_dose("mc", problem, options=options)
            middle = (5, 5, 5)
            excess = [
                100 * (compute_dose(m, problem, options=options).mean[middle] / mc.mean[middle] - 1)
                for m in ("local", "local+photons", "hybrid")
            ]
            error = 100 * mc.sigma[middle] / mc.mean[middle]
            yield f"| {name} | {side:g} mm | " + " | ".join(f"{v:+.1f} %" for v in excess) + f" | {error:.2f} % |"


def radiated_row(decays: int) -> str:
    """What 90Y radiates: energy beyond the range of its electrons, or escaped, of a block of 30 cm of water."""
    problem = isolated("Y-90", 15.0, 21)
    mc = compute_dose("mc", problem, options=RunOptions(decays=decays, seed=9, backend="cpu", batches=BATCHES))
    far = np.ones(problem.density_g_cm3.shape, bool)
    far[9:12, 9:12, 9:12] = False
    tally = mc.tally
    away = int(tally.energy_quanta[far].sum()) + tally.balance["escaped"]
    return f"90Y, more than 15 mm from its voxel: {100 * away / tally.balance['emitted']:.2f} % of the energy"


@dataclass(frozen=True)
class Merit:
    """One method on the body: relative error of the means, of voxels, and processor time."""

    dose: DoseMap
    means: np.ndarray
    errors: np.ndarray
    voxels: float
    seconds: float


def merit(method: str, problem: Problem, masks: np.ndarray, decays: int) -> Merit:
    """Simulate the body by one method."""
    options = RunOptions(
        decays=decays, seed=5, backend="cpu", batches=BATCHES, regions=masks, region_names=tuple(RADII)
    )
    dose = compute_dose(method, problem, options=options)
    tally = dose.tally
    _, sigma = tally.region_energy()
    means = np.array([dose.mean[mask > 0].mean() for mask in masks])
    gy = JOULE_PER_MEV / (problem.voxel_volume_ml * 1e-3)
    errors = sigma * gy / masks.reshape(len(masks), -1).sum(axis=1) / means
    hot = dose.mean > 0.5 * dose.mean.max()
    voxels = float(np.sqrt(np.mean((dose.sigma[hot] / dose.mean[hot]) ** 2)))
    return Merit(dose, means, errors, voxels, tally.cpu_time_s)


def body_rows(decays: int) -> Iterator[str]:
    """Bias of the means, gain in the figure of merit, and what pairing gains for ``local``."""
    yield "| nuclide | region | `local` | `local+photons` | `hybrid` | s.e. | merit, mean | voxels | pairing, `local` |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name in NUCLIDES:
        problem, masks = body(name)
        mc, hybrid = merit("mc", problem, masks, decays), merit("hybrid", problem, masks, decays // 4)
        speed = mc.seconds / hybrid.seconds
        local = {m: compute_dose(m, problem).mean for m in ("local", "local+photons")}
        gains = _pairing(problem, masks, mc)
        for i, region in enumerate(RADII):
            mask = masks[i] > 0
            bias = [local[m][mask].mean() / mc.means[i] - 1 for m in local] + [hybrid.means[i] / mc.means[i] - 1]
            gain = (mc.errors[i] / hybrid.errors[i]) ** 2 * speed
            voxels = (mc.voxels / hybrid.voxels) ** 2 * speed
            error = np.hypot(mc.errors[i], hybrid.errors[i])
            cells = [f"{100 * b:+.2f} %" for b in bias] + [f"{100 * error:.2f} %", _times(gain), _times(voxels)]
            yield f"| {name} | {region} | " + " | ".join(cells) + f" | {gains[i]} |"


def replay_row(batches: int = 10, per_batch: int = 2_000_000) -> str:
    """How fast decays are repeated without transport, with two regions."""
    problem, masks = body("I-131")
    tally = Tally.empty(SHAPE, len(masks), per_batch, 5)
    tally.batch_ids = np.arange(batches)
    expected(problem, replace(tally, batch_ids=tally.batch_ids[:1]), masks)  # compiles
    start = time.perf_counter()
    expected(problem, tally, masks)
    rate = batches * per_batch / (time.perf_counter() - start)
    return f"decays repeated: {rate / 1e6:.1f} million a second on {usable_cores()} cores"


def _times(gain: float) -> str:
    return f"{gain:.3g}" if gain < 1e5 else "no noise"


def _pairing(problem: Problem, masks: np.ndarray, mc: Merit) -> list[str]:
    """Variance of the unpaired bias of ``local`` over that of the paired one."""
    tally, charged = mc.dose.tally, emitted_energy(problem.emission).charged
    controls = expected(problem, tally, masks * charged)
    share = relative_source(problem)
    out = []
    for i, mask in enumerate(masks):
        known = tally.batch_histories * charged * float((mask * share).sum())
        batches = tally.region_quanta[:, i] * QUANTUM_MEV
        paired = paired_mean(batches, controls[:, i], known)
        correlation = np.corrcoef(batches, controls[:, i])[0, 1]
        out.append(f"{paired.variance_ratio:.2f} (r = {correlation:.2f})")
    return out


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decays", type=float, default=1e6)
    decays = int(parser.parse_args().decays)
    for rows in (isolated_rows(decays), [radiated_row(decays)], body_rows(decays), [replay_row()]):
        for row in rows:
            print(row, flush=True)
        print()


if __name__ == "__main__":
    main()
