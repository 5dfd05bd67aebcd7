"""Resampling conserves activity and mass."""

import numpy as np
import pytest
from hevesy.engine.grid import Grid, Volume
from hevesy.engine.imaging.resample import average, coverage, overlap_matrix, resample_conserving, resample_fraction

SOURCE = Grid((20, 30, 25), (3.27, 2.0, 1.0), (-5.0, 3.0, 7.0))


def rotated(angle, **changes):
    c, s = np.cos(angle), np.sin(angle)
    fields = {
        "shape": (40, 40, 40),
        "spacing_mm": (3.0, 3.0, 3.0),
        "origin_mm": (-30.0, -30.0, -30.0),
    } | changes
    return Grid(direction=(c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0), **fields)


def total(values, grid):
    return float(np.sum(values, dtype=np.float64)) * grid.voxel_volume_ml


def test_overlap_of_intervals_by_hand():
    weights = overlap_matrix(np.array([0.0, 2.0, 4.0]), np.array([-1.0, 0.5, 3.0])).toarray()
    np.testing.assert_allclose(weights, [[0.25, 0.75], [0.0, 0.5]])


@pytest.mark.parametrize("spacing", [(6.0, 5.5, 4.4), (1.1, 0.7, 0.9), (3.27, 2.0, 1.0)])
def test_total_activity_is_conserved_on_a_covering_grid(spacing):
    values = np.random.default_rng(1).gamma(1.0, 1000.0, SOURCE.shape)
    extent = np.array(SOURCE.shape) * SOURCE.spacing_mm + 15.0
    grid = Grid(tuple(int(n) for n in np.ceil(extent / spacing)), spacing, (-12.0, -4.0, 1.0))
    moved = resample_conserving(Volume(SOURCE, values, "Bq/mL"), grid)
    assert total(moved.values, grid) == pytest.approx(total(values, SOURCE), rel=1e-5)
    assert moved.quantity == "Bq/mL"


def test_a_common_region_is_conserved_voxel_by_voxel_of_a_whole_multiple():
    values = np.random.default_rng(2).random(SOURCE.shape)
    grid = Grid((10, 15, 5), (6.54, 4.0, 5.0), (-5.0 + 1.635, 4.0, 9.0))
    np.testing.assert_allclose(
        average(values, SOURCE, grid), values.reshape(10, 2, 15, 2, 5, 5).mean(axis=(1, 3, 5)), rtol=1e-12
    )


def test_outside_counts_as_zero_and_coverage_says_how_much():
    grid = Grid((1, 1, 4), (3.27, 2.0, 10.0), (-5.0, 3.0, 1.5))
    share = coverage(SOURCE, grid)
    np.testing.assert_allclose(share.ravel(), [0.0, 1.0, 1.0, 0.5])
    np.testing.assert_allclose(average(np.ones(SOURCE.shape), SOURCE, grid), share)


def test_slabs_give_the_same_as_the_whole(monkeypatch):
    from hevesy.engine.imaging import resample

    values = np.random.default_rng(3).random(SOURCE.shape)
    grid = Grid((9, 9, 9), (7.0, 7.0, 3.0), (-5.0, 3.0, 7.0))
    whole = average(values, SOURCE, grid)
    monkeypatch.setattr(resample, "SLAB_VOXELS", 1000)
    np.testing.assert_allclose(average(values, SOURCE, grid), whole, rtol=1e-12)


def test_rotated_grid_conserves_the_total_and_keeps_a_uniform_image_uniform():
    source = Grid((15, 20, 25), (3.27, 2.0, 1.5), (-5.0, -20.0, -18.0))
    grid = rotated(0.3, origin_mm=(-30.0, -50.0, -30.0))
    uniform = average(np.ones(source.shape), source, grid)
    assert total(uniform, grid) == pytest.approx(source.size * source.voxel_volume_ml, rel=1e-3)
    assert np.max(np.abs(uniform[coverage(source, grid) == 1.0] - 1.0)) < 1e-3
    spot = np.zeros(source.shape)
    spot[7, 9, 12] = 5000.0
    moved = average(spot, source, grid)
    assert total(moved, grid) == pytest.approx(total(spot, source), rel=1e-3)
    centre = np.array(np.nonzero(moved)) @ moved[np.nonzero(moved)] / moved.sum()
    np.testing.assert_allclose(
        grid.index_to_xyz(centre),
        source.index_to_xyz(np.array([7.0, 9.0, 12.0])),
        atol=1.5,  # half a destination voxel
    )


def test_parallel_oblique_grids_are_exact():
    source = rotated(0.3, shape=(6, 7, 8), spacing_mm=(2.0, 2.0, 2.0), origin_mm=(0.0, 0.0, 0.0))
    values = np.random.default_rng(4).random(source.shape)
    grid = source.with_spacing((4.0, 4.0, 4.0))
    assert total(average(values, source, grid), grid) == pytest.approx(total(values, source), rel=1e-12)


def test_mask_volume_is_conserved():
    z, y, x = np.indices(SOURCE.shape)
    inside = ((z - 10) * 3.27) ** 2 + ((y - 15) * 2.0) ** 2 + (x - 12.0) ** 2 < 81.0
    grid = Grid((20, 18, 12), (4.0, 4.0, 4.0), (-8.0, 1.0, 4.0))
    fraction = resample_fraction(inside.astype(np.uint8), SOURCE, grid)
    assert total(fraction, grid) == pytest.approx(total(inside, SOURCE), rel=1e-5)
    assert fraction.min() >= 0.0 and fraction.max() <= 1.0 and fraction.dtype == np.float32


def plain_average(values, source, grid):
    """The mean over sub-points, matched to the total, in plain NumPy: what compiled code has to give."""
    from hevesy.engine.imaging.resample import _subpoints

    def located(cell, points, other):
        forward = np.linalg.inv(other.affine) @ cell.affine
        centres = np.stack([axis.ravel() for axis in np.indices(cell.shape)], -1) @ forward[:3, :3].T + forward[:3, 3]
        index = np.floor(centres[:, None] + points @ forward[:3, :3].T + 0.5).astype(int)
        inside = np.all((index >= 0) & (index < np.array(other.shape)), axis=-1)
        return np.where(inside[..., None], index, 0), inside

    values = np.asarray(values, np.float64)
    where, inside = located(grid, _subpoints(grid, source), source)
    out = np.where(inside, values[tuple(np.moveaxis(where, -1, 0))], 0.0).mean(axis=1).reshape(grid.shape)
    share = located(source, _subpoints(source, grid), grid)[1].mean(axis=1)
    expected = float((values.ravel() * share).sum()) * source.voxel_volume_ml
    return out * expected / (float(out.sum()) * grid.voxel_volume_ml)


@pytest.mark.parametrize("spacing", [(3.27, 2.0, 1.5), (6.0, 5.0, 7.0), (1.0, 1.0, 1.0)])
@pytest.mark.parametrize("angle", [0.3, 1e-3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, bool])
def test_rotated_grids_are_averaged_as_in_plain_numpy(spacing, angle, dtype):
    source = Grid((12, 15, 17), spacing, (-5.0, -20.0, -18.0))
    grid = rotated(angle, shape=(20, 22, 24), origin_mm=(-20.0, -40.0, -30.0))
    values = np.random.default_rng(5).gamma(1.0, 1000.0, source.shape) - (900.0 if dtype is bool else 0.0)
    values = (values > 0.0) if dtype is bool else values.astype(dtype)
    np.testing.assert_allclose(average(values, source, grid), plain_average(values, source, grid), rtol=1e-11)


def test_threads_do_not_change_a_rotated_average(monkeypatch):
    source = Grid((12, 15, 17), (3.27, 2.0, 1.5), (-5.0, -20.0, -18.0))
    values = np.random.default_rng(6).random(source.shape)
    results = []
    for threads in ("1", "3"):
        monkeypatch.setenv("HEVESY_THREADS", threads)
        results.append(average(values, source, rotated(0.2)))
    np.testing.assert_array_equal(*results)
