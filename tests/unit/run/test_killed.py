"""Runs that are killed with SIGKILL at chosen moments, and resumed: the integers and verdicts of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from hevesy.kernels.backends import cpu
from hevesy.tests.patience import PATIENCE_S, until
from hevesy.tests.unit.run.test_resume import TWO_VISITS
from hevesy.tests.unit.small_case import write_small_case
from hevesy.tools.result_hash import result_hashes

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

#: The command line in a process that saves a checkpoint after every batch, and signals itself at a moment of its own.
SELF_KILLED = """
import os, pathlib, signal, sys
moment, number = sys.argv[1], int(sys.argv[2])
del sys.argv[1:3]
from hevesy.cli import interrupt
from hevesy.engine.transport import checkpoints
from hevesy.engine.results import checkpoint, result
from hevesy.engine import run
checkpoints.STRETCH, interrupt.TOGETHER_S = 0.0, 0.0  # a second signal is one, however soon it comes
times = 0
def now():
    global times
    times += 1
    return times == number
def die(with_what=signal.SIGKILL):
    os.kill(os.getpid(), with_what)
save, write, replace = checkpoint.CheckpointFile.save, checkpoint._write, pathlib.Path.replace
def saved(self, *args):
    save(self, *args)
    if moment in ("saved", "asked twice") and now():
        die(signal.SIGKILL if moment == "saved" else signal.SIGTERM)
def written(path, *args):
    write(path, *args)
    if moment == "writing" and now():
        os.truncate(path, os.path.getsize(path) // 2)
        die()
def replaced(self, target):
    done = replace(self, target)
    if moment == "between" and str(target).endswith(".previous.npz") and now():
        die()
    return done
def last(*args):
    die(signal.SIGTERM if moment == "asked twice" else signal.SIGKILL)
checkpoint.CheckpointFile.save, checkpoint._write, pathlib.Path.replace = saved, written, replaced
if moment in ("results", "asked twice"):
    result.Result.save = run.write_outcome = last
sys.argv[0] = "hevesy"
from hevesy.cli.main import entry
entry()
"""
DECAYS = 200_000
BATCH = DECAYS // 50
WORDS = ("--seed", "3", "--backend", "cpu", "--quiet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A problem with regions and a case of two visits, two therapies and two methods that simulate."""
    from hevesy.engine.imaging.tissue import water
    from hevesy.engine.nuclides.decay import nuclide
    from hevesy.engine.transport.problem import Problem

    path = tmp_path_factory.mktemp("killed")
    ones = np.ones((6, 6, 6), np.float32)
    regions = np.zeros(ones.shape, np.uint8)
    regions[1:3], regions[4:, 2:4] = 1, 2
    Problem(
        density_g_cm3=ones, material=np.zeros(ones.shape, np.uint8), materials=(water(),), source=ones,
        voxel_size_mm=(4.0, 4.0, 4.0), emission=nuclide("I-131").emission, regions=regions,
        region_names=("one", "other"),
    ).save(path / "water.npz")  # fmt: skip
    text = TWO_VISITS.replace("visits:", "further_therapies: [{nuclide: Lu-177, activity: 7.4 GBq}]\nvisits:")
    write_small_case(path, text.replace("decays: 40000", "decays: 10000"))
    return path


def killed(folder, moment, number, *words):
    """Run a command that signals itself; its exit code and standard error."""
    done = subprocess.run(
        [sys.executable, "-c", SELF_KILLED, moment, str(number), *map(str, words), *WORDS, "--checkpoint", "1 us"],
        cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.fixture
def batches(monkeypatch):
    """The batches that are simulated in this process."""
    numbers = []
    run_batch = cpu.Engine.run_batch

    def counted(self, batch, *args):
        numbers.append(batch)
        return run_batch(self, batch, *args)

    monkeypatch.setattr(cpu.Engine, "run_batch", counted)
    return numbers


def simulate(folder, out, *words):
    return ("simulate", folder / "water.npz", "--decays", DECAYS, "-o", out, *words)


@pytest.mark.parametrize(
    ("moment", "number", "left"),
    [("saved", 7, 7), ("writing", 1, 0), ("writing", 3, 2), ("between", 2, 2), ("results", 1, 49)],
)
def test_a_killed_transport_is_resumed(folder, command, batches, tmp_path, moment, number, left):
    """After a checkpoint, within one that tears, between the renames of one, and while the result is written."""
    out, work = tmp_path / "r.h5", tmp_path / ".r.h5.work"
    code, err = killed(folder, moment, number, *simulate(folder, out))
    assert (code, out.exists(), work.exists()) == (-signal.SIGKILL, False, True), err
    code, _, err = command(*simulate(folder, out, "--resume"), *WORDS)
    assert code == 0, err
    assert batches == list(range(left, 50))
    whole = tmp_path / "whole.h5"
    assert command(*simulate(folder, whole), *WORDS)[0] == 0
    assert result_hashes(out)[0] == result_hashes(whole)[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.h5", "whole.h5"]


def test_a_kill_from_outside(folder, command, tmp_path):
    """A process that knows nothing of it, as soon as its checkpoint is there."""
    out, file = tmp_path / "r.h5", tmp_path / ".r.h5.work" / "checkpoint.npz"
    words = [*map(str, simulate(folder, out)), *WORDS, "--checkpoint", "1 ms"]
    words[words.index(str(DECAYS))] = "1e9"
    process = subprocess.Popen([sys.executable, "-m", "hevesy", *words], stderr=subprocess.DEVNULL)
    try:
        until(lambda: file.exists() or process.poll() is not None)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL and not out.exists()
    # fewer decays than there are: the result has all of them, in the same batches
    code, _, err = command(*simulate(folder, out, "--resume"), *WORDS)
    assert code == 0, err
    done = result_of(out)
    assert done.decays >= 100_000 and done.tally.batch_histories == 100_000
    words[words.index("1e9")], words[words.index("-o") + 1] = str(done.decays), str(tmp_path / "whole.h5")
    from hevesy import Problem
    from hevesy import simulate as transport

    problem = Problem.load(folder / "water.npz")
    whole = transport(problem, done.decays, 3, "cpu", batch_histories=100_000)
    np.testing.assert_array_equal(done.tally.energy_quanta_squared, whole.tally.energy_quanta_squared)
    np.testing.assert_array_equal(done.tally.region_quanta, whole.tally.region_quanta)


def result_of(path):
    from hevesy import Result

    return Result.load(path)


@pytest.fixture(scope="module")
def whole_run(folder):
    import hevesy

    hevesy.run(folder / "case.yaml", method="mc,hybrid", seed=3, backend="cpu", out=folder / "whole")
    assert not (folder / ".whole.work").exists()
    return folder / "whole"


def run_words(folder, out, *words):
    return ("run", folder / "case.yaml", "--method", "mc,hybrid", "-o", out, *words)


def assert_same_run(out, whole):
    files = [path.relative_to(whole) for path in sorted(whole.rglob("result.h5"))]
    assert len(files) == 4
    for file in files:
        assert result_hashes(out / file) == result_hashes(whole / file), file
        assert (out / file).with_name("lesions.csv").read_text() == (whole / file).with_name("lesions.csv").read_text()
    for name in ("lesions.csv", "lesions.json"):
        assert (out / name).read_text() == (whole / name).read_text()


def test_a_killed_run_simulates_nothing_twice(folder, whole_run, command, batches, tmp_path):
    """In the second method of the first visit of the second therapy: the sixth of 8 transports of 50 batches."""
    out, number = tmp_path / "out", 280
    code, err = killed(folder, "saved", number, *run_words(folder, out))
    assert (code, out.exists()) == (-signal.SIGKILL, False), err
    code, _, err = command(*run_words(folder, out, "--resume"), *WORDS)
    assert code == 0, err
    assert len(batches) == 8 * 50 - number
    assert_same_run(out, whole_run)
    assert not list(tmp_path.glob(".out.work"))


def test_a_second_signal_ends_at_once_and_says_what_is_kept(folder, whole_run, command, batches, tmp_path):
    """The first one in the second visit, the second while results are written."""
    out = tmp_path / "out"
    code, err = killed(folder, "asked twice", 130, *run_words(folder, out))
    assert code == 3 and not out.exists()
    assert "press Ctrl-C again to end at once" in err and "Traceback" not in err
    assert "the last checkpoint is in .out.work: the same command with --resume continues from it" in err
    code, _, err = command(*run_words(folder, out, "--resume"), *WORDS)
    assert code == 0, err
    assert len(batches) <= 8 * 50 - 130
    assert_same_run(out, whole_run)


def test_a_checkpoint_of_a_dead_run_is_told_and_outlives_the_next_start(folder, command, tmp_path, monkeypatch, caplog):
    out, file = tmp_path / "r.h5", tmp_path / ".r.h5.work" / "checkpoint.npz"
    assert killed(folder, "saved", 2, *simulate(folder, out))[0] == -signal.SIGKILL
    former = file.read_bytes()
    with monkeypatch.context() as patch:

        def ends(self, *args):
            raise KeyboardInterrupt

        patch.setattr(cpu.Engine, "run_batch", ends)
        code, _, err = command(*simulate(folder, out), *WORDS)
    assert code == 3 and file.read_bytes() == former
    told = "left a checkpoint in .r.h5.work: --resume continues from it; this run starts with the first history"
    assert told in caplog.text
    assert command(*simulate(folder, out), *WORDS)[0] == 0
    assert not file.parent.exists()


@pytest.mark.parametrize("saved", ["off", "1 min"])
def test_a_short_run_leaves_nothing(folder, command, tmp_path, saved):
    assert command(*simulate(folder, tmp_path / "r.h5", "--checkpoint", saved), *WORDS)[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["r.h5"]


def test_resume_with_what_was_reached_says_so(folder, command, tmp_path):
    out = tmp_path / "r.h5"
    assert command(*simulate(folder, out), *WORDS)[0] == 0
    before = result_hashes(out)[0]
    fewer = [100_000 if word == DECAYS else word for word in simulate(folder, out, "--resume")]
    code, _, err = command(*fewer, *WORDS)
    assert code == 0 and result_hashes(out)[0] == before
    assert "nothing was left to simulate: the earlier run has 200000 decays" in err
    code, _, err = command(*simulate(folder, out, "--resume", "--until", "lesions:50%"), *WORDS)
    assert code == 0 and result_hashes(out)[0] == before
    assert "nothing was left to simulate" in err


def test_a_number_of_decays_that_takes_days_is_said(folder, command, tmp_path, monkeypatch, caplog):
    from hevesy.cli import interrupt

    asked = []
    monkeypatch.setattr(interrupt._StopRequest, "__call__", lambda self: asked.append(1) or len(asked) > 2)
    words = ["1e13" if word == DECAYS else word for word in simulate(folder, tmp_path / "r.h5")]
    assert command(*words, *WORDS)[0] == 3
    assert "1e+13 decays take about " in caplog.text and " days here; Ctrl-C ends the run" in caplog.text
    for absurd in ("1e18", "1e30"):
        words = [absurd if word == DECAYS else word for word in simulate(folder, tmp_path / "r.h5")]
        code, _, err = command(*words, *WORDS)
        assert code == 2 and "is not a number of decays" in err
