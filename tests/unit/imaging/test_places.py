"""Whether PET, CT and label maps lie where they belong: activity outside the CT, positions unknown or lost."""

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid, Volume, write_image
from hevesy.engine.imaging.masks.checks import check_overlap, check_places
from hevesy.engine.imaging.masks.read import open_masks
from hevesy.engine.imaging.source import ImageSource
from hevesy.engine.notes import CAUTION, CRITICAL, NOTE, weight_of
from hevesy.engine.pipeline.plausibility import check_air
from hevesy.phantoms.traps.volume_files import nifti, write_metaimage, write_nifti

PET = Grid((10, 8, 8), (4.0, 4.0, 4.0), (2.0, -14.0, -14.0))
CT = Grid((20, 16, 16), (2.0, 2.0, 2.0), (1.0, -15.0, -15.0))


@pytest.mark.parametrize(("share", "weight"), [(0.0, NOTE), (0.02, CAUTION), (0.5, CRITICAL)])
def test_what_lies_outside_the_ct_is_weighed_by_its_activity(share, weight):
    ct = Volume(CT.cropped((slice(8, 20), slice(0, 16), slice(0, 16))), np.zeros((12, 16, 16)), "HU")
    values = np.zeros(PET.shape)
    values[6, 3, 3], values[1, 3, 3] = 1.0 - share, share
    (note,) = check_overlap(ct, Volume(PET, values, "Bq/mL"), [])
    assert weight_of(note) == weight and "covers 60 % of the PET" in note
    assert (f"{100 * share:.2g} % of the activity" in note) == (share > 0.0)


def source(tmp_path, name, grid, **fields):
    """A volume file on a grid; NIfTI with other fields of its header."""
    path = tmp_path / name
    if fields:
        x, y, z = grid.origin_mm[::-1]
        write_nifti(path, nifti(np.zeros(grid.shape, np.uint8), grid.spacing_mm[0], (x, y, z), **fields))
    else:
        write_image(path, grid, np.zeros(grid.shape, np.uint8))
    return ImageSource(path)


def lesions(tmp_path, name, grid, **fields):
    """A label map on a grid, opened."""
    return open_masks(source(tmp_path, name, grid, **fields).location)


NOWHERE = {"qform_code": 0, "sform_code": 0}


def test_files_with_positions_pass(tmp_path):
    images = [source(tmp_path, "pet.nii.gz", PET), source(tmp_path, "ct.mha", CT)]
    cropped = CT.cropped((slice(5, 12), slice(2, 9), slice(3, 8)))
    check_places(images, [lesions(tmp_path, "a.nrrd", cropped), lesions(tmp_path, "b.nii", PET)], [PET, CT])


def test_a_file_without_a_position_is_refused_beside_others(tmp_path):
    images = [source(tmp_path, "pet.nii.gz", PET), source(tmp_path, "ct.mha", CT)]
    with pytest.raises(InputError, match=r"(?s)b\.nii: the file does not say where.*pet\.nii\.gz has a position"):
        check_places(images, [lesions(tmp_path, "b.nii", PET, **NOWHERE)], [PET, CT])


def test_files_without_positions_need_the_same_voxels(tmp_path):
    images = [source(tmp_path, name, PET, **NOWHERE) for name in ("pet.nii.gz", "ct.nii")]
    check_places(images, [lesions(tmp_path, "b.nii", PET, **NOWHERE)], [PET, PET])
    cropped = PET.cropped((slice(5, 9), slice(2, 6), slice(3, 8)))
    with pytest.raises(InputError, match="4 x 4 x 5 voxels"):
        check_places(images, [lesions(tmp_path, "c.nii", cropped, **NOWHERE)], [PET, PET])


@pytest.mark.parametrize("fields", [{"Offset": ""}, {"TransformMatrix": ""}])
def test_a_metaimage_without_offset_or_matrix_has_no_position(tmp_path, fields):
    write_metaimage(tmp_path / "a.mha", np.zeros(PET.shape), 4.0, **fields)
    with pytest.raises(InputError, match="does not say where"):
        check_places([source(tmp_path, "pet.nii.gz", PET)], [open_masks(tmp_path / "a.mha")], [PET])


@pytest.mark.parametrize("origin", [(0.0, 0.0, 0.0), (2.0, -14.0, 14.0), (2.0, -14.0, -12.0)])
def test_a_label_map_with_the_voxels_of_an_image_lies_where_it_does(tmp_path, origin):
    displaced = Grid(PET.shape, PET.spacing_mm, origin)
    with pytest.raises(InputError, match="lost or mirrored"):
        check_places([source(tmp_path, "pet.nii.gz", PET)], [lesions(tmp_path, "b.nii", displaced)], [PET, CT])


def test_a_label_map_on_the_voxels_of_a_later_pet_passes(tmp_path):
    later = Grid(PET.shape, PET.spacing_mm, (30.0, -14.0, -14.0))
    check_places([source(tmp_path, "pet.nii.gz", PET)], [lesions(tmp_path, "b.nii", later)], [PET, CT, later])


def test_every_map_of_a_folder_is_asked(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    source(folder, "a.nii", PET)
    source(folder, "b.nii", Grid(PET.shape, PET.spacing_mm, (0.0, 0.0, 0.0)))
    with pytest.raises(InputError, match=r"b\.nii: the label map has the voxels"):
        check_places([source(tmp_path, "pet.nii.gz", PET)], [open_masks(folder)], [PET])


def test_a_segmentation_in_layers_has_the_place_of_each_layer(tmp_path):
    """As 3D Slicer writes overlapping segments: the fastest axis runs over the layers."""
    layers = np.zeros((*PET.shape, 2), np.uint8)
    layers[4:6, 3:5, 3:5, 0] = layers[4:6, 4:6, 3:5, 1] = 1
    head = (
        "NRRD0004\ntype: uchar\ndimension: 4\nspace: left-posterior-superior\nsizes: 2 8 8 10\nencoding: raw\n"
        "space directions: none (4,0,0) (0,4,0) (0,0,4)\nkinds: list domain domain domain\n"
        "space origin: (-14,-14,{z})\nSegment0_Name:=A\nSegment0_LabelValue:=1\nSegment0_Layer:=0\n"
        "Segment1_Name:=B\nSegment1_LabelValue:=1\nSegment1_Layer:=1\n\n"
    )
    file = tmp_path / "a.seg.nrrd"
    file.write_bytes(head.format(z=2).encode() + layers.tobytes())
    masks = open_masks(file)
    check_places([source(tmp_path, "pet.nii.gz", PET)], [masks], [PET])
    assert [mask.name for mask in masks.masks(PET)] == ["A", "B"]
    file.write_bytes(head.format(z=-2).encode() + layers.tobytes())
    with pytest.raises(InputError, match="lost or mirrored"):
        check_places([source(tmp_path, "pet.nii.gz", PET)], [open_masks(file)], [PET])


@pytest.mark.parametrize(("share", "weight"), [(0.1, None), (0.2, CAUTION), (0.5, CRITICAL)])
def test_activity_in_air_is_weighed(share, weight):
    density = np.ones(PET.shape)
    density[:, :, :4] = 1.21e-3
    activity = np.where(density < 0.5, share, 1.0 - share)
    notes = check_air(activity, density, "baseline, pet")
    assert [weight_of(note) for note in notes] == ([] if weight is None else [weight])
