"""Shards of one problem, in files: any number, order and stages are the undivided run; strangers are named."""

from __future__ import annotations

import json
import os
import random
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.results.merge import merge, merge_files
from hevesy.engine.results.result import Result
from hevesy.engine.simulation import simulate
from hevesy.tests.unit.batch.small_batch import small_problem
from hevesy.tools.result_hash import result_hashes

BATCHES, PER_BATCH, SEED = 24, 50, 11
PLAN = {"batches": BATCHES, "mixed": False}
#: Of the property: ways to cut, shuffle and group.
EXAMPLES = 25


def shard(first: int, count: int, **changes) -> Result:
    options = {"seed": SEED, "backend": "cpu", "threads": 1, **changes}
    problem, plan = options.pop("problem", small_problem()), options.pop("plan", PLAN)
    result = simulate(problem, decays=count * PER_BATCH, first_batch=first, batch_histories=PER_BATCH, **options)
    result.provenance = replace(result.provenance, plan=plan)
    return result


@pytest.fixture(scope="module")
def singles() -> list[Result]:
    """Each batch as a shard of its own."""
    return [shard(batch, 1) for batch in range(BATCHES)]


@pytest.fixture(scope="module")
def whole() -> Result:
    return shard(0, BATCHES)


@pytest.fixture
def files(singles, tmp_path) -> list[Path]:
    """Four shards of six batches."""
    return [merge(singles[i : i + 6], partial=True).save(tmp_path / f"s{i // 6}.h5") for i in range(0, BATCHES, 6)]


def assert_whole(merged: Result, whole: Result) -> None:
    """Everything that the undivided run has, but for times."""
    for name in ("energy_quanta", "energy_quanta_squared", "region_quanta", "batch_ids"):
        mine, its = getattr(merged.tally, name), getattr(whole.tally, name)
        assert mine.dtype == its.dtype and np.array_equal(mine, its), name
    for name in ("balance", "counters", "region_names", "batch_histories", "backend", "device"):
        assert getattr(merged.tally, name) == getattr(whole.tally, name), name
    assert np.array_equal(merged.dose_gy_per_decay, whole.dose_gy_per_decay)
    assert np.array_equal(merged.sigma_gy_per_decay, whole.sigma_gy_per_decay)
    for mine, its in zip(
        merged.region_dose_gy_per_decay([1.0, 2.0]), whole.region_dose_gy_per_decay([1.0, 2.0]), strict=True
    ):
        assert np.array_equal(mine, its)
    assert merged.balance == whole.balance and merged.balance.residual_quanta == 0
    assert (merged.complete, merged.stopped, merged.warnings) == (True, "", whole.warnings)
    for name, merit in whole.figure_of_merit().items():
        assert merged.figure_of_merit()[name] * merged.wall_time_s == pytest.approx(
            merit * whole.wall_time_s, rel=1e-12
        )


def grouped(parts: list[Result], rng: random.Random) -> Result:
    """A merge in stages, of neighbours and of others."""
    while len(parts) > 1:
        size = rng.randint(2, len(parts))
        rng.shuffle(parts)
        parts = [merge(parts[:size], partial=True), *parts[size:]]
    return merge(parts)


@pytest.mark.parametrize("example", range(EXAMPLES))
def test_any_cuts_orders_and_stages_are_the_undivided_run(singles, whole, example):
    rng = random.Random(example)
    batches = list(range(BATCHES))
    if example % 2:
        rng.shuffle(batches)  # shards that are no ranges
    cuts = sorted(rng.sample(range(1, BATCHES), rng.randint(1, BATCHES - 1)))
    pieces = [batches[a:b] for a, b in zip([0, *cuts], [*cuts, BATCHES], strict=True)]
    parts = [merge([singles[batch] for batch in piece], partial=True) for piece in pieces]
    assert_whole(grouped(parts, rng), whole)


def test_files_merge_in_any_order_and_in_stages_by_the_command(command, files, whole, tmp_path):
    expected = result_hashes(whole.save(tmp_path / "whole.h5"))
    merged = tmp_path / "m.h5"
    for order in (files, files[::-1], [files[2], files[0], files[3], files[1]]):
        assert command("merge", *order, "-o", merged)[0] == 0
        assert result_hashes(merged) == expected
    stage, last = tmp_path / "a.h5", tmp_path / "b.h5"
    code, out, _ = command("merge", files[0], files[3], "--partial", "-o", stage, "--json")
    told = json.loads(out)
    assert (code, told["complete"]) == (0, False)
    assert told["stopped"] == "a part of the run is missing: decays 300 to 899"
    assert command("merge", files[1], files[2], "--partial", "-o", last)[0] == 0
    assert command("merge", last, stage, "-o", merged)[0] == 0
    assert result_hashes(merged) == expected
    assert_whole(Result.load(merged), whole)
    with h5py.File(merged) as file:
        assert file.attrs["complete"] and len(file.attrs["regions_hash"]) == 64
        assert json.loads(file.attrs["plan"]) == PLAN


def refused(command, *words) -> str:
    code, _, err = command("merge", *words)
    assert code == 2 and "Traceback" not in err
    return err


def test_missing_decays_are_refused_wherever_they_are(command, files, tmp_path):
    out = tmp_path / "m.h5"
    for gone, told in ((0, "decays 0 to 299"), (1, "decays 300 to 599"), (3, "decays 900 to 1199")):
        rest = [file for file in files if file is not files[gone]]
        err = refused(command, *rest, "-o", out)
        assert f"{told} are missing" in err and "900 of the 1200 decays" in err and "--partial" in err
        assert all(str(file) in err for file in rest), "which files there are"
        assert not out.exists()
    err = refused(command, files[0], files[2], "-o", out)
    assert "decays 300 to 599, 900 to 1199 are missing" in err


def test_without_a_plan_a_gap_is_seen_and_an_end_cannot_be(singles):
    bare = [replace(one, provenance=replace(one.provenance, plan={})) for one in singles]
    with pytest.raises(InputError, match="decays 50 to 99 are missing"):
        merge([bare[0], bare[2]])
    with pytest.raises(InputError, match="decays 0 to 49 are missing"):
        merge([bare[1]])
    assert merge(bare[:3]).complete
    part = merge([bare[0], bare[2]], partial=True)
    assert not part.complete
    assert merge([part, bare[1]]).complete, "what was missing is not"
    assert not merge([bare[0], replace(bare[1], complete=False, stopped="interrupted")]).complete


def test_a_file_given_twice_is_named_however_it_is_given(command, files, tmp_path):
    link, copy, out = tmp_path / "link.h5", tmp_path / "copy.h5", tmp_path / "m.h5"
    assert f"{files[0]}: is given twice" in refused(command, files[0], files[1], files[0], "-o", out)
    link.symlink_to(files[1])
    assert f"{link}: is the same file as {files[1]}" in refused(command, *files, link, "-o", out)
    link.unlink()
    os.link(files[1], link)
    assert f"{link}: is the same file as {files[1]}" in refused(command, *files, link, "-o", out)
    shutil.copyfile(files[2], copy)
    err = refused(command, *files, copy, "-o", out)
    assert f"decays 600 to 899 are in more than one of the results: {files[2]} and {copy}" in err
    assert "one is a copy of the other" in err


def test_an_overlap_is_named(command, singles, files, tmp_path):
    other = merge(singles[4:8], partial=True).save(tmp_path / "other.h5")
    err = refused(command, files[0], files[1], other, "--partial", "-o", tmp_path / "m.h5")
    assert f"decays 200 to 299 are in more than one of the results: {files[0]} and {other}" in err
    assert "a copy" not in err


def moved_regions():
    problem = small_problem()
    return replace(problem, regions=np.roll(problem.regions, 1, axis=2))


def denser():
    problem = small_problem()
    return replace(problem, density_g_cm3=problem.density_g_cm3 * np.float32(1.01))


STRANGERS = {
    "input hash": lambda: shard(6, 6, problem=denser()),
    "seed": lambda: shard(6, 6, seed=12),
    "regions hash": lambda: shard(6, 6, problem=moved_regions()),
    "regions": lambda: shard(6, 6, problem=replace(small_problem(), region_names=("hot", "warm"))),
    "plan": lambda: shard(6, 6, plan={"batches": 25, "mixed": False}),
    "backend": lambda: of("backend", "cuda"),
    "code": lambda: of("code_hash", "0" * 64),
    "table hashes": lambda: of("table_hashes", {"physics.h5": "0" * 64}),
    "batch size": lambda: simulate(
        small_problem(), decays=600, seed=SEED, backend="cpu", first_batch=3, batch_histories=100
    ),
}


def of(name: str, value) -> Result:
    result = shard(6, 6)
    result.provenance = replace(result.provenance, **{name: value})
    return result


@pytest.mark.parametrize("what", STRANGERS)
def test_a_stranger_is_refused_by_what_differs_and_by_name(command, files, tmp_path, what):
    stranger = STRANGERS[what]().save(tmp_path / "stranger.h5")
    err = refused(command, files[0], stranger, files[2], files[3], "-o", tmp_path / "m.h5")
    assert f"results differ in their {what}: " in err and str(stranger) in err and str(files[0]) in err
    assert not (tmp_path / "m.h5").exists()


@pytest.mark.parametrize("older", [0, 1])
def test_a_file_without_a_hash_of_its_sources_is_of_another_hevesy(command, files, tmp_path, older):
    """Of an older one, whichever of the two comes first: between a hash and none nothing can be compared."""
    results = [Result.load(file) for file in files]
    results[older].provenance = replace(results[older].provenance, code_hash="")
    results[older].save(files[older])
    err = refused(command, *files, "-o", tmp_path / "m.h5")
    assert f"results differ in their code: hevesy {results[0].provenance.version} " in err
    assert " ".join(err.split()).count("(sources ") == 1


def test_files_without_hashes_are_told_by_version_and_commit(command, files, tmp_path):
    results = [Result.load(file) for file in files]
    for result in results:
        result.provenance = replace(result.provenance, code_hash="")
    merged = merge(results)
    assert merged.complete and merged.provenance.code_hash == ""
    for name, value in (("version", "0.0.9"), ("commit", "1" * 40)):
        others = [*results[:-1], replace(results[-1], provenance=replace(results[-1].provenance, **{name: value}))]
        for result, file in zip(others, files, strict=True):
            result.save(file)
        assert "results differ in their code: hevesy " in refused(command, *files, "-o", tmp_path / "m.h5")


def test_commits_of_the_same_sources_add_up_in_any_order(files):
    commits = ("", "b" * 40, "a" * 40, "a" * 40 + "+changes")
    parts = [Result.load(file) for file in files]
    for part, commit in zip(parts, commits, strict=True):
        part.provenance = replace(part.provenance, commit=commit)
    staged = merge([merge([parts[1], parts[3]], partial=True), merge([parts[2], parts[0]], partial=True)])
    for result in (merge(parts), merge(parts[::-1]), staged):
        assert result.provenance.commit == "a" * 40 and result.provenance.code_hash == parts[0].provenance.code_hash


def test_weights_of_regions_are_told_apart_and_their_form_is_not(tmp_path):
    """The same regions as labels and as weights; another weight of one voxel."""
    problem = small_problem()
    weights = np.stack([(problem.regions == label).astype(np.uint8) for label in (1, 2)])
    by_label = shard(0, 1)
    same = shard(1, 1, problem=replace(problem, regions=None), regions=weights, region_names=("hot", "cold"))
    assert merge([by_label, same], partial=True).tally.n_batches == 2
    weights[0, 1, 2, 3] = 2
    other = shard(1, 1, problem=replace(problem, regions=None), regions=weights, region_names=("hot", "cold"))
    with pytest.raises(InputError, match="differ in their regions hash"):
        merge([by_label, other], partial=True)


def test_a_batch_beyond_the_plan_is_refused():
    with pytest.raises(InputError, match="batch 24 is none of the 24 batches of the run") as error:
        merge([shard(0, 24), shard(24, 1)], ["a.h5", "b.h5"])
    assert error.value.file == "b.h5"


def mixed(first: int, count: int, backend: str, planned: bool = True) -> Result:
    """A shard as a device leaves it, in a batch that was planned for several."""
    result = shard(first, count, plan={"batches": BATCHES, "mixed": planned})
    result.provenance = replace(result.provenance, backend=backend, device=f"a {backend}")
    result.tally = replace(result.tally, backend=backend)
    return result


def test_backends_add_up_where_the_plan_says_so_and_the_result_says_that(whole, tmp_path):
    parts = [mixed(0, 10, "cpu"), mixed(10, 8, "cuda"), mixed(18, 6, "cpu")]
    staged = merge([merge([parts[2], parts[1]], partial=True), parts[0]])
    for result in (merge(parts), merge(parts[::-1]), staged, merge_files([staged.save(tmp_path / "r.h5")])):
        assert (result.backend, result.device, result.tally.backend) == ("cuda+cpu", "a cuda + a cpu", "cuda+cpu")
        (note,) = [text for text in result.assumptions if "several backends" in text]
        assert "cuda and cpu" in note
        # the variance is that between batches, whichever device simulated them
        assert np.array_equal(result.sigma_gy_per_decay, whole.sigma_gy_per_decay)
        assert np.array_equal(result.tally.region_quanta, whole.tally.region_quanta)
    with pytest.raises(InputError, match="differ in their backend: cpu in result 1, cuda in result 2"):
        merge([mixed(0, 10, "cpu", planned=False), mixed(10, 14, "cuda", planned=False)])


def test_versions_of_the_compiler_that_differ_are_a_remark():
    parts = [shard(0, 12), shard(12, 12)]
    assert not merge(parts).assumptions
    software = {**parts[1].provenance.software, "numba": "0.1"}
    parts[1].provenance = replace(parts[1].provenance, software=software)
    (remark,) = merge(parts).assumptions
    assert "several versions of numba (0.1, " in remark


def test_a_merge_holds_no_more_than_two_results(tmp_path, monkeypatch):
    """However many there are: those that were added are let go."""
    import gc
    import weakref

    from hevesy.engine.results import merge as module

    seen: list[weakref.ref] = []
    most = 0

    def load(path, **how):
        nonlocal most
        result = Result.load(path, **how)
        gc.collect()
        most = max(most, sum(one() is not None for one in seen))
        seen.append(weakref.ref(result.tally.energy_quanta))
        return result

    files = [shard(i, 1).save(tmp_path / f"{i}.h5") for i in range(8)]
    monkeypatch.setattr(module, "Result", type("Reader", (), {"load": staticmethod(load)}))
    assert merge_files(files, partial=True).tally.n_batches == 8
    assert len(seen) == 8 and most <= 1, "the first one, whose doses and geometry the sum takes"
