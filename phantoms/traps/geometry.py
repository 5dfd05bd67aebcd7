"""Geometry of volume files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .patient import LESION_BQ_ML, LESION_ML, ct_truth, in_box, pet_truth, write_case, write_volume, write_volumes
from .trap import Right, Trap
from .volume_files import first_centre, nifti, write_metaimage, write_nifti, write_nrrd

_NUMBERS: dict[str, Any] = {
    "hours": (24.0, 96.0),
    "lesions": {"lesion 1": {"volume_ml": LESION_ML, "mean_bq_ml": LESION_BQ_ML}},
}
_PET = pet_truth().astype(np.float32)
_LESION = in_box(2.0).astype(np.uint8)
_NO_PLACE = {"qform_code": 0, "sform_code": 0}


def _first_pet(write: Callable[[Path], None], name: str = "pet_24h.nii.gz") -> Callable[[Path], None]:
    """The patient as volumes, whose first PET ``write`` writes in place of the usual one."""

    def make(folder: Path) -> None:
        write_volumes(folder)
        (folder / "pet_24h.nii.gz").unlink()
        write(folder / name)
        write_case(folder, (name, "pet_96h.nii.gz"), "ct.nii.gz", "lesions.nii.gz", ("24 h", "96 h"))

    return make


def _pet(name: str = "pet_24h.nii.gz", values: np.ndarray = _PET, **fields: Any) -> Callable[[Path], None]:
    """The patient as volumes; the first PET is a NIfTI with other fields in its header."""
    return _first_pet(lambda path: write_nifti(path, nifti(values, 4.0, **fields)), name)


def _label_map(first: tuple[float, float, float]) -> Callable[[Path], None]:
    """The patient as volumes; the label map's first voxel lies elsewhere."""

    def make(folder: Path) -> None:
        write_volumes(folder)
        write_volume(folder / "lesions.nii.gz", _LESION, 2.0, first)

    return make


def _no_positions(folder: Path) -> None:
    write_volumes(folder)
    for name, share in (("pet_24h.nii.gz", 1.0), ("pet_96h.nii.gz", 0.4)):
        write_nifti(folder / name, nifti((share * _PET).astype(np.float32), 4.0, **_NO_PLACE))
    write_nifti(folder / "ct.nii.gz", nifti(ct_truth(), 2.0, **_NO_PLACE))
    cropped = np.ascontiguousarray(_LESION[10:30, 20:44, 30:50])
    write_nifti(folder / "lesions.nii.gz", nifti(cropped, 2.0, **_NO_PLACE))


def _no_positions_but_the_same_voxels(folder: Path) -> None:
    write_volumes(folder)
    ct = ct_truth().reshape(20, 2, 32, 2, 32, 2).mean(axis=(1, 3, 5)).astype(np.int16)
    images = {"pet_24h": _PET, "pet_96h": 0.4 * _PET, "ct": ct, "lesions": in_box(4.0).astype(np.uint8)}
    for name, values in images.items():
        kept = values.astype(np.float32) if name == "pet_96h" else values
        write_nifti(folder / f"{name}.nii.gz", nifti(kept, 4.0, **_NO_PLACE))


def _cut_short(name: str) -> Callable[[Path], None]:
    """The first PET ends within its voxels, whole as a file."""

    def write(path: Path) -> None:
        whole = nifti(_PET, 4.0)
        write_nifti(path, whole[: int(0.62 * len(whole))])

    return _first_pet(write, name)


def _namesake(folder: Path) -> None:
    write_volumes(folder)
    write_nifti(folder / "pet_24h.nii", nifti(0.0 * _PET, 4.0))


def _metaimage_elsewhere(folder: Path) -> None:
    own = folder / "export"
    own.mkdir()
    write_volumes(own)
    (folder / "elsewhere.raw").write_bytes(_PET.astype("<f4").tobytes())
    write_metaimage(own / "pet_24h.mhd", _PET, 4.0, "../elsewhere.raw")
    write_case(own, ("pet_24h.mhd", "pet_96h.nii.gz"), "ct.nii.gz", "lesions.nii.gz", ("24 h", "96 h"))


def _ct_of_a_part(folder: Path) -> None:
    write_volumes(folder)
    x, y, z = first_centre(2.0)
    write_volume(folder / "ct.nii.gz", ct_truth()[12:28], 2.0, (x, y, z + 24.0))


def _displaced_ct(folder: Path) -> None:
    write_volumes(folder)
    x, y, z = first_centre(2.0)
    write_volume(folder / "ct.nii.gz", ct_truth(), 2.0, (x + 40.0, y - 20.0, z))
    cropped = np.ascontiguousarray(_LESION[10:30, 20:44, 30:50])
    write_volume(folder / "lesions.nii.gz", cropped, 2.0, (x + 60.0, y + 40.0, z + 20.0))


def _nrrd(space: str, sign: float, scale: float = 1.0, **more: str) -> Callable[[Path], None]:
    """The first PET as a NRRD, with its first two axes in another sense and in another unit."""
    x, y, z = first_centre(4.0)
    a, c = sign * 4.0 * scale, 4.0 * scale
    fields = {
        "space": space,
        "space directions": f"({a:g},0,0) (0,{a:g},0) (0,0,{c:g})",
        "space origin": f"({sign * x * scale:g},{sign * y * scale:g},{z * scale:g})",
        **{key.replace("_", " "): text for key, text in more.items()},
    }
    fields = {name: text for name, text in fields.items() if text}
    return _first_pet(lambda path: write_nrrd(path, _PET, fields), "pet_24h.nrrd")


_UINT = np.rint(_PET / 4.0).astype(np.int16)  # with a slope of 4: exact

TRAPS: tuple[Trap, ...] = (
    Trap(
        "nifti-without-position",
        "All volumes are NIfTI with qform_code 0 and sform_code 0, and the label map is cropped.",
        "Refused: where the label map lies in the images is not known.",
        _no_positions,
        Right(refused=True, says=("does not say where in the patient",)),
        source="report",
    ),
    Trap(
        "nifti-without-position-but-the-same-voxels",
        "All volumes are NIfTI with qform_code 0 and sform_code 0 and have the very same voxels.",
        "Read, with a word on the missing position: where the volumes lie against each other is known.",
        _no_positions_but_the_same_voxels,
        Right(**_NUMBERS, says=("does not say where in the patient",)),
    ),
    Trap(
        "nifti-qform-apart-from-sform",
        "The first PET is placed by qform (code 1) 20 mm away from where its sform (code 2) places it.",
        "Refused, both places named: programs disagree on which goes first; by the sform the lesion has 100000 Bq/mL.",
        _pet(sform_code=2, qoffset=(62.0 + 20.0, 62.0, 2.0)),
        Right(refused=True, **_NUMBERS, says=("qform (code 1)", "sform (code 2)", "20 mm")),
        source="report",
    ),
    Trap(
        "nifti-qform-rounded",
        "The first PET's qform lies 0.05 mm from its sform: a header in single precision.",
        "Read without a word.",
        _pet(qoffset=(62.05, 62.0, 2.0)),
        Right(**_NUMBERS, unsaid=("twice",)),
    ),
    Trap(
        "nifti-qform-turned-only",
        "The first PET's qform mirrors the image (qfac -1) that its sform does not.",
        "Refused, both named; by the sform the lesion has 100000 Bq/mL.",
        _pet(pixdim=(-1.0, 4.0, 4.0, 4.0, 0.0, 0.0, 0.0, 0.0)),
        Right(refused=True, **_NUMBERS, says=("qform", "sform")),
    ),
    Trap(
        "nifti-sform-of-another-size",
        "The first PET has voxels of 4 mm by its sform and of 2 mm by pixdim; qform_code is 0.",
        "Refused, both sizes named.",
        _pet(qform_code=0, pixdim=(1.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0)),
        Right(refused=True, says=("2 x 2 x 2 mm by pixdim", "4 x 4 x 4 mm by the sform")),
    ),
    Trap(
        "nifti-sheared",
        "The first PET's sform shears the image, as a converter writes a tilted gantry.",
        "Refused: its voxels are no boxes.",
        _pet(qform_code=0, srow=(-4.0, 0.0, 0.0, 62.0, 0.0, -4.0, 1.0, 62.0, 0.0, 0.0, 4.0, 2.0)),
        Right(refused=True, says=("not perpendicular",)),
    ),
    Trap(
        "nifti-in-metres",
        "The first PET states its places in metres (xyzt_units 1).",
        "Read in metres.",
        _pet(
            xyzt_units=1,
            pixdim=(1.0, 0.004, 0.004, 0.004, 0.0, 0.0, 0.0, 0.0),
            qoffset=(0.062, 0.062, 0.002),
            srow=(-0.004, 0.0, 0.0, 0.062, 0.0, -0.004, 0.0, 0.062, 0.0, 0.0, 0.004, 0.002),
        ),
        Right(**_NUMBERS),
    ),
    Trap(
        "nifti-metres-by-mistake",
        "The first PET states metres (xyzt_units 1) and writes millimetres.",
        "Refused: no voxel is 4 m wide.",
        _pet(xyzt_units=1),
        Right(refused=True, says=("4000 x 4000 x 4000 mm",)),
    ),
    Trap(
        "nifti-of-the-second-version",
        "The first PET is a NIfTI-2.",
        "Read.",
        _pet(version=2),
        Right(**_NUMBERS),
        source="report",
    ),
    Trap(
        "nifti-big-endian-scaled",
        "The first PET is stored in whole numbers with the high byte first and a slope of 4.",
        "Read and scaled.",
        _pet(values=_UINT, order=">", scl_slope=4.0),
        Right(**_NUMBERS),
    ),
    Trap(
        "nifti-cut-short",
        "The first PET ends after 62 % of its bytes.",
        "Refused: it is cut short.",
        _cut_short("pet_24h.nii"),
        Right(refused=True, says=("cut short",)),
        source="report",
    ),
    Trap(
        "nifti-cut-short-then-compressed",
        "The first PET ends after 62 % of its bytes and was then compressed: its checksum is right.",
        "Refused: it is cut short.",
        _cut_short("pet_24h.nii.gz"),
        Right(refused=True, says=("cut short",)),
    ),
    Trap(
        "nifti-with-a-namesake",
        "Beside pet_24h.nii.gz, which the case names, lies an empty pet_24h.nii.",
        "The file named is read.",
        _namesake,
        Right(**_NUMBERS),
        source="report",
    ),
    Trap(
        "nifti-with-a-second-volume",
        "The first PET's header states one volume, and two are stored.",
        "Refused: the header describes another image.",
        _first_pet(lambda path: write_nifti(path, nifti(_PET, 4.0) + _PET.tobytes())),
        Right(refused=True, says=("behind the voxels",)),
    ),
    Trap(
        "nifti-of-a-thousand-million-voxels",
        "The first PET's header states 1000 x 1000 x 1000 voxels in a small compressed file.",
        "Refused before any memory is taken.",
        _pet(dim=(3, 1000, 1000, 1000, 1, 1, 1, 1)),
        Right(refused=True, says=("1000 x 1000 x 1000",)),
        source="report",
    ),
    Trap(
        "label-map-that-lost-its-position",
        "The label map has the voxels of the CT and starts at the origin, where the CT does not.",
        "Refused, the distance named.",
        _label_map((0.0, 0.0, 0.0)),
        Right(refused=True, says=("lost or mirrored",)),
    ),
    Trap(
        "label-map-mirrored",
        "The label map has the voxels of the CT, and its position has the sign of another convention.",
        "Refused, both places named.",
        _label_map((-63.0, -63.0, -79.0)),
        Right(refused=True, says=("lost or mirrored",)),
    ),
    Trap(
        "nrrd-right-anterior-superior",
        "The first PET is a NRRD in the space right-anterior-superior.",
        "Read in that space.",
        _nrrd("right-anterior-superior", -1.0),
        Right(**_NUMBERS),
    ),
    Trap(
        "nrrd-in-micrometres",
        "The first PET is a NRRD whose space units are micrometres.",
        "Read in micrometres.",
        _nrrd("left-posterior-superior", 1.0, 1000.0, space_units='"um" "um" "um"'),
        Right(**_NUMBERS),
    ),
    Trap(
        "nrrd-without-space",
        "The first PET is a NRRD that does not say how its axes lie in the patient.",
        "Refused: where it lies is not known.",
        _nrrd("", 1.0, space_dimension="3"),
        Right(refused=True, says=("does not say where in the patient",)),
    ),
    Trap(
        "metaimage-that-names-a-file-elsewhere",
        "The first PET is a MetaImage header whose voxels are to come from a file in another folder.",
        "Refused: a header leads nowhere else.",
        _metaimage_elsewhere,
        Right(refused=True, says=("own folder",)),
        commands=("check export/case.yaml",),
        source="report",
    ),
    Trap(
        "ct-displaced",
        "The CT's position is 45 mm off in the axial plane; the lesion still lies in the body that it shows.",
        "Read, and the share of the activity that lies in air is said where it cannot be overlooked, or refused.",
        _displaced_ct,
        Right(refusal_allowed=True, says=("in air", "same place")),
    ),
    Trap(
        "ct-of-a-part-of-the-pet",
        "The CT covers 32 of the PET's 80 mm along the body.",
        "Read, and the share of the activity that lies outside is said where it cannot be overlooked.",
        _ct_of_a_part,
        Right(**_NUMBERS, says=("critical:", "of the activity in the image")),
        source="report",
    ),
)
