"""The manifest of a batch: which wholes it makes, from which jobs, with the hash of everything that decides a number.

The folder of a batch holds ``manifest.json``, ``jobs/NAME/`` for each job, and in the end the merged results.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from ..errors import InputError
from ..file_hash import file_hash
from ..text import counted
from .job import (
    JOB_FILE,
    MOST_BATCHES,
    MOST_HISTORIES,
    BatchJob,
    CodeHash,
    Name,
    Record,
    Sha256,
    read_record,
    refuse_link,
    write_record,
)

MANIFEST_FILE, JOBS_FOLDER = "manifest.json", "jobs"
#: Names in the folder of a batch that no case may have, as folders.
RESERVED = {"jobs", "manifest.json", "lock", "result.h5", "trial.html", "trial.json", "batch.json"}
#: Value of an option of an executor.
Option = str | int | float | bool | list[str] | None
OptionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,59}$")]


class Whole(Record):
    """One transport run that shards divide, or one case that is run as it is.

    Parameters
    ----------
    name
        ``problem``, or patient, visit and therapy joined by ``/``.
    case, arm, visit, therapy
        Where it comes from; empty for a problem.
    input_hash, seed, batches, batch_histories
        Of the transport: the union of its shards is exactly this. A case that is run as it is has no batches here.
    jobs
        Names of its jobs.
    until
        The precision from which the number of decays was found; empty where it was stated.
    asked
        What the command asked for and the input that it was given, by name: a command that asks for something else in
        the same folder is refused, naming the difference.
    refused
        Why there is no job: the case could not be read.
    remarks
        What the plan has decided, a sentence each.
    """

    name: str
    case: str = ""
    arm: str = ""
    visit: str = ""
    therapy: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{0,40}$")] = ""
    input_hash: str = ""
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    batches: int = Field(default=0, ge=0, le=MOST_BATCHES)
    batch_histories: int = Field(default=0, ge=0, le=MOST_HISTORIES)
    jobs: list[Name]
    until: str = ""
    asked: dict[str, str] = {}
    refused: str = ""
    remarks: list[str] = []

    @model_validator(mode="after")
    def _has_its_jobs(self) -> Whole:
        """What is divided has a job for each range, what is not has one, what is refused has none."""
        most = self.batches if self.sharded else 1
        if bool(self.refused) == bool(self.jobs) or len(self.jobs) > most:
            raise ValueError(f"{self.name!r} has {counted(len(self.jobs), 'job')}")
        if self.sharded and not self.batch_histories:
            raise ValueError(f"{self.name!r} has batches without decays")
        if self.case and folder_name(self.case) in RESERVED:
            raise ValueError(f"{self.case!r} is the name of a file of the batch")
        return self

    @property
    def sharded(self) -> bool:
        """Whether its jobs are shards that are to be merged."""
        return self.batches > 0


class Manifest(Record):
    """What a batch consists of.

    Parameters
    ----------
    title
        Of the trial, the case or the problem.
    version, commit, code_hash, table_hashes
        Of the hevesy that made it.
    wholes
        What it makes.
    jobs
        Hash of every job's ``job.json``, which holds the hashes of the job's files.
    executor, options
        What it was last handed to, with the options of that (partition, workers, ...).
    withheld
        Names of options that were given and are not kept in the folder, because they can run commands.
    """

    format: Literal["hevesy-batch"] = "hevesy-batch"
    format_version: Literal[1] = 1
    title: str
    created: str
    version: str
    commit: str
    code_hash: CodeHash
    table_hashes: dict[str, str]
    wholes: list[Whole]
    jobs: dict[Name, Sha256]
    executor: str = "here"
    options: dict[OptionName, Option] = {}
    withheld: list[OptionName] = []

    @model_validator(mode="after")
    def _belongs_together(self) -> Manifest:
        """Every job is of one whole, every whole of the manifest; visits and therapies of a case differ."""
        named = [job for whole in self.wholes for job in whole.jobs]
        if len(named) != len(set(named)) or set(named) != set(self.jobs):
            strange = next((job for job in named if job not in self.jobs or named.count(job) > 1), None)
            strange = strange or next(job for job in self.jobs if job not in named)
            raise ValueError(f"the job {strange!r} is not in exactly one whole, or not in the list of jobs")
        parts = [(whole.case, whole.visit, whole.therapy) for whole in self.wholes]
        if len(set(parts)) != len(parts):
            raise ValueError("two wholes are the same visit and therapy of a case")
        return self

    def parts_of(self, case: str) -> list[Whole]:
        """The wholes of a case, by its name."""
        return [whole for whole in self.wholes if whole.case == case]


def write_manifest(out: Path, manifest: Manifest) -> None:
    """Write the manifest into the folder of a batch."""
    write_record(out / MANIFEST_FILE, manifest)


def read_manifest(out: Path) -> Manifest:
    """The manifest in the folder of a batch.

    Parameters
    ----------
    out
        Folder of the batch.

    Returns
    -------
    Manifest
        Checked against its model, not yet against the files.

    Raises
    ------
    InputError
        Not the folder of a batch; a manifest that has been changed; a link in place of it, or of ``jobs``.
    """
    if not (out / MANIFEST_FILE).is_file():
        raise InputError(
            "is not the folder of a batch",
            why=f"there is no {MANIFEST_FILE} in it",
            suggestion="give the --out of `hevesy batch`",
            file=out,
        )
    refuse_link(out / JOBS_FOLDER)
    return read_record(out / MANIFEST_FILE, Manifest)


def job_folder(out: Path, name: str) -> Path:
    """Folder of a job of a batch."""
    return out / JOBS_FOLDER / name


def folder_name(name: str) -> str:
    """A name in the form of a folder name: one part of a path, whatever it was."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "case"


def case_folder(out: Path, case: str) -> Path:
    """Where the results of a case of a batch are."""
    return out / folder_name(case)


def read_job(folder: Path, sha256: str | None = None, *, hash_of: Callable[[Path], str] = file_hash) -> BatchJob:
    """The job in a folder, its file and the files that it names compared with their hashes.

    Parameters
    ----------
    folder
        Folder of the job.
    sha256
        What the manifest says of ``job.json``; None where only the folder is at hand.
    hash_of
        SHA-256 of a file: who reads many jobs, whose files share bytes, need not read them each time.

    Raises
    ------
    InputError
        A file that is missing, a link, or has been changed, by name.
    """
    refuse_link(folder)
    file = folder / JOB_FILE
    job = read_record(file, BatchJob)
    wanted: dict[str, str] = {} if sha256 is None else {JOB_FILE: sha256}
    for name, expected in {**wanted, **job.files}.items():
        refuse_link(folder / name)
        if not (folder / name).is_file() or hash_of(folder / name) != expected:
            raise InputError(
                "has been changed since the batch was made" if (folder / name).exists() else "is missing",
                why="its hash is not the one in the record: the job would simulate something else",
                suggestion="bring the file as it was, or make the batch again",
                file=folder / name,
            )
    return job
