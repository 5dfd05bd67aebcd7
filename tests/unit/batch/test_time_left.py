"""The time left, as every command says it: none before there is one worth saying, then that of the transport."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hevesy.cli.output import progress_line
from hevesy.engine import progress
from hevesy.engine.batch.attempt import Attempt
from hevesy.engine.batch.executors.here import Here
from hevesy.engine.batch.job import LOCK_FILE
from hevesy.engine.batch.manifest import read_job
from hevesy.engine.batch.status import JobStatus, write_status
from hevesy.engine.lock import locked
from hevesy.engine.progress import TimeLeft
from hevesy.tests.patience import until
from hevesy.tests.unit.batch.small_batch import planned

#: A case: seconds at which it says a fraction and a text. Images 4 s, tables and code 60 s, then 1 s per hundredth.
SETTING_UP = [(0.0, 0.0, "images"), (4.0, 0.1, "images"), (64.0, 0.1, "compiling (first run on this machine)")]
RUN = SETTING_UP + [(64.0 + n, 0.1 + 0.01 * n, f"transport: {n}e3 decays") for n in range(1, 88)]


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Calendar(datetime):
    """The date, which goes with the clock of a test."""

    clock: Clock

    @classmethod
    def now(cls, tz: timezone | None = None) -> datetime:
        return datetime.fromtimestamp(1_800_000_000 + cls.clock(), tz)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of every estimate in a command, and of every date that one is made from."""
    clock = Clock()
    monkeypatch.setattr(progress.TimeLeft.__init__, "__defaults__", (clock,))
    monkeypatch.setattr(Calendar, "clock", clock, raising=False)
    for module in ("attempt", "overview"):
        monkeypatch.setattr(f"hevesy.engine.batch.{module}.datetime", Calendar)
    return clock


def test_what_comes_before_the_decays_has_no_part_in_it() -> None:
    clock = Clock()
    left = TimeLeft(clock)
    said = {}
    for moment, fraction, text in RUN:
        clock.now = 1000.0 + moment
        said[moment] = left(fraction, text)
    assert [said[moment] for moment, _, _ in SETTING_UP] == [None] * 3
    assert [said[64.0 + n] for n in range(1, 4)] == [None] * 3  # too little, too early
    for n in range(5, 88):
        assert said[64.0 + n] == pytest.approx(90.0 - n)


def test_without_a_transport_it_counts_from_where_something_moves() -> None:
    clock = Clock()
    left = TimeLeft(clock)
    for moment, fraction in ((0.0, 0.0), (30.0, 0.0), (60.0, 0.01), (62.0, 0.02)):
        clock.now = moment
        assert left(fraction, "0 of 4 jobs ended") is None
    clock.now = 70.0
    assert left(0.06, "0 of 4 jobs ended") == pytest.approx(0.94 * 10.0 / 0.05)


def test_the_lines_of_a_command_say_no_more(clock, capsys) -> None:
    told = {}
    with progress_line() as tell:
        for moment, fraction, text in RUN:
            clock.now = 1000.0 + moment
            tell(fraction, text)
            found = re.search(r"about (.*?) left", capsys.readouterr().err)
            if found:
                told[moment] = sum(int(n) * {"min": 60, "s": 1}[u] for n, u in re.findall(r"(\d+) (min|s)", found[1]))
    assert len(told) > 5 and min(told) > 64.0 + 3
    assert all(seconds == pytest.approx(154.0 - moment, abs=1.0) for moment, seconds in told.items())


def test_the_bar_of_a_terminal_says_no_more(clock, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    with progress_line() as tell:
        for moment, fraction, text in RUN[:6]:
            clock.now = 1000.0 + moment
            tell(fraction, text)
        time.sleep(0.3)  # the bar is drawn ten times in a second
        assert "left" not in capsys.readouterr().err
        for moment, fraction, text in RUN[6:63]:
            clock.now = 1000.0 + moment
            tell(fraction, text)
        until(lambda: "about 30 s left" in capsys.readouterr().err)


def test_a_job_says_it_in_its_status(problem, tmp_path, clock, command, monkeypatch) -> None:
    """Two shards: the first runs, its set-up took an hour; a share of its transport says how long both still take."""
    out = tmp_path / "b"
    _, folders = planned(problem, out, 2, 4000)
    begun = Calendar.now(timezone.utc) - timedelta(hours=1)
    running = JobStatus(state="running", attempts=1, started=begun.isoformat(timespec="seconds"))
    monkeypatch.setattr("hevesy.engine.batch.attempt.TELL_EVERY_S", 0.0)

    def left(fraction: float, text: str) -> float | None:
        attempt.tell(fraction, text)
        code, told, _ = command("status", out, "--json")
        assert code == 0 and json.loads(told)["totals"]["states"] == {"waiting": 1, "running": 1}
        return json.loads(told)["totals"]["left_s"]

    with locked(folders[0] / LOCK_FILE, "runs this job"):
        write_status(folders[0], running)
        attempt = Attempt(folders[0], read_job(folders[0]), running)
        assert left(0.0, "compiling (first run on this machine)") is None
        assert left(0.01, "transport: 20 decays") is None
        clock.now += 10.0
        whole = left(0.11, "transport: 220 decays")
        # 89 s of this one; the other with all that a job takes beside
        assert whole == pytest.approx(89.0 + 3610.0 + 89.0)
        code, told, _ = command("status", out)
        assert "left" in told


def test_jobs_that_are_done_say_how_long_the_others_take(problem, tmp_path, clock, command) -> None:
    out = tmp_path / "b"
    _, folders = planned(problem, out, 4, 4000)
    Here().run(out, folders[:2])
    for folder in folders[:2]:
        status = JobStatus.model_validate(json.loads((folder / "status.json").read_text()))
        write_status(folder, status.model_copy(update={"wall_time_s": 100.0}))
    moment = Calendar.now(timezone.utc) - timedelta(seconds=30)
    with locked(folders[2] / LOCK_FILE, "runs this job"):
        write_status(folders[2], JobStatus(state="running", attempts=1, started=moment.isoformat(timespec="seconds")))
        left = json.loads(command("status", out, "--json")[1])["totals"]["left_s"]
    assert left == pytest.approx(70.0 + 100.0)


def test_a_job_folder_that_is_a_link_is_called_one(problem, tmp_path, command) -> None:
    out = tmp_path / "b"
    _, folders = planned(problem, out, 2, 4000)
    folders[1].rename(tmp_path / "elsewhere")
    folders[1].symlink_to(Path("../..") / ".." / "elsewhere")
    for number in range(2):  # without a status, and with one
        job = json.loads(command("status", out, "--json")[1])["jobs"]["shard-0002"]
        assert job["state"] == "lost" and "its folder is a symbolic link" in job["message"]
        if number == 0:
            write_status(tmp_path / "elsewhere", JobStatus(state="failed", message="of another"))
    before = sorted(path.name for path in (tmp_path / "elsewhere").iterdir())
    code, told, _ = command("cancel", out)
    assert code == 0 and "cancelled 1 job; 0 of 2 were done" in told
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == before
    folders[1].unlink()
    (tmp_path / "elsewhere").rename(folders[1])
    (folders[1] / "status.json").rename(tmp_path / "status.json")
    (folders[1] / "status.json").symlink_to(tmp_path / "status.json")
    job = json.loads(command("status", out, "--json")[1])["jobs"]["shard-0002"]
    assert job["state"] == "lost" and "its status.json is a symbolic link" in job["message"]
