"""What hevesy makes of the answers of Slurm, given by programs of its names: no Slurm is needed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from hevesy.cli.interrupt import stop_on_interrupt, stop_on_warning
from hevesy.engine.batch.executors.base import executor_of
from hevesy.engine.batch.manifest import job_folder, read_manifest
from hevesy.engine.batch.status import JobStatus, write_status
from hevesy.engine.errors import InputError
from hevesy.tests.patience import PATIENCE_S

AWAY = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
NAMES = [f"shard-{number:04d}" for number in range(1, 5)]


def submit(out: Path, **options: object):
    executor = executor_of("slurm", **options)
    executor.run(out, [job_folder(out, name) for name in read_manifest(out).jobs])
    return executor


def scripts_of(out: Path) -> Path:
    """Folder of the only scripts of a batch."""
    (home,) = (out / "slurm").glob("*/")
    return home


def home_of(out: Path) -> str:
    return scripts_of(out).relative_to(out).as_posix()


def submissions(out: Path) -> list[dict]:
    return json.loads((out / "slurm.json").read_text())["submissions"]


def says(out: Path, name: str, state: str, **values: object) -> None:
    write_status(job_folder(out, name), JobStatus(state=state, **{"executor_id": f"12_{NAMES.index(name)}", **values}))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n",
         "Batch job submission failed: Unable to contact slurm controller (connect failure)"),
        ("sbatch: error: invalid partition specified: nosuch\nsbatch: error: Batch job submission failed: Invalid "
         "partition name specified\n", "invalid partition specified: nosuch; Batch job submission failed"),
        ("sbatch: unrecognized option '--qoz=long'\nTry \"sbatch --help\" for more information\n",
         "unrecognized option '--qoz=long'"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_message_in_the_words_of_slurm(out, slurm, words, told):
    slurm(sbatch=(words, 1))
    with pytest.raises(InputError) as caught:
        submit(out)
    assert caught.value.exit_code == 2
    assert caught.value.problem.startswith("sbatch of Slurm: ") and told in caught.value.problem
    assert "error:" not in caught.value.problem
    assert not (out / "slurm.json").exists() and sorted(read_manifest(out).jobs) == NAMES
    slurm(sbatch="7\n")
    assert submit(out).messages[0] == "submitted 4 jobs as array 7 of Slurm, 4 tasks"


def test_without_slurm_there_is_a_dry_run(out, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="there is no sbatch here") as caught:
        submit(out)
    assert "--dry-run" in caught.value.suggestion
    text = "\n".join(submit(out, dry_run=True, partition="long").messages)
    assert "#SBATCH --partition=long" in text and "#SBATCH --array=0-3" in text
    assert str(tmp_path) not in text.replace(os.path.realpath(os.sys.executable), "").replace(os.sys.executable, "")


@pytest.fixture
def merge_refused(slurm, tmp_path):
    slurm()
    (tmp_path / "tools" / "sbatch").write_text(
        '#!/bin/bash\ncase "$*" in *dependency*) echo "sbatch: error: no" >&2; exit 1;; *) echo 12;; esac\n'
    )
    return slurm


def test_a_merge_that_is_refused_leaves_the_array(out, merge_refused):
    executor = submit(out)
    by_hand = f"warning: the merge was not submitted (sbatch of Slurm: no); when the jobs are done: hevesy merge {out}"
    assert by_hand in executor.messages
    assert [(one["array"], one["merge"]) for one in submissions(out)] == [("12", "")]


def test_jobs_that_are_done_and_not_merged_are_told_with_the_command(out, merge_refused, command, tmp_path):
    odd = out.rename(tmp_path / "out ß 1")
    merge_refused.works_in(odd)
    code, told, _ = command("retry", odd)
    assert code == 0 and told.splitlines()[1] == (
        f"warning: the merge was not submitted (sbatch of Slurm: no); when the jobs are done: hevesy merge '{odd}'"
    )
    assert f"look at them with: hevesy status '{odd}'\n" in told
    assert "not merged" not in command("status", odd)[2]
    assert command("job", *(job_folder(odd, name) for name in NAMES), "--quiet")[0] == 0
    code, _, err = command("status", odd)
    assert code == 0 and f"done and not merged: problem; next: hevesy merge '{odd}'\n" in err
    assert json.loads(command("status", odd, "--json")[1])["remarks"][-1].startswith("done and not merged: problem; ")
    assert command("merge", odd)[0] == 0
    assert "not merged" not in command("status", odd)[2]


def test_a_merge_too_early_says_which_job_of_slurm_merges(out, slurm, command, monkeypatch):
    submit(out)
    record = json.loads((out / "slurm.json").read_text())
    record["submissions"][0]["merge"] = "13"
    (out / "slurm.json").write_text(json.dumps(record))
    slurm.active(12, 13)
    code, _, err = command("merge", out)
    assert code == 1 and err.endswith("job 13 of Slurm merges when the jobs have ended: wait for it\n")
    monkeypatch.setenv("SLURM_JOB_ID", "13")  # which is this one
    assert "wait for it" not in command("merge", out)[2]


def test_more_jobs_than_an_array_may_have(out, slurm):
    slurm(scontrol="MaxArraySize            = 3\n", sbatch="12;cluster\n")
    submit(out)
    (one,) = submissions(out)
    assert (one["array"], one["tasks"]) == ("12", 3)
    assert "#SBATCH --array=0-2\n" in (out / one["home"] / "array.sh").read_text()
    assert (out / one["home"] / "jobs.txt").read_text().split() == [f"jobs/{name}" for name in NAMES]


@pytest.mark.parametrize(
    ("own", "slurm_says", "state", "message"),
    [
        ("waiting", "PENDING|Resources", "waiting", "task 12_0 in the queue of Slurm: Resources"),
        ("stopped", "PENDING|BeginTime", "waiting", "BeginTime"),
        ("waiting", "RUNNING|None", "running", ""),
        ("running", "OUT_OF_MEMORY|OutOfMemory", "lost", "Slurm: out of memory, see {home}/0.log"),
        ("running", "NODE_FAIL|NodeDown", "lost", "Slurm: node fail"),
        ("running", "TIMEOUT|TimeLimit", "lost", "Slurm: timeout"),
        ("stopped", "TIMEOUT|TimeLimit", "stopped", "Slurm: timeout"),
        ("waiting", "FAILED|NonZeroExitCode", "lost", "Slurm: failed"),
        ("failed", "FAILED|NonZeroExitCode", "failed", "its own words"),
        ("stopped", "CANCELLED|None", "cancelled", "Slurm: cancelled"),
        ("done", "COMPLETED|None", "done", "its own words"),
        ("waiting", None, "lost", "is not in Slurm any more"),
        ("cancelled", None, "cancelled", "its own words"),
    ],
)
def test_a_job_is_what_it_says_and_what_slurm_says(out, slurm, own, slurm_says, state, message):
    executor = submit(out)
    if own != "waiting":
        says(out, NAMES[0], own, message="its own words", host="another")
    elif state == "running":  # on another node, whose lock is not seen here
        says(out, NAMES[0], "running", host="another")
    slurm(squeue="" if slurm_says is None else f"12|0|{slurm_says}\n")
    (one,) = submissions(out)
    status = executor.states(out)[NAMES[0]]
    assert status.state == state and message.format(home=one["home"]) in status.message


def test_what_a_former_attempt_said_is_not_of_this_task(out, slurm):
    executor = submit(out)
    says(out, NAMES[0], "failed", executor_id="3_0", message="of before")
    slurm(squeue="12|0|RUNNING|None\n12|1|CANCELLED|None\n")
    states = executor.states(out)
    assert (states[NAMES[0]].state, states[NAMES[1]].state) == ("waiting", "cancelled")
    slurm(squeue="12|0|FAILED|NonZeroExitCode\n")
    assert executor.states(out)[NAMES[0]].state == "lost"


def test_accounting_remembers_what_the_queue_has_forgotten(out, slurm):
    executor = submit(out)
    slurm(squeue=("slurm_load_jobs error: Invalid job id specified\n", 1),
          sacct="12_0|CANCELLED by 1000\n12_1|OUT_OF_MEMORY\n12_[2-3]|PENDING\n")  # fmt: skip
    states = [executor.states(out)[name].state for name in NAMES]
    assert states == ["cancelled", "lost", "lost", "lost"]


def test_only_what_is_not_there_yet_is_submitted_again(out, slurm):
    submit(out)
    says(out, NAMES[0], "done")
    says(out, NAMES[3], "failed")
    slurm(
        squeue="12|1|PENDING|Resources\n12|2|COMPLETED|None\n12|3|FAILED|None\n13|N/A|PENDING|Dependency\n",
        sbatch="20\n",
    )
    submit(out)
    assert submissions(out)[1]["jobs"] == [NAMES[2], NAMES[3]]
    merges = [call for call in slurm.calls() if "dependency" in call]
    assert "--dependency=afterany:20 " in merges[-1]


def test_a_controller_that_is_away_hides_no_state(out, slurm, command):
    executor = submit(out)
    says(out, NAMES[0], "done", decays=1000)
    slurm(squeue=(AWAY + "\n", 1))
    states = executor.states(out)
    assert [states[name].state for name in NAMES] == ["done", "waiting", "waiting", "waiting"]
    assert executor.messages == [f"squeue of Slurm: {AWAY}; shown is what the jobs themselves say"]
    code, shown, err = command("status", out)
    assert code == 0 and "done" in shown and "Unable to contact" in err
    with pytest.raises(InputError, match="Unable to contact"):
        submit(out)


def test_a_slurm_that_hangs_is_waited_for_once_and_that_is_said(out, slurm, command, caplog):
    submit(out)
    slurm.hangs("sbatch", "squeue", "sacct", "scontrol", patience_s=1.0, word_s=0.2)
    for words, code in ((("status", out), 0), (("retry", out), 2), (("cancel", out), 2)):
        (out.parent / "tools" / "hung").unlink(missing_ok=True)
        caplog.clear()
        ended, _, err = command(*words)
        assert ended == code and "squeue of Slurm does not answer" in err, err
        assert (out.parent / "tools" / "hung").read_text() == "squeue\n"
        assert caplog.messages == ["squeue of Slurm has not answered for 0 s; hevesy waits up to 1 s"]
    slurm.hangs("sbatch", "sacct", "scontrol", patience_s=1.0, word_s=0.2)
    slurm(squeue="")
    (out / "slurm.json").unlink()
    (out.parent / "tools" / "hung").unlink()
    code, _, err = command("retry", out)
    assert code == 2 and (out.parent / "tools" / "hung").read_text() == "scontrol\n"


def test_an_answer_of_sbatch_that_does_not_come_is_no_word_on_the_submission(out, slurm, command):
    slurm.hangs("sbatch", patience_s=0.5, word_s=0.2)
    code, _, err = command("retry", out)
    assert code == 2 and "it may have taken the jobs all the same\n" in err and "squeue --me" in err
    slurm.hangs(patience_s=PATIENCE_S, word_s=PATIENCE_S)
    # and it had: nothing is submitted again, and the merge that is missing is
    slurm(sbatch="13\n", squeue="".join(f"12|{i}|PENDING|Resources\n" for i in range(4)))
    slurm.own(_12=scripts_of(out) / "array.sh")
    slurm.active(12)
    code, told, err = command("retry", out)
    assert code == 0 and f"array 12 of Slurm has 4 jobs of this batch, by its script {home_of(out)}/array.sh" in told
    assert "nothing to submit: 4 jobs wait in Slurm" in told and "job 13 merges when they have ended" in told, err
    (one,) = submissions(out)
    assert (one["array"], one["tasks"], one["jobs"], one["merge"]) == ("12", 4, NAMES, "13")
    sent = [call for call in slurm.calls() if call.startswith("sbatch")]
    assert len(sent) == 1 and "--dependency=afterany:12 " in sent[0] and sent[0].endswith("merge.sh")


def test_scripts_that_were_submitted_by_hand_are_not_submitted_again_and_are_cancelled(out, slurm, command):
    assert command("retry", out, "--dry-run")[0] == 0
    slurm(squeue="".join(f"12|{i}|PENDING|Resources\n" for i in range(4)))
    slurm.works_in("/home/somebody", scripts_of(out) / "array.sh")
    slurm.own(
        _11="/another/slurm/001-01234567/array.sh", _12=scripts_of(out) / "array.sh", _13=scripts_of(out) / "merge.sh"
    )
    slurm.active(12, 13)
    assert (
        "in the queue of Slurm: Resources" in command("status", out, "--json")[1] and not (out / "slurm.json").exists()
    )
    code, told, err = command("retry", out, "--executor", "here")
    assert code == 0 and told == "4 jobs wait in Slurm; `hevesy cancel` takes them from there\n", err
    code, told, err = command("retry", out)
    assert code == 0 and "nothing to submit: 4 jobs wait in Slurm" in told, err
    assert [(one["array"], one["merge"]) for one in submissions(out)] == [("12", "13")]
    (out / "slurm.json").unlink()
    assert command("cancel", out)[0] == 0
    assert "scancel --quiet 13 12_0 12_1 12_2 12_3" in slurm.calls()
    assert not [call for call in slurm.calls() if call.startswith("sbatch")]


def test_the_log_of_a_former_array_is_not_that_of_a_script_submitted_by_hand(out, slurm, command):
    submit(out)
    home = home_of(out)
    slurm(squeue="20|0|FAILED|NonZeroExitCode\n20|1|PENDING|None\n12|0|FAILED|None\n")
    slurm.own(_20=out / home / "array.sh")
    told = command("status", out, "--json")[1]
    jobs = json.loads(told)["jobs"]
    assert jobs[NAMES[0]]["message"] == "Slurm: failed" and "task 20_1 in the queue" in jobs[NAMES[1]]["message"]


def test_cancelling_some_jobs_leaves_the_merge_of_the_others(out, slurm):
    executor = submit(out)
    slurm(squeue="".join(f"12|{i}|PENDING|Resources\n" for i in range(4)))
    executor.cancel(out, [job_folder(out, name) for name in NAMES[1:3]])
    assert slurm.calls()[-1] == "scancel --quiet 12_1 12_2"
    assert [json.loads((job_folder(out, name) / "status.json").read_text())["state"] for name in NAMES[1:3]] == [
        "cancelled"
    ] * 2
    assert not (job_folder(out, NAMES[0]) / "status.json").exists()


def test_a_warning_never_aborts(capsys):
    with stop_on_interrupt(before=-1) as asked, stop_on_warning(asked) as stop:
        assert not stop()
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGUSR1)
        assert stop()
        os.kill(os.getpid(), signal.SIGTERM)  # the first that asks to end
        assert stop()


def test_a_job_says_which_task_it_is(out, command, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    (job_folder(out, NAMES[1]) / "job.json").write_text("{}")
    code, _, err = command("job", *(job_folder(out, name) for name in NAMES[:3]), "--quiet")
    assert code == 1 and err.startswith("shard-0002: failed: ")
    states = [json.loads((job_folder(out, name) / "status.json").read_text()) for name in NAMES[:3]]
    assert [one["state"] for one in states] == ["done", "failed", "done"]
    assert {one["executor_id"] for one in states} == {"12_3"}
