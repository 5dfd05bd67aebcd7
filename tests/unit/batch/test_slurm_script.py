"""The scripts for Slurm, by bash itself, and its refusals, by programs of its names: no Slurm is needed."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
from hevesy.engine.batch.executors.slurm_request import limit_s, raw_option, request_of, shell_command, slurm_time
from hevesy.engine.batch.executors.slurm_script import array_script, merge_script
from hevesy.engine.errors import InputError
from hevesy.tests.patience import PATIENCE_S, until

HOME = "slurm/001-0123abcd"
ODD_TITLES = ["study 1", 'it\'s "odd" $(touch broken) `touch broken`', "a\n#SBATCH --uid=0\ntouch broken", "{x} %d é"]
#: What asks for more than its option: a line of its own, an end of the quotes, a second option in the rest.
BREAKING = [
    "a\ntouch broken",
    "a\r\nb",
    "a\0b",
    'long" --uid=0',
    "long' x",
    "a\\",
    "a # b",
    "`touch broken`",
    "\x1b[2J",
]


def scripts(title: str = "study", tasks: int = 3, **options: object) -> tuple[str, str]:
    request = request_of(**options)
    array = array_script(request, title=title, home=HOME, tasks=tasks)
    return array, merge_script(request, title=title, home=HOME)


def directives(script: str) -> list[str]:
    """The options that sbatch reads: the lines up to the first that is no comment."""
    lines = script.splitlines()
    end = next(i for i, line in enumerate(lines) if i and line.strip() and not line.startswith("#"))
    return [line.removeprefix("#SBATCH ") for line in lines[:end] if line.startswith("#SBATCH")]


@pytest.mark.parametrize("title", ODD_TITLES)
def test_bash_reads_the_scripts_whatever_a_batch_is_called(title, tmp_path):
    for script in scripts(title, setup=("module load python",), image="it's here.sif"):
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert not any(line.startswith("--uid") for line in directives(script))
        # the first line that bash runs is ours
        first = next(line for line in script.splitlines() if line and not line.startswith("#"))
        assert first == f"home={HOME}"


def test_options_stand_in_the_script_as_given():
    array, merge = scripts(
        partition="long", account="dosimetry", time_limit="2 h", gres="gpu:1", cpus="4", memory="8G",
        extra=["--qos=long", "--exclusive", "-w node1", "--comment=two words", "--gpus-per-task=1"], max_concurrent=2,
    )  # fmt: skip
    asked = directives(array)
    shared = ["--partition=long", "--account=dosimetry", "--time=0-02:00:00", "--cpus-per-task=4", "--mem=8G"]
    users = ["--qos=long", "--exclusive", "-w node1", '--comment="two words"']
    assert [line for line in asked if line in shared] == shared
    assert asked[-5:] == [*users, "--gpus-per-task=1"]  # last, so that they prevail
    assert {"--array=0-2%2", "--requeue", "--signal=B:USR1@90", "--gres=gpu:1"} <= set(asked)
    assert directives(merge)[2:] == [*shared, *users]  # no GPU for a merge


@pytest.mark.parametrize("value", BREAKING)
@pytest.mark.parametrize("name", ["partition", "account", "gres", "memory"])
def test_a_value_that_would_break_out_is_refused(name, value):
    with pytest.raises(InputError, match="cannot stand in a script of Slurm"):
        request_of(**{name: value})
    with pytest.raises(InputError):
        raw_option(f"--{name}={value}")
    with pytest.raises(InputError):
        request_of(time_limit=f"10{value}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("qos=long", "is not an option"),
        ("--qos=long --uid=0", None),
        ("--array=0-9", "--array cannot be passed"),
        ("-a 0-9", "-a cannot be passed"),
        ("--arr=0-9", "--arr, which begins --array, cannot be passed"),
        ("--dep=afterok:1", "cannot be passed"),
        ("--wra=true", "cannot be passed"),
        ("--no-req", "cannot be passed"),
        ("--wait", "cannot be passed"),
        ("--dependency=afterok:1", "cannot be passed"),
        ("--wrap=true", "cannot be passed"),
        ("--signal=TERM@5", "cannot be passed"),
        ("--x\n--y", "is not an option"),
        ("-a1-2", "-a cannot be passed"),
        ("-wnode1", "'-wnode1' is not an option of sbatch\n.*stand apart.*\n.*extra='-w node1', or extra=--wnode1"),
        ("-qos=long", "extra=--qos=long"),
        ("--output=x.log", "--output cannot be passed"),
        ("-o x.log", "-o cannot be passed"),
        ("--err=x.log", "--err, which begins --error, cannot be passed"),
        ("-e x", "cannot be passed"),
        ("--clusters=other", "--clusters cannot be passed"),
        ("-M other", "cannot be passed"),
        ("--chdir=/tmp", "cannot be passed"),
        ("--parsable", "cannot be passed"),
        ("--quiet", "cannot be passed"),
        ("--job-name=x", "--job-name cannot be passed"),
        ("-J x", "cannot be passed"),
        ("--qos", "--qos has no value"),
        ("-w", "-w has no value"),
    ],
)
def test_raw_options(text, why):
    if why is None:  # one option with an odd value, not two
        assert raw_option(text) == '--qos="long --uid=0"'
        return
    with pytest.raises(InputError, match=why):
        raw_option(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"partitoin": "x"}, "has no option 'partitoin'\n(.*\n)?.*did you mean 'partition'"),
        ({"cpus": "four"}, "'four' is not a whole number"),
        ({"cpus": 0}, "0 is not a whole number from 1"),
        ({"warning_s": 10**6}, "from 1 to 3600"),
        ({"setup": ["a\nb"]}, None),
        ({"time_limit": "soon"}, "soon"),
        ({"memory": "abc"}, "'abc' is no amount of memory"),
        ({"memory": "-4G"}, "'-4G' is no amount of memory"),
        ({"memory": "1.5G"}, "is no amount of memory"),
        ({"time_limit": "1"}, "a time limit of 60 s, and a warning 90 s before it\n.*after 0 s\n.*at least 180 s"),
        ({"time_limit": "2 min"}, "would be told to stop after 30 s"),
        ({"time_limit": "1:30:00", "warning_s": 3600}, "told to stop after 1800 s"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(InputError, match=message):
        request_of(**options)


@pytest.mark.parametrize(
    ("text", "words"),
    [("30", "30"), ("1-12:00", "1-12:00"), ("90:00", "90:00"), ("2 h", "0-02:00:00"), ("3 d", "3-00:00:00"),
     ("61 s", "0-00:02:00"), ("UNLIMITED", "UNLIMITED")],
)  # fmt: skip
def test_time_limits(text, words):
    assert slurm_time(text) == words


def test_what_slurm_takes_is_passed():
    for memory in ("16G", "8gb", "4096", "0"):
        assert request_of(memory=memory).memory == memory
    for limit in ("3", "0", "unlimited", "3:00", "1-0", "0-00:03", "0:03:00", "180 s"):
        request_of(time_limit=limit)
    assert [limit_s(one) for one in ("90:30", "1:00:00", "1-12", "2-01:30:05")] == [5430, 3600, 129600, 178205]
    assert request_of(time_limit="1", warning_s=30).warning_s == 30
    for option in ("--exclusive", "--hold", "--nice", "--mem-per-cpu=2G", "--cluster-constraint=x"):
        assert raw_option(option) == option


def test_a_container_runs_on_the_folder_of_the_batch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("it's.sif").touch()
    words = shlex.split(shell_command(request_of(image="it's.sif", gres="gpu:1")))
    assert words == [
        "apptainer",
        "exec",
        "--nv",
        "--bind",
        "$PWD",
        "--pwd",
        "$PWD",
        str(tmp_path / "it's.sif"),
        "hevesy",
    ]
    assert "--nv" not in shell_command(request_of(image="docker://hevesy"))


#: A hevesy that writes down its words, says that it runs, and ends with a code when it is told to stop.
HEVESY = """#!/bin/bash
trap 'echo told >>told; exit 3' USR1
printf '%s\\n' "$@" >>words
touch running
code=$(cat code 2>/dev/null) && exit "$code"
while :; do sleep 0.05; done
"""


@pytest.fixture
def task(tmp_path, monkeypatch):
    """Start a task of an array in bash, as Slurm does, with a hevesy and a scontrol of our own."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {"hevesy": HEVESY, "scontrol": '#!/bin/bash\necho "$@" >>asked\n'}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    batch = tmp_path / 'it\'s "odd" $HOME'
    (batch / HOME).mkdir(parents=True)
    (batch / HOME / "jobs.txt").write_text("".join(f"jobs/shard-{i:04d}\n" for i in range(1, 8)))

    def start(number: int, **environment: str) -> tuple[Path, subprocess.Popen]:
        (batch / HOME / "array.sh").write_text(scripts(tasks=3)[0])
        slurm = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": str(number), "SLURM_CPUS_ON_NODE": "2"}
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        process = subprocess.Popen(
            ["bash", f"{HOME}/array.sh"], cwd=batch, env={**os.environ, "PATH": path, **slurm, **environment},
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        return batch, process

    return start


def wait_for(path: Path) -> None:
    until(path.exists, lambda: f"no {path}")


def test_a_task_runs_every_third_job_of_the_list(task, tmp_path):
    batch = tmp_path / 'it\'s "odd" $HOME'
    (batch / "code").write_text("0")
    _, process = task(0)
    assert process.wait(PATIENCE_S) == 0
    assert (batch / "words").read_text().split() == [
        "job", "jobs/shard-0001", "jobs/shard-0004", "jobs/shard-0007", "--quiet", "--threads", "2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "restarts", "requeued"),
    [(signal.SIGUSR1, "0", True), (signal.SIGUSR1, "100", False), (signal.SIGTERM, "0", False)],
)
def test_a_warning_stops_hevesy_and_requeues_the_task(task, number, restarts, requeued):
    batch, process = task(1, SLURM_RESTART_COUNT=restarts)
    wait_for(batch / "running")
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == (0 if requeued else 3)
    assert (batch / "told").read_text() == "told\n"
    assert (batch / "asked").exists() == requeued
    if requeued:
        assert (batch / "asked").read_text() == "requeue 12_1\n"
    else:
        assert "resume by: hevesy retry" in process.stderr.read()


@pytest.mark.parametrize("code", [1, 2, 3, 127, 137])
def test_the_code_of_hevesy_is_that_of_the_task(task, tmp_path, code):
    batch = tmp_path / 'it\'s "odd" $HOME'
    (batch / "code").write_text(str(code))
    _, process = task(2)
    assert process.wait(PATIENCE_S) == code
    assert not (batch / "asked").exists()


def test_a_task_without_its_list_says_so(task, tmp_path):
    batch = tmp_path / 'it\'s "odd" $HOME'
    (batch / HOME / "jobs.txt").unlink()
    _, process = task(0)
    assert process.wait(PATIENCE_S) == 2
    assert "submit this script from the folder of the batch" in process.stderr.read()
    assert not (batch / "words").exists()
