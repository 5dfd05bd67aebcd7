"""The lock of an output: one process at a time, and none after its end, however that came."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hevesy.engine import lock
from hevesy.engine.errors import InputError
from hevesy.engine.lock import is_locked, locked
from hevesy.engine.work_folder import working

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")

HOLD = """
import os, sys
from pathlib import Path
from hevesy.engine import lock
from hevesy.engine.lock import locked
if sys.argv[2] == "without locks":
    lock.fcntl = None
with locked(Path(sys.argv[1]), "simulates"):
    if sys.argv[2] == "with a child":
        ready, tell = os.pipe()
        if not os.fork():
            os.write(tell, b"runs")
            sys.stdin.read()  # until the test ends
            os._exit(0)
        os.read(ready, 4)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Start a process that holds tmp_path/lock."""
    running = []

    def start(how=""):
        words = [sys.executable, "-c", HOLD, str(tmp_path / "lock"), how]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "held\n"
        running.append(process)
        return process

    yield start
    for process in running:
        process.stdin.close()
        process.kill()
        process.wait()
        process.stdout.close()


def no_locks(monkeypatch, number=errno.ENOSYS):
    def refuse(descriptor, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock.fcntl, "flock", refuse)


@pytest.mark.parametrize("how", ["", "without locks"])
def test_the_second_process_is_told_who_holds_it(tmp_path, holder, how, monkeypatch):
    process = holder(how)
    if how:
        no_locks(monkeypatch)
    assert is_locked(tmp_path / "lock")
    with pytest.raises(InputError) as caught, locked(tmp_path / "lock", "comes second", tmp_path / "out"):
        pass
    text = str(caught.value)
    assert f"{tmp_path / 'out'}: is in use by another command" in text
    if not how:
        assert f"simulates (process {process.pid} on {socket.gethostname()}, since 20" in text
    assert (tmp_path / "lock").exists()


@pytest.mark.parametrize("how", ["", "with a child", "without locks"])
def test_a_killed_process_holds_nobody_back(tmp_path, holder, how, monkeypatch):
    process = holder(how)
    if how == "without locks":
        no_locks(monkeypatch)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / "lock").exists()
    assert not is_locked(tmp_path / "lock")
    with locked(tmp_path / "lock", "comes second"):
        assert is_locked(tmp_path / "lock")
    assert not (tmp_path / "lock").exists()


def test_a_child_that_ends_does_not_take_the_lock_of_its_parent_away(tmp_path):
    with locked(tmp_path / "lock", "is the parent"):
        child = os.fork()
        if not child:
            try:
                raise SystemExit  # unwinds through the block, as an error in a worker does
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert (tmp_path / "lock").exists() and is_locked(tmp_path / "lock")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(tmp_path, monkeypatch, number):
    no_locks(monkeypatch, number)
    path = tmp_path / "lock"
    about = {"pid": os.getpid(), "host": socket.gethostname(), "started": "another boot 1", "what": "", "since": ""}
    path.write_text(json.dumps(about))  # the number of this process, which belonged to another one
    with locked(path, "is first"):
        assert is_locked(path)
        with pytest.raises(InputError, match="is first"), locked(path, "is second"):
            pass
    path.write_text(json.dumps(about | {"host": "another.machine"}))
    with pytest.raises(InputError, match="if nothing runs on that machine") as caught, locked(path, "is third"):
        pass
    assert f"any more, remove {path}" in str(caught.value)


def test_who_looks_holds_nobody_back(tmp_path, monkeypatch):
    """While the lock was asked for, others looked whether it was held; the machine stood still for a minute in between.

    Tries are counted: how long they take on a clock is no matter.
    """
    answers = [OSError(errno.EWOULDBLOCK, "held")] * 3 + [None]
    flock, clock = lock.fcntl.flock, iter(range(0, 10**6, 60))
    monkeypatch.setattr(lock, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda seconds: None))

    def once_held(descriptor, operation):
        if answers and (answer := answers.pop(0)):
            raise answer
        return flock(descriptor, operation)

    monkeypatch.setattr(lock.fcntl, "flock", once_held)
    with locked(tmp_path / "lock", "takes it"):
        assert is_locked(tmp_path / "lock")


def test_a_full_disk_takes_no_lock_away(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(lock.os, "pwrite", full)
    path = tmp_path / "lock"
    with locked(path, "works"), pytest.raises(InputError, match="another process writes"), locked(path, "is second"):
        pass


def test_a_command_within_a_command_is_not_its_own_rival(tmp_path):
    with working(tmp_path / "out") as outer, working(tmp_path / "out") as inner:
        assert outer == inner
    assert list(tmp_path.iterdir()) == []


def test_the_folder_that_is_taken_away_ends_the_lock_without_an_error(tmp_path):
    with locked(tmp_path / "work" / "lock", "works"):
        (tmp_path / "work" / "lock").unlink()
        (tmp_path / "work").rmdir()


@pytest.mark.parametrize("kind", ["link", "link to nothing", "file", "folder", "pipe"])
def test_what_is_no_lock_file_is_refused_and_stays(tmp_path, kind):
    precious, path = tmp_path / "precious", tmp_path / "out" / "lock"
    path.parent.mkdir()
    precious.write_text("mine")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(precious if kind == "link" else tmp_path / "nothing")
    assert not is_locked(path)
    with pytest.raises(InputError, match="is a link" if "link" in kind else "is not a lock file"), locked(path, "runs"):
        pass
    assert precious.read_text() == "mine" and not (tmp_path / "nothing").exists()
    assert os.path.lexists(path) and (kind != "file" or path.read_text() == "mine")


@pytest.mark.parametrize("left", ["", "\0" * 90, '{"pid": 1'])
def test_what_a_power_cut_left_of_a_lock_file_holds_nobody_back(tmp_path, left):
    path = tmp_path / "lock"
    path.write_text(left)
    with locked(path, "runs"):
        assert is_locked(path)
