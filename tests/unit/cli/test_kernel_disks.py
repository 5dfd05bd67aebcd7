"""A disk that has no room for a kernel: the work is not lost."""

from __future__ import annotations

import re
import shlex
import subprocess

import numpy as np
import pytest
from hevesy.engine.dose.voxel_s import read_kernel
from hevesy.tests.unit.small_kernel import SMALL


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.mark.parametrize(("name", "files"), [("k.npz", 1), ("k.csv", 1), ("k.nii.gz", 3)])
def test_a_kernel_that_finds_no_room_is_saved_elsewhere(kernels, small_disk, elsewhere, name, files):
    disk = small_disk(4)
    (disk / "filler").write_bytes(bytes(4096))
    code, _, err = kernels(*SMALL, "-o", disk / name, "-o", name)
    assert code == 3
    assert f"{disk / name}: No space left on device" in err and "a file of the cache" not in err
    # the output after it was written all the same; the advice brings the first one to its place
    (disk / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=200k", str(disk)], check=True)
    subprocess.run(shlex.split(re.search(r"then move it: (mv .*)", err)[1]), check=True)
    assert len(list(disk.iterdir())) == files
    assert list(elsewhere.glob("hevesy-*/*")) == []
    np.testing.assert_array_equal(read_kernel(disk / name).energy_mev, read_kernel(name).energy_mev)


def test_a_link_to_a_kernel_stands_for_that_kernel(kernels, elsewhere):
    (elsewhere / "real").mkdir()
    assert kernels(*SMALL, "-o", "real/k.csv")[0] == 0
    before = (elsewhere / "real" / "k.csv").read_text()
    (elsewhere / "k.csv").symlink_to("real/k.csv")
    assert kernels(*SMALL, "--seed", "2", "-o", "k.csv")[0] == 0
    assert (elsewhere / "k.csv").is_symlink() and (elsewhere / "real" / "k.csv").read_text() != before
