"""Job folders that are lost or damaged are made again, as they were; what cannot be is said before anything runs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hevesy.engine.batch import plan
from hevesy.engine.batch.plan import plan_problem
from hevesy.engine.batch.status import read_status
from hevesy.engine.transport.problem import Problem
from hevesy.tests.unit.batch import small_batch
from hevesy.tests.unit.batch.small_batch import SEED
from hevesy.tests.unit.small_case import TEXT, write_small_case
from hevesy.tools.result_hash import result_hashes

DECAYS = 5000
SETTINGS = ("--decays", DECAYS, "--seed", SEED, "--backend", "cpu", "--quiet")


@pytest.fixture(scope="module")
def undivided(problem) -> tuple[str, str]:
    return small_batch.undivided(problem, DECAYS)


def planned(problem: Path, out: Path) -> list[Path]:
    manifest = plan_problem(problem, out, shards=3, decays=DECAYS, seed=SEED, backend="cpu")
    return [out / "jobs" / name for name in manifest.jobs]


def gone(folder: Path) -> None:
    shutil.rmtree(folder)


def emptied(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def no_record(folder: Path) -> None:
    (folder / "job.json").unlink()


def edited(folder: Path) -> None:
    file = folder / "job.json"
    file.write_text(file.read_text().replace('"seed": 7', '"seed": 8'))


def empty_problem(folder: Path) -> None:
    """As a power cut leaves it: its bytes may be those of the other jobs too."""
    os.truncate(folder / "problem.npz", 0)


HARM = [gone, emptied, no_record, edited, empty_problem]


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("which", [[1], [0, 1, 2]])
def test_the_same_batch_makes_jobs_again(problem, undivided, tmp_path, command, harm, which):
    out = tmp_path / "b"
    folders = planned(problem, out)
    manifest = (out / "manifest.json").read_bytes()
    for number in which:
        harm(folders[number])
    assert plan_problem(problem, out, shards=3, decays=DECAYS, seed=SEED, backend="cpu").jobs
    assert (out / "manifest.json").read_bytes() == manifest
    code, _, err = command("batch", problem, "--shards", 3, "--out", out, *SETTINGS)
    assert code == 0, err
    assert result_hashes(out / "result.h5") == undivided


@pytest.mark.parametrize("harm", [gone, no_record, edited])
def test_retry_makes_a_job_again_from_the_others(problem, undivided, tmp_path, command, harm):
    out = tmp_path / "b"
    folders = planned(problem, out)
    harm(folders[0])
    code, _, err = command("retry", out, "--quiet")
    assert code == 0, err
    assert result_hashes(out / "result.h5") == undivided
    assert all(json.loads((folder / "job.json").read_text())["name"] == folder.name for folder in folders)


def test_what_only_the_input_can_make_again_is_said(problem, tmp_path, command):
    out = tmp_path / "b"
    for folder in planned(problem, out):
        gone(folder)
    code, _, err = command("retry", out, "--quiet")
    assert code == 2 and "run the same `hevesy batch` again" in err
    other = tmp_path / "p.npz"
    moved = Problem.load(problem)
    Problem(**{**vars(moved), "source": moved.source[::-1].copy()}).save(other)
    code, _, err = command("batch", other, "--shards", 3, "--out", out, *SETTINGS)
    assert code == 2 and "has changed since the batch was made" in err
    assert not any((out / "jobs").iterdir())


def test_what_a_job_has_done_stays_when_its_input_is_lost(problem, undivided, tmp_path, command):
    out = tmp_path / "b"
    assert command("batch", problem, "--shards", 3, "--out", out, *SETTINGS)[0] == 0
    (out / "result.h5").unlink()
    folder = out / "jobs" / "shard-0002"
    (folder / "problem.npz").unlink()
    (folder / "job.json").unlink()
    assert command("retry", out, "--quiet")[0] == 0
    assert result_hashes(out / "result.h5") == undivided
    assert read_status(folder).attempts == 1


def test_nothing_is_made_again_through_a_link(problem, tmp_path, command):
    out = tmp_path / "b"
    folder = planned(problem, out)[1]
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "job.json").unlink()
    code, _, err = command("batch", problem, "--shards", 3, "--out", out, *SETTINGS)
    assert code == 2 and "shard-0002: is a link" in err
    assert not (tmp_path / "elsewhere" / "job.json").exists()


@pytest.mark.parametrize("all_of_them", [False, True])
def test_jobs_of_a_divided_case_are_made_again(tmp_path, command, all_of_them):
    case, out = write_small_case(tmp_path / "in", TEXT.replace("decays: 40000", "decays: 4000")), tmp_path / "b"
    words = ("batch", case, "--shards", 2, "--out", out, "--backend", "cpu", "--quiet")
    assert command(*words)[0] == 0
    (result,) = (out / "T1").rglob("result.h5")
    expected = result_hashes(result)
    shutil.rmtree(out / "T1")
    for folder in sorted((out / "jobs").iterdir())[0 if all_of_them else 1 :]:
        gone(folder)
    code, _, err = command(*words)
    assert code == 0, err
    assert result_hashes(result) == expected
    if all_of_them:
        for folder in (out / "jobs").iterdir():
            gone(folder)
        image = tmp_path / "in" / "ct.nii.gz"
        image.write_bytes((tmp_path / "in" / "pet_24.nii.gz").read_bytes())
        code, _, err = command(*words)
        assert code == 2, err


@pytest.mark.parametrize("harm", [gone, emptied, no_record])
def test_the_job_of_a_case_as_it_is_is_made_again(tmp_path, command, harm):
    case, out = write_small_case(tmp_path / "in", TEXT.replace("decays: 40000", "decays: 2000")), tmp_path / "b"
    words = ("batch", case, "--out", out, "--backend", "cpu", "--quiet")
    assert command(*words)[0] == 0
    (folder,) = (out / "jobs").iterdir()
    harm(folder)
    if harm is not no_record:  # else it is still known to be done
        code, _, err = command("retry", out, "--quiet")
        assert code == 2 and "run the same `hevesy batch` again" in err
    assert command(*words)[0] == 0
    assert (folder / "job.json").is_file()


def test_jobs_are_on_the_disk_before_a_manifest_names_them(problem, tmp_path, monkeypatch):
    synced: dict[int, int] = {}
    kept, sync, write = {}, os.fsync, plan.write_manifest

    def seen(descriptor: int) -> None:
        sync(descriptor)
        found = os.fstat(descriptor)
        synced[found.st_ino] = found.st_mtime_ns

    def written(out: Path, manifest) -> None:
        kept.update(synced)
        write(out, manifest)

    monkeypatch.setattr(os, "fsync", seen)
    monkeypatch.setattr(plan, "write_manifest", written)
    planned(problem, out := tmp_path / "b")
    paths = [out / "jobs", *(out / "jobs").rglob("*")]
    assert len(paths) == 1 + 3 * 3
    late = [path.name for path in paths if kept.get(path.stat().st_ino) != path.stat().st_mtime_ns]
    assert not late
