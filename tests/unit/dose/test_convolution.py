"""Convolution by transforms: the same as the sum over all pairs of voxels, with nothing wrapped, lost or negative."""

from __future__ import annotations

import itertools
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hevesy.engine.dose import convolution
from hevesy.engine.dose.convolution import convolve, padded_shape, share_inside
from hevesy.engine.errors import InputError
from hevesy.tests.patience import promised
from scipy import fft

SHAPES = [((5, 6, 7), (3, 5, 7)), ((4, 9, 3), (11, 5, 9)), ((1, 2, 8), (7, 1, 3)), ((3, 3, 3), (1, 1, 1))]


def direct(decays: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The sum over all pairs of voxels."""
    out = np.zeros(decays.shape)
    middle = [n // 2 for n in kernel.shape]
    for source in itertools.product(*map(range, decays.shape)):
        for target in itertools.product(*map(range, decays.shape)):
            offset = tuple(t - s + m for s, t, m in zip(source, target, middle, strict=True))
            if all(0 <= i < n for i, n in zip(offset, kernel.shape, strict=True)):
                out[target] += decays[source] * kernel[offset]
    return out


def steep(shape: tuple[int, ...], seed: int = 3) -> np.ndarray:
    """A kernel as radiation makes them: six orders of magnitude from the middle to its corners, and no symmetry."""
    axes = np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij")
    r = np.sqrt(sum(a.astype(float) ** 2 for a in axes))
    return np.exp(-14.0 * r / max(r.max(), 1.0)) * np.random.default_rng(seed).uniform(0.5, 1.5, shape)


@pytest.mark.parametrize(("grid", "box"), SHAPES)
def test_it_is_the_sum_over_all_pairs(grid, box):
    decays, kernel = np.random.default_rng(1).gamma(0.3, 1.0, grid), steep(box)
    truth = direct(decays, kernel)
    energy = convolve(decays, kernel)
    assert energy.shape == grid and energy.dtype == np.float64
    assert np.abs(energy - truth).max() < 1e-10 * truth.max()


def test_one_decay_returns_the_kernel_where_it_happens():
    kernel = steep((5, 7, 3))
    decays = np.zeros((9, 11, 8))
    decays[4, 5, 2] = 2.5
    energy = convolve(decays, kernel)
    np.testing.assert_allclose(energy[2:7, 2:9, 1:4], 2.5 * kernel, rtol=0, atol=1e-14)
    energy[2:7, 2:9, 1:4] = 0.0
    assert energy.max() < 1e-14 and energy.min() >= 0.0


@pytest.mark.parametrize("corner", list(itertools.product((0, -1), repeat=3)))
def test_nothing_wraps_around(corner):
    """From a corner the opposite one gets only what the kernel has there, though the kernel leaves the grid."""
    kernel, decays = np.ones((5, 5, 5)), np.zeros((8, 9, 10))
    decays[corner] = 1.0
    energy = convolve(decays, kernel)
    near = np.zeros(decays.shape, bool)
    near[tuple(slice(0, 3) if c == 0 else slice(-3, None) for c in corner)] = True
    np.testing.assert_allclose(energy[near], 1.0, rtol=1e-13)
    assert energy[~near].max() < 1e-13


def test_it_is_linear_and_moves_with_the_decays():
    rng, kernel = np.random.default_rng(2), steep((9, 9, 9))
    a, b = rng.random((12, 13, 14)), rng.random((12, 13, 14))
    np.testing.assert_allclose(
        convolve(2.0 * a + 3.0 * b, kernel), 2.0 * convolve(a, kernel) + 3.0 * convolve(b, kernel), rtol=1e-12
    )
    inner = np.zeros((20, 20, 20))
    inner[5:10, 6:9, 7:12] = rng.random((5, 3, 5))
    moved = np.roll(inner, (3, -1, 2), (0, 1, 2))
    np.testing.assert_allclose(
        convolve(moved, kernel), np.roll(convolve(inner, kernel), (3, -1, 2), (0, 1, 2)), rtol=0, atol=1e-14
    )


def test_energy_is_that_inside_the_grid_and_the_rest_is_outside():
    """Sums over boxes, which no transform takes part in, say what stays; far from the faces it is all."""
    rng = np.random.default_rng(4)
    for grid, box in SHAPES:
        decays, kernel = rng.random(grid), steep(box)
        assert convolve(decays, kernel).sum() == pytest.approx((decays * share_inside(kernel, grid)).sum(), rel=1e-12)
    kernel = steep((5, 5, 5))
    inside = share_inside(kernel, (9, 9, 9))
    np.testing.assert_allclose(inside[2:7, 2:7, 2:7], kernel.sum(), rtol=1e-13)
    assert inside[0, 0, 0] == pytest.approx(kernel[2:, 2:, 2:].sum()) and inside[0, 0, 0] < kernel.sum()


def test_single_precision_is_for_whoever_asks_and_loses_what_is_far():
    """The measured reason for double precision: far voxels get 1e-7 of the largest value as noise."""
    decays, exact = np.zeros((47, 47, 47)), steep((47, 47, 47))
    decays[23, 23, 23] = 1.0
    far = exact < 1e-5 * exact.max()
    errors = {
        dtype: np.abs(convolve(decays, exact, dtype=dtype) - exact).max() / exact.max()
        for dtype in (np.float32, np.float64)
    }
    assert errors[np.float64] < 1e-14 and 1e-9 < errors[np.float32] < 1e-6
    relative = {
        dtype: np.abs(convolve(decays, exact, dtype=dtype) / exact - 1.0)[far] for dtype in (np.float32, np.float64)
    }
    assert far.sum() > 1000 and relative[np.float64].max() < 1e-8 and relative[np.float32].max() > 1e-3


def test_negative_values_of_a_difference_stay():
    kernel = steep((3, 3, 3))
    kernel[0, 0, 0] = -5.0
    decays = np.random.default_rng(1).random((4, 4, 4))
    np.testing.assert_allclose(convolve(decays, kernel), direct(decays, kernel), atol=1e-13)
    assert convolve(decays, kernel).min() < 0.0


@pytest.mark.parametrize(
    ("decays", "kernel", "message"),
    [
        (np.ones((3, 3)), np.ones((3, 3, 3)), r"shape \(3, 3\)"),
        (np.ones((3, 3, 0)), np.ones((3, 3, 3)), r"shape \(3, 3, 0\)"),
        (np.full((3, 3, 3), np.nan), np.ones((3, 3, 3)), "undefined"),
        (np.ones((3, 3, 3)), np.full((3, 3, 3), np.inf), "undefined"),
        (np.ones((3, 3, 3)), np.ones((3, 4, 3)), "no middle voxel"),
    ],
)
def test_what_cannot_be_convolved_is_refused(decays, kernel, message):
    with pytest.raises(InputError, match=message):
        convolve(decays, kernel)


def test_128_voxels_along_each_axis_in_two_seconds():
    """Processor time, because the machine may be busy: two cores for two seconds at most."""
    decays = np.random.default_rng(1).random((128, 128, 128))
    kernel = np.random.default_rng(2).random((229, 229, 229))
    assert min(padded_shape(decays.shape, kernel.shape)) >= 128 + 114
    with promised(4.0):
        convolve(decays, kernel)


def test_the_device_path_calls_cupy_as_its_documentation_has_it(monkeypatch):
    """A stand-in with CuPy's names and SciPy's numbers: the calls are right; no device has run them."""
    calls = []

    def noted(name, function):
        def call(*arguments, **keywords):
            calls.append(name)
            return function(*arguments, **keywords)

        return call

    cupy = SimpleNamespace(
        asarray=noted("asarray", np.asarray),
        asnumpy=noted("asnumpy", np.array),
        fft=SimpleNamespace(rfftn=noted("rfftn", fft.rfftn), irfftn=noted("irfftn", fft.irfftn)),
    )
    decays, kernel = np.random.default_rng(1).random((6, 5, 4)), steep((5, 5, 5))
    shape = padded_shape(decays.shape, kernel.shape)
    energy = convolution._on_device(cupy, decays, kernel, shape, np.float64)
    np.testing.assert_allclose(energy, direct(decays, kernel), rtol=0, atol=1e-12)
    assert sorted(calls) == ["asarray", "asarray", "asnumpy", "irfftn", "rfftn", "rfftn"]


def test_a_device_that_is_asked_for_and_missing_is_refused(monkeypatch):
    monkeypatch.setattr(convolution, "backend_behind", lambda name: "cuda")

    def refuse(backend):
        raise InputError("backend 'cuda' cannot run here", why="a test says so")

    monkeypatch.setattr(convolution, "check_usable", refuse)
    with pytest.raises(InputError, match="cannot run here"):
        convolve(np.ones((3, 3, 3)), np.ones((3, 3, 3)), backend="cuda")


def test_auto_goes_on_with_the_cpu_where_the_device_fails(monkeypatch):
    """Out of memory on a device, or CuPy missing: the same numbers by the CPU."""
    decays, kernel = np.random.default_rng(1).random((6, 5, 4)), steep((5, 5, 5))
    monkeypatch.setattr(convolution, "backend_behind", lambda name: "cpu" if name == "cpu" else "cuda")
    monkeypatch.setattr(convolution, "check_usable", lambda name: None)
    monkeypatch.setitem(sys.modules, "cupy", None)  # its import fails
    np.testing.assert_array_equal(convolve(decays, kernel, backend="auto"), convolve(decays, kernel, backend="cpu"))
    with pytest.raises(InputError, match="cannot be opened"):
        convolve(decays, kernel, backend="cuda")
