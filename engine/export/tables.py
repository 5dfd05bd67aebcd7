"""lesions.csv and lesions.json, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import InputError
from ..files import csv_text, read_json, write_json, write_text
from ..lesions.record import COLUMNS, LesionDose
from ..lesions.verdict import verdicts

LESIONS_FORMAT = "hevesy-lesions"
LESIONS_VERSION = 1


def write_lesions_csv(lesions: Iterable[LesionDose], path: str | Path) -> Path:
    """One row a lesion and visit, columns `COLUMNS`; numbers with nine digits, or nothing."""
    return write_text(path, csv_text(COLUMNS, (lesion.to_row() for lesion in lesions)))


def write_lesions_json(lesions: Sequence[LesionDose], path: str | Path) -> Path:
    """The same with histograms, kinetics and the verdicts: what the report is rebuilt from."""
    content = {
        "format": LESIONS_FORMAT,
        "format_version": LESIONS_VERSION,
        "verdicts": [verdict.to_dict() for verdict in verdicts(lesions)],
        "lesions": [lesion.to_dict() for lesion in lesions],
    }
    return write_json(path, content)


def read_lesions_json(path: str | Path) -> list[LesionDose]:
    """Lesions from what `write_lesions_json` wrote."""
    path = Path(path)
    content = read_json(path, "give the folder of a run, or run again")
    if not isinstance(content, dict) or content.get("format") != LESIONS_FORMAT:
        raise InputError(
            "this is no lesion file of hevesy",
            why=f"format is not {LESIONS_FORMAT!r}",
            suggestion="give the lesions.json of a run",
            file=path,
        )
    if content.get("format_version") != LESIONS_VERSION:
        raise InputError(
            f"lesion file of version {content.get('format_version')}; this is {LESIONS_VERSION}",
            why="another version may mean something else",
            suggestion="run again",
            file=path,
            field="format_version",
        )
    return [LesionDose.from_dict(record) for record in content["lesions"]]
