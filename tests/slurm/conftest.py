"""A Slurm for tests: one that runs here, or a node of its own; and batches small enough for it.

Skipped where slurmctld is not installed; with ``HEVESY_REQUIRE_SLURM=1`` a missing Slurm is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hevesy.engine.batch.executors.base import executor_of
from hevesy.engine.batch.executors.slurm import Slurm
from hevesy.engine.batch.manifest import job_folder, read_manifest, write_manifest
from hevesy.engine.batch.plan import plan_problem
from hevesy.engine.batch.status import JobStatus
from hevesy.engine.imaging.tissue import water
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.results.result import Result
from hevesy.engine.simulation import simulate
from hevesy.engine.transport.problem import Problem
from hevesy.tests import patience

ROOT = Path(__file__).resolve().parents[2]
DECAYS, SEED = 6400, 5
#: Each look asks Slurm.
until = partial(patience.until, look_s=0.1)

#: hevesy whose transport begins when there is a file `go` in the folder of the batch, or when it is asked to stop.
HELD = """
import time
from pathlib import Path
from hevesy.engine import simulation

begin = simulation.simulate


def simulate(*words, stop, **options):
    while not (Path("go").exists() or stop()):
        time.sleep(0.05)
    return begin(*words, stop=stop, **options)


simulation.simulate = simulate  # before anything has taken it from there
from hevesy.cli.main import entry

entry()
"""


@dataclass
class Batch:
    """A batch of a small problem, and the executor that is under test."""

    out: Path
    slurm: Slurm

    @property
    def names(self) -> list[str]:
        return list(read_manifest(self.out).jobs)

    def submit(self, names: list[str] | None = None) -> None:
        """Submit jobs, all of them by default."""
        self.slurm.run(self.out, self.folders(names))

    def folders(self, names: list[str] | None = None) -> list[Path]:
        return [job_folder(self.out, name) for name in names or self.names]

    def states(self) -> dict[str, JobStatus]:
        states = self.slurm.states(self.out)
        assert not self.slurm.messages
        return states

    def wait_for_states(self, *wanted: str) -> dict[str, JobStatus]:
        """The statuses, as soon as the states are these, in the order of the jobs."""

        def look() -> dict[str, JobStatus]:
            states = self.states()
            return states if [status.state for status in states.values()] == list(wanted) else {}

        return until(look, self.account)

    def wait_for_word(self, name: str, beginning: str) -> JobStatus:
        """The status of a job, as soon as its message begins so: a job may say that it ended before Slurm does."""

        def look() -> JobStatus | None:
            status = self.states()[name]
            return status if status.message.startswith(beginning) else None

        return until(look, self.account)

    def wait_for_merge(self) -> Result:
        """The merged result, when the dependent job has written it."""
        until((self.out / "result.h5").exists, self.account)
        return Result.load(self.out / "result.h5")

    def logs(self) -> str:
        return "\n".join(f"{p}:\n{p.read_text()}" for p in sorted(self.out.glob("slurm/*/*.log")))

    def go(self) -> None:
        """Let transports begin that are held."""
        (self.out / "go").touch()

    def account(self) -> str:
        return f"{self.slurm.states(self.out)}\n{self.logs()}\n{slurm_says('squeue', '--states=all')}"


def slurm_says(*words: str, cwd: Path | None = None) -> str:
    """What a command of Slurm prints."""
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def has_slurm() -> bool:
    """Whether a controller answers here, with a node that is up."""
    # without a configuration sinfo asks the name service for a controller, a minute long
    places = (os.environ.get("SLURM_CONF", "/etc/slurm/slurm.conf"), "/run/slurm/conf/slurm.conf")
    if shutil.which("sinfo") is None or not any(Path(place).is_file() for place in places):
        return False
    done = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True)
    return done.returncode == 0 and any(not state.startswith(("down", "drain")) for state in done.stdout.split())


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Slurm that takes jobs."""
    if has_slurm():
        yield
        return
    folder = tmp_path_factory.mktemp("slurm")
    tool = [str(ROOT / "tools" / "slurm_one_node.sh")]
    missing = [name for name in ("slurmctld", "slurmd", "munged") if shutil.which(name) is None]
    why = f"not installed: {', '.join(missing)}" if missing else "" if os.geteuid() == 0 else "a node needs root"
    if not why:
        up = subprocess.run([*tool, "up", str(folder)], capture_output=True, text=True)
        why = up.stderr if up.returncode else ""
    if why:
        (pytest.fail if os.environ.get("HEVESY_REQUIRE_SLURM") == "1" else pytest.skip)(f"no Slurm here: {why}")
    former = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    yield
    if former is None:
        del os.environ["SLURM_CONF"]
    else:
        os.environ["SLURM_CONF"] = former
    subprocess.run([*tool, "down", str(folder)], check=True)


@pytest.fixture(scope="session")
def problem_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small block of water with an uneven source."""
    shape = (5, 5, 5)
    path = tmp_path_factory.mktemp("problem") / "water.npz"
    Problem(
        density_g_cm3=np.ones(shape, np.float32),
        material=np.zeros(shape, np.uint8),
        materials=(water(),),
        voxel_size_mm=(4.0, 4.0, 4.0),
        source=np.random.default_rng(3).random(shape, np.float32),
        emission=nuclide("I-131").emission,
    ).save(path)
    return path


@pytest.fixture(scope="session")
def undivided(problem_file: Path) -> Result:
    """The same decays in one run."""
    return simulate(Problem.load(problem_file), decays=DECAYS, seed=SEED, backend="cpu")


@pytest.fixture
def batch(slurm: None, problem_file: Path, tmp_path: Path) -> Iterator[Callable[..., Batch]]:
    """Make a batch: the number of shards, the name of its folder, whether transports are held; options of Slurm."""
    held = tmp_path / "held.py"
    held.write_text(HELD)
    batches = []

    def make(shards: int, *, name: str = "batch", hold: bool = False, **options: object) -> Batch:
        out = tmp_path / name
        plan_problem(problem_file, out, shards=shards, decays=DECAYS, seed=SEED, backend="cpu")
        write_manifest(out, read_manifest(out).model_copy(update={"executor": "slurm"}))
        command = (sys.executable, str(held)) if hold else (sys.executable, "-m", "hevesy")
        executor = executor_of("slurm", command=command, **options)
        assert isinstance(executor, Slurm)
        batches.append(Batch(out, executor))
        return batches[-1]

    yield make
    for each in batches:  # a test that failed leaves the queue as it was
        each.slurm.cancel(each.out, each.folders())
