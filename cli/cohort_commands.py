"""Sub-commands around many cases: cohort and batch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..engine.dose.methods import METHODS
from ..engine.errors import InputError
from .options import BACKENDS, DECAYS, JSON, Quiet, out_option, with_verbose
from .output import duration, echo, echo_json, echo_table, progress_line

if TYPE_CHECKING:
    from ..engine.cohort.batch import Batch


def add_to(app: typer.Typer) -> None:
    """Add these sub-commands to the application."""
    app.command("cohort")(with_verbose(cohort))
    app.command("batch")(with_verbose(batch))


def cohort(
    out: Annotated[Path, out_option("Folder for the trial.")] = Path("hevesy-cohort"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the truth.")] = 1,
    patients: Annotated[int, typer.Option(min=0, help="Patients without re-induction.")] = 9,
    control: Annotated[int, typer.Option(min=0, help="Patients of the positive-control arm.")] = 5,
    noise_seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of image and sample noise; --seed by default.")
    ] = None,
    voxel_mm: Annotated[float, typer.Option(min=1.0, max=16.0, help="PET voxel size [mm].")] = 4.0,
    truth: Annotated[
        str, typer.Option(help="True doses by transport, or by the sphere formula (at once).")
    ] = "transport",
    quiet: Quiet = False,
    json: JSON = False,
) -> None:
    """A synthetic trial of redifferentiation: PET/CT, blood samples, cohort.yaml, and truth.csv."""
    from ..engine.text import counted
    from ..phantoms.cohort import VISITS, make_cohort

    _check_cohort(out, patients + control, truth)
    trial = make_cohort(seed, patients=patients, control_patients=control, noise_seed=noise_seed, voxel_mm=voxel_mm)
    total, done = len(trial.patients) * len(VISITS), 0
    with progress_line(quiet or json) as tell:

        def step(text: str) -> None:
            nonlocal done
            done += 1
            tell(done / total, text)

        file = trial.save(out, dose=truth, progress=step)
    lesions = sum(len(p.visits[0].lesions) for p in trial.patients)
    if json:
        echo_json(
            {
                "cohort": file,
                "truth": out / "truth.csv",
                "patients": len(trial.patients),
                "lesions": lesions,
            }
        )
        return
    size = f"{counted(len(trial.patients), 'patient')}, {counted(len(VISITS), 'visit')}, {counted(lesions, 'lesion')}"
    echo(f"{size}; the truth is in truth.csv")
    echo(f"wrote {file}; next: hevesy batch {file} --out {out.with_name(out.name + '-run')}")


def _check_cohort(out: Path, patients: int, truth: str) -> None:
    from ..engine.files import check_writable

    if patients == 0:
        raise InputError(
            "a trial without patients",
            why="there is nothing to simulate",
            suggestion="--patients 9",
            field="--patients",
        )
    if truth not in ("transport", "sphere"):
        raise InputError(
            f"unknown method of true doses '{truth}'",
            why="it must be transport or sphere",
            suggestion="--truth transport",
            field="--truth",
        )
    check_writable(out)
    if out.exists() and not out.is_dir():
        raise InputError("is a file", why="a trial is a folder of files", suggestion="give another --out", file=out)
    if out.exists() and any(out.iterdir()):
        raise InputError(
            "is not empty",
            why="a trial is one set of files that belong together",
            suggestion="give a new --out",
            file=out,
        )


def batch(
    files: Annotated[list[Path], typer.Argument(help="Cohort or case files (YAML).", show_default=False)],
    out: Annotated[Path | None, out_option("Output folder; <first file's folder>-run by default.")] = None,
    executor: Annotated[str, typer.Option(help="local; slurm and dask come later.")] = "local",
    workers: Annotated[int, typer.Option(min=1, help="Cases run at a time; they share the cores.")] = 1,
    method: Annotated[
        str | None, typer.Option(help=f"Comma-separated: {', '.join(METHODS)}. The cases' by default.")
    ] = None,
    decays: Annotated[str | None, typer.Option(help=DECAYS)] = None,
    until: Annotated[str | None, typer.Option(help='Precision to reach, e.g. "lesions:1%".')] = None,
    time_limit: Annotated[str | None, typer.Option(help='Longest transport of a visit, e.g. "1 min".')] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the transport.")] = None,
    backend: Annotated[str | None, typer.Option(help=BACKENDS)] = None,
    quiet: Quiet = False,
    json: JSON = False,
) -> None:
    """Run every case of a trial and tabulate it; run it again to resume. A case that fails stops no other."""
    from ..engine.case.changes import with_changes
    from ..engine.cohort.batch import check_executor, run_batch
    from ..engine.cohort.cohort_file import load_trial
    from ..engine.cohort.outputs import write_trial
    from ..engine.units import DURATION, parse
    from .interrupt import stop_on_interrupt

    check_executor(executor)
    trial = load_trial(files)
    limit = None if time_limit is None else parse(time_limit, DURATION, field="--time-limit")
    flags = {
        "method": method, "decays": decays, "until": until, "time_limit_s": limit, "seed": seed,
        "backend": backend,
    }  # fmt: skip
    changes = {key: value for key, value in flags.items() if value is not None}
    _check_flags(with_changes, trial, changes)
    home = files[0].resolve().parent
    folder = out or home.with_name(home.name + "-run")
    # one case at a time asks before each case and before its images; several run in processes of their own
    with stop_on_interrupt(2 if workers == 1 else -1) as stop, progress_line(quiet or json) as tell:
        done = run_batch(trial, folder, changes=changes, workers=workers, progress=tell, stop=stop)
    record = write_trial(trial.name, done) if done.complete else None
    if json:
        echo_json(
            {
                "out": folder,
                "cases": [vars(status) for status in done.cases],
                "tables": None if record is None else record["tables"],
            }
        )
    elif record is not None:
        _tell(record, done)
    _end(done)


def _check_flags(with_changes: Any, trial: Any, changes: dict[str, Any]) -> None:
    """An invalid flag is bad input of the whole batch, not a failure of each case."""
    from ..engine.case.model import Case

    for listed in trial.cases:
        try:
            case = Case.load(listed.file, check_files=False)
        except InputError:
            continue  # its own run reports this
        with_changes(case, **changes)
        return


def _tell(record: dict[str, Any], done: Batch) -> None:
    from ..engine.cohort.summary import shown_tables
    from ..engine.text import count_of, counted

    tables = record["tables"]
    for table in shown_tables(tables):
        echo_table(table.columns, table.rows, table.title, table.text_columns)
    for row in tables["response"]:
        again = next(r for r in tables["reinduction"] if (r["arm"], r["visit"]) == (row["arm"], row["visit"]))
        echo(
            f"{row['arm']}, {row['visit']}: partial response in {_of(row['lesions']['responding'], 'lesion')}; "
            f"re-induced: {_of(again['patients'], 'patient')}."
        )
    tolerable = sum(row["tolerable"] for row in tables["tolerance"])
    if tables["tolerance"]:
        visits = count_of(tolerable, len(tables["tolerance"]), "patient visit")
        echo(f"The planned activity is tolerable at {visits}.")
    spent = sum(status.wall_time_s for status in done.cases)
    echo(
        f"wrote {done.out}: trial.html, trial.json, lesions_all.csv, visits_all.csv, methods.csv "
        f"({counted(len(done.complete), 'case')}, {duration(spent)} of runs)"
    )


def _of(share: dict[str, Any], noun: str) -> str:
    from ..engine.text import count_of

    return count_of(share["count"], share["of"], noun)


def _end(done: Batch) -> None:
    from ..engine.cohort.batch import FAILED, STOPPED
    from ..engine.text import count_of, counted

    failed, stopped = done.of(FAILED), done.of(STOPPED)
    for status in failed:
        echo(f"FAILED {status.name}: {status.message}", err=True)
    if stopped:
        echo(f"stopped early: {counted(len(stopped), 'case')} not done; run the same command again", err=True)
        raise typer.Exit(3)
    if failed:
        echo(f"{count_of(len(failed), len(done.cases), 'case')} failed", err=True)
        raise typer.Exit(1)
