"""What a case of the suite is, how it is judged, and the list of all."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ...kernels.backends import cpu
from ...kernels.loader import cache_root
from .ground import SIMULATE, Ended, Ground, Work

#: How long the undisturbed transport takes on two free cores, with its start [s].
USUAL = 4.0


class Skipped(Exception):
    """What a case needs is not on this machine."""


class Undisturbed(Exception):
    """A command fails without any fault."""


@dataclass
class Findings:
    """What a case of the suite found.

    Parameters
    ----------
    wrong
        Results that claim to be whole and are not those of an undisturbed run; damage that was read without a word.
    lost
        Finished work that is gone: an earlier result, a checkpoint that was not taken up, a case that cannot go on.
    untold
        Commands that ended without a message that says what to do: a traceback, an undocumented exit code.
    tried
        Faults that were made.
    """

    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    tried: int = 0

    def told(self, end: Ended, *codes: int) -> Ended:
        """Note a command that did not end with one of these exit codes (any documented one by default) and a word."""
        short = " ".join(end.words[:2])
        if end.ugly:
            self.untold.append(f"{short}: {end.ugly}: {end.said.strip()[-400:]}")
        elif codes and end.code not in codes:
            self.untold.append(f"{short}: exit code {end.code}, not {codes}: {end.said.strip()[-400:]}")
        return end

    def whole(self, work: Work, out: Path, expected: dict[str, str], after: str) -> None:
        """Note results that differ from those of an undisturbed run, or are missing."""
        found = work.hashes(out)
        for name, value in expected.items():
            if name not in found:
                self.lost.append(f"{work.name}, {after}: no {name or out.name}")
            elif found[name] != value:
                self.wrong.append(f"{work.name}, {after}: {name or out.name} has other integers")

    def clean(self, folder: Path, allowed: set[str], after: str) -> None:
        """Note files and folders that are left beside an output."""
        left = sorted(entry.name for entry in folder.iterdir() if entry.name not in allowed)
        if left:
            self.untold.append(f"{after}: left behind: {', '.join(left[:5])}")


@dataclass
class Suite:
    """The ground of a run of the suite, and what undisturbed runs give on it.

    Parameters
    ----------
    ground
        Inputs and commands.
    short
        Whether this is the form of the tests: fewer moments.
    seed
        Of the random moments and places.
    """

    ground: Ground
    short: bool = False
    seed: int = 1
    _undisturbed: dict[str, tuple[dict[str, str], float]] = field(default_factory=dict)

    def patience(self, seconds: float) -> float:
        """Seconds on a free machine, as seconds on this one [s], which may be slow or busy."""
        return seconds * max(1.0, self.undisturbed(SIMULATE)[1] / USUAL)

    def random(self, name: str) -> random.Random:
        """Random numbers of one case: the same whichever other cases run."""
        return random.Random(f"{self.seed} {name}")

    def undisturbed(self, work: Work) -> tuple[dict[str, str], float]:
        """Hashes that a work has when nothing goes wrong, and how long it takes [s].

        Raises
        ------
        Undisturbed
            It fails without any fault.
        """
        if work.name not in self._undisturbed:
            for _ in range(2):
                cached = _cached()
                out = self.ground.fresh(f"undisturbed {work.name}") / work.out
                end = self.ground.run(work.words(self.ground, out))
                if _cached() == cached:
                    break  # else kernels were compiled or tables made, once, and that took longer than the run
            hashes = work.hashes(out)
            if end.code != 0 or set(hashes) != set(work.results):
                raise Undisturbed(f"{work.name} fails undisturbed: {end.said[-2000:]}")
            self._undisturbed[work.name] = hashes, end.seconds
        return self._undisturbed[work.name]


def _cached() -> set[Path]:
    """Files of compiled kernels and tables; other processes may write there, and remove what they wrote."""
    return {Path(folder, name) for folder, _, names in os.walk(cache_root()) for name in names}


def copied_cache(target: Path) -> None:
    """Copy the tables and the compiled kernels as they are, though other processes write there.

    What they have not finished lies there under a hidden name, until it is renamed.
    """
    for source in (cache_root() / "tables", cpu.cache_folder()):
        for folder, _, names in os.walk(source):
            place = target / source.name / Path(folder).relative_to(source)
            place.mkdir(parents=True, exist_ok=True)
            for name in names:
                if name.startswith("."):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy2(Path(folder, name), place / name)


#: A case of the suite: name, and what it does.
Case = Callable[[Suite, Findings], None]
ALL: dict[str, Case] = {}
#: Names of the cases that the short form leaves out.
LONG: set[str] = set()


def case(name: str, *, long: bool = False) -> Callable[[Case], Case]:
    """Enter a function into the suite under a name; ``long``: not in the short form."""

    def enter(function: Case) -> Case:
        ALL[name] = function
        if long:
            LONG.add(name)
        return function

    return enter


def chosen(pattern: str = "", short: bool = False) -> Iterator[tuple[str, Case]]:
    """The cases whose names contain a text."""
    for name, function in ALL.items():
        if pattern in name and not (short and name in LONG):
            yield name, function
