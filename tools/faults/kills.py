"""Kills and signals at random moments: what was finished stays, and the next command ends with the same integers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .ground import BATCH, CASES, HERE, LONGEST, RUN, SIMULATE, WORKS, Work, ended, kill_group
from .suite import Findings, Suite, case

#: Random moments in the long and in the short form, over all works together.
MOMENTS, FEW_MOMENTS = 50, 6
#: What a command may work or wait after a signal that asks for its end [s]: a second or two on a free machine. Workers
#: without a parent are awaited.
PATIENCE, AWAITED = 20.0, 120.0
#: How often it is looked whether a command works or waits [s].
LOOK_S = 0.2


@case("kill -9 at random moments")
def killed(suite: Suite, found: Findings) -> None:
    """SIGKILL to the command and all that it started, beside an earlier result under the same name."""
    moments = FEW_MOMENTS if suite.short else MOMENTS
    dice = suite.random("kill")
    for number in range(moments):
        work = WORKS[number % len(WORKS)]
        _, seconds = suite.undisturbed(work)
        folder = suite.ground.fresh(f"kill {number} {work.name}")
        out = folder / work.out
        begun = time.monotonic()
        process = suite.ground.start(words := work.words(suite.ground, out))
        wait(process, dice.uniform(0.0, 1.1) * seconds)
        kill_group(process)
        ended(process, words, begun)
        # where it was done by then, the next command keeps what it has left as earlier results
        kept = {f"{work.out}.previous"} if len(work.hashes(out)) == len(work.results) else set()
        go_on(suite, found, work, out, f"killed after {time.monotonic() - begun:.2f} s")
        found.clean(folder, {work.out, *kept}, f"{work.name}, killed")


@case("kill -9 after a checkpoint")
def killed_after_a_checkpoint(suite: Suite, found: Findings) -> None:
    """SIGKILL as soon as there is a checkpoint: the next command goes on from it, each job of a batch too."""
    for work in (SIMULATE, RUN, BATCH):
        suite.undisturbed(work)
        out = suite.ground.fresh(f"checkpoint {work.name}") / work.out
        begun = time.monotonic()
        process = suite.ground.start(words := work.words(suite.ground, out))
        while process.poll() is None and not checkpoints(out):
            time.sleep(0.005)
        kill_group(process)
        ended(process, words, begun)
        if work is BATCH:
            for file in checkpoints(out):
                whole = (file.parent / "result.h5").exists()  # killed before its checkpoint was removed
                end = found.told(suite.ground.run(["job", str(file.parent), "--verbose"]), 0)
                if not whole and "resuming" not in end.said:
                    found.lost.append(f"{file.parent.name}: there was a checkpoint, and the job began again")
        go_on(suite, found, work, out, "killed after a checkpoint")


@case("kill -9 at calls to the file system")
def killed_at_calls(suite: Suite, found: Findings) -> None:
    """SIGKILL before a call that makes, renames or removes a file of the output: old or new is under its name."""
    for work in (SIMULATE, RUN):
        new, _ = suite.undisturbed(work)
        folder = suite.ground.fresh(f"calls {work.name}")
        out, count = folder / work.out, folder.with_name(f"count of {work.name}")
        found.told(suite.ground.run(_other_seed(work.words(suite.ground, out))), 0)
        old = work.hashes(out)
        watched = {"PYTHONPATH": inside(), "HEVESY_TEST_CALLS": str(folder), "HEVESY_TEST_COUNT": str(count)}
        copy = folder / "copy"
        shutil.copytree(out, copy) if out.is_dir() else shutil.copyfile(out, copy)
        found.told(suite.ground.run(work.words(suite.ground, copy), **watched), 0)
        calls = int(count.read_text())
        moments = 4 if suite.short else min(calls, 60)
        for number in range(1, moments + 1):
            kill_at = str(max(1, calls - (moments - number) * calls // (2 * moments)))
            suite.ground.run(work.words(suite.ground, out), HEVESY_TEST_KILL=kill_at, **watched)
            found.tried += 1
            if work.hashes(out) not in (old, new):
                found.lost.append(f"{work.name}: killed at call {kill_at} of {calls}: neither old nor new is there")
        found.told(suite.ground.run(work.words(suite.ground, out)), 0)
        found.whole(work, out, new, "run to its end after kills at calls")


def inside() -> str:
    """PYTHONPATH by which the processes of a command get a wrong clock, or are killed at a call."""
    return os.pathsep.join(filter(None, [str(HERE / "inside"), os.environ.get("PYTHONPATH", "")]))


@case("kill -9 beside an earlier result")
def killed_at_the_swap(suite: Suite, found: Findings) -> None:
    """While results are written over earlier ones: the old or the new one is under the name at every moment."""
    dice = suite.random("swap")
    for work in (SIMULATE, RUN):
        new, seconds = suite.undisturbed(work)
        folder = suite.ground.fresh(f"swap {work.name}")
        out = folder / work.out
        found.told(suite.ground.run(_other_seed(work.words(suite.ground, out))), 0)
        old = work.hashes(out)
        for _ in range(2 if suite.short else 10):
            begun = time.monotonic()
            process = suite.ground.start(words := work.words(suite.ground, out))
            wait(process, dice.uniform(0.6, 1.1) * seconds)
            kill_group(process)
            ended(process, words, begun)
            found.tried += 1
            if work.hashes(out) not in (old, new):
                found.lost.append(f"{work.name}: after a kill neither the earlier nor the new result is under its name")
        found.told(suite.ground.run(work.words(suite.ground, out)), 0)
        found.whole(work, out, new, "run to its end after kills")


@case("signals that ask for an end")
def signalled(suite: Suite, found: Findings) -> None:
    """Ctrl-C, SIGTERM and SIGHUP: documented exit codes, and the same integers after going on."""
    dice = suite.random("signals")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        for work in (RUN, BATCH) if suite.short else WORKS:
            _, seconds = suite.undisturbed(work)
            out = suite.ground.fresh(f"{number.name} {work.name}") / work.out
            begun = time.monotonic()
            process = suite.ground.start(words := work.words(suite.ground, out))
            wait(process, dice.uniform(0.3, 0.9) * seconds)
            if process.poll() is None:
                process.send_signal(number)
            took = own_time(process)
            end = found.told(ended(process, words, begun), 0, 3)
            if took > suite.patience(PATIENCE):
                found.untold.append(f"{work.name}: {took:.1f} s from {number.name} to its end")
            go_on(suite, found, work, out, f"{number.name}, which it ended with {end.code}")


@case("two signals", long=True)
def signalled_twice(suite: Suite, found: Findings) -> None:
    """A second Ctrl-C ends at once, and costs no more than the work since the last checkpoint."""
    for work in WORKS:
        _, seconds = suite.undisturbed(work)
        out = suite.ground.fresh(f"twice {work.name}") / work.out
        begun = time.monotonic()
        process = suite.ground.start(words := work.words(suite.ground, out))
        wait(process, 0.6 * seconds)
        for _ in range(2):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        found.told(ended(process, words, begun), 0, 3)
        go_on(suite, found, work, out, "two signals")


@case("a worker is killed")
def worker_killed(suite: Suite, found: Findings) -> None:
    """SIGKILL to one process of a batch: the batch ends whole, now or when its command is repeated."""
    for work in (BATCH,) if suite.short else (BATCH, CASES):
        expected, _ = suite.undisturbed(work)
        out = suite.ground.fresh(f"worker {work.name}") / work.out
        begun = time.monotonic()
        process = suite.ground.start(words := work.words(suite.ground, out))
        worker = _running_worker(process, out)
        with contextlib.suppress(ProcessLookupError):  # it may have ended meanwhile, with its command
            if worker:
                os.kill(worker, signal.SIGKILL)
                found.tried += 1
        end = found.told(ended(process, words, begun), 0, 1, 3)
        if end.code == 0:
            found.whole(work, out, expected, "a worker was killed")
        go_on(suite, found, work, out, "a worker was killed")


@case("workers end with their parent")
def parent_killed(suite: Suite, found: Findings) -> None:
    """SIGKILL to the command alone: its workers stop, and the next command finds nobody at work."""
    _, _ = suite.undisturbed(BATCH)
    out = suite.ground.fresh("parent") / BATCH.out
    process = suite.ground.start(words := BATCH.words(suite.ground, out))
    begun = time.monotonic()
    _running_worker(process, out)
    children = descendants(process.pid)
    process.kill()
    found.tried += 1
    deadline = time.monotonic() + (patience := suite.patience(AWAITED))
    while (alive := [pid for pid in children if _alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    if alive:
        found.untold.append(f"batch: {len(alive)} workers are alive {patience:.0f} s after their parent's end")
    kill_group(process)
    ended(process, words, begun)
    go_on(suite, found, BATCH, out, "its parent was killed")


def go_on(suite: Suite, found: Findings, work: Work, out: Path, after: str) -> None:
    """Run the command that goes on, and compare its integers with those of the undisturbed run."""
    expected, _ = suite.undisturbed(work)
    found.tried += 1
    had = checkpoints(out) and work.hashes(out) != expected  # else killed before its checkpoint was removed
    end = found.told(suite.ground.run([*work.again(suite.ground, out), "--verbose"]), 0)
    if had and work in (SIMULATE, RUN) and "resuming" not in end.said:
        found.lost.append(f"{work.name}, {after}: there was a checkpoint, and the run began again")
    found.whole(work, out, expected, after)


def checkpoints(out: Path) -> list[Path]:
    """Checkpoints that a command has left beside or in its output."""
    files: list[Path] = []
    for folder, pattern in ((out.parent, f".{out.name}.work/*.npz"), (out, "jobs/*/checkpoint.npz")):
        with contextlib.suppress(OSError):  # a folder that goes meanwhile
            files += [file for file in folder.glob(pattern) if not file.name.startswith(".")]  # these are not whole yet
    return files


def wait(process: subprocess.Popen[str], seconds: float) -> None:
    """Let a command run for a time, or until it ends."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def own_time(process: subprocess.Popen[str], longest: float = LONGEST) -> float:
    """How long a command, with all that it has started, worked or waited until it ended [s].

    Time in which it would have worked and the machine did something else does not count.
    """
    begun, spent, before = time.monotonic(), 0.0, {}
    while process.poll() is None and time.monotonic() - begun < longest:
        time.sleep(LOOK_S)
        states, now = _at_work([process.pid, *descendants(process.pid)])
        spent += sum(max(seconds - before.get(pid, seconds), 0.0) for pid, seconds in now.items())
        if not states & {"R", "D"}:
            spent += LOOK_S
        before = now
    return spent


def _at_work(pids: list[int]) -> tuple[set[str], dict[int, float]]:
    """States of the threads of processes, and the processor time of each process so far [s]; Linux only."""
    states, used = set(), {}
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):  # one that ends meanwhile
            for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
                states.add(stat.read_text().rpartition(")")[2].split()[0])
            ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            used[pid] = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return states, used


def _other_seed(words: list[str]) -> list[str]:
    """The same command with another seed."""
    if "--seed" in words:
        at = words.index("--seed") + 1
        return [*words[:at], "6", *words[at + 1 :]]
    return [*words, "--seed", "6"]


def _running_worker(process: subprocess.Popen[str], out: Path) -> int:
    """Process of a job that runs, 0 when the command ended before one did."""
    from ...engine.batch.status import read_status

    while process.poll() is None:
        for file in sorted(out.glob("jobs/*/status.json")):
            try:
                status = read_status(file.parent)
            except Exception:  # being written
                continue
            if status.state == "running" and status.pid != process.pid and _alive(status.pid):
                return status.pid
        time.sleep(0.02)
    return 0


def descendants(pid: int) -> list[int]:
    """Processes that a process has started, and that these have; Linux only, elsewhere none."""
    children: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == pid:
            child = int(stat.parent.name)
            children += [child, *descendants(child)]
    return children


def _alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
