"""The ground of the fault suite: small inputs, the commands under test, and what undisturbed runs give."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...engine.grid import Grid, write_image
from ...engine.nuclides.decay import nuclide
from ...engine.transport.problem import Problem
from ...phantoms.mixed import WATER
from ..result_hash import result_hashes

HERE = Path(__file__).resolve().parent
#: Longest time of a command, on a machine that does other things too [s]: one that does not end is killed.
LONGEST = 600.0
#: Decays of the problem and of each visit of the case: half a second of transport on two cores.
DECAYS = 600_000
GRID = Grid((20, 24, 24), (3.0, 3.0, 3.0), (-28.5, -34.5, -34.5))
BODY = (slice(2, 18), slice(3, 21), slice(3, 21))
#: The two lesions: voxels, name, and share of the administered activity per mL at 24 h and 96 h.
LESIONS = (
    ((slice(5, 9), slice(6, 10), slice(6, 10)), "left", (4e-4, 2.5e-4)),
    ((slice(11, 14), slice(12, 16), slice(13, 17)), "right", (1e-4, 4e-5)),
)
TRACER_MBQ = 74.0

CASE = f"""\
patient: F1
therapy: {{nuclide: I-131, activity: 7.4 GBq}}
tracer: {{nuclide: I-124, activity: {TRACER_MBQ:g} MBq}}
weight: 75 kg
visits:
  - name: baseline
    scans: [{{pet: pet_24.nii.gz, ct: ct.nii.gz, after: 24 h}}, {{pet: pet_96.nii.gz, ct: ct.nii.gz, after: 96 h}}]
    lesions: lesions.nii.gz
  - name: week 6
    scans: [{{pet: pet_24.nii.gz, ct: ct.nii.gz, after: 24 h}}]
    lesions: lesions.nii.gz
transport: {{decays: {DECAYS}, until: null, seed: 5}}
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Parameters
    ----------
    words
        The command.
    code
        Exit status; negative: the signal that ended it.
    out, err
        What it printed.
    seconds
        How long it took [s].
    worked_s
        Processor time that it took, with all that it has started [s].
    """

    words: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float
    worked_s: float = 0.0

    @property
    def said(self) -> str:
        """All that it printed."""
        return self.out + self.err

    @property
    def ugly(self) -> str:
        """Why a user could not live with this end; empty when it is as documented."""
        if "Traceback (most recent call last)" in self.said or "an error of hevesy itself" in self.said:
            return "a traceback"
        if self.code not in (0, 1, 2, 3):
            return f"exit code {self.code}"
        if self.code and not self.err.strip():
            return "not a word"
        return ""


@dataclass
class Ground:
    """A folder with inputs, and the way to run commands on them.

    Parameters
    ----------
    root
        The folder; what a case of the suite leaves lies in folders of their own in it.
    environment
        Variables beyond this process's own.
    """

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.inputs = self.root / "inputs"
        self.problem, self.case = self.inputs / "problem.npz", self.inputs / "case.yaml"
        if not self.case.exists():
            write_inputs(self.inputs)

    def fresh(self, name: str) -> Path:
        """An empty folder for one case of the suite."""
        folder = self.root / name.replace(" ", "_").replace("/", "_")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def start(
        self, words: Sequence[str], *, before: Callable[[], None] | None = None, cwd: Path | None = None, **more: str
    ) -> subprocess.Popen[str]:
        """Start ``hevesy`` with these words, in a session of its own.

        Parameters
        ----------
        words
            Sub-command and its arguments.
        before
            Called in the child before hevesy starts: limits of memory and the like.
        cwd
            Where it is started; the root of the ground by default.
        more
            Further environment variables.
        """
        return subprocess.Popen(
            [sys.executable, "-m", "hevesy", *words],
            cwd=cwd or self.root, env=os.environ | self.environment | more, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, preexec_fn=before,
        )  # fmt: skip

    def run(self, words: Sequence[str], *, before: Callable[[], None] | None = None, **more: str) -> Ended:
        """Run ``hevesy`` with these words to its end."""
        begun, before_s = time.monotonic(), _children_s()
        end = ended(self.start(words, before=before, **more), words, begun)
        return replace(end, worked_s=_children_s() - before_s)


def _children_s() -> float:
    """Processor time of what this process has started and waited for [s]."""
    used = os.times()
    return used.children_user + used.children_system


def ended(process: subprocess.Popen[str], words: Sequence[str], begun: float, longest: float = LONGEST) -> Ended:
    """How a started command ended; one that does not is killed with all that it started, and has the code -9."""
    try:
        out, err = process.communicate(timeout=longest)
    except subprocess.TimeoutExpired:
        kill_group(process)
        out, err = process.communicate()
        err += f"\nno end after {longest:g} s"
    return Ended(tuple(words), process.returncode, out, err, time.monotonic() - begun)


def kill_group(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    """Send a signal to a command and to all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


@dataclass(frozen=True)
class Work:
    """A command under test.

    Parameters
    ----------
    name
        What it is called here.
    words
        Its arguments, given the output path.
    again
        The arguments that go on after a fault.
    results
        Result files of a finished command, relative to the output path.
    out
        Name of the output in a folder.
    """

    name: str
    words: Callable[[Ground, Path], list[str]]
    again: Callable[[Ground, Path], list[str]]
    results: tuple[str, ...]
    out: str

    def hashes(self, out: Path) -> dict[str, str]:
        """Hash of the integers of every result file; those that are missing are left out."""
        files = {name: out / name if name else out for name in self.results}
        return {name: result_hashes(file)[0] for name, file in files.items() if file.is_file()}


#: Several checkpoints in that time.
QUICK = ["--checkpoint", "0.05 s", "--quiet"]


def _simulate(ground: Ground, out: Path) -> list[str]:
    return ["simulate", str(ground.problem), "-o", str(out), "--decays", f"{DECAYS}", "--seed", "5", *QUICK]


def _run(ground: Ground, out: Path) -> list[str]:
    return ["run", str(ground.case), "--out", str(out), *QUICK]


def _batch(ground: Ground, out: Path) -> list[str]:
    words = ["batch", str(ground.problem), "--out", str(out), "--decays", f"{DECAYS}", "--seed", "5", "--shards", "3"]
    return [*words, "--executor", "processes", "--workers", "2", *QUICK]


def _cases(ground: Ground, out: Path) -> list[str]:
    words = ["batch", str(ground.case), "--out", str(out), "--shards", "2", "--executor", "processes"]
    return [*words, "--workers", "2", *QUICK]


SIMULATE = Work("simulate", _simulate, lambda g, o: [*_simulate(g, o), "--resume"], ("",), "result.h5")
RUN = Work("run", _run, lambda g, o: [*_run(g, o), "--resume"], ("baseline/result.h5", "week_6/result.h5"), "run")
BATCH = Work("batch", _batch, _batch, ("result.h5",), "batch")
CASES = Work("batch of cases", _cases, _cases, ("F1/baseline/result.h5", "F1/week_6/result.h5"), "cases")
WORKS = (SIMULATE, RUN, BATCH, CASES)


def write_inputs(folder: Path) -> None:
    """Write a problem and a case of two visits: a block of water in air with two hot cubes."""
    folder.mkdir(parents=True, exist_ok=True)
    hu = np.full(GRID.shape, -1000.0, np.float32)
    hu[BODY] = 20.0
    write_image(folder / "ct.nii.gz", GRID, hu)
    labels = np.zeros(GRID.shape, np.uint8)
    images = {hours: np.zeros(GRID.shape, np.float32) for hours in (24, 96)}
    rate = nuclide("I-124").decay_constant_per_h
    for number, (where, _, shares) in enumerate(LESIONS, 1):
        labels[where] = number
        for (hours, image), share in zip(images.items(), shares, strict=True):
            image[where] = share * TRACER_MBQ * 1e6 * math.exp(-rate * hours)
    write_image(folder / "lesions.nii.gz", GRID, labels)
    names = ", ".join(f'"{number}": {{"name": "{name}"}}' for number, (_, name, _) in enumerate(LESIONS, 1))
    (folder / "lesions.json").write_text(f"{{{names}}}")
    for hours, image in images.items():
        write_image(folder / f"pet_{hours}.nii.gz", GRID, image)
    (folder / "case.yaml").write_text(CASE)
    water(labels).save(folder / "problem.npz")


def water(labels: np.ndarray) -> Problem:
    """The lesions as 131I in a block of water."""
    density = np.full(GRID.shape, 0.0012, np.float32)
    density[BODY] = 1.0
    return Problem(
        density_g_cm3=density, material=np.zeros(GRID.shape, np.uint8), materials=(WATER,),
        voxel_size_mm=GRID.spacing_mm, source=(labels > 0).astype(np.float32), emission=nuclide("I-131").emission,
        regions=labels, region_names=tuple(name for _, name, _ in LESIONS),
    )  # fmt: skip
