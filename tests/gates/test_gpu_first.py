"""`make gpu-first` from its start to its table and file, on the emulated driver."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hevesy.benchmarks import gpu_problems as problems
from hevesy.benchmarks.gpu_goals import TARGETS
from hevesy.kernels.backends.cuda_options import SCHEDULE
from hevesy.tests.gates import emulated
from hevesy.tools import driver, gpu_first
from hevesy.tools.gpu_first.recommend import RULE
from hevesy.tools.gpu_first.variants import THREADS

FOLDER = Path(gpu_first.__file__).parent
BEFORE = ("machine", "plain kernel", "kernel", "names", "CuPy and Numba", "use")
STEPS = (*BEFORE, "engine", "CPU and GPU", "transfers", f"rates {SCHEDULE}", "batches")


USUAL = driver.Settings()


def first_run(folder, only, settings=USUAL, **variables):
    """The command with one build of the kernel and few decays; how it ended, and its report."""
    words = ["--seconds", "7000", "--patience", "100", "--decays-factor", "1e-5", "--builds", "1"]
    words += ["--only", ",".join(only), "--out", str(folder)]
    ended = emulated.session().run([str(FOLDER), *words], settings, **variables)
    (file,) = folder.glob("gpu-first-*.json")
    return ended, json.loads(file.read_text())


#: everything that hevesy depends on and a machine with the GPU packages alone need not have
ABSENT = (
    "SimpleITK", "highdicom", "icrp107", "jinja2", "matplotlib", "pint", "platformdirs", "pydantic", "pydicom",
    "radioactivedecay", "rich", "threadpoolctl", "typer", "yaml",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run where hevesy's other packages, decay data and reference files are absent: the checkout is enough."""
    absent = tmp_path_factory.mktemp("absent")
    for name in ABSENT:
        (absent / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name} here')\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(absent), os.environ.get("PYTHONPATH")))))
        return first_run(tmp_path_factory.mktemp("report"), STEPS, HEVESY_SHARED=str(absent))


def facts(report, kind):
    return [values for step in report["steps"] for found, values in step["facts"] if found == kind]


def test_every_step_passes(whole):
    ended, report = whole
    states = {step["name"]: step["state"] for step in report["steps"]}
    assert states == dict.fromkeys(STEPS, "ok"), ended.out + ended.err
    assert report["failed"] == []
    # what was left out here proves something too
    assert set(report["not_run"]) >= {"compile", "schedules", "devices", "tests"}
    assert not set(report["not_run"]) & set(STEPS)
    assert ended.code == 1
    assert ended.out.splitlines()[-2].startswith("NOT PROVED: compile, schedules, devices, ")
    assert report["emission"] == dict.fromkeys(problems.PATIENTS, "main lines")
    assert "not here: problem files i131_heterogeneous_3mm" in ended.out.splitlines()[0]


def test_the_report_says_what_ran(whole):
    _, report = whole
    assert report["machine"]["versions"]["numba-cuda"]
    assert report["machine"]["libraries"]["nvJitLink"]
    assert report["device"]["name"] == "Emulated GPU"
    assert facts(report, "engine")[0]["registers"] > 60
    assert facts(report, "counts")[0]["worst"] < 1e-3
    assert facts(report, "transfers")[0]["issue_us"] > 0


def test_both_patients_are_measured_with_every_shape(whole):
    ended, report = whole
    rates = facts(report, "rate")
    assert {(r["patient"], r["threads"]) for r in rates} == {(p, n) for p in problems.PATIENTS for n in THREADS}
    assert all(r["decays_per_s"] > 0 for r in rates)
    # the shape of a launch changes no integer
    assert len({r["digest"] for r in rates}) == len(problems.PATIENTS)
    assert {b["sums"] for b in facts(report, "batch")} == {"device"}
    assert "177Lu" in ended.out


def test_options_are_recommended_with_the_rule(whole):
    ended, report = whole
    assert report["recommended"]["rule"] == RULE
    assert report["recommended"]["options"]["schedule"] == SCHEDULE
    assert report["recommended"]["saved"].startswith("not saved: measured with fewer decays")
    assert {row["patient"] for row in report["goals"]} == set(TARGETS)
    assert all(row["run_per_s"] > 0 and row["kernel_per_s"] > 0 for row in report["goals"])
    table = ended.out.splitlines()[-25:]
    assert any(line.startswith(f"recommended: schedule {SCHEDULE}") for line in table)


def test_a_kernel_that_fails_is_named_and_ends_in_an_error(tmp_path):
    """An illegal address in every kernel: what needs none passes, what needs the device is left out."""
    only = (*BEFORE, "engine")
    ended, report = first_run(tmp_path, only, driver.Settings(faults={"kernel": 700}))
    states = {step["name"]: step["state"] for step in report["steps"]}
    assert states == {
        "machine": "ok", "plain kernel": "failed", "kernel": "failed", "names": "ok", "CuPy and Numba": "failed",
        "use": "failed", "engine": "skipped",
    }  # fmt: skip
    # a plain kernel only informs
    assert report["failed"] == ["kernel", "CuPy and Numba", "use"]
    assert ended.code == 1
    assert "ILLEGAL_ADDRESS" in ended.out or "illegal" in ended.out.lower()
    assert "it would prove: numba-cuda compiles and launches" in ended.out
    assert "nothing recommended: kernel and CuPy and Numba and use failed" in ended.out
    # tracebacks are in the file alone
    assert "Traceback" not in ended.out
    told = {step["name"]: dict(step["facts"]).get("traceback", {}).get("traceback", "") for step in report["steps"]}
    assert "in own_kernel" in told["kernel"]
