"""A batch on two GPUs, and on a GPU and the CPU, each worker pinned to its device: what came of it, as JSON.

For a process under the emulated driver: python cuda_batch.py FOLDER DEVICES ... The first job of each worker waits
until every worker has one: a worker that begins late would find none left.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from hevesy.engine.batch.collect import merged_problem
from hevesy.engine.batch.executors.base import executor_of
from hevesy.engine.batch.executors.devices import backend_of_devices, device_names
from hevesy.engine.batch.manifest import job_folder
from hevesy.engine.batch.plan import plan_problem
from hevesy.engine.batch.status import read_status
from hevesy.engine.results.result import Result
from hevesy.engine.simulation import simulate
from hevesy.engine.transport.problem import Problem
from hevesy.tests.patience import until
from hevesy.tools import cuda_offline
from hevesy.tools.result_hash import result_hashes

DECAYS, SEED, SHARDS = 200, 7, 4
#: the variable that names a folder in which each worker leaves a file, and their number
MEETING = "HEVESY_TEST_MEETING"


def meet(event: str, arguments: tuple) -> None:
    """Wait for the other workers, where this one opens the problem of its first job."""
    if event == "open" and str(arguments[0]).endswith("problem.npz") and (asked := os.environ.pop(MEETING, None)):
        folder, number = Path(asked).parent, int(Path(asked).name)
        (folder / str(os.getpid())).touch()
        until(lambda: len(list(folder.iterdir())) >= number, lambda: "the other workers have no job")


def batch(problem: Path, out: Path, devices: str) -> dict:
    """Plan for these devices, run, merge: what the jobs and the sum say."""
    names = device_names(devices)
    backend = backend_of_devices(names)
    manifest = plan_problem(problem, out, shards=SHARDS, decays=DECAYS, seed=SEED, backend=backend)
    folders = [job_folder(out, name) for name in manifest.jobs]
    place = out.with_name(f"{out.name}, workers")
    place.mkdir()
    os.environ[MEETING] = str(place / str(len(names)))
    executor_of("processes", devices=devices).run(out, folders)
    del os.environ[MEETING]
    statuses = [read_status(folder) for folder in folders]
    jobs = [
        {"state": status.state, "by": status.executor_id, "message": status.message, **_device(folder)}
        for status, folder in zip(statuses, folders, strict=True)
    ]
    merged = merged_problem(out, manifest)
    return {"planned": backend, "jobs": jobs, "hash": result_hashes(merged.save(out / "result.h5")), **_facts(merged)}


def _device(folder: Path) -> dict:
    file = folder / "result.h5"
    if not file.exists():
        return {}
    result = Result.load(file)
    return {"backend": result.backend, "device": result.device}


def _facts(result: Result) -> dict:
    return {
        "backend": result.backend, "complete": result.complete, "decays": result.decays,
        "residual": result.balance.residual_quanta, "notes": list(result.assumptions),
    }  # fmt: skip


def main(folder: Path) -> None:
    problem = cuda_offline.tiny_problem().save(folder / "p.npz")
    found = {devices: batch(problem, folder / devices.replace(":", ""), devices) for devices in sys.argv[2:]}
    whole = simulate(Problem.load(problem), decays=DECAYS, seed=SEED, backend="cuda")
    found["undivided"] = {"hash": result_hashes(whole.save(folder / "whole.h5")), "device": whole.device}
    print(json.dumps(found))


if __name__ == "__mp_main__":  # in a worker
    sys.addaudithook(meet)
if __name__ == "__main__":
    main(Path(sys.argv[1]))
