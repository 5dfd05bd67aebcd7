"""Volume fractions of shapes: exact volumes, sums over touching shapes, any position of the grid."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hevesy.engine.grid import Grid
from hevesy.phantoms.shapes import (
    Box,
    Capsule,
    Cylinder,
    Ellipsoid,
    Rib,
    Shape,
    Trunk,
    fraction,
    full_fraction,
    sphere,
)


def cube(n: int, step: float, shift: float = 0.0) -> Grid:
    start = -0.5 * step * (n - 1) + shift
    return Grid((n, n, n), (step, step, step), (start, start, start))


@pytest.mark.parametrize(
    "shape",
    [
        Ellipsoid((1.3, -2.1, 0.7), (11.0, 8.0, 14.0)),
        Box((1.0, 2.0, -3.0), (7.3, 9.1, 12.2)),
        Cylinder((0.4, 1.0, 2.0), 13.0, (9.0, 12.0)),
        Capsule((-8.0, 3.0, -9.0), (7.0, -5.0, 6.0), 6.5),
    ],
)
def test_fractions_add_up_to_the_volume(shape) -> None:
    grid = cube(16, 4.0)
    part = full_fraction(shape, grid, points=10)
    assert part.min() >= 0 and part.max() <= 1
    assert part.sum() * grid.voxel_volume_ml == pytest.approx(shape.volume_ml, rel=2e-3)


@pytest.mark.parametrize("diameter_voxels", [3.0, 4.0, 6.0])
@pytest.mark.parametrize("shift", [0.0, 0.9, 1.7])
def test_lesions_above_three_voxels_have_their_volume_within_half_a_percent(diameter_voxels, shift) -> None:
    grid = cube(14, 4.0, shift)
    volume = math.pi / 6 * (4.0 * diameter_voxels) ** 3 * 1e-3
    part = full_fraction(sphere((0.3, -0.4, 0.2), volume), grid, points=10)
    assert part.sum() * grid.voxel_volume_ml == pytest.approx(volume, rel=5e-3)


def test_sphere_of_any_proportions_has_the_volume_asked_for() -> None:
    assert sphere((0, 0, 0), 2.5).volume_ml == pytest.approx(2.5)
    long = sphere((0, 0, 0), 2.5, (2.0, 1.0, 0.7))
    assert long.volume_ml == pytest.approx(2.5)
    assert long.semi_axes_mm[0] / long.semi_axes_mm[2] == pytest.approx(2.0 / 0.7)


def test_fraction_of_a_box_is_exact_where_faces_fall_on_subpoints() -> None:
    grid = cube(6, 4.0)
    part = full_fraction(Box((0.0, 0.0, 0.0), (4.0, 4.0, 6.0)), grid, points=4)
    expected = np.zeros(grid.shape)
    expected[2:4, 2:4, 2:4] = 1.0
    expected[2:4, 2:4, [1, 4]] = 0.5
    np.testing.assert_allclose(part, expected)


def test_two_halves_make_the_whole() -> None:
    """Fractions of a box and of its two halves agree voxel by voxel."""
    grid = cube(9, 3.0)
    # Faces on the edges of the sub-cells: 0.6 mm steps from -13.5 mm.
    whole = full_fraction(Box((0, 0, 0), (8.1, 6.9, 6.3)), grid, points=5)
    low = full_fraction(Box((-4.8, 0, 0), (3.3, 6.9, 6.3)), grid, points=5)
    high = full_fraction(Box((3.3, 0, 0), (4.8, 6.9, 6.3)), grid, points=5)
    assert whole.sum() * grid.voxel_volume_ml == pytest.approx(8 * 8.1 * 6.9 * 6.3 * 1e-3)
    np.testing.assert_allclose(low + high, whole, atol=1e-12)


def test_shape_outside_the_grid_gives_nothing() -> None:
    box, part = fraction(Ellipsoid((500.0, 0.0, 0.0), (5.0, 5.0, 5.0)), cube(8, 4.0))
    assert part.size == 0 and cube(8, 4.0).shape == (8, 8, 8)
    assert full_fraction(Ellipsoid((500.0, 0.0, 0.0), (5.0, 5.0, 5.0)), cube(8, 4.0)).sum() == 0
    assert box[0].start == box[0].stop


LEVELS: list[Shape] = [
    Ellipsoid((1.0, 2.0, 3.0), (20.0, 9.0, 40.0)),
    Box((0.0, 0.0, 0.0), (10.0, 20.0, 5.0)),
    Cylinder((0.0, 0.0, 0.0), 30.0, (9.0, 30.0)),
    Capsule((-20.0, 0.0, 0.0), (30.0, 10.0, 5.0), 8.0),
    Trunk(((-40.0, 0.0, 50.0, 60.0), (0.0, 4.0, 40.0, 60.0), (40.0, 4.0, 25.0, 30.0))),
    Rib((0.0, 0.0, 0.0), (30.0, 45.0), 5.0, 0.3),
]


@pytest.mark.parametrize("shape", LEVELS, ids=lambda s: type(s).__name__)
def test_near_the_surface_levels_change_by_no_more_than_the_distance(shape: Shape) -> None:
    """What lets :func:`fraction` decide whole voxels by their centres."""
    rng = np.random.Generator(np.random.Philox(7))
    a = rng.uniform(-60, 60, (200_000, 3))
    b = a + rng.normal(0, 2.0, a.shape)
    la, lb = shape.level(*a.T), shape.level(*b.T)
    near = np.minimum(abs(la), abs(lb)) < 8.0
    assert near.sum() > 5000
    distance = np.linalg.norm(a - b, axis=1)
    crossing = near & (np.sign(la) != np.sign(lb))
    assert crossing.sum() > 300
    assert np.all(np.abs(la[crossing]) <= distance[crossing] * 1.0001)


@pytest.mark.parametrize("shape", LEVELS, ids=lambda s: type(s).__name__)
def test_bounds_hold_the_shape(shape: Shape) -> None:
    rng = np.random.Generator(np.random.Philox(8))
    points = rng.uniform(-80, 80, (200_000, 3))
    low, high = shape.bounds()
    inside = points[shape.level(*points.T) < 0]
    assert len(inside) > 50
    assert np.all(inside >= low) and np.all(inside <= high)
