"""What a higher photon cut-off changes, and what it saves a GPU: ``python -m hevesy.benchmarks.photon_cut_offs``.

Runs with the same seed follow the same histories until a photon falls below the higher cut-off, so batches are compared
in pairs: the difference of lesion doses is known far better than either dose. What is saved is the tail of a batch, by
the model of the GPU (``tools/ptx/batches.py``): photons of a few keV make the longest histories.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from hevesy.benchmarks import cases
from hevesy.benchmarks.gpu_goals import GHZ, MULTIPROCESSORS, newest_model
from hevesy.engine.transport.options import PhysicsOptions
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.run import simulate
from hevesy.engine.transport.world import build_world
from hevesy.kernels.backends.cuda_options import SCHEDULE
from hevesy.tools.ptx import batches, speed
from hevesy.tools.ptx.model import BATCHES, NAMES, SAMPLED

CUT_OFFS_MEV = (0.001, 0.005, 0.010)


def differences(
    problem: Problem, cut_offs_mev: Sequence[float], batches: int, per_batch: int, seed: int = 5
) -> dict[float, tuple[np.ndarray, np.ndarray]]:
    """Relative change of each region's dose against the first cut-off, and its standard error, by cut-off."""
    doses = {}
    for cut_off in cut_offs_mev:
        tally = simulate(
            problem, decays=batches * per_batch, batch_histories=per_batch, seed=seed, backend="cpu",
            physics={"photon_cutoff_mev": cut_off},
        )  # fmt: skip
        doses[cut_off] = tally.region_quanta.astype(float)
    usual = doses[cut_offs_mev[0]]
    scale = usual.mean(axis=0)
    changes = {cut_off: (dose - usual) / scale for cut_off, dose in doses.items()}
    return {key: (c.mean(axis=0), c.std(axis=0, ddof=1) / np.sqrt(batches)) for key, c in changes.items()}


def shares(turns: np.ndarray, modelled: dict[str, float]) -> list[float]:
    """Part of the steady rate that batches of each size reach without a gap between them.

    Parameters
    ----------
    turns
        Turns of single decays.
    modelled
        A batch of the model, for the steady rate and the cycles of a turn of a lane that is alone.
    """
    lanes = MULTIPROCESSORS * speed.SCHEDULERS * speed.WARPS * speed.LANES
    rate, alone = modelled["decays"] / modelled["steady"], modelled["turn_alone"] / GHZ * 1e-9
    return [batches.batch(turns, n, lanes, rate, alone, 0.0).share for n in BATCHES]


def main() -> int:
    """Print both tables; some five minutes."""
    content = newest_model()
    assert content is not None, "python -m hevesy.tools.ptx.model first"
    modelled = {row["name"]: row["batches"][0] for row in content["rows"] if row["schedule"] == SCHEDULE}
    for name in NAMES:
        problem = cases.load(name)
        assert problem is not None, name
        usual = 0
        for cut_off, (change, error) in differences(problem, CUT_OFFS_MEV, 60, 100_000).items():
            cells = ", ".join(f"{100 * c:+.3f} ({100 * e:.3f})" for c, e in zip(change, error, strict=True))
            world = build_world(problem, PhysicsOptions.from_dict({**problem.physics, "photon_cutoff_mev": cut_off}))
            flights, segments = batches.turns_of_decays(world, SAMPLED)
            usual = usual or int(flights.sum())
            reached = ", ".join(f"{share:.2f}" for share in shares(flights + segments, modelled[name]))
            sys.stdout.write(
                f"{name}, {1e3 * cut_off:g} keV: lesions change by [%] {cells}; most flights {flights.max()}, "
                f"{100 * (1 - flights.sum() / usual):.0f} % fewer; share of the steady rate {reached}\n"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
