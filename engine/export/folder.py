"""A run's output folder: its files, and its reports written again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..disk_errors import disk_error
from ..errors import InputError
from ..files import write_text
from ..grid import write_image
from ..inventory import add_to_inventory
from ..output_folder import CASE_FILE, check_output_folder, replace_folder
from ..report.page import write_report
from ..results.result import Result
from ..work_folder import holding, work_folder
from . import report_input
from .clinic import alignment_picture, write_alignment_picture, write_patient
from .tables import write_lesions_csv, write_lesions_json

if TYPE_CHECKING:
    from ..case.model import Case
    from ..pipeline.outcome import Outcome

__all__ = [
    "check_output_folder", "replace_folder", "result_files", "rewrite_report", "therapy_folder", "visit_folder",
    "write_outcome",
]  # fmt: skip

REPORT_FILE, RESULT_FILE = "report.html", "result.h5"
#: What the names of the folders of further therapies begin with.
THERAPY = "therapy_"


def visit_folder(root: Path, names: list[str], name: str) -> Path:
    """Where a visit's files go: the folder itself for one visit, one sub-folder per visit for several.

    Parameters
    ----------
    root
        Folder of the run.
    names
        Names of all visits of the case, in order.
    name
        The visit.

    Returns
    -------
    Path
        ``root`` itself, or a folder in it named after the visit.
    """
    return root if len(names) == 1 else root / file_names(names, "visit")[names.index(name)]


def result_files(folder: Path, visits: list[str], therapy: str = "") -> list[Path]:
    """Where the results of a treatment's visits are.

    Parameters
    ----------
    folder
        Folder of the run.
    visits
        Names of all visits of the case, in order.
    therapy
        Name of the nuclide of a further therapy; empty for the case's own.

    Returns
    -------
    list of Path
        A file for each visit.
    """
    root = folder / f"{THERAPY}{therapy}" if therapy else folder
    return [visit_folder(root, visits, name) / RESULT_FILE for name in visits]


def file_names(names: list[str], otherwise: str) -> list[str]:
    """Names that files can have, each different, for names that users give.

    Parameters
    ----------
    names
        The names, each different.
    otherwise
        Name of one that has no letter or digit.
    """
    slugs = [re.sub(r"[^\w.-]+", "_", name).strip("._") or otherwise for name in names]
    return [slug if slugs.count(slug) == 1 else f"{slug}_{number}" for number, slug in enumerate(slugs, 1)]


def write_outcome(outcome: Outcome, part: Path, out: Path) -> None:
    """Write everything but the log into ``part``; paths in the resolved case are relative to ``out``.

    Parameters
    ----------
    outcome
        What a run gave, its further therapies included.
    part
        Existing folder to write into.
    out
        Where that folder will be in the end.
    """
    write_text(part / CASE_FILE, outcome.case.to_yaml(relative_to=out))
    write_lesions_csv(outcome.lesions, part / "lesions.csv")
    write_lesions_json(outcome.lesions, part / "lesions.json", outcome.verdicts)
    write_patient(outcome.clinic, part)
    # by the case, not by what was run: a resumed run must find a visit where the stopped one put it
    names = [visit.name for visit in outcome.case.visits]
    for visit in outcome.visits:
        folder = visit_folder(part, names, visit.name)
        folder.mkdir(exist_ok=True)
        _write_result(visit.result, folder)
        if folder != part:
            write_lesions_csv(visit.lesions, folder / "lesions.csv")
            write_lesions_json(visit.lesions, folder / "lesions.json", [visit.verdict] if visit.verdict else [])
        picture = alignment_picture(visit)
        write_alignment_picture(picture, folder)
        write_report(report_input.from_outcome(outcome, visit, picture), folder / REPORT_FILE)
    for other in outcome.further:
        name = therapy_folder(other.case)
        (part / name).mkdir()
        write_outcome(other, part / name, out / name)


def therapy_folder(case: Case) -> str:
    """Where the results of a further therapy go, in the folder of the first one's.

    Parameters
    ----------
    case
        The case of the further therapy.

    Returns
    -------
    str
        Name of the folder.
    """
    return f"{THERAPY}{case.therapy.nuclide}"


def _write_result(result: Result, folder: Path) -> None:
    result.save(folder / RESULT_FILE)
    for method, dose in result.doses.items():
        name = re.sub(r"\W+", "_", method)
        _write_map(dose.mean, result, folder / f"dose_{name}.nii.gz")
        if dose.sigma is not None:
            _write_map(dose.sigma, result, folder / f"sigma_{name}.nii.gz")


def _write_map(values: object, result: Result, path: Path) -> None:
    write_image(path, result.grid, np.asarray(values, dtype=np.float32))


def rewrite_report(run_dir: Path) -> list[Path]:
    """Write the reports of a run again from the files that the run left.

    Parameters
    ----------
    run_dir
        Folder that a run wrote.

    Returns
    -------
    list of Path
        The reports written.

    Raises
    ------
    InputError
        The folder holds no results, or records that no run has written.
    """
    if not run_dir.is_dir() and not work_folder(run_dir).is_dir():
        raise _no_results(run_dir)
    with holding(run_dir, "writes the reports again"):
        reports = [_rewritten(folder) for folder in _result_folders(run_dir)]
        add_to_inventory(run_dir, *reports)
    return reports


def _result_folders(run_dir: Path) -> list[Path]:
    """Folders of a run that hold a result each."""
    folders: dict[Path, None] = {}
    for folder in (run_dir, *sorted(run_dir.glob("therapy_*"))):
        here = sorted(folder.glob(RESULT_FILE))
        if not here and (folder / CASE_FILE).exists():
            here = sorted(folder.glob(f"*/{RESULT_FILE}"))
        folders |= dict.fromkeys(file.parent for file in here)
    if not folders:
        raise _no_results(run_dir)
    return list(folders)


def _no_results(run_dir: Path) -> InputError:
    return InputError(
        "holds no results of a run",
        why=f"there is no {RESULT_FILE} in it",
        suggestion="give the folder that `hevesy run` wrote",
        file=run_dir,
    )


def _rewritten(folder: Path) -> Path:
    """The report of one visit, from files that may have been changed since the run wrote them."""
    try:
        page = report_input.from_folder(folder)
        try:
            return write_report(page, folder / REPORT_FILE)
        except OSError as error:
            refused = disk_error(error, folder / REPORT_FILE)
            raise InputError(
                refused.problem,
                why=refused.why,
                suggestion="copy the whole folder of the run to a disk that takes it, and give the copy",
                file=folder / REPORT_FILE,
            ) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            "its records cannot be shown",
            why="a value in patient.json or lesions.json is not of the kind that a run writes there",
            suggestion="run the case again, or bring its files as they were",
            file=folder,
        ) from error
