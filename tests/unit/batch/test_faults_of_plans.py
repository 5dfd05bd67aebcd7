"""A plan that is refused, or that a disk refuses, changes nothing of what was there, and leaves nothing of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hevesy.engine.lock import locked
from hevesy.tests.unit.batch import small_batch
from hevesy.tests.unit.small_case import TEXT, write_small_case
from hevesy.tools.result_hash import result_hashes

CASE = TEXT.replace("decays: 40000", "decays: 4000")


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_batch_that_is_refused_leaves_the_jobs_of_all_cases(tmp_path, command):
    cases = [write_small_case(tmp_path / name, CASE.replace("T1", name)) for name in "AB"]
    words = ("batch", *cases, "--out", tmp_path / "two", "--quiet", "--backend", "cpu")
    assert command(*words, "--decays", 4000)[0] == 0
    before = content_of(tmp_path / "two")
    with locked(tmp_path / "two/jobs/B/lock", "runs this job"):
        code, _, err = command(*words, "--decays", 5000)
    assert code == 2 and "runs now" in err and "nothing was started" in err
    assert content_of(tmp_path / "two") == before
    code, _, err = command(*words, "--decays", 5000)  # nobody runs it any more
    assert code == 0, err
    assert not list((tmp_path / "two/jobs").glob(".*"))


def unread(path: Path) -> tuple[int, ...]:
    """What stands there, and when it was last changed: not when it was last read."""
    found = path.lstat()
    return found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@pytest.mark.parametrize("room_kb", [8, 40])
def test_a_disk_without_room_for_the_jobs_is_named_and_keeps_nothing(problem, tmp_path, command, small_disk, room_kb):
    disk = small_disk(room_kb)
    code, _, err = command("batch", problem, "--out", disk / "b", "--shards", 200, "--decays", 40_000, "--quiet")
    assert code == 2 and "the disk has no room left" in err, err
    assert str(disk) in err and str(problem) not in err
    assert not list(disk.rglob(".*")) and not (disk / "b/jobs").exists()


@pytest.mark.parametrize("kind", ["notes", "folder", "pipe"])
def test_what_is_not_of_the_batch_is_not_replaced_by_its_result(problem, tmp_path, command, kind):
    out = tmp_path / "b"
    out.mkdir()
    file = out / "result.h5"
    words = ("batch", problem, "--shards", 2, "--decays", 2000, "--out", out, "--backend", "cpu", "--quiet")
    put = {"notes": lambda: file.write_text("my notes"), "folder": file.mkdir, "pipe": lambda: os.mkfifo(file)}[kind]
    put()
    code, _, err = command(*words)
    assert code == 2 and f"{file}: is " in err and not (out / "jobs").exists(), err
    file.rmdir() if kind == "folder" else file.unlink()
    assert command(*words)[0] == 0
    file.unlink()
    put()
    before = unread(file)
    for again in (words, ("merge", out), ("retry", out)):
        code, _, err = command(*again)
        assert code == 2 and f"{file}: is " in err, (again, err)
        assert unread(file) == before


@pytest.mark.parametrize(
    "changes", [{"seed": 9}, {"batches": 4}, {"batches": 10**6}, {"batch_histories": 3}, {"input_hash": "x"}]
)
def test_a_manifest_that_was_edited_is_named_and_made_again(problem, tmp_path, command, changes):
    out = tmp_path / "b"
    words = ("batch", problem, "--shards", 3, "--decays", 5000, "--seed", 7, "--out", out, "--backend", "cpu")
    assert command(*words, "--quiet")[0] == 0
    file = out / "manifest.json"
    before = file.read_text()
    content = json.loads(before)
    content["wholes"][0] |= changes
    (out / "result.h5").unlink()
    file.write_text(json.dumps(content))
    for again in (("merge", out), ("retry", out, "--quiet")):
        code, _, err = command(*again)
        assert code in (1, 2) and "manifest.json" in err and "hevesy batch" in err and "result.h5" not in err, err
    code, _, err = command(*words, "--quiet")
    assert code == 0, err
    assert result_hashes(out / "result.h5") == small_batch.undivided(problem, 5000)
    assert json.loads(file.read_text())["wholes"] == json.loads(before)["wholes"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"code_hash": None}, "code_hash: is missing"),
        ({"title": 3}, "title: 3 is not a text"),
        ({"strange": 3}, "strange: is not known here"),
        ({"format": "other"}, "format: 'other' is not 'hevesy-batch'"),
        ({"wholes": 5}, "wholes: 5 is not a list"),
        ({"wholes": [5]}, "wholes.0: 5 is not an object"),
        ({"code_hash": "x"}, "code_hash: 'x' is not of the form that is needed here"),
        ({"batches": "50"}, "wholes.0.batches: '50' is not a whole number"),
        ({"batches": 50.5}, "wholes.0.batches: 50.5 is not a whole number"),
        ({"batches": -1}, "wholes.0.batches: -1 is less than 0"),
        ({"batches": 10**12}, "wholes.0.batches: 1000000000000 is more than 1e+08"),
        ({"batches": 2}, "wholes.0: 'problem' has 3 jobs"),
        (None, "[] is not an object"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said_in_words(problem, tmp_path, command, changes, words):
    out = tmp_path / "b"
    small_batch.planned(problem, out, 3, 5000)
    file = out / "manifest.json"
    content = json.loads(file.read_text())
    if changes is not None and "batches" in changes:
        content["wholes"][0] |= changes
    elif changes is not None:
        content = {key: value for key, value in (content | changes).items() if value is not None}
    file.write_text(json.dumps([] if changes is None else content))
    code, _, err = command("status", out)
    assert code == 2 and f"manifest.json: {words}\n" in err and "--out" in err, err
    assert not any(word in err for word in ("Value error", "Input should", "Field required", "Manifest"))


@pytest.mark.parametrize("shards", [1, 2])
def test_a_finished_case_whose_masks_have_changed_is_not_retried(tmp_path, command, shards):
    case, out = write_small_case(tmp_path / "in", CASE), tmp_path / "out"
    assert command("batch", case, "--out", out, "--shards", shards, "--backend", "cpu", "--quiet")[0] == 0
    before = content_of(out)
    (case.parent / "lesions.json").write_text('{"1": {"name": "renamed", "site": "node"}}')
    code, _, err = command("retry", out, "--quiet")
    assert code == 2 and "lesions.json: has been changed since the batch was made" in err, err
    assert content_of(out) == before
