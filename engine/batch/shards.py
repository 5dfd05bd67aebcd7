"""Shards of a transport: ranges of whole batches, which give the integers of the undivided run, and their folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..file_hash import file_hash
from ..results.provenance import problem_hash
from ..text import counted
from ..transport.problem import Problem
from ..transport.run import batches_of
from ..transport.run_options import RunOptions
from .folders import drop_staged, ours, stage_job, staged_folder
from .job import BatchJob


def shard_ranges(batches: int, shards: int) -> list[tuple[int, int]]:
    """First batch and number of batches of each shard: as equal as whole batches allow, none empty."""
    count = min(shards, batches)
    cuts = [number * batches // count for number in range(count + 1)]
    return [(first, last - first) for first, last in zip(cuts, cuts[1:], strict=False)]


@dataclass(frozen=True)
class Shards:
    """One transport run that is to be divided.

    Parameters
    ----------
    whole
        Name of the run.
    input_hash
        Of its problem.
    batches, batch_histories
        How many batches it has, and decays in each.
    seed, backend
        Of the transport; the backend is the one that runs, not ``"auto"``. ``"mixed"`` has each job run on that of its
        device, in the batches of the CPU.
    """

    whole: str
    input_hash: str
    batches: int
    batch_histories: int
    seed: int
    backend: str

    @classmethod
    def of(cls, whole: str, problem: Problem, decays: int, seed: int, backend: str) -> Shards:
        """The run that ``hevesy simulate`` and ``hevesy run`` make of a number of decays, batch by batch."""
        mixed = backend == "mixed"
        options = RunOptions(decays=decays, seed=seed, backend="auto" if mixed else backend, short_batches=True)
        per_batch, batches = batches_of(options, backend)
        return cls(whole, problem_hash(problem), batches, per_batch, seed, backend)

    def job(self, name: str, first: int, count: int, **fields: Any) -> BatchJob:
        """The job of a range of batches; further fields of :class:`BatchJob` are given."""
        return BatchJob(
            name=name, kind="shard", whole=self.whole, seed=self.seed, backend=self.backend, first_batch=first,
            batches=count, batch_histories=self.batch_histories, whole_batches=self.batches,
            input_hash=self.input_hash, **ours(), **fields,
        )  # fmt: skip


def fewer_shards(run: Shards, asked: int) -> list[str]:
    """A remark where a run has fewer batches than the shards that were asked for; empty where it has enough."""
    if asked <= run.batches:
        return []
    return [f"{asked} shards were asked for; the {counted(run.batches, 'batch')} of decays make {run.batches}"]


def stage_shards(
    out: Path, run: Shards, shards: int, stem: str, files: Mapping[str, Path], **fields: Any
) -> dict[str, str]:
    """Stage the job folders of a divided run (:func:`hevesy.engine.batch.folders.stage_job`).

    Parameters
    ----------
    out
        Folder of the batch.
    run
        What is divided.
    shards
        Number of jobs; no more than there are batches are made.
    stem
        What their names begin with.
    files
        Where the files come from that every one of them reads, by name.
    fields
        Further fields of :class:`BatchJob`.

    Returns
    -------
    dict
        SHA-256 of each ``job.json`` by the name of the job, in the order of the batches.
    """
    hashes = {name: file_hash(source) for name, source in files.items()}
    jobs: dict[str, str] = {}
    try:
        for number, (first, count) in enumerate(shard_ranges(run.batches, shards), 1):
            job = run.job(f"{stem}{number:04d}", first, count, files=hashes, **fields)
            jobs[job.name] = stage_job(out, job, files, own=not jobs)
            # a user's own file may be written over: the first shard has a copy of it, and the others share that
            files = {name: staged_folder(out, job.name) / name for name in files}
    except BaseException:
        drop_staged(out, jobs)
        raise
    return jobs
