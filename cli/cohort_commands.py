"""Sub-command of synthetic trials: cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..engine.errors import InputError
from ..engine.text import command_text
from .options import JSON, Quiet, out_option, with_verbose
from .output import echo, echo_json, progress_line


def add_to(app: typer.Typer) -> None:
    """Add this sub-command to the application."""
    app.command("cohort")(with_verbose(cohort))


def cohort(
    out: Annotated[Path, out_option("Folder for the trial.")] = Path("hevesy-cohort"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the truth.")] = 1,
    patients: Annotated[int, typer.Option(min=0, help="Patients without re-induction.")] = 9,
    control: Annotated[int, typer.Option(min=0, help="Patients of the positive-control arm.")] = 5,
    noise_seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of image and sample noise; --seed by default.")
    ] = None,
    voxel_mm: Annotated[float, typer.Option(min=1.0, max=16.0, help="PET voxel size in mm.")] = 4.0,
    truth: Annotated[
        str, typer.Option(help="True doses by transport, or by the sphere formula (at once).")
    ] = "transport",
    quiet: Quiet = False,
    json: JSON = False,
) -> None:
    """A synthetic trial of redifferentiation: PET/CT, blood samples, cohort.yaml, and truth.csv."""
    from ..engine.output_folder import replace_folder
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

        with replace_folder(out, "cohort.yaml", "trial") as part:
            file = out / trial.save(part, dose=truth, progress=step).name
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
    echo(f"wrote {file}; next: {command_text('batch', file, '--out', out.with_name(out.name + '-run'))}")


def _check_cohort(out: Path, patients: int, truth: str) -> None:
    from ..engine.output_folder import check_output_folder

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
    check_output_folder(out, "cohort.yaml", "trial")
    if out.exists() and any(out.iterdir()):
        raise InputError(
            "is not empty",
            why="a trial is one set of files that belong together",
            suggestion="give a new --out",
            file=out,
        )
