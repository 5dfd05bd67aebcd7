"""Transport alone: a problem in, a result out. What ``hevesy.simulate`` and ``hevesy simulate`` call."""

from __future__ import annotations

from typing import Any

from .progress import Progress, Stop
from .results.earlier import earlier_tally
from .results.result import Result
from .transport.job import how_it_ended, in_short_batches
from .transport.problem import Problem
from .transport.run import run_transport
from .transport.run_options import RunOptions
from .until import Until


# A public face: its options are keywords, each with its own name, so that a call reads as what it asks for.
def simulate(
    problem: Problem,
    decays: int | None = None,
    seed: int = 1,
    backend: str = "auto",
    *,
    until: Until | str | None = None,
    time_limit_s: float | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    resume: Result | None = None,
    **options: Any,
) -> Result:
    """Simulate decays of a problem.

    Parameters
    ----------
    problem
        Geometry, materials, source, emission.
    decays
        Maximum number of decays; 1e6 when nothing else ends the run.
    seed
        Seed of the random numbers.
    backend
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    until
        Relative standard error at which to stop: ``"lesions:1%"``, ``"voxels>50%:2%"``.
    time_limit_s
        Longest simulation [s].
    progress
        Called after every batch with the fraction done and a line of text.
    stop
        Asked after every batch; when it returns True the run ends with what it has, marked incomplete.
    resume
        What a stopped run of this problem left (same seed). The run continues from there and gives bit-identical
        integers to an uninterrupted one. ``decays`` counts all, the earlier ones too.
    options
        Further fields of :class:`~hevesy.engine.transport.run_options.RunOptions`: ``batches``, ``regions``,
        ``physics``, ``threads``, ``first_batch``, ``batch_histories``.

    Returns
    -------
    Result
        Dose and standard error per decay, with the exact tally.

    Raises
    ------
    InputError
        A problem or options that cannot be simulated, or a result that another run left.
    """
    asked = RunOptions(
        decays=decays,
        seed=seed,
        backend=backend,
        until=None if until is None else Until.parse(until),
        time_limit_s=time_limit_s,
        progress=progress,
        stop=stop,
        resume=earlier_tally(resume, problem),
        **options,
    )
    tally = run_transport(problem, in_short_batches(asked))
    return Result.from_tally(problem, tally, **how_it_ended(tally, asked.until, problem.emission))
