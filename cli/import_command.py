"""``hevesy import``: a pile of files to a case."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..engine.errors import InputError
from ..engine.text import command_text
from .options import JSON, Quiet, out_option
from .output import echo, echo_json, progress_line

if TYPE_CHECKING:
    from ..engine.imaging.sorting.sort import Sorted
    from ..engine.imaging.sorting.wishes import Wishes

#: Exit code of an import that wrote a case without something that may be a scan.
LEFT_OUT = 1


def import_(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders of DICOM or volumes, or ZIP files.", show_default=False)
    ],
    out: Annotated[Path, out_option("The case file to write.")] = Path("case.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing case file.")] = False,
    take: Annotated[
        list[str] | None,
        typer.Option(help="Take this series or file before others: its code, folder, file or description (* for any)."),
    ] = None,
    tracer: Annotated[str | None, typer.Option(help="Nuclide of the scans, where no file states it (I-124).")] = None,
    activity: Annotated[str | None, typer.Option(help='Administered activity of the tracer ("74 MBq").')] = None,
    therapy: Annotated[str | None, typer.Option(help='Planned therapy ("I-131 7.4 GBq").')] = None,
    patient: Annotated[str, typer.Option(help="Pseudonym of the patient.")] = "P01",
    after: Annotated[
        list[str] | None, typer.Option(help='Time of a scan after the administration ("pet_a.nii.gz=24 h").')
    ] = None,
    same_patient: Annotated[
        bool, typer.Option("--same-patient", help="All files are of one patient, though they name several.")
    ] = False,
    quiet: Quiet = False,
    json: JSON = False,
) -> None:
    """Sort a pile of DICOM (PET, CT, RTSTRUCT, SEG) or volumes into a case file, and list what was not used.

    Ends with exit code 1 where the case was written without something that may be a scan.
    """
    from ..engine.imaging.sorting.wishes import Wishes

    out = _check_paths(folders, out, force)
    wishes = Wishes(
        tuple(take or ()), _nuclide(tracer), activity, _therapy(therapy), patient, _times(after or []), same_patient
    )
    _import(folders, out, wishes, quiet, json)


def _check_paths(folders: list[Path], out: Path, force: bool) -> Path:
    """Refuse folders that are not there, and an output that would replace a case; the file to write."""
    from ..engine.files import check_output_file

    out = check_output_file(out, kind="case")
    if out.exists() and not force:
        raise InputError(
            "exists already",
            why="a case file may contain your edits",
            suggestion="give another -o, or --force",
            file=out,
        )
    for folder in folders:
        if not folder.exists():
            raise InputError(
                "no such folder", why="there is nothing to import", file=folder, suggestion="check the path"
            )
    return out


def _import(folders: list[Path], out: Path, wishes: Wishes, quiet: bool, json: bool) -> None:
    from ..engine.case.model import Case
    from ..engine.files import write_text
    from ..engine.imaging.sorting.sort import sort_folder

    base = out.resolve().parent
    with progress_line(quiet or json) as tell:
        files = sort_folder(folders, wishes, base, tell)
    case, account = _case(files, base, json)
    Case.from_dict(case.data, base=base, file=out)  # nothing is written that cannot be read
    write_text(out, case.text)
    losses = files.losses()
    if json:
        echo_json({"case": out, "account": account, "found": _found(files), "left_out": losses})
    else:
        for line in account:
            echo(line)
        for line in losses:
            echo(line, err=True)
        echo(f"wrote {out}; next: {command_text('check', out)}")
    if losses:
        raise typer.Exit(LEFT_OUT)


def _case(files: Sorted, base: Path, json: bool) -> Any:
    """The new case and its account; where none can be made, the account is told before the refusal."""
    from ..engine.case.site import Site
    from ..engine.imaging.sorting.case_text import case_of
    from ..engine.imaging.sorting.therapy import proposed_therapy

    try:
        case = case_of(files, base, Site.load())
    except InputError as error:
        if json:
            found = {"case": None, "account": files.account(), "found": _found(files), "refused": error.problem}
            echo_json(found)
        else:
            for line in files.account():
                echo(line)
        raise
    return case, [*files.account(), *case.account, f"note    {proposed_therapy(case.data)}"]


def _found(files: Sorted) -> list[dict[str, object]]:
    return [item.to_dict() for item in files.items]


def _nuclide(text: str | None) -> str | None:
    """A nuclide as the case writes it."""
    from ..engine.imaging.pet.header import nuclide_name

    return None if text is None else nuclide_name(text) or text


def _therapy(text: str | None) -> tuple[str, str] | None:
    """``I-131 7.4 GBq`` as nuclide and activity."""
    if text is None:
        return None
    nuclide, _, activity = text.strip().partition(" ")
    if not activity.strip():
        raise InputError(
            f"{text!r} is no therapy",
            why="a nuclide and an activity are needed",
            suggestion='write it as --therapy "I-131 7.4 GBq"',
            field="--therapy",
        )
    return nuclide, activity.strip()


def _times(texts: list[str]) -> dict[str, float]:
    """``pet_a.nii.gz=24 h`` as the name of a PET and its hours."""
    from ..engine.units import TIME, parse

    times = {}
    for text in texts:
        name, mark, duration = text.rpartition("=")
        if not mark or not name.strip() or not re.search(r"\d", duration):
            raise InputError(
                f"{text!r} names no scan with its time",
                why="the time belongs to one PET",
                suggestion='write it as --after "pet_a.nii.gz=24 h"',
                field="--after",
            )
        times[name.strip()] = parse(duration, TIME, field="--after")
    return times
