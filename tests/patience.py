"""How long a test waits for what must come, and how fast what is promised to be fast must be: both in one place.

A wait is as long as any machine needs: one that passes costs nothing, so `PATIENCE_S` is no promise. A promise of speed
is counted in processor time, which other processes do not take away, and measured against a yardstick: a fixed piece of
work that is timed at the same moment. On a machine on which that takes four times as long as on the one on which the
promises were made, four times as long is allowed.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

#: Longest wait for something that must come [s]. A test that hangs is a failure, not a wait for ever.
PATIENCE_S = 900.0
#: Processor time of one pass over each part of the yardstick on the machine of the promises [s]: two virtual cores of a
#: server of 2023, CPython 3.11, NumPy 2.4, the mean of 40 passes by
#: ``python -c "from hevesy.tests import patience; print(patience.measured(40))"`` from the parent of a checkout.
REFERENCE_S = {"interpreter": 0.010, "arrays": 0.015}

Value = TypeVar("Value")


def until(
    happened: Callable[[], Value], account: Callable[[], str] = lambda: "it did not happen", look_s: float = 0.02
) -> Value:
    """Wait until a function returns something true, which is returned; fails with an account of how things are."""
    end = time.monotonic() + PATIENCE_S
    while not (value := happened()):
        assert time.monotonic() < end, account()
        time.sleep(look_s)
    return value


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def end_all(processes: list[subprocess.Popen]) -> None:
    """End what a test that failed has left, and forget all: a process that goes on would slow the tests that follow."""
    while processes:
        process = processes.pop()
        process.kill()
        process.wait()


def cpu_s() -> float:
    """Processor time so far of this process, and of those that it has started and waited for [s]."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def cpu_of(pid: int) -> float:
    """Processor time so far of a process that runs [s]; 0 where no /proc says."""
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0.0
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def _interpreter() -> None:
    """What a start, a check and a message do: names, calls, objects, text."""
    words: dict[str, list[int]] = {}
    for number in range(60_000):
        words.setdefault(f"name {number % 997}", []).append(number)
    sum(len(text) + max(numbers) for text, numbers in sorted(words.items()))


def _arrays() -> None:
    """What numbers of a body do: more than the caches hold, and products of it."""
    field = np.ones((96, 96, 96))
    np.fft.irfftn(np.fft.rfftn(field) * 2.0)


def measured(passes: int = 4) -> dict[str, float]:
    """Mean processor time of a pass over each part of the yardstick [s]."""
    found = {}
    for name, part in (("interpreter", _interpreter), ("arrays", _arrays)):
        begun = time.process_time()
        for _ in range(passes):
            part()
        found[name] = (time.process_time() - begun) / passes
    return found


def slowness() -> float:
    """How many times as long as on the machine of the promises work takes here and now, 1 where it takes less."""
    return max(1.0, *(seconds / REFERENCE_S[name] for name, seconds in measured().items()))


@contextmanager
def promised(limit_s: float) -> Iterator[None]:
    """What is done within is promised to take so much processor time on the machine of the promises, or less."""
    before, begun = slowness(), cpu_s()
    yield
    used, pace = cpu_s() - begun, max(before, slowness())
    assert used < limit_s * pace, f"{used:.2f} s of processor time; {limit_s:g} s are allowed, times {pace:.2f} here"
