"""Jobs of Slurm that run the scripts of a batch and that its ``slurm.json`` does not name.

Somebody has submitted the scripts of a dry run by hand; or a command was ended, or given up as Slurm did not answer,
between a submission and its note of it. Both are found in the queue by the script that they run.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from ...errors import InputError
from ...text import counted
from ..manifest import Manifest
from . import slurm_queue as queue
from .slurm_files import SCRIPTS_FOLDER
from .slurm_record import RECORD_FILE, SlurmRecord, Submission, is_home, read_submissions
from .slurm_script import ARRAY_SCRIPT, LIST_FILE, MERGE_SCRIPT


def may_be_in_slurm(out: Path) -> bool:
    """Whether Slurm may have jobs of the batch in a folder: some were submitted, or there are scripts and a Slurm."""
    if (out / RECORD_FILE).exists():
        return True
    return next(_homes(out), None) is not None and shutil.which("squeue") is not None


def merge_in_queue(out: Path) -> str:
    """The sentence on the job of Slurm that will merge a batch; empty where none waits, or Slurm cannot be asked."""
    try:
        merges = [one.merge for one in read_submissions(out).submissions if one.merge]
        active = queue.active_jobs(merges) if merges and may_be_in_slurm(out) else []
        strange = queue.folders_of_others(active, out)
    except InputError:
        return ""
    mine = [job for job in active if job not in strange and job != os.environ.get("SLURM_JOB_ID")]
    return f"job {mine[-1]} of Slurm merges when the jobs have ended: wait for it" if mine else ""


def with_found(out: Path, manifest: Manifest, record: SlurmRecord) -> tuple[SlurmRecord, list[str]]:
    """What was submitted for a batch, with what the queue has of it besides.

    Parameters
    ----------
    out
        Folder of the batch.
    manifest
        Of it.
    record
        Its ``slurm.json``, which is not written here.

    Returns
    -------
    tuple of SlurmRecord and list of str
        The record with these submissions as the last ones; a sentence on each.

    Raises
    ------
    InputError
        Slurm cannot be asked.
    """
    if next(_homes(out), None) is None:
        return record, []
    there = [(number, home, script) for number, path in queue.own_scripts() for home, script in _within(out, path)]
    arrays, merges = {one.array for one in record.submissions}, {one.merge for one in record.submissions}
    found = []
    for number, home, script in there:
        jobs = _jobs(out / home, manifest) if script == ARRAY_SCRIPT and number not in arrays else ()
        if jobs:
            tasks = _tasks(out / home, len(jobs))
            found.append(Submission(home=home, array=number, tasks=tasks, jobs=jobs, submitted="", found=True))
    said = [f"array {one.array} of Slurm has {counted(len(one.jobs), 'job')} of this batch, by its script "
            f"{one.home}/{ARRAY_SCRIPT}: taken note of" for one in found]  # fmt: skip
    submissions = [*record.submissions, *found]
    for number, home, script in there:
        lacking = [i for i, one in enumerate(submissions) if one.home == home and not one.merge]
        if script == MERGE_SCRIPT and number not in merges and lacking:
            submissions[lacking[-1]] = submissions[lacking[-1]].model_copy(update={"merge": number})
    if submissions == [*record.submissions]:
        return record, []
    return record.model_copy(update={"submissions": tuple(submissions)}), said


def _homes(out: Path) -> Iterator[Path]:
    """Folders with the scripts of a submission."""
    return (path for path in (out / SCRIPTS_FOLDER).glob("*/") if is_home(f"{SCRIPTS_FOLDER}/{path.name}"))


def _within(out: Path, script: Path) -> Iterator[tuple[str, str]]:
    """Folder of a script, relative to that of the batch, and its name; nothing where it is of another batch."""
    home = f"{SCRIPTS_FOLDER}/{script.parent.name}"
    if is_home(home) and script.name in (ARRAY_SCRIPT, MERGE_SCRIPT) and queue.is_same(queue.batch_of(script), out):
        yield home, script.name


def _jobs(home: Path, manifest: Manifest) -> tuple[str, ...]:
    """Names of the jobs in the list beside a script; none where it is not that of this batch."""
    try:
        names = [Path(line).name for line in (home / LIST_FILE).read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return ()
    return tuple(names) if all(name in manifest.jobs for name in names) else ()


def _tasks(home: Path, jobs: int) -> int:
    """Tasks of the array of a script."""
    try:
        match = re.search(r"^tasks=(\d{1,9})$", (home / ARRAY_SCRIPT).read_text(encoding="utf-8"), re.M | re.A)
    except (OSError, ValueError):
        match = None
    return max(1, int(match[1])) if match else jobs
