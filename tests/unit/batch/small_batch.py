"""Batches small enough to run in a second: a problem in shards, and the visits of a case in shards."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hevesy.engine.batch.inputs import input_hashes
from hevesy.engine.batch.job import CASE_FILE, PROBLEM_FILE, REGIONS_FILE, BatchJob, write_record
from hevesy.engine.batch.manifest import Manifest, Whole, job_folder, write_manifest
from hevesy.engine.batch.plan import plan_problem
from hevesy.engine.batch.regions import write_regions
from hevesy.engine.batch.shards import shard_ranges
from hevesy.engine.batch.status import read_status
from hevesy.engine.case.model import Case
from hevesy.engine.file_hash import file_hash
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.physics.material import Material
from hevesy.engine.pipeline.activity import integrate
from hevesy.engine.pipeline.dose import region_weights, transport_problem
from hevesy.engine.pipeline.identity import open_sources
from hevesy.engine.pipeline.scans import read_visit
from hevesy.engine.results.environment import code_hash, table_hashes
from hevesy.engine.results.provenance import code_commit, code_version, problem_hash
from hevesy.engine.simulation import simulate
from hevesy.engine.transport.problem import Problem
from hevesy.tools.result_hash import result_hashes

WATER = Material("water", (1, 8), (0.111894, 0.888106), 78.0, 1.0)
SHAPE = (6, 7, 8)
SEED = 7


def small_problem() -> Problem:
    """131I in a corner of water of two densities, with two regions."""
    density = np.full(SHAPE, 1.0, np.float32)
    density[:, 4:] = 1.5
    source = np.zeros(SHAPE, np.float32)
    source[1:3, 2:5, 3] = 1.0
    regions = np.zeros(SHAPE, np.uint8)
    regions[1:3, 2:5, 3], regions[4:] = 1, 2
    return Problem(
        density, np.zeros(SHAPE, np.uint8), (WATER,), (3.0, 3.0, 3.0), source, nuclide("I-131").emission,
        regions=regions, region_names=("hot", "cold"),
    )  # fmt: skip


@cache
def undivided(problem: Path, decays: int) -> tuple[str, str]:
    """Hashes of the result of the undivided run of a problem file."""
    whole = simulate(Problem.load(problem), decays=decays, seed=SEED, backend="cpu")
    return result_hashes(whole.save(problem.with_name(f"whole-{decays}.h5")))


def planned(problem: Path, out: Path, shards: int, decays: int) -> tuple[Manifest, list[Path]]:
    """The manifest of a problem in shards, and the folders of its jobs."""
    manifest = plan_problem(problem, out, shards=shards, decays=decays, seed=SEED, backend="cpu")
    return manifest, [job_folder(out, name) for name in manifest.jobs]


def ours() -> dict:
    """What a job and a manifest say of the code that made them."""
    code = {"version": code_version(), "commit": code_commit(), "code_hash": code_hash()}
    return {**code, "table_hashes": table_hashes()}


def plan_small_case(case_file: Path, out: Path, *, shards: int, per_batch: int, backend: str = "cpu") -> Manifest:
    """Jobs of a case, all of its visits and therapies in shards of whole batches."""
    case = Case.load(case_file)
    decays = case.transport.decays
    batches = -(-decays // per_batch)
    wholes, jobs = [], {}
    sources = open_sources(case)
    for treated in (case, *(case.for_therapy(one) for one in case.further_therapies)):
        for visit in treated.visits:
            images = read_visit(treated, visit, sources[visit.name])
            activity = integrate(treated.with_administered(images.tracer_activity_mbq), images)
            problem = transport_problem(treated, images, activity)
            therapy, names = treated.therapy.nuclide, []
            for number, (first, count) in enumerate(shard_ranges(batches, shards), 1):
                name = f"{visit.name}-{therapy}-{number:04d}"
                folder = job_folder(out, name)
                folder.mkdir(parents=True)
                problem.save(folder / PROBLEM_FILE)
                write_regions(folder / REGIONS_FILE, region_weights(images.lesions), [m.name for m in images.lesions])
                (folder / CASE_FILE).write_text(case.to_yaml(relative_to=out))
                files = {file: file_hash(folder / file) for file in (PROBLEM_FILE, REGIONS_FILE, CASE_FILE)}
                job = BatchJob(
                    name=name, kind="shard", whole=f"small/{visit.name}/{therapy}", seed=case.transport.seed,
                    backend=backend, first_batch=first, batches=count, batch_histories=per_batch,
                    whole_batches=batches, input_hash=problem_hash(problem), files=files,
                    inputs=input_hashes(case), **ours(),
                )  # fmt: skip
                write_record(folder / "job.json", job)
                jobs[name] = file_hash(folder / "job.json")
                names.append(name)
            wholes.append(
                Whole(
                    name=f"small/{visit.name}/{therapy}",
                    case="small",
                    visit=visit.name,
                    therapy=therapy,
                    input_hash=problem_hash(problem),
                    seed=case.transport.seed,
                    batches=batches,
                    batch_histories=per_batch,
                    jobs=names,
                )  # fmt: skip
            )
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    manifest = Manifest(title="small", created=created, wholes=wholes, jobs=jobs, **ours())
    write_manifest(out, manifest)
    return manifest


def _locks_can_be() -> bool:
    try:
        return bool(multiprocessing.get_context("spawn").Lock())
    except OSError:
        return False


#: Workers that Dask starts wait for each other by locks, which on Linux lie in /dev/shm.
LOCKS = pytest.mark.skipif(not _locks_can_be(), reason="processes cannot share a lock here: is /dev/shm full?")


def running(folders: Iterable[Path]) -> Iterator[tuple[Path, int]]:
    """Jobs that run now, and their processes."""
    for folder in folders:
        status = read_status(folder)
        if status.state == "running":
            yield folder, status.pid


def begun_by(folders: Iterable[Path]) -> set[int]:
    """Processes that run these jobs, or were the last to run them."""
    return {pid for folder in folders if (pid := read_status(folder).pid)}


async def stop_and_go_on(run: str) -> None:
    """What a worker of Dask is sent in place of ``ask_to_stop``: jobs that are held go on when it has been asked."""
    from hevesy.engine.batch.executors.dask_task import ask_to_stop

    await ask_to_stop(run)
    for held in Path(os.environ["HEVESY_TEST_HELD"]).iterdir():
        held.unlink(missing_ok=True)


class Held:
    """Jobs that wait at their beginning, in whichever process: a test meets them however slow or fast the machine is.

    Parameters
    ----------
    folder
        What tells those processes, see ``held/sitecustomize.py``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self, *jobs: Path) -> None:
        for job in jobs:
            (self._folder / job.name).touch()

    def release(self, *jobs: Path) -> None:
        for job in jobs:
            (self._folder / job.name).unlink(missing_ok=True)
