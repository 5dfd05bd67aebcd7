"""What a job is made from and where it stands: its case, the images of that, and their hashes."""

from __future__ import annotations

from pathlib import Path

from ..case.file import read_yaml
from ..case.model import Case
from ..errors import InputError
from ..file_hash import file_hash
from .job import CASE_FILE, batch_of, refuse_link


def case_text(case: Case, out: Path) -> str:
    """The resolved case as it lies in a job folder: its paths are relative to the folder of the batch."""
    return case.to_yaml(relative_to=out)


def load_case(folder: Path) -> Case:
    """The case of a job.

    Parameters
    ----------
    folder
        Folder of the job.

    Returns
    -------
    Case
        As it was when the batch was made.

    Raises
    ------
    InputError
        It cannot be read, or its images are not where the folder of the batch expects them.
    """
    file = folder / CASE_FILE
    refuse_link(file)
    data, lines = read_yaml(file)
    return Case.from_dict(data, base=batch_of(folder), check_files=True, lines=lines, file=file)


def input_hashes(case: Case) -> list[str]:
    """SHA-256 of every file that a case is made from, in the order of :meth:`Case.input_files`.

    Raises
    ------
    InputError
        A file that is not there, or cannot be read.
    """
    return [_hash(file) for file in case.input_files()]


def check_inputs(case: Case, hashes: list[str]) -> None:
    """Refuse a case whose files are not those that the batch was planned with.

    Parameters
    ----------
    case
        The case.
    hashes
        As :func:`input_hashes` gave them.

    Raises
    ------
    InputError
        The first file that differs, by name.
    """
    files = case.input_files()
    changed = next((file for file, known in zip(files, hashes, strict=False) if _hash(file) != known), None)
    if changed is None and len(files) == len(hashes):
        return
    problem = "has been changed since the batch was made"
    if len(files) != len(hashes):
        problem = f"the case has {len(files)} input files, and had {len(hashes)} when the batch was made"
    raise InputError(
        problem,
        why="the job would mix two inputs, or simulate another one than the rest of the batch",
        suggestion="bring the file as it was, or give the same `hevesy batch` another --out",
        file=changed if len(files) == len(hashes) else None,
    )


def _hash(file: Path) -> str:
    try:
        return file_hash(file)
    except OSError as error:
        raise InputError(
            "cannot be read", why=error.strerror or str(error), suggestion="bring the file", file=file
        ) from None
