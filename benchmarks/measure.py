"""Timing one problem: whole batches with their statistics, as a run of the program makes them."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from hevesy.engine.statistics import MINIMUM_BATCHES
from hevesy.engine.transport.options import PhysicsOptions
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.sums import region_sums, regions_of
from hevesy.engine.transport.tally import Tally
from hevesy.engine.transport.world import build_world
from hevesy.kernels.backends import cpu

#: counters that are told per decay; the others balance energy or count what must not happen
EVENTS = (
    "photon_flights", "photon_collisions", "electrons", "range_rejections", "electron_steps", "electron_segments",
    "hard_collisions", "bremsstrahlung_photons",
)  # fmt: skip


class Stopwatch:
    """Simulates batches of a problem and records the time they take.

    Parameters
    ----------
    problem
        The problem.
    physics
        Options over those of the problem.
    threads
        CPU threads; default all cores.
    seed
        Seed of the random numbers.
    """

    def __init__(
        self, problem: Problem, physics: dict[str, Any] | None = None, threads: int | None = None, seed: int = 1
    ) -> None:
        self.problem = problem
        options = PhysicsOptions.from_dict({**problem.physics, **(physics or {})})
        start = time.perf_counter()
        self.world = build_world(problem, options)
        self.tables_s = time.perf_counter() - start
        self.engine = cpu.Engine(self.world, seed, threads)
        _, self._weights = regions_of(problem, None, ())
        self.seed, self.per_batch, self.batch = seed, 0, 0
        self._scratch = np.zeros(problem.density_g_cm3.size, np.int64)
        self.engine.run_batch(0, 100, self._scratch)  # compiles, or reads the compiled code
        self.tally = self._empty(1)
        self.seconds: list[float] = []
        self.transport_s = self.cpu_s = 0.0

    def _empty(self, per_batch: int) -> Tally:
        device = self.engine.device
        return Tally.empty(
            self.problem.density_g_cm3.shape,
            len(self._weights),
            per_batch,
            self.seed,
            backend=device.backend,
            device=device.name,
            threads=device.threads,
        )

    def size_batches(self, seconds: float, most: int = 2_000_000) -> int:
        """Choose the histories of a batch so that it takes about so long; returns their number."""
        guess = 2000
        while True:
            self._scratch[:] = 0
            start = time.perf_counter()
            self.engine.run_batch(0, guess, self._scratch)
            took = time.perf_counter() - start
            if took > 0.2 * seconds or guess >= most:
                break
            guess = min(most, int(guess * min(10.0, max(2.0, 0.5 * seconds / max(took, 1e-6)))))
        return self.start(max(100, min(most, round(guess * seconds / took))))

    def start(self, per_batch: int) -> int:
        """Begin with batches of so many histories."""
        self.per_batch, self.batch = per_batch, 0
        self.tally, self.seconds, self.transport_s, self.cpu_s = self._empty(per_batch), [], 0.0, 0.0
        return per_batch

    def run_batch(self) -> None:
        """One batch, its sums and squares and its regions included."""
        start, start_cpu = time.perf_counter(), time.process_time()
        self._scratch[:] = 0
        before = time.perf_counter()
        counters = self.engine.run_batch(self.batch, self.per_batch, self._scratch)
        self.transport_s += time.perf_counter() - before
        assert counters["emitted"] == counters["deposited"] + counters["escaped"]
        regions = region_sums(self._scratch, self._weights)
        self.tally.add_batch(self.batch, self._scratch, regions, counters, self.engine.pool)
        self.batch += 1
        self.seconds.append(time.perf_counter() - start)
        self.cpu_s += time.process_time() - start_cpu

    def figures(self) -> dict[str, Any]:
        """What the batches since :meth:`start` say."""
        decays, wall = self.tally.decays, float(np.sum(self.seconds))
        # the median batch: one that another process disturbed does not count
        rate = self.per_batch / float(np.median(self.seconds))
        found: dict[str, Any] = {
            "voxels": int(self.problem.density_g_cm3.size), "threads": self.engine.device.threads,
            "batches": self.batch, "decays": decays, "wall_s": wall, "cpu_s": self.cpu_s,
            "decays_per_s": rate, "decays_per_cpu_s": decays / self.cpu_s,
            "statistics_share": 1.0 - self.transport_s / wall, "tables_s": self.tables_s,
            "per_decay": {name: self.tally.counters[name] / decays for name in EVENTS},
        }  # fmt: skip
        return found | self._precision(rate)

    def _precision(self, rate: float) -> dict[str, Any]:
        """Figures of merit, and how long a run to 1 % takes at this rate."""
        if self.batch < MINIMUM_BATCHES:
            return {}
        found: dict[str, Any] = {}
        spent = self.tally.decays / rate
        mean, sigma = self.tally.dose_gy_per_decay(self.problem.density_g_cm3, 1.0)
        mean = np.where(np.asarray(self.problem.density_g_cm3) < 0.01, 0.0, mean)  # air has no dose
        hot = mean > 0.5 * mean.max()
        error = float(np.sqrt(np.mean((sigma[hot] / mean[hot]) ** 2)))
        found["hot_voxels"] = {
            "error": error,
            "merit_per_s": 1.0 / (error**2 * spent),
            "s_to_2_percent": spent * (error / 0.02) ** 2,
        }
        if self._weights:
            energy, spread = self.tally.region_energy()
            error = float((spread / energy).max()) if (energy > 0).all() else math.inf
            if error > 0 and math.isfinite(error):
                found["lesions"] = {
                    "error": error,
                    "merit_per_s": 1.0 / (error**2 * spent),
                    "s_to_1_percent": spent * (error / 0.01) ** 2,
                }
        return found

    def close(self) -> None:
        """Let the threads go."""
        self.engine.close()


def timed(
    problem: Problem,
    batches: int,
    seconds: float,
    physics: dict[str, Any] | None = None,
    threads: int | None = None,
    per_batch: int | None = None,
) -> dict[str, Any]:
    """Figures of ``batches`` batches that take about ``seconds`` in all."""
    watch = Stopwatch(problem, physics, threads)
    try:
        if per_batch:
            watch.start(per_batch)
        else:
            watch.size_batches(seconds / batches)
        for _ in range(batches):
            watch.run_batch()
        return watch.figures()
    finally:
        watch.close()


def until(problem: Problem, goal: str, limit_s: float, **options: Any) -> dict[str, Any]:
    """A whole run to a goal by the program's own stop rule, tables and start included."""
    from hevesy.engine.transport.run import simulate

    start = time.perf_counter()
    tally = simulate(problem, until=goal, time_limit_s=limit_s, **options)
    return {
        "goal": goal,
        "reached": tally.stopped_by == "until",
        "wall_s": time.perf_counter() - start,
        "decays": tally.decays,
        "backend": tally.backend,
    }
