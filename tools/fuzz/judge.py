"""The judge of one input: how hevesy may end with it, within which time and memory, and with which numbers."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...engine.errors import InputError
from .sample import Kind, Sample, difference

#: Processor time for one input [s]: reading takes milliseconds. A machine that is busy takes no more of it.
LONGEST_S = 10
#: Outcomes that are no fault.
RIGHT = ("read", "refused")
#: Memory allowed for each byte of an input: the best that deflate does, twice.
UNFOLDED = 2100


@dataclass(frozen=True)
class Outcome:
    """How an input ended.

    Parameters
    ----------
    word
        ``"read"``, ``"refused"``; or ``"wrong"``, ``"unexpected"``, ``"hang"``, ``"memory"``.
    text
        The message, without what is particular to the input; what is wrong, with the trace.
    """

    word: str
    text: str = ""

    @property
    def right(self) -> bool:
        """Whether the input ended as it may."""
        return self.word in RIGHT


class Hang(BaseException):
    """An input took too long; no reader catches this."""


def judge(
    kind: Kind, sample: Sample, folder: Path, *, command: bool = False, memory: bool = True, limit_s: int = LONGEST_S
) -> Outcome:
    """Read one input in an empty folder.

    Parameters
    ----------
    kind, sample
        The input.
    folder
        Empty; the input is written into it.
    command
        Whether it is read by the command line too, whose exit code has to agree.
    memory
        Whether memory is measured, which needs Linux.
    limit_s
        Processor time allowed [s].

    Returns
    -------
    Outcome
        How it ended.
    """
    sample.write(folder)
    with _all_kept() if memory else contextlib.nullcontext():
        before = _peak_mb(reset=True) if memory else 0.0
        try:
            with _limited(limit_s), _quiet(), _inside(folder):
                outcome = _judged(kind, sample, folder)
                if outcome.right and command and kind.words:
                    outcome = _by_command(kind, outcome)
        except Hang:
            return Outcome("hang", f"more than {limit_s} s")
        grown = _peak_mb() - before if memory else 0.0
    allowed = kind.weight_mb + sample.size * UNFOLDED / 2**20
    if outcome.right and grown > allowed:
        return Outcome("memory", f"{grown:.0f} MB, allowed are {allowed:.0f}")
    return outcome


def _judged(kind: Kind, sample: Sample, folder: Path) -> Outcome:
    try:
        reading = kind.read(folder)
    except InputError as error:
        shown = _shape(error)
        if sample.must == "read":
            return Outcome("wrong", f"refused, and means what is accepted elsewhere: {error}")
        if not error.why or not error.suggestion:
            return Outcome("unexpected", f"a refusal without its reason or advice: {error}")
        return Outcome("refused", shown)
    except Hang:
        raise
    except BaseException as error:
        return Outcome("unexpected", "".join(traceback.format_exception(error))[-4000:])
    if sample.must == "refuse":
        return Outcome("wrong", f"accepted: {str(reading)[:500]}")
    wrong = difference(sample.truth, reading)
    return Outcome("wrong", f"read otherwise than it says: {wrong}") if wrong else Outcome("read", sample.change)


def _by_command(kind: Kind, outcome: Outcome) -> Outcome:
    """The same input through the command line: 0 or 1 where it was read, else 2, and one message."""
    from ...cli import main

    argv, sys.argv = sys.argv, ["hevesy", *kind.words]
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main.entry()
    except SystemExit as end:
        code = end.code or 0
    except BaseException as error:
        return Outcome("unexpected", "the command ended with: " + "".join(traceback.format_exception(error))[-4000:])
    finally:
        sys.argv = argv
    told = err.getvalue()
    if code not in (0, 1, 2) or "Traceback" in told or "an error of hevesy itself" in told:
        return Outcome("unexpected", f"the command ended with {code}: {told[-2000:]}")
    if outcome.word == "refused" and code == 0:
        return Outcome("wrong", f"refused by the reader ({outcome.text}), accepted by the command")
    if code == 2 and not ("why:" in told and "try:" in told):
        return Outcome("unexpected", f"a message without reason or advice: {told[-2000:]}")
    return outcome


def _shape(error: InputError) -> str:
    """A message without numbers and names, by which refusals are told apart."""
    text = re.sub(r"'[^']*'|\"[^\"]*\"", "'...'", error.problem)
    return re.sub(r"[-+]?[\d.]+(e[-+]?\d+)?", "#", text)[:100]


@contextlib.contextmanager
def _limited(limit_s: int) -> Iterator[None]:
    def end(*_: Any) -> None:
        raise Hang

    former = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, former)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """The folder as the current one, the home and the user's settings in it."""
    former, here = {name: os.environ.get(name) for name in ("HEVESY_CONFIG", "HOME")}, Path.cwd()
    os.environ["HEVESY_CONFIG"], os.environ["HOME"] = str(folder / "defaults.yaml"), str(folder)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        for name, value in former.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _all_kept() -> Iterator[None]:
    """What was there before an input is not given back meanwhile, which would hide as much of what the input takes.

    That is garbage in cycles of objects, and memory that is free already and returns to the system when its neighbour
    becomes free too.
    """
    gc.freeze()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # of the GNU C library
        trim(0)
    try:
        yield
    finally:
        gc.unfreeze()


def _peak_mb(reset: bool = False) -> float:
    """The most memory that this process has had since the last reset [MB]."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0
