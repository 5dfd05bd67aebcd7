"""Lesions: contours, segmentations and label maps keep their volume; what cannot be a lesion is named."""

import json

import numpy as np
import pytest
from hevesy.engine import imaging
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid, Volume, write_image
from hevesy.engine.imaging.masks.contours import area_fractions
from hevesy.engine.imaging.masks.mask import members
from hevesy.engine.imaging.masks.read import open_masks
from hevesy.tests.unit.dicom_factory import circle, sphere_contours, write_rtstruct, write_seg, write_series

PET = Grid((20, 20, 20), (4.0, 4.0, 4.0), (-38.0, -38.0, -38.0))
CT = Grid((27, 80, 80), (3.0, 1.0, 1.0), (-39.0, -39.5, -39.5))
BALL_ML = 4.0 / 3.0 * np.pi * 1.2**3


def square(half, z, centre=(0.0, 0.0)):
    x, y = centre
    return np.array(
        [[x - half, y - half, z], [x + half, y - half, z], [x + half, y + half, z], [x - half, y + half, z]]
    )


def test_area_of_a_pixel_by_hand():
    triangle = np.array([[-0.5, -0.5], [1.5, -0.5], [-0.5, 1.5]])
    np.testing.assert_allclose(area_fractions([triangle], 2, 2), [[1.0, 0.5], [0.5, 0.0]], atol=1e-12)
    box = np.array([[0.25, 0.0], [1.75, 0.0], [1.75, 1.0], [0.25, 1.0]])
    np.testing.assert_allclose(area_fractions([box], 2, 3), [[0.125, 0.5, 0.125], [0.125, 0.5, 0.125]])


@pytest.mark.parametrize("grid", [PET, CT], ids=["PET", "CT"])
@pytest.mark.parametrize("step", [1.0, 2.5, 3.27])
def test_sphere_contours_keep_their_volume(tmp_path, grid, step):
    path = write_rtstruct(tmp_path / "rs.dcm", {"node": sphere_contours(12.0, (1.3, -2.1, 0.7), step)})
    (mask,) = imaging.read_masks(path, grid)
    assert mask.name == "node" and mask.contour_volume_ml is not None
    assert mask.volume_ml == pytest.approx(mask.contour_volume_ml, rel=2e-3)
    assert mask.volume_ml == pytest.approx(BALL_ML, rel=0.02)
    assert mask.volume_ml == pytest.approx(mask.fraction.sum(dtype=float) * grid.voxel_volume_ml, rel=1e-6)
    centre = np.array(np.nonzero(mask.fraction)) @ mask.fraction[mask.fraction > 0] / mask.fraction.sum()
    np.testing.assert_allclose(grid.index_to_xyz(centre), [1.3, -2.1, 0.7], atol=0.1)


def test_a_hole_and_an_island_follow_the_even_odd_rule(tmp_path):
    rings = []
    for z in np.arange(-6.0, 7.0, 3.0):
        rings += [square(12.0, z), square(8.0, z)[::-1], square(4.0, z)]
    (mask,) = imaging.read_masks(write_rtstruct(tmp_path / "rs.dcm", {"node": rings}), PET)
    expected = (24.0**2 - 16.0**2 + 8.0**2) * 15.0 * 1e-3
    assert mask.contour_volume_ml == pytest.approx(expected, rel=2e-3)
    assert mask.volume_ml == pytest.approx(expected, rel=2e-3)


def test_keyhole_contour_is_a_ring(tmp_path):
    outer, inner = square(12.0, 0.0), square(6.0, 0.0)[::-1]
    keyhole = np.concatenate([outer, outer[:1], np.roll(inner, 1, axis=0), np.roll(inner, 1, axis=0)[:1]])
    planes = [keyhole + [0, 0, z] for z in (-2.0, 0.0, 2.0)]
    (mask,) = imaging.read_masks(write_rtstruct(tmp_path / "rs.dcm", {"node": planes}), PET)
    assert mask.volume_ml == pytest.approx((24.0**2 - 12.0**2) * 6.0e-3, rel=2e-3)


def test_separate_parts_in_one_plane(tmp_path):
    planes = []
    for z in (-2.0, 0.0, 2.0):
        planes += [circle(5.0, z, (-15.0, 0.0)), circle(7.0, z, (14.0, 3.0))]
    (mask,) = imaging.read_masks(write_rtstruct(tmp_path / "rs.dcm", {"two": planes}), PET)
    assert mask.volume_ml == pytest.approx(np.pi * (25.0 + 49.0) * 6e-3, rel=5e-3)


def test_a_gap_between_planes_stays_empty_and_is_reported(tmp_path):
    planes = [circle(8.0, z) for z in (-20.0, -17.0, -14.0, 10.0, 13.0, 16.0)]
    (mask,) = imaging.read_masks(write_rtstruct(tmp_path / "rs.dcm", {"pieces": planes}), PET)
    assert mask.volume_ml == pytest.approx(np.pi * 64.0 * 18e-3, rel=5e-3)
    assert mask.fraction[9:11].max() == 0.0 and any("gap" in note for note in mask.notes)


@pytest.mark.parametrize("axes", [(0, 2, 1), (2, 0, 1)], ids=["coronal", "sagittal"])
def test_contours_in_other_planes(tmp_path, axes):
    planes = [points[:, axes] for points in sphere_contours(12.0, (0.0, 0.0, 0.0), 2.0)]
    (mask,) = imaging.read_masks(write_rtstruct(tmp_path / "rs.dcm", {"ball": planes}), PET)
    assert mask.contour_volume_ml == pytest.approx(BALL_ML, rel=0.02)
    assert mask.volume_ml == pytest.approx(mask.contour_volume_ml, rel=5e-3)


def test_oblique_grid_gets_the_same_volume(tmp_path):
    c, s = np.cos(0.3), np.sin(0.3)
    tilted = Grid((24, 24, 24), (4.0, 4.0, 4.0), (-46.0, -46.0, -46.0), (1.0, 0.0, 0.0, 0.0, c, -s, 0.0, s, c))
    path = write_rtstruct(tmp_path / "rs.dcm", {"ball": sphere_contours(12.0, (0.0, 0.0, 0.0), 2.0)})
    (mask,) = imaging.read_masks(path, tilted)
    assert mask.volume_ml == pytest.approx(mask.contour_volume_ml, rel=5e-3)


def test_lesion_without_contour_is_named(tmp_path):
    path = write_rtstruct(tmp_path / "rs.dcm", {"node": sphere_contours(9.0, (0, 0, 0), 3.0), "empty": []})
    assert [m.name for m in imaging.read_masks(path, PET)] == ["node"]
    with pytest.raises(InputError, match="lesion 'empty' has no closed contour"):
        imaging.read_masks(path, PET, names=["empty"])
    assert [m.name for m in imaging.read_masks(path, PET, names=["node"])] == ["node"]
    with pytest.raises(InputError, match="no lesion named 'other'"):
        imaging.read_masks(path, PET, names=["other"])


def test_contour_without_area_is_named(tmp_path):
    line = [np.array([[0.0, 0, z], [5.0, 0, z], [10.0, 0, z]]) for z in (0.0, 3.0)]
    with pytest.raises(InputError, match="lesion 'line' has no volume"):
        imaging.read_masks(write_rtstruct(tmp_path / "rs.dcm", {"line": line}), PET)


@pytest.mark.parametrize(
    ("centre", "message"),
    [
        ((500.0, 0.0, 0.0), "lesion 'far' lies outside the image"),
        ((38.0, 0.0, 0.0), "lesion 'far' reaches outside the image"),
    ],
)
def test_lesion_outside_the_image_is_refused(tmp_path, centre, message):
    path = write_rtstruct(tmp_path / "rs.dcm", {"far": sphere_contours(9.0, centre, 3.0)})
    with pytest.raises(InputError, match=message):
        imaging.read_masks(path, PET)


def test_other_frame_of_reference(tmp_path):
    from hevesy.tests.unit.dicom_factory import uid

    path = write_rtstruct(tmp_path / "rs.dcm", {"node": sphere_contours(9.0, (0, 0, 0), 3.0)}, frame="elsewhere")
    with pytest.raises(InputError, match="lesion 'node' is drawn in another frame of reference"):
        imaging.read_masks(path, PET, frame_of_reference=uid("frame"))
    assert imaging.read_masks(path, PET, frame_of_reference=uid("elsewhere"))


def test_twisted_contour_is_refused(tmp_path):
    bad = circle(9.0, 0.0)
    bad[:20, 2] += 3.0
    with pytest.raises(InputError, match="not planar"):
        imaging.read_masks(write_rtstruct(tmp_path / "rs.dcm", {"node": [bad, circle(9.0, 9.0)]}), PET)


def ball(grid, radius=12.0, centre=(0.0, 0.0, 0.0)):
    index = np.stack(np.indices(grid.shape), -1)
    return np.linalg.norm(grid.index_to_xyz(index) - np.array(centre), axis=-1) <= radius


@pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".nrrd"])
def test_label_map_with_names(tmp_path, ending):
    labels = ball(CT).astype(np.uint8) + 2 * ball(CT, 6.0, (25.0, 0.0, 0.0)).astype(np.uint8)
    path = write_image(tmp_path / f"lesions{ending}", CT, labels)
    (tmp_path / "lesions.json").write_text(json.dumps({"1": "neck node", "2": "lung nodule"}))
    masks = imaging.read_masks(path, PET)
    assert [m.name for m in masks] == ["neck node", "lung nodule"]
    for label, mask in enumerate(masks, start=1):
        assert mask.volume_ml == pytest.approx(np.count_nonzero(labels == label) * CT.voxel_volume_ml, rel=1e-5)
        assert mask.contour_volume_ml is None


def test_names_are_those_of_the_map_beside_them(tmp_path):
    """`lesions.json` belongs to `lesions.nii.gz`: another map has names of its own, or numbers."""
    labels = ball(CT).astype(np.uint8)
    (tmp_path / "lesions.json").write_text(json.dumps({"1": "neck node", "2": "lung nodule"}))
    path = write_image(tmp_path / "lungs.nii.gz", CT, labels)
    (mask,) = imaging.read_masks(path, PET)
    assert mask.name == "lesion 1"
    (note,) = open_masks(path).notes
    assert "lungs.nii.gz" in note and "lungs.json would name these" in note
    (tmp_path / "lungs.json").write_text(json.dumps({"1": "left upper lobe"}))
    (mask,) = imaging.read_masks(path, PET)
    assert mask.name == "left upper lobe"
    assert open_masks(path).notes == ()


def test_names_of_labels_that_the_map_lacks_are_told(tmp_path):
    path = write_image(tmp_path / "lungs.nii.gz", CT, ball(CT).astype(np.uint8))
    (tmp_path / "lungs.json").write_text(json.dumps({"1": "left upper lobe", "2": "right lower lobe"}))
    opened = open_masks(path)
    assert [m.name for m in opened.masks(PET)] == ["left upper lobe"]
    assert [(c.name, c.kind) for c in opened.contents][1:] == [("right lower lobe", "empty")]
    (tmp_path / "lungs.json").write_text(json.dumps({"2": "right lower lobe"}))
    with pytest.raises(InputError, match=r"none of the labels that lungs.json names has a voxel.*'right lower lobe'"):
        imaging.read_masks(path, PET)


def test_label_map_on_its_own_grid_is_exact(tmp_path):
    labels = ball(PET).astype(np.int16)
    (mask,) = imaging.read_masks(write_image(tmp_path / "m.nii.gz", PET, labels), PET)
    np.testing.assert_array_equal(mask.fraction, labels)
    assert mask.name == "lesion 1"


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        (np.zeros(PET.shape, np.uint8), None, "the label map is empty"),
        (ball(PET).astype(np.uint8), {"2": "ghost"}, "none of the labels that m.json names has a voxel"),
        (ball(PET).astype(np.uint8), {"0": "node"}, "label 0 is named 'node'"),
        (ball(PET).astype(np.uint8), {"1": "background"}, "the file holds no lesion"),
        (ball(PET) * 0.5, None, "not whole labels"),
        (ball(PET) * np.int16(-1), None, "not whole labels"),
    ],
)
def test_useless_label_maps(tmp_path, labels, names, message):
    path = write_image(tmp_path / "m.nii.gz", PET, np.asarray(labels))
    if names:
        (tmp_path / "m.json").write_text(json.dumps(names))
    with pytest.raises(InputError, match=message):
        imaging.read_masks(path, PET)


def test_missing_lesion_file(tmp_path):
    with pytest.raises(InputError, match="the lesion file does not exist"):
        imaging.read_masks(tmp_path / "no.nii.gz", PET)


@pytest.mark.parametrize("fractional", [False, True], ids=["binary", "fractional"])
def test_dicom_segmentation(tmp_path, fractional):
    small = Grid((14, 40, 40), (3.0, 2.0, 2.0), (-19.5, -39.0, -39.0))
    folder = write_series(tmp_path / "ct", np.zeros(small.shape), small)
    wanted = {"node": ball(small).astype(float), "nodule": ball(small, 7.0, (22.0, 0.0, 0.0)).astype(float)}
    if fractional:
        wanted["node"] *= 0.6
    path = write_seg(tmp_path / "seg" / "seg.dcm", folder, wanted, fractional)
    masks = imaging.read_masks(path, small)
    assert [m.name for m in masks] == ["node", "nodule"]
    for mask, truth in zip(masks, wanted.values(), strict=True):
        np.testing.assert_allclose(mask.fraction, truth, atol=0.003)
    for mask, truth in zip(imaging.read_masks(path.parent, PET), wanted.values(), strict=True):
        assert mask.volume_ml == pytest.approx(truth.sum() * small.voxel_volume_ml, rel=3e-3)


def test_segmentation_in_another_frame(tmp_path):
    small = Grid((14, 40, 40), (3.0, 2.0, 2.0), (-19.5, -39.0, -39.0))
    folder = write_series(tmp_path / "ct", np.zeros(small.shape), small)
    path = write_seg(tmp_path / "seg.dcm", folder, {"node": ball(small).astype(float)})
    with pytest.raises(InputError, match="lesion 'node' is drawn in another frame of reference"):
        imaging.read_masks(path, small, frame_of_reference="1.2.3.4.5.6.7.8.9.10")


def volume(grid, quantity, frame=None):
    return Volume(grid, np.zeros(grid.shape, np.float32), quantity, frame)


def mask_on(grid, where):
    fraction = where.astype(np.float32)
    return imaging.Mask("node", fraction, float(fraction.sum()) * grid.voxel_volume_ml, None, grid)


def test_overlap_of_matching_images():
    assert imaging.check_overlap(volume(CT, "HU", "1.2"), volume(PET, "Bq/mL", "1.2"), [mask_on(PET, ball(PET))]) == []


def test_different_frames_of_reference():
    with pytest.raises(InputError, match="PET and CT have different frames of reference"):
        imaging.check_overlap(volume(CT, "HU", "1.2.3"), volume(PET, "Bq/mL", "1.2.4"), [])


def test_images_without_overlap_are_refused():
    far = Grid(CT.shape, CT.spacing_mm, (1000.0, 0.0, 0.0))
    with pytest.raises(InputError, match="covers 0 % of the PET: they do not overlap"):
        imaging.check_overlap(volume(far, "HU"), volume(PET, "Bq/mL"), [])


def test_lesion_outside_the_ct():
    half = Grid((13, 80, 80), CT.spacing_mm, CT.origin_mm)
    with pytest.raises(InputError, match="% of lesion 'node' lies outside the CT"):
        imaging.check_overlap(volume(half, "HU"), volume(PET, "Bq/mL"), [mask_on(PET, ball(PET))])
    low = mask_on(PET, ball(PET, 6.0, (0.0, 0.0, -20.0)))
    (remark,) = imaging.check_overlap(volume(half, "HU"), volume(PET, "Bq/mL"), [low])
    assert "the rest is taken as air" in remark


def test_slivers_are_no_voxels_of_a_lesion(tmp_path):
    """A crop on a grid that differs by rounding is the same lattice; shares of rounding do not count as voxels."""
    labels = ball(PET).astype(np.uint8)
    rounded = Grid(PET.shape, (4.0000001, 4.0, 3.9999999), tuple(v + 1e-5 for v in PET.origin_mm))
    box = Grid.bounding_box(labels)
    path = write_image(tmp_path / "m.mha", rounded.cropped(box), labels[box])
    (mask,) = imaging.read_masks(path, PET)
    np.testing.assert_array_equal(mask.fraction, labels)
    shares = np.array([0.0, 2e-17, 9e-7, 2e-6, 1.0])
    np.testing.assert_array_equal(members(shares), np.array([0.0, 0.0, 0.0, 2e-6, 1.0], np.float32))
