"""Runs steps in processes of their own: each with its limit, all within one budget of seconds."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

#: a step with less time than this is not started [s]
LEAST_S = 5.0
#: a step that fails so shortly before the end of the budget may have failed for lack of time [s]
LAST_S = 6.0
#: last characters that are kept of what a step printed
LONGEST_OUTPUT = 6000
#: states of a step that did not do what it should
FAILED = ("failed", "no end")

#: Facts of a step: kind and values, in the order in which they were told.
Facts = list[tuple[str, dict[str, Any]]]


class Step(NamedTuple):
    """One step.

    Parameters
    ----------
    name
        Its name, in the table and after ``--step``.
    work
        What it does, in its own process, with a :class:`Notes`.
    limit_s
        Longest time [s].
    proves
        What is known when it passes.
    otherwise
        What to do when it fails.
    informs
        Whether it only informs: its failure is no failure of the whole.
    grounds
        Whether every recommendation rests on it: options are kept only where it ran and passed. Steps that judge
        builds one by one are none, what counts there is what they told of the recommended build.
    needs
        Name of the step without which it cannot pass; empty if none.
    """

    name: str
    work: Callable[[Notes], None]
    limit_s: float
    proves: str
    otherwise: str
    informs: bool = False
    grounds: bool = False
    needs: str = ""


class Outcome(NamedTuple):
    """How a step ended.

    Parameters
    ----------
    name
        Of the step.
    state
        ``"ok"``, ``"failed"``, ``"no end"`` (its limit came first), ``"cut"`` (the end of the budget came first) or
        ``"skipped"`` (no time was left, or what it needs failed).
    seconds
        How long it took [s].
    reason
        Why it is not ok: the last line of its error.
    output
        What it printed.
    facts
        What it told, also when it failed later.
    """

    name: str
    state: str
    seconds: float
    reason: str
    output: str
    facts: Facts


class Notes:
    """What a step is given, and where it tells what it learns.

    Parameters
    ----------
    file
        Receives one JSON line for each fact, at once: a later hang loses none.
    given
        Settings of the run and results of earlier steps.
    limit_s
        Seconds that this step has.
    """

    def __init__(self, file: Path, given: Mapping[str, Any], limit_s: float) -> None:
        self._file, self.given = file, given
        self._end = time.monotonic() + limit_s

    def tell(self, kind: str, **values: Any) -> None:
        """Tell a fact."""
        with self._file.open("a", encoding="utf-8") as out:
            out.write(json.dumps([kind, values]) + "\n")

    def say(self, text: str) -> None:
        """Print for whoever watches."""
        print(text, flush=True)

    @property
    def left_s(self) -> float:
        """Seconds that are left to this step."""
        return self._end - time.monotonic()

    def decays(self, count: float) -> int:
        """A number of decays, scaled as the run was told; at least a warp's."""
        return max(int(count * float(self.given.get("factor", 1.0))), 32)


def run_step(name: str, command: Sequence[str], facts: Path, limit_s: float) -> Outcome:
    """Run a command as a step.

    Parameters
    ----------
    name
        Of the step.
    command
        Program and arguments.
    facts
        The file that the process writes facts to.
    limit_s
        After so many seconds the process and all that it started are ended.
    """
    begin = time.monotonic()
    # files, not pipes: what was said before the end is there, and a grandchild that lives on holds nothing up
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            process.wait(limit_s)
            state = "ok" if process.returncode == 0 else "failed"
        except subprocess.TimeoutExpired:
            state = "no end"
        finally:
            end_all(process)
        out.seek(0)
        output = out.read().decode(errors="replace").strip()[-LONGEST_OUTPUT:]
    reason = {"ok": "", "no end": f"no end within {limit_s:.0f} s"}.get(state)
    if reason is None:
        last = output.splitlines()[-1] if output else "nothing was printed"
        reason = last if process.returncode > 0 else f"ended by signal {-process.returncode}: {last}"
    return Outcome(name, state, time.monotonic() - begin, reason, output, read_facts(facts))


def end_all(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started, if it has not ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(2.0)  # a process that the driver holds may outlive its end


def read_facts(file: Path) -> Facts:
    """Facts of a file; half a line, of a process that was ended, is left out."""
    facts: Facts = []
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                kind, values = json.loads(line)
                facts.append((kind, values))
    return facts


class Run:
    """Runs steps one after the other within a budget.

    Parameters
    ----------
    program
        File that Python runs for a step, with ``--step``.
    seconds
        The budget [s].
    settings
        Settings that every step is given; more may be added between steps.
    patience
        Times the limits of the steps: a driver without a device is slow.
    """

    def __init__(self, program: Path, seconds: float, settings: Mapping[str, Any], patience: float = 1.0) -> None:
        self._program, self.settings, self._patience = program, dict(settings), patience
        self._end = time.monotonic() + seconds
        self.outcomes: list[Outcome] = []

    @property
    def left_s(self) -> float:
        """Seconds of the budget that are left."""
        return self._end - time.monotonic()

    def run(self, step: Step, **more: Any) -> Outcome:
        """Run a step, or skip it when its time is up; ``more`` is given to it besides the settings."""
        failed = [o.name for o in self.outcomes if o.state in FAILED]
        if step.needs in failed:
            return self.skip(step, f"it needs {step.needs!r}, which failed")
        limit = min(step.limit_s * self._patience, self.left_s)
        short = limit < step.limit_s * self._patience
        if limit < LEAST_S:
            return self.skip(step, "no time left: give more with --seconds")
        with tempfile.TemporaryDirectory() as folder:
            facts = Path(folder) / "facts"
            # it ends on its own a little before it is ended
            given = json.dumps(self.settings | more | {"limit_s": limit - 2.0})
            command = [sys.executable, str(self._program), "--step", step.name, "--facts", str(facts), "--given", given]
            outcome = run_step(step.name, command, facts, limit)
        if short and outcome.state in FAILED and outcome.seconds > max(limit - LAST_S, 0.5 * limit):
            outcome = outcome._replace(state="cut", reason=f"{limit:.0f} s were left: give more with --seconds")
        self.outcomes.append(outcome)
        return outcome

    def skip(self, step: Step, reason: str) -> Outcome:
        """Leave a step out, and say why."""
        outcome = Outcome(step.name, "skipped", 0.0, reason, "", [])
        self.outcomes.append(outcome)
        return outcome

    def facts(self, kind: str) -> list[dict[str, Any]]:
        """Facts of a kind, of all steps so far."""
        return [values for outcome in self.outcomes for found, values in outcome.facts if found == kind]
