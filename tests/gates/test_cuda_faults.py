"""A GPU that cannot be used, for every reason: the CPU under ``auto``, a refusal under ``cuda``, and the reason.

The commands and the proof of use are the real ones, in processes of their own. Faults of the driver pass through the
real Numba; faults of packages, compilers and devices come from stand-ins (``gpu_stack/``).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hevesy.kernels.backends import cuda_probe
from hevesy.tests.gates import needs
from hevesy.tests.patience import PATIENCE_S, promised
from hevesy.tools import cuda_offline

STACK = Path(__file__).with_name("gpu_stack")
#: processor time in which a run must know its backend [s]
DECISION_S = 3.0
#: what is broken, by name: its environment and the reason that a user must read
KINDS = {
    "a driver newer than its bindings": ({"FAULT_DRIVER": "12345"}, "driver does not start .*12345 is not a valid"),
    "a driver without a device": ({"FAULT_DRIVER": "100"}, "driver does not start .*CUDA_ERROR_NO_DEVICE"),
    "a driver that is not its kernel's": ({"FAULT_DRIVER": "803"}, "driver does not start .*SYSTEM_DRIVER_MISMATCH"),
    "a driver that crashes": ({"FAULT_DRIVER": "crash"}, "the proof that CUDA works ended with exit status -6"),
    "CuPy without its libraries": ({"FAULT_CUPY": "libnvrtc.so.13: no such file"}, "packages do not load .*libnvrtc"),
    "CuPy that ends the process": ({"FAULT_EXIT": "0"}, r"packages do not load \(SystemExit: 0\)"),
    "packages that do not belong together": (
        {"FAULT_PACKAGES": "argument 1: wrong type", "FAULT_KERNEL": "9:none"}, "packages do not work .*wrong type",
    ),
    "an old device": ({"FAULT_KERNEL": "0:old"}, r"CUDA device 0 \(GPU 0\): compute capability 7.0; 7.5 or newer"),
    "a NumPy that Numba cannot take": ({"FAULT_KERNEL": "0:compiler"}, "AttributeError: .*row_stack"),
    "no linker": ({"FAULT_KERNEL": "0:linker"}, "libnvJitLink"),
    "machine code that the driver refuses": ({"FAULT_KERNEL": "0:refused"}, r"CUDA_ERROR_NO_BINARY_FOR_GPU\)"),
    "a wrong result": ({"FAULT_KERNEL": "0:wrong"}, "wrong result"),
    "a kernel that ends the process": ({"FAULT_KERNEL": "0:crash"}, "its proof of use ended with exit status -6"),
    "devices that are all refused": (
        {"FAULT_KERNEL": "0:old,1:refused", "FAULT_DEVICES": "2"}, "device 0 .*7.0.*; CUDA device 1 .*NO_BINARY",
    ),
}  # fmt: skip
#: a slow machine needs more time for the proof than a user waits for it
PATIENT = f"""
from hevesy.kernels.backends import cuda_probe
cuda_probe.PATIENCE_S = {PATIENCE_S}
"""
COMMAND = f"{PATIENT}\nimport sys\nsys.argv[0] = 'hevesy'\nfrom hevesy.cli.main import entry\nentry()"
DECIDE = f"{PATIENT}\nimport json\nprint(json.dumps(cuda_probe.why_not()))"


@pytest.fixture(scope="module")
def driver(tmp_path_factory) -> Path:
    """Folder with a CUDA driver library that can be loaded and does nothing."""
    if not sys.platform.startswith("linux"):
        pytest.skip("where a library is found is told in Linux's way")
    needs.kernel_compiler()
    folder = tmp_path_factory.mktemp("driver")
    command = [*needs.c_compiler(), "-shared", "-fPIC", "-o", str(folder / "libcuda.so.1"), str(STACK / "driver.c")]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture(scope="module")
def problem(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("problem") / "tiny.npz"
    cuda_offline.tiny_problem().save(file)
    return file


def environment(driver: Path, faults: dict[str, str]) -> dict[str, str]:
    """The environment of a machine with this fault."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "FAULT_"))}
    paths = {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(STACK), os.environ.get("PYTHONPATH", "")))),
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, (str(driver), os.environ.get("LD_LIBRARY_PATH", "")))),
    }
    return {**kept, **paths, "HEVESY_TRACEBACK": "", **faults}


def simulate(environment: dict[str, str], problem: Path, out: Path, backend: str) -> subprocess.CompletedProcess[str]:
    """``hevesy simulate`` on that machine."""
    words = ["simulate", str(problem), "-o", str(out), "--decays", "200", "--json", "--quiet", "--backend", backend]
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *words], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("kind", KINDS)
def test_cuda_is_refused_with_the_reason(driver, problem, tmp_path, kind):
    faults, expected = KINDS[kind]
    ran = simulate(environment(driver, faults), problem, tmp_path / "dose.h5", "cuda")
    assert ran.returncode == 2, ran.stderr
    assert re.search(f"why: .*{expected}", ran.stderr), ran.stderr
    problem_line, why, suggestion = ran.stderr.strip().splitlines()
    assert problem_line == "backend: backend 'cuda' cannot run here"
    assert suggestion.startswith("  try: ")
    assert len(why) < 600
    assert not (tmp_path / "dose.h5").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_the_decision_takes_less_than_three_seconds(driver, kind):
    faults, expected = KINDS[kind]
    with promised(DECISION_S):
        ran = subprocess.run(
            [sys.executable, "-c", DECIDE], env=environment(driver, faults), capture_output=True, text=True, check=True
        )
    assert ran.stderr == ""
    reason = json.loads(ran.stdout)
    assert re.search(expected, reason), reason


@pytest.mark.parametrize("kind", ["a driver newer than its bindings", "a kernel that ends the process"])
def test_auto_runs_on_the_cpu_and_says_why_in_one_line(driver, problem, tmp_path, kind):
    faults, expected = KINDS[kind]
    ran = simulate(environment(driver, faults), problem, tmp_path / "dose.h5", "auto")
    assert ran.returncode == 0, ran.stderr
    assert re.search(f"^WARNING .*backend: cpu, because .*{expected}", ran.stderr), ran.stderr
    assert ran.stderr.count("\n") == 1, ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["backend"] == "cpu"
    assert re.search(f"; no GPU: .*{expected}", answer["device"])


def survey(monkeypatch, driver, patience_s: float = PATIENCE_S, **faults: str) -> cuda_probe.Survey:
    """What the devices of a machine with these faults prove, asked from this process."""
    for name, value in environment(driver, faults).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cuda_probe, "PATIENCE_S", patience_s)
    monkeypatch.syspath_prepend(str(STACK))
    return cuda_probe.survey_devices.__wrapped__()


def test_a_device_that_works_is_usable(driver, monkeypatch):
    """Without a fault the same stand-ins pass: what is refused above is refused for its fault."""
    answer = survey(monkeypatch, driver, FAULT_KERNEL="9:none")
    assert answer == cuda_probe.Survey({0: "GPU 0"}, {0: ""}, capabilities={0: "9.0"})


@pytest.mark.parametrize(
    "chatter",
    ["hello", '["stack"]\n', '["device", 5]\n["count", "1"]\n[["stack"], 1]\n', '["device", 0, null, 3, ""]\n'],
)
def test_what_a_library_prints_is_no_fact(driver, monkeypatch, chatter):
    answer = survey(monkeypatch, driver, FAULT_KERNEL="9:none", FAULT_CHATTER=chatter)
    assert answer == cuda_probe.Survey({0: "GPU 0"}, {0: ""}, capabilities={0: "9.0"})


@pytest.mark.parametrize("fault", ["old", "compiler", "refused", "wrong", "crash"])
def test_one_bad_device_does_not_take_the_others_down(driver, monkeypatch, caplog, fault):
    answer = survey(monkeypatch, driver, FAULT_KERNEL=f"1:{fault}", FAULT_DEVICES="3")
    assert answer.usable == (0, 2)
    assert list(answer.names) == [0, 1, 2]
    monkeypatch.setattr(cuda_probe, "survey_devices", lambda: answer)
    monkeypatch.setattr(cuda_probe, "missing_packages", list)
    monkeypatch.setattr(cuda_probe, "_driver_missing", lambda: False)
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    cuda_probe.devices.cache_clear()
    try:
        assert cuda_probe.devices() == (0, 2)
    finally:
        cuda_probe.devices.cache_clear()
    assert len(caplog.records) == 1
    assert caplog.text.count("not used: CUDA device 1 (") == 1


def test_a_device_that_hangs_is_left(driver, monkeypatch):
    """The other one has to prove itself within the same patience, which a slow machine needs more of."""
    for patience_s in (2.0, 10.0, PATIENCE_S):
        answer = survey(monkeypatch, driver, patience_s, FAULT_KERNEL="0:hang", FAULT_DEVICES="2")
        if answer.usable:
            break
    assert answer.usable == (1,)
    assert answer.reasons[0] == f"its proof of use did not end within {patience_s:.0f} s"


def test_a_driver_that_hangs_is_left(driver, monkeypatch):
    answer = survey(monkeypatch, driver, patience_s=2.0, FAULT_DRIVER="hang")
    assert answer.why == "the proof that CUDA works did not end within 2 s"


def test_devices_of_one_kind_are_reported_together():
    names = dict.fromkeys(range(3), "GPU")
    answer = cuda_probe.Survey(names, {0: "too old", 1: "", 2: "too old"})
    assert answer.refused() == ["CUDA device 0, 2 (GPU): too old"]


def test_a_python_that_cannot_be_started_is_a_reason(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    answer = cuda_probe.survey_devices.__wrapped__()
    assert answer.why.startswith("the proof that CUDA works could not be started (")


def test_the_terminal_is_told_once(monkeypatch, caplog):
    """Every run's log has the line; a case of many visits does not repeat the warning."""
    from hevesy.engine.transport import engines

    monkeypatch.setattr(engines, "_warned", set())
    monkeypatch.setattr(cuda_probe, "why_not", lambda: "of a broken driver")
    monkeypatch.setattr(cuda_probe, "expected", lambda: True)
    with caplog.at_level("INFO"):
        assert [engines.chosen_backend("auto") for _ in range(3)] == ["cpu"] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "INFO"]
    assert {record.getMessage() for record in caplog.records} == {"backend: cpu, because of a broken driver"}
