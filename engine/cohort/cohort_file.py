"""cohort.yaml: the cases of a trial and their arms. docs/formats/cohort.md describes the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..batch.manifest import RESERVED, folder_name
from ..batch.refusals import raise_refusals
from ..case.fields import read_name
from ..case.file import Refused, read_yaml
from ..case.model import Case
from ..errors import InputError
from ..text import did_you_mean, shown_name

KEYS = ("name", "seed", "noise_seed", "visits", "truth", "cases")
CASE_KEYS = ("patient", "arm", "case")
#: Arm of a case for which none is given.
NO_ARM = "all"


@dataclass(frozen=True)
class CohortCase:
    """One case of a trial.

    Parameters
    ----------
    name
        What its folder of results is called: the patient of the cohort file, or the case file's own name.
    arm
        The trial's arm.
    file
        The case file.
    """

    name: str
    arm: str
    file: Path


@dataclass(frozen=True)
class Trial:
    """The cases of a trial, in order.

    Parameters
    ----------
    name
        Title.
    cases
        Each with a name of its own.
    """

    name: str
    cases: tuple[CohortCase, ...]


def load_trial(files: Sequence[Path]) -> Trial:
    """Read cohort files and case files into one trial.

    Parameters
    ----------
    files
        Each a cohort file (it has the key ``cases``) or a case file.

    Returns
    -------
    Trial
        Its title and its cases, in the order of the files.

    Raises
    ------
    InputError
        A file that is neither, an unknown key, a case without its file, two cases of one name.
    """
    cases: list[CohortCase] = []
    titles: list[str] = []
    refused: dict[str, InputError] = {}
    for file in files:
        try:
            cases += _cases_of(file, titles)
        except InputError as error:
            refused[str(file)] = error
    _raise_all(refused, cases)
    if not cases:
        why, advice = "a trial consists of its cases", "list at least one under 'cases:'"
        raise InputError("there is no case to run", why=why, suggestion=advice, field="cases")
    seen: dict[str, CohortCase] = {}
    for case in cases:
        key = folder_name(case.name).casefold()
        if key in RESERVED:
            raise InputError(
                f"a case cannot be called {case.name!r}",
                why="its results would go where the batch has a file or folder of its own",
                suggestion="give it another 'patient:'",
                file=case.file,
                field="patient",
            )
        if key in seen:
            raise InputError(
                f"two cases are called {case.name!r}",
                why="results are stored in a folder of that name",
                suggestion="give each its own 'patient:'",
                file=case.file,
                field="patient",
            )
        seen[key] = case
    return Trial(", ".join(dict.fromkeys(titles)) or "cases", tuple(cases))


def _cases_of(file: Path, titles: list[str]) -> list[CohortCase]:
    """The cases of one file; the title of a cohort is added to ``titles``."""
    if file.suffix == ".npz":
        raise InputError(
            "is a transport problem",
            why="a batch is of cases, or of one problem",
            suggestion="give the problem alone: hevesy batch PROBLEM.npz --shards 4",
            file=file,
        )
    data, _ = read_yaml(file)
    if "cases" in data:
        cases = _cases(data, file)
        titles.append(_title(data.get("name"), file))
        return cases
    if "visits" in data:
        return [CohortCase(_name_of(data, file), NO_ARM, file)]
    raise InputError(
        "is neither a cohort nor a case",
        why="a cohort file has 'cases:', a case file 'visits:'",
        suggestion="see docs/formats/cohort.md and docs/formats/case.md",
        file=file,
    )


def _raise_all(refused: dict[str, InputError], cases: Sequence[CohortCase]) -> None:
    """Refuse files that cannot be read, together with those of the other cases that cannot be."""
    if not refused:
        return
    total = len(refused) + len(cases)
    for case in cases:
        try:
            Case.load(case.file)
        except InputError as error:
            refused[case.name] = error
    raise_refusals(refused, total, "file")


def _name_of(data: dict[str, Any], file: Path) -> str:
    return _name(data.get("patient") or file.stem, file, "patient")


def _name(value: Any, file: Path, field: str) -> str:
    """A name by the rule of the case's.

    Raises
    ------
    InputError
        No text, or one that no folder can be called.
    """
    try:
        if not isinstance(value, str):
            raise Refused(InputError("is not a name", why="a text is needed here", suggestion="give a short name"))
        return str(read_name(value))
    except Refused as refused:
        error = refused.error
        raise InputError(error.problem, why=error.why, suggestion=error.suggestion, file=file, field=field) from None


def _cases(data: dict[str, Any], file: Path) -> list[CohortCase]:
    _known(data, KEYS, file, "")
    rows = data["cases"]
    if not isinstance(rows, list) or not rows:
        raise InputError(
            "'cases' must be a list",
            why="a cohort lists one case per patient",
            suggestion="- {patient: P01, arm: treated, case: P01/case.yaml}",
            file=file,
            field="cases",
        )
    out = []
    for number, row in enumerate(rows, 1):
        where = f"cases[{number}]"
        if isinstance(row, str):
            row = {"case": row}
        if not isinstance(row, dict) or not row.get("case"):
            raise InputError(
                "names no case file",
                why="each item is a case file, or a mapping with the key 'case'",
                suggestion="- {patient: P01, arm: treated, case: P01/case.yaml}",
                file=file,
                field=where,
            )
        _known(row, CASE_KEYS, file, where)
        if not isinstance(row["case"], str):
            raise InputError(
                "'case' is not a path",
                why="each item names one case file",
                suggestion="- {patient: P01, arm: treated, case: P01/case.yaml}",
                file=file,
                field=where,
            )
        case = file.parent / row["case"]
        name = row.get("patient") or (case.parent.name if case.stem == "case" else case.stem)
        arm = _name(row.get("arm") or NO_ARM, file, f"{where}.arm")
        out.append(CohortCase(_name(name, file, f"{where}.patient"), arm, case))
    return out


def _title(value: Any, file: Path) -> str:
    return _name(value, file, "name") if value else shown_name(file.parent.resolve().name)


def _known(data: dict[str, Any], keys: Sequence[str], file: Path, where: str) -> None:
    for key in data:
        if key not in keys:
            raise InputError(
                f"unknown key '{key}'",
                why="known keys are " + ", ".join(keys),
                suggestion=did_you_mean(str(key), keys),
                file=file,
                field=where or None,
            )
