"""Making job folders again that were lost or damaged: from the other jobs of their whole, else from the input."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import InputError
from ..file_hash import file_hash
from ..text import shortened
from .folders import restore_job
from .inputs import check_inputs, load_case
from .job import CASE_FILE, JOB_FILE, PROBLEM_FILE, REGIONS_FILE, BatchJob, read_record, refuse_link
from .manifest import MANIFEST_FILE, Manifest, Whole, case_folder, job_folder, read_job, write_manifest
from .marks import is_complete, key_of
from .shards import shard_ranges
from .status import read_status

log = logging.getLogger(__name__)

#: Makes the files of the jobs of a whole anew: given an empty folder, a job of it, and where its files are.
Make = Callable[[Path], tuple[BatchJob, Mapping[str, Path]]]


def repaired(out: Path, manifest: Manifest, whole: Whole, make: Make | None = None) -> dict[str, str]:
    """Make the job folders of a divided whole again that are gone, or whose files are not those of the manifest.

    What a job has done stays where it is still there.

    Parameters
    ----------
    out
        Folder of the batch.
    manifest, whole
        What it should consist of.
    make
        Makes the files from the input, for where no other job of the whole has them.

    Returns
    -------
    dict
        SHA-256 of each ``job.json`` that was written, by the name of the job.

    Raises
    ------
    InputError
        A manifest that does not fit its jobs; a link; files that no other job has, without ``make``; an input that
        gives another problem.
    """
    hashes = _Hashes()
    whole_job = _record(out, manifest, whole.jobs)
    if whole_job is not None:
        check_fits(out, whole, whole_job)
    jobs = {name: _standing(job_folder(out, name), manifest.jobs[name], hashes) for name in whole.jobs}
    lost = [name for name, job in jobs.items() if job is None]
    if not lost:
        return {}
    again: dict[str, str] = {}
    ranges = dict(zip(whole.jobs, shard_ranges(whole.batches, len(whole.jobs)), strict=True))
    known = next((job for job in jobs.values() if job is not None), None) or whole_job
    with TemporaryDirectory() as scratch:
        pattern, files = _origin(out, manifest, whole, known, make, Path(scratch), hashes)
        for name in lost:
            first, count = ranges[name]
            job = pattern.model_copy(update={"name": name, "first_batch": first, "batches": count})
            again[name] = restore_job(out, job, files)
            files = {file: job_folder(out, name) / file for file in files}
    return again


def repaired_from_jobs(out: Path, manifest: Manifest) -> dict[str, str]:
    """:func:`repaired` for all wholes of a batch, where the input is not at hand.

    Raises
    ------
    InputError
        A job is lost that no other one can replace: the command that planned it is needed. The input of a case whose
        jobs are done has changed since: its tables would be of two inputs.
    """
    again: dict[str, str] = {}
    for whole in manifest.wholes:
        _check_inputs_of_done(out, manifest, whole)
        if whole.sharded:
            again |= repaired(out, manifest, whole)
            continue
        for name in whole.jobs:
            folder = job_folder(out, name)
            if read_status(folder).state != "done" and _standing(folder, manifest.jobs[name], _Hashes()) is None:
                raise _lost(folder)
    return again


#: What a manifest says of a whole, and each of its jobs too: name there, name in the job.
_FACTS = {"input_hash": "input_hash", "seed": "seed", "batches": "whole_batches", "batch_histories": "batch_histories"}


def check_fits(out: Path, whole: Whole, job: BatchJob) -> None:
    """Refuse a manifest that says something else of a transport than its jobs do.

    Parameters
    ----------
    out
        Folder of the batch.
    whole, job
        As the manifest has it, and a job of it whose hash the manifest confirms.

    Raises
    ------
    InputError
        The first difference. The results of the jobs are not in question.
    """
    for name, its in _differences(whole, job).items():
        raise InputError(
            f"{whole.name}: {name} is {shortened(getattr(whole, name), 40)} here, and {shortened(its, 40)} in its jobs",
            why="the manifest has been changed since the batch was made",
            suggestion="run the same `hevesy batch` again: it writes the manifest anew, and the jobs stay",
            file=out / MANIFEST_FILE,
            field=name,
        )


def fitted(out: Path, manifest: Manifest) -> Manifest:
    """The manifest with what its jobs say of each divided transport; written where that is something else.

    Parameters
    ----------
    out
        Folder of the batch.
    manifest
        As it stands there.

    Returns
    -------
    Manifest
        It fits the jobs whose hashes it confirms.
    """
    wholes = []
    for whole in manifest.wholes:
        job = _record(out, manifest, whole.jobs) if whole.sharded else None
        wholes.append(whole if job is None else whole.model_copy(update=_differences(whole, job)))
    if wholes == manifest.wholes:
        return manifest
    log.warning("%s did not fit its jobs: it is written again", MANIFEST_FILE)
    manifest = manifest.model_copy(update={"wholes": wholes})
    write_manifest(out, manifest)
    return manifest


def _differences(whole: Whole, job: BatchJob) -> dict[str, Any]:
    facts = {name: getattr(job, of_job) for name, of_job in _FACTS.items()}
    return {name: its for name, its in facts.items() if its != getattr(whole, name) and (its or name == "seed")}


def _check_inputs_of_done(out: Path, manifest: Manifest, whole: Whole) -> None:
    """Refuse a case that has its results when its images or masks have changed since."""
    folders = [job_folder(out, name) for name in whole.jobs]
    if not whole.case or not folders or any(read_status(folder).state != "done" for folder in folders):
        return
    if not is_complete(case_folder(out, whole.case), key_of(manifest, whole)):  # the merge says what is wrong
        return
    job = _standing(folders[0], manifest.jobs[whole.jobs[0]], _Hashes())
    if job is not None:
        check_inputs(load_case(folders[0]), job.inputs)


class _Hashes:
    """SHA-256 of files, each read once: jobs share the bytes of their files."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], str] = {}

    def __call__(self, path: Path) -> str:
        found = path.stat()
        key = (found.st_dev, found.st_ino)
        if not found.st_ino or key not in self._known:
            self._known[key] = file_hash(path)
        return self._known[key]


def _standing(folder: Path, sha256: str, hashes: _Hashes) -> BatchJob | None:
    """The job in a folder, None where it is not whole; a link is an error, since nothing is written through it."""
    for path in (folder, *(folder / name for name in (JOB_FILE, PROBLEM_FILE, REGIONS_FILE, CASE_FILE))):
        refuse_link(path)
    try:
        return read_job(folder, sha256, hash_of=hashes)
    except InputError:
        return None


def _record(out: Path, manifest: Manifest, names: list[str]) -> BatchJob | None:
    """A job of which at least the record is as it was."""
    for name in names:
        file = job_folder(out, name) / JOB_FILE
        if file.is_file() and file_hash(file) == manifest.jobs[name]:
            refuse_link(file)
            return read_record(file, BatchJob)
    return None


def _origin(
    out: Path,
    manifest: Manifest,
    whole: Whole,
    known: BatchJob | None,
    make: Make | None,
    scratch: Path,
    hashes: _Hashes,
) -> tuple[BatchJob, Mapping[str, Path]]:
    """A job of the whole, and where its files come from."""
    files: dict[str, Path] = {}
    for name, sha256 in {} if known is None else known.files.items():
        places = (job_folder(out, job) / name for job in whole.jobs)
        place = next((path for path in places if path.is_file() and hashes(path) == sha256), None)
        files |= {} if place is None else {name: place}
    if known is not None and set(files) == set(known.files):
        return known, files
    if make is None:
        raise _lost(job_folder(out, whole.jobs[0]))
    fresh, made = make(scratch)
    for what, was, is_ in (
        ("problem", whole.input_hash, fresh.input_hash),
        ("number of batches", whole.batches, fresh.whole_batches),
        ("batch size", whole.batch_histories, fresh.batch_histories),
    ):
        if was != is_:
            raise InputError(
                f"the jobs of {whole.name} are lost, and the input gives another {what} than the one they were made of",
                why="shards of two different runs do not add up",
                suggestion="bring the input as it was, or give another --out",
                file=out,
            )
    if known is not None and all(name in files or fresh.files[name] == sha for name, sha in known.files.items()):
        return known, {**made, **files}
    # the same sources, which may be of another commit by now: the record is to be the one of the plan, byte by byte
    return fresh.model_copy(update={"version": manifest.version, "commit": manifest.commit}), made


def _lost(folder: Path) -> InputError:
    return InputError(
        "is lost or damaged, and no other job has its files",
        why="they are made from the input",
        suggestion="run the same `hevesy batch` again",
        file=folder,
    )
