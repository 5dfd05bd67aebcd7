"""A batch is run by any hevesy of the same sources, wherever it lies and whatever its commit, and by no other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hevesy.engine.results import identity, provenance, sources
from hevesy.engine.results.environment import ROOT
from hevesy.engine.results.result import Result
from hevesy.tests.patience import PATIENCE_S
from hevesy.tests.unit.batch import small_batch
from hevesy.tests.unit.batch.small_batch import SEED
from hevesy.tests.unit.small_case import TEXT, write_small_case
from hevesy.tools.result_hash import result_hashes

DECAYS = 5000
SETTINGS = ("--shards", 3, "--decays", DECAYS, "--seed", SEED, "--backend", "cpu", "--quiet")
HERE, LATER = "f" * 40, "e" * 40


def at(monkeypatch, commit: str) -> None:
    """Be a checkout at a commit."""
    for module in (sources, provenance):
        monkeypatch.setattr(module, "code_commit", lambda: commit)


def copy_of_the_package(place: Path, *changed: str) -> Path:
    """What a wheel unpacks to, with some pages and tests, and a comment more in some of the files."""
    for folder in ("engine", "kernels", "cli", "docs/formats", "tests/unit/batch"):
        shutil.copytree(ROOT / folder, place / "hevesy" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("__init__.py", "__main__.py"):
        shutil.copy(ROOT / file, place / "hevesy" / file)
    for name in changed:
        with (place / "hevesy" / name).open("a", newline="") as file:
            file.write("# one more comment\n")
    return place


def run_by(place: Path, *words: object) -> tuple[int, str]:
    """Exit code and messages of a command of the hevesy in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "hevesy", *map(str, words), "--quiet"], cwd=place, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(place)}, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.fixture
def jobs(problem, tmp_path, command, monkeypatch) -> list[Path]:
    """Jobs that were planned by a checkout, of which none has run."""
    at(monkeypatch, HERE)
    out = tmp_path / "b"
    assert command("batch", problem, "--out", out, *SETTINGS, "--executor", "slurm", "--dry-run")[0] == 0
    return sorted((out / "jobs").iterdir())


def test_jobs_of_a_checkout_run_from_copies_of_its_sources(problem, jobs, tmp_path, command):
    """One from a copy as it is, one from a copy with other pages, tests and command line, one from the checkout."""
    wheel = copy_of_the_package(tmp_path / "wheel")
    other = copy_of_the_package(
        tmp_path / "other", "docs/formats/batch.md", "tests/unit/batch/small_batch.py", "cli/batch_command.py"
    )
    for place, job in ((wheel, jobs[0]), (other, jobs[1])):
        returned, err = run_by(place, "job", job)
        assert returned == 0, err
    assert command("job", jobs[2], "--quiet")[0] == 0
    commits = [Result.load(job / "result.h5").provenance.commit for job in jobs]
    assert commits == ["", "", HERE]
    written = [(job / "result.h5").stat().st_mtime_ns for job in jobs]
    returned, err = run_by(wheel, "batch", problem, "--out", jobs[0].parent.parent, *SETTINGS[:-1])
    assert returned == 0, err
    assert [(job / "result.h5").stat().st_mtime_ns for job in jobs] == written
    result = jobs[0].parent.parent / "result.h5"
    assert result_hashes(result) == small_batch.undivided(problem, DECAYS)
    assert Result.load(result).provenance.commit == HERE


def test_one_comment_more_is_other_code(problem, jobs, tmp_path, command):
    place = copy_of_the_package(tmp_path / "wheel", "engine/statistics.py")
    differ = (
        f"from a checkout at {HERE[:10]}, this is hevesy {provenance.code_version()} as installed, with other sources"
    )
    returned, err = run_by(place, "job", jobs[0])
    assert returned == 1 and f"the batch was made by hevesy {provenance.code_version()} {differ}" in " ".join(
        err.split()
    )
    assert not (jobs[0] / "result.h5").exists()
    returned, err = run_by(place, "batch", problem, "--out", tmp_path / "b", *SETTINGS[:-1])
    assert returned == 2 and differ in " ".join(err.split()) and "one checkout, wheel or image" in " ".join(err.split())
    # and a result that it made elsewhere is not taken for that of the job
    own = tmp_path / "own"
    returned, err = run_by(place, "batch", problem, "--out", own, *SETTINGS[:-1])
    assert returned == 0, err
    for job in jobs:
        assert command("job", job, "--quiet")[0] == 0
    for name in ("result.h5", "status.json"):
        shutil.copyfile(own / "jobs" / jobs[1].name / name, jobs[1] / name)
    returned, _, err = command("merge", tmp_path / "b")
    assert (
        returned == 1 and "is not that of its job: other sources of hevesy" in err and "as installed, with other" in err
    )
    returned, _, err = command("merge", *(job / "result.h5" for job in jobs), "-o", tmp_path / "m.h5")
    assert returned == 2 and "results differ in their code: hevesy" in err and "as installed (sources " in err


def test_other_code_neither_merges_nor_retries_a_batch_and_says_that_it_added_up_files(problem, tmp_path, command):
    place, out = copy_of_the_package(tmp_path / "wheel", "engine/grid.py"), tmp_path / "b"
    assert command("batch", problem, "--out", out, *SETTINGS)[0] == 0
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    one = tmp_path / "one.h5"
    for words in (("merge", out), ("merge", out, "-o", one), ("merge", out, "--partial", "-o", one), ("retry", out)):
        returned, err = run_by(place, *words)
        told = " ".join(err.split())
        assert returned == 2 and f"{out}: code_hash: the batch was made by hevesy" in told, words
        assert "or give `hevesy batch` another --out" in told and "--resume" not in told
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == before and not one.exists()
    files = sorted(out.glob("jobs/*/result.h5"))
    returned, err = run_by(place, "merge", *files, "-o", one)
    assert returned == 0, err
    ours, theirs = Result.load(out / "result.h5"), Result.load(one)
    assert theirs.provenance.code_hash == ours.provenance.code_hash
    assert result_hashes(one)[0] == result_hashes(out / "result.h5")[0], "the integers are the same"
    (said,) = set(theirs.assumptions) - set(ours.assumptions)
    assert said.startswith(f"The decays were simulated by hevesy {provenance.code_version()}")
    assert "and added up, with dose and error computed anew, by hevesy" in said and "sources" in said


def test_a_merged_case_is_said_to_stay_and_refused_to_other_code(tmp_path, command, monkeypatch):
    case, out = write_small_case(tmp_path / "in", TEXT.replace("decays: 40000", "decays: 2000")), tmp_path / "out"
    assert command("batch", case, "--out", out, "--backend", "cpu", "--shards", 2, "--quiet")[0] == 0
    assert command("merge", out, "--quiet") == (0, f"{out / 'T1'} is complete, and stays as it is\n", "")
    told = json.loads(command("merge", out, "--json")[1])
    assert told == {"written": [], "kept": [str(out / "T1")], "missing": {}}
    (out / "T1" / "batch.json").unlink()
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    monkeypatch.setattr(sources, "code_hash", lambda: "0" * 64)
    for words in (("merge",), ("retry",)):
        returned, _, err = command(*words, out, "--quiet")
        assert returned == 2 and "the batch was made by hevesy" in err and "run without --resume" not in err
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == before


def test_a_case_that_becomes_another_problem_is_refused_in_the_words_of_a_batch(tmp_path, command, monkeypatch):
    """As where another version of a library reads its images."""
    case, out = write_small_case(tmp_path / "in", TEXT.replace("decays: 40000", "decays: 2000")), tmp_path / "out"
    monkeypatch.setattr(identity, "problem_hash", lambda problem: "0" * 64)
    code, _, err = command("batch", case, "--out", out, "--backend", "cpu", "--shards", 2, "--quiet")
    assert code == 1 and "the images, the activity or the physics are not those of the shards" in err
    assert "give `hevesy batch` another --out" in err and "stopped run" not in err and "--resume" not in err
    monkeypatch.undo()
    assert command("merge", out, "--quiet")[0] == 0


def test_a_later_commit_of_the_same_sources_keeps_what_is_there(tmp_path, command, monkeypatch):
    """Cases as they are: no job is made or run again."""
    at(monkeypatch, HERE)
    case, out = write_small_case(tmp_path / "in", TEXT.replace("decays: 40000", "decays: 2000")), tmp_path / "out"
    words = ("batch", case, "--out", out, "--backend", "cpu", "--quiet", "--json")
    assert command(*words)[0] == 0
    kept = [*out.rglob("result.h5"), *out.rglob("job.json"), out / "manifest.json"]
    before = {file: file.read_bytes() for file in kept}
    assert len(before) == 3
    at(monkeypatch, LATER)
    returned, told, err = command(*words)
    assert returned == 0 and json.loads(told)["cases"][0]["state"] == "kept", err
    assert {file: file.read_bytes() for file in kept} == before
    for module in (sources, provenance):
        monkeypatch.setattr(module, "code_hash", lambda: "0" * 64)
    returned, told, err = command(*words)
    assert returned == 0 and json.loads(told)["cases"][0]["state"] == "done", err


def test_lost_jobs_are_made_again_as_they_were_by_a_later_commit(problem, jobs, tmp_path, command, monkeypatch):
    kept = {file: file.read_bytes() for file in (tmp_path / "b" / "manifest.json", *(j / "job.json" for j in jobs))}
    for job in jobs:
        shutil.rmtree(job)
    at(monkeypatch, LATER)
    assert command("batch", problem, "--out", tmp_path / "b", *SETTINGS, "--executor", "slurm", "--dry-run")[0] == 0
    assert {file: file.read_bytes() for file in kept} == kept
