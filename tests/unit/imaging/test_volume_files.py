"""Volume files are read by their own headers: as SimpleITK reads what is clean, and refused where it guesses."""

import gzip
import math

import numpy as np
import pytest
import SimpleITK as sitk
from hevesy.engine.errors import InputError
from hevesy.engine.grid import canonical
from hevesy.engine.imaging.volumes import read_file
from hevesy.engine.notes import CRITICAL, weight_of
from hevesy.phantoms.traps.volume_files import nifti, write_metaimage, write_nifti, write_nrrd

VALUES = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
ENDINGS = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr")


def turned(x, y, z):
    """Rotation by a vector [rad]."""
    angle = math.sqrt(x * x + y * y + z * z)
    k = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]) / angle
    return np.eye(3) + math.sin(angle) * k + (1.0 - math.cos(angle)) * k @ k


DIRECTIONS = {
    "axial": np.eye(3),
    "flipped": np.diag([-1.0, -1.0, 1.0]),
    "left handed": np.diag([1.0, 1.0, -1.0]),
    "permuted": np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]]),
    "oblique": turned(0.1, 0.2, 0.3),
    "nearly half a turn": turned(0.0, 0.01, 3.14),
}


def refused(path, *words):
    with pytest.raises(InputError) as caught:
        read_file(path, "Bq/mL")
    message = str(caught.value)
    for word in words:
        assert word in message
    assert str(path) in message and "why:" in message and "try:" in message
    assert "itk" not in message.lower()
    return message


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_a_clean_file_is_what_simpleitk_reads(tmp_path, ending, direction, kind):
    values = np.random.default_rng(1).uniform(0.0, 100.0, (5, 6, 7)).astype(kind)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.3, 2.7, 4.07283))
    image.SetOrigin((-100.3, 55.1, 7.77))
    image.SetDirection([float(v) for v in direction.ravel()])
    path = tmp_path / f"image{ending}"
    sitk.WriteImage(image, str(path), useCompression=kind != "u1")
    read = sitk.ReadImage(str(path))
    steps = np.array(read.GetDirection()).reshape(3, 3) * np.array(read.GetSpacing())
    wanted, grid = canonical(sitk.GetArrayFromImage(read), np.column_stack([steps[:, ::-1], read.GetOrigin()]), path)
    volume = read_file(path, "label", dtype=None)
    np.testing.assert_array_equal(volume.values, wanted)
    assert volume.values.dtype == wanted.dtype and volume.grid.shape == grid.shape
    np.testing.assert_allclose(volume.grid.affine, grid.affine, atol=1e-6)
    if abs(direction).max(axis=0).min() == 1.0:
        assert volume.grid == grid  # to the last digit


def test_scaled_whole_numbers_are_what_simpleitk_reads(tmp_path):
    path = tmp_path / "scaled.nii.gz"
    write_nifti(path, nifti(VALUES.astype(np.int16), 4.0, scl_slope=0.37, scl_inter=-11.3))
    wanted = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(read_file(path, "Bq/mL").values, wanted.astype(np.float32))


@pytest.mark.parametrize("slope", [0.0, math.nan, math.inf])
def test_no_slope_is_no_scaling(tmp_path, slope):
    path = tmp_path / "a.nii"
    write_nifti(path, nifti(VALUES, 4.0, scl_slope=slope, scl_inter=5.0))
    np.testing.assert_array_equal(read_file(path, "Bq/mL").values, VALUES)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", "<>")
def test_versions_and_byte_orders(tmp_path, version, order):
    path = tmp_path / "a.nii.gz"
    write_nifti(path, nifti(VALUES, 4.0, (1.0, 2.0, 3.0), version, order))
    volume = read_file(path, "Bq/mL")
    np.testing.assert_array_equal(volume.values, VALUES)
    assert volume.grid.origin_mm == (3.0, 2.0, 1.0) and volume.grid.spacing_mm == (4.0, 4.0, 4.0)


def test_one_volume_in_four_dimensions(tmp_path):
    write_nifti(tmp_path / "a.nii", nifti(VALUES, 4.0, dim=(4, 5, 4, 3, 1, 1, 1, 1)))
    assert read_file(tmp_path / "a.nii", "Bq/mL").values.shape == (3, 4, 5)


def test_compression_follows_from_the_content_not_the_name(tmp_path):
    (tmp_path / "a.nii").write_bytes(gzip.compress(nifti(VALUES, 4.0)))
    (tmp_path / "b.nii.gz").write_bytes(nifti(VALUES, 4.0))
    for name in ("a.nii", "b.nii.gz"):
        np.testing.assert_array_equal(read_file(tmp_path / name, "Bq/mL").values, VALUES)


def test_several_gzip_members_are_one_file(tmp_path):
    whole = nifti(VALUES, 4.0)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(whole[:400]) + gzip.compress(whole[400:]))
    np.testing.assert_array_equal(read_file(tmp_path / "a.nii.gz", "Bq/mL").values, VALUES)


def test_an_unknown_unit_of_length_is_said(tmp_path):
    write_nifti(tmp_path / "a.nii", nifti(VALUES, 4.0, xyzt_units=0))
    assert any("no unit of length" in note for note in read_file(tmp_path / "a.nii", "Bq/mL").notes)


def test_a_label_map_as_pet_is_said(tmp_path):
    write_nifti(tmp_path / "a.nii", nifti(VALUES, 4.0, intent_code=1002))
    notes = read_file(tmp_path / "a.nii", "Bq/mL").notes
    assert [weight_of(note) for note in notes] == [CRITICAL] and "a label map" in notes[0]
    assert not read_file(tmp_path / "a.nii", "label").notes


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_few_bytes_behind_the_voxels_are_said(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write_nifti(path, nifti(VALUES, 4.0) + b"0123456")
    volume = read_file(path, "Bq/mL")
    np.testing.assert_array_equal(volume.values, VALUES)
    assert any("7 bytes behind its voxels" in note for note in volume.notes)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dim": (2, 5, 4, 3, 1, 1, 1, 1)}, "2 dimensions"),
        ({"dim": (4, 5, 4, 1, 3, 1, 1, 1)}, "4 dimensions"),
        ({"dim": (5, 5, 4, 1, 1, 3, 1, 1)}, "5 dimensions"),
        ({"dim": (3, 5, 0, 3, 1, 1, 1, 1)}, "5 x 0 x 3"),
        ({"dim": (3, 5, -4, 3, 1, 1, 1, 1)}, "5 x -4 x 3"),
        ({"dim": (9, 5, 4, 3, 1, 1, 1, 1)}, "9 dimensions"),
        ({"datatype": 128, "bitpix": 24}, "colour (RGB)"),
        ({"datatype": 32, "bitpix": 64}, "complex"),
        ({"datatype": 77}, "type 77"),
        ({"bitpix": 16}, "16 bits"),
        ({"vox_offset": math.nan}, "byte nan"),
        ({"vox_offset": 1e30}, "byte 1e+30"),
        ({"vox_offset": 100.0}, "byte 100"),
        ({"vox_offset": -352.0}, "byte -352"),
        ({"scl_slope": 2.0, "scl_inter": math.nan}, "intercept of the values is nan"),
        ({"sform_code": 0, "pixdim": (1.0, 4.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0)}, "4 x 0 x 4"),
        ({"sform_code": 0, "pixdim": (1.0, 4.0, -4.0, 4.0, 0.0, 0.0, 0.0, 0.0)}, "4 x -4 x 4"),
        ({"sform_code": 0, "pixdim": (1.0, 4.0, math.nan, 4.0, 0.0, 0.0, 0.0, 0.0)}, "4 x nan x 4"),
        ({"sform_code": 0, "quatern": (1.0, 1.0, 1.0)}, "no rotation"),
        ({"sform_code": 0, "quatern": (math.nan, 0.0, 1.0)}, "no rotation"),
        ({"sform_code": 0, "qoffset": (math.inf, 0.0, 0.0)}, "voxel size"),
        ({"sform_code": 0, "qoffset": (1e9, 0.0, 0.0)}, "no scanner is that large"),
        ({"qform_code": 0, "srow": (0.0,) * 12}, "0 x 0 x 0"),
        ({"magic": b"ni1\0"}, "one of a pair"),
        ({"magic": b"\0\0\0\0"}, "no NIfTI file"),
        ({"sizeof_hdr": 999}, "no NIfTI file"),
    ],
)
def test_a_nifti_header_that_cannot_be_right_is_refused(tmp_path, fields, words):
    write_nifti(tmp_path / "a.nii", nifti(VALUES, 4.0, **fields))
    refused(tmp_path / "a.nii", words)


def test_sizes_of_nifti_2_are_limited(tmp_path):
    write_nifti(tmp_path / "a.nii.gz", nifti(VALUES, 4.0, version=2, dim=(3, 10**6, 10**6, 10**6, 1, 1, 1, 1)))
    refused(tmp_path / "a.nii.gz", "600 million voxels")


def test_a_size_that_the_file_cannot_hold_is_refused_before_memory_is_taken(tmp_path, monkeypatch):
    write_nifti(tmp_path / "a.nii.gz", nifti(VALUES, 4.0, dim=(3, 800, 800, 800, 1, 1, 1, 1)))
    monkeypatch.setattr(np, "empty", None)
    refused(tmp_path / "a.nii.gz", "cut short")


def test_an_image_larger_than_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("hevesy.engine.imaging.formats.stream.memory_bytes", lambda: 1000)
    write_nifti(tmp_path / "a.nii", nifti(VALUES, 4.0))
    refused(tmp_path / "a.nii", "this machine has 1e-06 GB")


def test_a_damaged_stream_is_refused(tmp_path):
    whole = bytearray(gzip.compress(nifti(np.random.default_rng(1).random((3, 40, 50)), 4.0)))
    whole[-6] ^= 1  # in the checksum
    (tmp_path / "a.nii.gz").write_bytes(whole)
    refused(tmp_path / "a.nii.gz", "damaged")


def test_folders_and_pairs_are_refused(tmp_path):
    (tmp_path / "a.nii").mkdir()
    refused(tmp_path / "a.nii", "not an ordinary file")
    (tmp_path / "a.hdr").write_bytes(b"")
    refused(tmp_path / "a.hdr", ".hdr and .img")


NRRD = {
    "space": "left-posterior-superior",
    "space directions": "(4,0,0) (0,4,0) (0,0,4)",
    "space origin": "(1,2,3)",
}


@pytest.mark.parametrize(
    ("fields", "origin"),
    [
        ({}, (3.0, 2.0, 1.0)),
        ({"space": "LAS", "space directions": "(4,0,0) (0,-4,0) (0,0,4)"}, (3.0, -2.0, 1.0)),
        ({"space": "RAS", "space directions": "(-4,0,0) (0,-4,0) (0,0,4)"}, (3.0, -2.0, -1.0)),
        ({"space directions": "(.4,0,0) (0,.4,0) (0,0,.4)", "space units": '"cm" "cm" "cm"'}, (30.0, 20.0, 10.0)),
    ],
)
def test_spaces_and_units_of_nrrd(tmp_path, fields, origin):
    write_nrrd(tmp_path / "a.nrrd", VALUES, {**NRRD, **fields})
    volume = read_file(tmp_path / "a.nrrd", "Bq/mL")
    np.testing.assert_array_equal(volume.values, VALUES)
    np.testing.assert_allclose(volume.grid.origin_mm, origin)
    np.testing.assert_allclose(volume.grid.spacing_mm, (4.0, 4.0, 4.0))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"space": "mars"}, "space 'mars'"),
        ({"space directions": "none none none"}, "5 x 4 x 3 values per voxel"),
        ({"space directions": "none (0,4,0) (0,0,4)"}, "5 values per voxel"),
        ({"space directions": "(4,0,0) (0,4,0)"}, "3 vectors"),
        ({"space directions": "(4,0,0) (0,4,0) (0,1,4)"}, "not perpendicular"),
        ({"space directions": "(4,0,0) (0,nan,0) (0,0,4)"}, "finite"),
        ({"space units": '"in" "in" "in"'}, "a length is needed"),
        ({"space directions": ""}, "no voxel size"),
        ({"space directions": "", "spacings": "4 -4 4"}, "positive size"),
        ({"old max": "1000"}, "range"),
        ({"data file": "/etc/passwd"}, "own folder"),
        ({"data file": "../b.raw"}, "own folder"),
        ({"data file": "LIST"}, "not there"),
        ({"data file": "b%d.raw 1 3 1"}, "list of files is not read"),
        ({"byte skip": "-1"}, "bytes on"),
    ],
)
def test_a_nrrd_header_that_cannot_be_right_is_refused(tmp_path, fields, words):
    stated = {name: text for name, text in {**NRRD, **fields}.items() if text}
    write_nrrd(tmp_path / "a.nrrd", VALUES, stated)
    refused(tmp_path / "a.nrrd", words)


def test_a_nrrd_without_a_byte_order_is_refused(tmp_path):
    write_nrrd(tmp_path / "a.nrrd", VALUES, NRRD)
    (tmp_path / "a.nrrd").write_bytes((tmp_path / "a.nrrd").read_bytes().replace(b"endian: little\n", b""))
    refused(tmp_path / "a.nrrd", "no endian")


def test_a_nrrd_written_as_text(tmp_path):
    write_nrrd(tmp_path / "a.nrrd", VALUES, NRRD)
    head = (tmp_path / "a.nrrd").read_bytes().partition(b"\n\n")[0].replace(b"raw", b"ascii")
    (tmp_path / "a.nrrd").write_bytes(head + b"\n\n" + " ".join(f"{v:g}" for v in VALUES.ravel()).encode())
    np.testing.assert_array_equal(read_file(tmp_path / "a.nrrd", "Bq/mL").values, VALUES)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ElementSpacing": "4 -4 4"}, "positive size"),
        ({"ElementSpacing": "4 0 4"}, "positive size"),
        ({"ElementSpacing": "4 4"}, "3 finite numbers"),
        ({"TransformMatrix": "2 0 0 0 1 0 0 0 1"}, "length 1"),
        ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "not perpendicular"),
        ({"ElementNumberOfChannels": "3"}, "3 values per voxel"),
        ({"DimSize": "5 4 30"}, "cut short"),
        ({"DimSize": "5 4 2"}, "bytes behind"),
        ({"DimSize": "5 4 3000000"}, "3000000 voxels"),
        ({"ElementType": "MET_STRING"}, "MET_STRING"),
        ({"ObjectType": "Tube"}, "Tube"),
        ({"ElementToIntensityFunctionSlope": "2"}, "scale"),
        ({"BinaryData": "maybe"}, "True or False"),
    ],
)
def test_a_metaimage_header_that_cannot_be_right_is_refused(tmp_path, fields, words):
    big = np.zeros((3, 40, 50), np.float32) if words == "bytes behind" else VALUES
    write_metaimage(tmp_path / "a.mha", big, 4.0, **fields)
    refused(tmp_path / "a.mha", words)


@pytest.mark.parametrize("name", ["/etc/passwd", "..\\b.raw", "C:\\b.raw", "../b.raw", "LIST", "b%03d.raw 1 3 1", "."])
def test_the_voxels_of_a_metaimage_are_beside_its_header(tmp_path, name):
    write_metaimage(tmp_path / "a.mhd", VALUES, 4.0, name)
    message = refused(tmp_path / "a.mhd")
    assert "root:" not in message


def test_a_name_with_a_blank_is_one_name(tmp_path):
    write_metaimage(tmp_path / "a.mhd", VALUES, 4.0, "two words.raw")
    (tmp_path / "two words.raw").write_bytes(VALUES.tobytes())
    np.testing.assert_array_equal(read_file(tmp_path / "a.mhd", "Bq/mL").values, VALUES)


def test_letters_that_contradict_the_matrix_are_said(tmp_path):
    for letters, notes in (("RAI", 0), ("LPS", 0), ("RAS", 1), ("???", 0)):
        write_metaimage(tmp_path / "a.mha", VALUES, 4.0, AnatomicalOrientation=letters)
        assert len(read_file(tmp_path / "a.mha", "Bq/mL").notes) == notes
