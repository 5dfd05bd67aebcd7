"""Running a problem: batches of whole histories on a backend until a stop criterion holds."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..statistics import MINIMUM_BATCHES
from ..until import Until
from .options import PhysicsOptions
from .problem import Problem
from .problem_checks import check_cutoffs, check_problem
from .resume import take_up
from .stopping_rules import relative_error
from .sums import sums_of
from .tally import Tally
from .world import prepare

log = logging.getLogger(__name__)

DEFAULT_BATCHES = 50
#: histories of a batch when only an error target or a time limit ends a run
OPEN_ENDED_BATCH = 50_000
#: the same on a GPU, which that many keep busy for some milliseconds; a constant, so that the same run on another GPU
#: has the same batches
OPEN_ENDED_BATCH_CUDA = 2_000_000
#: and the number of batches after which even an open-ended run stops
LARGEST_NUMBER_OF_BATCHES = 20_000
BACKENDS = ("auto", "cpu", "cuda", "python")


@dataclass(frozen=True)
class Progress:
    """State of a running simulation, handed to the progress callback after every batch."""

    decays: int
    total_decays: int | None
    elapsed_s: float
    remaining_s: float | None
    relative_error: float | None


def simulate(
    problem: Problem,
    decays: int | None = None,
    seed: int = 1,
    backend: str = "auto",
    until: Until | str | None = None,
    time_limit_s: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    batches: int | None = None,
    regions: Sequence[np.ndarray] | np.ndarray | None = None,
    region_names: Sequence[str] = (),
    physics: dict[str, Any] | None = None,
    threads: int | None = None,
    first_batch: int = 0,
    batch_histories: int | None = None,
    resume: Tally | None = None,
) -> Tally:
    """Transport the decays of a problem.

    Parameters
    ----------
    problem
        Geometry, materials, source and emission.
    decays
        Decays to play at most; rounded up to whole batches. Default: 1e6, or no limit when ``until`` or
        ``time_limit_s`` is given.
    seed
        Seed of the random numbers; the same seed gives the same integer tallies on any number of threads.
    backend
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"python"`` (the uncompiled source, for tests).
    until
        Stop when the relative standard error is reached: ``"lesions:1%"``, ``"voxels>50%:2%"``.
    time_limit_s
        Stop after this time [s].
    progress
        Called after every batch.
    batches
        Batches to divide ``decays`` into (default 50; at least 20 give standard errors).
    regions
        Integer weights 0..255 per voxel of each region, (n, nz, ny, nx) uint8; default the problem's own regions.
    region_names
        Their names.
    physics
        Options that override those of the problem, see :class:`PhysicsOptions`.
    threads
        CPU threads; default all cores.
    first_batch, batch_histories
        For shards: number of the first batch, and the histories of one batch (fixes the batch size).
    resume
        The first batches of this very run, to go on from; ``decays`` counts them too.

    Returns
    -------
    Tally
        Exact integer sums. Interrupting (Ctrl-C) ends after whole batches with ``complete = False``.
    """
    check_problem(problem)
    options = PhysicsOptions.from_dict({**problem.physics, **(physics or {})})
    check_cutoffs(problem, options)
    goal = None if until is None else Until.parse(until)
    open_ended = decays is None and (goal is not None or time_limit_s is not None)
    backend = chosen_backend(backend)
    given = resume.batch_histories if resume else batch_histories
    per_batch, wanted = _plan(decays, batches, given, open_ended, backend)
    names, weights = _regions(problem, regions, region_names)
    if goal is not None and goal.voxels_above is None and not len(weights):
        raise InputError(
            f"'{goal}' with no lesions",
            why="this problem has no regions to look at",
            suggestion='use "voxels>50%:2%", or give the problem regions',
            field="until",
        )
    filled = np.array([index.size > 0 for index, _ in weights], bool)
    prepared = prepare(problem, options)
    engine = _engine(backend, prepared.world, seed, threads)
    shape = problem.density_g_cm3.shape
    tally = Tally.empty(
        shape,
        len(weights),
        per_batch,
        seed,
        backend=engine.device.backend,
        device=engine.device.name,
        threads=engine.device.threads,
        region_names=names,
        options=options.to_dict(),
    )
    earlier = 0 if resume is None else take_up(resume, tally, first_batch)
    start, start_cpu = time.perf_counter(), time.process_time()
    tally.stopped_by = "decays"
    try:
        sums = sums_of(engine, tally, weights)
        try:
            if (
                goal is not None
                and earlier
                and earlier % 5 == 0
                and (relative_error(goal, tally, problem.density_g_cm3, filled) <= goal.goal)
            ):  # the run that is resumed had ended at its goal: one more batch would be another result
                tally.stopped_by, wanted = "until", earlier
            for number in range(earlier, wanted):
                sums.play(first_batch + number)
                elapsed = time.perf_counter() - start
                error = None
                if goal is not None and (number + 1) % 5 == 0:
                    if goal.voxels_above is not None:
                        sums.settle()
                    error = relative_error(goal, tally, problem.density_g_cm3, filled)
                    if error <= goal.goal:
                        tally.stopped_by = "until"
                        break
                if progress is not None:
                    progress(_state(tally, earlier, wanted, open_ended, elapsed, time_limit_s, goal, error))
                if time_limit_s is not None and elapsed >= time_limit_s and number + 1 < wanted:
                    tally.stopped_by = "time limit"
                    tally.complete = goal is None and decays is None
                    break
            else:
                if goal is not None:
                    sums.settle()
                tally.complete = goal is None or relative_error(goal, tally, problem.density_g_cm3, filled) <= goal.goal
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


def _plan(
    decays: int | None, batches: int | None, batch_histories: int | None, open_ended: bool, backend: str
) -> tuple[int, int]:
    """(histories per batch, number of batches)."""
    if decays is not None and decays < 1:
        raise InputError(f"{decays} decays", suggestion="ask for one decay or more", field="decays")
    if open_ended:
        usual = OPEN_ENDED_BATCH_CUDA if backend == "cuda" else OPEN_ENDED_BATCH
        return batch_histories or usual, LARGEST_NUMBER_OF_BATCHES
    total = 1_000_000 if decays is None else int(decays)
    if batch_histories:
        return batch_histories, math.ceil(total / batch_histories)
    count = max(1, min(batches or DEFAULT_BATCHES, total))
    return math.ceil(total / count), count


def _regions(
    problem: Problem, regions: Sequence[np.ndarray] | np.ndarray | None, names: Sequence[str]
) -> tuple[tuple[str, ...], list[tuple[np.ndarray, np.ndarray]]]:
    """Names, and (flat indices, int64 weights) of every region."""
    if regions is None:
        if problem.regions is None:
            return (), []
        flat = np.asarray(problem.regions).ravel()
        count = max(int(flat.max()), len(problem.region_names))
        found = [np.flatnonzero(flat == i) for i in range(1, count + 1)]
        label = [problem.region_names[i] if i < len(problem.region_names) else f"region {i + 1}" for i in range(count)]
        return tuple(label), [(index, np.ones(index.size, np.int64)) for index in found]
    out = []
    for weights in regions:
        flat = np.asarray(weights).ravel()
        index = np.flatnonzero(flat)
        out.append((index, flat[index].astype(np.int64)))
    return tuple(names) or tuple(f"region {i + 1}" for i in range(len(out))), out


def chosen_backend(backend: str) -> str:
    """The backend that a run with this word uses; for ``"auto"`` says what it chose and why."""
    if backend not in BACKENDS:
        raise InputError(f"no backend {backend!r}", suggestion=f"one of {', '.join(BACKENDS)}", field="backend")
    return _choose() if backend == "auto" else backend


def _engine(backend: str, world: Any, seed: int, threads: int | None) -> Any:
    if backend == "cuda":
        return _cuda_engine(world, seed)
    if backend == "python":
        from ...kernels.backends import python

        return python.Engine(world, seed)
    from ...kernels.backends import cpu

    return cpu.Engine(world, seed, threads)


def _choose() -> str:
    """The backend for ``"auto"``: a CUDA device when one can be used. Says what and why."""
    from ...kernels.backends.cuda_probe import why_not

    reason = why_not()
    if reason is None:
        log.info("backend: cuda, a usable CUDA device was found")
        return "cuda"
    log.info("backend: cpu, because %s", reason)
    return "cpu"


def _cuda_engine(world: Any, seed: int) -> Any:
    """The CUDA engine, or an error that says why there is none: never another backend in its place."""
    from ...kernels.backends import cuda, cuda_memory, cuda_probe

    try:
        return cuda.Engine(world, seed)
    except cuda_probe.CudaUnavailable as error:
        raise InputError(
            "backend 'cuda' cannot run here",
            why=error.why,
            suggestion=error.suggestion or "use the CPU: --backend cpu",
            field="backend",
        ) from error
    except cuda_memory.CudaMemoryError as error:
        raise InputError(
            "the problem does not fit the CUDA device",
            why=str(error),
            suggestion="use coarser voxels or a smaller field, or the CPU: --backend cpu",
            field="backend",
        ) from error


def _state(
    tally: Tally,
    earlier: int,
    wanted: int,
    open_ended: bool,
    elapsed: float,
    limit: float | None,
    goal: Until | None,
    error: float | None,
) -> Progress:
    done = tally.n_batches
    per_batch = elapsed / (done - earlier)
    remaining = None if open_ended else per_batch * (wanted - done)
    if goal is not None and error is not None and np.isfinite(error):
        # the error falls with the root of the number of histories
        needed = per_batch * done * ((error / goal.goal) ** 2 - 1.0)
        remaining = needed if remaining is None else min(remaining, needed)
    if limit is not None:
        remaining = max(limit - elapsed, 0.0) if remaining is None else min(remaining, max(limit - elapsed, 0.0))
    total = None if open_ended else wanted * tally.batch_histories
    return Progress(tally.decays, total, elapsed, remaining, error)
