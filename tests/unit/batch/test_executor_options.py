"""Options of executors through the commands: refused before anything is written, and never shell from a folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hevesy.cli import transport_commands
from hevesy.engine.batch.executors import devices as devices_module
from hevesy.engine.batch.executors.base import executor_of
from hevesy.engine.batch.plan import plan_problem
from hevesy.engine.lock import locked
from hevesy.engine.results import sources
from hevesy.engine.results.provenance import code_commit, code_version
from hevesy.tests.patience import PATIENCE_S
from hevesy.tests.unit.small_case import write_small_case

SETTINGS = ("--decays", 2000, "--seed", 1, "--backend", "cpu", "--shards", 2, "--quiet")
SLURM = ("--executor", "slurm", "--dry-run")


@pytest.fixture
def no_slurm(tmp_path, monkeypatch) -> None:
    code_commit()  # which asks git once
    (tmp_path / "nothing").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


def options(*given: str) -> list[str]:
    return [word for one in given for word in ("--option", one)]


def changed(file: Path, **values: object) -> None:
    """What somebody's editor, or another's folder, makes of a record."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def scripts(out: Path) -> list[str]:
    return [file.read_text() for file in sorted(out.glob("slurm/*/array.sh"))]


def test_a_number_on_the_command_line_is_a_number(problem, tmp_path, command):
    code, _, err = command("batch", problem, "--out", tmp_path / "b", *SETTINGS, *options("threads=2"))
    assert code == 0, err
    assert (tmp_path / "b" / "result.h5").is_file()


@pytest.mark.parametrize(
    ("executor", "words", "told"),
    [
        ("here", options("threads=two"), "--option threads: 'two' is not a whole number"),
        ("here", options("threads=2", "threads=3"), "--option threads: "),
        ("here", options("name=x"), "has no option 'name'"),
        ("processes", options("workers=some"), "--workers: 'some' is not a whole number"),
        ("processes", options("devices=gpu0"), "unknown device 'gpu0'\n"),
        ("processes", ["--devices", "cuda:99"], "--devices: no "),
        ("slurm", options("qos=long"), "has no option 'qos'\n"),
        ("slurm", options("command=hevesy '"), "--option command: "),
        ("slurm", options("cpus=0"), "try: --option cpus=4"),
        ("slurm", options("max_requeues=x"), "try: --option max_requeues=100"),
        ("slurm", options("memory=1G", "memory=2G"), "--option memory: is given 2 times"),
        ("slurm", options("memory=1G'"), "--option memory: "),
        ("slurm", options("dry_run=perhaps"), "--dry-run: 'perhaps' is neither yes nor no"),
        ("slurm", ["--job-time", "soon"], "--job-time"),
        ("dask", options("lock_patience_s=abc"), "--option lock_patience_s: 'abc' is not a time"),
        ("dask", options("connect_s=nan"), "--option connect_s: 'nan' is not a time"),
        ("dask", options("dashboard=maybe"), "--option dashboard: 'maybe' is neither"),
        ("dask", options("cores=4"), "give --cluster"),
        ("dask", ["--scheduler", "nowhere.json"], "nowhere.json"),
        ("dask", ["--cluster", "pbs", *options("cores=many", "memory=1G")], "--option cores: 'many' is not"),
        ("dask", ["--cluster", "pbs", *options("cores=4", "cores=8", "memory=1G")], "--option cores: "),
        ("dask", ["--cluster", "pbs", *options("cores=4", "memory=1G", "self=1")], "pbs has no option 'self'"),
        ("dask", ["--cluster", "pbs", *options("cores=4", "memory=1G", "nosuch=1")], "takes for it queue, project, "),
        ("dask", ["--cluster", "htcondor", *options("cores=4", "queue=long")], "htcondor has no option 'queue'\n"),
        ("dask", ["--scheduler", "/nofile.json"], "/nofile.json: --scheduler: no such file, and no address\n"),
        ("dask", ["--scheduler", "nonsense"], "try: --scheduler tcp://HOST:PORT, or check the path\n"),
        ("slurm", options("warning_s=-5"), "try: --option warning_s=90"),
        ("slurm", ["--workers", "2"], "try: leave it out: it is an option of the executors processes and dask\n"),
        ("slurm", options("cores=2"), "try: leave it out: it is an option of the executor dask\n"),
        ("dask", ["--cluster", "pbs", *options("cores=4", "memory=1G", "scheduler_options=x")], "in Python only"),
        ("dask", ["--cluster", "pbss"], "unknown batch system 'pbss'"),
        ("cloud", [], "unknown executor 'cloud'\n"),
    ],
)
def test_what_an_executor_cannot_take_is_said_before_anything_is_written(
    problem, tmp_path, command, executor, words, told
):
    out = tmp_path / "new" / "b"
    code, _, err = command("batch", problem, "--out", out, *SETTINGS, "--executor", executor, *words)
    assert code == 2 and told in err and "an error of hevesy" not in err, err
    assert not out.parent.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--executor", "slurm", "--gres", "gpu:1", "--dry-run"], "the jobs are for the backend 'cpu'"),
        (["--executor", "slurm", "--dry-run", *options("gres=gpu:x")], "the jobs are for the backend 'cpu'"),
        (["--executor", "slurm"], "there is no sbatch here"),
        (["--executor", "dask", "--dry-run"], "--dry-run: there is no script to show"),
        (["--executor", "dask", *options("connect_s=1"), "--scheduler", "tcp://127.0.0.1:1"], "no Dask scheduler ans"),
        (["--executor", "dask", *options("folder_on_workers=/mnt/none")], "'/mnt/none' is not the folder of the batch"),
        (["--executor", "dask", "--cluster", "pbs", *options("cores=4", "memory=1G")], "qsub was not found"),
    ],
)
def test_a_batch_that_no_executor_could_take_leaves_no_folder(problem, tmp_path, command, no_slurm, words, told):
    case = write_small_case(tmp_path / "in")
    for first in ((problem, *SETTINGS), (case, "--backend", "cpu"), (case, "--backend", "cpu", "--shards", 2)):
        code, _, err = command("batch", *first, "--out", tmp_path / "new" / "b", *words)
        assert code == 2 and told in err, err
        assert not (tmp_path / "new").exists()


def test_workers_of_a_scheduler_that_do_not_see_the_folder_leave_none(problem, tmp_path, command):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        1, processes=False, protocol="tcp://", host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        words = ("--executor", "dask", "--scheduler", cluster.scheduler_address)
        elsewhere = options(f"folder_on_workers={tmp_path / 'none'}", f"connect_s={PATIENCE_S:g}")
        code, _, err = command("batch", problem, *SETTINGS, "--out", tmp_path / "new" / "b", *words, *elsewhere)
    assert code == 2 and "the workers do not see the folder of the batch" in err, err
    assert not (tmp_path / "new").exists()


def test_gpus_for_what_this_machine_has_are_refused_before_anything_is_written(
    problem, tmp_path, command, no_slurm, monkeypatch
):
    monkeypatch.setattr("hevesy.kernels.backends.cuda_probe.why_not", lambda: "none")
    words = ("--shards", 2, "--executor", "slurm", "--gres", "gpu:1", "--dry-run")
    for first in ((problem,), (write_small_case(tmp_path / "in"),)):
        code, _, err = command("batch", *first, "--out", tmp_path / "new" / "b", *words)
        assert code == 2 and "the jobs are for the backend 'cpu'" in err and not (tmp_path / "new").exists(), err


def test_a_batch_that_cannot_be_planned_leaves_no_folder(tmp_path, command):
    (tmp_path / "no.npz").write_bytes(b"no problem")
    for file in ("nothing.npz", "no.npz"):
        code, _, _ = command("batch", tmp_path / file, "--out", tmp_path / "new" / "b", *SETTINGS)
        assert code == 2 and not (tmp_path / "new").exists()
    (tmp_path / "mine").mkdir()
    assert command("batch", tmp_path / "no.npz", "--out", tmp_path / "mine", *SETTINGS)[0] == 2
    assert (tmp_path / "mine").is_dir()


def test_no_is_no():
    dask = executor_of("dask", dashboard="no", dry_run="no", attempts="7", connect_s="2.5")
    assert (dask.dashboard, dask.dry_run, dask.attempts, dask.connect_s) == (False, False, 7, 2.5)
    assert executor_of("slurm", dry_run="No").dry_run is False


def test_what_can_run_a_command_is_not_kept_and_must_be_given_again(problem, tmp_path, command, no_slurm):
    out = tmp_path / "b"
    shell = options("setup=module load secret", "extra=--qos=long", "image=h.sif", "command=hevesy")
    first = ("--partition", "long", *options("cpus=4", "max_requeues=0"), *shell)
    code, told, err = command("batch", problem, "--out", out, *SETTINGS, *SLURM, *first)
    assert code == 0 and "module load secret" in told, err
    kept = json.loads((out / "manifest.json").read_text())
    assert kept["options"] == {"partition": "long", "cpus": "4", "max_requeues": "0"}
    assert sorted(kept["withheld"]) == ["command", "extra", "image", "setup"]
    assert not any(word in (out / "manifest.json").read_text() for word in ("secret", "--qos", "h.sif"))
    # not silently without them
    code, _, err = command("retry", out, "--dry-run", *options("max_requeues=100"))
    assert code == 2 and len(scripts(out)) == 1
    assert all(f"--option {name}" in err for name in ("setup", "extra", "image", "command"))
    # others are as they were, unless they are given: also with the value that is the default
    code, _, err = command("retry", out, "--dry-run", *options("max_requeues=100", "image=", "command="), *shell[:4])
    assert code == 0, err
    last = scripts(out)[-1]
    assert "\nmodule load secret\n" in last and "#SBATCH --partition=long" in last and "--qos=long" in last
    assert "-lt 100 ]" in last and "-lt 0 ]" in scripts(out)[0] and "apptainer" not in last


@pytest.mark.parametrize(
    ("executor", "given"),
    [
        ("slurm", {"partition": 'main"\ntouch pwned #'}),
        ("slurm", {"time_limit": "1\ntouch pwned"}),
        ("slurm", {"cpus": "2\ntouch pwned"}),
        ("slurm", {"setup": ["touch pwned"]}),
        ("slurm", {"command": "touch pwned;"}),
        ("slurm", {"image": "h.sif; touch pwned"}),
        ("slurm", {"extra": ["--export=BASH_ENV=pwned"]}),
        ("dask", {"scheduler": "tcp://10.0.0.1:8786"}),
        ("dask", {"cluster": "pbs", "cores": 1, "memory": "1G", "job_script_prologue": ["touch pwned"]}),
        ("dask", {"cluster": "pbs", "cores": 1, "memory": "1G", "queue": "a\ntouch pwned"}),
        ("here", {"__class__": "x"}),
    ],
)
def test_no_line_of_a_script_comes_from_the_folder(problem, tmp_path, command, no_slurm, executor, given):
    out = tmp_path / "b"
    assert command("batch", problem, "--out", out, *SETTINGS, *SLURM)[0] == 0
    changed(out / "manifest.json", executor=executor, options=given)
    before = len(scripts(out))
    code, told, err = command("retry", out, "--dry-run")
    assert code == 2 and "an error of hevesy" not in err, err
    assert len(scripts(out)) == before and "pwned" not in told


@pytest.mark.parametrize(
    "values",
    [
        {"request": {"setup": ["touch pwned"]}},
        {"submissions": [{"home": "slurm/001-01234567", "array": "1 --user=x", "tasks": 1, "jobs": []}]},
        {"submissions": [{"home": "../../elsewhere", "array": "1", "tasks": 1, "jobs": []}]},
        {"submissions": [{"home": "slurm/001-01234567", "array": "1", "merge": "--me", "tasks": 1, "jobs": []}]},
        {"submissions": [{"home": "slurm/001-01234567", "array": "1", "tasks": 0, "jobs": []}]},
    ],
)
def test_what_was_submitted_is_checked_when_it_is_read(problem, tmp_path, command, no_slurm, values):
    out = tmp_path / "b"
    assert command("batch", problem, "--out", out, *SETTINGS, *SLURM)[0] == 0
    for one in values.get("submissions", ()):
        one["submitted"] = "2026-01-01"
    (out / "slurm.json").write_text(json.dumps(values))
    for words in (("retry", out, "--dry-run"), ("cancel", out)):
        code, _, err = command(*words)
        assert code == 2 and "slurm.json" in err, err
    assert command("status", out)[0] == 0


def test_a_script_that_was_removed_is_no_hindrance(problem, tmp_path, command, no_slurm):
    words = ("batch", problem, "--out", tmp_path / "b", *SETTINGS, *SLURM)
    assert command(*words)[0] == command(*words)[0] == 0
    shutil.rmtree(next(tmp_path.glob("b/slurm/001-*")))
    code, _, err = command(*words)
    assert code == 0, err
    assert sorted(folder.name[:3] for folder in tmp_path.glob("b/slurm/0*")) == ["002", "003"]


def test_after_a_dry_run_nothing_is_said_to_run(problem, tmp_path, command, no_slurm):
    code, told, _ = command("batch", problem, "--out", tmp_path / "b", *SETTINGS, *SLURM)
    assert code == 0 and "# nothing was submitted" in told and "run elsewhere" not in told
    code, told, _ = command("retry", tmp_path / "b", "--dry-run", "--json")
    assert code == 0 and json.loads(told)["submitted"] is False
    case = write_small_case(tmp_path / "in")
    code, told, err = command("batch", case, "--out", tmp_path / "c", *SLURM, "--backend", "cpu", "--quiet")
    assert code == 0 and "# nothing was submitted" in told and "run elsewhere" not in told, err


def test_a_merge_and_a_run_of_one_batch_wait_for_each_other(problem, tmp_path, command, monkeypatch):
    out = tmp_path / "b"
    assert command("batch", problem, "--out", out, *SETTINGS)[0] == 0
    monkeypatch.setattr(transport_commands, "MERGE_PATIENCE_S", 0.0)
    written = (out / "result.h5").stat().st_mtime_ns
    with locked(out / "lock", "runs this batch"):
        code, _, err = command("merge", out)
    assert code == 2 and "is in use by another command" in err
    assert (out / "result.h5").stat().st_mtime_ns == written
    assert command("merge", out)[0] == 0
    # a folder that is no batch is left as it is
    assert command("merge", tmp_path)[0] == 2 and not (tmp_path / "lock").exists()


@pytest.mark.parametrize(
    ("planned", "here", "words"),
    [
        ("", "e" * 40, "as installed, this is hevesy {} from a checkout at eeeeeeeeee, with other sources\n"),
        (
            "f" * 40 + "+changes",
            "",
            "from a checkout at ffffffffff with changes, this is hevesy {} as installed, with other sources\n",
        ),
        ("", "", "as installed, this is hevesy {} as installed too, but their sources differ\n"),
        (
            "f" * 40 + "+changes",
            "f" * 40 + "+changes",
            "from a checkout at ffffffffff with changes, this is hevesy {} from a checkout at ffffffffff with changes "
            "too, but their sources differ\n",
        ),
    ],
)
def test_a_checkout_and_an_installed_hevesy_say_what_they_are(
    problem, tmp_path, command, monkeypatch, planned, here, words
):
    out = tmp_path / "b"
    monkeypatch.setattr(sources, "code_commit", lambda: planned)
    plan_problem(problem, out, shards=2, decays=2000, seed=1, backend="cpu")
    monkeypatch.setattr(sources, "code_commit", lambda: here)
    monkeypatch.setattr(sources, "code_hash", lambda: "0" * 64)
    words = words.format(code_version())
    code, _, err = command("job", out / "jobs" / "shard-0001", "--quiet")
    assert (
        code == 1
        and words in err
        and "with the same sources everywhere: one checkout, wheel or image, or make the" in err
    )
    code, _, err = command("batch", problem, "--out", out, *SETTINGS)
    assert code == 2 and words in err and "image, or give another --out" in err


@pytest.mark.parametrize(("devices", "backend"), [("all", "cpu"), (" CPU ", "cpu"), ("cpu,cpu", "cpu")])
def test_devices_say_the_backend_of_the_jobs(problem, tmp_path, command, monkeypatch, devices, backend):
    """As they are documented: any case, and all; here no GPU can be used."""
    monkeypatch.setattr(devices_module, "_usable_gpus", lambda *, required: ())
    out = tmp_path / "b"
    words = ("--decays", 2000, "--seed", 1, "--shards", 2, "--quiet")
    code, _, err = command("batch", problem, "--devices", devices, "--out", out, *words)
    assert code == 0, err
    assert {json.loads(file.read_text())["backend"] for file in out.glob("jobs/*/job.json")} == {backend}
