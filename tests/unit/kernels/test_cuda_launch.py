"""A prepared launch passes what Numba's own launch passes, and gives way to it where Numba is another."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hevesy.kernels.backends import cuda_launch
from hevesy.tools import cuda_launches

NUMBERS = (3, 0, 1 << 40, 8_000_000)


@pytest.fixture
def recorded(monkeypatch):
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: pip install '.[gates]'")
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    with cuda_launches.without_a_driver() as parts:
        yield parts


def plain(values):
    """Types and values of unpacked arguments."""
    return [(type(v), v.value) if isinstance(v, ctypes._SimpleCData) else (type(v), v) for v in values]


def test_the_same_arguments_arrive(recorded):
    kernel, fixed, launches = recorded
    prepared = cuda_launch.launcher(kernel, cuda_launch.Launch(7, 64, 0), fixed, 4)
    assert isinstance(prepared, cuda_launch.Prepared)
    prepared(*NUMBERS)
    cuda_launch.ThroughNumba(kernel[7, 64], fixed)(*NUMBERS)
    mine, numbas = launches
    assert plain(mine.arguments) == plain(numbas.arguments)
    assert len(mine.arguments) > 180
    assert [v.value for v in mine.arguments[-4:]] == list(NUMBERS)
    assert (mine.shape, mine.function, mine.stream) == (numbas.shape, numbas.function, numbas.stream)
    prepared(4, 0, 1, 2)
    assert [v.value for v in launches[2].arguments[-4:]] == [4, 0, 1, 2]


@pytest.mark.parametrize("break_it", ["no such method", "other order", "not on the device"])
def test_another_numba_is_used_as_it_is(recorded, monkeypatch, caplog, break_it):
    kernel, fixed, _ = recorded
    usual = kernel.definition._prepare_args

    def other(kind, value, stream, temporary, unpacked):
        if break_it == "no such method":
            raise AttributeError("_prepare_args")
        usual(kind, value, stream, temporary, unpacked)
        if break_it == "other order":
            unpacked[-1:] = [np.int64(0)]
        else:
            temporary.append(lambda: None)

    monkeypatch.setattr(kernel.definition, "_prepare_args", other)
    with caplog.at_level("INFO"):
        launcher = cuda_launch.launcher(kernel, cuda_launch.Launch(7, 64, 0), fixed, 4)
    assert isinstance(launcher, cuda_launch.ThroughNumba)
    assert "CUDA launches through Numba's dispatcher, slower" in caplog.text


def test_the_simulator_launches_through_numba(monkeypatch):
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    given = []
    kernel = {(1, 32): lambda *arguments: given.append(arguments)}
    cuda_launch.launcher(kernel, cuda_launch.Launch(1, 32, 0), ("world",), 4)(1, 2, 3, 4)
    assert given == [("world", 1, 2, 3, 4)]
    assert all(isinstance(v, np.int64) for v in given[0][1:])
