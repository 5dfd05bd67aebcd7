"""Sub-commands around the jobs of a batch: job, status, retry, cancel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..engine.errors import InputError
from ..engine.text import command_text, counted, did_you_mean
from . import executor_options as where
from .batch_output import end_of_cases, end_of_problem, tell_cases
from .options import JSON, Quiet, with_verbose
from .output import duration, echo, echo_json, echo_table, progress_line

if TYPE_CHECKING:
    from ..engine.batch.manifest import Manifest
    from ..engine.batch.overview import Overview
    from ..engine.batch.status import JobStatus

JobFolders = Annotated[list[Path], typer.Argument(help="Folders of jobs, under jobs/ of a batch.", show_default=False)]
BatchFolder = Annotated[Path, typer.Argument(help="The --out of `hevesy batch`.", show_default=False)]
Names = Annotated[
    list[str] | None, typer.Argument(help="Names of jobs, or of cases; all by default.", show_default=False)
]


def add_to(app: typer.Typer) -> None:
    """Add these sub-commands to the application."""
    app.command("job")(with_verbose(job))
    app.command("status")(with_verbose(status))
    app.command("retry")(with_verbose(retry))
    app.command("cancel")(with_verbose(cancel))


def job(
    folders: JobFolders,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; all usable cores by default.")] = None,
    quiet: Quiet = False,
) -> None:
    """Run jobs of a batch from their folders, as a cluster does; run them again to resume."""
    from ..engine.batch.executors.slurm_queue import own_task
    from ..engine.batch.work import run_job
    from .interrupt import stop_on_interrupt, stop_on_warning

    codes = [0]
    with stop_on_interrupt(before=-1) as asked, stop_on_warning(asked) as stop, progress_line(quiet) as tell:
        for folder in folders:
            if folder is not folders[0] and stop():
                codes.append(3)
                break
            try:
                ended = run_job(folder, threads=threads, executor_id=own_task(), progress=tell, stop=stop)
            except InputError as error:
                echo(str(error), err=True)  # of this one; the others go on
                codes.append(error.exit_code)
                continue
            if ended.state != "done":
                echo(f"{folder.name}: {ended.state}{': ' + ended.message if ended.message else ''}", err=True)
                codes.append(3 if ended.state in ("stopped", "cancelled") else 1)
    if max(codes):
        raise typer.Exit(max(codes))


def status(out: BatchFolder, quiet: Quiet = False, json: JSON = False) -> None:
    """What became of a batch: its cases or its problem, and every job. It may be running, on any machine."""
    from ..engine.batch.executors.slurm_found import merge_in_queue
    from ..engine.batch.job import LOCK_FILE
    from ..engine.batch.manifest import read_manifest
    from ..engine.batch.overview import overview
    from ..engine.lock import is_locked

    manifest = read_manifest(out)
    known, remarks = _known_to_executor(out, manifest)
    now = overview(out, manifest, known)
    if now.unmerged and not is_locked(out / LOCK_FILE):
        next_step = ("" if remarks else merge_in_queue(out)) or f"next: {command_text('merge', out)}"
        remarks.append(f"done and not merged: {', '.join(now.unmerged)}; {next_step}")
    if json:
        echo_json({**now.to_dict(), "remarks": remarks})
        return
    _tell(now)
    for text in remarks:
        echo(text, err=True)


def retry(
    out: Annotated[Path, typer.Argument(help="The --out of `hevesy batch`.", show_default=False)],
    jobs: Names = None,
    executor: where.ExecutorAgain = None,
    workers: where.Workers = None,
    devices: where.Devices = None,
    partition: where.Partition = None,
    account: where.Account = None,
    gres: where.Gres = None,
    job_time: where.JobTime = None,
    dry_run: where.DryRun = False,
    scheduler: where.Scheduler = None,
    cluster: where.Cluster = None,
    option: where.More = None,
    quiet: Quiet = False,
    json: JSON = False,
) -> None:
    """Run jobs again that failed, were stopped, cancelled or lost; from their checkpoints, as the batch was run."""
    from ..engine.batch.asked import check_code_of_batch
    from ..engine.batch.launch import hand_over, held, options_again
    from ..engine.batch.manifest import read_manifest
    from ..engine.batch.plan import with_jobs
    from ..engine.batch.repair import repaired_from_jobs
    from .interrupt import stop_on_interrupt

    manifest = read_manifest(out)
    check_code_of_batch(out, manifest)
    same = None if manifest.executor == "here" else manifest.executor  # with several workers: processes
    runner, options = where.executor_and_options(
        executor or same, workers, devices, option, partition=partition, account=account, gres=gres,
        time_limit=job_time, dry_run=dry_run, scheduler=scheduler, cluster=cluster,
    )  # fmt: skip
    if executor is None and runner == manifest.executor:
        options = options_again(manifest, options)
    with held(out):
        manifest = with_jobs(out, manifest, repaired_from_jobs(out, manifest))
        names = _to_retry(out, manifest, jobs)
        if not names and not json and not quiet:
            echo("no job is to be run again: none has failed, was stopped, cancelled or lost")
        with stop_on_interrupt(-1) as stop, progress_line(quiet or json) as tell:
            ended = hand_over(out, runner, options, only=names, progress=tell, stop=stop)
    if any(whole.case for whole in manifest.wholes):
        _end_of_cases(ended, json=json, quiet=quiet)
    else:
        end_of_problem(ended, json=json, quiet=quiet)


def _to_retry(out: Path, manifest: Manifest, given: Sequence[str] | None) -> list[str]:
    """Names of the jobs to run again: those that are named, or all that are not done, or whose results are damaged."""
    from ..engine.batch.launch import is_done

    if given:
        return _named(out, manifest, given)
    # also what waits: nobody holds the batch, or its submission was refused; Slurm leaves out what is in its queue
    return [name for name in manifest.jobs if not is_done(out, name)]


def cancel(out: BatchFolder, jobs: Names = None, quiet: Quiet = False, json: JSON = False) -> None:
    """End jobs: those that run save a checkpoint and end, those that wait do not start. `hevesy retry` resumes them."""
    from ..engine.batch.control import cancel_jobs
    from ..engine.batch.executors.base import executor_of
    from ..engine.batch.manifest import job_folder, read_manifest
    from ..engine.batch.status import read_status

    manifest = read_manifest(out)
    names = _named(out, manifest, jobs) if jobs else [*manifest.jobs]
    done = sum(read_status(job_folder(out, name)).state == "done" for name in names)
    ended = cancel_jobs(job_folder(out, name) for name in names)
    messages: tuple[str, ...] = ()
    if ended:
        runner = executor_of("slurm" if _was_in_slurm(out, manifest) else manifest.executor)
        runner.cancel(out, ended)
        messages = tuple(getattr(runner, "messages", ()))
    if json:
        echo_json({"cancelled": [folder.name for folder in ended], "messages": messages})
        return
    for text in messages if not quiet else ():
        echo(text)
    if not quiet:
        echo(f"cancelled {counted(len(ended), 'job')}; {done} of {len(names)} were done")


def _named(out: Path, manifest: Manifest, given: Sequence[str]) -> list[str]:
    """Jobs by their names, or by that of their case, visit or therapy.

    Raises
    ------
    InputError
        A name that none has.
    """
    wanted: dict[str, None] = {}
    for name in given:
        of_whole = [job for w in manifest.wholes if name in (w.name, w.case) for job in w.jobs]
        if name not in manifest.jobs and not of_whole:
            known = [*manifest.jobs, *(whole.name for whole in manifest.wholes)]
            raise InputError(
                f"there is no job {name!r}",
                why=f"the batch has {counted(len(manifest.jobs), 'job')}",
                suggestion=did_you_mean(name, known, "see `hevesy status`"),
                file=out,
            )
        wanted |= dict.fromkeys([name] if name in manifest.jobs else of_whole)
    return [*wanted]


def _known_to_executor(out: Path, manifest: Manifest) -> tuple[dict[str, JobStatus], list[str]]:
    """What an executor knows of jobs beyond their folders, and what it could not find out."""
    from ..engine.batch.executors.base import executor_of

    if not _was_in_slurm(out, manifest):
        return {}, []
    try:
        runner = executor_of("slurm")
        states: dict[str, JobStatus] = runner.states(out)  # type: ignore[attr-defined]
        return states, list(getattr(runner, "messages", ()))
    except InputError as error:  # this machine need not be of the cluster
        return {}, [f"slurm could not be asked: {error.problem}"]


def _was_in_slurm(out: Path, manifest: Manifest) -> bool:
    """Whether Slurm may have jobs of a batch, though a later command may have run others elsewhere."""
    from ..engine.batch.executors.slurm_found import may_be_in_slurm

    return manifest.executor == "slurm" or may_be_in_slurm(out)


def _tell(now: Overview) -> None:
    title = f"{now.manifest.title} ({now.manifest.executor})"
    several = len(now.wholes) > 1 or now.wholes and now.wholes[0].jobs != 1
    if several:
        columns = ("whole", "state", "jobs\ndone", "decays", "time", "results", "message")
        wholes = [
            (one.name, one.state, f"{one.done} of {one.jobs}", _decays(one.decays, one.wanted),
             duration(one.wall_time_s), "yes" if one.complete else "no", one.message)
            for one in now.wholes
        ]  # fmt: skip
        echo_table(columns, wholes, title, text_columns=2)
    jobs = [
        (name, one.state, one.decays, one.attempts, duration(one.wall_time_s), one.executor_id, one.message)
        for name, one in now.jobs.items()
    ]
    columns = ("job", "state", "decays", "attempts", "time", "id", "message")
    echo_table(columns, jobs, None if several else title, text_columns=2)
    states = ", ".join(f"{count} {state}" for state, count in now.states.items()) or "no jobs"
    line = f"{counted(len(now.jobs), 'job')}: {states}"
    if now.left_s is not None:
        line += f"; about {duration(now.left_s)} left"
    echo(line)


def _decays(done: int, wanted: int) -> str:
    return f"{done:.3g} of {wanted:.3g}" if wanted else f"{done:.3g}"


def _end_of_cases(ended: Any, *, json: bool, quiet: bool) -> None:
    """What `batch` shows of cases: the tables of the trial are written again."""
    from ..engine.batch.goals import goal_sentences
    from ..engine.cohort.batch import batch_of
    from ..engine.cohort.outputs import write_trial

    done = batch_of(ended)
    done.remarks = (*done.remarks, *goal_sentences(ended.out, ended.manifest, ended.kept))
    record = write_trial(ended.manifest.title, done) if done.complete else None
    tell_cases(done, record, json=json, quiet=quiet)
    end_of_cases(done, quiet=quiet or json)
