"""The gamma index against closed forms, an independent search by brute force, and known cases at its limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hevesy.engine.compare.gamma import CRITERIA, gamma_index, gamma_rates
from hevesy.engine.dose import DoseMap
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid
from hevesy.kernels.backends.cpu_gamma import TOLERANCE, cells_around
from scipy.ndimage import gaussian_filter, map_coordinates

SHAPE = (9, 11, 13)
INNER = (slice(3, -3),) * 3


def dose_map(mean: np.ndarray, sigma: np.ndarray | None = None) -> DoseMap:
    return DoseMap("mc", mean, sigma, "Gy")


def smooth(shape: tuple[int, int, int], seed: int, blur: float) -> np.ndarray:
    field = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), blur)
    return 20.0 + 2.0 * field / field.std()


def by_brute_force(grid, reference, evaluated, voxel, criterion_gy, distance_mm, step_mm, reach_mm):
    """Smallest Gamma over a fine lattice of points of the trilinear map; and by how much a lattice may overestimate."""
    steps = [np.arange(-math.floor(reach_mm / step_mm), math.floor(reach_mm / step_mm) + 1) * step_mm] * 3
    z, y, x = np.meshgrid(*steps, indexing="ij")
    at = [v + d / s for v, d, s in zip(voxel, (z, y, x), grid.spacing_mm, strict=True)]
    inside = np.all([(a >= 0) & (a <= n - 1) for a, n in zip(at, grid.shape, strict=True)], axis=0)
    dose = map_coordinates(evaluated, [a[inside] for a in at], order=1)
    distance = np.sqrt(z**2 + y**2 + x**2)[inside]
    gamma = np.hypot(distance / distance_mm, (dose - reference[voxel]) / criterion_gy)
    slope = sum(np.abs(np.diff(evaluated, axis=a)).max() / grid.spacing_mm[a] for a in range(3))
    return gamma.min(), math.sqrt(3) / 2 * step_mm * (1 / distance_mm + slope / criterion_gy)


@pytest.mark.parametrize("normalisation", ["global", "local"])
def test_identical_maps_have_a_gamma_of_zero(normalisation):
    grid, dose = Grid(SHAPE, (4.0, 4.0, 4.0)), smooth(SHAPE, 1, 1.0)
    assert np.all(gamma_index(grid, dose, dose, 1.0, 1.0, normalisation) == 0.0)
    for rate in gamma_rates("v", grid, dose_map(dose), dose_map(dose)):
        assert (rate.voxels, rate.pass_percent) == (dose.size, 100.0)
        assert rate.noise_pass_percent is None
        assert rate.corrected_pass_percent is None


def test_a_uniform_shift_is_the_dose_difference_over_the_criterion():
    grid, dose = Grid(SHAPE, (4.0, 4.0, 4.0)), np.full(SHAPE, 20.0)
    assert gamma_index(grid, dose, dose * 1.02, 3.0, 3.0) == pytest.approx(2 / 3, abs=1e-12)
    assert gamma_index(grid, dose, dose * 0.97, 2.0, 1.0, "local") == pytest.approx(1.5, abs=1e-12)
    shares = [gamma_rates("v", grid, dose_map(dose), dose_map(dose * f), [(3, 3)])[0] for f in (1.03, 0.97, 1.0301)]
    assert [rate.pass_percent for rate in shares] == [100.0, 100.0, 0.0]


@pytest.mark.parametrize("direction", [(0, 0, 1), (0, 1, 0), (1, 0, 0), (1, -2, 2)])
@pytest.mark.parametrize("shift_mm", [0.3, -1.0, 2.5])
def test_a_shifted_gradient_has_the_closed_form(direction, shift_mm):
    """Gamma of a plane of slope g moved by d: g d over sqrt(dose criterion^2 + (g distance criterion)^2)."""
    grid = Grid(SHAPE, (2.0, 3.0, 5.0))
    unit = np.array(direction) / np.linalg.norm(direction)
    along = sum(axis * s * u for axis, s, u in zip(_open_axes(SHAPE), grid.spacing_mm, unit, strict=True))
    slope, percent, mm = 1.7, 2.0, 2.0
    reference = 200.0 + slope * along
    evaluated = reference - slope * shift_mm
    criterion = percent / 100 * reference.max()
    expected = slope * abs(shift_mm) / math.hypot(criterion, slope * mm)
    found = gamma_index(grid, reference, evaluated, percent, mm)[INNER]
    assert found == pytest.approx(expected, abs=TOLERANCE)
    local = slope * abs(shift_mm) / np.hypot(percent / 100 * reference, slope * mm)[INNER]
    assert gamma_index(grid, reference, evaluated, percent, mm, "local")[INNER] == pytest.approx(local, abs=TOLERANCE)


def _open_axes(shape):
    return np.ogrid[tuple(slice(n) for n in shape)]


def test_a_step_moved_by_less_than_the_distance_criterion_passes_and_by_more_fails():
    grid, shape = Grid((7, 7, 40), (1.0, 1.0, 1.0)), (7, 7, 40)
    x = _open_axes(shape)[2] + np.zeros(shape)
    reference, evaluated = np.where(x < 20, 50.0, 100.0), np.where(x < 22, 50.0, 100.0)
    # the ramp of the moved step rises from voxel 21 to 22; from voxels 20 and 21 its plane is 100 and 50 Gy away
    gamma = gamma_index(grid, reference, evaluated, 1.0, 1.0, largest=3.0)[3, 3]
    assert gamma[20] == pytest.approx(100 / math.hypot(1.0, 50.0), abs=TOLERANCE)
    assert gamma[21] == pytest.approx(50 / math.hypot(1.0, 50.0), abs=TOLERANCE)
    assert np.all(gamma[:19] == 0.0)
    rates = gamma_rates("v", grid, dose_map(reference), dose_map(evaluated), [(1, 1), (1, 1.9), (1, 2.1)], ["global"])
    assert [rate.pass_percent for rate in rates] == pytest.approx([100 * 39 / 40, 100 * 39 / 40, 100.0])


@pytest.mark.parametrize("spacing", [(4.0, 4.0, 4.0), (2.0, 3.5, 5.0), (0.9, 0.9, 1.5)])
@pytest.mark.parametrize("criterion", [(3.0, 3.0), (1.0, 1.0), (1.0, 2.0)])
@pytest.mark.parametrize("blur", [0.0, 1.5])
def test_brute_force_finds_the_same(spacing, criterion, blur):
    """No less than the finest lattice allows, no more than its best point: also in white noise, full of minima."""
    grid = Grid(SHAPE, spacing)
    reference = smooth(SHAPE, 3, 1.5)
    evaluated = reference + (1.5 if blur else 0.5) * (smooth(SHAPE, 4, blur) - 20.0)
    percent, mm = criterion
    largest, step = 1.5, mm / 25
    found = gamma_index(grid, reference, evaluated, percent, mm, floor_percent=0.0, largest=largest)
    passing = 0
    for voxel in [(4, 5, 6), (0, 0, 0), (2, 9, 11), (8, 5, 1), (5, 6, 2), (3, 3, 3), (6, 7, 8), (1, 5, 9)]:
        allowed = percent / 100 * reference.max()
        best, off = by_brute_force(grid, reference, evaluated, voxel, allowed, mm, step, largest * mm)
        assert found[voxel] <= min(best, largest) + TOLERANCE
        assert found[voxel] >= min(best - off, largest)
        passing += found[voxel] < largest
    assert passing >= 2


def test_the_search_stops_at_the_first_passing_point_with_the_same_answer():
    """Rates come from a search that ends early; they are those of the whole search, but for gammas at one."""
    grid, reference = Grid((6, 10, 10), (4.0, 4.0, 4.0)), smooth((6, 10, 10), 5, 1.2)
    evaluated = reference + 1.0 * (smooth(reference.shape, 6, 0.5) - 20.0)
    for normalisation in ("global", "local"):
        for percent, mm in CRITERIA:
            gamma = gamma_index(grid, reference, evaluated, percent, mm, normalisation)
            (rate,) = gamma_rates("v", grid, dose_map(reference), dose_map(evaluated), [(percent, mm)], [normalisation])
            surely = 100.0 * np.mean(gamma <= 1.0)
            assert surely <= rate.pass_percent <= 100.0 * np.mean(gamma <= 1.0 + TOLERANCE)
            assert 5.0 < rate.pass_percent < 99.0


def test_only_cells_within_reach_are_searched():
    cells, distance = cells_around((4.0, 4.0, 4.0), 3.0)
    assert sorted(map(tuple, cells)) == [(z, y, x) for z in (-1, 0) for y in (-1, 0) for x in (-1, 0)]
    assert np.all(distance == 0.0)
    cells, distance = cells_around((1.0, 2.0, 4.0), 1.5)
    assert {tuple(c) for c in cells} == {(z, y, x) for z in (-2, -1, 0, 1) for y in (-1, 0) for x in (-1, 0)}
    assert sorted(set(distance)) == [0.0, 1.0]


def test_voxels_below_the_floor_are_left_out():
    grid = Grid((4, 5, 6), (4.0, 4.0, 4.0))
    reference = np.linspace(1.0, 100.0, 120).reshape(grid.shape)
    rates = [gamma_rates("v", grid, dose_map(reference), dose_map(reference), floor_percent=f)[0] for f in (0, 10, 50)]
    assert [rate.voxels for rate in rates] == [np.count_nonzero(reference >= f) for f in (0, 10, 50)]
    assert np.array_equal(np.isnan(gamma_index(grid, reference, reference, 1, 1, floor_percent=50)), reference < 50)


@pytest.mark.parametrize("where", ["zero", "nan", "elsewhere", "floor"])
def test_maps_without_a_voxel_to_judge_have_no_rate(where):
    grid, dose = Grid((4, 5, 6), (4.0, 4.0, 4.0)), np.full((4, 5, 6), 10.0)
    reference, evaluated, floor = dose.copy(), dose.copy(), 10.0
    if where == "zero":
        reference[:] = 0.0
    elif where == "nan":
        reference[:] = np.nan
    elif where == "elsewhere":
        reference[:2], evaluated[2:] = 0.0, np.nan
    else:
        floor = 101.0
    rates = gamma_rates("v", grid, dose_map(reference, dose * 0.1), dose_map(evaluated), floor_percent=floor)
    assert len(rates) == 8
    for rate in rates:
        assert (rate.voxels, rate.pass_percent, rate.noise_pass_percent, rate.corrected_pass_percent) == (
            0,
            *[None] * 3,
        )


def test_what_is_not_a_number_is_neither_judged_nor_interpolated():
    """A cell with an undefined corner is not searched: next to it only the voxel's own dose counts."""
    grid, shape = Grid((3, 3, 8), (4.0, 4.0, 4.0)), (3, 3, 8)
    reference = 100.0 + 5.0 * (_open_axes(shape)[2] + np.zeros(shape))
    evaluated = reference - 5.0
    evaluated[..., 5] = np.nan
    gamma = gamma_index(grid, reference, evaluated, 3.0, 3.0, "global", largest=9.0)
    step = 5.0 / (0.03 * 135.0)
    plane = 5.0 / math.hypot(0.03 * 135.0, 5.0 / 4 * 3.0)
    assert np.all(np.isnan(gamma[..., 5]))
    assert np.all(np.isfinite(np.delete(gamma, 5, axis=2)))
    assert gamma[1, 1, 4] == pytest.approx(step)
    assert gamma[1, 1, 2] == pytest.approx(plane, abs=TOLERANCE)


def test_one_noisy_voxel_does_not_set_the_normalisation():
    """The dose criterion is a share of the largest dose that is known to 10 %, not of the largest number."""
    grid, reference = Grid((6, 6, 6), (4.0, 4.0, 4.0)), np.full((6, 6, 6), 10.0)
    sigma = np.full_like(reference, 0.01)
    reference[0, 0, 0], sigma[0, 0, 0] = 1000.0, 900.0
    evaluated = np.where(reference > 10.0, reference, 10.35)
    (rate,) = gamma_rates("v", grid, dose_map(reference, sigma), dose_map(evaluated), [(3.0, 3.0)], ["global"])
    assert rate.voxels == 216
    assert rate.pass_percent == pytest.approx(100.0 / 216.0 * 1)


@pytest.mark.parametrize("criterion", [(0.0, 3.0), (3.0, 0.0), (-1.0, 1.0), (math.nan, 1.0)])
def test_a_criterion_that_is_not_above_zero_is_refused(criterion):
    grid, dose = Grid(SHAPE, (4.0, 4.0, 4.0)), np.ones(SHAPE)
    with pytest.raises(InputError, match="(?s)gamma criterion is .*must be above zero"):
        gamma_rates("v", grid, dose_map(dose), dose_map(dose), [criterion])
    with pytest.raises(InputError, match="unknown normalisation of the gamma index: 'both'"):
        gamma_index(grid, dose, dose, 3.0, 3.0, "both")


def test_rates_of_a_small_part_are_those_of_the_whole():
    """Rates are worked out in the box around the judged voxels: what is searched beyond it is in the box too."""
    shape = (16, 18, 20)
    grid, x = Grid(shape, (1.0, 1.0, 1.0)), np.zeros(shape)
    x[6:9, 7:10, 8:12] = smooth((3, 3, 4), 8, 0.5)
    evaluated = np.roll(x, (2, 1, -1), axis=(0, 1, 2)) + 0.3
    for percent, mm in CRITERIA:
        gamma = gamma_index(grid, x, evaluated, percent, mm)
        (rate,) = gamma_rates("v", grid, dose_map(x), dose_map(evaluated), [(percent, mm)], ["global"])
        assert rate.voxels == 36
        low, high = (100.0 * np.mean(gamma[x > 0.0] <= limit) for limit in (1.0, 1.0 + TOLERANCE))
        assert low <= rate.pass_percent <= high
