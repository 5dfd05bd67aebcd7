"""Files that are whole or not there: two writers, killed writers, a disk that refuses at any moment."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest
from hevesy.engine import durable
from hevesy.engine.disk_errors import disk_error
from hevesy.engine.durable import new_part, uninterrupted
from hevesy.engine.files import write_bytes, write_text, written_whole
from hevesy.engine.grid import Grid, write_image

HOLD = """
import sys
from pathlib import Path
from hevesy.engine.files import written_whole
with written_whole(Path(sys.argv[1])) as part:
    part.write_text("half")
    print(part.name, flush=True)
    sys.stdin.read()
"""


def writer(path):
    """A process in the middle of writing a file, and its temporary file."""
    words = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, path.with_name(process.stdout.readline().strip())


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "a.json"
    texts = [str(number) * 100_000 for number in range(4)]
    threads = [threading.Thread(target=lambda t=t: [write_text(path, t) for _ in range(5)]) for t in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in texts
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.skipif(os.name != "posix", reason="kill")
def test_what_a_killed_writer_left_goes_with_the_next_write_and_that_of_a_living_one_stays(tmp_path):
    path = tmp_path / "r.nii.gz"
    write_text(path, "old")
    (killed, left), (living, half) = writer(path), writer(path)
    mine = tmp_path / ".part-mine.r.nii.gz"
    mine.write_text("a file of the user's own")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert left.exists() and half.exists() and path.read_text() == "old"
    write_text(path, "new")
    assert not left.exists() and half.exists() and mine.exists()
    living.communicate("")
    assert path.read_text() == "half" and not half.exists()  # the last one to end


def test_a_part_that_another_one_cleaned_away_before_it_was_held_is_made_anew(tmp_path, monkeypatch):
    hold, taken = durable._hold, []

    def cleaned_before(descriptor):
        if not taken:
            taken.extend(tmp_path.iterdir())
            taken[0].unlink()
        return hold(descriptor)

    monkeypatch.setattr(durable, "_hold", cleaned_before)
    part, descriptor = new_part(tmp_path / "a")
    os.close(descriptor)
    assert part.exists() and part not in taken


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_disk_that_refuses_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, number, call):
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")

    def refuse(*arguments, **options):
        raise OSError(number, os.strerror(number))

    module = durable.os if call == "fsync" else durable.Path
    monkeypatch.setattr(module, {"write": "write_bytes", "fsync": "fsync", "rename": "replace"}[call], refuse)
    with pytest.raises(OSError, match=os.strerror(number)):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_a_file_is_as_readable_as_any_other(tmp_path):
    former = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "")
    finally:
        os.umask(former)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_what_is_written_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, durable.Path.replace

    def noted_fsync(descriptor):
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def noted_replace(one, other):
        calls.append("rename")
        return replace(one, other)

    monkeypatch.setattr(durable.os, "fsync", noted_fsync)
    monkeypatch.setattr(durable.Path, "replace", noted_replace)
    write_text(tmp_path / "a", "new")
    assert calls == ["file", "rename", "folder"]


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".mha", ".nrrd"])
def test_images_that_a_full_disk_cuts_are_an_error_that_says_so(small_disk, ending):
    disk = small_disk(200)
    values = np.random.default_rng(1).random((40, 40, 40))
    with pytest.raises(OSError) as caught:
        write_image(disk / f"map{ending}", Grid(values.shape, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)), values)
    assert caught.value.errno == errno.ENOSPC
    assert list(disk.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_signal_waits_until_what_belongs_together_is_done():
    heard = []
    former = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGTERM)
            assert heard == []
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, former)


@pytest.mark.parametrize(
    ("number", "why", "suggestion"),
    [
        (errno.ENOSPC, "no room left", "another disk"),
        (errno.EDQUOT, "quota", "delete"),
        (errno.EROFS, "reading only", "can be written"),
        (errno.EACCES, "permissions", "change the permissions"),
        (errno.EIO, "fails", "system log"),
        (errno.ENAMETOOLONG, "longer than the file system", "shorter"),
        (errno.ENOTDIR, "a file stands where a folder is needed", "correct the path"),
        (errno.ENOENT, "removed while the command ran", "repeat"),
    ],
)
def test_every_answer_of_a_disk_has_a_reason_and_an_advice_that_fit(number, why, suggestion):
    refusal = disk_error(OSError(number, os.strerror(number), "out/r.h5"))
    assert refusal.problem == os.strerror(number) and refusal.file == "out/r.h5" and refusal.exit_code == 2
    assert why in refusal.why and suggestion in refusal.suggestion


def test_nothing_is_written_beside_a_file_by_another_way(tmp_path):
    with pytest.raises(ValueError, match="stop"), written_whole(tmp_path / "a") as part:
        assert part.parent == tmp_path and part.name.endswith(".a")
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []
