"""A run's output folder: written to a temporary name and renamed atomically."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..files import check_writable, write_text
from ..grid import write_image
from ..report.page import write_report
from ..results.result import Result
from . import report_input
from .clinic import alignment_picture, write_alignment_picture, write_patient
from .tables import write_lesions_csv, write_lesions_json

if TYPE_CHECKING:
    from ..case.model import Case
    from ..pipeline.outcome import Outcome

__all__ = ["check_output_folder", "replace_folder", "rewrite_report", "therapy_folder", "visit_folder", "write_outcome"]

log = logging.getLogger(__name__)

CASE_FILE, REPORT_FILE, RESULT_FILE = "case.resolved.yaml", "report.html", "result.h5"


def check_output_folder(out: Path) -> None:
    """Refuse, before anything is calculated, a folder that the results must not go to.

    A folder that holds the resolved case of an earlier run may be replaced.

    Parameters
    ----------
    out
        Where results are to go.

    Raises
    ------
    InputError
        A file, or a folder that holds anything but the output of an earlier run.
    """
    check_writable(out)
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError("is a file", why="the results need a folder", suggestion="give another --out", file=out)
    if any(out.iterdir()) and not (out / CASE_FILE).exists():
        raise InputError(
            "holds files that are not of a hevesy run",
            why="results replace the whole folder",
            suggestion="give a new or empty folder",
            file=out,
        )


@contextmanager
def replace_folder(out: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``out``; rename it to ``out`` when the block ends without an error.

    The output of an earlier run there becomes ``<out>.previous`` (one generation).

    Parameters
    ----------
    out
        The folder to write.

    Yields
    ------
    Path
        The temporary folder; it is deleted when the block ends with an error.

    Raises
    ------
    InputError
        As :func:`check_output_folder`.
    """
    check_output_folder(out)
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part-{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        yield part
        if out.exists():
            if any(out.iterdir()):
                previous = out.with_name(out.name + ".previous")
                shutil.rmtree(previous, ignore_errors=True)
                out.rename(previous)
                log.info("the earlier results are now in %s", previous.name)
            else:
                out.rmdir()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


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
    if len(names) == 1:
        return root
    slugs = [re.sub(r"[^\w.-]+", "_", n).strip("._") or "visit" for n in names]
    slug = slugs[names.index(name)]
    return root / (slug if slugs.count(slug) == 1 else f"{slug}_{names.index(name) + 1}")


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
    return f"therapy_{case.therapy.nuclide}"


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
    folders: dict[Path, None] = {}
    for folder in (run_dir, *sorted(run_dir.glob("therapy_*"))):
        here = sorted(folder.glob(RESULT_FILE))
        if not here and (folder / CASE_FILE).exists():
            here = sorted(folder.glob(f"*/{RESULT_FILE}"))
        folders |= dict.fromkeys(file.parent for file in here)
    if not folders:
        raise InputError(
            "holds no results of a run",
            why=f"there is no {RESULT_FILE} in it",
            suggestion="give the folder that `hevesy run` wrote",
            file=run_dir,
        )
    return [_rewritten(folder) for folder in folders]


def _rewritten(folder: Path) -> Path:
    """The report of one visit, from files that may have been changed since the run wrote them."""
    try:
        return write_report(report_input.from_folder(folder), folder / REPORT_FILE)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            "its records cannot be shown",
            why="a value in patient.json or lesions.json is not of the kind that a run writes there",
            suggestion="run the case again, or bring its files as they were",
            file=folder,
        ) from error
