"""What was submitted to Slurm for a batch, in ``slurm.json``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ..job import Name, Record, read_record
from ..manifest import Manifest
from ..status import JobStatus
from . import slurm_queue as queue

RECORD_FILE = "slurm.json"
#: Folder of the scripts of a submission, relative to that of the batch.
HOME = r"^slurm/[0-9]{3,9}-[0-9a-f]{8}$"


class Submission(Record):
    """Jobs that were handed to Slurm at once.

    Parameters
    ----------
    home
        Folder of its scripts and logs, relative to that of the batch.
    array, merge
        Numbers of the array and of the merge; ``merge`` is empty where Slurm refused it.
    tasks
        Tasks of the array: task ``i`` runs the jobs ``i``, ``i + tasks``, ...
    jobs
        Names of the jobs.
    submitted
        UTC, ISO 8601; empty where nobody knows.
    found
        Whether it was found in the queue: submitted by hand, or by a command that was ended before it had noted it.
    """

    home: Annotated[str, StringConstraints(pattern=HOME)]
    array: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}$")]
    merge: Annotated[str, StringConstraints(pattern=r"^([0-9]{1,12})?$")] = ""
    tasks: int = Field(ge=1)
    jobs: tuple[Name, ...]
    submitted: str
    found: bool = False


class SlurmRecord(Record):
    """What was submitted for a batch, in ``slurm.json``."""

    format: Literal["hevesy-slurm"] = "hevesy-slurm"
    format_version: Literal[1] = 1
    submissions: tuple[Submission, ...] = ()


def is_home(folder: str) -> bool:
    """Whether a folder, relative to that of a batch, is named as those of scripts are."""
    return re.fullmatch(HOME.strip("^$"), folder) is not None


def read_submissions(out: Path) -> SlurmRecord:
    """What was submitted for the batch in a folder; nothing where there is no record."""
    if not (out / RECORD_FILE).exists():
        return SlurmRecord()
    return read_record(out / RECORD_FILE, SlurmRecord)


def submitted_again(out: Path) -> str:
    """What the merge of a former submission says, whose jobs were submitted again meanwhile.

    Parameters
    ----------
    out
        Folder of the batch.

    Returns
    -------
    str
        A sentence; empty where this process is no merge of Slurm, or that of the last submission.
    """
    number = os.environ.get("SLURM_JOB_ID", "")
    submissions = read_submissions(out).submissions
    if not number or number not in [one.merge for one in submissions[:-1]] or submissions[-1].merge == number:
        return ""
    last = submissions[-1]
    merges = f"job {last.merge} merges it" if last.merge else "when it has ended: hevesy merge"
    return f"the batch was submitted again, as array {last.array} of Slurm; {merges}"


def last_tasks(manifest: Manifest, record: SlurmRecord, own: dict[str, JobStatus]) -> dict[str, queue.Task]:
    """The last task of Slurm that each job was given to: by us, or by who submitted a script by hand."""
    tasks: dict[str, queue.Task] = {}
    for one in record.submissions:
        tasks.update({name: (one.array, number % one.tasks) for number, name in enumerate(one.jobs)})
    for name in manifest.jobs:
        by_hand = queue.task_of(own[name].executor_id)
        if by_hand is not None and int(by_hand[0]) > int(tasks.get(name, ("0", 0))[0]):
            tasks[name] = by_hand
    return tasks
