"""Disks that are full or for reading only: what is said."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hevesy.engine.disk_errors import complaints_held_back
from hevesy.engine.files import write_text, written_whole
from hevesy.engine.output_folder import replace_folder
from hevesy.tests.unit.small_case import write_small_case


@pytest.mark.parametrize("size_kb", [4, 40])
def test_a_trial_that_finds_no_room_names_its_file_and_nothing_else_is_said(small_disk, tmp_path, size_kb):
    disk = small_disk(size_kb)
    words = ("cohort", "-o", disk / "trial", "--truth", "sphere", "--patients", "1", "--control", "0", "-q")
    done = subprocess.run(
        [sys.executable, "-m", "hevesy", *words, "--voxel-mm", "8"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    first, *others = done.stderr.splitlines()
    assert re.fullmatch(rf"{re.escape(str(disk / 'trial'))}\S*: No space left on device", first)
    assert ".part-" not in first and ".work" not in first
    assert [line[:6] for line in others] == ["  why:", "  try:"]


def test_an_error_in_a_file_names_that_file_and_not_the_temporary_one(tmp_path):
    for name in (None, "own"):
        with pytest.raises(OSError, match="No space") as caught, written_whole(tmp_path / "a.txt") as part:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(part) if name else None)
        assert caught.value.filename == str(tmp_path / "a.txt")


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, written_whole(tmp_path / "a.txt"):
        (tmp_path / "other").read_bytes()
    assert caught.value.filename == str(tmp_path / "other")


def test_an_error_in_a_folder_names_where_the_file_will_be(tmp_path, monkeypatch):
    def refuse(self, data):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OSError, match="error") as caught, replace_folder(tmp_path / "out") as part:
        write_text(part / "visit" / "a.txt", "a")
    assert caught.value.filename == str(tmp_path / "out" / "visit" / "a.txt")


@pytest.mark.skipif(sys.platform != "linux", reason="held back on Linux alone")
def test_complaints_of_a_library_are_held_back_and_nothing_else(capfd):
    with complaints_held_back():
        os.write(2, b"a line of a log\n** ERROR: NWAD: wrote only 1 of 2 bytes to file\nanother\n")
    os.write(2, b"after it\n")
    assert capfd.readouterr().err == "a line of a log\nanother\nafter it\n"


def test_a_report_on_a_disk_for_reading_only_names_itself_and_a_way(command, small_disk, tmp_path):
    disk = small_disk(4000)
    assert command("run", write_small_case(tmp_path / "case"), "-o", disk / "run", "--method", "local", "-q")[0] == 0
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    code, _, err = command("report", disk / "run")
    assert code == 2
    assert err.startswith(f"{disk / 'run' / 'report.html'}: Read-only file system\n") and "give the copy" in err
