"""Replace an output folder in processes that are killed at the n-th system call, for all n; then the next command.

Run as ``python -m hevesy.tests.unit.ground.killed FOLDER exchange|renames``; a process of its own because it forks, and
must have one thread. Prints one line of JSON: how many moments there were, and what was wrong.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from hevesy.engine import swap
from hevesy.engine.output_folder import replace_folder
from hevesy.engine.work_folder import working

MARK = "mark.txt"
#: Calls that change names or contents, as Python's audit announces them, each before it is done.
CALLS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "ctypes.dlopen", "fcntl.flock")


def write(out: Path, text: str) -> None:
    """One command: a folder of two files with the same text."""
    with replace_folder(out, MARK, "test") as part:
        (part / MARK).write_text(text)
        (part / "maps").mkdir()
        (part / "maps" / "other.txt").write_text(text)


def text_of(folder: Path) -> str | None:
    """The text of a whole folder, None where there is none."""
    if not folder.exists():
        return None
    texts = {(folder / MARK).read_text(), (folder / "maps" / "other.txt").read_text()}
    return texts.pop() if len(texts) == 1 else "mixed"


def killed_at(number: int, out: Path) -> bool:
    """Write in a child that kills itself before its n-th call; whether it was killed."""
    child = os.fork()
    if not child:
        left = number

        def before(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event in CALLS:
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(before)
        write(out, "new")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main() -> None:
    root, how = Path(sys.argv[1]), sys.argv[2]
    if how == "renames":
        swap.exchange = lambda one, other: False
    os.fsync = lambda descriptor: None  # the machine goes on: what was written is there
    write(root / "warm" / "up", "modules are loaded")
    wrong, number, missing = [], 0, 0
    while True:
        folder = root / str(number)
        out, previous = folder / "out", folder / "out.previous"
        for text in ("oldest", "old"):
            write(out, text)
        killed = killed_at(number, out)
        seen = text_of(out)
        missing += seen is None
        if seen not in (("old", "new") if how == "exchange" else ("old", "new", None)):
            wrong.append(f"{number}: {seen} after the kill")
        with working(out):  # the next command
            repaired, kept = text_of(out), text_of(previous)
            if (repaired, kept) not in (("old", "oldest"), ("new", "old")):
                wrong.append(f"{number}: {repaired} with {kept} before it, after the repair")
        write(out, "newest")
        if (text_of(out), text_of(previous)) != ("newest", repaired):
            wrong.append(f"{number}: {text_of(out)} with {text_of(previous)} before it, after another run")
        if left := [path.name for path in folder.iterdir() if path.name not in ("out", "out.previous")]:
            wrong.append(f"{number}: {left} left at the end")
        shutil.rmtree(folder)
        if not killed:
            break
        number += 1
    print(json.dumps({"moments": number, "missing": missing, "wrong": wrong}))


if __name__ == "__main__":
    main()
