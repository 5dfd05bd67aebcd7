"""Geometry: patient positions, canonical orientation, SimpleITK and DICOM conversion."""

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid, canonical, dicom_affine, write_image
from hevesy.engine.imaging.volumes import read_file

GRID = Grid((4, 5, 6), (3.0, 2.0, 1.5), (-40.0, 12.0, 7.0))


def rotation_about_z(angle):
    c, s = np.cos(angle), np.sin(angle)
    return (c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0)


def numbered(grid):
    return np.arange(grid.size, dtype=np.float32).reshape(grid.shape)


def test_index_and_patient_position_are_inverse():
    grid = Grid((4, 5, 6), (3.0, 2.0, 1.5), (-40.0, 12.0, 7.0), rotation_about_z(0.2))
    index = np.random.default_rng(1).uniform(-3, 9, (50, 3))
    np.testing.assert_allclose(grid.xyz_to_index(grid.index_to_xyz(index)), index, atol=1e-10)


def test_axis_order_of_positions_and_triples():
    np.testing.assert_allclose(GRID.index_to_xyz(np.array([1, 2, 3])), [7.0 + 4.5, 12.0 + 4.0, -40.0 + 3.0])
    assert GRID.voxel_volume_ml == pytest.approx(9e-3)
    np.testing.assert_allclose(GRID.edges_mm(2), 7.0 + 1.5 * (np.arange(7) - 0.5))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True), (False, True, False)])
def test_flipped_and_permuted_images_become_the_same_image(order, flips):
    """Whatever order and sense a file stores, the array and grid that come out are identical."""
    values, affine = numbered(GRID), GRID.affine
    stored, columns, origin = values.transpose(order), affine[:3, list(order)].copy(), affine[:3, 3].copy()
    for axis, flip in enumerate(flips):
        if flip:
            origin += columns[:, axis] * (stored.shape[axis] - 1)
            columns[:, axis] *= -1
            stored = np.flip(stored, axis)
    got, grid = canonical(stored, np.column_stack([columns, origin]))
    assert grid.same_as(GRID) and grid.is_axis_aligned
    np.testing.assert_array_equal(got, values)


def test_oblique_direction_is_kept(tmp_path):
    grid = Grid((4, 5, 6), (3.0, 2.0, 1.5), (-40.0, 12.0, 7.0), rotation_about_z(0.2))
    volume = read_file(write_image(tmp_path / "image.mha", grid, numbered(grid)), "HU")
    assert volume.grid.same_as(grid) and not volume.grid.is_axis_aligned
    assert any("oblique" in note for note in volume.notes)


def test_sheared_axes_are_refused():
    affine = GRID.affine
    affine[1, 0] = 0.6
    with pytest.raises(InputError, match="not perpendicular"):
        canonical(numbered(GRID), affine)


@pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".nrrd"])
def test_files_keep_geometry_and_values(tmp_path, ending):
    path = write_image(tmp_path / f"image{ending}", GRID, numbered(GRID))
    volume = read_file(path, "HU")
    assert volume.grid.same_as(GRID)
    np.testing.assert_array_equal(volume.values, numbered(GRID))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_dicom_plane_attributes_follow_the_standard():
    """PS3.3 C.7.6.2.1.1: row cosines belong to the column index and to the second Pixel Spacing value."""
    affine = dicom_affine(
        np.array([1.0, 2, 3]), np.array([1.0, 0, 0, 0, 1, 0]), np.array([2.0, 1.5]), np.array([0, 0, 3.0])
    )
    np.testing.assert_allclose(affine @ [1, 1, 1, 1], [2.5, 4.0, 6.0, 1.0])


def test_cropping_keeps_positions():
    box = (slice(1, 3), slice(0, 4), slice(2, 6))
    cut = GRID.cropped(box)
    assert cut.shape == (2, 4, 4)
    np.testing.assert_allclose(cut.index_to_xyz(np.zeros(3)), GRID.index_to_xyz(np.array([1, 0, 2])))


def test_new_spacing_covers_the_grid_from_the_same_corner():
    new = GRID.with_spacing((2.0, 2.0, 2.0))
    np.testing.assert_allclose(new.corners_xyz_mm()[0], GRID.corners_xyz_mm()[0])
    assert np.all(new.corners_xyz_mm()[-1] >= GRID.corners_xyz_mm()[-1] - 1e-9)
    assert new.shape == (6, 5, 5)


def test_bounding_box_holds_the_mask_with_room_and_stays_inside():
    mask = np.zeros((6, 8, 10), np.float32)
    mask[1, 3:5, 9] = 0.2
    assert Grid.bounding_box(mask) == (slice(1, 2), slice(3, 5), slice(9, 10))
    assert Grid.bounding_box(mask, 2) == (slice(0, 4), slice(1, 7), slice(7, 10))
    assert Grid.bounding_box(mask, (0, 1, 3)) == (slice(1, 2), slice(2, 6), slice(6, 10))
    with pytest.raises(ValueError, match="empty mask"):
        Grid.bounding_box(np.zeros((2, 2, 2)))
