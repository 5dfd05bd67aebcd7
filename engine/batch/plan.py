"""Dividing the transport of one problem into jobs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from ..durable import sync
from ..errors import InputError
from ..file_hash import file_hash
from ..results.sources import same_code
from ..transport.engines import backend_behind
from ..transport.pilot import pilot_decays
from ..transport.problem import Problem
from ..until import Until
from .asked import check_asked, check_same_code
from .folders import check_jobs_folder, check_result_place, ours, put_jobs
from .job import PROBLEM_FILE, BatchJob
from .manifest import JOBS_FOLDER, MANIFEST_FILE, Manifest, Whole, read_manifest, write_manifest
from .repair import fitted, repaired
from .shards import Shards, fewer_shards, stage_shards


def plan_problem(
    file: Path,
    out: Path,
    *,
    shards: int,
    decays: int | None = None,
    until: Until | None = None,
    seed: int = 1,
    backend: str = "auto",
    checkpoint_s: float | None = 60.0,
) -> Manifest:
    """Make the job folders of one problem and write the manifest; where there is one, make again what is lost.

    Parameters
    ----------
    file
        The problem file.
    out
        Folder of the batch: new, or that of the same command before.
    shards
        Number of jobs; no more than there are batches are made.
    decays, seed, backend
        Of the undivided run; 1e6 decays by default.
    until
        A precision, from which the number of decays follows by a short transport; ``decays`` is the most then.
    checkpoint_s
        Time between two checkpoints of a job [s]; None: none are saved.

    Returns
    -------
    Manifest
        As written.

    Raises
    ------
    InputError
        A problem or options that cannot be simulated; the folder of another batch, naming what differs.
    """
    check_shards(shards)
    backend = backend_behind(backend)
    asked = {
        "problem": file_hash(file) if file.is_file() else "",
        "--shards": str(shards), "--decays": str(decays or "none"), "--until": str(until or "none"),
        "--seed": str(seed), "--backend": backend,
    }  # fmt: skip
    check_result_place(out)
    if (out / MANIFEST_FILE).exists():
        manifest = read_manifest(out)
        if [whole.name for whole in manifest.wholes] != ["problem"]:
            raise InputError(
                "is the folder of a batch of cases", why="this is a problem", suggestion="give another --out", file=out
            )
        check_asked(out, manifest.wholes[0].asked, asked, file.name)
        check_same_code(manifest, "give another --out", out)
        manifest = fitted(out, manifest)
        whole = manifest.wholes[0]

        def again(scratch: Path) -> tuple[BatchJob, Mapping[str, Path]]:
            run = Shards("problem", whole.input_hash, whole.batches, whole.batch_histories, seed, backend)
            files = {PROBLEM_FILE: asked["problem"]}
            return run.job("any", 0, 0, files=files, checkpoint_s=checkpoint_s), {PROBLEM_FILE: file}

        return with_jobs(out, manifest, repaired(out, manifest, whole, again))
    problem = Problem.load(file)
    number, remarks = decays or 1_000_000, []
    if until is not None:
        needed = rounded(pilot_decays(problem, until, seed=seed, backend=backend_behind("auto")))
        number = min(needed, decays or needed)
        remarks = [needed_sentence(number, until)]
    run = Shards.of("problem", problem, number, seed, backend)
    check_jobs_folder(out)
    jobs = stage_shards(out, run, shards, "shard-", {PROBLEM_FILE: file}, checkpoint_s=checkpoint_s)
    put_jobs(out, jobs)
    whole = Whole(
        name="problem", input_hash=run.input_hash, seed=seed, batches=run.batches, batch_histories=run.batch_histories,
        jobs=list(jobs), asked=asked, until="" if until is None else str(until),
        remarks=[*remarks, *fewer_shards(run, shards)],
    )  # fmt: skip
    return written_manifest(out, file.stem, [whole], jobs)


def written_manifest(out: Path, title: str, wholes: Sequence[Whole], jobs: Mapping[str, str]) -> Manifest:
    """Write the manifest of a plan, with what runs it left open; when and by which code a former one was made stays."""
    former = read_manifest(out) if (out / MANIFEST_FILE).exists() else None
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    manifest = Manifest(title=title, created=created, wholes=list(wholes), jobs=dict(jobs), **ours())
    if former is not None:
        kept = {"created": former.created, "executor": former.executor, "options": former.options}
        if same_code(former, manifest):
            kept |= {"version": former.version, "commit": former.commit}
        manifest = manifest.model_copy(update=kept)
    for folder in (out / JOBS_FOLDER, out):  # what the manifest names is on the disk before it is
        if folder.is_dir():
            sync(folder)
    write_manifest(out, manifest)
    return manifest


def with_jobs(out: Path, manifest: Manifest, jobs: Mapping[str, str]) -> Manifest:
    """The manifest with other hashes of some jobs, written where that is another one."""
    if all(manifest.jobs[name] == content for name, content in jobs.items()):
        return manifest
    manifest = manifest.model_copy(update={"jobs": {**manifest.jobs, **jobs}})
    write_manifest(out, manifest)
    return manifest


def rounded(decays: float) -> int:
    """A number of decays up to two digits, so that it can be read and repeated."""
    digits = 10 ** max(math.floor(math.log10(decays)) - 1, 0)
    return math.ceil(decays / digits) * digits


def needed_sentence(decays: int, until: Until) -> str:
    """What a user is told where a precision became a number of decays."""
    return f"shards need a number of decays: {decays:.3g} for {until}"


def check_shards(shards: int) -> None:
    """Refuse less than one shard.

    Raises
    ------
    InputError
        Naming the option.
    """
    if shards < 1:
        raise InputError(f"{shards} shards", why="at least one is needed", suggestion="--shards 4", field="--shards")
