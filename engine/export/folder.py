"""A run's output folder: written under another name and put in place when whole."""

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
from ..files import write_text
from ..grid import write_image
from ..lesions.record import LesionDose
from ..report import write_report
from ..results.result import Result
from .clinic import read_overlay, read_patient, write_overlay, write_patient
from .tables import read_lesions_json, write_lesions_csv, write_lesions_json

if TYPE_CHECKING:
    from ..case.model import Case
    from ..pipeline.outcome import Outcome

__all__ = ["check_target", "put_in_place", "rewrite_report", "visit_folder", "write_outcome", "write_text"]

log = logging.getLogger(__name__)

#: The file by which a folder is known to be the output of a run.
MARK = "case.resolved.yaml"


def check_target(out: Path) -> None:
    """Refuse, before anything is calculated, a folder that is not free for the results.

    Raises
    ------
    InputError
        A file, or a folder that holds something else than the output of a former run.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError("is a file", why="the results need a folder", suggestion="give another --out", file=out)
    if any(out.iterdir()) and not (out / MARK).exists():
        raise InputError(
            "holds files that are not of a hevesy run",
            why="they would be lost among the results",
            suggestion="give a new or empty folder",
            file=out,
        )


@contextmanager
def put_in_place(out: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``out``; rename it to ``out`` when the block ends without an error.

    The output of a former run there is kept as ``<out>.previous`` (one generation).
    """
    check_target(out)
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
                log.info("the former results were kept as %s", previous.name)
            else:
                out.rmdir()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def visit_folder(root: Path, names: list[str], name: str) -> Path:
    """Where a visit's files go: the folder itself for one visit, a sub-folder each for several."""
    if len(names) == 1:
        return root
    slugs = [re.sub(r"[^\w.-]+", "_", n).strip("._") or "visit" for n in names]
    slug = slugs[names.index(name)]
    return root / (slug if slugs.count(slug) == 1 else f"{slug}_{names.index(name) + 1}")


def write_outcome(outcome: Outcome, part: Path, out: Path) -> None:
    """Write everything but the log into ``part``; paths in the resolved case are relative to ``out``."""
    write_text(part / MARK, outcome.case.to_yaml(relative_to=out))
    write_lesions_csv(outcome.lesions, part / "lesions.csv")
    write_lesions_json(outcome.lesions, part / "lesions.json")
    write_patient(outcome.clinic, part)
    # by the case, not by what was run: a resumed run must find a visit where the stopped one put it
    names = [visit.name for visit in outcome.case.visits]
    for visit in outcome.visits:
        folder = visit_folder(part, names, visit.name)
        folder.mkdir(exist_ok=True)
        _write_result(visit.result, folder)
        if folder != part:
            write_lesions_csv(visit.lesions, folder / "lesions.csv")
            write_lesions_json(visit.lesions, folder / "lesions.json")
        write_overlay(visit, folder)
        _write_report(visit.result, visit.lesions, folder)
    for other in outcome.further:
        name = therapy_folder(other.case)
        (part / name).mkdir()
        write_outcome(other, part / name, out / name)


def therapy_folder(case: Case) -> str:
    """Where the results of a further therapy go, in the folder of the first one's."""
    return f"therapy_{case.therapy.nuclide}"


def _write_result(result: Result, folder: Path) -> None:
    result.save(folder / "result.h5")
    for method, dose in result.doses.items():
        name = re.sub(r"\W+", "_", method)
        _write_map(dose.mean, result, folder / f"dose_{name}.nii.gz")
        if dose.sigma is not None:
            _write_map(dose.sigma, result, folder / f"sigma_{name}.nii.gz")


def _write_map(values: object, result: Result, path: Path) -> None:
    write_image(path, result.grid, np.asarray(values, dtype=np.float32))


def _write_report(result: Result, lesions: list[LesionDose], folder: Path) -> None:
    import yaml

    # the result's own copy of the case names files without their folders, which are nobody else's business
    case = yaml.safe_load(result.case_yaml) if result.case_yaml else None
    write_report(
        result, lesions, case, folder / "report.html", patient=read_patient(folder), overlay=read_overlay(folder)
    )


def rewrite_report(run_dir: Path) -> list[Path]:
    """Write the reports of a run again from its result files and lesion records.

    Raises
    ------
    InputError
        The folder holds no results.
    """
    found = []
    for folder in (run_dir, *sorted(run_dir.glob("therapy_*"))):
        here = sorted(folder.glob("result.h5"))
        if not here and (folder / MARK).exists():
            here = sorted(folder.glob("*/result.h5"))
        found += [file for file in here if file not in found]
    if not found:
        raise InputError(
            "holds no results of a run",
            why="there is no result.h5 in it",
            suggestion="give the folder that `hevesy run` wrote",
            file=run_dir,
        )
    written = []
    for file in found:
        _write_report(Result.load(file), read_lesions_json(file.with_name("lesions.json")), file.parent)
        written.append(file.with_name("report.html"))
    return written
