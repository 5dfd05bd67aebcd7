"""Sub-command ``hevesy compare``: dose methods side by side on a run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..engine.dose.methods import METHODS
from .options import JSON, Quiet, out_option, with_verbose
from .output import duration, echo, echo_json, echo_table, echo_text, progress_line

if TYPE_CHECKING:
    from ..engine.compare.job import CompareOptions
    from ..engine.compare.record import Comparison


def add_to(app: typer.Typer) -> None:
    """Add this sub-command to the application."""
    app.command("compare")(with_verbose(compare))


def compare(
    run_dir: Annotated[Path, typer.Argument(help="The output folder of a run.", show_default=False)],
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods", "--method", help=f"Comma-separated: {', '.join(METHODS)}. mc, local and kernel by default."
        ),
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="A dose map of another program (NIfTI, RTDOSE) as a method: FILE, FILE=NAME or FILE=NAME:UNIT, with "
            "a unit such as cGy or mGy/MBq; Gy by default. Without NAME: the file's name if it is made of plain words, "
            "else map.",
        ),
    ] = None,
    tolerance: Annotated[str, typer.Option(help="Largest bias of a lesion's mean dose that is accepted.")] = "5 %",
    reference: Annotated[str, typer.Option(help="The method that the others are compared with.")] = "mc",
    visit: Annotated[str | None, typer.Option(help="Only this visit; all by default.")] = None,
    out: Annotated[Path | None, out_option("Folder to write; RUN/compare by default.")] = None,
    quiet: Quiet = False,
    json: JSON = False,
) -> None:
    """Dose methods side by side on a run: bias with its interval, and whether the cheaper one will do."""
    from ..engine.batch.mistaken import check_is_no_batch
    from ..engine.compare.job import compare_run
    from ..engine.compare.request import options_of

    check_is_no_batch(run_dir)
    options = options_of(methods=methods, files=with_ or (), tolerance=tolerance, reference=reference, visit=visit)
    command = repeated(options, methods=methods, tolerance=tolerance, folder=out is not None)
    with progress_line(quiet or json) as tell:
        compared = compare_run(run_dir, options, out=out, progress=tell, command=command)
    if json:
        further = {name: one.to_dict() for name, one in compared.further.items()}
        echo_json(compared.first.to_dict() | ({"further_therapies": further} if further else {}))
        return
    for name, comparison in compared.comparisons.items():
        if name:
            echo("")
            echo_text(f"From the same scans, {comparison.nuclide}:")
        _tell(comparison)
    echo(f"wrote {compared.folder} in {duration(compared.wall_time_s)}: compare.html, compare.json, compare.csv, maps")


def repeated(options: CompareOptions, *, methods: str | None, tolerance: str, folder: bool) -> str:
    """The command that repeats a comparison; paths, which may hold names, are words in capitals.

    Parameters
    ----------
    options
        What was compared.
    methods, tolerance
        As they were typed.
    folder
        Whether another folder was given for the output.
    """
    words = ["hevesy", "compare", "RUN"]
    words += [] if methods is None else ["--methods", methods]
    for name, one in options.files.items():
        unit = f":{unit}" if (unit := getattr(one, "unit", "")) else ""
        words += ["--with", f"FILE={name}{unit}"]
    words += ["--tolerance", tolerance, "--reference", options.reference]
    words += [] if options.visit is None else ["--visit", options.visit]
    return shlex.join(words + (["--out", "OUT"] if folder else []))


def _tell(comparison: Comparison) -> None:
    """The tables and sentences of one therapy."""
    from ..engine.compare.terminal import mean_line, sentences, side_lines, tables

    for table in tables(comparison):
        echo_table(table.columns, table.rows, table.title, table.text_columns)
    for line in (*sentences(comparison), *side_lines(comparison)):
        echo_text(line)
    if text := mean_line(comparison):
        echo_text(text)
    echo_text(f"Rule: {comparison.rule}")
    for text in comparison.warnings:
        echo_text(f"note: {text}", err=True)
