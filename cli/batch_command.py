"""Sub-command batch: many cases, or one case or problem in shards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..engine.dose.methods import METHODS
from ..engine.errors import InputError
from . import executor_options as where
from .batch_output import end_of_cases, end_of_problem, tell_cases
from .options import BACKENDS, DECAYS, EVERY, JSON, Quiet, checkpoint_seconds, out_option, with_verbose
from .output import echo, progress_line

if TYPE_CHECKING:
    from ..engine.batch.plan_cases import CaseOptions
    from ..engine.cohort.cohort_file import Trial


def add_to(app: typer.Typer) -> None:
    """Add this sub-command to the application."""
    app.command("batch")(with_verbose(batch))


def batch(
    files: Annotated[
        list[Path], typer.Argument(help="Cohort or case files (YAML), or one problem (.npz).", show_default=False)
    ],
    out: Annotated[Path | None, out_option("Output folder; <first file's folder or name>-run by default.")] = None,
    shards: Annotated[int, typer.Option(min=1, help="Jobs into which each transport is divided.")] = 1,
    executor: where.Executor = None,
    workers: where.Workers = None,
    devices: where.Devices = None,
    method: Annotated[
        str | None, typer.Option(help=f"Comma-separated: {', '.join(METHODS)}. The cases' by default.")
    ] = None,
    decays: Annotated[str | None, typer.Option(help=DECAYS)] = None,
    until: Annotated[str | None, typer.Option(help='Precision to reach, e.g. "lesions:1%".')] = None,
    time_limit: Annotated[str | None, typer.Option(help='Longest transport of a visit, e.g. "1 min".')] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the transport.")] = None,
    backend: Annotated[str | None, typer.Option(help=BACKENDS)] = None,
    checkpoint: Annotated[str, typer.Option(help='Time between two checkpoints of a job: "1 min"; or off.')] = EVERY,
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
    """Run cases, or one problem, as jobs; run it again to resume. A job that fails stops no other."""
    from ..engine.batch.executors.base import executor_of
    from ..engine.units import DURATION, parse

    runner, options = where.executor_and_options(
        executor, workers, devices, option, partition=partition, account=account, gres=gres, time_limit=job_time,
        dry_run=dry_run, scheduler=scheduler, cluster=cluster,
    )  # fmt: skip
    executor_of(runner, **options)  # what it cannot take is said before anything is written
    every = checkpoint_seconds(checkpoint)
    mixed, backend = _backend_of_devices(devices, backend)
    flags = {
        "method": method, "decays": decays, "until": until, "seed": seed, "backend": backend,
        "time_limit_s": None if time_limit is None else parse(time_limit, DURATION, field="--time-limit"),
    }  # fmt: skip
    asked = {
        "shards": shards, "mixed": mixed, "checkpoint_s": every,
        "changes": {key: value for key, value in flags.items() if value is not None},
    }  # fmt: skip
    told = {"quiet": quiet, "json": json}
    if len(files) == 1 and files[0].suffix == ".npz":
        folder = out or files[0].with_name(f"{files[0].stem}-run")
        _problem(files[0], folder, asked, (runner, options), **told)
    else:
        home = files[0].resolve().parent
        _cases(files, out or home.with_name(f"{home.name}-run"), asked, (runner, options), **told)


def _backend_of_devices(devices: str | None, backend: str | None) -> tuple[bool, str | None]:
    """Whether devices of several kinds take the jobs, and the backend of the jobs otherwise."""
    from ..engine.batch.executors.devices import MIXED, backend_of_devices, device_names

    if devices is None or backend not in (None, "auto"):
        return False, backend
    kind = backend_of_devices(device_names(devices))
    return (True, backend) if kind == MIXED else (False, kind)


def _problem(
    file: Path, out: Path, asked: dict[str, Any], runner: tuple[str, dict[str, Any]], *, quiet: bool, json: bool
) -> None:
    """One problem, divided into shards."""
    from ..engine.batch.launch import check_executor, hand_over, held
    from ..engine.batch.plan import plan_problem
    from ..engine.files import check_writable
    from ..engine.transport.engines import backend_behind
    from .interrupt import stop_on_interrupt

    options = _problem_options(asked)
    check_writable(out)
    if out.exists() and not out.is_dir():
        raise InputError("is a file", why="results go to a folder", suggestion="give another --out", file=out)
    with held(out), stop_on_interrupt(-1) as stop, progress_line(quiet or json) as tell:
        check_executor(out, *runner, (backend_behind(options["backend"]),))
        manifest = plan_problem(file, out, **options)
        for text in (text for whole in manifest.wholes for text in whole.remarks):
            if not quiet:
                echo(text, err=True)
        ended = hand_over(out, *runner, progress=tell, stop=stop)
    end_of_problem(ended, json=json, quiet=quiet)


def _problem_options(asked: dict[str, Any]) -> dict[str, Any]:
    """Options of the plan of a problem; those that only a case has are refused."""
    from ..engine.case.transport import checked_transport

    changes = dict(asked["changes"])
    for name in ("method", "time_limit_s"):
        if changes.pop(name, None) is not None:
            flag = "--" + name.removesuffix("_s").replace("_", "-")
            raise InputError(
                "is an option for cases",
                why="a problem is transported as it is, in shards of a number of decays",
                suggestion=f"leave out {flag}",
                field=flag,
            )
    values = checked_transport(changes)
    backend = "mixed" if asked["mixed"] else values.get("backend", "auto")
    return {
        "shards": asked["shards"], "checkpoint_s": asked["checkpoint_s"], "decays": values.get("decays"),
        "until": values.get("until"), "seed": values.get("seed", 1), "backend": backend,
    }  # fmt: skip


def _cases(
    files: list[Path],
    out: Path,
    asked: dict[str, Any],
    runner: tuple[str, dict[str, Any]],
    *,
    quiet: bool,
    json: bool,
) -> None:
    """Cases, each as one job or divided."""
    from ..engine.batch.plan_cases import CaseOptions
    from ..engine.cohort.batch import run_batch
    from ..engine.cohort.cohort_file import load_trial
    from ..engine.cohort.outputs import write_trial
    from .interrupt import stop_on_interrupt

    trial, options = load_trial(files), CaseOptions(**asked)
    _check_flags(trial, options)
    name, given = runner
    # one job at a time asks before each case and before its images; several run in processes of their own
    before = 2 if name == "here" and options.shards == 1 else -1
    with stop_on_interrupt(before) as stop, progress_line(quiet or json) as tell:
        done = run_batch(trial, out, options=options, executor=name, executor_options=given, progress=tell, stop=stop)
    record = write_trial(trial.name, done) if done.complete else None
    tell_cases(done, record, json=json, quiet=quiet)
    end_of_cases(done, quiet=quiet or json)


def _check_flags(trial: Trial, options: CaseOptions) -> None:
    """An invalid flag is bad input of the whole batch, not a failure of each case."""
    from ..engine.case.changes import with_changes
    from ..engine.case.model import Case

    for listed in trial.cases:
        try:
            case = Case.load(listed.file, check_files=False)
        except InputError:
            continue  # its own run reports this
        with_changes(case, **options.changes)
        return
