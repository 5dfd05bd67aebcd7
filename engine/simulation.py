"""Transport alone: a problem in, a result out. What ``hevesy.simulate`` and ``hevesy simulate`` call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .progress import Progress, Stop
from .results.checkpoint import CheckpointFile
from .results.earlier import tally_to_resume
from .results.provenance import Provenance
from .results.result import Result
from .transport.job import how_it_ended
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
    checkpoint: CheckpointFile | None = None,
    from_checkpoint: bool = True,
    sums_alone: bool = False,
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
    checkpoint
        Where the sums are saved on the way. It is the caller's to remove, when the result is saved.
    from_checkpoint
        Whether the checkpoint that is there is taken up, where it has more decays than ``resume``; one that cannot be
        used is then an error, unless ``resume`` can. Else it is replaced by the first one of this run.
    sums_alone
        Whether the result is to have its tally and no dose: for a part of a run, to be merged.
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
        A problem or options that cannot be simulated, or a result or checkpoint that is damaged or of another run.
    """
    asked = RunOptions(
        decays=decays,
        seed=seed,
        backend=backend,
        until=None if until is None else Until.parse(until),
        time_limit_s=time_limit_s,
        progress=progress,
        stop=stop,
        short_batches=True,
        **options,
    )
    asked = replace(
        asked,
        resume=tally_to_resume(resume, checkpoint if from_checkpoint else None, problem, asked),
        checkpoint=None if checkpoint is None else checkpoint.saving(problem, asked.regions),
    )
    tally = run_transport(problem, asked)
    provenance = Provenance.of(problem, tally, asked.regions)
    how = how_it_ended(tally, asked.until, problem.emission)
    return Result.from_tally(problem, tally, provenance=provenance, sums_alone=sums_alone, **how)
