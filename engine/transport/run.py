"""Running a problem: batches of whole histories on a backend until a stop criterion holds."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...kernels.backends.cuda_errors import let_go
from ...kernels.tables import World
from ..errors import InputError
from ..progress import TRANSPORT, at_once
from ..statistics import MINIMUM_BATCHES
from .emission_checks import check_sums
from .engines import (
    DeviceRefused,
    chosen_backend,
    compiles_first,
    cpu_instead,
    device_failures,
    device_of,
    no_gpu,
    open_engine,
    opening,
)
from .options import PhysicsOptions
from .problem import Problem
from .problem_checks import check_cutoffs, check_problem
from .resume import nothing_left, take_up
from .run_options import RunOptions
from .stopping_rules import Goal
from .sums import DeviceSums, HostSums, Weights, regions_of, sums_of
from .tally import Tally
from .world import build_world

log = logging.getLogger(__name__)

DEFAULT_BATCHES = 50
#: decays in a short batch at most: a second or two on two cores; on a GPU a fraction of a second
LONGEST_BATCH, LONGEST_BATCH_CUDA = 100_000, 10_000_000
#: decays in a batch when only an error target or a time limit ends a run
OPEN_ENDED_BATCH = 50_000
#: the same on a GPU: some 20 ms of a large one, beside which the tail of a launch, in which the last threads end, and
#: the sums and squares of some millions of voxels are small (docs/decisions/0013); a constant, so that the same run on
#: another GPU has the same batches
OPEN_ENDED_BATCH_CUDA = 8_000_000
#: and the number of batches after which even an open-ended run stops
LARGEST_NUMBER_OF_BATCHES = 20_000
#: what a run says while its kernels are compiled
COMPILING = "compiling (first run on this machine)"
#: batches between two evaluations of the error
BATCHES_PER_LOOK = 5
#: a run that is expected to take longer says so [s]
DAY_S = 86_400.0


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
        A problem or options that cannot be simulated, before any table is built; a problem that does not fit the
        device.
    HevesyError
        The device failed, or an interrupt came where no whole batches can be told from the sums.
    """
    check_problem(problem)
    physics = PhysicsOptions.from_dict({**problem.physics, **(options.physics or {})})
    check_cutoffs(problem, physics)
    backend = chosen_backend(options.backend)
    per_batch, wanted = batches_of(options, backend)
    check_sums(problem.emission, np.asarray(problem.source), per_batch, 1 if options.open_ended else wanted)
    names, weights = regions_of(problem, options.regions, options.region_names)
    goal = None if options.until is None else _goal(options, problem, weights)
    whole = _simulated_already(options, (names, weights), physics.to_dict(), (per_batch, wanted))
    if whole is not None:
        whole.complete = goal is None or goal.error(whole) <= goal.until.goal
        return whole
    world = build_world(problem, physics)
    given, refused = (problem, world, options, (names, weights), physics.to_dict()), ""
    try:
        opened = _open(backend, *given)
    except DeviceRefused as refusal:
        if options.backend != "auto":
            raise
        refused = cpu_instead(refusal)
    if refused:  # not while the refusal is handled, which holds what was opened
        opened = _open("cpu", *given, refused)
    engine, tally, sums, wanted = opened
    earlier, checkpoint = tally.n_batches, options.checkpoint
    try:
        with device_failures():
            start, start_cpu = time.perf_counter(), time.process_time()
            if checkpoint is not None:
                checkpoint.begin(tally.energy_quanta.nbytes + tally.energy_quanta_squared.nbytes)
            try:
                _Batches(sums, tally, options, goal, wanted).run()
            except KeyboardInterrupt:
                tally.complete, tally.stopped_by = False, "interrupt"
                if tally.n_batches == 0:
                    raise
            sums.settle(regions=True)
            if checkpoint is not None and (checkpoint.finished or tally.stopped_by == "interrupt"):
                checkpoint.save(tally)
    finally:
        engine.close()
    tally.wall_time_s += time.perf_counter() - start
    tally.cpu_time_s += time.process_time() - start_cpu
    if options.local_mev is None and not earlier and tally.n_batches >= MINIMUM_BATCHES and len(weights):
        merits = ", ".join(f"{name} {merit:.3g}" for name, merit in zip(names, tally.figure_of_merit(), strict=False))
        log.info("figure of merit 1/(sigma^2 T) [1/s]: %s", merits)
    return tally


def _simulated_already(
    options: RunOptions, regions: tuple[tuple[str, ...], Weights], physics: dict[str, Any], batches: tuple[int, int]
) -> Tally | None:
    """The tally of a run of which an earlier part is all, simulated on whatever device; None where something is left.

    Raises
    ------
    InputError
        The earlier part belongs to another run.
    """
    earlier, (names, weights), (per_batch, wanted) = options.resume, regions, batches
    if earlier is None or options.open_ended:
        return None
    facts = {"backend": earlier.backend, "device": earlier.device, "options": physics, "region_names": names}
    tally = Tally.empty(earlier.energy_quanta.shape, len(weights), per_batch, options.seed, **facts)
    return tally if nothing_left(earlier, tally, wanted, options.first_batch, options.backend) else None


class _Opened(NamedTuple):
    """What a run has before its first batch."""

    engine: Any
    tally: Tally
    sums: HostSums | DeviceSums
    wanted: int


def _open(
    backend: str,
    problem: Problem,
    world: World,
    options: RunOptions,
    regions: tuple[tuple[str, ...], Weights],
    physics: dict[str, Any],
    refused: str = "",
) -> _Opened:
    """Open an engine and all else that a run needs; where that fails, nothing stays open.

    Raises
    ------
    DeviceRefused
        The CUDA device cannot run this.
    InputError
        The earlier part of the run belongs to another one.
    """
    names, weights = regions
    if options.progress is not None and compiles_first(backend):
        options.progress(0.0, COMPILING)
    engine = open_engine(backend, world, options.seed, options.threads)
    if hasattr(engine, "stop"):
        engine.stop = at_once(options.stop)
    try:
        per_batch, wanted = batches_of(options, engine.backend)
        tally = Tally.empty(
            problem.density_g_cm3.shape,
            len(weights),
            per_batch,
            options.seed,
            backend=engine.device.backend,
            device=device_of(engine, options.backend, refused),
            threads=engine.device.threads,
            region_names=names,
            options=physics,
        )
        if options.resume is not None:
            take_up(options.resume, tally, options.first_batch, no_gpu(engine, options.backend, refused))
        with opening(engine.backend):
            sums = sums_of(engine, tally, weights)
            sums.compile()  # before the clock of a time limit starts
    except BaseException as error:
        let_go(error)
        engine.close()
        raise
    return _Opened(engine, tally, sums, wanted)


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
            log.info("%s was reached after %d decays: nothing is left to simulate", goal.until, tally.decays)
            return
        self.spent, limit = tally.wall_time_s, options.time_limit_s
        if self.earlier and limit is not None and self.spent >= limit and self.earlier < self.wanted:
            self._out_of_time()
            return
        for number in range(self.earlier, self.wanted):
            following = options.first_batch + number + 1 if number + 1 < self.wanted else None
            self.sums.run_batch(options.first_batch + number, following)
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
            if following is not None:
                if limit is not None and self.spent + elapsed >= limit:
                    self._out_of_time()
                    return
                if number == self.earlier:
                    self._say_how_long(elapsed)
                if options.checkpoint is not None and options.checkpoint.due():
                    options.checkpoint.save(tally, self.sums.settle)
        tally.complete = goal is None or self._error(goal) <= goal.until.goal

    def _out_of_time(self) -> None:
        self.tally.stopped_by = "time limit"
        self.tally.complete = self.goal is None and self.options.decays is None

    def _say_how_long(self, first_batch_s: float) -> None:
        """Warn of a number of decays that takes more than a day, at the speed of the first batch."""
        seconds = first_batch_s * (self.wanted - self.earlier)
        if seconds > DAY_S and not self.options.open_ended and self.options.time_limit_s is None:
            log.warning(
                "%.3g decays take about %.3g days here; Ctrl-C ends the run with what it has, --resume continues it",
                self.wanted * self.tally.batch_histories,
                seconds / DAY_S,
            )

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
            remaining.append(max(limit - self.spent - elapsed, 0.0))
        if not remaining or elapsed + min(remaining) <= 0:
            return 0.0 if open_ended else done / self.wanted
        return float(elapsed / (elapsed + max(min(remaining), 0.0)))

    def _line(self, error: float | None) -> str:
        text = f"{TRANSPORT}{self.tally.decays:.3g} decays"
        if self.goal is not None and error is not None:
            text += f", {100 * error:.2g} % of {self.goal.until}"
        return text


def batches_of(options: RunOptions, backend: str) -> tuple[int, int]:
    """Decays per batch and number of batches of a run on a backend (``"cpu"``, ``"cuda"``, ``"python"``)."""
    fixed = options.batch_histories or (options.resume.batch_histories if options.resume is not None else None)
    if options.open_ended:
        usual = OPEN_ENDED_BATCH_CUDA if backend == "cuda" else OPEN_ENDED_BATCH
        return fixed or usual, LARGEST_NUMBER_OF_BATCHES
    total = 1_000_000 if options.decays is None else int(options.decays)
    if fixed:
        return fixed, math.ceil(total / fixed)
    if options.short_batches and options.batches is None and options.decays is not None:
        longest = LONGEST_BATCH_CUDA if backend == "cuda" else LONGEST_BATCH
        per_batch = min(math.ceil(total / DEFAULT_BATCHES), longest)
        return per_batch, math.ceil(total / per_batch)
    count = max(1, min(options.batches or DEFAULT_BATCHES, total))
    return math.ceil(total / count), count


def _goal(options: RunOptions, problem: Problem, weights: Weights) -> Goal:
    until = options.until
    assert until is not None
    if until.voxels_above is None and not weights:
        raise InputError(
            f"'{until}' with no lesions",
            why="this problem has no regions",
            suggestion='use "voxels>50%:2%", or give the problem regions',
            field="until",
        )
    filled = np.array([index.size > 0 for index, _ in weights], bool)
    if options.local_mev is None:
        return Goal(until, np.asarray(problem.density_g_cm3), filled)
    flat = np.asarray(options.local_mev, dtype=np.float64).reshape(-1)
    regions = np.array([float(flat[index] @ weight) for index, weight in weights])
    return Goal(until, np.asarray(problem.density_g_cm3), filled, options.local_mev, regions)
