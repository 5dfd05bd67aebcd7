"""Jobs on Dask: the integers of the undivided run, also when workers are killed; messages where nothing can run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hevesy.engine.batch.collect import collect
from hevesy.engine.batch.executors import dask, dask_run
from hevesy.engine.batch.executors.base import executor_of
from hevesy.engine.batch.executors.dask_task import run_when_free
from hevesy.engine.batch.job import LOCK_FILE
from hevesy.engine.batch.status import read_status
from hevesy.engine.errors import InputError, StoppedEarly
from hevesy.engine.lock import locked
from hevesy.tests.patience import PATIENCE_S, end_all, until
from hevesy.tests.unit.batch.small_batch import LOCKS, begun_by, planned, running, stop_and_go_on, undivided
from hevesy.tools.result_hash import result_hashes

pytest.importorskip("distributed", reason="needs the extra dask")

DECAYS = 20_000
#: Long enough for a job not to end before it hears that it is to stop.
LONG = 400_000


def merged_hash(out: Path, manifest) -> tuple[str, str]:
    assert not collect(out, manifest).missing
    return result_hashes(out / "result.h5")


def states(folders) -> Counter[str]:
    return Counter(read_status(folder).state for folder in folders)


@pytest.fixture(autouse=True)
def _patient(monkeypatch) -> None:
    """Wait for schedulers and for workers that come back as long as any machine needs."""
    monkeypatch.setattr(dask, "CONNECT_S", PATIENCE_S)
    monkeypatch.setattr(dask, "WITHOUT_WORKER_S", PATIENCE_S)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A scheduler and a worker that somebody has started, on loopback: its address, and the file that it wrote."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    common = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    quiet = ["--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    python = [sys.executable, "-m"]
    scheduler = subprocess.Popen(
        [*python, "distributed.cli.dask_scheduler", *quiet, "--port", "0", "--scheduler-file", file], **common
    )
    processes = [scheduler]
    try:
        until(lambda: scheduler.poll() is not None or (file.exists() and file.stat().st_size))
        own = ["--scheduler-file", file, "--nthreads", "2", "--no-nanny", "--local-directory", folder]
        processes.append(subprocess.Popen([*python, "distributed.cli.dask_worker", *quiet, *own], **common))
        yield json.loads(file.read_text())["address"], file
    finally:
        end_all(processes)


@LOCKS
def test_1_3_and_16_shards_are_the_undivided_run(problem, tmp_path, held):
    batches = {
        shards: (tmp_path / str(shards), *planned(problem, tmp_path / str(shards), shards, DECAYS))
        for shards in (1, 3, 16)
    }
    folders = [folder for _, _, some in batches.values() for folder in some]
    said = []
    held.hold(folders[0])  # the first of each batch, until both workers have one

    def listen(share: float, text: str) -> None:
        said.append((share, text))
        if len(begun_by(folders)) == 2:  # the other's jobs may be over by now
            held.release(folders[0])

    executor_of("dask", workers=2).run(tmp_path, folders, progress=listen)
    assert states(folders) == {"done": 20}
    assert len({read_status(folder).pid for folder in folders}) == 2, "both workers took jobs"
    assert os.getpid() not in {read_status(folder).pid for folder in folders}
    for out, manifest, _ in batches.values():
        assert merged_hash(out, manifest) == undivided(problem, DECAYS)
    assert said[-1][0] == 1.0 and "20 of 20 jobs ended" in said[-1][1]


def test_workers_of_a_scheduler_that_runs(problem, tmp_path, cluster):
    address, file = cluster
    for number, scheduler in enumerate((address, address.removeprefix("tcp://"), str(file))):
        out = tmp_path / str(number)
        manifest, folders = planned(problem, out, 3, DECAYS)
        executor_of("dask", scheduler=scheduler).run(out, folders)
        assert merged_hash(out, manifest) == undivided(problem, DECAYS)


@LOCKS
def test_a_worker_killed_in_the_middle_of_a_job_loses_nothing(problem, tmp_path, held):
    out = tmp_path / "out"
    manifest, folders = planned(problem, out, 4, DECAYS)
    lost = folders[1]
    held.hold(lost)
    killed: list[int] = []

    def kill_one(share: float, text: str) -> None:
        for job, pid in [] if killed else running([lost]):
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
            held.release(job)

    executor_of("dask", workers=2).run(out, folders, progress=kill_one)
    assert states(folders) == {"done": 4}
    assert (read_status(lost).attempts, read_status(lost).pid != killed[0]) == (2, True)
    assert merged_hash(out, manifest) == undivided(problem, DECAYS)


@LOCKS
def test_a_job_that_takes_every_worker_with_it_is_given_up(problem, tmp_path, caplog, held):
    out = tmp_path / "out"
    _, folders = planned(problem, out, 2, DECAYS)
    held.hold(folders[0])
    kills = []

    def kill_the_first(share: float, text: str) -> None:
        for _, pid in running(folders[:1]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            kills.append(pid)

    with caplog.at_level("WARNING", "hevesy"):
        executor_of("dask", workers=1, attempts=2).run(out, folders, progress=kill_the_first)
    assert len(set(kills)) == 2
    assert states(folders) == {"lost": 1, "done": 1}
    said = [record.getMessage() for record in caplog.records if record.name.startswith("hevesy")]
    assert said[-1] == f"jobs/{folders[0].name} is given up: the 2 workers that ran it were lost"
    assert all(folders[0].name in text for text in said), "the other only waited for the worker that was lost"


def test_a_job_that_fails_is_a_status_and_the_others_run(problem, tmp_path, cluster):
    out = tmp_path / "out"
    _, folders = planned(problem, out, 3, DECAYS)
    spoilt = folders[1] / "problem.npz"
    content = spoilt.read_bytes()
    spoilt.unlink()  # a link to the file that all share
    spoilt.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    executor_of("dask", scheduler=cluster[0]).run(out, folders)
    assert states(folders) == {"done": 2, "failed": 1}
    assert "has been changed since the batch was made" in read_status(folders[1]).message
    assert read_status(folders[1]).attempts == 1, "it would fail again"


@LOCKS
def test_a_stop_ends_jobs_with_what_they_have_and_a_second_run_with_the_whole(problem, tmp_path, held, monkeypatch):
    out = tmp_path / "out"
    manifest, folders = planned(problem, out, 6, LONG)
    held.hold(*folders)
    monkeypatch.setattr(dask_run, "ask_to_stop", stop_and_go_on)
    monkeypatch.setattr(dask_run, "_DRAIN_S", PATIENCE_S)
    executor = executor_of("dask", workers=1)
    executor.run(out, folders, stop=lambda: any(running(folders)))
    assert states(folders) == {"stopped": 1, "waiting": 5}, "jobs that waited did not begin"
    executor.run(out, folders)
    assert merged_hash(out, manifest) == undivided(problem, LONG)


@LOCKS
def test_ctrl_c_in_a_terminal_reaches_all_processes_and_only_the_command_ends_the_run(problem, tmp_path, held):
    """SIGINT to a whole group of processes: workers leave it to the command, so that their jobs are not lost."""
    out = tmp_path / "out"
    _, folders = planned(problem, out, 6, LONG)
    held.hold(*folders)
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from hevesy.cli.interrupt import stop_on_interrupt\n"
        "from hevesy.engine.batch.executors import dask_run, executor_of\n"
        "from hevesy.tests.unit.batch.small_batch import stop_and_go_on\n"
        "dask_run.ask_to_stop, dask_run._DRAIN_S = stop_and_go_on, float(sys.argv[2])\n"
        "out = Path(sys.argv[1])\n"
        "with stop_on_interrupt(before=-1) as stop:\n"
        "    executor_of('dask', workers=1).run(out, sorted((out / 'jobs').iterdir()), stop=stop)\n"
    )
    words = [sys.executable, "-c", code, out, str(PATIENCE_S)]
    command = subprocess.Popen(words, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        until(lambda: command.poll() is not None or "running" in states(folders))
        os.killpg(command.pid, signal.SIGINT)
        assert command.wait(PATIENCE_S) == 0
    finally:
        command.kill()
    assert states(folders) == {"stopped": 1, "waiting": 5}


def test_a_scheduler_that_is_lost_ends_the_run_with_one_message(problem, tmp_path):
    """The scheduler is killed while a job runs; what is done stays done, and the rest can be run elsewhere."""
    out = tmp_path / "out"
    manifest, folders = planned(problem, out, 3, LONG)
    file = tmp_path / "scheduler.json"
    code = (
        "import asyncio, sys\nfrom distributed import Scheduler, Worker\n"
        "async def serve():\n"
        "    quiet = {'host': '127.0.0.1', 'dashboard': False, 'dashboard_address': '127.0.0.1:0'}\n"
        "    async with Scheduler(**quiet, port=0) as scheduler:\n"
        "        async with Worker(scheduler.address, nthreads=1, local_directory=sys.argv[2], **quiet):\n"
        "            open(sys.argv[1], 'w').write('{\"address\": \"%s\"}' % scheduler.address)\n"
        "            await scheduler.finished()\n"
        "asyncio.run(serve())\n"
    )
    both = subprocess.Popen([sys.executable, "-c", code, file, tmp_path], stderr=subprocess.DEVNULL)
    try:
        until(lambda: both.poll() is not None or (file.exists() and file.stat().st_size))

        def kill_it(share: float, text: str) -> None:
            if states(folders)["done"] and both.poll() is None:
                both.kill()

        # one job waits for its lock, so that not all are done when the kill comes, however late that is
        held = locked(folders[-1] / LOCK_FILE, "runs this job")
        with held, pytest.raises(StoppedEarly, match="the Dask scheduler was lost; . of 3 jobs ha") as caught:
            executor_of("dask", scheduler=str(file), lock_patience_s=PATIENCE_S).run(out, folders, progress=kill_it)
    finally:
        both.kill()
        both.wait()
    assert "hevesy retry" in str(caught.value) and caught.value.exit_code == 3
    done = {folder: read_status(folder).pid for folder in folders if read_status(folder).state == "done"}
    assert done
    executor_of("here").run(out, folders)
    assert all(read_status(folder).pid == pid for folder, pid in done.items()), "not run again"
    assert merged_hash(out, manifest) == undivided(problem, LONG)


def test_workers_that_do_not_come_back_end_the_run(problem, tmp_path, monkeypatch):
    """A scheduler of our own without a worker, as when none can be started again."""
    out = tmp_path / "out"
    _, folders = planned(problem, out, 1, DECAYS)
    monkeypatch.setattr(dask, "WITHOUT_WORKER_S", 0.5)
    monkeypatch.setattr(dask, "devices_for", lambda *given: [])
    with pytest.raises(StoppedEarly, match="all workers were lost; 0 of 1 job"):
        executor_of("dask").run(out, folders)
    assert states(folders) == {"waiting": 1}


def test_a_job_waits_for_a_lock_that_a_dying_process_still_holds(problem, tmp_path):
    """And hands the job back, rather than failing it, where the lock is not given up."""
    _, (folder,) = planned(problem, tmp_path / "out", 1, DECAYS)
    waits = threading.Event()

    def tell(share: float, text: str) -> None:
        if "waits" in text:
            waits.set()

    with locked(folder / LOCK_FILE, "runs this job"):
        told = run_when_free(folder, threads=1, progress=tell, stop=lambda: False, patience_s=0.0)
        assert told["state"] == "held" and read_status(folder).state == "waiting"
    waits.clear()
    ended: list[dict] = []
    with locked(folder / LOCK_FILE, "runs this job"):
        options = {"threads": 1, "progress": tell, "stop": lambda: False, "patience_s": PATIENCE_S}
        thread = threading.Thread(target=lambda: ended.append(run_when_free(folder, **options)))
        thread.start()
        assert waits.wait(PATIENCE_S)
    thread.join(PATIENCE_S)
    assert ended[0]["state"] == "done"


def test_a_scheduler_that_does_not_answer_is_one_message_in_time(problem, tmp_path):
    """In the time that was asked for, and not in Dask's own, which is an hour here."""
    import dask.config

    _, folders = planned(problem, tmp_path / "out", 1, DECAYS)
    start = time.monotonic()
    with (
        socket.socket() as mute,
        dask.config.set({"distributed.comm.timeouts.connect": "1h"}),
        pytest.raises(InputError, match="no Dask scheduler answers at") as caught,
    ):
        mute.bind(("127.0.0.1", 0))  # nobody else can answer there, and this one does not listen
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        executor_of("dask", scheduler=address, connect_s=0.5).run(tmp_path / "out", folders)
    assert time.monotonic() - start < PATIENCE_S
    assert address in str(caught.value) and "dask scheduler" in caught.value.suggestion
    assert states(folders) == {"waiting": 1}


def test_workers_that_do_not_see_the_folder_are_one_message(problem, tmp_path, cluster):
    _, folders = planned(problem, tmp_path / "out", 2, DECAYS)
    elsewhere = str(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="the workers do not see the folder of the batch") as caught:
        executor_of("dask", scheduler=cluster[0], folder_on_workers=elsewhere).run(tmp_path / "out", folders)
    assert elsewhere in str(caught.value) and socket.gethostname() in caught.value.why
    # the same files under another name are found
    Path(elsewhere).symlink_to(tmp_path / "out")
    executor_of("dask", scheduler=cluster[0], folder_on_workers=elsewhere).run(tmp_path / "out", folders)
    assert states(folders) == {"done": 2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheduler": "nowhere.json"}, "no such file"),
        ({"scheduler": "tcp://127.0.0.1:1", "cluster": "pbs"}, "--scheduler and --cluster do not go together"),
        ({"queue": "long"}, "the executor dask has no option 'queue'"),
        ({"workers": 0}, "0 is not a whole number from 1"),
        ({"devices": "gpu1"}, "unknown device 'gpu1'"),
        ({"cluster": "pbss", "cores": 1}, "did you mean 'pbs'?"),
        ({"cluster": "pbs"}, "You must specify how much cores and memory per job"),
        ({"cluster": "pbs", "cores": "many", "memory": "1GB"}, "'many' is not a whole number"),
        ({"cluster": "pbs", "cores": 1, "memory": "1GB", "wall_time": "1"}, "did you mean 'walltime'?"),
        ({"cluster": "htcondor", "cores": 1, "memory": "1GB"}, "disk"),
        ({"cluster": "oar", "cores": 1, "memory": "1GB"}, "oarsub was not found"),
    ],
)
def test_what_cannot_be_used_is_one_message(problem, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    _, folders = planned(problem, tmp_path / "out", 1, DECAYS)
    alone = "cluster" in options and "scheduler" not in options
    loopback = {"scheduler_options": {"host": "127.0.0.1"}} if alone else {}
    with pytest.raises(InputError) as caught:
        executor_of("dask", **options, **loopback).run(tmp_path / "out", folders)
    assert message in str(caught.value)
    assert states(folders) == {"waiting": 1}


def test_without_the_library_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match="the executor dask needs the package distributed") as caught:
        executor_of("dask")
    assert "pip install '.[dask]'" in caught.value.suggestion


def test_nothing_of_dask_is_loaded_with_its_executor():
    code = "import sys, hevesy.engine.batch.executors.dask\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"distributed", "dask", "dask_jobqueue", "tornado"} & set(loaded)


#: What a job script must hold on each system for 8 cores, 16 GB, 2 hours in a queue, and one more directive.
SCRIPTS = {
    "pbs": ({}, "-l ngpus=1", ("#PBS -q long", "ncpus=8", "#PBS -l walltime=02:00:00", "#PBS -l ngpus=1")),
    "lsf": ({"walltime": "02:00"}, "-gpu num=1", ("#BSUB -q long", "#BSUB -n 8", "#BSUB -W 02:00", "#BSUB -gpu num=1")),
    "sge": ({}, "-l gpu=1", ("#$ -q long", "#$ -l h_rt=02:00:00", "#$ -l gpu=1")),
    "slurm": (
        {},
        "--gres=gpu:1",
        ("#SBATCH -p long", "--cpus-per-task=8", "#SBATCH -t 02:00:00", "#SBATCH --gres=gpu:1"),
    ),
    "htcondor": (
        {"disk": "1GB", "queue": None, "walltime": None},
        "request_gpus = 1",
        ("MY.DaskWorkerCores = 8", "MY.DaskWorkerMemory = 16000000000", "request_gpus = 1"),
    ),
}


@pytest.mark.parametrize("system", SCRIPTS)
def test_the_job_script_of_each_batch_system(problem, tmp_path, system):
    own, directive, lines = SCRIPTS[system]
    given = {"cores": "8", "memory": "16GB", "walltime": "02:00:00", "queue": "long", **own}
    given = {name: value for name, value in given.items() if value is not None}
    dask = executor_of("dask", cluster=system, job_extra_directives=directive, dry_run=True, **given)
    _, folders = planned(problem, tmp_path / "out", 1, DECAYS)
    dask.run(tmp_path / "out", folders)
    (script,) = dask.messages
    assert [line for line in lines if line not in script] == []
    command = next(line for line in script.splitlines() if "distributed.cli.dask_worker" in line)
    assert command.rstrip("'\" ").endswith("--nthreads 1"), "one job at a time, on all cores of the worker"
    assert states(folders) == {"waiting": 1}


def test_a_dry_run_shows_the_script_and_runs_nothing(problem, tmp_path, command):
    words = ("--executor", "dask", "--cluster", "sge", "--option", "cores=4", "--option", "memory=8GB", "--dry-run")
    code, out, err = command("batch", problem, "--shards", 2, "--decays", DECAYS, "--out", tmp_path / "out", *words)
    assert (code, "-m distributed.cli.dask_worker" in out) == (0, True), err
    assert states((tmp_path / "out" / "jobs").iterdir()) == {"waiting": 2}


@LOCKS
def test_workers_that_a_batch_system_starts(problem, tmp_path, monkeypatch):
    """`qsub` here is a program that runs the script, as a system with one free node does."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "qsub").write_text(
        '#!/bin/sh\ncp "$1" job.sh  # as systems do: the script may go once it is submitted\n'
        "sh job.sh >job.log 2>&1 &\necho $! | tee -a pids\n"
    )
    (tools / "qdel").write_text('#!/bin/sh\nkill "$1"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    manifest, folders = planned(problem, out, 3, DECAYS)
    options = {"cores": 2, "memory": "2GB", "local_directory": str(tmp_path), "worker_extra_args": ["--no-dashboard"]}
    options |= {"scheduler_options": {"host": "127.0.0.1"}}
    executor_of("dask", cluster="pbs", workers=1, **options).run(out, folders)
    assert merged_hash(out, manifest) == undivided(problem, DECAYS)
    assert len((tmp_path / "pids").read_text().split()) == 1

    (tools / "qsub").write_text("#!/bin/sh\necho 'Unknown queue' >&2\nexit 170\n")
    _, folders = planned(problem, tmp_path / "refused", 1, DECAYS)
    with pytest.raises(InputError, match="pbs refused 1 job") as caught:
        executor_of("dask", cluster="pbs", **options).run(tmp_path / "refused", folders)
    assert caught.value.why == "qsub: Unknown queue"
