"""What `make gpu-first` finds on a machine, and what it advises: the right package for what is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hevesy.kernels.backends import cuda_probe
from hevesy.tools.gpu_first import advice, machine_step
from hevesy.tools.gpu_first.runner import Notes, read_facts

ROOT = Path(machine_step.__file__).resolve().parents[2]
EVERYTHING = [*machine_step.NEEDED, "CuPy", *machine_step.LIBRARIES]


@pytest.fixture
def notes(tmp_path):
    return Notes(tmp_path / "facts", {}, 60.0)


@pytest.fixture
def complete(monkeypatch):
    """A machine with everything."""
    monkeypatch.setattr(machine_step, "_library", lambda name: "/here")
    monkeypatch.setattr(machine_step, "_version", lambda name: "1.0")
    monkeypatch.setattr(machine_step, "_smi", list)
    monkeypatch.setattr(cuda_probe, "missing_packages", list)
    monkeypatch.setattr(cuda_probe, "_driver_missing", lambda: False)
    monkeypatch.setattr(cuda_probe, "driver_version", lambda: "580.82")


def told(notes: Notes, kind: str) -> dict:
    return next(values for found, values in read_facts(notes._file) if found == kind)


def test_a_machine_with_everything_passes(complete, notes):
    machine_step.machine(notes)
    assert told(notes, "machine")["libraries"] == dict.fromkeys(machine_step.LIBRARIES, "/here")


def test_a_missing_library_is_named(complete, monkeypatch, notes):
    monkeypatch.setattr(machine_step, "_library", lambda name: "" if name == "nvrtc" else "/here")
    with pytest.raises(RuntimeError, match="missing: nvrtc$"):
        machine_step.machine(notes)
    assert told(notes, "machine")["libraries"]["nvrtc"] == ""
    assert "pip install 'nvidia-cuda-nvrtc==13.0.*'; or set CUDA_HOME" in told(notes, "advice")["text"]


def test_a_missing_package_is_named(complete, monkeypatch, notes):
    monkeypatch.setattr(cuda_probe, "missing_packages", lambda: ["CuPy"])
    monkeypatch.setattr(machine_step, "_version", lambda name: "" if name == "h5py" else "1.0")
    with pytest.raises(RuntimeError, match="missing: h5py, CuPy$"):
        machine_step.machine(notes)
    assert told(notes, "advice")["text"].endswith(" -m pip install 'h5py' 'cupy-cuda13x'")


def test_a_missing_driver_is_named(complete, monkeypatch, notes):
    monkeypatch.setattr(cuda_probe, "_driver_missing", lambda: True)
    with pytest.raises(RuntimeError, match="missing: an NVIDIA driver$"):
        machine_step.machine(notes)
    assert told(notes, "advice")["text"] == advice.NO_DRIVER


def test_an_older_driver_takes_packages_of_cuda_12():
    text = machine_step.what_to_install(["numba-cuda", "CuPy", "nvvm"], "570.124.06")
    assert "'numba-cuda[cu12]>=0.30,<0.31' 'cupy-cuda12x' 'nvidia-cuda-nvcc-cu12'" in text
    assert "13" not in text.split("install")[1]


def test_what_is_advised_is_what_the_project_names():
    """Bounds are those of the extras in pyproject.toml."""
    extras = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2]
    named = {word.split(";")[0] for word in re.findall('"([^"]*)"', extras.partition("\nbuild =")[0])}
    for driver in ("580.82", "570.1"):
        advised = re.findall("'([^']*)'", machine_step.what_to_install(EVERYTHING, driver))
        assert len(advised) >= len(EVERYTHING)
        for word in advised:
            bounded = any(sign in word for sign in "<>=")
            assert not bounded or word in named, word


@pytest.mark.parametrize(
    ("step", "error", "text"),
    [
        ("kernel", AttributeError("numpy has no trapz"), "numpy<2.5"),
        ("kernel", RuntimeError("UNSUPPORTED_PTX_VERSION"), "nvidia-smi"),
        ("names", AttributeError("no such attribute"), "cuda_lane.py"),
        ("names", RuntimeError("NO_DEVICE"), "nvidia-smi"),
        ("engine", ModuleNotFoundError("No module named 'scipy'"), "'machine'"),
        ("engine", ArithmeticError("3 quanta lost"), ""),
        ("machine", RuntimeError("missing: CuPy"), ""),
    ],
)
def test_advice_fits_the_error(monkeypatch, step, error, text):
    monkeypatch.setattr(cuda_probe, "_driver_missing", lambda: False)
    said = advice.about(step, error)
    assert text in said
    assert bool(said) == bool(text)
    monkeypatch.setattr(cuda_probe, "_driver_missing", lambda: True)
    if step != "machine":
        assert advice.about(step, error) == advice.NO_DRIVER


def test_advice_of_a_step_replaces_the_usual_one():
    assert advice.of([("advice", {"text": "do this"})], "do that") == "do this"
    assert advice.of([("card", {})], "do that") == "do that"
