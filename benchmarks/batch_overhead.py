"""What a shard costs beside its transport: `python -m hevesy.benchmarks.batch_overhead [NAME...]`.

Each problem is divided into shards, which run one after the other: in one process, as the executors ``here``,
``processes`` and ``dask`` do, and each in a process of its own (``hevesy job``), as a task of a cluster does. The first
shard of a process loads libraries, tables and compiled code; the table shows it apart. Times are those of the
processor, which do not depend on what else the machine does.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from hevesy.benchmarks import cases, machine
from hevesy.engine.batch.job import RESULT_FILE
from hevesy.engine.batch.manifest import job_folder
from hevesy.engine.batch.plan import plan_problem
from hevesy.engine.batch.work import run_job
from hevesy.engine.results.result import Result

SHARDS, DECAYS = 4, 200_000
NAMES = (cases.HETEROGENEOUS, "I-131 patient 4 mm", "I-131 patient 3 mm", "I-131 patient 2 mm")


def overheads(name: str, folder: Path) -> dict[str, float]:
    """Processor seconds beside the transport: of the plan, and of a shard by where it runs."""
    problem = cases.load(name)
    if problem is None:
        return {}
    file = problem.save(folder / "p.npz")
    start = time.process_time()
    one = plan_problem(file, folder / "one", shards=SHARDS, decays=DECAYS, backend="cpu")
    planned = time.process_time() - start
    first, *others = (_here(job_folder(folder / "one", job)) for job in one.jobs)
    own = plan_problem(file, folder / "own", shards=SHARDS, decays=DECAYS, backend="cpu")
    apart = [_apart(job_folder(folder / "own", job)) for job in [*own.jobs][:2]]
    return {
        "voxels": float(problem.density_g_cm3.size),
        "plan": planned / SHARDS,
        "first": first,
        "further": statistics.median(others),
        "own process": min(apart),
    }


def _here(folder: Path) -> float:
    start = time.process_time()
    status = run_job(folder)
    assert status.state == "done", status.message
    return time.process_time() - start - _transport(folder)


def _apart(folder: Path) -> float:
    before = _children()
    subprocess.run([sys.executable, "-m", "hevesy", "job", str(folder), "--quiet"], check=True)
    return _children() - before - _transport(folder)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _transport(folder: Path) -> float:
    tally = Result.load(folder / RESULT_FILE).tally
    assert tally is not None
    return tally.cpu_time_s


def main() -> None:
    """Print the table."""
    about = machine.provenance()
    print(
        f"{about['when']}, commit {about['commit'][:10]}, {about['machine']['cpu']}, {about['machine']['cores']} cores,"
    )
    print(f"load before {about['machine']['load_before']}; processor seconds per shard beside its transport\n")
    print("| problem | voxels | plan | first of a process | further | process of its own |")
    print("|---|---|---|---|---|---|")
    for name in sys.argv[1:] or NAMES:
        with TemporaryDirectory() as folder:
            row = overheads(name, Path(folder))
        if row:
            print("| " + " | ".join([name, *(f"{value:.3g}" for value in row.values())]) + " |", flush=True)


if __name__ == "__main__":
    main()
