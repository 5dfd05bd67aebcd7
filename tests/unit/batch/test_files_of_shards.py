"""The file of a shard holds sums and no doses; whoever reads it has them, and it adds up with any other part."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hevesy.engine.batch.work import run_job
from hevesy.engine.errors import InputError
from hevesy.engine.results.digest import sign
from hevesy.engine.results.result import Result
from hevesy.engine.simulation import simulate
from hevesy.engine.transport.problem import Problem
from hevesy.tests.unit.batch.small_batch import SEED, planned, undivided
from hevesy.tools.result_hash import result_hashes

DECAYS = 2000


@pytest.fixture(scope="module")
def shards(problem, tmp_path_factory):
    """Result files of the two shards of a batch that has run."""
    _, folders = planned(problem, tmp_path_factory.mktemp("batch") / "b", 2, DECAYS)
    for folder in folders:
        assert run_job(folder).state == "done"
    return [folder / "result.h5" for folder in folders]


def test_a_shard_holds_no_dose_and_reading_it_gives_the_one_of_its_decays(problem, shards) -> None:
    with h5py.File(shards[1], "r") as file:
        assert "dose" not in file and file.attrs["sums_alone"]
    lean, read = Result.load(shards[1], doses=False), Result.load(shards[1])
    assert lean.sums_alone and not lean.doses and not read.sums_alone
    first, batches = int(lean.tally.batch_ids[0]), lean.tally.n_batches
    alone = simulate(
        Problem.load(problem), decays=batches * lean.tally.batch_histories, seed=SEED, backend="cpu",
        first_batch=first, batch_histories=lean.tally.batch_histories,
    )  # fmt: skip
    np.testing.assert_array_equal(read.dose_gy_per_decay, alone.dose_gy_per_decay)
    np.testing.assert_array_equal(read.sigma_gy_per_decay, alone.sigma_gy_per_decay)


def test_the_files_of_shards_are_merged_by_hand(problem, shards, tmp_path, command) -> None:
    code, told, err = command("merge", *reversed(shards), "-o", tmp_path / "sum.h5")
    assert code == 0, err
    assert result_hashes(tmp_path / "sum.h5") == undivided(problem, DECAYS)
    with h5py.File(tmp_path / "sum.h5", "r") as file:
        assert "dose/mc/sigma" in file and not file.attrs["sums_alone"]


def test_a_shard_and_a_result_with_doses_add_up(problem, shards, tmp_path, command) -> None:
    """A stage of a merge holds doses; its order with a shard does not matter."""
    code, _, err = command("merge", shards[0], "--partial", "-o", tmp_path / "stage.h5")
    assert code == 0, err
    for order in ((tmp_path / "stage.h5", shards[1]), (shards[1], tmp_path / "stage.h5")):
        code, _, err = command("merge", *order, "-o", tmp_path / "sum.h5")
        assert code == 0, err
        assert result_hashes(tmp_path / "sum.h5") == undivided(problem, DECAYS)


def test_a_file_with_sums_alone_that_has_a_dose_is_refused(problem, tmp_path) -> None:
    file = simulate(Problem.load(problem), decays=DECAYS, seed=SEED, backend="cpu").save(tmp_path / "r.h5")
    with h5py.File(file, "r+") as stored:
        stored.attrs["sums_alone"] = True
        del stored.attrs["digest"], stored.attrs["attribute_digests"]
        sign(stored)
    with pytest.raises(InputError) as refused:
        Result.load(file)
    assert refused.value.field == "sums_alone"
