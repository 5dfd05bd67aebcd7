"""Transport alone: a problem in, a result out. What ``hevesy.simulate`` and ``hevesy simulate`` call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .progress import Tell
from .results.result import Result
from .results.resume import earlier_tally
from .transport.job import how_it_ended, run_transport
from .transport.problem import Problem
from .until import Until


def simulate(
    problem: Problem,
    decays: int | None = None,
    seed: int = 1,
    backend: str = "auto",
    *,
    until: Until | str | None = None,
    time_limit_s: float | None = None,
    progress: Tell | None = None,
    stop: Callable[[], bool] | None = None,
    resume: Result | None = None,
    **options: Any,
) -> Result:
    """Simulate decays of a problem.

    Parameters
    ----------
    problem
        Geometry, materials, source, emission.
    decays
        Decays to simulate at most; 1e6 when nothing else ends the run.
    seed, backend, until, time_limit_s
        As in :func:`hevesy.engine.transport.run.simulate`.
    progress
        Called with the fraction done and a line of text.
    stop
        Asked after every batch; when it says True the run ends with what it has, marked incomplete.
    resume
        What a stopped run of this problem left (same seed): the run goes on from there and ends with the
        integers of an uninterrupted one. ``decays`` counts all, the earlier ones too.
    options
        Passed on: ``batches``, ``regions``, ``physics``, ``threads``, ``first_batch``, ``batch_histories``.

    Returns
    -------
    Result
        Dose and standard error per decay, with the exact tally.
    """
    tally = run_transport(
        problem,
        decays=decays,
        seed=seed,
        backend=backend,
        until=until,
        time_limit_s=time_limit_s,
        progress=progress,
        stop=stop,
        resume=earlier_tally(resume, problem),
        **options,
    )
    return Result.from_tally(problem, tally, **how_it_ended(tally, until))
