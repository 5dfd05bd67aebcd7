"""A piece of work as files: everything that a job needs lies in its folder, and nothing else is handed to it.

A job folder holds ``job.json``, the files that it names, ``status.json``, and in the end ``result.h5``. It may be
copied to another machine, and run there by ``hevesy job FOLDER``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ..errors import InputError
from ..files import read_json, write_json
from .record_words import in_words

JOB_FILE, STATUS_FILE, RESULT_FILE, LOCK_FILE = "job.json", "status.json", "result.h5", "lock"
PROBLEM_FILE, REGIONS_FILE, CASE_FILE = "problem.npz", "regions.npz", "case.yaml"
#: What a job that ended early left; a job that runs takes it up.
CHECKPOINT_FILE = "checkpoint.npz"
#: Written by `hevesy cancel`: a job that finds it does not start, and ends when it runs.
CANCEL_FILE = "cancelled"

#: A name that is one part of a path, whatever the platform.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
#: Of the sources of hevesy; empty where only compiled files are installed.
CodeHash = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]
#: The files that a job may read; whatever else a record names is refused.
InputFile = Annotated[str, StringConstraints(pattern=r"^(problem\.npz|regions\.npz|case\.yaml)$")]
#: Most batches of a transport, and decays in one: more than a year of the fastest machine.
MOST_BATCHES, MOST_HISTORIES = 100_000_000, 10_000_000_000


class Record(BaseModel):
    """A JSON file of a batch: checked, without unknown keys, never changed in place."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BatchJob(Record):
    """What one job does.

    Parameters
    ----------
    name
        Its folder under ``jobs/``.
    kind
        ``"shard"``: decays of a transport problem; ``"case"``: a whole case.
    whole
        Name of what it is a part of (:class:`hevesy.engine.batch.manifest.Whole`).
    seed, backend
        Of the transport; ``"mixed"``: of the device that takes the job, and results of several add up.
    checkpoint_s
        Time between two checkpoints [s]; None: none are saved.
    first_batch, batches, batch_histories
        Of a shard: its batches of decays, and the decays in each.
    whole_batches
        Batches of the whole that it is a shard of: what its result says, so that a merge of files knows what is
        missing.
    input_hash
        Of a shard: :func:`hevesy.engine.results.provenance.problem_hash` of its problem.
    version, commit, code_hash, table_hashes
        Of the hevesy that made the job: one with other sources or tables does not run it.
    files
        The files in its folder that it reads, with the SHA-256 of their bytes.
    inputs
        SHA-256 of every file that its case is made from, in the order of
        :meth:`hevesy.engine.case.model.Case.input_files`: a case is run from the images where they are. No names, which
        may be those of patients.
    """

    format: Literal["hevesy-batch-job"] = "hevesy-batch-job"
    format_version: Literal[1] = 1
    name: Name
    kind: Literal["shard", "case"]
    whole: str
    seed: int = Field(ge=0, lt=1 << 63)
    backend: Annotated[str, StringConstraints(pattern="^(auto|cpu|cuda|python|mixed)$")]
    checkpoint_s: float | None = Field(default=60.0, gt=0.0, allow_inf_nan=False)
    first_batch: int = Field(default=0, ge=0, le=MOST_BATCHES)
    batches: int = Field(default=0, ge=0, le=MOST_BATCHES)
    batch_histories: int = Field(default=0, ge=0, le=MOST_HISTORIES)
    whole_batches: int = Field(default=0, ge=0, le=MOST_BATCHES)
    input_hash: str = ""
    version: str
    commit: str
    code_hash: CodeHash
    table_hashes: dict[str, str]
    files: dict[InputFile, Sha256]
    inputs: list[Sha256] = []

    @property
    def decays(self) -> int:
        """Decays of a shard."""
        return self.batches * self.batch_histories

    @property
    def plan(self) -> dict[str, Any]:
        """What the result of a shard says of the whole (:class:`hevesy.engine.results.provenance.Provenance`)."""
        return {"batches": self.whole_batches, "mixed": self.backend == "mixed"} if self.whole_batches else {}


def batch_of(folder: Path) -> Path:
    """The folder of the batch that a job folder belongs to: the one that holds ``jobs/``."""
    return folder.resolve().parent.parent


AnyRecord = TypeVar("AnyRecord", bound=Record)


def read_record(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """A JSON file of a batch.

    Raises
    ------
    InputError
        No such file, a link, or not what it should be: the first thing that is wrong.
    """
    refuse_link(path)
    content = read_json(path)
    try:
        return kind.model_validate_json(json.dumps(content))  # as JSON: strict, and lists may be tuples
    except ValidationError as error:
        problem, field = in_words(error.errors()[0])
        raise InputError(
            problem,
            why="it has been changed, or another version of hevesy wrote it",
            suggestion="make the batch again: the same `hevesy batch` with another --out",
            file=path,
            field=field or None,
        ) from None


def write_record(path: Path, record: Record) -> None:
    """Write a JSON file of a batch, whole or not at all."""
    write_json(path, record.model_dump(mode="json"))


def check_still_there(folder: Path) -> None:
    """Refuse to write into the folder of a job that was deleted meanwhile: half of one would be left.

    Raises
    ------
    InputError
        It is gone, or its ``job.json``.
    """
    if not (folder / JOB_FILE).is_file():
        raise InputError(
            "has been deleted or renamed while its job ran",
            why="what the job left has no place",
            suggestion="run the same `hevesy batch` again, or `hevesy retry` where the folder is now",
            file=folder,
        )


def refuse_link(path: Path) -> None:
    """Refuse a link in the folder of a batch, which could lead out of it; a pipe or device, which may never answer.

    Raises
    ------
    InputError
        The path is a symbolic link, or neither a file nor a folder.
    """
    if path.is_symlink():
        raise InputError(
            "is a link",
            why="everything that a batch reads and writes lies in its folder",
            suggestion="put the file or folder itself there",
            file=path,
        )
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(
            "is a pipe or a device, not a file",
            why="it may never end, or wait for somebody who writes",
            suggestion="remove it",
            file=path,
        )
