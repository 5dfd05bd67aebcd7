"""Functions of the CPU target against NumPy in double precision, and the bit grids of the tables."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hevesy.engine.transport.tables.bit_grid import BitGrid
from hevesy.kernels import target
from hevesy.kernels.backends import cpu
from hevesy.kernels.loader import load

TARGET = cpu._target()


def over(function, x):
    """A scalar function of the target, compiled as the backend compiles it, at many places."""

    @numba.njit(**cpu.OPTIONS)
    def run(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    out = np.empty_like(x)
    run(x, out)
    return out


def test_logarithm_is_accurate() -> None:
    x = np.concatenate([np.geomspace(1e-30, 1e30, 200_001), np.linspace(0.5, 2.0, 200_001)]).astype(np.float32)
    exact = np.log(x.astype(float))
    assert np.abs(over(TARGET.log, x) - exact).max() <= 2e-7 * np.abs(exact).max()
    near = (x > 0.5) & (x < 2.0) & (x != 1.0)
    assert np.abs(over(TARGET.log, x[near]) / exact[near] - 1).max() < 3e-7
    assert over(TARGET.log, np.ones(1, np.float32))[0] == 0.0
    # the smallest and the largest number that a random word can be
    ends = np.array([0.5 / (1 << 23), 1 - 0.5 / (1 << 23)], np.float32)
    np.testing.assert_allclose(over(TARGET.log, ends), np.log(ends.astype(float)), rtol=3e-7)


def test_exponential_is_accurate() -> None:
    x = np.linspace(-80, 80, 400_001).astype(np.float32)
    # an argument rounded to float32 is itself off by 2^-24 of it
    assert np.abs(over(TARGET.exp, x) / np.exp(x.astype(float)) - 1).max() < 3e-7
    assert over(TARGET.exp, np.zeros(1, np.float32))[0] == 1.0


COS_SIN_2PI = TARGET.cos_sin_2pi


def test_cosine_and_sine_of_2_pi_x() -> None:
    share = np.linspace(0, 1, 400_001).astype(np.float32)
    cosine, sine = (
        over(numba.njit(**cpu.OPTIONS)(f), share) for f in (lambda s: COS_SIN_2PI(s)[0], lambda s: COS_SIN_2PI(s)[1])
    )
    angle = 2 * np.pi * share.astype(float)
    assert np.abs(cosine - np.cos(angle)).max() < 1.5e-7
    assert np.abs(sine - np.sin(angle)).max() < 1.5e-7


def test_bits_of_float32_make_the_way_to_integer_and_back() -> None:
    """Every bit of the number as an integer, and back."""
    x = np.array([1.0, 0.1, 3e-5, 700.0, 1e30], np.float32)
    function, back = TARGET.float_bits, TARGET.bits_float

    @numba.njit(**cpu.OPTIONS)
    def run(x, bits, again):
        for i in range(x.size):
            bits[i] = function(x[i])
            again[i] = back(bits[i])

    bits, again = np.empty(x.size, np.int32), np.empty_like(x)
    run(x, bits, again)
    assert (bits == x.view(np.int32)).all()
    assert (again == x).all()


@pytest.mark.parametrize("shift", [16, 20])
def test_kernels_find_the_nodes_of_the_host(shift) -> None:
    """Node and fraction, inside and beyond the ends; the values of the nodes themselves."""
    grid = BitGrid.over(0.0011, 2.9, shift)
    assert grid.values[0] <= 0.0011 < grid.values[1]
    assert grid.values[-2] < 2.9 <= grid.values[-1]
    interp = load("python", target, "interp")
    for x in (1e-6, 0.0011, *grid.values[[1, 7, -2]], 0.0773, 1.9, 2.9, 50.0):
        node, fraction = interp.locate(np.float32(x), np.int32(grid.low), np.int32(grid.nodes), shift)
        expected = grid.locate(np.array([x]))
        assert (int(node), float(fraction)) == (int(expected[0][0]), float(expected[1][0]))
        if grid.values[0] <= x < grid.values[-1]:
            values = grid.values
            assert values[node] + fraction * (values[node + 1] - values[node]) == pytest.approx(x, rel=1e-7)
    for node in (0, 5, grid.nodes - 1):
        assert interp.node_value(np.int32(node), np.int32(grid.low), shift) == grid.values[node]


@pytest.mark.parametrize("strength", [0.01, 0.2, 0.6])
@pytest.mark.parametrize("skew", [0.0, 0.05, 1.5])
def test_hinge_shares_match_the_law(strength, skew) -> None:
    """Share of the path before the hinge: the inverse of a truncated exponential in strength, then in path."""
    hinge_share = load("python", target, "physics.electron.step").hinge_share
    r = np.linspace(0.0, 1.0, 1001)
    share = -np.log(1 - r * (1 - np.exp(-strength))) / strength
    x = np.array([hinge_share(strength, skew, v) for v in r])
    np.testing.assert_allclose(x * (1 + skew * x) / (1 + skew), share, atol=2e-4 * (strength / 0.6) ** 4 + 1e-8)
