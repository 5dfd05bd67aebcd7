"""The short form of the fuzzer (docs/validation/fuzz.md): 2000 inputs by hypothesis, and the judge on trial."""

from __future__ import annotations

import gc
import importlib.util
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.tests.patience import PATIENCE_S
from hevesy.tools.fuzz.guided import guide
from hevesy.tools.fuzz.judge import judge
from hevesy.tools.fuzz.registry import KINDS, sample_of, shares
from hevesy.tools.fuzz.run import Child, Run, Tally
from hevesy.tools.fuzz.sample import Kind, Sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TOTAL = 2000
#: HDF5 itself can crash on damaged bytes, and would take the tests with it: read in a process of its own below.
APART = "result"
SHARES = {name: -(-TOTAL // (len(KINDS) - 1)) for name in KINDS if name != APART}
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured by /proc")


@pytest.mark.parametrize("name", SHARES)
def test_no_input_ends_otherwise_than_it_may(name: str, tmp_path: Path) -> None:
    kind, folders = KINDS[name], iter(range(10**9))
    memory = sys.platform.startswith("linux")

    @settings(
        max_examples=SHARES[name],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=False))
    def each(rng: random.Random) -> None:
        folder = tmp_path / str(next(folders))
        folder.mkdir()
        sample = kind.generate(rng)
        outcome = judge(kind, sample, folder, memory=memory)
        shutil.rmtree(folder)
        assert outcome.right, f"{sample.change}: {outcome.word}: {outcome.text}"

    each()


@pytest.mark.parametrize("name", ["case", "samples", "job", "nifti", "problem", "archive"])
def test_both_ends_are_reached(name: str, tmp_path: Path) -> None:
    """A generator whose inputs are all refused, or all read, would show nothing."""
    words = []
    for number in range(24):
        folder = tmp_path / str(number)
        folder.mkdir()
        words.append(judge(KINDS[name], sample_of(KINDS[name], number), folder).word)
    assert {"read", "refused"} == set(words)


def test_numbers_of_inputs() -> None:
    assert sum(shares(100_000).values()) >= 100_000
    assert sample_of(KINDS["case"], 7) == sample_of(KINDS["case"], 7)


# ----------------------------------------------------------------------------------------- the judge can convict


def made_up(read, must="", truth=None) -> tuple[Kind, Sample]:
    return Kind("x", lambda rng: Sample("x", {}), read, 1, weight_mb=40), Sample("x", {"a": b"x"}, truth or {}, must)


def loop(_folder: Path) -> dict:
    while True:
        pass


def refuse(_folder: Path) -> dict:
    raise InputError("no", why="a reason", suggestion="advice")


def without_advice(_folder: Path) -> dict:
    raise InputError("no", why="a reason")


def fail(_folder: Path) -> dict:
    raise KeyError("x")


@pytest.mark.parametrize(
    "read, must, truth, word",
    [
        (lambda f: {"a": 1.0}, "", {"a": 1.0}, "read"),
        (lambda f: {"a": 1.01}, "", {"a": 1.0}, "wrong"),
        (lambda f: {}, "", {"a": 1.0}, "wrong"),
        (lambda f: {"a": None}, "", {"a": 1.0}, "wrong"),
        (lambda f: {"a": np.zeros(3)}, "", {"a": np.zeros(2)}, "wrong"),
        (lambda f: {}, "refuse", None, "wrong"),
        (refuse, "", None, "refused"),
        (refuse, "read", None, "wrong"),
        (without_advice, "", None, "unexpected"),
        (fail, "", None, "unexpected"),
        (loop, "", None, "hang"),
    ],
)
def test_the_judge(read, must, truth, word, tmp_path: Path) -> None:
    kind, sample = made_up(read, must, truth)
    assert judge(kind, sample, tmp_path, memory=False, limit_s=1).word == word


def garbage_in_a_cycle() -> Callable[[], object]:
    cycle: list = [np.ones(20_000_000)]
    cycle.append(cycle)
    return gc.collect


def free_memory_below_an_object() -> Callable[[], object]:
    blocks = [bytearray(100_000) for _ in range(2000)]
    return blocks[-1:].clear


@LINUX
@pytest.mark.parametrize("left_behind", [lambda: int, garbage_in_a_cycle, free_memory_below_an_object])
def test_the_judge_sees_memory(left_behind: Callable[[], Callable[[], object]], tmp_path: Path) -> None:
    """Also where as much becomes free meanwhile that others have left in the process."""
    give_back = left_behind()

    def read(_folder: Path) -> dict:
        give_back()
        return {"a": float(np.ones(20_000_000).sum())}

    kind, sample = made_up(read)
    assert judge(kind, sample, tmp_path).word == "memory"


# ----------------------------------------------------------------------------------------------------- long form


@LINUX
def test_the_long_form_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hevesy.tools.fuzz.run.CHUNK", 5)
    first = Run(tmp_path, 10, ("status",))
    first.wanted = {"status": 10}
    first.go(0.0, 1)
    assert first.tallies["status"].done == []
    first.go(PATIENCE_S, 1)
    again = Run(tmp_path, 10, ("status",))
    assert sorted(again.tallies["status"].done) == [0, 5]
    (row,) = again.table()
    assert row["inputs"] == 10 and row["unexpected"] == 0 and row["read"] + row["refused"] == 10


@LINUX
def test_what_kills_a_process_is_a_fault_and_the_next_input_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEVESY_FUZZ_DIE_AT", "status:2")
    child, tally = Child(), Tally()
    child.read("status", 0, 4, tally)
    child.close()
    assert tally.words["died"] == 1 and list(tally.faults) == ["2"] and sum(tally.words.values()) == 4


@LINUX
def test_damaged_results_are_read_in_a_process_of_their_own() -> None:
    child, tally = Child(), Tally()
    child.read(APART, 1, 30, tally)
    child.close()
    assert sum(tally.words.values()) == 30
    assert not tally.faults


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed: pip install '.[fuzz]'"
)
def test_the_guided_form_reads_inputs(tmp_path: Path) -> None:
    executed, found = guide("job", 3.0, tmp_path)
    assert executed > 50 and not found
