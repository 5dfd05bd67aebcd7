"""Ctrl-C, SIGTERM and a reader that goes away, met by real processes: the documented exit code, no traceback."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from hevesy.kernels.loader import cache_root
from hevesy.tests.patience import PATIENCE_S, end_all
from hevesy.tests.unit.small_case import TEXT, write_small_case

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and pipes of POSIX")

#: The command line with one of its steps replaced by a long one that says when it has begun.
SLOW_STEP = """
import sys, time
import {module} as module
def slow(*args, **options):
    print("begun", file=sys.stderr, flush=True)
    time.sleep(3600)
module.{name} = slow
sys.argv[0] = "hevesy"
from hevesy.cli.main import entry
entry()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("signals")
    write_small_case(path, TEXT.replace("decays: 40000", "decays: 900000000"))
    (path / "done").mkdir()
    return path


#: The processes of a test.
STARTED: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def _ended():
    yield
    end_all(STARTED)


def start(folder, words, code=None, **environment):
    command = ["-m", "hevesy"] if code is None else ["-c", code]
    process = subprocess.Popen(
        [sys.executable, *command, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    STARTED.append(process)
    return process


def read_until(process, word):
    """Standard error up to the line with a word."""
    seen = ""
    for line in process.stderr:
        seen += line
        if word in line:
            return seen
    raise AssertionError(f"ended with code {process.wait()} before {word!r}: {seen}")


def ended(process, number):
    """Exit code and the rest of standard error, after a signal."""
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("words", "module", "name"),
    [
        (("check", "case.yaml"), "hevesy.engine.imaging.volumes", "read_file"),
        (("run", "case.yaml", "-o", "out"), "hevesy.engine.imaging.volumes", "read_file"),
        (("import", ".", "-o", "new.yaml"), "hevesy.engine.imaging.sorting.sort", "sort_folder"),
        (("report", "done"), "hevesy.engine.export.folder", "rewrite_report"),
    ],
)
def test_a_signal_ends_any_command_with_3(folder, words, module, name, number):
    before = sorted(path.name for path in folder.iterdir())
    process = start(folder, words, SLOW_STEP.format(module=module, name=name))
    read_until(process, "begun")
    code, err = ended(process, number)
    assert code == 3
    assert "stopped; " in err
    assert "Traceback" not in err and "Abort" not in err
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_signal_ends_a_batch_before_its_first_result(folder, tmp_path):
    words = ("batch", "case.yaml", "-o", str(tmp_path / "trial"))
    process = start(folder, words, SLOW_STEP.format(module="hevesy.engine.imaging.volumes", name="read_file"))
    read_until(process, "begun")
    code, err = ended(process, signal.SIGINT)
    assert code == 3
    assert "stopped early: 1 case not done" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["simulate", "validate"])
def test_a_signal_ends_a_transport_alone(folder, command):
    from hevesy.engine.imaging.tissue import water
    from hevesy.engine.nuclides.decay import nuclide
    from hevesy.engine.transport.problem import Problem

    ones = np.ones((5, 5, 5), np.float32)
    Problem(
        density_g_cm3=ones, material=np.zeros(ones.shape, np.uint8), materials=(water(),),
        voxel_size_mm=(4.0, 4.0, 4.0), source=ones, emission=nuclide("I-131").emission,
        reference_dose=ones.astype(float), reference_sigma=ones * 0.1,
    ).save(folder / "water.npz")  # fmt: skip
    out = ("-o", str(folder / "water.h5")) if command == "simulate" else ()
    process = start(folder, (command, "water.npz", "--decays", "1e9", *out))
    read_until(process, " decays")
    code, err = ended(process, signal.SIGINT)
    assert code == 3
    assert "stopped" in err and "Traceback" not in err
    assert (folder / "water.h5").exists() or command == "validate"


def test_a_signal_ends_the_compiler(folder, tmp_path):
    """A machine whose cache has the physics tables and no compiled kernels."""
    for path in cache_root().glob("*"):
        if not path.name.startswith("kernels"):
            (tmp_path / path.name).symlink_to(path)
    process = start(folder, ("run", "case.yaml", "-o", "out"), HEVESY_CACHE=str(tmp_path))
    read_until(process, "compiling (first run on this machine)")
    code, err = ended(process, signal.SIGINT)
    assert code == 3
    assert "stopped; " in err
    assert "Traceback" not in err
    assert not (folder / "out").exists()


def test_a_signal_during_the_transport_keeps_what_there_is(folder):
    process = start(folder, ("run", "case.yaml", "-o", "part"))
    read_until(process, " decays")
    code, err = ended(process, signal.SIGINT)
    assert code == 3
    assert "stopped early: the results are marked incomplete" in err
    assert "Traceback" not in err
    assert (folder / "part" / "result.h5").exists()


@pytest.mark.parametrize("words", [("check", "case.yaml"), ("schema",), ("info",), ("--help",)])
def test_a_reader_that_goes_away_is_no_error(folder, words):
    process = start(folder, words)
    process.stdout.close()  # before anything is written
    err = process.stderr.read()
    assert process.wait(timeout=PATIENCE_S) == 0
    assert "Traceback" not in err and "Exception ignored" not in err


def test_a_reader_of_the_first_line_alone(folder):
    """What `hevesy schema | head -1` does: more is written than a pipe holds."""
    process = start(folder, ("schema",))
    assert process.stdout.readline() == "{\n"
    process.stdout.close()
    assert (process.wait(timeout=PATIENCE_S), process.stderr.read()) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_changes_neither_the_text_nor_the_code(command, monkeypatch, number):
    """The second one comes while the first is being told, and while the interpreter unwinds to that."""
    from hevesy.cli import main

    def slow():
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)

    tell = main.echo

    def interrupted(text, **options):
        for again in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.raise_signal(again)
        tell(text, **options)

    monkeypatch.setattr(main, "app", slow)
    monkeypatch.setattr(main, "echo", interrupted)
    code, _, err = command("check", "case.yaml")
    assert (code, err) == (3, "stopped; no result was written\n")


def test_a_signal_while_the_output_is_put_in_place_ends_after_it_and_says_so(folder, tmp_path, monkeypatch, command):
    """Twice Ctrl-C: the first would only stop the transport, which is over."""
    from hevesy.engine import swap

    place = swap._place

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        place(*arguments)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(swap, "_place", interrupted)
    code, _, err = command("run", folder / "case.yaml", "--method", "local", "-o", tmp_path / "out", "--quiet")
    assert code == 3
    assert err.splitlines()[-1] == f"stopped; {tmp_path / 'out'}: written whole"
    assert (tmp_path / "out" / "report.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_nohup_keeps_its_meaning(command, monkeypatch):
    from hevesy.cli import main

    monkeypatch.setattr(main, "app", lambda: signal.raise_signal(signal.SIGHUP))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert command("check", "case.yaml")[0] == 0


def test_a_terminal_that_is_closed_ends_a_run_with_its_results(folder):
    """The shell is gone, and writing to the terminal fails: what there is is saved all the same."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hevesy", "run", "case.yaml", "-o", "hung up"], cwd=folder, stdin=theirs, stdout=theirs,
        stderr=theirs, start_new_session=True,
    )  # fmt: skip
    STARTED.append(process)
    os.close(theirs)
    seen = b""
    while b"decays" not in seen:
        seen = seen[-100:] + os.read(ours, 4096)
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=PATIENCE_S) == 3
    assert (folder / "hung up" / "result.h5").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_the_command_line_is_loaded(number):
    code = f"""
import signal, sys
import hevesy.__main__ as main
class Loading:
    def find_spec(self, name, path=None, target=None):
        if name == "hevesy.cli":
            signal.raise_signal({int(number)})
sys.meta_path.insert(0, Loading())
main.entry()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "stopped; no result was written\n")
