"""lesions.csv and lesions.json, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import InputError
from ..files import csv_text, read_json, write_json, write_text
from ..lesions.columns import header
from ..lesions.judge import judge_visits
from ..lesions.record import LesionDose
from ..lesions.verdict import Verdict
from .sealed import check_seal, sealed

LESIONS_FORMAT = "hevesy-lesions"
#: Raised to 2 for renamed columns and keys; version 1 is read, its names are written too.
LESIONS_VERSION = 2
READABLE_VERSIONS = (1, 2)


def write_lesions_csv(lesions: Iterable[LesionDose], path: str | Path) -> Path:
    """One row per lesion and visit, columns as in `header`; numbers with nine digits, or nothing.

    Parameters
    ----------
    lesions
        Lesions, in the order of the rows.
    path
        File to write.

    Returns
    -------
    Path
        The file.
    """
    return write_text(path, csv_text(header(), (lesion.to_row() for lesion in lesions)))


def write_lesions_json(
    lesions: Sequence[LesionDose], path: str | Path, verdicts: Sequence[Verdict] | None = None
) -> Path:
    """The same with histograms, kinetics and the verdicts: what the report is rebuilt from.

    Parameters
    ----------
    lesions
        Lesions, in order.
    path
        File to write.
    verdicts
        The verdicts on them at the planned activity; judged here, without a maximum tolerable activity, when not
        given.

    Returns
    -------
    Path
        The file.
    """
    if verdicts is None:
        verdicts = [judgement.planned for judgement in judge_visits(lesions)]
    content = {
        "format": LESIONS_FORMAT,
        "format_version": LESIONS_VERSION,
        "verdicts": [verdict.to_dict() for verdict in verdicts],
        "lesions": [lesion.to_dict() for lesion in lesions],
    }
    return write_json(path, sealed(content))


def read_lesions_json(path: str | Path) -> list[LesionDose]:
    """Lesions from what `write_lesions_json` wrote, in this format version or the one before.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    list of LesionDose
        In the order of the file.

    Raises
    ------
    InputError
        No such file, not JSON, other content, or a version that cannot be read.
    """
    path = Path(path)
    content = read_json(path, "give the folder of a run, or run again")
    if not isinstance(content, dict) or content.get("format") != LESIONS_FORMAT:
        raise InputError(
            "not a lesion file of hevesy",
            why=f"format is not {LESIONS_FORMAT!r}",
            suggestion="give the lesions.json of a run",
            file=path,
        )
    if content.get("format_version") not in READABLE_VERSIONS:
        raise InputError(
            f"lesion file of version {content.get('format_version')}; this is {LESIONS_VERSION}",
            why="names may have another meaning in another version",
            suggestion="run again",
            file=path,
            field="format_version",
        )
    check_seal(content, path)
    try:
        return [LesionDose.from_dict(record) for record in content["lesions"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            "its lesions cannot be read",
            why="they are not the records that a run writes",
            suggestion="run again",
            file=path,
            field="lesions",
        ) from error
