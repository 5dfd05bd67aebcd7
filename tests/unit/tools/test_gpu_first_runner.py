"""Steps of `make gpu-first`: each in its own process, within its limit and the budget."""

from __future__ import annotations

import inspect
import json
import math
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest
from hevesy.tests.patience import PATIENCE_S, alive, until
from hevesy.tools.gpu_first import main, runner, steps
from hevesy.tools.gpu_first.runner import Notes, Outcome, Run, Step

WORKS = "import sys; print('said'); open(sys.argv[1], 'a').write('[\"rate\", {\"value\": 3}]\\n')"


def python(code: str, facts: Path) -> list[str]:
    return [sys.executable, "-c", code, str(facts)]


def test_a_step_tells_what_it_learnt(tmp_path):
    facts = tmp_path / "facts"
    outcome = runner.run_step("works", python(WORKS, facts), facts, PATIENCE_S)
    assert (outcome.state, outcome.reason, outcome.output) == ("ok", "", "said")
    assert outcome.facts == [("rate", {"value": 3})]


def test_a_step_that_fails_keeps_its_facts_and_says_why(tmp_path):
    facts = tmp_path / "facts"
    outcome = runner.run_step("fails", python(WORKS + "; raise ValueError('no such thing')", facts), facts, PATIENCE_S)
    assert outcome.state == "failed"
    assert outcome.reason == "ValueError: no such thing"
    assert outcome.facts == [("rate", {"value": 3})]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_step_that_a_signal_ends_says_which(tmp_path):
    code = "import os; print('last words', flush=True); os.kill(os.getpid(), 11)"
    outcome = runner.run_step("crashes", python(code, tmp_path), tmp_path / "facts", PATIENCE_S)
    assert outcome.state == "failed"
    assert outcome.reason == "ended by signal 11: last words"


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_a_step_that_hangs_is_ended_with_all_that_it_started(tmp_path):
    facts, begun = tmp_path / "facts", tmp_path / "begun"
    code = "import subprocess; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)']); "
    code = f"{WORKS}; {code}sys.stdout.flush(); open({str(begun)!r}, 'w').write(str(child.pid)); child.wait()"
    for limit_s in (2.0, 10.0, PATIENCE_S):  # a machine on which all that takes longer
        facts.unlink(missing_ok=True)
        outcome = runner.run_step("hangs", python(code, facts), facts, limit_s)
        if begun.exists() and begun.read_text():
            break
    assert outcome.state == "no end"
    assert outcome.reason == f"no end within {limit_s:.0f} s"
    assert outcome.output == "said"
    assert outcome.facts == [("rate", {"value": 3})]
    child = int(begun.read_text())
    until(lambda: not alive(child))


def test_half_a_line_is_no_fact(tmp_path):
    facts = tmp_path / "facts"
    facts.write_text('["rate", {"value": 1}]\n["rate", {"val')
    assert runner.read_facts(facts) == [("rate", {"value": 1})]
    assert runner.read_facts(tmp_path / "none") == []


def test_notes_are_read_again_and_scale_decays(tmp_path):
    begin = time.monotonic()
    notes = Notes(tmp_path / "facts", {"factor": 0.001}, 10.0)
    notes.tell("rate", patient="a", value=1.5)
    notes.tell("left out", measurements=2)
    assert runner.read_facts(tmp_path / "facts") == [
        ("rate", {"patient": "a", "value": 1.5}), ("left out", {"measurements": 2}),
    ]  # fmt: skip
    assert notes.decays(8e6) == 8000
    assert notes.decays(100) == 32
    left_s = notes.left_s
    assert 10.0 - (time.monotonic() - begin) <= left_s <= 10.0


#: a program in place of `__main__.py`: what a step does is its name
PROGRAM = """
import json, sys
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
given = json.loads(words["--given"])
if words["--step"] == "fails":
    sys.exit("it fails")
open(words["--facts"], "a").write(json.dumps(["given", given]) + "\\n")
"""


def step(name: str, **more) -> Step:
    return Step(name, lambda notes: None, PATIENCE_S, "something", "do something", **more)


@pytest.fixture
def program(tmp_path):
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return file


def test_a_failing_step_leaves_the_others_to_run(program):
    run = Run(program, 3 * PATIENCE_S, {"factor": 0.5})
    assert run.run(step("fails")).reason == "it fails"
    assert run.run(step("works"), schedule="voted").state == "ok"
    (given,) = run.facts("given")
    assert given["factor"] == 0.5
    assert given["schedule"] == "voted"
    assert given["limit_s"] == PATIENCE_S - 2.0


def test_a_step_is_skipped_when_what_it_needs_failed(program):
    run = Run(program, 3 * PATIENCE_S, {})
    run.run(step("fails"))
    assert run.run(step("later", needs="fails")).state == "skipped"
    assert "it needs 'fails'" in run.outcomes[-1].reason
    assert run.run(step("other", needs="works")).state == "ok"


def test_what_no_longer_fits_is_skipped_and_said(program):
    run = Run(program, 4.0, {})
    outcome = run.run(step("works"))
    assert outcome.state == "skipped"
    assert "--seconds" in outcome.reason


def test_a_failure_at_the_end_of_the_budget_may_be_for_lack_of_time(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "LEAST_S", -math.inf)  # it is started, however late it is
    program = tmp_path / "program.py"
    program.write_text("import time; time.sleep(3600)")
    run = Run(program, 2.0, {})
    assert run.run(step("hangs")).state == "cut"
    assert "--seconds" in run.outcomes[-1].reason
    run = Run(program, PATIENCE_S, {})
    assert run.run(step("hangs")._replace(limit_s=1.0)).state == "no end"


def test_a_quick_failure_is_one_however_little_time_is_left(program):
    slow = step("fails")._replace(limit_s=2 * PATIENCE_S)
    assert Run(program, PATIENCE_S, {}).run(slow).state == "failed"


def test_every_step_says_what_it_proves_and_what_to_do():
    listed = steps.in_order()
    names = [each.name for each in listed]
    assert len(set(names)) == len(names)
    for each in listed:
        assert each.proves and each.otherwise, each.name
        assert each.limit_s >= runner.LEAST_S
        assert each.needs in ("", *names[: names.index(each.name)])
        assert not (each.informs and each.grounds)
    for each in steps.all_steps().values():
        names_of = inspect.getclosurevars(each.work).nonlocals
        module = import_module(f"hevesy.tools.gpu_first.{names_of['module']}")
        assert callable(getattr(module, names_of["function"])), each.name
    # an earlier step's name for a task of another process would run that instead
    assert not set(names) & set(steps.TASKS)


def test_a_step_that_raises_ends_its_process_with_a_line_that_says_why(tmp_path, monkeypatch, capsys):
    def broken(notes):
        raise ArithmeticError("3 quanta\n lost")

    monkeypatch.setattr(steps, "all_steps", lambda: {"broken": step("broken")._replace(work=broken)})
    assert main.one_step("broken", tmp_path / "facts", {}) == 1
    # the whole traceback is for the file alone
    assert capsys.readouterr().err == "ArithmeticError: 3 quanta lost\n"
    (told,) = (values for kind, values in runner.read_facts(tmp_path / "facts") if kind == "traceback")
    assert "in broken\n" in told["traceback"]


def test_devices_that_proved_themselves_need_not_again(tmp_path, monkeypatch):
    from hevesy.kernels.backends import cuda_probe

    seen = []
    monkeypatch.setattr(cuda_probe, "devices", cuda_probe.devices)  # put back afterwards
    asks = step("asks")._replace(work=lambda notes: seen.append(cuda_probe.devices()))
    monkeypatch.setattr(steps, "all_steps", lambda: {"asks": asks})
    assert main.one_step("asks", tmp_path / "facts", {"proved": [0, 3]}) == 0
    assert seen == [(0, 3)]


def test_the_command_on_a_machine_without_a_device(tmp_path):
    """By its path, and in a Python that finds hevesy nowhere else: the checkout is enough."""
    root = Path(steps.__file__).resolve().parents[2]
    code = (
        "import runpy, sys; sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in str(f).lower()]; "
        "sys.path[:] = [p for p in sys.path if 'hevesy' not in p]; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-c", code, str(root / "tools" / "gpu_first"), "--out", str(tmp_path)]
    command += ["--seconds", str(int(PATIENCE_S)), "--patience", "10", "--only", "CuPy and Numba,use,engine"]
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=2 * PATIENCE_S, check=False, cwd=tmp_path, env=hidden
    )
    (file,) = tmp_path.glob("gpu-first-*.json")
    assert "no usable CUDA device" in ran.stdout, ran.stdout + ran.stderr
    assert ran.returncode == 1
    report = json.loads(file.read_text())
    assert report["failed"] == ["CuPy and Numba", "use"]
    assert report["steps"][-1]["state"] == "skipped"


def outcome(name: str, state: str, facts: runner.Facts = []) -> Outcome:  # noqa: B006
    return Outcome(name, state, 1.0, "" if state == "ok" else "because", "", facts)


class FakeRun:
    """Outcomes that were made up."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)

    facts = Run.facts


def test_steps_go_on_with_all_devices_where_use_failed():
    """A proof that fails by its own fault must not cost the first minutes of a device."""
    worked = outcome("CuPy and Numba", "ok", [("interleaved", {"devices": 2})])
    assert main.proved(FakeRun(worked, outcome("use", "failed"))) == {"proved": [0, 1]}
    assert main.proved(FakeRun(worked, outcome("use", "ok", [("device", {"numbers": [1]})]))) == {"proved": [1]}
    assert main.proved(FakeRun(outcome("use", "failed"))) == {}
