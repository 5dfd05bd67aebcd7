"""Caches that are damaged, written by two, or cannot be written at all: the same result, one line, and made again.

Real processes with caches of their own. The file of the transport itself takes the compiler half a minute: what can be
done to any file is done here to that of the sums, which is read in the same way, and to all of them by ``-m slow``.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hevesy.kernels.backends import cpu
from hevesy.tests.patience import PATIENCE_S
from hevesy.tests.unit.transport.test_problem import good
from hevesy.tools.result_hash import result_hashes

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX")

DAMAGED, TEMPORARY = "a file of the cache is damaged, and is made again", "a temporary cache is used"
DAMAGES = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "one bit": lambda content: content[: len(content) // 2] + bytes([content[len(content) // 2] ^ 4])
    + content[len(content) // 2 + 1 :],
    "noise": lambda content: random.Random(1).randbytes(len(content)),
}  # fmt: skip
#: A number that no process has: those of Linux are below 2^22, and a number that was used comes again.
NO_PROCESS = 1 << 22
#: The command line in a process that kills itself when it has written a file of the cache, before that has its name.
KILLED = """
import os, signal, sys
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
sys.argv[0] = "hevesy"
from hevesy.cli.main import entry
entry()
"""


class Machine:
    """A folder with a problem, a cache, and what the command gives there."""

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        self.folder, self.cache = folder, folder / "cache"
        good().save(folder / "p.npz")
        (folder / "temporary").mkdir()
        if cache is not None:
            shutil.copytree(cache, self.cache)

    def environment(self, **more: str | None) -> dict[str, str]:
        own = {**os.environ, "HEVESY_CACHE": str(self.cache), "TMPDIR": str(self.folder / "temporary"), **more}
        return {name: value for name, value in own.items() if value is not None}

    def start(self, out: str = "r.h5", decays: str = "2000", begin=("-m", "hevesy"), limit=None, **more):
        """The command; with a limit of the size of files Python must write none of its own, which would stay cut."""
        if limit is not None:
            more["PYTHONDONTWRITEBYTECODE"] = "1"
        words = (*begin, "simulate", "p.npz", "-o", out, "--decays", decays, "--seed", "5", "--backend", "cpu")
        return subprocess.Popen(
            [sys.executable, *words], cwd=self.folder, env=self.environment(**more), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )  # fmt: skip

    def run(self, **options) -> tuple[str, list[str]]:
        """Hash of the integers, and the warnings."""
        (self.folder / options.get("out", "r.h5")).unlink(missing_ok=True)
        return self.ended(self.start(**options), options.get("out", "r.h5"))

    def ended(self, process, out: str = "r.h5") -> tuple[str, list[str]]:
        _, told = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0 and "Traceback" not in told, told
        lines = [line for line in told.splitlines() if "cache" in line]
        return result_hashes(self.folder / out)[0], lines

    @property
    def tables(self) -> Path:
        (file,) = (self.cache / "tables").glob("*.tables")
        return file

    def code(self, function: str) -> Path:
        (file,) = self.cache.glob(f"kernels-*/{function}*.nbc")
        return file


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A cache with what a run of the problem needs, and the hash of its integers."""
    machine = Machine(tmp_path_factory.mktemp("warm"))
    machine.run(HEVESY_CACHE=os.environ.get("HEVESY_CACHE"))  # compiles where nothing has yet
    target = machine.cache / cpu.cache_folder().name
    target.mkdir(parents=True)
    for name in ("batch.run_range", "cpu_sums._add_range"):
        # of several forms of a function, which other tests have compiled, a run of this problem loads one: the other
        # copies go
        for file in sorted(cpu.cache_folder().glob(f"{name}-*.nbc")):
            for other in target.glob(f"{name}-*.nbc"):
                other.unlink()
            shutil.copy(file, target)
            machine.run()
            there = sorted(target.glob(f"{name}-*.nbc"))
            if there == [target / file.name]:
                break
            (target / file.name).unlink()  # what the run has compiled beside it is the right form
    integers, told = machine.run()
    assert not told and len(list(target.iterdir())) == 2
    return machine.cache, integers


@pytest.fixture
def machine(warm, tmp_path: Path) -> Machine:
    return Machine(tmp_path, warm[0])


@pytest.mark.parametrize("damage", ["empty", "one bit", "noise"])
def test_damaged_files_are_made_again_with_one_line_each(machine, warm, damage):
    files = (machine.code("cpu_sums"), machine.tables)
    before = [file.read_bytes() for file in files]
    for file, content in zip(files, before, strict=True):
        file.write_bytes(DAMAGES[damage](content))
    integers, told = machine.run()
    assert integers == warm[1]
    assert len(told) == 2 and all(DAMAGED in line for line in told)
    assert {str(file) in line for file, line in zip(reversed(files), told, strict=True)} == {True}
    assert machine.tables.read_bytes() == before[1]
    if damage == "noise":
        assert machine.run() == (warm[1], [])


def test_two_processes_at_once_make_them(machine, warm):
    machine.code("cpu_sums").write_bytes(b"")
    machine.tables.unlink()
    both = [machine.start(out=f"{name}.h5") for name in "ab"]
    for process, name in zip(both, "ab", strict=True):
        integers, told = machine.ended(process, f"{name}.h5")
        assert integers == warm[1] and len(told) <= 1
    assert machine.run() == (warm[1], [])
    assert not list(machine.cache.rglob(".part-*"))


def test_a_process_that_is_killed_while_it_writes_one_harms_nobody(machine, warm):
    file = machine.tables
    file.unlink()
    killed = machine.start(begin=("-c", KILLED))
    killed.communicate(timeout=PATIENCE_S)
    assert killed.returncode == -signal.SIGKILL and not file.exists()
    (part,) = file.parent.glob(".part-*")
    os.utime(part, (0, 0))
    assert machine.run() == (warm[1], [])
    assert file.exists() and not part.exists()


def test_damage_while_a_process_runs_does_not_reach_it(machine):
    wanted, _ = machine.run(decays="300000")
    process = machine.start(out="long.h5", decays="300000")
    for line in process.stderr:
        if " decays" in line:
            break
    for file in (machine.code("batch"), machine.code("cpu_sums"), machine.tables):
        with file.open("r+b") as opened:  # in place
            opened.truncate(1000)
            opened.write(b"\xff" * 500)
    assert machine.ended(process, "long.h5")[0] == wanted


def test_a_cache_that_takes_no_file_gives_way_to_a_temporary_one(machine, warm):
    """Nothing of it stays, nor of that of a process which was killed; that of another one that runs does."""
    shutil.rmtree(machine.cache / "tables")
    (machine.cache / "tables").write_text("a file where a folder should be")
    folder = machine.folder / "temporary"
    (folder / f"hevesy-cache-{NO_PROCESS}-abc" / "tables").mkdir(parents=True)
    (folder / f"hevesy-cache-{os.getpid()}-abc").mkdir()
    integers, told = machine.run()
    assert integers == warm[1]
    assert len(told) == 1 and TEMPORARY in told[0] and str(machine.cache) in told[0]
    assert [path.name for path in folder.iterdir()] == [f"hevesy-cache-{os.getpid()}-abc"]


def test_full_disks_are_said_once_and_stop_nothing(machine, warm):
    machine.tables.unlink()
    machine.code("cpu_sums").unlink()
    integers, told = machine.run(limit=25_000)  # the tables have some hundred kB, the code of the sums 30
    assert integers == warm[1]
    assert len(told) == 1 and "nothing can be written to the cache" in told[0] and "File too large" in told[0]


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_code_of_the_transport_is_compiled_again(machine, warm, damage):
    file = machine.code("batch")
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    integers, told = machine.run()
    assert integers == warm[1] and len(told) == 1 and DAMAGED in told[0]
    assert machine.run() == (warm[1], [])


@pytest.mark.slow
@pytest.mark.parametrize("where", ["a file", "no home"])
def test_without_any_cache_a_run_compiles_once_and_says_so(machine, warm, where):
    (machine.folder / "file").write_text("")
    more = {"HEVESY_CACHE": str(machine.folder / "file")}
    if where == "no home":
        more = {"HEVESY_CACHE": None, "HOME": "/proc/nowhere"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    integers, told = machine.run(**more)
    assert integers == warm[1] and len(told) == 1 and TEMPORARY in told[0]
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 120.0  # one compilation takes 40
    assert not list((machine.folder / "temporary").iterdir())
