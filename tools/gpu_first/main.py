"""The command: steps in order, what is chosen from them, the table and the file."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from hevesy.benchmarks.gpu_goals import TARGETS
from hevesy.kernels.backends import cuda_probe
from hevesy.kernels.backends.cuda_options import DEFAULT

from . import advice, steps, table
from .keeping import Keeper, grounds
from .recommend import KEY, RULE, Choice, choose, key_of
from .runner import FAILED, Notes, Run, Step

PROGRAM = Path(__file__).with_name("__main__.py")
ROOT = Path(__file__).resolve().parents[2]
SECONDS = 240.0


def main(words: Sequence[str] | None = None) -> int:
    """Run the steps, print, write; 0 if every step that proves something ran and passed, and all was written."""
    parser = argparse.ArgumentParser(prog="gpu_first", description="The first minutes on a GPU.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for everything; what no longer fits is skipped")
    parser.add_argument(
        "--decays-factor", type=float, default=1.0, help="times the decays, for a driver without device"
    )
    parser.add_argument("--patience", type=float, default=1.0, help="times the limits of the steps")
    parser.add_argument("--builds", type=int, help="how many builds of the kernel are compared, the default first")
    parser.add_argument("--only", default="", help="names of steps, separated by commas; the status is 1 then")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or ROOT / "benchmarks" / "results"))
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--facts", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--given", default="{}", help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    if asked.step:
        return one_step(asked.step, asked.facts, json.loads(asked.given))
    asked.only = [name.strip() for name in asked.only.split(",") if name.strip()]
    names = [step.name for step in steps.in_order()]
    unknown = [name for name in asked.only if name not in names]
    if unknown:
        parser.error(f"--only: no step {unknown[0]!r}; there are {', '.join(names)}")
    report, file = everything(asked)
    print(table.whole(report))
    print(f"all numbers: {file.path}" if not file.trouble else f"NOT WRITTEN: {file.path}: {file.trouble}")
    return 1 if report["failed"] or report["not_run"] or file.trouble else 0


def one_step(name: str, facts: Path, given: dict[str, Any]) -> int:
    """Do a step in this process."""
    notes = Notes(facts, given, float(given.get("limit_s", 3600.0)))
    if "proved" in given:
        # devices were used in earlier steps: a proof in every process would take half a minute in all
        cuda_probe.devices = lambda: tuple(given["proved"])  # type: ignore[assignment]
    try:
        steps.all_steps()[name].work(notes)
    except Exception as error:
        notes.tell("traceback", traceback=traceback.format_exc())
        if text := advice.about(name, error):
            notes.tell(advice.KIND, text=text)
        print(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", file=sys.stderr, flush=True)
        return 1
    return 0


class ReportFile:
    """The file of a run's report: written after every step, so that a command that is ended has what it measured.

    Parameters
    ----------
    folder
        Of the file; made if need be.
    when
        Its run began.
    """

    def __init__(self, folder: Path, when: datetime) -> None:
        self.path = folder / f"gpu-first-{when:%Y%m%d-%H%M%S}.json"
        #: why it could not be written the last time, empty if it was
        self.trouble = ""
        self._said = False

    def write(self, report: dict[str, Any]) -> None:
        """Write a report, in place of what its run wrote before; a file that cannot be written is told once."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(report, indent=1) + "\n")
            self.trouble = ""
        except OSError as error:
            self.trouble = error.strerror or str(error)
            if not self._said:
                print(f"results cannot be written to {self.path}: {self.trouble}; the steps go on\n", flush=True)
            self._said = True


def everything(asked: argparse.Namespace) -> tuple[dict[str, Any], ReportFile]:
    """Run all steps; the report and its file."""
    begin, when = time.monotonic(), datetime.now(timezone.utc)
    settings = {"factor": asked.decays_factor, "builds": asked.builds}
    run = Run(PROGRAM, asked.seconds, settings, asked.patience)
    file, keeper = ReportFile(asked.out, when), Keeper(run)
    emission, first = problems_here()
    print(first, flush=True)
    head = {
        "format": "hevesy-gpu-first", "format_version": 1, "when": when.isoformat(timespec="seconds"),
        "budget_s": asked.seconds, "decays_factor": asked.decays_factor, "emission": emission,
    }  # fmt: skip
    saved = "not saved: the run has not ended"

    def report() -> dict[str, Any]:
        return head | {"seconds": time.monotonic() - begin} | report_of(run, recommended(run), saved)

    def go(step: Step, **more: Any) -> None:
        if asked.only and step.name not in asked.only:
            return
        print(table.step_text(step, run.run(step, **more)), flush=True)
        keeper.withdraw()
        file.write(report())
        if step.name == steps.USE:
            run.settings |= proved(run)

    for step in steps.STEPS:
        go(step)
    broken = [fact["given"]["options"] for fact in run.facts("compiled") if fact["given"] and not fact["ok"]]
    for schedule in steps.schedules():
        go(steps.rate_step(schedule), schedule=schedule, not_compiled=broken)
    options = dict(zip(KEY, recommended(run).key, strict=True))
    go(steps.BATCHES, options=options)
    go(steps.TESTS, options=options)
    saved = keeper.keep(recommended(run), asked.decays_factor)
    last = report()
    file.write(last)
    return last, file


def problems_here() -> tuple[dict[str, str], str]:
    """Where the emission of each patient comes from, and the first lines; less where a package is missing."""
    try:
        from hevesy.benchmarks import gpu_problems as problems

        emission = {name: problems.emission_source(name) for name in problems.PATIENTS}
        not_here = [name for name in problems.REFERENCE if problems.reference_file(name) is None]
    except Exception as error:  # the step "machine" says what is missing
        return {}, f"problem files and emission not looked for: {type(error).__name__}: {error}"
    return emission, table.first_lines(emission, not_here)


def proved(run: Run) -> dict[str, list[int]]:
    """Devices for the steps after "use"; where it failed all that there are, so that those steps tell more."""
    named, counted = run.facts("device"), run.facts("interleaved")
    if named:
        return {"proved": named[0]["numbers"]}
    return {"proved": list(range(counted[0]["devices"]))} if counted else {}


def recommended(run: Run) -> Choice:
    """The choice from what was measured."""
    return choose(run.facts("rate"), key_of(DEFAULT._asdict()), list(TARGETS))


def report_of(run: Run, choice: Choice, saved: str) -> dict[str, Any]:
    """Every fact, every step, the choice."""
    by_name = steps.all_steps()
    proving = [step.name for step in steps.in_order() if not step.informs]
    states = {outcome.name: outcome.state for outcome in run.outcomes}
    failed = [name for name in proving if states.get(name) in FAILED]
    # without what it rests on, the fastest build is no recommendation
    unsafe, attributes = grounds(run)[0], next(iter(run.facts("attributes")), {})
    some = choice.measured and not unsafe
    return {
        "machine": next(iter(run.facts("machine")), {}),
        "device": next(iter(run.facts("device")), {}),
        "steps": [
            outcome._asdict()
            | {"proves": by_name[outcome.name].proves}
            | {"otherwise": advice.of(outcome.facts, by_name[outcome.name].otherwise)}
            for outcome in run.outcomes
        ],
        "failed": failed,
        "not_run": [name for name in proving if name not in failed and states.get(name) != "ok"],
        "recommended": {
            "options": dict(zip(KEY, choice.key, strict=True)) if some else None,
            "gain": choice.gain,
            "why": choice.why if not unsafe else f"{' and '.join(unsafe)} failed",
            "rule": RULE,
            "differing": [list(key) for key in choice.differing],
            "saved": saved,
        },
        "goals": table.goals(run.facts("batch"), run.facts("rate"), attributes, choice.key),
    }
