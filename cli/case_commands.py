"""Sub-commands around a case: demo, import, check, run, report, schema."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..engine.dose.methods import METHODS
from .import_command import import_
from .options import (
    BACKENDS,
    DECAYS,
    EVERY,
    JSON,
    Checkpoint,
    Quiet,
    checkpoint_seconds,
    listed,
    out_option,
    saying_what_is_kept,
    with_verbose,
)
from .output import duration, echo, echo_json, echo_table, echo_text, progress_line

if TYPE_CHECKING:
    from ..engine.case.model import Case
    from ..engine.pipeline.outcome import Outcome

#: Enough for about 1 % in the demo's lesions above 2 mL, and under a minute on two cores.
DEMO_DECAYS = 2_000_000

WIDE = Annotated[bool, typer.Option("--wide", help="Every column, however wide the tables become.")]
CaseFile = Annotated[Path, typer.Argument(help="A case file (YAML).", show_default=False)]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue a run that ended early, in whichever way, from what it left.")
]


def add_to(app: typer.Typer) -> None:
    """Add these sub-commands to the application."""
    app.command("demo")(with_verbose(demo))
    app.command("import")(with_verbose(import_))
    app.command("check")(with_verbose(check))
    app.command("run")(with_verbose(run))
    app.command("report")(with_verbose(report))
    app.command("schema")(with_verbose(schema))


def demo(
    out: Annotated[Path, out_option("Where patient, results and report go.")] = Path("hevesy-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the synthetic patient and of the transport.")] = 1,
    backend: Annotated[str, typer.Option(help=BACKENDS)] = "auto",
    resume: Resume = False,
    wide: WIDE = False,
    json: JSON = False,
) -> None:
    """Build a synthetic patient (124I PET/CT at 24 h and 96 h) and run the whole main job on it."""
    from ..engine.case.model import Case
    from ..engine.export.folder import check_output_folder, replace_folder
    from ..phantoms.patient import synthetic_patient

    check_output_folder(out / "run")
    with replace_folder(out / "patient", "truth.json", "demo", previous=False) as part:
        case_file = out / "patient" / synthetic_patient(seed=seed).save_nifti(part).name
    echo(f"synthetic patient with known truth: {case_file.parent}", err=True)
    # A fixed number of decays: the same numbers on every machine, unless it is so slow that time ends it.
    limit = None if resume else "100 s"  # which would end a resumed run where it ended the first
    case = _changed(Case.load(case_file), seed=seed, backend=backend, decays=DEMO_DECAYS, time_limit=limit)
    _run_and_tell(case, out / "run", json=json, wide=wide, resume=resume)


def check(case_file: CaseFile, json: JSON = False) -> None:
    """Show what would run (times, units, alignment, memory, time, every assumption) without running it."""
    from ..engine.case.model import Case
    from ..engine.check import check_case

    plan = check_case(Case.load(case_file))
    if json:
        echo_json(plan.to_dict())
        return
    for title, columns, rows in plan.tables():
        echo_table(columns, rows, title)
    for line in plan.lines():
        echo_text(line)


def run(
    case_file: CaseFile,
    out: Annotated[Path | None, out_option("Output folder; <case name>-run by default.")] = None,
    method: Annotated[
        str | None, typer.Option(help=f"Comma-separated: {', '.join(METHODS)}. The case's by default.")
    ] = None,
    decays: Annotated[
        str | None,
        typer.Option(help=DECAYS),
    ] = None,
    until: Annotated[str | None, typer.Option(help='Precision to reach, e.g. "lesions:1%".')] = None,
    time_limit: Annotated[str | None, typer.Option(help='Longest transport, e.g. "10 min".')] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the transport.")] = None,
    backend: Annotated[str | None, typer.Option(help=BACKENDS)] = None,
    resume: Resume = False,
    checkpoint: Checkpoint = EVERY,
    quiet: Quiet = False,
    wide: WIDE = False,
    json: JSON = False,
) -> None:
    """The main job: images to dose, uncertainty, lesion table and verdict, with a report."""
    from ..engine.case.model import Case

    case = _changed(
        Case.load(case_file),
        method=method,
        decays=decays,
        until=until,
        time_limit=time_limit,
        seed=seed,
        backend=backend,
    )
    folder = out or case_file.with_name(case_file.stem + "-run")
    how = {"resume": resume, "checkpoint_s": checkpoint_seconds(checkpoint)}
    _run_and_tell(case, folder, quiet=quiet, json=json, wide=wide, **how)


def report(
    run_dir: Annotated[Path, typer.Argument(help="The output folder of a run.", show_default=False)],
) -> None:
    """Write the HTML report of a run again, from its files."""
    from ..engine.batch.mistaken import check_is_no_batch
    from ..engine.export.folder import rewrite_report

    check_is_no_batch(run_dir)
    for path in rewrite_report(run_dir):
        echo(f"wrote {path}")


def schema(
    out: Annotated[Path | None, out_option("File to write; else printed.")] = None,
) -> None:
    """The JSON Schema of a case file."""
    import json as json_library

    from ..engine.case.model import Case
    from ..engine.files import check_output_file, write_text

    text = json_library.dumps(Case.json_schema(), indent=2, ensure_ascii=False)
    if out is None:
        echo(text)
    else:
        out = check_output_file(out, kind="schema")
        write_text(out, text + "\n")
        echo(f"wrote {out}")


def _changed(case: Case, time_limit: str | None = None, **flags: Any) -> Case:
    """The case with the command line's flags in place of its own values."""
    from ..engine.case.changes import with_changes
    from ..engine.units import DURATION, parse

    limit = None if time_limit is None else parse(time_limit, DURATION, field="--time-limit")
    return with_changes(case, time_limit_s=limit, **flags)


def _run_and_tell(
    case: Case, out: Path, *, quiet: bool = False, json: bool = False, wide: bool = False, **how: Any
) -> None:
    from ..engine.run import run as run_case
    from .interrupt import stop_on_interrupt

    with saying_what_is_kept(out), stop_on_interrupt() as stop, progress_line(quiet or json) as tell:
        outcome = run_case(case, out=out, progress=tell, stop=stop, **how)
    if json:
        echo_json(outcome.to_dict())
    else:
        _tell(outcome, out, wide)
    if outcome.incomplete:
        echo("stopped early: the results are marked incomplete; the same command with --resume continues", err=True)
        raise typer.Exit(3)


def _tell(outcome: Outcome, out: Path, wide: bool, said: Iterable[str] = ()) -> None:
    """Tables and sentences of a run, without those that were `said` of another treatment from the same scans."""
    from ..engine.export.folder import therapy_folder
    from ..engine.export.summary import further_lines, lesion_tables, verdict_lines, warning_lines
    from ..engine.text import activity_text

    for table in lesion_tables(outcome, wide=wide):
        echo_table(table.columns, table.rows, table.title, table.text_columns)
    heard = list(said)
    for lines, err in (
        (verdict_lines(outcome), False),
        (warning_lines(outcome), True),
        (further_lines(outcome, wide=wide), False),
    ):
        for line in lines:
            if line not in heard:
                echo_text(line, err=err)
                heard.append(line)
    for other in outcome.further:
        therapy = other.case.therapy
        echo("")
        echo_text(f"From the same scans, {activity_text(therapy.activity_mbq)} {therapy.nuclide}:")
        _tell(other, out / therapy_folder(other.case), wide, heard)
    echo(f"wrote {out} in {duration(outcome.wall_time_s)}: {listed(out)}")
