"""Under ``--quiet`` the commands of a batch print what they are asked for, and errors: no progress, plan or hint."""

from __future__ import annotations

import json
from pathlib import Path

from hevesy.tests.unit.batch.small_batch import SEED
from hevesy.tests.unit.small_case import TEXT, write_small_case


def test_a_problem_from_the_first_command_to_the_last(problem, tmp_path, command):
    out = tmp_path / "b"
    words = ("batch", problem, "--shards", 2, "--out", out, "--seed", SEED, "--backend", "cpu", "--decays", 2000)
    code, told, err = command(*words, "--until", "voxels>50%:90%", "-q")
    assert (code, err) == (0, "") and told.startswith(f"wrote {out / 'result.h5'} (") and "was reached" in told
    assert len(told.splitlines()) == 2
    code, told, err = command("status", out, "-q")
    assert (code, err) == (0, "") and told == command("status", out)[1] and "2 jobs: 2 done" in told
    assert command("cancel", out, "-q") == (0, "", "")
    code, told, err = command("retry", out, "-q")
    assert (code, err) == (0, "") and told.splitlines()[0].startswith("wrote ") and "no job" not in told
    assert command("merge", out, "-q") == (0, f"wrote {out / 'result.h5'}\n", "")
    assert command("job", out / "jobs" / "shard-0001", "-q") == (0, "", "")
    for first in ((*words, "--until", "voxels>50%:90%"), ("retry", out)):
        code, told, err = command(*first, "-q", "--json")
        assert (code, err) == (0, "") and json.loads(told)["totals"]["complete"] == 1


def test_workers_and_a_precision_of_voxels(problem, tmp_path, command):
    """What is found out before the jobs, and the processes that run them, say nothing either."""
    out = tmp_path / "b"
    words = ("batch", problem, "--shards", 2, "--out", out, "--backend", "cpu", "--until", "voxels>50%:5%")
    code, told, err = command(*words, "--workers", 2, "--quiet")
    assert (code, err) == (0, "") and told.startswith("wrote ")


def test_cases_whole_and_divided(tmp_path, command):
    case = write_small_case(tmp_path / "in", TEXT.replace("until: null", '"until": "lesions:20%"'))
    for shards in (1, 2):
        out = tmp_path / f"out{shards}"
        code, told, err = command("batch", case, "--out", out, "--shards", shards, "--backend", "cpu", "-q")
        assert (code, err) == (0, "") and f"wrote {out}: trial.html" in told and "shards need" not in told
        code, told, err = command("retry", out, "-q")
        assert (code, err) == (0, "") and "no job" not in told
        code, told, err = command("merge", out, "-q")
        assert (code, err) == (0, "") and told == (
            f"{out / 'T1'} is complete, and stays as it is\n" if shards > 1 else ""
        )


def test_jobs_that_are_submitted(out, slurm, command):
    for _ in range(2):
        code, told, err = command("retry", out, "-q")
        assert (code, err) == (0, "") and "hevesy status" not in told
        slurm(squeue="".join(f"12|{number}|PENDING|Resources\n" for number in range(4)))
    assert told == "nothing to submit: 4 jobs wait in Slurm\n"
    assert command("cancel", out, "-q") == (0, "", "")
    words = ("batch", out.parent / "water.npz", "--out", out, "--shards", 4, "--decays", 4000, "--backend", "cpu")
    slurm(squeue="")
    code, told, err = command(*words, "--executor", "slurm", "-q")
    assert (code, err) == (0, "") and told.splitlines() == [
        "submitted 4 jobs as array 12 of Slurm, 4 tasks", "job 12 merges when they have ended"
    ]  # fmt: skip


def test_an_error_is_said(problem, tmp_path, command):
    out = tmp_path / "b"
    for name in ("status", "retry", "cancel", "merge"):
        code, told, err = command(name, tmp_path, "-q")
        assert code == 2 and told == "" and "manifest.json" in err
    words = ("batch", problem, "--shards", 2, "--out", out, "--decays", 2000, "--backend", "cpu", "-q")
    code, _, _ = command(*words)
    assert code == 0
    for file in (out / "result.h5", out / "jobs" / "shard-0001" / "result.h5"):
        file.unlink()
    Path(out / "jobs" / "shard-0001" / "result.h5").mkdir()
    code, told, err = command("retry", out, "-q")
    assert code == 1 and told == "" and "\nFAILED shard-0001: " in f"\n{err}"
    code, told, err = command("merge", out, "-q")
    assert code == 1 and told == "" and err.startswith("problem: ")
