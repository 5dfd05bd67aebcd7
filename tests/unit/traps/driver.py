"""One trap through the door: its files on disk, the commands, and the numbers and words that come back."""

from __future__ import annotations

import json
import sys

import pytest
from hevesy.cli import main


def call(words, monkeypatch, capsys):
    """Run one command of hevesy in this process: (exit code, standard output, standard error)."""
    monkeypatch.setattr(sys, "argv", ["hevesy", *words])
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main.entry()
    told = capsys.readouterr()
    return caught.value.code or 0, told.out, told.err


def judge(trap, folder, monkeypatch, capsys):
    """Write a trap, run its commands, and hold what they say against what is right."""
    own = trap.write(folder)
    monkeypatch.chdir(own)
    right, told, plan = trap.expected, "", {}
    for command, wanted in zip(trap.commands, trap.exits, strict=False):
        words = command.split()
        code, out, err = call(words, monkeypatch, capsys)
        told = out + err
        assert "Traceback" not in told
        assert code == wanted, f"hevesy {command}: exit {code}, not {wanted}\n{told}"
        if code == 2:
            assert_refusal(err)
        elif words[0] == "check":
            plan = json.loads(call([*words, "--json"], monkeypatch, capsys)[1])
    flat = " ".join(told.split())
    for words in right.says:
        assert words in flat, f"{words!r} is not said:\n{told}"
    for words in right.unsaid:
        assert words not in flat, f"{words!r} is said:\n{told}"
    if trap.exits[-1] != 2:
        numbers(plan, right)


def assert_refusal(message):
    """One message with problem, reason and advice, and no text of a library."""
    assert "why:" in message and "try:" in message, message
    for foreign in ("Errno", "Exception", "itk::", "force=True", "object at 0x", "NoneType"):
        assert foreign not in message, message


def numbers(plan, right):
    """What `check --json` says of the first visit against the right numbers."""
    visit = plan["visits"][0] if plan else {}
    if right.hours:
        assert [scan["hours_after"] for scan in visit["scans"]] == pytest.approx(list(right.hours), rel=right.within)
    found = {lesion["lesion"]: lesion for lesion in visit.get("lesions", ())}
    if right.lesions and right.only:
        assert set(found) == set(right.lesions)
    for name, wanted in right.lesions.items():
        for key, value in wanted.items():
            assert found[name][key] == pytest.approx(value, rel=right.within), (name, key, found[name])
    if right.grid is not None:
        assert tuple(visit["grid"]["shape"]) == right.grid
    if right.tracer is not None:
        assert plan["tracer"]["nuclide"] == right.tracer
