"""Alignment of serial CTs: known motions found again, activity and lesion volume kept, doubts said."""

import math

import hevesy
import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid, Volume, write_image
from hevesy.engine.imaging.agreement import WorkingCT, body_mask
from hevesy.engine.imaging.alignment import Alignment, Deformation
from hevesy.engine.imaging.masks.read import open_masks
from hevesy.engine.imaging.registration import register
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.pipeline.alignment import wanted_model
from hevesy.tests.unit.moving_body import GRID, NODULE_ML, RETENTION, TRACER_MBQ, ct, pet, write_case

SHIFT = (5.0, -3.4, 6.2)  # z, y, x


def turn(degrees, shift_xyz):
    """A rotation about z and a shift, 4x4 in (x, y, z)."""
    matrix = np.eye(4)
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix[:2, :2] = [[c, -s], [s, c]]
    matrix[:3, 3] = shift_xyz
    return matrix


def volume(values, grid=GRID, quantity="HU"):
    return Volume(grid, values, quantity)


@pytest.fixture(scope="module")
def still():
    return volume(ct())


@pytest.fixture(scope="module")
def aligned(still):
    return register(still, volume(ct(shift=SHIFT, seed=2)))


POINTS = np.array([[0.0, 0.0, 0.0], [50.0, 20.0, 30.0], [-60.0, -30.0, -40.0]])


@pytest.mark.parametrize("metric", ["mutual-information", "mean-squares"])
def test_shift_is_found_to_a_tenth_of_a_voxel(still, metric):
    found = register(still, volume(ct(shift=SHIFT, seed=2)), metric=metric)
    error = found.to_moving(POINTS) - (POINTS + np.array(SHIFT[::-1]))
    assert np.linalg.norm(error, axis=1).max() < 0.4
    assert found.correlation_after > 0.95 > found.correlation_before  # half a voxel off: edges are interpolated
    assert found.metric_after < found.metric_before
    assert found.warnings == ()
    assert found.model in found.notes[0]


def test_turn_and_far_origin_are_found(still):
    """The same body on another scanner: turned by 5 degrees, its coordinates 160 mm away."""
    motion = turn(5.0, (12.0, -20.0, 160.0))
    found = register(still, volume(ct(seed=2), GRID.moved(motion)))
    want = POINTS @ motion[:3, :3].T + motion[:3, 3]
    assert np.linalg.norm(found.to_moving(POINTS) - want, axis=1).max() < 0.5
    assert found.rotation_deg == pytest.approx(5.0, abs=0.3)


def test_same_input_same_alignment(still, aligned):
    again = register(still, volume(ct(shift=SHIFT, seed=2)))
    np.testing.assert_array_equal(again.matrix, aligned.matrix)


def test_same_input_same_deformation(still):
    """Three times, for the optimiser takes another way as soon as a sum ends in another last digit."""
    first, *others = (register(still, volume(ct(shift=SHIFT, seed=2)), "deformable").deformation for _ in range(3))
    for other in others:
        np.testing.assert_array_equal(other.field, first.field)


def test_activity_is_conserved_by_a_rigid_motion(aligned):
    image = volume(pet(96.0, SHIFT), quantity="Bq/mL")
    image.values[:, :4] = image.values[:, -4:] = 0.0  # nothing at the edge that could leave the grid
    image.values[:4] = image.values[-4:] = 0.0
    image.values[..., :4] = image.values[..., -4:] = 0.0
    for motion in (aligned, Alignment("rigid", turn(7.0, (3.0, 2.0, -5.0)))):
        carried = motion.resample(image, GRID)
        assert carried.values.sum(dtype=float) == pytest.approx(image.values.sum(dtype=float), rel=1e-3)


def test_moved_grid_keeps_distances_and_refuses_shear():
    motion = turn(20.0, (1.0, 2.0, 3.0))
    moved = GRID.moved(motion)
    index = np.array([[0.0, 0.0, 0.0], [10.0, 3.0, 7.5]])
    want = GRID.index_to_xyz(index) @ motion[:3, :3].T + motion[:3, 3]
    np.testing.assert_allclose(moved.index_to_xyz(index), want, atol=1e-9)
    assert moved.moved(np.linalg.inv(motion)).same_as(GRID)
    with pytest.raises(ValueError, match="rotation and a translation"):
        GRID.moved(np.diag([1.1, 1.0, 1.0, 1.0]))


def test_no_common_anatomy_is_said_and_no_body_refused(still):
    noise = volume(np.random.default_rng(3).uniform(-300, 300, GRID.shape).astype(np.float32))
    assert any("look at the overlay" in text for text in register(still, noise, "none").warnings)
    with pytest.raises(InputError, match="no body in the fixed CT"):
        register(volume(np.full(GRID.shape, -1000.0, np.float32)), still)
    with pytest.raises(InputError, match="no body in the moving CT"):
        register(still, volume(np.full(GRID.shape, -1000.0, np.float32)))
    with pytest.raises(InputError, match="alignment model 'affine'"):
        register(still, still, "affine")


def test_body_is_without_table_and_with_lungs():
    hu = ct()
    hu[:, -2, :] = 200.0  # a thin table below the body
    body = body_mask(hu)
    assert not body[:, -2, :].any()
    assert body[18, 16, 12]  # inside the right lung
    assert body.mean() == pytest.approx(body_mask(ct()).mean(), rel=0.01)


def test_deformation_is_found_and_keeps_activity(still):
    """A body that widens smoothly to the left: rigid cannot follow it, splines can."""
    z, y, x = np.meshgrid(*(np.arange(n, dtype=float) for n in GRID.shape), indexing="ij")
    true = 8.0 * np.exp(-((z - 18) ** 2 + (y - 16) ** 2) / 200.0 - (x - 32) ** 2 / 150.0)  # mm along x
    from scipy.ndimage import map_coordinates

    moving = map_coordinates(ct(seed=2), [z, y, x + true / 4.0], order=1, mode="nearest").astype(np.float32)
    rigid = register(still, volume(moving))
    soft = register(still, volume(moving), "deformable", control_mm=35.0)
    assert soft.correlation_after > rigid.correlation_after + 0.003
    assert soft.deformation is not None
    assert float(soft.deformation.expansion().min()) > 0
    image = volume(np.zeros(GRID.shape, np.float32), quantity="Bq/mL")
    image.values[12:24, 10:22, 20:36] = 1000.0
    carried = soft.resample(image, GRID)
    assert carried.values.sum(dtype=float) == pytest.approx(image.values.sum(dtype=float), rel=0.01)


def test_expansion_of_a_known_stretch():
    """u = (0.1 x, 0, -0.05 z): volumes grow by 1.1 x 0.95."""
    points = GRID.index_to_xyz(np.stack(np.meshgrid(*map(np.arange, GRID.shape), indexing="ij"), axis=-1))
    field = np.stack([0.1 * points[..., 0], 0.0 * points[..., 1], -0.05 * points[..., 2]])
    deformation = Deformation(GRID, field)
    np.testing.assert_allclose(deformation.expansion(), 1.1 * 0.95, rtol=1e-9)
    np.testing.assert_allclose(deformation.at(np.array([20.0, 5.0, -10.0])), [2.0, 0.0, 0.5], atol=1e-9)


def test_model_follows_the_frames_of_reference():
    data = {
        "patient": "A",
        "therapy": {"nuclide": "I-131", "activity": "7.4 GBq"},
        "tracer": {"nuclide": "I-124"},
        "visits": [{"scans": [{"pet": "a", "ct": "b"}], "lesions": "c"}],
    }
    case = hevesy.Case.from_dict(data, check_files=False)
    assert wanted_model(case, None, None) == "none"
    assert wanted_model(case, "1.2", "1.2") == "none"
    assert wanted_model(case, "1.2", "1.3") == "rigid"
    said = hevesy.Case.from_dict({**data, "alignment": {"model": "none"}}, check_files=False)
    assert wanted_model(said, "1.2", "1.3") == "none"


@pytest.fixture(scope="module")
def doses(tmp_path_factory):
    """Dose of the nodule: still, moved between the scans and aligned, moved and not aligned."""
    found = {}
    for name, shift, extra in (
        ("still", (0.0, 0.0, 0.0), ""),
        ("aligned", SHIFT, "alignment: {model: rigid}\n"),
        ("deformed", SHIFT, "alignment: {model: deformable}\n"),
        ("ignored", SHIFT, ""),
    ):
        file = write_case(tmp_path_factory.mktemp(name), shift, extra)
        found[name] = hevesy.run(file, method="local")
    return found


def test_aligned_scans_give_the_dose_of_a_patient_who_lay_still(doses):
    still, aligned, ignored = (doses[k].lesions[0] for k in ("still", "aligned", "ignored"))
    assert aligned.dose_gy == pytest.approx(still.dose_gy, rel=0.01)
    assert ignored.dose_gy < 0.8 * still.dose_gy


def test_deformable_alignment_on_request_keeps_lesion_and_dose(doses):
    """A rigid shift is a deformation too: the same dose, the lesion's volume unchanged, what was done recorded."""
    still, deformed = doses["still"].lesions[0], doses["deformed"].lesions[0]
    assert deformed.dose_gy == pytest.approx(still.dose_gy, rel=0.03)
    assert deformed.volume_ml == pytest.approx(still.volume_ml, rel=1e-6)
    (one,) = doses["deformed"].clinic["visits"][0]["alignment"]
    assert one["model"] == "deformable" and one["largest_deformation_mm"] is not None
    rows = {r["item"]: r["value"] for r in doses["deformed"].clinic["visits"][0]["reporting"]}
    assert rows["alignment of the scans"] == "deformable, by the CTs"


@pytest.mark.parametrize("name", ["still", "aligned"])
def test_concentration_of_the_nodule_is_the_true_one(doses, name):
    """Recovery of the mask where it lies between the voxels: no bias from either."""
    found = doses[name].lesions[0].kinetics["corrected_bq_ml"]
    rate = nuclide("I-124").decay_constant_per_h
    true = [RETENTION[h] * TRACER_MBQ * 1e6 * math.exp(-rate * h) for h in (24.0, 96.0)]
    assert found == pytest.approx(true, rel=0.01)


def test_neglected_motion_is_named(doses):
    ignored = doses["ignored"]
    assert any(
        "CTs do not agree" in text or "correlate" in text
        for text in (*ignored.visits[0].result.warnings, *ignored.visits[0].result.assumptions)
    )
    assert any("centre of activity moves" in flag for flag in ignored.lesions[0].flags)
    assert not any("centre of activity moves" in flag for flag in doses["aligned"].lesions[0].flags)


def test_alignment_is_recorded(doses):
    (one,) = doses["aligned"].clinic["visits"][0]["alignment"]
    assert one["model"] == "rigid"
    assert one["translation_mm"] == pytest.approx(SHIFT[::-1], abs=0.4)
    assert doses["still"].clinic["visits"][0]["alignment"][0]["model"] == "none"


def test_lesion_keeps_its_volume_in_every_scan(tmp_path):
    from hevesy.engine.pipeline.lesion_views import lesion_views
    from hevesy.engine.pipeline.scans import read_visit

    case = hevesy.Case.load(write_case(tmp_path, SHIFT, "alignment: {model: rigid}\n"))
    images = read_visit(case, case.visits[0])
    first, second = lesion_views(images, images.lesions[0], 6.0)
    assert images.scans[1].own is not None and images.scans[0].own is None
    assert first.volume_ml == pytest.approx(images.lesions[0].mask.volume_ml, rel=1e-6)
    assert second.volume_ml == pytest.approx(first.volume_ml, rel=5e-3)
    assert first.volume_ml == pytest.approx(NODULE_ML, rel=1e-3)


def test_lesion_outside_the_moved_scan_is_refused(tmp_path):
    file = write_case(tmp_path, extra="alignment: {model: rigid}\n")
    short = (slice(0, 18), slice(0, 34), slice(0, 44))  # ends at the nodule
    for name, values in (("ct_96", ct(seed=96)), ("pet_96", pet(96.0))):
        write_image(tmp_path / f"{name}.nii.gz", GRID.cropped(short), values[short])
    with pytest.raises(InputError, match="'nodule' lies outside the CT"):
        hevesy.run(file, method="local")


def test_label_map_tells_what_it_was_drawn_on(tmp_path):
    fine = Grid((72, 68, 88), (2.0, 2.0, 2.0), (-71.0, -67.0, -87.0))
    for grid, name in ((fine, "ct"), (GRID, "pet"), (GRID.with_spacing((3.0, 3.0, 3.0)), None)):
        path = tmp_path / f"{name}.nii.gz"
        write_image(path, grid, np.ones(grid.shape, np.uint8))
        assert open_masks(path).drawn_on(fine, GRID) == name


def test_edge_voxels_of_the_working_grid_are_not_mixed_with_nothing():
    grid = Grid((41, 50, 47), (3.27, 0.98, 0.98))
    working = WorkingCT.of(Volume(grid, np.full(grid.shape, 40.0, np.float32), "HU"), 4.0)
    np.testing.assert_allclose(working.ct.values, 40.0, atol=1e-3)


@pytest.mark.parametrize("name", ["STS_001", "STS_024"])
def test_real_ct_turned_cropped_and_noisy_is_found_again(petct_dir, name):
    """A quarter of the slices missing, 30 HU of noise, 4 degrees and 28 mm: found to 1 mm."""
    from hevesy.engine import imaging

    fixed = imaging.read_ct(petct_dir / name / "CT" / "image")
    nz, ny, nx = fixed.grid.shape
    box = (slice(0, nz * 3 // 4), slice(3, ny), slice(5, nx))
    motion = turn(4.0, (9.0, -14.0, 22.0))
    noise = np.random.default_rng(1).normal(0.0, 30.0, fixed.values[box].shape).astype(np.float32)
    moving = Volume(fixed.grid.cropped(box).moved(motion), fixed.values[box] + noise, "HU")
    found = register(fixed, moving)
    centre = fixed.grid.index_to_xyz(np.array(fixed.grid.shape) / 2.0)
    points = centre + np.array([[x, y, z] for x in (-60.0, 60.0) for y in (-50.0, 50.0) for z in (-70.0, 40.0)])
    error = np.linalg.norm(found.to_moving(points) - (points @ motion[:3, :3].T + motion[:3, 3]), axis=1)
    assert error.max() < 1.0
    assert found.warnings == ()
