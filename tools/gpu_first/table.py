"""The report in words: short, because a remote machine may pass on only the end of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hevesy.benchmarks.gpu_goals import GHZ, TARGETS, expected

from . import advice
from .recommend import Key, rates_by_key
from .runner import FAILED, Outcome, Step

#: batch size that the goals are judged with: what an open-ended run on a device simulates at a time
GOAL_BATCH = 8e6
#: longest reason in the table
WIDTH = 110
SHORT = {"lu177_patient_4mm": "177Lu", "i131_patient_4mm": "131I"}


def first_lines(emission: Mapping[str, str], not_here: Sequence[str]) -> str:
    """Which problem files are not here, and where the emission of the patients comes from instead.

    Parameters
    ----------
    emission
        Where the emission of each patient comes from.
    not_here
        Names of the reference problems without a file.
    """
    lines = []
    if not_here:
        lines.append(
            f"not here: problem files {', '.join(not_here)} (HEVESY_SHARED names the folder that holds reference/); "
            "rates are measured all the same, tests that need them are skipped"
        )
    lines.append("emission: " + ", ".join(f"{name} from {source}" for name, source in emission.items()))
    if "main lines" in emission.values():
        lines.append("  main lines: those of benchmarks/gpu_emission.py, which are for speed alone")
    return "\n".join(lines)


def step_text(step: Step, outcome: Outcome) -> str:
    """A step as it ends: what it said, and if it failed what that means."""
    said = without_tracebacks(outcome.output)
    if said and said[-1] == outcome.reason:
        del said[-1]
    lines = [f"== {step.name}: {outcome.state} in {outcome.seconds:.1f} s", *said]
    if outcome.state in FAILED:
        lines += [f"   it would prove: {step.proves}", f"   why it does not: {outcome.reason}"]
        lines.append(f"   {advice.of(outcome.facts, step.otherwise)}")
    elif outcome.state != "ok":
        lines.append(f"   {outcome.reason}")
    return "\n".join(line for line in lines if line) + "\n"


def without_tracebacks(output: str) -> list[str]:
    """Lines of an output; of a traceback the last one, the error itself. The file has all."""
    lines, within = [], False
    for line in output.splitlines():
        if line.startswith("Traceback (most recent call last)"):
            within = True
        elif within and line.startswith(" "):
            continue
        else:
            within = False
            lines.append(line)
    return lines


def goals(
    batches: Sequence[Mapping[str, Any]],
    rates: Sequence[Mapping[str, Any]],
    attributes: Mapping[str, int],
    chosen: Key,
) -> list[dict[str, Any]]:
    """For each patient the goal, what a run reaches with the recommended options, and what the model expects.

    Parameters
    ----------
    batches, rates
        Measurements of the steps "batches" and "rates".
    attributes
        Attributes of the device.
    chosen
        Key of the recommended options.
    """
    rows = []
    ghz = attributes.get("CLOCK_RATE", 0) * 1e-6 or GHZ
    size = attributes.get("MULTIPROCESSOR_COUNT", 0)
    for patient, goal in TARGETS.items():
        of = sorted((b for b in batches if b["patient"] == patient), key=lambda b: abs(b["decays"] - GOAL_BATCH))
        run = of[0]["with_sums_per_s"] if of else None
        measured = rates_by_key(rates).get(chosen, {}).get(patient)
        kernel = measured["decays_per_s"] if measured else None
        model = expected(patient, chosen[0], chosen[1], size, ghz)
        rows.append({
            "patient": patient, "goal_per_s": goal, "run_per_s": run, "met": bool(run and run >= goal),
            "kernel_per_s": kernel, "expected_per_s": model,
            "of_expected": kernel / model if kernel and model else None,
        })  # fmt: skip
    return rows


def whole(report: Mapping[str, Any]) -> str:
    """The table that ends the run."""
    facts = [(kind, values) for step in report["steps"] for kind, values in step["facts"]]
    machine, device = report["machine"], report["device"]
    versions = machine.get("versions", {})
    named = [f"{name} {versions[name]}" for name in ("numpy", "numba", "numba-cuda") if name in versions]
    lines = [
        f"{device.get('text', 'no usable device')}; commit {machine.get('commit', 'unknown')[:10]}, Python "
        f"{machine.get('python', '?')}, {', '.join(named)}; {report['seconds']:.0f} s of {report['budget_s']:.0f} s",
        *step_rows(report["steps"]),
        *rate_rows([values for kind, values in facts if kind == "rate"]),
        *batch_rows([values for kind, values in facts if kind == "batch"]),
        *recommendation(report),
        proof(report),
    ]
    return "\n".join(lines)


def step_rows(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line per step; steps that are not ok with the reason and what to do."""
    lines = []
    for step in steps:
        lines.append(
            f"{step['state']:8s} {step['seconds']:6.1f} s  {step['name']:18s} {step['reason'][:WIDTH]}".rstrip()
        )
        if step["state"] in FAILED:
            lines.append(f"{'':19s}proves: {step['proves']}; otherwise: {step['otherwise']}")
    return lines


def rate_rows(rates: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line per build and number of threads: its rates on both patients."""
    if not rates:
        return []
    lines = ["schedule     registers threads x blocks " + "".join(f"{name + ' 1/s':>12s}" for name in SHORT.values())]
    for (schedule, ceiling, threads), of in rates_by_key(rates).items():
        some = next(iter(of.values()))
        values = [f"{of[name]['decays_per_s']:12.3g}" if name in of else f"{'-':>12s}" for name in SHORT]
        registers = f"{ceiling or 'free'} ({some['registers']})"
        lines.append(f"{schedule:12s} {registers:>9s} {threads:7d} x {some['blocks']:<6d} {''.join(values)}")
    return lines


def batch_rows(batches: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line per patient and batch size of the recommended build."""
    return [
        f"{SHORT[b['patient']]:6s} batch {b['decays']:.1e}: {b['with_sums_per_s']:.3g}/s with sums on the {b['sums']}, "
        f"{b['with_copies_per_s']:.3g}/s with copies to the host"
        for b in batches
    ]


def proof(report: Mapping[str, Any]) -> str:
    """Whether every step that proves something ran and passed, and which did not."""
    parts = [("failed", report["failed"]), ("did not run to the end", report["not_run"])]
    lacks = [f"{', '.join(names)} {what}" for what, names in parts if names]
    return f"NOT PROVED: {'; '.join(lacks)}" if lacks else "proved: every step passed"


def recommendation(report: Mapping[str, Any]) -> list[str]:
    """The recommended options and why, the goals, and measured beside expected."""
    chosen = report["recommended"]
    if chosen["options"]:
        options = ", ".join(f"{name} {value or 'free'}" for name, value in chosen["options"].items())
        lines = [f"recommended: {options} ({chosen['why']})"]
    else:
        lines = [f"nothing recommended: {chosen['why']}"]
    lines.append(f"  {chosen['saved']}" if chosen["saved"].startswith("not saved") else f"  saved: {chosen['saved']}")
    if chosen["differing"]:
        lines.append(f"  other integers than the default, so not recommended: {chosen['differing']}")
    for row in report["goals"]:
        run, name = row["run_per_s"], SHORT[row["patient"]]
        if run is None:
            lines.append(f"  {name}: goal {row['goal_per_s']:.2g}/s, not measured")
            continue
        met = "met" if row["met"] else "NOT MET"
        text = f"  {name}: goal {row['goal_per_s']:.2g}/s {met}: {run:.3g}/s with sums"
        if row["kernel_per_s"]:
            text += f"; kernel alone {row['kernel_per_s']:.3g}/s"
        if row["of_expected"]:
            text += f", {row['of_expected']:.2f} of the {row['expected_per_s']:.2g}/s that the model expects"
        lines.append(text)
    return lines
