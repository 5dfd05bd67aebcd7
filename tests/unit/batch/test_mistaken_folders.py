"""The folder of a batch or of a job where another one is needed: what to give in its place."""

from __future__ import annotations

import pytest
from hevesy.tests.unit.batch.small_batch import SEED
from hevesy.tests.unit.small_case import TEXT, write_small_case

SETTINGS = ("--shards", 2, "--decays", 2000, "--seed", SEED, "--backend", "cpu", "--quiet")


def test_several_batches_are_not_merged_into_a_file(problem, tmp_path, command):
    one, other, target = tmp_path / "b7", tmp_path / "b3", tmp_path / "x.h5"
    for out in (one, other):
        assert command("batch", problem, "--out", out, *SETTINGS)[0] == 0
    (tmp_path / "empty").mkdir()
    for words, told in (
        ((one, other), f"{one}: is the folder of a batch"),
        ((other / "result.h5", one), f"try: `hevesy merge {one}`, one batch at a time"),
        ((one / "jobs" / "shard-0001",), f"try: `hevesy merge {one}`, or the result files of jobs"),
        ((one / "result.h5", tmp_path / "empty"), "is a folder, and is not the folder of a batch"),
    ):
        code, _, err = command("merge", *words, "-o", target)
        assert code == 2 and told in err and not target.exists(), err


@pytest.mark.parametrize("reader", ["report", "compare"])
def test_a_reader_of_runs_names_the_folders_of_the_cases(problem, tmp_path, command, reader):
    case, out, alone = write_small_case(tmp_path / "in", TEXT), tmp_path / "out", tmp_path / "alone"
    assert command("batch", case, "--out", out, *SETTINGS, "--executor", "slurm", "--dry-run")[0] == 0
    code, _, err = command(reader, out)
    assert code == 2 and "none of its cases has results yet" in err and f"hevesy status {out}" in err
    code, _, err = command(reader, next((out / "jobs").iterdir()))
    assert code == 2 and "is the folder of a job, not of a run" in err and f"`hevesy merge {out}`" in err
    assert command("batch", case, "--out", out, *SETTINGS)[0] == 0
    code, _, err = command(reader, out)
    assert code == 2 and f"try: give {out / 'T1'}\n" in err
    assert command(reader, out / "T1")[0] == 0
    assert command("batch", problem, "--out", alone, *SETTINGS)[0] == 0
    code, _, err = command(reader, alone)
    assert code == 2 and "its result is that of a problem, which has no case" in err
