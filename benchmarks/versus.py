"""Gain of a change of the kernels: commits compared batch by batch, on one machine in one run.

::

    python -m hevesy.benchmarks.versus COMMIT [COMMIT ...] [--problems "I-131 patient 4 mm,364.5 keV photons, 3 mm"]

Every commit is unpacked from git and runs in a process of its own, on one thread; the last is the working tree. They
take turns batch by batch, so that whatever else the machine does meets all of them alike. The gain is the median of the
ratios of neighbouring batches, in processor time of transport alone, over the first commit.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hevesy.benchmarks import cases, machine, peers, report
from hevesy.engine.transport.problem import Problem

ROOT = Path(__file__).resolve().parents[1]
#: a process of one commit: it prints the processor seconds of the batches it is asked for
WORKER = """
import sys, time
import numpy as np
from hevesy.engine.transport.options import PhysicsOptions
from hevesy.engine.transport.world import build_world
from hevesy.engine.transport.problem import Problem
from hevesy.kernels.backends import cpu
problem = Problem.load(sys.argv[1])
engine = cpu.Engine(build_world(problem, PhysicsOptions.from_dict(problem.physics)), 1, 1)
tally = np.zeros(problem.density_g_cm3.size, np.int64)
engine.run_batch(0, 100, tally)
print("ready", flush=True)
for line in sys.stdin:
    batch, histories = map(int, line.split())
    tally[:] = 0
    start = time.process_time()
    engine.run_batch(batch, histories, tally)
    print(time.process_time() - start, int(tally.sum()), flush=True)
"""


class Side:
    """One commit, or the working tree, on one problem."""

    def __init__(self, where: Path, problem: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(where)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(problem)], cwd=where, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a side ended before it answered; its error is above")
        return line

    def ready(self) -> None:
        """Wait until its kernels are compiled."""
        self._answer()

    def run(self, batch: int, histories: int) -> tuple[float, int]:
        """Processor seconds of a batch, and the energy it deposited [quanta]."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{batch} {histories}\n")
        self._process.stdin.flush()
        seconds, quanta = self._answer().split()
        return float(seconds), int(quanta)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def unpacked(commit: str, folder: Path) -> Path:
    """A commit's tree below ``folder``, as the package ``hevesy``; returns what goes on the path."""
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        # the filter came with a patch of Python 3.10
        tar.extractall(folder / "hevesy", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return folder


def named(name: str) -> Problem:
    """A problem of ``cases.py``, or one of those that ompmc runs as well."""
    for setup in peers.SPEED:
        if setup.name == name:
            return peers.problem(setup.particle, setup.energy_mev, setup.voxels, setup.voxel_cm)
    found = cases.load(name)
    if found is None:
        raise FileNotFoundError(f"no file of {name}")
    return found


def compare(name: str, trees: dict[str, Path], seconds: float, turns: int, folder: Path) -> dict[str, Any]:
    """Rates of all trees on one problem, and gains over the first."""
    file = folder / "problem.npz"
    named(name).save(file)
    sides = [Side(tree, file) for tree in trees.values()]
    try:
        for side in sides:
            side.ready()
        histories = max(100, int(20_000 * seconds / max(sides[0].run(0, 20_000)[0], 1e-6)))
        took = np.empty((turns, len(sides)))
        energy = np.empty((turns, len(sides)), np.int64)
        for turn in range(turns):
            for i, side in enumerate(sides):
                took[turn, i], energy[turn, i] = side.run(turn + 1, histories)
    finally:
        for side in sides:
            side.close()
    ratio = took[:, :1] / took
    return {
        "problem": name,
        "histories": histories,
        "turns": turns,
        "of": list(trees),
        "per_core_s": list(histories / np.median(took, axis=0)),
        "gain": list(np.median(ratio, axis=0)),
        # of a median: 1.25 times that of a mean
        "gain_error": list(1.25 * ratio.std(axis=0, ddof=1) / np.sqrt(turns)),
        "same_energy": [bool((energy[:, i] == energy[:, 0]).all()) for i in range(len(sides))],
    }


def tables(content: dict[str, Any]) -> str:
    """The comparison as a table."""
    rows = [
        (r["problem"], of, report.number(rate), f"{gain:.3f} ({error:.3f})" if i else "1", "yes" if same else "no")
        for r in content["rows"]
        for i, (of, rate, gain, error, same) in enumerate(
            zip(r["of"], r["per_core_s"], r["gain"], r["gain_error"], r["same_energy"], strict=True)
        )
    ]
    head = ("problem", "commit", "histories /s/core", "gain (s.e.)", "same energy to the quantum")
    return f"{report.heading(content)}\n\n{report.table(head, rows)}"


DEFAULT = ";".join([*(setup.name for setup in peers.SPEED), cases.HETEROGENEOUS, cases.MAIN, "Lu-177 patient 4 mm"])


def main(words: list[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("commits", nargs="+", help="what git calls them; the first is the measure")
    parser.add_argument("--problems", default=DEFAULT, help="names, with semicolons between them")
    parser.add_argument("--seconds", type=float, default=0.5, help="processor seconds of one batch")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("-o", "--output", type=Path, default=machine.RESULTS)
    given = parser.parse_args(words)
    content: dict[str, Any] = {"format": "hevesy-versus", "format_version": 1, **machine.provenance(), "rows": []}
    with tempfile.TemporaryDirectory() as place:
        trees = {c: unpacked(c, Path(place) / str(i)) for i, c in enumerate(given.commits)}
        # the checkout may have any name: a link gives the package its own
        tree = Path(place) / "tree"
        tree.mkdir()
        (tree / "hevesy").symlink_to(ROOT)
        trees["working tree"] = tree
        for name in given.problems.split(";"):
            content["rows"].append(compare(name, trees, given.seconds, given.turns, Path(place)))
    file = machine.write("versus", content, given.output)
    sys.stdout.write(tables(content) + f"\n\nwritten: {file.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
