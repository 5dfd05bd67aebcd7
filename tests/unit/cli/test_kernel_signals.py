"""Ctrl-C and SIGTERM while a voxel kernel is simulated: alone, inside a run, inside a comparison; real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from hevesy.kernels.loader import cache_root
from hevesy.tests.patience import PATIENCE_S, cpu_of, cpu_s, end_all, slowness
from hevesy.tests.unit.small_case import TEXT, write_small_case

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

#: Most processor time from a signal to the end of the process [s]; a batch that is not given up takes minutes.
LONGEST_S = 15.0
#: The command line in a process that signals itself while its batch is handed out to threads, or some time after.
SELF_SIGNALLED = """
import concurrent.futures.thread as pool, os, sys, threading
moment, number = sys.argv[1], int(sys.argv[2])
del sys.argv[1:3]
submit, times = pool.ThreadPoolExecutor.submit, 0
def counted(self, *args):
    global times
    times += 1
    if times == 1:
        print("begun", file=sys.stderr, flush=True)
        if moment.endswith("s"):
            threading.Timer(float(moment[:-1]), os.kill, (os.getpid(), number)).start()
    if moment == str(times):
        os.kill(os.getpid(), number)
    return submit(self, *args)
pool.ThreadPoolExecutor.submit = counted
sys.argv[0] = "hevesy"
from hevesy.cli.main import entry
entry()
"""
#: The command line in a process that, once it has told the progress of a kernel, works on until a signal comes.
HELD = """
import concurrent.futures.thread as pool, os, select, signal, sys
from hevesy.cli import output
come, wakes = os.pipe()
os.set_blocking(wakes, False)
signal.set_wakeup_fd(wakes)
submit, echo, told = pool.ThreadPoolExecutor.submit, output.echo, False
def heard(text="", **options):
    global told
    told = told or "kernel" in text and " decays" in text
    echo(text, **options)
def until_a_signal(work, *args):
    select.select([come], [], [])
    return work(*args)
def held(self, *args):
    return submit(self, until_a_signal, *args) if told else submit(self, *args)
pool.ThreadPoolExecutor.submit, output.echo = held, heard
sys.argv[0] = "hevesy"
from hevesy.cli.main import entry
entry()
"""
#: A kernel whose batches have 20 million decays each: some 10 000 pieces of work.
LONG = ("kernels", "I-131", "--voxel", "3 mm", "--density", "4 g/cm3", "--extent", "2 voxels", "--decays", "1e9")


#: The processes of a test.
STARTED: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def _ended():
    yield
    end_all(STARTED)


def start(folder, command, words, cache=None):
    """A process with two threads: what it does in a second of a clock is then no more on a machine of many cores."""
    own = {"HEVESY_THREADS": "2"} | ({} if cache is None else {"HEVESY_CACHE": str(cache)})
    process = subprocess.Popen(
        [sys.executable, *command, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | own,
    )  # fmt: skip
    STARTED.append(process)
    return process


def read_until(process, *words):
    seen = ""
    for line in process.stderr:
        seen += line
        if all(word in line for word in words):
            return
    raise AssertionError(f"ended with code {process.wait()} before {words}: {seen}")


def ended(process, number=None):
    """Exit code and the rest of standard error, within the time allowed from here on; the process may be sent a signal.

    The yardstick waits for the process, which would go on meanwhile.
    """
    before, begun = cpu_of(process.pid), cpu_s()
    if number is not None:
        process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_S)
    used = cpu_s() - begun - before
    assert used < LONGEST_S * slowness(), f"{used:.1f} s of processor time since the signal"
    return process.returncode, err


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("1", signal.SIGTERM),
        ("2", signal.SIGINT),
        ("3000", signal.SIGTERM),
        ("9700", signal.SIGINT),
        ("0.02s", signal.SIGTERM),
        ("0.3s", signal.SIGINT),
        ("1.5s", signal.SIGTERM),
    ],
)
def test_a_signal_ends_a_kernel_at_any_moment(tmp_path, moment, number):
    """While the first, a later and nearly the last piece of a batch is handed out, and while the batch runs."""
    process = start(tmp_path, ("-c", SELF_SIGNALLED, moment, str(int(number))), (*LONG, "-o", "k.npz"))
    read_until(process, "begun")
    code, err = ended(process)
    assert code == 3 and "Traceback" not in err
    assert not list(tmp_path.iterdir())


@pytest.fixture
def cache(tmp_path):
    """The compiled code and tables of this machine, and no kernel."""
    folder = tmp_path / "cache"
    folder.mkdir()
    for path in cache_root().glob("*"):
        if path.name != "voxel_s":
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernel-signals")
    write_small_case(folder, TEXT.replace("decays: 40000", "decays: 4000"))
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_that_makes_its_kernel(case, cache, tmp_path, number):
    words = ("run", "case.yaml", "--method", "kernel", "-o", str(tmp_path / "out"))
    process = start(case, ("-c", HELD), words, cache)
    read_until(process, "kernel", " decays")  # its progress is shown
    code, err = ended(process, number)
    assert code == 3 and "Traceback" not in err
    assert not (tmp_path / "out").exists() and not list((cache / "voxel_s").glob("*.npz"))


def test_a_signal_in_the_kernel_keeps_the_simulation_before_it(case, cache, tmp_path):
    words = ("run", "case.yaml", "--method", "mc,kernel", "-o", str(tmp_path / "out"))
    process = start(case, ("-c", HELD), words, cache)
    read_until(process, "kernel", " decays")
    code, err = ended(process, signal.SIGINT)
    assert code == 3 and "stopped early: the results are marked incomplete" in err and "Traceback" not in err
    assert (tmp_path / "out" / "result.h5").is_file()
    again = subprocess.run(
        [sys.executable, "-m", "hevesy", *words, "--resume", "-q"], cwd=case, capture_output=True, text=True, check=True
    )
    assert "incomplete" not in again.stderr


def test_a_signal_ends_a_comparison_that_makes_its_kernel(case, cache, tmp_path):
    out = str(tmp_path / "out")
    subprocess.run([sys.executable, "-m", "hevesy", "run", "case.yaml", "-q", "-o", out], cwd=case, check=True,
                   capture_output=True)  # fmt: skip
    process = start(case, ("-c", HELD), ("compare", out), cache)
    read_until(process, "kernel", " decays")
    code, err = ended(process, signal.SIGTERM)
    assert code == 3 and "Traceback" not in err
    assert not (tmp_path / "out" / "compare").exists()
