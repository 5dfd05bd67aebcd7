"""What every test may use: where the reference data lies, and the suite's statistical error budget."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

# nobody's own defaults decide what `hevesy import` writes in a test
os.environ["HEVESY_CONFIG"] = os.devnull + "/none.yaml"
# an error of hevesy itself fails a test with its traceback
os.environ["HEVESY_TRACEBACK"] = "1"
# lines are as long as on a pipe, not as on the terminal of whoever exports its width
os.environ.pop("COLUMNS", None)

SHARED = Path(os.environ.get("HEVESY_SHARED", Path(__file__).resolve().parents[2] / "shared"))

#: Probability that the whole suite fails once by chance; single tests take their Sidak share of it.
SUITE_ALPHA = 1e-6

#: Files and folders of tests that take minutes, the longest first. `make test` hands out whole files: one that began
#: last would leave all other processors idle.
LONGEST = (
    "faults", "slurm", "gates/test_gpu_first.py", "unit/batch", "unit/cli/test_kernel_signals.py",
    "unit/run/test_killed.py", "gates", "unit/tools/test_gpu_first_steps.py", "verification", "fuzz",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first."""
    places = [Path(__file__).parent / name for name in LONGEST]

    def rank(item: pytest.Item) -> int:
        return next((i for i, place in enumerate(places) if place in (item.path, *item.path.parents)), len(places))

    items.sort(key=rank)


def _signals_by_default() -> None:
    """As a process has them that a user starts: nohup ignores some of them, and so does a command that has ended.

    What is ignored here would be ignored in every process that a test starts.
    """
    for name in ("SIGHUP", "SIGINT", "SIGTERM"):
        if (number := getattr(signal, name, None)) is not None:
            signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Before the fixtures of a test."""
    _signals_by_default()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup() -> Generator[None, object, object]:
    """After each fixture, whatever it runs and however long it stays."""
    try:
        return (yield)
    finally:
        _signals_by_default()


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    """Folder with the doses of the independent reference code."""
    folder = SHARED / "reference"
    if not folder.is_dir():
        pytest.skip(f"reference data not found at {folder}; set HEVESY_SHARED to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def petct_dir() -> Path:
    """Folder with two real PET/CT patients (DICOM)."""
    folder = SHARED / "data" / "petct"
    if not folder.is_dir():
        pytest.skip(f"real PET/CT not found at {folder}; set HEVESY_SHARED to the folder that holds it")
    return folder


@pytest.fixture(autouse=True)
def no_temporary_cache():
    """A cache that a test could not write to has no say in the tests after it."""
    yield
    os.environ.pop("HEVESY_TEMPORARY_CACHE", None)


@pytest.fixture(autouse=True)
def messages_as_before() -> Iterator[None]:
    """What a command sets in this process, of which messages it shows and how, is for its test alone."""
    root = logging.getLogger()
    level, former = root.level, [(one, one.level, one.filters[:], one.formatter) for one in root.handlers]
    yield
    root.setLevel(level)
    logging.captureWarnings(False)
    for handler, its_level, filters, formatter in former:
        handler.setLevel(its_level)
        handler.filters[:] = filters
        handler.setFormatter(formatter)
