"""DICOM series and volume files: order, completeness, orientation, damage."""

import numpy as np
import pydicom
import pytest
from hevesy.engine import imaging
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid, write_image
from hevesy.engine.notes import CAUTION, weight_of
from hevesy.tests.unit.dicom_factory import uid, write_series

GRID = Grid((6, 7, 8), (3.0, 2.0, 1.5), (-40.0, 12.0, 7.0))
VALUES = np.random.default_rng(1).integers(-1000, 1500, GRID.shape).astype(np.float32)


def edited(source, target, **fields):
    """Copy a DICOM file with other elements; None deletes one."""
    data = pydicom.dcmread(source)
    for key, value in fields.items():
        if value is None:
            delattr(data, key)
        else:
            setattr(data, key, value)
    data.save_as(target)


def test_slices_in_any_file_order_form_the_image(tmp_path):
    volume = imaging.read_ct(write_series(tmp_path / "ct", VALUES, GRID))
    assert volume.grid.same_as(GRID)
    np.testing.assert_array_equal(volume.values, VALUES)
    assert volume.frame_of_reference == uid("frame") and volume.quantity == "HU"


@pytest.mark.parametrize(
    "orientation",
    [(-1, 0, 0, 0, 1, 0), (1, 0, 0, 0, -1, 0), (0, 1, 0, 1, 0, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)],
    ids=["x flipped", "y flipped", "transposed", "coronal", "sagittal"],
)
def test_flipped_and_permuted_series_are_the_same_image(tmp_path, orientation):
    volume = imaging.read_ct(write_series(tmp_path / "ct", VALUES, GRID, orientation=orientation))
    assert volume.grid.same_as(GRID)
    np.testing.assert_array_equal(volume.values, VALUES)


def test_slopes_of_each_slice_are_applied(tmp_path):
    values = np.abs(VALUES) * np.array([1, 10, 100, 3, 30, 0.1])[:, None, None]
    volume = imaging.read_volume(write_series(tmp_path / "pt", values, GRID, "PT"), "Bq/mL")
    np.testing.assert_allclose(volume.values, values, atol=float(values.max()) / 50000)
    assert np.max(np.abs(volume.values[5] - values[5])) < values[5].max() / 50000


def test_a_single_file_names_its_series_and_a_list_works(tmp_path):
    folder = write_series(tmp_path / "ct", VALUES, GRID)
    files = sorted(folder.iterdir())
    assert imaging.read_ct(files[2]).grid.same_as(GRID)
    assert imaging.read_ct(files).grid.same_as(GRID)


def test_a_series_of_a_mixed_folder_by_its_uid(tmp_path):
    folder = write_series(tmp_path / "mix", VALUES, GRID, series="a")
    write_series(folder, VALUES + 1, GRID, series="b")
    spec = f"{folder}#{uid('b', 'CT')}"
    np.testing.assert_array_equal(imaging.read_ct(spec).values, VALUES + 1)
    assert imaging.exists(spec) and not imaging.exists(tmp_path / "no#1.2")
    with pytest.raises(InputError, match="no DICOM file with series UID 1.2.3"):
        imaging.read_ct(f"{folder}#1.2.3")


@pytest.mark.parametrize("modality", ["CT", "PT"])
def test_mixed_series_are_refused_and_told_apart(tmp_path, modality):
    folder = write_series(tmp_path / "mix", VALUES, GRID, series="a")
    write_series(folder, np.abs(VALUES), GRID, modality, series="b")
    with pytest.raises(InputError, match="2 image series are mixed in one folder") as caught:
        imaging.read_ct(folder)
    assert uid("a", "CT") in str(caught.value) and "#" in caught.value.suggestion


def test_missing_slice_is_refused(tmp_path):
    folder = write_series(tmp_path / "ct", VALUES, GRID, skip=(3,))
    with pytest.raises(InputError, match=r"1 slice missing in the CT series between -34.00 and -28.00 mm"):
        imaging.read_ct(folder)


def test_a_copy_of_a_slice_is_left_out(tmp_path):
    folder = write_series(tmp_path / "ct", VALUES, GRID)
    first = sorted(folder.iterdir())[0]
    (folder / "copy.dcm").write_bytes(first.read_bytes())
    volume = imaging.read_ct(folder)
    np.testing.assert_array_equal(volume.values, VALUES)
    assert any("1 file was left out" in note and "(a copy)" in note for note in volume.notes)


def test_two_slices_at_one_position_are_refused(tmp_path):
    folder = write_series(tmp_path / "ct", VALUES, GRID)
    edited(sorted(folder.iterdir())[0], folder / "other.dcm", SOPInstanceUID="1.2.3")
    with pytest.raises(InputError, match="two CT slices are at the same position") as caught:
        imaging.read_ct(folder)
    assert "ct/other.dcm" in str(caught.value)


@pytest.mark.parametrize("fields", [{"RescaleIntercept": "-1000"}, {"ImagePositionPatient": [0, 0, 0]}])
def test_two_files_of_one_instance_that_differ_are_refused(tmp_path, fields):
    folder = write_series(tmp_path / "ct", VALUES, GRID)
    edited(sorted(folder.iterdir())[0], folder / "other.dcm", **fields)
    with pytest.raises(InputError, match="two files are the same instance and differ in") as caught:
        imaging.read_ct(folder)
    assert "ct/other.dcm" in str(caught.value) and next(iter(fields)) in str(caught.value)


def test_two_files_of_one_instance_with_other_pixels_are_refused(tmp_path):
    folder = write_series(tmp_path / "ct", VALUES, GRID)
    slices = sorted(folder.iterdir())
    edited(slices[0], folder / "other.dcm", PixelData=pydicom.dcmread(slices[1]).PixelData)
    with pytest.raises(InputError, match="differ in their pixels"):
        imaging.read_ct(folder)


def test_a_reexported_copy_is_left_out(tmp_path):
    folder = write_series(tmp_path / "ct", VALUES, GRID)
    edited(sorted(folder.iterdir())[0], folder / "other.dcm", InstitutionName="Elsewhere")
    np.testing.assert_array_equal(imaging.read_ct(folder).values, VALUES)


def test_pet_where_a_ct_is_wanted(tmp_path):
    folder = write_series(tmp_path / "pt", np.abs(VALUES), GRID, "PT")
    with pytest.raises(InputError, match="the series is PT, not CT"):
        imaging.read_ct(folder)


def test_a_series_of_one_image_beside_the_slices(tmp_path):
    folder = write_series(tmp_path / "ct", VALUES, GRID, series="a")
    write_series(folder, VALUES, GRID, series="scout", skip=(1, 2, 3, 4, 5))
    volume = imaging.read_ct(folder)
    np.testing.assert_array_equal(volume.values, VALUES)
    assert any("a further CT series of 1 image in the folder was left out: a single slice" in n for n in volume.notes)


def test_compression_with_loss_is_said(tmp_path):
    folder = write_series(tmp_path / "ct", VALUES, GRID, LossyImageCompression="01")
    assert any("compressed with loss" in note for note in imaging.read_ct(folder).notes)


def test_localizer_among_the_slices(tmp_path):
    folder = write_series(tmp_path / "ct", VALUES, GRID)
    write_series(folder, VALUES[:, :, :4], Grid((6, 7, 4), GRID.spacing_mm, (50.0, 0.0, 0.0)))
    with pytest.raises(InputError, match="slices of different size"):
        imaging.read_ct(folder)


@pytest.mark.parametrize("keep", [400, -40])
def test_truncated_dicom_is_refused(tmp_path, keep):
    folder = write_series(tmp_path / "ct", VALUES, GRID)
    victim = sorted(folder.iterdir())[1]
    victim.write_bytes(victim.read_bytes()[:keep])
    with pytest.raises(InputError, match="truncated|damaged") as caught:
        imaging.read_ct(folder)
    assert victim.name in str(caught.value)


@pytest.mark.parametrize(("keep", "reason"), [(0, "empty"), (100, "not DICOM")])
def test_a_slice_of_which_nothing_is_left_is_missed(tmp_path, keep, reason):
    folder = write_series(tmp_path / "ct", VALUES, GRID, series="8")
    inner, outer = (next(p for p in folder.iterdir() if number(p) == k) for k in (3, 6))
    inner.write_bytes(inner.read_bytes()[:keep])
    with pytest.raises(InputError, match="1 slice missing") as caught:
        imaging.read_ct(folder)
    assert f"{inner.name} ({reason})" in str(caught.value)
    write_series(tmp_path / "ct", VALUES, GRID, series="8")
    outer.write_bytes(outer.read_bytes()[:keep])
    volume = imaging.read_ct(folder)
    note = next(note for note in volume.notes if outer.name in note)
    assert volume.grid.shape[0] == 5 and reason in note and weight_of(note) == CAUTION


def number(path):
    return int(pydicom.dcmread(path, force=True).get("InstanceNumber", 0))


@pytest.mark.parametrize("name", ["no_such_folder", "no.nii.gz"])
def test_missing_file_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="does not exist"):
        imaging.read_ct(tmp_path / name)


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no CT image series found"):
        imaging.read_ct(tmp_path)


def test_files_that_are_not_images(tmp_path):
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(InputError, match="unknown image format '.txt'"):
        imaging.read_ct(tmp_path / "note.txt")
    (tmp_path / "broken.nii.gz").write_bytes(b"not an image")
    with pytest.raises(InputError, match="the image cannot be read"):
        imaging.read_ct(tmp_path / "broken.nii.gz")


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".mha"])
def test_nan_in_the_ct_is_refused(tmp_path, ending):
    values = VALUES.copy()
    values[1, 1, 1] = np.nan
    with pytest.raises(InputError, match=r"1 .*voxel.* is not a number"):
        imaging.read_ct(write_image(tmp_path / f"ct{ending}", GRID, values))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".mha", ".nrrd"])
def test_volume_files_are_read_in_canonical_orientation(tmp_path, ending):
    volume = imaging.read_ct(write_image(tmp_path / f"ct{ending}", GRID, VALUES))
    assert volume.grid.same_as(GRID)
    np.testing.assert_array_equal(volume.values, VALUES)


def test_gantry_tilt_is_refused(tmp_path):
    import pydicom

    folder = write_series(tmp_path / "ct", VALUES, GRID, series="8")
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        x, y, z = (float(v) for v in data.ImagePositionPatient)
        data.ImagePositionPatient = [x, y + 0.2 * (z - GRID.origin_mm[0]), z]
        data.save_as(path)
    with pytest.raises(InputError, match="gantry tilt"):
        imaging.read_ct(folder)


def test_jpeg_lossless_slices_through_simpleitks_decoder(tmp_path):
    """Archives often send JPEG lossless, which pydicom cannot decode alone; values and rescale stay exact."""
    import pydicom
    import SimpleITK as sitk

    folder = write_series(tmp_path / "ct", VALUES, GRID)
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        image = sitk.GetImageFromArray(data.pixel_array[None].astype(np.int16))
        writer = sitk.ImageFileWriter()
        writer.UseCompressionOn()
        writer.SetCompressor("JPEG")
        writer.SetFileName(str(tmp_path / "one.dcm"))
        writer.Execute(image)
        packed = pydicom.dcmread(tmp_path / "one.dcm")
        data.file_meta.TransferSyntaxUID = packed.file_meta.TransferSyntaxUID
        assert data.file_meta.TransferSyntaxUID.name.startswith("JPEG Lossless")
        data.PixelData = packed.PixelData
        data.save_as(path)
    volume = imaging.read_ct(folder)
    assert volume.grid.same_as(GRID)
    np.testing.assert_array_equal(volume.values, VALUES)
    victim = sorted(folder.iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:-60])
    with pytest.raises(InputError, match="truncated"):
        imaging.read_ct(folder)
