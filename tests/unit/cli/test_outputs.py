"""Outputs of every command: nothing of others is overwritten, a disk that refuses is said, finished work is kept."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hevesy.engine import durable
from hevesy.engine.imaging.tissue import water
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.results.result import Result
from hevesy.engine.transport.problem import Problem
from hevesy.tests.unit.small_case import TEXT, write_small_case

DECAYS = ("--decays", "4000", "--quiet")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A problem, a case, and the numbers that the problem gives."""
    folder = tmp_path_factory.mktemp("outputs")
    rng = np.random.default_rng(3)
    Problem(
        density_g_cm3=rng.uniform(0.9, 1.1, (12, 12, 12)).astype(np.float32),
        material=np.zeros((12, 12, 12), np.uint8), materials=(water(),), voxel_size_mm=(4.0, 4.0, 4.0),
        source=np.ones((12, 12, 12), np.float32), emission=nuclide("I-131").emission,
    ).save(folder / "p.npz")  # fmt: skip
    write_small_case(folder / "case", TEXT.replace("decays: 40000", "decays: 4000"))
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder, and another one for temporary files."""
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path / "here"


def quanta(path):
    with h5py.File(path) as file:
        return file["tally/energy_quanta"][...]


def one_message(err):
    """The problem, its reason and the advice; nothing else."""
    lines = err.strip().splitlines()
    assert "Traceback" not in err and "an error of hevesy itself" not in err
    assert lines[-2].startswith("  why: ") and lines[-1].startswith("  try: "), err
    return lines[-3:]


# ------------------------------------------------------------------------------------- what hevesy did not write

FOREIGN = b"precious: not of hevesy\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("r.h5", ("simulate", "{home}/p.npz", *DECAYS, "-o", "{out}")),
        ("r.txt", ("simulate", "{home}/p.npz", *DECAYS, "-o", "{out}")),
        ("schema.json", ("schema", "-o", "{out}")),
        ("case.yaml", ("import", "{home}/case", "-o", "{out}", "--force")),
        ("k.npz", ("kernels", "Y-90", "--voxel", "4 mm", "--decays", "1e4", "-o", "{out}")),
        ("k.csv", ("kernels", "Y-90", "--voxel", "4 mm", "--decays", "1e4", "-o", "{out}")),
        ("k.nii.gz", ("kernels", "Y-90", "--voxel", "4 mm", "--decays", "1e4", "-o", "{out}")),
    ],
)
def test_a_foreign_file_is_never_overwritten(command, here, home, name, words):
    out = here / name
    out.write_bytes(FOREIGN)
    code, _, err = command(*(word.format(home=home, out=out) for word in words))
    assert code == 2
    assert "exists already" in err and "  try: " in err
    assert out.read_bytes() == FOREIGN
    assert [path.name for path in here.iterdir()] == [name]


def test_a_foreign_companion_of_an_image_is_never_overwritten(command, here):
    (here / "k.json").write_bytes(FOREIGN)
    code, _, err = command("kernels", "Y-90", "--voxel", "4 mm", "--decays", "1e4", "-o", "k.nii.gz")
    assert code == 2 and "k.json: exists already" in err
    assert [path.name for path in here.iterdir()] == ["k.json"] and (here / "k.json").read_bytes() == FOREIGN


@pytest.mark.parametrize("spelled", ["p.npz", "link.npz", "../here/p.npz"])
def test_a_problem_does_not_become_its_own_result(command, here, home, spelled):
    content = (home / "p.npz").read_bytes()
    (here / "p.npz").write_bytes(content)
    (here / "link.npz").symlink_to("p.npz")
    code, _, err = command("simulate", "p.npz", *DECAYS, "-o", spelled)
    assert code == 2 and "is the input itself" in err
    assert (here / "p.npz").read_bytes() == content and (here / "link.npz").is_symlink()


def test_another_problem_an_hdf5_file_of_others_and_a_cut_result_are_foreign_too(command, here, home):
    Path("other.npz").write_bytes((home / "p.npz").read_bytes())
    with h5py.File("other.h5", "w") as file:
        file["dose"] = np.ones(3)
    assert command("simulate", home / "p.npz", *DECAYS, "-o", "r.h5")[0] == 0
    Path("cut.h5").write_bytes(Path("r.h5").read_bytes()[:5000])
    for name in ("other.npz", "other.h5", "cut.h5"):
        content = Path(name).read_bytes()
        code, _, err = command("simulate", home / "p.npz", *DECAYS, "-o", name)
        assert code == 2 and "is not an earlier output of this command" in err, name
        assert Path(name).read_bytes() == content
    assert command("merge", "r.h5", "-o", "other.h5")[0] == 2


def test_own_outputs_are_replaced_and_resumed(command, here, home):
    for words in (("simulate", home / "p.npz", *DECAYS, "-o", "r.h5"), ("schema", "-o", "s.json")):
        assert command(*words)[0] == 0
        assert command(*words)[0] == 0
    more = ("simulate", home / "p.npz", "--decays", "8000", "--quiet", "-o")
    assert command(*more, "r.h5", "--resume")[0] == 0
    assert Result.load("r.h5").decays == 8000
    assert sorted(path.name for path in here.iterdir()) == ["r.h5", "s.json"]


@pytest.mark.parametrize("name", ["k.npz", "k.csv", "k.nii.gz"])
def test_own_kernels_are_replaced(command, here, name):
    words = ("kernels", "Y-90", "--voxel", "4 mm", "--extent", "2 voxels", "--decays", "1e4", "--quiet", "-o", name)
    assert [command(*words)[0] for _ in range(2)] == [0, 0]


# ---------------------------------------------------------------------------------- refused before the transport


def _below_a_file(out):
    out.parent.write_text("")


def _a_file(out):
    out.parent.mkdir()
    out.write_text("")


def _dangling(out):
    out.parent.mkdir()
    out.symlink_to("nowhere")


def _foreign_folder(out):
    out.mkdir(parents=True)
    (out / "thesis.txt").write_text("")


def _foreign_work(out):
    out.parent.mkdir()
    out.with_name(f".{out.name}.work").write_text("")


def _below_a_dangling_link(out):
    out.parent.symlink_to("nowhere")


@pytest.mark.parametrize(
    "prepare", [_below_a_file, _a_file, _dangling, _foreign_folder, _foreign_work, _below_a_dangling_link]
)
@pytest.mark.parametrize("job", ["run", "simulate"])
def test_outputs_that_cannot_be_are_refused_before_anything_is_read(command, here, home, monkeypatch, prepare, job):
    def too_late(*arguments, **options):
        raise AssertionError("the input is read already")

    monkeypatch.setattr("hevesy.engine.run.open_sources", too_late)
    monkeypatch.setattr("hevesy.engine.simulation.simulate", too_late)
    out = here / "folder" / "out"
    prepare(out)
    before = sorted(str(path) for path in here.rglob("*"))
    source = home / "case" / "case.yaml" if job == "run" else home / "p.npz"
    code, _, err = command(job, source, "-o", out)
    assert code == 2
    one_message(err)
    assert sorted(str(path) for path in here.rglob("*")) == before


@pytest.mark.parametrize("job", ["run", "simulate"])
@pytest.mark.parametrize("length", [250, 255, 300])
def test_a_name_that_is_too_long_is_refused(command, here, home, job, length):
    source = home / "case" / "case.yaml" if job == "run" else home / "p.npz"
    code, _, err = command(job, source, "-o", "n" * length)
    assert code == 2
    assert f"has {length} bytes" in err and "give a shorter name" in err
    assert list(here.iterdir()) == []


def test_a_device_is_no_output(command, home):
    code, _, err = command("simulate", home / "p.npz", *DECAYS, "-o", "/dev/null")
    assert code == 2 and "is a pipe or a device" in err
    assert Path("/dev/null").is_char_device()


def test_a_mounted_disk_is_not_replaced(command, small_disk, home):
    disk = small_disk(2000)
    code, _, err = command("run", home / "case" / "case.yaml", "-o", disk)
    assert code == 2
    assert "a disk is mounted there" in err and f"give a folder in it, as {disk / 'run'}" in err


def test_a_disk_for_reading_only_is_refused_before_the_transport(command, small_disk, home):
    disk = small_disk(2000)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for words in (("run", home / "case" / "case.yaml"), ("simulate", home / "p.npz", *DECAYS)):
        code, _, err = command(*words, "-o", disk / "out")
        assert code == 2 and "Read-only file system" in err
        one_message(err)


# ----------------------------------------------------------------------------- a disk that refuses after the work


def saved_in(err):
    """Where the message says the work is, and whether it says how to go on."""
    place = Path(re.search(r"the finished work is saved in (.*)", err)[1])
    assert f"mv {place} " in err
    return place


def test_a_result_that_finds_no_room_is_saved_elsewhere(command, small_disk, here, home):
    disk = small_disk(16)
    assert command("simulate", home / "p.npz", *DECAYS, "-o", "good.h5")[0] == 0
    code, _, err = command("simulate", home / "p.npz", *DECAYS, "-o", disk / "r.h5")
    assert code == 3
    assert "r.h5: No space left on device" in one_message(err)[0]
    assert list(disk.iterdir()) == []
    place = saved_in(err)
    np.testing.assert_array_equal(quanta(place), quanta("good.h5"))
    assert place.parent.parent == here and place.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("size_kb", [40, 120])
def test_a_run_that_finds_no_room_is_saved_elsewhere(command, small_disk, here, home, size_kb):
    disk, case = small_disk(size_kb), home / "case" / "case.yaml"
    assert command("run", case, "-o", "good", "--quiet")[0] == 0
    code, _, err = command("run", case, "-o", disk / "out", "--quiet")
    assert code == 3
    assert "No space left on device" in one_message(err)[0] and "Logging error" not in err
    assert {path.name for path in disk.iterdir()} <= {".out.work"}  # a checkpoint, where there was room for it
    place = saved_in(err)
    assert (place / "lesions.csv").read_bytes() == Path("good/lesions.csv").read_bytes()
    assert command("report", place)[0] == 0


def test_an_earlier_run_stands_when_the_next_finds_no_room(command, small_disk, here, home):
    disk, case = small_disk(1200), home / "case" / "case.yaml"
    assert command("run", case, "-o", disk / "out", "--method", "local", "--quiet")[0] == 0
    before = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "filler").write_bytes(bytes(free - (60 << 10)))
    assert command("run", case, "-o", disk / "out", "--method", "local", "--quiet")[0] == 3
    assert {path: path.read_bytes() for path in disk.rglob("*") if path.is_file() and path.name != "filler"} == before
    (disk / "filler").unlink()
    assert command("run", case, "-o", disk / "out", "--method", "local", "--quiet")[0] == 0


def failing(monkeypatch, number, which):
    """Let the n-th call that has a disk hold something fail, and all after it below one folder."""
    calls = 0

    def refuse(path):
        nonlocal calls
        calls += "refused" in str(path)
        if calls > which and "refused" in str(path):
            raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(durable, "sync", refuse)
    monkeypatch.setattr("hevesy.engine.swap.sync", refuse)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("which", range(2))
def test_a_disk_that_fails_at_any_moment_of_saving_a_result(command, here, home, monkeypatch, number, which):
    failing(monkeypatch, number, which)
    code, _, err = command("simulate", home / "p.npz", *DECAYS, "-o", "refused/r.h5")
    one_message(err)
    assert code == 3
    assert os.strerror(number) in err
    assert Result.load(saved_in(err)).decays == 4000
    # after the rename the result has its name too
    assert Path("refused/r.h5").exists() == bool(which) and not Path("refused/.r.h5.work").exists()


def test_a_disk_that_fails_at_any_moment_of_a_run_loses_nothing(command, here, home, monkeypatch):
    case = home / "case" / "case.yaml"
    words = ("run", case, "-o", "refused/out", "--method", "local", "--quiet")
    assert command(*words, "--seed", "1")[0] == 0
    seeds, which = set(), 0
    while True:
        with monkeypatch.context() as patched:
            failing(patched, errno.EIO, which)
            code, _, err = command(*words, "--seed", "2")
        if code == 0:
            break
        one_message(err)
        assert code == 3
        assert "seed: 2" in (saved_in(err) / "case.resolved.yaml").read_text()
        seeds.add(re.search(r"seed: (\d)", Path("refused/out/case.resolved.yaml").read_text())[1])
        Result.load("refused/out/result.h5")
        which += 7
    assert which > 21 and "1" in seeds
    assert {path.name for path in Path("refused").iterdir()} <= {"out", "out.previous"}


def test_a_folder_that_is_taken_away_under_the_run_is_made_again(command, here, home, monkeypatch):
    import shutil

    from hevesy.engine import run as module

    write = module.write_outcome

    def after_the_folder_is_gone(outcome, part, out):
        if "deleted" in str(part):
            shutil.rmtree("deleted")
        write(outcome, part, out)

    monkeypatch.setattr(module, "write_outcome", after_the_folder_is_gone)
    code, _, err = command("run", home / "case" / "case.yaml", "-o", "deleted/out", "--method", "local", "--quiet")
    assert code == 0, err
    assert Result.load("deleted/out/result.h5").lesions
    assert [path.name for path in Path("deleted").iterdir()] == ["out"]


def test_printed_output_that_finds_no_room_is_said(home):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w") as full:
        words = [sys.executable, "-m", "hevesy", "schema"]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "No space left on device" in one_message(done.stderr)[0]


# ------------------------------------------------------------------------------------------- two at a time


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_the_second_command_in_a_folder_is_refused_and_after_a_kill_it_is_not(command, here, home):
    words = [sys.executable, "-m", "hevesy", "simulate", str(home / "p.npz"), "--decays", "1e12", "-o", "r.h5"]
    first = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        for line in first.stderr:
            if " decays" in line:
                break
        code, _, err = command("simulate", home / "p.npz", *DECAYS, "-o", "r.h5")
        assert code == 2
        assert "r.h5: is in use by another command" in err and f"process {first.pid} on" in err
        assert not Path("r.h5").exists()
    finally:
        first.kill()
        first.communicate()
    assert Path(".r.h5.work").is_dir()
    assert command("simulate", home / "p.npz", *DECAYS, "-o", "r.h5")[0] == 0
    assert [path.name for path in here.iterdir()] == ["r.h5"]


def test_a_link_to_a_file_stands_for_that_file(command, here, home):
    Path("real").mkdir()
    words = ("simulate", home / "p.npz", *DECAYS)
    assert command(*words, "-o", "real/r.h5")[0] == 0
    Path("link.h5").symlink_to("real/r.h5")
    before = quanta("real/r.h5")
    assert command(*words, "--seed", "2", "-o", "link.h5")[0] == 0
    assert Path("link.h5").is_symlink() and not np.array_equal(quanta("real/r.h5"), before)
    assert {path.name for path in here.iterdir()} == {"real", "link.h5"}
