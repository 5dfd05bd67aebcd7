"""What `batch`, `retry` and `merge` show of a batch in the end, and their exit codes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..engine.text import command_text, count_of, counted
from .output import duration, echo, echo_json, echo_table

if TYPE_CHECKING:
    from ..engine.batch.launch import Ended
    from ..engine.cohort.batch import Batch


def end_of_problem(ended: Ended, *, json: bool, quiet: bool = False) -> None:
    """What became of one problem in shards, and the exit code: 0 merged or submitted, 1 failed, 3 to be resumed.

    Raises
    ------
    typer.Exit
        Unless it is merged or submitted.
    """
    from ..engine.batch.goals import goal_sentences
    from ..engine.batch.overview import overview

    now = overview(ended.out, ended.manifest)
    if json:
        echo_json({"out": ended.out, "submitted": ended.submitted, "messages": ended.messages, **now.to_dict()})
    else:
        for text in ended.messages:
            echo(text)
    if ended.dry_run:
        return
    open_jobs = {name: one for name, one in now.jobs.items() if one.state != "done" and name not in ended.elsewhere}
    failed = {name: one for name, one in open_jobs.items() if one.state in ("failed", "lost")}
    if ended.submitted:
        _submitted(ended.out, json or quiet)
        return
    for name, status in failed.items():
        echo(f"{status.state.upper()} {name}: {status.message}", err=True)
    for why in ended.collected.missing.values() if not failed and set(now.states) == {"done"} else ():
        echo(why, err=True)
        raise typer.Exit(1)
    if failed:
        echo(f"{count_of(len(failed), len(now.jobs), 'job')} failed; see `hevesy status`, `hevesy retry`", err=True)
        raise typer.Exit(1)
    if open_jobs:  # a merge that a signal kept from beginning is no word on them
        echo(f"stopped early: {counted(len(open_jobs), 'job')} not done ({_counts(now.states)}); "
             "run the same command again", err=True)  # fmt: skip
        raise typer.Exit(3)
    if ended.elsewhere:
        return
    if ended.collected.stopped:
        echo("stopped early: all jobs are done, their results are not merged; run the same command again", err=True)
        raise typer.Exit(3)
    if not json:
        spent = sum(status.wall_time_s for status in now.jobs.values())
        decays = sum(whole.decays for whole in now.wholes)
        told = f"{decays:.3g} decays in {counted(len(now.jobs), 'job')}, {duration(spent)} of runs"
        for path in ended.collected.written:
            echo(f"wrote {path} ({told})")
        for text in goal_sentences(ended.out, ended.manifest):
            echo(text)


def _counts(states: Mapping[str, int]) -> str:
    """How many jobs are in each state, those that are done first: ``"1 done, 1 stopped, 2 waiting"``."""
    rest = sorted(state for state in states if state != "done")
    return ", ".join(f"{states.get(state, 0)} {state}" for state in ("done", *rest))


def tell_cases(done: Batch, record: dict[str, Any] | None, *, json: bool, quiet: bool = False) -> None:
    """Tables of a trial, or all of it as JSON."""
    if json:
        tables = None if record is None else record["tables"]
        cases = [vars(status) for status in done.cases]
        echo_json({"out": done.out, "submitted": done.submitted, "remarks": done.remarks, "cases": cases,
                   "tables": tables})  # fmt: skip
        return
    for text in done.remarks:
        if not (quiet and text in done.planned):
            echo(text)
    if record is not None:
        _tell_trial(record, done)


def _tell_trial(record: dict[str, Any], done: Batch) -> None:
    from ..engine.cohort.summary import shown_tables

    tables = record["tables"]
    for table in shown_tables(tables):
        echo_table(table.columns, table.rows, table.title, table.text_columns)
    for row in tables["response"]:
        again = next(r for r in tables["reinduction"] if (r["arm"], r["visit"]) == (row["arm"], row["visit"]))
        echo(
            f"{row['arm']}, {row['visit']}: partial response in {_of(row['lesions']['responding'], 'lesion')}; "
            f"re-induced: {_of(again['patients'], 'patient')}."
        )
    tolerable = sum(row["tolerable"] for row in tables["tolerance"])
    if tables["tolerance"]:
        visits = count_of(tolerable, len(tables["tolerance"]), "patient visit")
        echo(f"The planned activity is tolerable at {visits}.")
    spent = sum(status.wall_time_s for status in done.cases)
    echo(
        f"wrote {done.out}: trial.html, trial.json, lesions_all.csv, visits_all.csv, methods.csv "
        f"({counted(len(done.complete), 'case')}, {duration(spent)} of runs)"
    )


def _of(share: dict[str, Any], noun: str) -> str:
    return count_of(share["count"], share["of"], noun)


def end_of_cases(done: Batch, *, quiet: bool = False) -> None:
    """The exit code of a batch of cases: 0 complete or submitted, 1 one failed, 3 to be resumed.

    Raises
    ------
    typer.Exit
        Unless all is complete or submitted.
    """
    from ..engine.cohort.batch import FAILED, STOPPED

    failed, stopped = done.of(FAILED), done.of(STOPPED)
    for status in failed:
        echo(f"FAILED {status.name}: {status.message}", err=True)
    if stopped:
        echo(f"stopped early: {counted(len(stopped), 'case')} not done; run the same command again", err=True)
        raise typer.Exit(3)
    if failed:
        echo(f"{count_of(len(failed), len(done.cases), 'case')} failed", err=True)
        raise typer.Exit(1)
    if done.submitted:
        _submitted(done.out, quiet)


def _submitted(out: Path, quiet: bool) -> None:
    if not quiet:
        echo(f"the jobs run elsewhere; look at them with: {command_text('status', out)}")
