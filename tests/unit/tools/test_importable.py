"""The commands of a checkout run its own code, whatever other hevesy is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hevesy.benchmarks import gpu_goals
from hevesy.tests.patience import PATIENCE_S

ROOT = Path(gpu_goals.__file__).resolve().parents[1]
IMPORTABLE = str(ROOT / "tools" / "importable.py")
#: a finder as an editable installation of another checkout has it, before all others
EDITABLE = """
import importlib.util, sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "hevesy":
            return importlib.util.spec_from_file_location(
                name, {place!r} + "/__init__.py", submodule_search_locations=[{place!r}])
sys.meta_path.insert(0, Finder)
"""


@pytest.fixture(params=["installed", "editable"])
def another(request, tmp_path):
    """Variables of a process in which another hevesy, with tools and benchmarks of its own, is installed."""
    place = tmp_path / ("hevesy" if request.param == "installed" else "another checkout")
    for folder in (place, place / "tools" / "gpu_first", place / "benchmarks", place / "kernels" / "backends"):
        folder.mkdir(parents=True)
    (place / "__init__.py").write_text("print('ANOTHER HEVESY')\n")
    if request.param == "editable":
        (tmp_path / "sitecustomize.py").write_text(EDITABLE.format(place=str(place)))
    paths = [str(tmp_path), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def run(variables: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=variables, cwd=ROOT, timeout=PATIENCE_S
    )


def test_the_other_one_is_what_python_finds(another):
    assert "ANOTHER HEVESY" in run(another, "-P" if sys.version_info >= (3, 11) else "-B", "-c", "import hevesy").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tools/gpu_first", "--only", "none"), "there are machine, plain kernel"),
        (("benchmarks/gpu_bench.py", "--help"), "decays of one GPU batch"),
        (("-m", "pytest", "tests/gpu", "--collect-only", "-q", "-p", "no:cacheprovider"), "test_cuda_repeat.py"),
    ],
)
def test_a_command_runs_the_code_of_its_checkout(another, words, said):
    ran = run(another, *words)
    assert "ANOTHER HEVESY" not in ran.stdout + ran.stderr
    assert said in ran.stdout + ran.stderr


def test_modules_come_from_this_checkout(another):
    code = f"import runpy; runpy.run_path({IMPORTABLE!r}); import hevesy.tools.gpu_first.steps as s; print(s.__file__)"
    assert run(another, "-c", code).stdout.strip() == str(ROOT / "tools" / "gpu_first" / "steps.py")


def test_another_one_that_is_in_use_is_refused(another):
    ran = run(another, "-c", f"import sys, runpy; sys.path.remove(''); import hevesy; runpy.run_path({IMPORTABLE!r})")
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith("ImportError: hevesy was imported from ")
    assert f"and this is {ROOT}" in ran.stderr


def test_this_one_that_is_in_use_is_left_alone():
    before = dict(sys.modules)
    import runpy

    runpy.run_path(IMPORTABLE)
    assert sys.modules["hevesy"] is before["hevesy"]
