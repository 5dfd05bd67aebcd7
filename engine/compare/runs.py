"""The visits of a run's folder, one after the other, as its result files hold them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..case.file import parse_yaml, read_yaml
from ..case.model import Case
from ..errors import InputError
from ..export.folder import CASE_FILE, RESULT_FILE, THERAPY, visit_folder
from ..results.result import CASE, Result
from ..text import did_you_mean
from ..transport.problem import Problem


@dataclass(frozen=True)
class StoredVisit:
    """One visit of a run.

    Parameters
    ----------
    name
        Of the visit.
    result
        Its result file.
    problem
        The transport problem in that.
    decays
        Decays in the whole grid that the doses are for.
    case
        The case as it was run, without paths; None where the file holds none that can be read.
    """

    name: str
    result: Result
    problem: Problem
    decays: float
    case: Case | None


@dataclass(frozen=True)
class StoredTherapy:
    """One therapy of a run.

    Parameters
    ----------
    folder
        Name of its folder within the run's; empty for the case's own therapy.
    files
        Result file of each visit that was run, by its name, in the order of the case.
    missing
        Visits of the case without a result.
    """

    folder: str
    files: dict[str, Path]
    missing: tuple[str, ...] = ()

    def visits(self, wanted: str | None = None) -> Iterator[StoredVisit]:
        """Each visit, read when its turn comes; ``wanted`` is the only one, where it is given."""
        for name, file in self.files.items():
            if wanted is None or name == wanted:
                yield read_visit(file, name)


def read_run(folder: Path, wanted: str | None = None) -> tuple[StoredTherapy, ...]:
    """The therapies of a run, the case's own first.

    Parameters
    ----------
    folder
        Folder that ``hevesy run`` wrote.
    wanted
        Name of the only visit that is wanted.

    Returns
    -------
    tuple of StoredTherapy
        At least one; the first has a result file, of the only visit that is wanted if there is one.

    Raises
    ------
    InputError
        Not the folder of a run; no visit of that name.
    """
    if not folder.is_dir():
        what = "is a file, not the folder of a run" if folder.exists() else "no such folder"
        raise InputError(
            what,
            why="a comparison reads the folder that a run wrote",
            suggestion="give the folder that `hevesy run` wrote",
            file=folder,
        )
    if not (folder / CASE_FILE).is_file():
        raise _no_run(folder, f"there is no {CASE_FILE} in it")
    case, _ = read_yaml(folder / CASE_FILE)
    own = _therapy(folder, "", case)
    there = {one.name for one in folder.glob(f"{THERAPY}*") if (one / CASE_FILE).is_file()}
    visits = (*own.files, *own.missing)
    further = [
        _therapy(folder / name, name, read_yaml(folder / name / CASE_FILE)[0])
        if name in there
        else StoredTherapy(name, {}, visits)
        for name in sorted(there | _further_of(case))
    ]
    therapies = (own, *further)
    if not own.files:
        raise _no_run(folder, f"there is no {RESULT_FILE} in it")
    if wanted is not None and wanted in own.missing:
        raise InputError(
            f"the run has no result of the visit {wanted!r}",
            why="it was stopped before that, or ran other visits; its results are of " + ", ".join(own.files),
            suggestion="finish the run with `hevesy run --resume`, or compare another visit",
            field="visit",
        )
    if wanted is not None and wanted not in own.files:
        raise InputError(
            f"there is no visit {wanted!r} in this run",
            why="its visits are " + ", ".join(own.files),
            suggestion=did_you_mean(wanted, own.files),
            field="visit",
        )
    return therapies


def _no_run(folder: Path, why: str) -> InputError:
    return InputError(
        "is not the folder of a run", why=why, suggestion="give the folder that `hevesy run` wrote", file=folder
    )


def _further_of(case: dict[str, Any]) -> set[str]:
    """Names of the folders that a whole run of a case has, one for each further therapy."""
    stated = case.get("further_therapies")
    each = [one for one in stated if isinstance(one, dict)] if isinstance(stated, list) else []
    return {f"{THERAPY}{one['nuclide']}" for one in each if one.get("nuclide")}


def _therapy(folder: Path, name: str, case: dict[str, Any]) -> StoredTherapy:
    """The result files of a therapy: in the folder itself, or in one folder per visit."""
    visits = case.get("visits")
    if not isinstance(visits, list) or not all(isinstance(one, dict) and one.get("name") for one in visits):
        raise _no_run(folder, f"the visits in {CASE_FILE} have no names")
    names = [str(one["name"]) for one in visits]
    files = {one: visit_folder(folder, names, one) / RESULT_FILE for one in names}
    return StoredTherapy(
        name,
        {one: file for one, file in files.items() if file.is_file()},
        tuple(one for one, file in files.items() if not file.is_file()),
    )


def read_visit(file: Path, name: str) -> StoredVisit:
    """One visit from its result file.

    Parameters
    ----------
    file
        The result file.
    name
        Of the visit.

    Raises
    ------
    InputError
        A file that cannot be read, of another kind, or without the transport problem.
    """
    result = Result.load(file)
    if result.kind != CASE or not result.doses:
        raise InputError(
            "is not the result of a case",
            why=f"it is of the kind {result.kind!r} with {', '.join(result.doses) or 'no dose'}",
            suggestion="run a case with `hevesy run`, and give its folder",
            file=file,
        )
    if result.problem is None:
        raise InputError(
            "has no transport problem, from which other methods are calculated",
            why="results have it since format 1.2, and this one is older",
            suggestion="run the case again with this version of hevesy",
            file=file,
            field="problem",
        )
    decays = next(iter(result.doses.values())).decays
    return StoredVisit(name, result, result.problem, decays, _case_of(result.case_yaml, file))


def _case_of(text: str, file: Path) -> Case | None:
    """The case that a result holds; None where it is of another version."""
    if not text:
        return None
    try:
        return Case.from_dict(parse_yaml(text, file)[0], check_files=False, file=file)
    except InputError:
        return None
