"""How often the intervals of a mean dose hold the truth where a batch has few decays in the region.

``python -m hevesy.tools.paired_coverage --seeds 2000`` prints the table of docs/methods/compare.md: a block of water
with eight small cubes of 131I, whose decays per batch double from one to the next, simulated with many seeds of 50
batches. The truth is the mean over all seeds.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from ..engine.compare.bias import plain_estimate
from ..engine.nuclides import nuclide
from ..engine.pairing import paired_mean
from ..engine.physics.material import Material
from ..engine.transport.problem import Problem
from ..engine.transport.run import simulate
from ..engine.transport.same_decays import expected

WATER = Material("water", (1, 8), (0.111894, 0.888106), 78.0, 1.0)
SHAPE, SIDE_MM, BATCHES = (10, 10, 20), 4.0, 50
#: Decays per batch in the first cube, and how many times as many there are in each.
SMALLEST, TIMES = 0.25, (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Sums:
    """Energy in the cubes, and the charged energy of the decays there.

    Parameters
    ----------
    batches, controls
        By seed, batch and cube (seed, batch, cube), in arbitrary units.
    expectation
        Of the controls, by cube: decays per batch.
    """

    batches: np.ndarray
    controls: np.ndarray
    expectation: np.ndarray


def cubes(name: str = "I-131", voxels: int = 2) -> tuple[Problem, np.ndarray]:
    """A block of water with cubes of activity, and their masks."""
    source, masks = np.zeros(SHAPE, np.float32), np.zeros((len(TIMES), *SHAPE), np.uint8)
    for number, times in enumerate(TIMES):
        z, x = 2 + 4 * (number % 2), 2 + 4 * (number // 2)
        place = (slice(z, z + voxels), slice(4, 4 + voxels), slice(x, x + voxels))
        source[place], masks[number][place] = times / voxels**3, 1
    density, material = np.ones(SHAPE, np.float32), np.zeros(SHAPE, np.uint8)
    problem = Problem(density, material, (WATER,), (SIDE_MM,) * 3, source, nuclide(name).emission)
    return problem, masks


def measured(seeds: range, name: str = "I-131", voxels: int = 2, smallest: float = SMALLEST) -> Sums:
    """Simulate the cubes with each of these seeds."""
    problem, masks = cubes(name, voxels)
    per_batch = round(smallest * sum(TIMES))
    batches, controls = [], []
    for seed in seeds:
        tally = simulate(
            problem,
            decays=BATCHES * per_batch,
            batch_histories=per_batch,
            seed=seed,
            regions=masks,
            region_names=tuple(map(str, TIMES)),
            backend="cpu",
        )
        batches.append(tally.region_quanta.astype(np.float64))
        controls.append(expected(problem, tally, masks.astype(np.float64)))
    share = problem.source / problem.source.sum()
    expectation = per_batch * np.array([float((mask * share).sum()) for mask in masks])
    return Sums(np.array(batches), np.array(controls), expectation)


def intervals(sums: Sums, cube: int) -> dict[str, np.ndarray]:
    """Ends of the plain and of the paired 95 % interval of a cube's mean: by kind (seed, 2), in units of the truth."""
    truth = float(sums.batches[:, :, cube].mean())
    out: dict[str, list[tuple[float, float]]] = {"plain": [], "paired": []}
    for batches, controls in zip(sums.batches[:, :, cube], sums.controls[:, :, cube], strict=True):
        mean = float(batches.mean())
        plain = plain_estimate(mean, batches)
        paired = paired_mean(batches, controls, float(sums.expectation[cube]))
        out["plain"].append(plain.ends)
        out["paired"].append((paired.low, paired.high))
    return {kind: np.array(ends) / truth for kind, ends in out.items()}


def coverage(ends: np.ndarray) -> float:
    """Share of the intervals that hold the truth [%]; one without ends does not."""
    return 100.0 * float(np.mean((ends[:, 0] <= 1.0) & (ends[:, 1] >= 1.0)))


def rows(sums: Sums) -> list[tuple[float, dict[str, float], float]]:
    """By cube: decays per batch, coverage by kind [%], and the mean width of the paired over the plain interval."""
    out = []
    for cube, decays in enumerate(sums.expectation):
        ends = intervals(sums, cube)
        widths = {kind: float(np.nanmean(one[:, 1] - one[:, 0])) for kind, one in ends.items()}
        out.append((decays, {kind: coverage(one) for kind, one in ends.items()}, widths["paired"] / widths["plain"]))
    return out


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--nuclide", default="I-131")
    parser.add_argument("--voxels", type=int, default=2)
    parser.add_argument("--smallest", type=float, default=SMALLEST)
    asked = parser.parse_args()
    print("| decays per batch | plain | paired | width, paired over plain |\n|---|---|---|---|")
    sums = measured(range(1, asked.seeds + 1), asked.nuclide, asked.voxels, asked.smallest)
    for decays, covered, width in rows(sums):
        print(f"| {decays:.2g} | {covered['plain']:.1f} % | {covered['paired']:.1f} % | {width:.2f} |")
    print(f"one standard error: {100 * np.sqrt(0.95 * 0.05 / asked.seeds):.1f} points")


if __name__ == "__main__":
    main()
