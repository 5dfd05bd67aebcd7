"""A signal at any line on the way into an output: nothing is left, and what was there stays."""

from __future__ import annotations

import itertools
import signal
import sys
from collections.abc import Callable
from linecache import getline
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hevesy.engine import lock, output_folder, work_folder
from hevesy.engine.lock import locked
from hevesy.engine.output_folder import replace_folder

WATCHED = {module.__file__ for module in (lock, output_folder, work_folder)}


class Signal:
    """Ctrl-C at one line of the modules that are watched, counted from the start; `sent` says whether it came to that.

    Parameters
    ----------
    line
        Which line.
    """

    def __init__(self, line: int) -> None:
        self.lines, self.sent = itertools.count(), False
        self.line = line

    def __call__(self, frame: FrameType, event: str, _: Any) -> Callable | None:
        if frame.f_code.co_filename not in WATCHED:
            return None
        if event != "line" or getline(frame.f_code.co_filename, frame.f_lineno).strip() == "try:":
            return self  # no signal is heard in a line that does nothing
        if next(self.lines) == self.line:
            self.sent = True
            signal.raise_signal(signal.SIGINT)
        return self


def interrupted_at(line: int, use: Callable[[Callable[[], None]], None]) -> bool:
    """Whether a signal came on the way into a block; the block ends the watch."""
    former, one = sys.gettrace(), Signal(line)
    try:
        sys.settrace(one)
        use(lambda: sys.settrace(None))
    except KeyboardInterrupt:
        assert one.sent
    finally:
        sys.settrace(former)
    return one.sent


@pytest.mark.parametrize("earlier", [False, True])
def test_an_output_folder(tmp_path: Path, earlier: bool) -> None:
    def write(inside: Callable[[], None]) -> None:
        with replace_folder(out, "a.txt", previous=False) as new:
            inside()
            (new / "a.txt").write_text("new")

    for line in itertools.count():
        place = tmp_path / str(line)
        out = place / "b" / "out"
        if earlier:
            with replace_folder(out, "a.txt") as new:
                (new / "a.txt").write_text("earlier")
        came = interrupted_at(line, write)
        if not came:
            assert line > 40
            assert (out / "a.txt").read_text() == "new"
            return
        if earlier:
            assert (out / "a.txt").read_text() == "earlier"
            assert list(out.parent.iterdir()) == [out], line
        else:
            assert not place.exists(), line


def test_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    def hold(inside: Callable[[], None]) -> None:
        with locked(path, "works here"):
            inside()

    for line in itertools.count():
        if not interrupted_at(line, hold):
            assert line > 15
            return
        assert not path.exists() and not lock._mine, line
