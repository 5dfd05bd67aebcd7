"""What goes wrong around a run: two at a time, clocks, memory, homes, schedulers, inputs that change."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import time
from pathlib import Path

import numpy as np

from ...engine.transport.problem import Problem
from .ground import BATCH, CASES, DECAYS, RUN, SIMULATE, WORKS, Ended, ended, kill_group
from .kills import checkpoints, go_on, inside, wait
from .suite import Findings, Suite, case

#: Shares of a command's usual time at which it is interrupted, until it was not done by then.
LATE = (0.8, 0.65, 0.5, 0.4, 0.3, 0.2)


@case("two runs in one folder")
def two_at_a_time(suite: Suite, found: Findings) -> None:
    """The second is refused and says who is there; the first ends as if alone."""
    for work in WORKS:
        expected, _ = suite.undisturbed(work)
        out = suite.ground.fresh(f"two {work.name}") / work.out
        begun = time.monotonic()
        process = suite.ground.start(words := work.words(suite.ground, out))
        locks = [out.parent / f".{out.name}.work" / "lock", out / "lock", *out.glob("jobs/*/lock")]
        while process.poll() is None and not any(map(_says_who_has_it, locks)):
            time.sleep(0.02)
        kill_group(process, signal.SIGSTOP)  # it cannot end before the second one has looked
        held = process.poll() is None and any(map(_says_who_has_it, locks))
        second = suite.ground.run(words)
        kill_group(process, signal.SIGCONT)
        found.told(ended(process, words, begun), 0)
        found.tried += 1
        if held and second.code == 0:
            found.wrong.append(f"{work.name}: two commands wrote one folder at a time")
        found.told(second, 0, 2)
        found.whole(work, out, expected, "a second command wanted its folder")


def _says_who_has_it(lock: Path) -> bool:
    """Whether somebody has a lock file: it is made before it is locked, and written to afterwards."""
    try:
        return lock.stat().st_size > 0
    except OSError:
        return False


@case("the clock jumps")
def clock_jumps(suite: Suite, found: Findings) -> None:
    """The wall clock jumps by years, back and forth, while a run goes on."""
    for work in (RUN,) if suite.short else WORKS:
        expected, _ = suite.undisturbed(work)
        out = suite.ground.fresh(f"clock {work.name}") / work.out
        found.told(suite.ground.run(work.words(suite.ground, out), PYTHONPATH=inside(), HEVESY_TEST_CLOCK="jump"), 0)
        found.tried += 1
        found.whole(work, out, expected, "the clock jumped")


@case("out of memory")
def out_of_memory(suite: Suite, found: Findings) -> None:
    """Less address space than a run needs: told, and whole when there is enough again."""
    for work in (SIMULATE, RUN) if suite.short else WORKS:
        for gigabytes in (0.6,) if suite.short else (0.4, 0.6, 0.8, 1.0, 1.4):
            out = suite.ground.fresh(f"memory {gigabytes} {work.name}") / work.out

            def limit(most: int = int(gigabytes * 2**30)) -> None:
                resource.setrlimit(resource.RLIMIT_AS, (most, most))

            end = suite.ground.run(work.words(suite.ground, out), before=limit)
            # an interpreter that cannot even load its libraries ends as it will; nothing may be left that is wrong
            if "import" not in end.said and end.code >= 0:
                found.told(end)
            go_on(suite, found, work, out, f"{gigabytes:g} GB of memory")


@case("no home, no cache")
def no_home(suite: Suite, found: Findings) -> None:
    """HOME that is not there, a cache that is a file: the run goes on with one line, in its usual time."""
    expected, _ = suite.undisturbed(SIMULATE)
    folder = suite.ground.fresh("home")
    (folder / "file").write_text("mine")
    places = {"HEVESY_CACHE": str(folder / "file" / "below")} if suite.short else {}
    for name, value in (places or {"HOME": str(folder / "none"), "HEVESY_CACHE": str(folder / "file")}).items():
        out = suite.ground.fresh(f"home {name}") / SIMULATE.out
        found.told(suite.ground.run(SIMULATE.words(suite.ground, out), **{name: value}), 0, 2)
        found.tried += 1
        if out.exists():
            found.whole(SIMULATE, out, expected, f"{name} is no folder")


@case("scheduler unreachable")
def no_scheduler(suite: Suite, found: Findings) -> None:
    """No Slurm, a Slurm that does not answer, a Dask scheduler that nobody is: told; the jobs stay, and run here."""
    fake = suite.ground.fresh("fake bin")
    for program in ("sbatch", "squeue", "scontrol", "scancel", "sacct", "sinfo"):
        text = f"#!/bin/sh\necho '{program}: error: Unable to contact slurm controller (connect failure)' >&2\nexit 1\n"
        (fake / program).write_text(text)
        (fake / program).chmod(0o755)
    empty = suite.ground.fresh("empty bin")
    ways = {
        "slurm that does not answer": (["--executor", "slurm"], {"PATH": f"{fake}{os.pathsep}{os.environ['PATH']}"}),
        "no slurm": (["--executor", "slurm"], {"PATH": str(empty)}),
        "no dask scheduler": (["--executor", "dask", "--scheduler", "tcp://127.0.0.1:9"], {}),
    }
    for name, (words, environment) in ways.items():
        out = suite.ground.fresh(name) / BATCH.out
        usual = BATCH.words(suite.ground, out)
        at = usual.index("--executor")
        end = suite.ground.run([*usual[:at], *usual[at + 4 :], *words], **environment)
        found.told(end, 2)
        if "fake" in str(environment) and "Unable to contact" not in end.said:
            found.untold.append(f"{name}: not in the scheduler's own words")
        go_on(suite, found, BATCH, out, name)


@case("an input changes")
def input_changes(suite: Suite, found: Findings) -> None:
    """The problem or an image is another one when a stopped run or batch goes on: refused by name, never mixed."""
    folder = suite.ground.fresh("changes")
    inputs = folder / "inputs"
    shutil.copytree(suite.ground.inputs, inputs)
    other = Problem.load(inputs / "problem.npz")
    for work in (SIMULATE, RUN, CASES, BATCH):
        expected, seconds = suite.undisturbed(work)
        out = folder / work.out
        words, again = ([_moved(word, suite.ground.inputs, inputs) for word in call(suite.ground, out)]
                        for call in (work.words, work.again))  # fmt: skip
        if not _stopped(suite, words, out, seconds):
            found.untold.append(f"{work.name}: it ended each time before it could be stopped: nothing was tried")
            continue
        moved = np.roll(other.source, 3, axis=2)
        Problem(**{**vars(other), "source": moved}).save(inputs / "problem.npz")
        shutil.copyfile(inputs / "pet_96.nii.gz", inputs / "pet_24.nii.gz")
        end = suite.ground.run(again)
        found.told(end, 0, 1, 2)
        found.tried += 1
        kept = [name for name, value in work.hashes(out).items() if value == expected[name]]
        if end.code == 0 and kept:
            found.wrong.append(f"{work.name}: an input changed, and {kept} is still that of the former input")
        shutil.rmtree(inputs)
        shutil.copytree(suite.ground.inputs, inputs)


def _stopped(suite: Suite, words: list[str], out: Path, seconds: float) -> bool:
    """Whether a new command was interrupted before it was done: after a part of its time, else at a checkpoint."""
    for part in (*LATE, None):
        end = _interrupted(suite, words, out, None if part is None else part * seconds)
        if end.code == 3:
            return True
        seconds = min(seconds, end.seconds)  # the machine may do more than when it was timed
    return False


def _interrupted(suite: Suite, words: list[str], out: Path, after: float | None) -> Ended:
    """How a new command ended that was interrupted after a time, or as soon as it had a checkpoint."""
    shutil.rmtree(out, ignore_errors=True)
    out.unlink(missing_ok=True)
    begun = time.monotonic()
    process = suite.ground.start(words)
    if after is not None:
        wait(process, after)
    while after is None and process.poll() is None and not checkpoints(out):
        time.sleep(0.005)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    return ended(process, words, begun)


def _moved(word: str, former: Path, now: Path) -> str:
    return word.replace(str(former), str(now))


@case("regions move between stop and resume")
def regions_move(suite: Suite, found: Findings) -> None:
    """Other regions in the problem of a stopped run: their sums must not be mixed."""
    folder = suite.ground.fresh("regions")
    problem = Problem.load(suite.ground.problem)
    file, out = folder / "problem.npz", folder / SIMULATE.out
    problem.save(file)
    words = ["simulate", str(file), "-o", str(out), "--seed", "5", "--quiet"]
    found.told(suite.ground.run([*words, "--decays", str(DECAYS // 2)]), 0)
    assert problem.regions is not None
    Problem(**{**vars(problem), "regions": np.roll(problem.regions, 2, axis=2)}).save(file)
    end = found.told(suite.ground.run([*words, "--decays", str(DECAYS), "--resume"]), 0, 2)
    found.tried += 1
    if end.code == 0:
        found.wrong.append("simulate --resume: sums of two sets of regions were added")


@case("numbers beyond all measure")
def too_many(suite: Suite, found: Findings) -> None:
    """1e18 and 1e30 decays: refused, or the time told, before the first one."""
    for decays in ("1e18", "1e30"):
        out = suite.ground.fresh(f"decays {decays}") / SIMULATE.out
        words = ["simulate", str(suite.ground.problem), "-o", str(out), "--decays", decays]
        process = suite.ground.start(words)
        end = found.told(ended(process, words, time.monotonic()))
        found.tried += 1
        if end.code == 0 or not any(word in end.said for word in ("year", "day", "decays")):
            found.untold.append(f"simulate --decays {decays}: no word of how long it takes: {end.said.strip()[-200:]}")
