"""The command `make gpu-first`: what it keeps for a card, its exit status, its file, and a Python with nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hevesy.kernels.backends import cuda_options
from hevesy.tests.patience import PATIENCE_S
from hevesy.tools.gpu_first import keeping, main, runner, steps
from hevesy.tools.gpu_first.recommend import Choice
from hevesy.tools.gpu_first.runner import Outcome, Run

CARD = "A card"
BEST = cuda_options.CudaOptions("interleaved", 64, 128)
OLDER = cuda_options.CudaOptions("histories", None, 256)
CHOICE = Choice(("interleaved", 64, 128), 1.2, "why", (), True)
FACTS: dict[str, runner.Facts] = {
    "machine": [("machine", {"cards": [f"{CARD}, 580.1, 140000 MiB"]})],
    "names": [("card", {"name": CARD})],
    "use": [("device", {"name": CARD, "numbers": [0], "text": CARD})],
}
GROUNDS = [step.name for step in steps.in_order() if step.grounds]
PROVING = [step.name for step in steps.in_order() if not step.informs]


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HEVESY_CACHE", str(tmp_path / "cache"))


def outcome(name: str, state: str = "ok") -> Outcome:
    facts = FACTS.get(name, []) if state == "ok" else []
    return Outcome(name, state, 1.0, "" if state == "ok" else "because", "", facts)


def a_run(**states: str) -> Run:
    """A run whose steps all passed but for these; "absent" is one that never ran."""
    run = Run(Path("none"), 100.0, {})
    for step in steps.in_order():
        state = states.get(step.name.replace(" ", "_"), "ok")
        run.outcomes += [] if state == "absent" else [outcome(step.name, state)]
    return run


def kept() -> dict:
    file = cuda_options.options_file()
    return json.loads(file.read_text()) if file.exists() else {}


def test_steps_that_a_recommendation_rests_on():
    judged_by_build = {name for name in PROVING if name == "compile" or name.startswith("rates ")}
    assert set(PROVING) - set(GROUNDS) == judged_by_build | {"machine"}
    assert "tests" in GROUNDS


def test_options_are_kept_for_the_card():
    run = a_run()
    assert keeping.Keeper(run).keep(CHOICE, 1.0) == str(cuda_options.options_file())
    assert cuda_options.options_for(CARD) == BEST


@pytest.mark.parametrize("state", ["failed", "no end", "cut", "skipped", "absent"])
@pytest.mark.parametrize("name", GROUNDS)
def test_options_rest_on_steps_that_ran_and_passed(name, state):
    cuda_options.save(CARD, OLDER)
    cuda_options.save("Another", OLDER)
    run = a_run(**{name.replace(" ", "_"): state})
    keeper = keeping.Keeper(run)
    keeper.withdraw()
    said = keeper.keep(CHOICE, 1.0)
    assert said.startswith(f"not saved: {name} ")
    # a card that fails loses what it had; one that ran out of time does not
    failed = state in ("failed", "no end")
    assert set(kept()) == ({"Another"} if failed else {"Another", CARD})
    assert ("removed" in said) == failed
    assert cuda_options.options_for("Another") == OLDER


@pytest.mark.parametrize("name", ["machine", "compile", "transfers", "plain kernel", f"rates {OLDER.schedule}"])
def test_what_the_recommended_build_does_not_rest_on_may_fail(name):
    keeper = keeping.Keeper(a_run(**{name.replace(" ", "_"): "failed"}))
    keeper.withdraw()
    assert "not saved" not in keeper.keep(CHOICE, 1.0)


def test_a_card_is_known_before_its_use_is_proved():
    assert keeping.cards(a_run(use="failed")) == [CARD]
    assert keeping.cards(a_run(use="failed", names="failed")) == [CARD]
    assert keeping.cards(a_run(use="failed", names="failed", machine="failed")) == []


def test_nothing_is_kept_that_was_not_measured():
    assert keeping.Keeper(a_run()).keep(CHOICE._replace(measured=False), 1.0) == "not saved: why"
    assert "fewer decays" in keeping.Keeper(a_run()).keep(CHOICE, 0.1)
    assert not kept()


def test_options_that_cannot_be_written_are_told_and_leave_nothing(monkeypatch):
    file = cuda_options.options_file()
    file.mkdir(parents=True)
    (file / "something").touch()
    with pytest.raises(OSError, match=r"cuda-options.json cannot be written: "):
        cuda_options.save(CARD, BEST)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert "cannot be written" in keeping.Keeper(a_run()).keep(CHOICE, 1.0)
    monkeypatch.setenv("HEVESY_CACHE", "relative")
    assert "not saved: HEVESY_CACHE is" in keeping.Keeper(a_run()).keep(CHOICE, 1.0)


def test_options_that_cannot_be_removed_are_told(monkeypatch):
    cuda_options.save(CARD, OLDER)

    def refuse(file, contents):
        raise OSError("read-only")

    monkeypatch.setattr(cuda_options, "_write", refuse)
    keeper = keeping.Keeper(a_run(engine="failed"))
    keeper.withdraw()
    assert keeper.keep(CHOICE, 1.0) == "not saved: engine failed; WHAT WAS SAVED BEFORE REMAINS: read-only"


def test_to_forget_what_is_not_there_changes_nothing():
    assert not cuda_options.forget(CARD)
    assert not cuda_options.options_file().exists()
    cuda_options.save("Another", OLDER)
    assert not cuda_options.forget(CARD)
    cuda_options.options_file().write_text("{")
    assert not cuda_options.forget(CARD)
    assert cuda_options.options_file().read_text() == "{"


# --- the command


def command(monkeypatch, tmp_path, *words: str, **states: str) -> int:
    """The command with steps that are not run and end so."""

    def end(self, step, **more):
        ended = outcome(step.name, states.get(step.name.replace(" ", "_"), "ok"))
        self.outcomes.append(ended)
        return ended

    monkeypatch.setattr(Run, "run", end)
    return main.main(["--out", str(tmp_path / "out"), *words])


def test_the_status_is_0_where_everything_passed(monkeypatch, tmp_path, capsys):
    assert command(monkeypatch, tmp_path) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-2] == "proved: every step passed"
    # nothing was measured by these
    assert [line for line in said if line.startswith("nothing recommended: the default was not measured")]
    assert command(monkeypatch, tmp_path, transfers="failed", plain_kernel="skipped") == 0


@pytest.mark.parametrize("state", ["failed", "no end", "cut", "skipped"])
@pytest.mark.parametrize("name", PROVING)
def test_the_status_is_1_unless_everything_passed(monkeypatch, tmp_path, capsys, name, state):
    assert command(monkeypatch, tmp_path, **{name.replace(" ", "_"): state}) == 1
    what = "failed" if state in ("failed", "no end") else "did not run to the end"
    assert f"NOT PROVED: {name} {what}" in capsys.readouterr().out


def test_some_steps_alone_do_not_prove_all(monkeypatch, tmp_path, capsys):
    assert command(monkeypatch, tmp_path, "--only", "engine, use") == 1
    said = capsys.readouterr().out
    assert "NOT PROVED: machine, kernel" in said
    assert "== use" in said
    assert "== kernel" not in said


def test_a_step_that_does_not_exist_is_refused(monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        command(monkeypatch, tmp_path, "--only", "use,enginee")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "no step 'enginee'; there are machine, plain kernel, kernel, " in said
    assert not (tmp_path / "out").exists()


def test_no_time_for_anything_is_no_success(tmp_path, capsys):
    assert main.main(["--seconds", "1", "--out", str(tmp_path)]) == 1
    assert "nothing recommended" in capsys.readouterr().out


def test_a_card_that_fails_loses_its_options_at_once(monkeypatch, tmp_path, capsys):
    cuda_options.save(CARD, OLDER)
    seen = []
    write = main.ReportFile.write

    def watched(self, report):
        seen.append((report["steps"][-1]["name"], CARD in kept()))
        write(self, report)

    monkeypatch.setattr(main.ReportFile, "write", watched)
    assert command(monkeypatch, tmp_path, engine="failed") == 1
    assert ("use", True) in seen
    assert ("engine", False) in seen
    assert f"not saved: engine failed; what was saved before for {CARD} is removed" in capsys.readouterr().out


def test_results_that_cannot_be_written_are_told_once_and_lose_no_table(monkeypatch, tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    assert command(monkeypatch, tmp_path) == 1
    said = capsys.readouterr().out
    assert said.count("results cannot be written to") == 1
    assert "== tests: ok" in said
    assert "proved: every step passed" in said
    assert said.splitlines()[-1].startswith("NOT WRITTEN: ")


#: a Python with the standard library alone, and so its child processes
BARE = """
import sys
sys.path[:] = [place for place in sys.path if "-packages" not in place and "hevesy" not in place]
sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__module__", "").startswith("_frozen")]
"""


def bare(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, by its path, in a Python without any package."""
    (tmp_path / "sitecustomize.py").write_text(BARE)
    return subprocess.run(
        [sys.executable, str(Path(main.__file__).parent), "--out", str(tmp_path), *words],
        capture_output=True, text=True, check=False, timeout=2 * PATIENCE_S,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip


def test_a_python_without_packages_is_told_what_to_install(tmp_path):
    """The first lines, the step that says so, and the table need the standard library alone."""
    ran = bare(tmp_path, "--seconds", str(int(PATIENCE_S)), "--patience", "10", "--only", "machine,kernel,engine")
    assert ran.returncode == 1
    assert ran.stderr == ""
    said = ran.stdout.splitlines()
    assert said[0] == "problem files and emission not looked for: ModuleNotFoundError: No module named 'numpy'"
    assert "   why it does not: RuntimeError: missing: numpy, scipy, numba, numba-cuda, h5py, pytest, CuPy, nvvm" in (
        line[: line.find(", nvrtc")] for line in said
    )
    assert f"{sys.executable} -m pip install 'numpy<2.5' 'scipy' 'numba<0.69' 'numba-cuda[cu13]>=0.30" in ran.stdout
    assert said.count("   why it does not: ModuleNotFoundError: No module named 'numpy'") == 2
    assert "Traceback" not in ran.stdout
    assert said[-2].startswith("NOT PROVED: machine, kernel, engine failed; ")
    assert len(list(tmp_path.glob("gpu-first-*.json"))) == 1
