"""Disks and folders that fail: full, read-only, gone, in the way; files of others, which nobody may touch."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .ground import BATCH, RUN, SIMULATE, WORKS, Work, ended
from .kills import go_on
from .suite import Findings, Skipped, Suite, case

#: Sizes of the small disk [kB], between nothing and what the outputs take.
SIZES = (16, 64, 256, 512, 1024, 1536)


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of its own with little space, in memory.

    Raises
    ------
    Skipped
        This process may not mount one.
    """
    place = folder / "disk"
    place.mkdir(exist_ok=True)
    if mount(place, f"size={kilobytes}k", new=True):
        raise Skipped("no file system can be mounted here (needs root)")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def mount(place: Path, options: str, *, new: bool = False) -> int:
    """Mount a file system in memory, or change the options of one; returns the exit status of ``mount``."""
    if shutil.which("mount") is None:
        return 1
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    words = words if new else ["mount", "-o", f"remount,{options}", str(place)]
    return subprocess.run(words, check=False, capture_output=True).returncode


@case("disk full")
def disk_full(suite: Suite, found: Findings) -> None:
    """The disk of the output has no space: told, nothing half-written, and whole once there is space."""
    for work in (SIMULATE, RUN, BATCH) if suite.short else WORKS:
        expected, _ = suite.undisturbed(work)
        for size in SIZES[2:4] if suite.short else SIZES:
            folder = suite.ground.fresh(f"full {size} {work.name}")
            with small_disk(folder, size) as disk:
                out = disk / work.out
                end = found.told(suite.ground.run(work.words(suite.ground, out)))
                found.tried += 1
                if end.code == 0:
                    found.whole(work, out, expected, f"{size} kB of disk were enough")
                elif "space" not in end.said:
                    found.untold.append(f"{work.name}: {size} kB of disk: no word of space: {end.said.strip()[-300:]}")
                for name, value in work.hashes(out).items():
                    if value != expected[name]:
                        found.wrong.append(f"{work.name}: {size} kB of disk: {name or out.name} is not whole")
                mount(disk, "size=200m")
                go_on(suite, found, work, out, f"{size} kB of disk, then more")


@case("disk read-only")
def read_only(suite: Suite, found: Findings) -> None:
    """The file system becomes read-only before the command, or while it runs."""
    for work in (SIMULATE, RUN) if suite.short else WORKS:
        _, seconds = suite.undisturbed(work)
        for moment in (0.0, 0.6):
            folder = suite.ground.fresh(f"read-only {moment} {work.name}")
            with small_disk(folder, 200_000) as disk:
                out, begun = disk / work.out, time.monotonic()
                if not moment:
                    mount(disk, "ro")
                process = suite.ground.start(words := work.words(suite.ground, out))
                if moment:
                    try:
                        process.wait(moment * seconds)
                    except subprocess.TimeoutExpired:
                        mount(disk, "ro")
                found.told(ended(process, words, begun), 0, 2, 3, 1)
                mount(disk, "rw")
                go_on(suite, found, work, out, "a read-only disk, then not")


@case("folder deleted under the run")
def folder_deleted(suite: Suite, found: Findings) -> None:
    """The folder that holds the output, with all in it, is deleted while the command runs."""
    for work in (RUN, BATCH) if suite.short else WORKS:
        _, seconds = suite.undisturbed(work)
        folder = suite.ground.fresh(f"deleted {work.name}") / "inner"
        folder.mkdir()
        begun = time.monotonic()
        process = suite.ground.start(words := work.words(suite.ground, folder / work.out))
        try:
            process.wait(0.6 * seconds)
        except subprocess.TimeoutExpired:
            shutil.rmtree(folder, ignore_errors=True)
        found.told(ended(process, words, begun))
        shutil.rmtree(folder, ignore_errors=True)  # what the command put there while the rest was being deleted
        folder.mkdir()
        go_on(suite, found, work, folder / work.out, "its folder was deleted")


@case("outputs that cannot be")
def no_place(suite: Suite, found: Findings) -> None:
    """A file where a folder should be, a dangling link, a name that is too long: refused before the transport."""
    for work in WORKS:
        folder = suite.ground.fresh(f"places {work.name}")
        (folder / "file").write_text("mine")
        (folder / "dangling").symlink_to(folder / "nowhere" / "at all")
        for out in (folder / "file" / work.out, folder / ("n" * 256), folder / "file", folder / "dangling"):
            end = found.told(suite.ground.run(work.words(suite.ground, out)), 2)
            found.tried += 1
            if (folder / "file").read_text() != "mine":
                found.lost.append(f"{work.name} -> {out.name[:20]}: a file of somebody else was overwritten")
            if end.worked_s > suite.patience(LONGEST_REFUSAL):
                found.untold.append(f"{work.name} -> {out.name[:20]}: refused after {end.worked_s:.1f} s of work")


#: Most processor time to a refusal, which comes before the transport [s]: a second or two on a free machine.
LONGEST_REFUSAL = 30.0


@case("files of others")
def files_of_others(suite: Suite, found: Findings) -> None:
    """A user's file in a results folder, a ``.previous`` of somebody else, the problem as output: all stay."""
    out = suite.ground.fresh("foreign run") / RUN.out
    words = RUN.words(suite.ground, out)
    found.told(suite.ground.run(words), 0)
    (out / "my notes.txt").write_text("mine")
    (out.parent / f"{RUN.out}.previous").mkdir()
    (out.parent / f"{RUN.out}.previous" / "other.txt").write_text("also mine")
    for _ in range(3):
        found.told(suite.ground.run(words))
        found.tried += 1
        texts = [file.read_text() for file in out.parent.rglob("*.txt") if file.name in ("my notes.txt", "other.txt")]
        if sorted(texts) != ["also mine", "mine"]:
            found.lost.append(f"run: files of the user are gone: {texts} is left")
    for name in ("file", "link"):
        out = suite.ground.fresh(f"previous {name}") / RUN.out
        found.told(suite.ground.run(RUN.words(suite.ground, out)), 0)
        former = out.with_name(f"{out.name}.previous")
        former.write_text("mine") if name == "file" else former.symlink_to(suite.ground.inputs)
        found.told(suite.ground.run(RUN.words(suite.ground, out)))
        found.tried += 1
        if not os.path.lexists(former) or not suite.ground.case.exists():
            found.lost.append(f"run: a {name} called {former.name} is gone")
    _foreign_output(suite, found, SIMULATE)


def _foreign_output(suite: Suite, found: Findings, work: Work) -> None:
    """The problem itself, and a file that is no result, as the output."""
    folder = suite.ground.fresh("foreign output")
    problem, text = folder / "problem.npz", folder / "thesis.txt"
    shutil.copyfile(suite.ground.problem, problem)
    text.write_text("mine")
    content = problem.read_bytes()
    for out in (problem, text):
        words = [str(problem) if word == str(suite.ground.problem) else word for word in work.words(suite.ground, out)]
        found.told(suite.ground.run(words), 2)
        found.tried += 1
    if problem.read_bytes() != content or text.read_text() != "mine":
        found.lost.append("simulate: -o has overwritten a file that hevesy did not write")
