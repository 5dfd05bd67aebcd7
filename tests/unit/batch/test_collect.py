"""From shards to files: a problem's result and a case's folder are those of the undivided run, or it is said why."""

from __future__ import annotations

import csv
import errno
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import h5py
import pytest
from hevesy.engine.batch.executors.here import Here
from hevesy.engine.batch.manifest import job_folder
from hevesy.engine.batch.plan import plan_problem
from hevesy.engine.batch.status import read_status
from hevesy.engine.errors import SavedElsewhere
from hevesy.engine.results.merge import _machines
from hevesy.engine.results.result import Result
from hevesy.tests.unit.batch.small_batch import plan_small_case, small_problem
from hevesy.tests.unit.small_case import TEXT, write_small_case
from hevesy.tools.result_hash import result_hashes

VISITS = """
  - name: follow-up
    scans:
      - {pet: pet_24.nii.gz, ct: ct.nii.gz, after: 24 h}
    lesions: lesions.nii.gz
transport: {decays: 20000, until: null, seed: 5, backend: cpu}
further_therapies: [{nuclide: Lu-177, activity: 7.4 GBq}]
"""
CASE = TEXT.replace("\ntransport: {decays: 40000, until: null}\n", VISITS)


@pytest.fixture(scope="module")
def undivided(tmp_path_factory):
    """A case of two visits and two therapies, and what `hevesy run` makes of it."""
    from hevesy.engine.run import run

    folder = tmp_path_factory.mktemp("case")
    case = write_small_case(folder / "case", CASE)
    run(case, out=folder / "run" / "small")
    return case, folder / "run" / "small"


@pytest.fixture(scope="module")
def sharded(undivided):
    """The same in three shards for each visit and therapy, all of them done."""
    out = undivided[0].parent.with_name("batch")  # as deep as the run, so that relative paths are the same
    manifest = plan_small_case(undivided[0], out, shards=3, per_batch=400)
    Here().run(out, [job_folder(out, name) for name in manifest.jobs])
    return out


def results_in(folder: Path) -> dict[str, Path]:
    return {str(file.relative_to(folder)): file for file in sorted(folder.rglob("result.h5"))}


def without_times(text: str) -> str:
    """A file without the times of a run."""
    return re.sub(r'"(wall_time_s|created|decays_per_s)": [^,}\n]+', "", text)


def refuse(*arguments):
    raise AssertionError("an engine was opened")


def test_a_sharded_case_is_the_case_in_every_file(command, undivided, sharded, monkeypatch):
    """And nothing is simulated for it: no engine is opened, so shards of GPUs are merged where there is none."""
    monkeypatch.setattr("hevesy.engine.transport.run.open_engine", refuse)
    _, ran = undivided
    code, told, err = command("merge", sharded, "--json")
    assert code == 0, err
    assert json.loads(told) == {"written": [str(sharded / "small")], "kept": [], "missing": {}}
    merged = sharded / "small"
    results = results_in(ran)
    assert len(results) == 4 and list(results_in(merged)) == list(results)
    for name, file in results.items():
        assert result_hashes(merged / name) == result_hashes(file), name
        with h5py.File(merged / name) as mine, h5py.File(file) as its:
            for key in (
                "input_hash",
                "regions_hash",
                "seed",
                "backend",
                "complete",
                "warnings",
                "critical",
                "assumptions",
            ):
                assert mine.attrs[key] == its.attrs[key], key
    tables = [
        str(file.relative_to(ran))
        for end in ("*.csv", "*.json", "case.resolved.yaml")
        for file in ran.rglob(end)
        if not file.name.startswith(".")  # the list of what was written, with times
    ]
    assert {"lesions.json", "lesions.csv", "patient.json"} <= set(tables)
    mine, its = (json.loads((folder / ".hevesy.json").read_text()) for folder in (merged, ran))
    assert set(mine["files"]) == set(its["files"])
    for name in tables:
        assert without_times((merged / name).read_text()) == without_times((ran / name).read_text()), name
    rows = list(csv.DictReader((merged / "lesions.csv").open()))
    assert float(rows[0]["dose_gy"]) > 0 and rows[0]["verdict"]
    pages = {str(file.relative_to(ran)) for file in ran.rglob("*.html")}
    assert pages and pages == {str(file.relative_to(merged)) for file in merged.rglob("*.html")}


def test_images_that_changed_after_the_shards_are_refused(undivided, sharded, command, tmp_path):
    """The sums of one input are not given out with the lesions of another."""
    case, _ = undivided
    root = tmp_path / "copy"
    shutil.copytree(case.parent, root / "case")
    out = root / "batch"
    manifest = plan_small_case(root / "case" / "case.yaml", out, shards=2, per_batch=400)
    Here().run(out, [job_folder(out, name) for name in manifest.jobs])
    shutil.copyfile(root / "case" / "pet_24.nii.gz", root / "case" / "pet_96.nii.gz")
    code, _, err = command("merge", out, "--quiet")
    assert code == 1 and "small" in err
    assert "pet_96.nii.gz" in err and "has been changed since the batch was made" in err
    assert not (out / "small").exists()


@pytest.fixture
def batch(tmp_path):
    """A problem in four shards, all of them done."""
    problem = small_problem().save(tmp_path / "p.npz")
    out = tmp_path / "batch"
    manifest = plan_problem(problem, out, shards=4, decays=2000, seed=7, backend="cpu")
    Here().run(out, [job_folder(out, name) for name in manifest.jobs])
    return out, problem


def test_the_batch_of_a_problem_merges_into_the_run(command, batch, tmp_path):
    out, problem = batch
    assert (
        command("simulate", problem, "--decays", "2000", "--seed", "7", "--backend", "cpu", "-o", tmp_path / "r.h5")[0]
        == 0
    )
    code, told, _ = command("merge", out)
    assert code == 0 and f"wrote {out / 'result.h5'}" in told.replace("\n", "")
    assert result_hashes(out / "result.h5") == result_hashes(tmp_path / "r.h5")
    mine, its = Result.load(out / "result.h5"), Result.load(tmp_path / "r.h5")
    assert mine.warnings == its.warnings and mine.complete
    assert command("merge", out, "-o", tmp_path / "elsewhere.h5")[0] == 0
    assert result_hashes(tmp_path / "elsewhere.h5") == result_hashes(tmp_path / "r.h5")
    shards = sorted(out.glob("jobs/*/result.h5"))
    assert command("merge", *shards, "-o", tmp_path / "files.h5")[0] == 0
    assert result_hashes(tmp_path / "files.h5") == result_hashes(tmp_path / "r.h5")
    # a shard that is missing at the end is seen, since each knows the plan
    code, _, err = command("merge", *shards[:3], "-o", tmp_path / "files.h5")
    assert code == 2 and "decays 1480 to 1999 are missing" in err


def test_what_is_not_done_is_said_and_a_part_of_it_on_request(command, batch, tmp_path):
    out, _ = batch
    status = job_folder(out, "shard-0002") / "status.json"
    status.write_text(status.read_text().replace('"done"', '"stopped"'))
    code, _, err = command("merge", out)
    assert code == 1 and "1 of 4 jobs is not done: shard-0002" in err and "hevesy retry" in err
    assert not (out / "result.h5").exists()
    assert command("merge", out, "--partial")[0] == 2
    code, told, _ = command("merge", out, "--partial", "-o", tmp_path / "part.h5", "--json")
    assert code == 0
    part = json.loads(told)
    assert part["complete"] is False and part["stopped"] == "a part of the run is missing: decays 480 to 999"


def shard_of_another_seed(out: Path, problem: Path) -> None:
    other = out.with_name("other")
    manifest = plan_problem(problem, other, shards=4, decays=2000, seed=8, backend="cpu")
    Here().run(other, [job_folder(other, name) for name in manifest.jobs][1:2])
    shutil.copyfile(other / "jobs/shard-0002/result.h5", out / "jobs/shard-0002/result.h5")


def shard_of_its_neighbour(out: Path, problem: Path) -> None:
    shutil.copyfile(out / "jobs/shard-0003/result.h5", out / "jobs/shard-0002/result.h5")


def cut_short(out: Path, problem: Path) -> None:
    file = out / "jobs/shard-0002/result.h5"
    file.write_bytes(file.read_bytes()[:3000])


def gone(out: Path, problem: Path) -> None:
    (out / "jobs/shard-0002/result.h5").unlink()


def changed_job(out: Path, problem: Path) -> None:
    file = out / "jobs/shard-0002/job.json"
    file.write_text(file.read_text().replace('"seed": 7', '"seed": 8'))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (shard_of_another_seed, "is not that of its job: another seed"),
        (shard_of_its_neighbour, "holds batches 25 to 36, and its job is 12 to 24"),
        (cut_short, "cannot be read as HDF5"),
        (gone, ""),
        (changed_job, "has been changed since the batch was made"),
    ],
)
def test_a_shard_that_is_not_its_jobs_is_refused_by_name(command, batch, harm, told):
    out, problem = batch
    harm(out, problem)
    code, _, err = command("merge", out)
    assert code == 1 and told in err and "shard-0002" in err and "Traceback" not in err
    assert not (out / "result.h5").exists()


def test_a_folder_that_is_no_batch_is_refused(command, tmp_path):
    code, _, err = command("merge", tmp_path)
    assert code == 2 and "is not the folder of a batch" in err


def test_several_backends_are_told_in_whole_words():
    parts = [SimpleNamespace(backend=name, provenance=SimpleNamespace(software={})) for name in ("cuda", "cpu")]
    (remark,) = _machines(parts)
    assert "as the batch was planned. Their statistics are the same" in remark


def test_a_merge_without_room_is_saved_elsewhere(command, batch, tmp_path, monkeypatch):
    out, _ = batch
    save = Result.save

    def full(self, path):
        if Path(path).parent == out:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return save(self, path)

    monkeypatch.setattr(Result, "save", full)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    code, _, err = command("merge", out)
    assert code == 3 and "the finished work is saved in" in err
    (saved,) = (tmp_path / "here").rglob("result.h5")
    monkeypatch.setattr(Result, "save", save)
    assert command("merge", out)[0] == 0
    assert result_hashes(saved) == result_hashes(out / "result.h5")


def test_a_case_without_room_is_stopped_and_not_failed(command, batch, monkeypatch, caplog):
    out, _ = batch
    folder = out / "jobs" / "shard-0001"
    (folder / "status.json").unlink()

    def full(attempt):
        raise SavedElsewhere("No space left on device", why="the finished work is saved in /x", suggestion="make room")

    monkeypatch.setattr("hevesy.engine.batch.work._run", full)
    code, _, err = command("job", folder, "--quiet")
    assert code == 3 and "No space left on device" in err and "saved in /x" in caplog.text
    assert read_status(folder).state == "stopped"
