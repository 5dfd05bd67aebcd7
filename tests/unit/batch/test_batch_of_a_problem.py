"""`hevesy batch PROBLEM.npz`: the integers of the undivided run, whatever became of its jobs on the way."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hevesy.engine.batch.executors.here import Here
from hevesy.engine.batch.plan import plan_problem
from hevesy.engine.batch.status import JobStatus, read_status, write_status
from hevesy.engine.batch.work import run_job
from hevesy.engine.file_hash import file_hash
from hevesy.engine.lock import locked
from hevesy.engine.results.result import Result
from hevesy.engine.transport.problem import Problem
from hevesy.tests.unit.batch import small_batch
from hevesy.tests.unit.batch.small_batch import SEED
from hevesy.tools.result_hash import result_hashes

DECAYS = 5000
SETTINGS = ("--decays", DECAYS, "--seed", SEED, "--backend", "cpu", "--quiet")


@pytest.fixture(scope="module")
def undivided(problem) -> tuple[str, str]:
    return small_batch.undivided(problem, DECAYS)


def planned(problem: Path, out: Path, shards: int = 3) -> list[Path]:
    """Job folders of a batch of which no job has run, made with the settings of the command below."""
    manifest = plan_problem(problem, out, shards=shards, decays=DECAYS, seed=SEED, backend="cpu")
    return [out / "jobs" / name for name in manifest.jobs]


def states(out: Path, command) -> dict[str, str]:
    code, told, _ = command("status", out, "--json")
    assert code == 0
    return {name: one["state"] for name, one in json.loads(told)["jobs"].items()}


@pytest.mark.parametrize("shards", [1, 3, 16])
def test_shards_are_the_undivided_run(problem, undivided, tmp_path, command, shards):
    code, told, err = command("batch", problem, "--shards", shards, "--out", tmp_path / "b", *SETTINGS)
    assert code == 0, err
    assert f"wrote {tmp_path / 'b' / 'result.h5'}" in told
    assert result_hashes(tmp_path / "b" / "result.h5") == undivided
    assert list(states(tmp_path / "b", command).values()) == ["done"] * shards


def test_a_batch_again_keeps_what_is_done_and_refuses_what_differs(problem, undivided, tmp_path, command):
    out = tmp_path / "b"
    first = ("batch", problem, "--shards", 3, "--out", out)
    assert command(*first, *SETTINGS)[0] == 0
    written = {file: file.stat().st_mtime_ns for file in out.glob("jobs/*/result.h5")}
    (out / "result.h5").unlink()
    (out / "jobs" / "shard-0002" / "result.h5").unlink()  # and this job is not done any more
    assert states(out, command)["shard-0002"] == "lost"
    assert command(*first, *SETTINGS)[0] == 0
    assert result_hashes(out / "result.h5") == undivided
    again = {file: file.stat().st_mtime_ns for file in out.glob("jobs/*/result.h5")}
    assert {file.parent.name for file in written if written[file] != again[file]} == {"shard-0002"}
    for field, words in (
        ("--seed", (*first, "--decays", DECAYS, "--seed", 8, "--backend", "cpu")),
        ("--decays", (*first, "--decays", 6000, "--seed", SEED, "--backend", "cpu")),
        ("--shards", ("batch", problem, "--shards", 4, "--out", out, *SETTINGS)),
    ):
        code, _, err = command(*words)
        assert code == 2 and f"{out}: {field}: p.npz: the batch was made with" in err, err
    other = tmp_path / "p.npz"
    Problem.load(problem).save(other)
    shutil.copyfile(problem, other)
    with other.open("ab") as file:
        file.write(b" ")
    code, _, err = command("batch", other, "--shards", 3, "--out", out, *SETTINGS)
    assert code == 2 and "problem: p.npz: it has changed since the batch was made" in err


def test_the_problem_may_change_after_the_plan(problem, undivided, tmp_path, command):
    own = tmp_path / "own.npz"
    shutil.copyfile(problem, own)
    folders = planned(own, tmp_path / "b")
    own.write_bytes(b"something else")  # the same file, written over
    assert [run_job(folder).state for folder in folders] == ["done"] * 3
    assert command("merge", tmp_path / "b", "--quiet")[0] == 0
    assert result_hashes(tmp_path / "b" / "result.h5") == undivided


def test_a_job_runs_wherever_its_folder_is(problem, tmp_path, command, monkeypatch):
    folders = planned(problem, tmp_path / "b")
    assert run_job(folders[1]).state == "done"
    away = tmp_path / "another" / "machine" / "x"
    shutil.copytree(folders[1], away)
    for name in ("status.json", "result.h5"):
        (away / name).unlink()
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(tmp_path / "b")
    code, _, err = command("job", away, "--quiet")
    assert code == 0, err
    result = Result.load(away / "result.h5")
    assert result.decays == read_status(away).decays and set(result.tally.batch_ids) == set(range(16, 33))


def test_no_folder_of_this_machine_is_in_a_batch(problem, tmp_path, command):
    home = tmp_path / "home of the user"
    home.mkdir()
    shutil.copyfile(problem, home / "p.npz")
    assert command("batch", home / "p.npz", "--shards", 2, "--out", home / "b", *SETTINGS)[0] == 0
    (home / "b" / "jobs" / "shard-0001" / "problem.npz").write_bytes(b"damaged")
    command("job", home / "b" / "jobs" / "shard-0001", "--quiet")
    texts = [file for file in home.rglob("*") if file.suffix in (".json", ".yaml", ".txt")]
    assert len(texts) == 5
    assert not [file for file in texts if str(tmp_path) in file.read_text() or "home of the user" in file.read_text()]
    assert "problem.npz: has been changed" in read_status(home / "b" / "jobs" / "shard-0001").message


def test_a_result_without_a_status_is_not_simulated_again(problem, undivided, tmp_path, command):
    out = tmp_path / "b"
    folders = planned(problem, out)
    assert [run_job(folder).state for folder in folders] == ["done"] * 3
    written = folders[0].joinpath("result.h5").stat().st_mtime_ns
    (folders[0] / "status.json").unlink()  # as if the process had been killed between the two
    assert states(out, command)["shard-0001"] == "waiting"
    # and the result of another shard is none
    (folders[1] / "status.json").write_text('{"state": "done", ')
    shutil.copyfile(folders[2] / "result.h5", folders[1] / "result.h5")
    assert states(out, command)["shard-0002"] == "lost"
    assert command("batch", problem, "--shards", 3, "--out", out, *SETTINGS)[0] == 0
    assert folders[0].joinpath("result.h5").stat().st_mtime_ns == written
    assert read_status(folders[0]).transport_s == 0.0 < read_status(folders[1]).transport_s
    assert result_hashes(out / "result.h5") == undivided


def test_a_job_whose_process_is_gone_is_lost_and_comes_again(problem, undivided, tmp_path, command):
    out = tmp_path / "b"
    folders = planned(problem, out)
    write_status(folders[2], JobStatus(state="running", attempts=4, pid=1, started="2026-01-01T00:00:00+00:00"))
    assert states(out, command) == {"shard-0001": "waiting", "shard-0002": "waiting", "shard-0003": "lost"}
    with locked(folders[2] / "lock", "runs it"):
        code, told, _ = command("status", out, "--json")
        about = json.loads(told)
        assert about["jobs"]["shard-0003"]["state"] == "running" and about["wholes"]["problem"]["state"] == "running"
        code, _, err = command("job", folders[2], "--quiet")
        assert code == 2 and "is in use by another command" in err and "runs it" in err
    assert command("retry", out, "--quiet")[0] == 0
    assert read_status(folders[2]).attempts == 5
    assert result_hashes(out / "result.h5") == undivided


def test_cancelled_jobs_end_do_not_start_and_come_again(problem, undivided, tmp_path, command):
    out = tmp_path / "b"
    folders = planned(problem, out)

    def cancel_while_it_runs(fraction: float, text: str) -> None:
        if not fraction:  # code is compiled where none is kept, before the first decay
            return
        assert command("cancel", out, "shard-0001", "--json")[1].split('"')[3] == "shard-0001"

    ended = run_job(folders[0], progress=cancel_while_it_runs)
    assert ended.state == "cancelled" and 0 < ended.decays < 1600
    code, told, _ = command("cancel", out)
    assert code == 0 and "cancelled 3 jobs; 0 of 3 were done" in told
    code, _, err = command("job", folders[1], "--quiet")
    assert code == 3 and err.strip() == "shard-0002: cancelled"
    assert states(out, command) == dict.fromkeys(("shard-0001", "shard-0002", "shard-0003"), "cancelled")
    code, _, err = command("retry", out, "shard-0003", "--quiet")
    assert code == 3 and "2 jobs not done" in err
    assert states(out, command)["shard-0003"] == "done"
    assert command("retry", out, "--quiet")[0] == 0
    assert result_hashes(out / "result.h5") == undivided
    code, told, _ = command("cancel", out)
    assert code == 0 and "cancelled 0 jobs; 3 of 3 were done" in told
    assert set(states(out, command).values()) == {"done"}


def test_a_failed_job_stops_no_other_and_comes_again(problem, undivided, tmp_path, command):
    out = tmp_path / "b"
    folders = planned(problem, out)
    (folders[1] / "result.h5").mkdir()  # which its result cannot replace
    code, _, err = command("batch", problem, "--shards", 3, "--out", out, *SETTINGS)
    assert code == 1 and "FAILED shard-0002: " in err
    assert "1 of 3 jobs failed" in err and not (out / "result.h5").exists()
    assert sorted(states(out, command).values()) == ["done", "done", "failed"]
    (folders[1] / "result.h5").rmdir()
    code, told, _ = command("retry", out, "--quiet")
    assert code == 0 and result_hashes(out / "result.h5") == undivided
    assert [read_status(folder).attempts for folder in folders] == [1, 2, 1]
    assert "no job is to be run again" in command("retry", out)[1]


def test_a_damaged_result_is_found_and_made_again_by_name(problem, undivided, tmp_path, command):
    out = tmp_path / "b"
    assert command("batch", problem, "--shards", 3, "--out", out, *SETTINGS)[0] == 0
    (out / "result.h5").unlink()
    file = out / "jobs" / "shard-0002" / "result.h5"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    assert command("retry", out, "shard-0002", "--quiet")[0] == 0
    assert read_status(file.parent).attempts == 2
    assert result_hashes(out / "result.h5") == undivided


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b", ".hidden", "", "x" * 200])
def test_names_in_a_manifest_are_one_part_of_a_path(problem, tmp_path, command, name):
    out = tmp_path / "b"
    planned(problem, out)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["jobs"] = {name: "0" * 64}
    (out / "manifest.json").write_text(json.dumps(manifest))
    for words in (("status", out), ("retry", out), ("cancel", out), ("merge", out)):
        code, _, err = command(*words)
        assert code == 2 and "manifest.json" in err


def test_a_manifest_whose_parts_do_not_belong_together_is_refused(problem, tmp_path, command):
    out = tmp_path / "b"
    planned(problem, out)
    whole_text = (out / "manifest.json").read_text()
    content = json.loads(whole_text)
    (whole,) = content["wholes"]
    further = {**content["jobs"], "stranger": "0" * 64}
    for changes in (
        {"wholes": [{**whole, "jobs": []}]},
        {"wholes": [{**whole, "jobs": [*whole["jobs"], "stranger"]}]},
        {"wholes": [{**whole, "jobs": [*whole["jobs"], whole["jobs"][0]]}]},
        {"wholes": [{**whole, "therapy": "../../x"}]},
        {"wholes": [{**whole, "batches": 2}]},
        {"wholes": [{**whole, "case": "jobs"}]},
        {"wholes": [{**whole, "refused": "no"}]},
        {"wholes": []},
        {"jobs": further},
        {"jobs": further, "wholes": [whole, {**whole, "jobs": ["stranger"]}]},
    ):
        (out / "manifest.json").write_text(json.dumps({**content, **changes}))
        for words in (("status", out), ("retry", out), ("cancel", out), ("merge", out)):
            code, _, err = command(*words)
            assert code == 2 and "manifest.json" in err and "Traceback" not in err, (changes, err)
    (out / "manifest.json").write_text(whole_text)
    assert command("status", out)[0] == 0


def test_a_job_reads_nothing_outside_its_folder(problem, tmp_path, command):
    folders = planned(problem, tmp_path / "b")
    job = json.loads((folders[0] / "job.json").read_text())
    (folders[0] / "job.json").write_text(json.dumps({**job, "files": {"../../../p.npz": file_hash(problem)}}))
    assert command("job", folders[0], "--quiet")[0] == 1
    assert "job.json" in read_status(folders[0]).message
    (folders[1] / "problem.npz").unlink()
    (folders[1] / "problem.npz").symlink_to(problem)
    assert command("job", folders[1], "--quiet")[0] == 1
    assert "problem.npz: is a link" in read_status(folders[1]).message
    link = tmp_path / "b" / "jobs" / "link"
    link.symlink_to(folders[2])
    code, _, err = command("job", link, "--quiet")
    assert code != 0 and not (folders[2] / "result.h5").exists()
    code, _, err = command("job", tmp_path, "--quiet")
    assert code == 2 and "is not the folder of a job" in err and not (tmp_path / "lock").exists()


@pytest.mark.parametrize("name", ["lock", "jobs/shard-0001/lock"])
def test_no_link_of_a_lock_is_followed(problem, tmp_path, command, name):
    out, precious = tmp_path / "b", tmp_path / "precious"
    planned(problem, out)
    precious.write_text("mine")
    (out / name).symlink_to(precious)
    words = ("retry", out) if name == "lock" else ("job", out / "jobs" / "shard-0001", "--quiet")
    code, _, err = command(*words)
    assert code == 2 and f"{out / name}: is a link" in err
    assert precious.read_text() == "mine" and (out / name).is_symlink()


def test_no_link_of_a_result_is_merged(problem, undivided, tmp_path, command):
    out = tmp_path / "b"
    assert command("batch", problem, "--shards", 3, "--out", out, *SETTINGS)[0] == 0
    (out / "result.h5").unlink()
    file = out / "jobs" / "shard-0002" / "result.h5"
    file.rename(tmp_path / "elsewhere.h5")
    file.symlink_to(tmp_path / "elsewhere.h5")
    code, _, err = command("merge", out)
    assert code == 1 and "shard-0002" in err and not (out / "result.h5").exists()
    assert states(out, command)["shard-0002"] == "lost"
    assert command("retry", out, "--quiet")[0] == 0
    assert not file.is_symlink() and result_hashes(out / "result.h5") == undivided
    jobs = out / "jobs"
    jobs.rename(tmp_path / "jobs")
    jobs.symlink_to(tmp_path / "jobs")
    code, _, err = command("merge", out)
    assert code == 2 and "jobs: is a link" in err


def test_a_job_of_another_version_is_not_run(problem, tmp_path, command):
    folders = planned(problem, tmp_path / "b")
    job = json.loads((folders[0] / "job.json").read_text())
    (folders[0] / "job.json").write_text(json.dumps({**job, "commit": "another", "code_hash": "0" * 64}))
    code, _, err = command("job", folders[0], "--quiet")
    assert code == 1 and "the batch was made by hevesy" in err and "from a checkout at another, this is" in err
    (folders[0] / "job.json").write_text(json.dumps({name: job[name] for name in job if name != "code_hash"}))
    code, _, err = command("job", folders[0], "--quiet")
    assert code == 1 and "code_hash: is missing" in err and "another version of hevesy" in err
    assert "make the batch again" in err
    (folders[1] / "job.json").write_text(json.dumps({**job, "format_version": 2}))
    assert command("job", folders[1], "--quiet")[0] == 1
    assert "format_version" in read_status(folders[1]).message


def test_a_second_command_in_the_folder_is_refused(problem, tmp_path, command):
    out = tmp_path / "b"
    planned(problem, out)
    with locked(out / "lock", "runs this batch"):
        for words in (("batch", problem, "--shards", 3, "--out", out, *SETTINGS), ("retry", out), ("merge", out)):
            code, _, err = command(*words)
            assert code == 2 and "is in use by another command" in err
        assert set(states(out, command).values()) == {"waiting"}


def test_options_that_an_executor_does_not_have_are_refused(problem, tmp_path, command):
    out = tmp_path / "b"
    first = ("batch", problem, "--out", out, *SETTINGS)
    code, _, err = command(*first, "--partition", "long")
    assert code == 2 and "--partition: the executor here has no option 'partition'" in err
    code, _, err = command(*first, "--option", "nonsense")
    assert code == 2 and "'nonsense' is not an option with a value" in err
    code, _, err = command(*first, "--executor", "cloud")
    assert code == 2 and "unknown executor 'cloud'" in err
    for flag, value in (("--method", "mc"), ("--time-limit", "1 min")):
        code, _, err = command(*first, flag, value)
        assert code == 2 and f"{flag}: is an option for cases" in err
    code, told, _ = command(*first, "--executor", "local")  # the former name
    assert code == 0 and json.loads((out / "manifest.json").read_text())["executor"] == "here"


def test_a_precision_becomes_a_number_of_decays(problem, tmp_path, command):
    out = tmp_path / "b"
    words = ("batch", problem, "--shards", 2, "--out", out, "--seed", SEED, "--backend", "cpu")
    code, told, err = command(*words, "--until", "voxels>50%:3%")
    assert code == 0 and "shards need a number of decays:" in err
    whole = json.loads((out / "manifest.json").read_text())["wholes"][0]
    decays = whole["batches"] * whole["batch_histories"]
    result = Result.load(out / "result.h5")
    assert result.decays == decays
    dose = result.doses["mc"]
    hot = dose.mean > 0.5 * dose.mean.max()
    error = float(((dose.sigma[hot] / dose.mean[hot]) ** 2).mean() ** 0.5)
    assert 0.02 < error < 0.03  # reached, and not at several times the cost
    assert f"problem: voxels>50%:3% was reached, with {100 * error:.2g} %" in told.replace("\u00a0", " ")
    code, told, err = command(*(*words[:5], tmp_path / "few", *words[6:]), "--until", "voxels>50%:3%", "--decays", 2000)
    assert code == 0 and "voxels>50%:3% was not reached" in told and "ask for more decays" in told


def test_a_shard_loads_nothing_that_only_a_case_needs(problem, tmp_path):
    folder = planned(problem, tmp_path / "b", 1)[0]
    code = (
        "import sys; from pathlib import Path; from hevesy.engine.batch.work import run_job\n"
        f"assert run_job(Path({str(folder)!r})).state == 'done'\n"
        "print([m for m in ('hevesy.engine.run', 'hevesy.engine.case.model', 'SimpleITK') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_happens_here_stops_between_jobs(problem, tmp_path, command):
    folders = planned(problem, tmp_path / "b")
    asked = iter([False] * 30)  # true in the middle of the second job
    Here().run(tmp_path / "b", folders, stop=lambda: next(asked, True))
    assert [read_status(folder).state for folder in folders] == ["done", "stopped", "waiting"]
    now = json.loads(command("status", tmp_path / "b", "--json")[1])
    assert now["totals"]["states"] == {"waiting": 1, "done": 1, "stopped": 1}
    assert now["totals"]["decays_wanted"] == DECAYS
    assert now["totals"]["decays"] == sum(one["decays"] for one in now["jobs"].values())
    assert 0 < now["jobs"]["shard-0002"]["decays"] < 1700
    assert now["wholes"]["problem"]["done"] == 1 and not now["wholes"]["problem"]["complete"]


def test_more_shards_than_batches_are_said(problem, tmp_path, command):
    words = [word for word in SETTINGS if word != "--quiet"]
    code, _, err = command("batch", problem, "--shards", 80, "--out", tmp_path / "b", *words)
    assert code == 0 and "80 shards were asked for; the 50 batches of decays make 50" in err
    assert len(list((tmp_path / "b" / "jobs").iterdir())) == 50
