"""Running a problem: batches of whole histories on a backend until a stop criterion holds."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..statistics import MINIMUM_BATCHES
from ..until import Until
from .emission_checks import check_sums
from .engines import chosen_backend, compiles_first, open_engine
from .options import PhysicsOptions
from .problem import Problem
from .problem_checks import check_cutoffs, check_problem
from .resume import take_up
from .run_options import RunOptions
from .stopping_rules import Goal
from .sums import DeviceSums, HostSums, Weights, regions_of, sums_of
from .tally import Tally
from .world import build_world

log = logging.getLogger(__name__)

DEFAULT_BATCHES = 50
#: decays in a batch when only an error target or a time limit ends a run
OPEN_ENDED_BATCH = 50_000
#: the same on a GPU, which that many occupy for some milliseconds; a constant, so that the same run on another GPU
#: has the same batches
OPEN_ENDED_BATCH_CUDA = 2_000_000
#: and the number of batches after which even an open-ended run stops
LARGEST_NUMBER_OF_BATCHES = 20_000
#: what a run says while its kernels are compiled
COMPILING = "compiling (first run on this machine)"
#: batches between two evaluations of the error
BATCHES_PER_LOOK = 5


def simulate(
    problem: Problem, decays: int | None = None, seed: int = 1, backend: str = "auto", **options: Any
) -> Tally:
    """Transport the decays of a problem; :func:`run_transport` with its options as keywords.

    Parameters
    ----------
    problem
        Geometry, materials, source and emission.
    decays, seed, backend, options
        The fields of :class:`~hevesy.engine.transport.run_options.RunOptions`.

    Returns
    -------
    Tally
        Exact integer sums.
    """
    return run_transport(problem, RunOptions(decays=decays, seed=seed, backend=backend, **options))


def run_transport(problem: Problem, options: RunOptions) -> Tally:
    """Transport the decays of a problem.

    Parameters
    ----------
    problem
        Geometry, materials, source and emission.
    options
        How many decays, how precisely, and where.

    Returns
    -------
    Tally
        Exact integer sums. Interrupting (Ctrl-C) ends after whole batches with ``complete = False``.

    Raises
    ------
    InputError
        A problem or options that cannot be simulated, before any table is built.
    """
    check_problem(problem)
    physics = PhysicsOptions.from_dict({**problem.physics, **(options.physics or {})})
    check_cutoffs(problem, physics)
    backend = chosen_backend(options.backend)
    per_batch, wanted = _plan(options, backend)
    check_sums(problem.emission, np.asarray(problem.source), per_batch, 1 if options.open_ended else wanted)
    names, weights = regions_of(problem, options.regions, options.region_names)
    goal = None if options.until is None else _goal(options.until, problem, weights)
    world = build_world(problem, physics)
    if options.progress is not None and compiles_first(backend):
        options.progress(0.0, COMPILING)
    engine = open_engine(backend, world, options.seed, options.threads)
    tally = Tally.empty(
        problem.density_g_cm3.shape,
        len(weights),
        per_batch,
        options.seed,
        backend=engine.device.backend,
        device=engine.device.name,
        threads=engine.device.threads,
        region_names=names,
        options=physics.to_dict(),
    )
    if options.resume is not None:
        take_up(options.resume, tally, options.first_batch)
    earlier = tally.n_batches
    try:
        sums = sums_of(engine, tally, weights)
        sums.compile()  # before the clock of a time limit starts
        start, start_cpu = time.perf_counter(), time.process_time()
        try:
            _Batches(sums, tally, options, goal, wanted).run()
        except KeyboardInterrupt:
            tally.complete, tally.stopped_by = False, "interrupt"
            if tally.n_batches == 0:
                raise
        sums.settle()
    finally:
        engine.close()
    tally.wall_time_s += time.perf_counter() - start
    tally.cpu_time_s += time.process_time() - start_cpu
    if not earlier and tally.n_batches >= MINIMUM_BATCHES and len(weights):
        merits = ", ".join(f"{name} {merit:.3g}" for name, merit in zip(names, tally.figure_of_merit(), strict=False))
        log.info("figure of merit 1/(sigma^2 T) [1/s]: %s", merits)
    return tally


@dataclass
class _Batches:
    """The batches of one run, one after the other, until something ends it."""

    sums: HostSums | DeviceSums
    tally: Tally
    options: RunOptions
    goal: Goal | None
    wanted: int

    def run(self) -> None:
        """Add batches to the tally, which says in the end what stopped them."""
        self.start, self.earlier = time.perf_counter(), self.tally.n_batches
        tally, options, goal = self.tally, self.options, self.goal
        if goal is not None and self._at_a_look() and self.earlier and goal.error(tally) <= goal.until.goal:
            # the resumed run had already reached its goal: another batch would change the result
            tally.stopped_by = "until"
            return
        for number in range(self.earlier, self.wanted):
            self.sums.run_batch(options.first_batch + number)
            elapsed = time.perf_counter() - self.start
            error = None
            if goal is not None and self._at_a_look():
                error = self._error(goal)
                if error <= goal.until.goal:
                    tally.stopped_by = "until"
                    return
            if options.progress is not None:
                options.progress(self._share(elapsed, error), self._line(error))
            if options.stop is not None and options.stop():
                raise KeyboardInterrupt
            if options.time_limit_s is not None and elapsed >= options.time_limit_s and number + 1 < self.wanted:
                tally.stopped_by = "time limit"
                tally.complete = goal is None and options.decays is None
                return
        tally.complete = goal is None or self._error(goal) <= goal.until.goal

    def _at_a_look(self) -> bool:
        return self.tally.n_batches % BATCHES_PER_LOOK == 0

    def _error(self, goal: Goal) -> float:
        if goal.until.voxels_above is not None:
            self.sums.settle()
        return goal.error(self.tally)

    def _share(self, elapsed: float, error: float | None) -> float:
        """Fraction done: of the expected time where there is one, else of the decays."""
        done, open_ended, limit = self.tally.n_batches, self.options.open_ended, self.options.time_limit_s
        per_batch = elapsed / (done - self.earlier)
        remaining = [] if open_ended else [per_batch * (self.wanted - done)]
        if self.goal is not None and error is not None and np.isfinite(error):
            # the error falls with the square root of the number of decays
            remaining.append(per_batch * done * ((error / self.goal.until.goal) ** 2 - 1.0))
        if limit is not None:
            remaining.append(max(limit - elapsed, 0.0))
        if not remaining or elapsed + min(remaining) <= 0:
            return 0.0 if open_ended else done / self.wanted
        return float(elapsed / (elapsed + max(min(remaining), 0.0)))

    def _line(self, error: float | None) -> str:
        text = f"transport: {self.tally.decays:.3g} decays"
        if self.goal is not None and error is not None:
            text += f", {100 * error:.2g} % of {self.goal.until}"
        return text


def _plan(options: RunOptions, backend: str) -> tuple[int, int]:
    """(decays per batch, number of batches)."""
    fixed = options.resume.batch_histories if options.resume is not None else options.batch_histories
    if options.open_ended:
        usual = OPEN_ENDED_BATCH_CUDA if backend == "cuda" else OPEN_ENDED_BATCH
        return fixed or usual, LARGEST_NUMBER_OF_BATCHES
    total = 1_000_000 if options.decays is None else int(options.decays)
    if fixed:
        return fixed, math.ceil(total / fixed)
    count = max(1, min(options.batches or DEFAULT_BATCHES, total))
    return math.ceil(total / count), count


def _goal(until: Until, problem: Problem, weights: Weights) -> Goal:
    if until.voxels_above is None and not weights:
        raise InputError(
            f"'{until}' with no lesions",
            why="this problem has no regions",
            suggestion='use "voxels>50%:2%", or give the problem regions',
            field="until",
        )
    return Goal(until, np.asarray(problem.density_g_cm3), np.array([index.size > 0 for index, _ in weights], bool))
