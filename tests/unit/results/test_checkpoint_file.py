"""Checkpoints of a transport: which run they are of, what damage does, and what is taken where there are several."""

from __future__ import annotations

import dataclasses
import json
import logging

import numpy as np
import pytest
from hevesy import simulate
from hevesy.engine.errors import InputError
from hevesy.engine.imaging.tissue import water
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.results import checkpoint, identity, provenance
from hevesy.engine.results.checkpoint import CheckpointFile, RunCheckpoints
from hevesy.engine.results.earlier import earlier_result
from hevesy.engine.transport.problem import Problem
from hevesy.tests.unit.run.test_resume import after, assert_same

RUN = {"decays": 20_000, "seed": 4, "backend": "cpu"}


@pytest.fixture(scope="module")
def problem():
    ones = np.ones((6, 6, 6), np.float32)
    regions = np.zeros(ones.shape, np.uint8)
    regions[1:3] = 1
    return Problem(
        density_g_cm3=ones, material=np.zeros(ones.shape, np.uint8), materials=(water(),), source=ones,
        voxel_size_mm=(4.0, 4.0, 4.0), emission=nuclide("I-131").emission, regions=regions, region_names=("one",),
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(problem):
    return simulate(problem, **RUN)


@pytest.fixture
def file(problem, tmp_path):
    """The checkpoint of a run stopped after 30 of 50 batches, and before it one of 20."""
    file = CheckpointFile(tmp_path / "work" / "checkpoint.npz")
    for batches in (20, 10):
        simulate(problem, **RUN, checkpoint=file, stop=after(batches))
    assert [len(CheckpointFile(path).load(problem).batch_ids) for path in file.files] == [30, 20]
    return file


def changed(problem, name):
    """The problem with one thing changed."""
    array = np.array(getattr(problem, name))
    array[2, 2, 2] += 1
    return dataclasses.replace(problem, **{name: array})


def test_the_sums_come_back_as_they_were(problem, file, whole):
    part = simulate(problem, **RUN, stop=after(30)).tally
    loaded = file.load(problem)
    for field in dataclasses.fields(part):
        if "time_s" not in field.name:
            np.testing.assert_array_equal(getattr(loaded, field.name), getattr(part, field.name), field.name)
    assert_same(simulate(problem, **RUN, checkpoint=file), whole)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: changed(p, "density_g_cm3"), "activity or the physics are not those"),
        (lambda p: changed(p, "source"), "activity or the physics are not those"),
        (lambda p: dataclasses.replace(p, emission=nuclide("Lu-177").emission), "activity or the physics are not"),
        (lambda p: dataclasses.replace(p, physics={"photons": "off"}), "activity or the physics are not those"),
        (lambda p: dataclasses.replace(p, regions=p.regions[::-1].copy()), "regions or lesions are not those"),
        (lambda p: dataclasses.replace(p, region_names=("two",)), "run with regions ('one',), this one with ('two',)"),
    ],
)
@pytest.mark.parametrize("source", ["checkpoint", "result"])
def test_another_problem_is_refused_by_name(problem, file, tmp_path, change, words, source):
    """A stopped result as well as a checkpoint."""
    left = {"checkpoint": file}
    if source == "result":
        left = {"resume": earlier_result(simulate(problem, **RUN, stop=after(9)).save(tmp_path / "part.h5"))}
    other = change(problem)
    with pytest.raises(InputError) as caught:
        simulate(other, **RUN, **left)
    assert words in str(caught.value) and "run without --resume" in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"seed": 5}, "run with seed 4, this one with 5"),
        ({"backend": "python"}, "run with backend cpu, this one with python"),
        ({"batch_histories": 300}, "run with batch size 400, this one with 300"),
        ({"physics": {"photons": "off"}}, "run with physics"),
    ],
)
def test_another_run_is_refused_by_name(problem, file, flags, words):
    with pytest.raises(InputError) as caught:
        simulate(problem, **{**RUN, **flags}, checkpoint=file)
    assert words in str(caught.value)


def test_other_code_or_tables_are_refused_by_name(problem, file, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(provenance, "table_hashes", lambda: {"physics.h5": "0" * 64})
        with pytest.raises(InputError, match="physics tables are not those"):
            file.load(problem)
    with monkeypatch.context() as patch:
        patch.setattr(provenance, "code_commit", lambda: "0" * 40)
        patch.setattr(provenance, "code_version", lambda: "9.9")
        assert file.load(problem) is not None, "the same sources, whatever they are called"
        patch.setattr(provenance, "code_hash", lambda: "0" * 64)
        with pytest.raises(InputError, match="this is hevesy 9.9 from a checkout at 0000000000, with other sources"):
            file.load(problem)


def test_a_checkpoint_that_does_not_say_its_sources_is_of_another_code(problem, file):
    """As a hevesy saved it that told code by its commit; its SHA-256 is right."""
    for path in file.files:
        with np.load(path) as archive:
            arrays = {name: archive[name] for name in archive.files}
        about = json.loads(arrays.pop("about").item())
        del about["run"]["code_hash"], arrays["sha256"]
        text = json.dumps(about)
        digest = checkpoint._digest(text, {name: arrays[name] for name in checkpoint.ARRAYS})
        np.savez(path, about=np.array(text.encode()), sha256=np.array(digest.encode()), **arrays)
    with pytest.raises(InputError, match="(?s)another hevesy, of which the sources are unknown.*run without --resume"):
        file.load(problem)


def test_no_damage_gives_other_sums(problem, file):
    """Bits flipped and files cut anywhere: the same sums, or a refusal that names the file."""
    file.previous.unlink()
    content, good = file.path.read_bytes(), file.load(problem)
    refused = 0
    rng = np.random.default_rng(5)
    pieces = [content[:length] for length in rng.integers(0, len(content), 40)]
    for at in rng.integers(0, len(content), 160):
        pieces.append(content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :])
    for damaged in pieces:
        file.path.write_bytes(damaged)
        try:
            tally = file.load(problem)
        except InputError as refusal:
            assert "checkpoint.npz" in str(refusal) and "delete it" in str(refusal)
            refused += 1
            continue
        for name in ("energy_quanta", "energy_quanta_squared", "region_quanta", "batch_ids"):
            np.testing.assert_array_equal(getattr(tally, name), getattr(good, name))
        assert (tally.balance, tally.counters, tally.seed) == (good.balance, good.counters, good.seed)
    assert refused > 160, "nearly every byte counts"


def test_sums_that_were_changed_with_their_archive_are_refused(problem, file):
    """A valid archive with other numbers in it: only the SHA-256 inside shows that."""
    with np.load(file.path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["energy_quanta"][2, 2, 2] += 1
    np.savez(file.path, **arrays)
    file.previous.unlink()
    with pytest.raises(InputError, match="its content is not what its SHA-256 says"):
        file.load(problem)


def test_the_one_before_is_used_where_the_last_is_damaged(problem, file, whole, caplog):
    file.path.write_bytes(file.path.read_bytes()[:1000])
    assert file.load(problem).n_batches == 20
    assert "the checkpoint checkpoint.npz is damaged; the one before it is used" in caplog.text
    assert_same(simulate(problem, **RUN, checkpoint=file), whole)


def test_a_job_begins_anew_where_its_checkpoint_is_damaged(problem, file, whole, caplog):
    for path in file.files:
        path.write_bytes(b"nothing")
    assert_same(simulate(problem, **RUN, checkpoint=CheckpointFile(file.path, strict=False)), whole)
    assert "what it held is simulated again" in caplog.text


def test_a_job_begins_anew_on_another_backend(problem, file, caplog):
    job = CheckpointFile(file.path, strict=False)
    run = {**RUN, "decays": 50, "backend": "python"}
    assert_same(simulate(problem, **run, checkpoint=job), simulate(problem, **run))
    assert "checkpoint.npz is of another seed or backend; what it held is simulated again" in caplog.text


@pytest.mark.parametrize(("batches", "most"), [(5, 30), (40, 40)])
def test_the_furthest_of_result_and_checkpoint(problem, file, whole, tmp_path, caplog, batches, most):
    result = simulate(problem, **RUN, stop=after(batches))
    with caplog.at_level(logging.INFO):
        assert_same(simulate(problem, **RUN, resume=result, checkpoint=file), whole)
    assert f"resuming after {400 * most} decays" in caplog.text


def test_what_cannot_be_used_is_passed_over_for_what_can(problem, file, whole, tmp_path, caplog):
    """A result of other regions, of another seed, one that is damaged; then a checkpoint that is."""
    moved = dataclasses.replace(problem, regions=problem.regions[::-1].copy())
    for result in (simulate(moved, **RUN), simulate(problem, **{**RUN, "seed": 9})):
        assert_same(simulate(problem, **RUN, resume=result, checkpoint=file), whole)
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"nothing")
    assert earlier_result(broken, file) is None
    assert "broken.h5 cannot be used" in caplog.text
    with pytest.raises(InputError):
        earlier_result(broken, CheckpointFile(tmp_path / "none.npz"))
    for path in file.files:
        path.write_bytes(b"nothing")
    good = simulate(problem, **RUN, stop=after(8))
    assert_same(simulate(problem, **RUN, resume=good, checkpoint=file), whole)
    assert "is damaged: passed over" in caplog.text


def test_checkpoints_of_a_dead_run_go_when_the_next_has_its_own(problem, file, tmp_path):
    """Those of its other visits too: they would be of another run."""
    now = identity.RunIdentity.now(problem)
    tally = file.load(problem)
    dead = RunCheckpoints(tmp_path / "run", 1.0, resume=True)
    for visit in (0, 1):
        dead.file(0, visit, "mc").save(now, tally)
        dead.file(0, visit, "mc").save(now, tally)
    assert len(list((tmp_path / "run").iterdir())) == 4
    fresh = RunCheckpoints(tmp_path / "run", 1.0, resume=False)
    assert len(fresh.left) == 4
    fresh.file(0, 0, "mc").save(now, tally)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["therapy-1_visit-1_mc.npz"]
    fresh.file(0, 0, "mc").save(now, tally)
    fresh.remove()
    assert not (tmp_path / "run").exists()


def test_a_disk_that_refuses_costs_no_result(problem, tmp_path, whole, caplog):
    """The folder of the checkpoint cannot be made."""
    (tmp_path / "work").write_text("in the way")
    file = CheckpointFile(tmp_path / "work" / "checkpoint.npz", every_s=1e-9)
    assert_same(simulate(problem, **RUN, checkpoint=file, from_checkpoint=False), whole)
    assert "no checkpoint was saved (the run goes on)" in caplog.text
