"""Foreign dose maps on a run's grid: places against physical coordinates, units, and every refusal in words."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
import SimpleITK as sitk
from hevesy.engine.compare.foreign import RunSide, read_dose_map
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid, write_image
from hevesy.engine.notes import weight_of

RUN = Grid((20, 22, 24), (4.0, 4.0, 4.0), (-500.0, -60.0, -30.0))
#: Dose as a linear function of the patient position (x, y, z) [mm, LPS], which linear interpolation keeps.
SLOPES, OFFSET = np.array([0.05, -0.03, 0.02]), 40.0


def dose_at(points_xyz: np.ndarray) -> np.ndarray:
    return OFFSET + points_xyz @ SLOPES


def centres(grid: Grid) -> np.ndarray:
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    return grid.index_to_xyz(index)


def lesion_like(grid: Grid, centre=(10.0, -40.0, -470.0)) -> np.ndarray:
    """A blob that no mirror leaves in place [Gy]."""
    off = centres(grid) - np.array(centre)
    return 60.0 * np.exp(-(off[..., 0] ** 2 / 400 + off[..., 1] ** 2 / 900 + off[..., 2] ** 2 / 300))


def by_sitk(path, values, spacing, origin, direction) -> None:
    """Values (z, y, x) with a geometry in SimpleITK's order, so in LPS."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(values))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    sitk.WriteImage(image, str(path))


def stored(shape, spacing, origin, direction) -> np.ndarray:
    """The linear dose at the stored voxels (k, j, i), which lie at origin + direction (index spacing)."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    index = np.stack([i, j, k], axis=-1) * np.array(spacing)
    return dose_at(np.array(origin) + index @ np.array(direction).reshape(3, 3).T)


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd", "mha"])
def test_a_map_on_the_run_s_grid_is_taken_as_it_is(tmp_path, ending):
    dose = lesion_like(RUN)
    file = write_image(tmp_path / f"other.{ending}", RUN, dose)
    found = read_dose_map(file, RUN)
    assert np.array_equal(found.mean, dose)
    assert (found.method, found.unit, found.sigma) == ("other", "Gy", None)
    assert any("states no unit; values taken in Gy, for the therapy activity" in note for note in found.notes)
    assert not any("interpolated" in note for note in found.notes)


TURN = np.deg2rad(12.0)
OBLIQUE = (np.cos(TURN), -np.sin(TURN), 0.0, np.sin(TURN), np.cos(TURN), 0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    "spacing, origin, direction",
    [
        ((4.0, 4.0, 4.0), (-32.0, -63.0, -503.0), (1, 0, 0, 0, 1, 0, 0, 0, 1)),
        ((3.0, 5.0, 6.0), (-60.0, -100.0, -540.0), (1, 0, 0, 0, 1, 0, 0, 0, 1)),
        ((4.0, 4.0, 4.0), (110.0, 60.0, -390.0), (-1, 0, 0, 0, -1, 0, 0, 0, -1)),
        ((4.0, 4.0, 4.0), (110.0, -70.0, -510.0), (-1, 0, 0, 0, 1, 0, 0, 0, 1)),
        ((4.0, 4.0, 4.0), (-50.0, -90.0, -520.0), (0, 1, 0, 0, 0, 1, 1, 0, 0)),
        ((5.0, 5.0, 5.0), (-60.0, -100.0, -540.0), OBLIQUE),
    ],
    ids=["shifted", "anisotropic", "all flipped", "left and right flipped", "permuted", "oblique"],
)
@pytest.mark.parametrize("ending", ["nii.gz", "nrrd"])
def test_other_grids_are_interpolated_at_the_same_patient_positions(tmp_path, ending, spacing, origin, direction):
    shape = (40, 40, 40)
    by_sitk(tmp_path / f"map.{ending}", stored(shape, spacing, origin, direction), spacing, origin, direction)
    found = read_dose_map(tmp_path / f"map.{ending}", RUN).mean
    points = centres(RUN)
    index = (points - np.array(origin)) @ np.array(direction).reshape(3, 3) / np.array(spacing)
    within = np.all((index >= 0.0) & (index <= 39.0), axis=-1)
    outside = np.any((index < -0.51) | (index > 39.51), axis=-1)
    assert within.mean() > 0.5
    # NIfTI stores the axes in single precision: 1e-5 of some hundred mm
    assert found[within] == pytest.approx(dose_at(points)[within], abs=2e-3)
    assert np.all(np.isnan(found[outside]))


def test_a_finer_map_is_averaged_over_the_voxels_of_the_run(tmp_path):
    """The run's dose is that of whole voxels: a checkerboard of 1 mm has no contrast at 4 mm."""
    fine = Grid(tuple(4 * n for n in RUN.shape), (1.0, 1.0, 1.0), tuple(o - 1.5 for o in RUN.origin_mm))
    board = 10.0 + 5.0 * (-1.0) ** np.indices(fine.shape).sum(axis=0)
    found = read_dose_map(write_image(tmp_path / "fine.nii.gz", fine, board), RUN)
    assert found.mean == pytest.approx(10.0, abs=1e-9)


def test_voxels_and_regions_outside_the_map_are_named_and_not_compared(tmp_path):
    half = Grid((10, 22, 24), RUN.spacing_mm, RUN.origin_mm)
    file = write_image(tmp_path / "half.nii.gz", half, np.full(half.shape, 5.0))
    regions = {name: np.zeros(RUN.shape, np.float32) for name in ("inside", "across", "away")}
    regions["inside"][2:5, 3:6, 3:6] = 1.0
    regions["across"][8:12, 3:6, 3:6] = 1.0
    regions["away"][15:18, 3:6, 3:6] = 1.0
    found = read_dose_map(file, RUN, run=RunSide(regions=regions))
    assert np.all(np.isfinite(found.mean[:10]))
    assert np.all(np.isnan(found.mean[10:]))
    cautions = [str(note) for note in found.notes if weight_of(note) == "caution"]
    assert cautions == [
        "across lies only partly within the map (50 % of its volume), and is not compared",
        "away lies outside the map",
    ]
    assert "5280 of 10560 voxels lie outside the map and are not compared" in found.notes


@pytest.mark.parametrize("unit, factor", [("cGy", 0.01), ("mGy", 0.001), ("Gy", 1.0)])
def test_units_come_from_the_option_or_the_header(tmp_path, unit, factor):
    dose = lesion_like(RUN)
    by_option = read_dose_map(write_image(tmp_path / "a.nrrd", RUN, dose / factor), RUN, unit=unit)
    assert by_option.mean == pytest.approx(dose)
    image = sitk.ReadImage(str(tmp_path / "a.nrrd"))
    image.SetMetaData("dose unit", unit)
    sitk.WriteImage(image, str(tmp_path / "b.nrrd"))
    by_nrrd = read_dose_map(tmp_path / "b.nrrd", RUN)
    assert by_nrrd.mean == pytest.approx(dose)
    assert any(f"values taken in {unit}, as stated" in note for note in by_nrrd.notes)
    packed = bytearray(gzip.decompress(write_image(tmp_path / "c.nii.gz", RUN, dose / factor).read_bytes()))
    packed[148:228] = f"absorbed dose [{unit}]".encode().ljust(80, b"\0")
    (tmp_path / "d.nii.gz").write_bytes(gzip.compress(bytes(packed)))
    assert read_dose_map(tmp_path / "d.nii.gz", RUN).mean == pytest.approx(dose)


def test_a_dose_per_activity_needs_its_scale(tmp_path):
    dose = lesion_like(RUN)
    write_image(tmp_path / "a.nrrd", RUN, dose / 7.4)
    image = sitk.ReadImage(str(tmp_path / "a.nrrd"))
    image.SetMetaData("dose unit", "Gy/GBq")
    sitk.WriteImage(image, str(tmp_path / "b.nrrd"))
    with pytest.raises(InputError, match="header states Gy/GBq, not Gy"):
        read_dose_map(tmp_path / "b.nrrd", RUN)
    assert read_dose_map(tmp_path / "b.nrrd", RUN, scale=7.4).mean == pytest.approx(dose)
    with pytest.raises(InputError, match="the scale of the dose map is -1"):
        read_dose_map(tmp_path / "b.nrrd", RUN, scale=-1.0)


def test_units_that_contradict_or_are_unknown_are_refused(tmp_path):
    write_image(tmp_path / "a.nrrd", RUN, lesion_like(RUN))
    image = sitk.ReadImage(str(tmp_path / "a.nrrd"))
    image.SetMetaData("dose unit", "cGy")
    sitk.WriteImage(image, str(tmp_path / "b.nrrd"))
    with pytest.raises(InputError, match="(?s)header states cGy, the option mGy.*contradict"):
        read_dose_map(tmp_path / "b.nrrd", RUN, unit="mGy")
    with pytest.raises(InputError, match="(?s)unknown unit of dose 'gy'"):
        read_dose_map(tmp_path / "b.nrrd", RUN, unit="gy")


@pytest.mark.parametrize(
    "factor, words",
    [
        (100.0, "most likely it is in cGy"),
        (1000.0, "most likely it is in mGy"),
        (1e6, "most likely it is in µGy"),
        (1e-3, "most likely it is in kGy"),
        (1e-9, "a dose per activity or per decay"),
    ],
)
def test_a_map_in_another_unit_is_refused_with_the_likely_one(tmp_path, factor, words):
    dose = lesion_like(RUN)
    file = write_image(tmp_path / "map.nii.gz", RUN, dose * factor * 1.2)
    with pytest.raises(InputError, match=f"(?s)times the reference where that is high.*{words}"):
        read_dose_map(file, RUN, run=RunSide(dose))
    assert read_dose_map(write_image(tmp_path / "near.nii.gz", RUN, dose * 3.0), RUN, run=RunSide(dose)).mean.max() > 0


def test_a_map_in_another_place_is_refused(tmp_path):
    away = Grid(RUN.shape, RUN.spacing_mm, (500.0, -60.0, -30.0))
    with pytest.raises(InputError, match=r"(?s)have 0 % of the smaller volume in common.*RAS and LPS"):
        read_dose_map(write_image(tmp_path / "away.nii.gz", away, np.ones(RUN.shape)), RUN)
    part = Grid(RUN.shape, RUN.spacing_mm, (RUN.origin_mm[0] + 60.0, -60.0, -30.0))
    with pytest.raises(InputError, match=r"have 25 % of the smaller volume"):
        read_dose_map(write_image(tmp_path / "part.nii.gz", part, np.ones(RUN.shape)), RUN)
    cut = RUN.cropped((slice(5, 9), slice(5, 9), slice(5, 9)))
    assert (
        np.isfinite(read_dose_map(write_image(tmp_path / "cut.nii.gz", cut, np.ones(cut.shape)), RUN).mean).sum() == 64
    )


@pytest.mark.parametrize("axes, flip", [("x", (2,)), ("y", (1,)), ("x and y", (1, 2)), ("z", (0,))])
def test_a_mirrored_map_is_refused(tmp_path, axes, flip):
    dose = lesion_like(RUN, (40.0, 0.0, -480.0))
    file = write_image(tmp_path / "map.nii.gz", RUN, np.flip(dose, flip))
    with pytest.raises(InputError, match=f"only when it is mirrored in {axes}\n"):
        read_dose_map(file, RUN, run=RunSide(dose))


def test_coordinates_with_the_wrong_signs_are_refused(tmp_path):
    """LPS coordinates written as RAS: the map lies at (-x, -y, z), which overlaps the run all the same."""
    dose = lesion_like(RUN, (20.0, -10.0, -470.0))
    wide = Grid((20, 60, 60), RUN.spacing_mm, (-500.0, -120.0, -120.0))
    values = lesion_like(wide, (20.0, -10.0, -470.0))
    by_sitk(tmp_path / "map.nrrd", values, (4.0,) * 3, (120.0, 120.0, -500.0), (-1, 0, 0, 0, -1, 0, 0, 0, 1))
    with pytest.raises(InputError, match="only when it is mirrored in x and y"):
        read_dose_map(tmp_path / "map.nrrd", RUN, run=RunSide(dose))


def test_values_that_are_no_dose(tmp_path):
    def read(values):
        return read_dose_map(write_image(tmp_path / "map.nii.gz", RUN, values), RUN)

    dose = np.full(RUN.shape, 10.0)
    for value, words in ((-1.0, "a negative dose, down to -1 Gy"), (np.inf, "1 of 10560 voxels is infinite")):
        dose[3, 4, 5] = value
        with pytest.raises(InputError, match=words):
            read(dose)
    dose[3, 4, 5] = -0.05
    found = read(dose)
    assert found.mean[3, 4, 5] == 0.0
    assert any("taken as zero" in note for note in found.notes)
    dose[3, 4, 5] = np.nan
    found = read(dose)
    assert np.argwhere(np.isnan(found.mean)).tolist() == [[3, 4, 5]]
    assert any("1 of 10560 voxels is not a number" in note for note in found.notes)
    for nothing in (0.0, np.nan):
        with pytest.raises(InputError, match="no voxel with a dose above zero"):
            read(np.full(RUN.shape, nothing))


def test_undefined_voxels_spread_to_their_neighbours_only(tmp_path):
    shifted = Grid(RUN.shape, RUN.spacing_mm, tuple(o + 1.0 for o in RUN.origin_mm))
    values = np.full(RUN.shape, 7.0)
    values[10, 10, 10] = np.nan
    found = read_dose_map(write_image(tmp_path / "map.nii.gz", shifted, values), RUN).mean
    assert np.argwhere(np.isnan(found)).tolist() == [[z, y, x] for z in (10, 11) for y in (10, 11) for x in (10, 11)]
    assert np.nanmax(np.abs(found - 7.0)) < 1e-9


def test_names_of_methods(tmp_path):
    file = write_image(tmp_path / "Dose of TPS (v2).nii.gz", RUN, np.ones(RUN.shape))
    assert read_dose_map(file, RUN).method == "Dose-of-TPS-v2"
    assert read_dose_map(file, RUN, name="tps").method == "tps"
    with pytest.raises(InputError, match="no name for a method"):
        read_dose_map(file, RUN, name="../tps")


@pytest.mark.parametrize("kind", ["missing", "text", "folder", "cut"])
def test_files_that_are_no_map_are_refused(tmp_path, kind):
    path = tmp_path / "map.nii.gz"
    if kind == "text":
        path = tmp_path / "map.txt"
        path.write_text("dose")
    elif kind == "folder":
        path = tmp_path
    elif kind == "cut":
        whole = write_image(path, RUN, lesion_like(RUN)).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError) as error:
        read_dose_map(path, RUN)
    assert error.value.suggestion
