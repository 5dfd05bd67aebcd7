"""DICOM RTDOSE as a foreign map: every form of its places and numbers, and every refusal in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hevesy.engine.compare.foreign import RunSide, read_dose_map
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid
from hevesy.engine.notes import weight_of
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
RUN = Grid((16, 18, 20), (4.0, 4.0, 4.0), (-500.0, -60.0, -30.0))
SLOPES, OFFSET = np.array([0.05, -0.03, 0.02]), 40.0
AXIAL, SECRETS = (1, 0, 0, 0, 1, 0), ("Miller^Anna", "MRN-4711", "19610203", "1.2.826.0.1.77")
#: The file covers the run with 5 mm in the plane and 6 mm between planes.
SHAPE, SPACING, STEP = (30, 34, 36), (5.0, 4.5), 6.0


def dose_at(points_xyz: np.ndarray) -> np.ndarray:
    return OFFSET + points_xyz @ SLOPES


def centres(grid: Grid) -> np.ndarray:
    return grid.index_to_xyz(np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1))


def written(
    path: Path, position, orientation=AXIAL, offsets=None, absolute=False, bits=32, syntax=None, **fields
) -> Path:
    """An RTDOSE of the linear dose, each voxel where PS3.3 C.7.6.2.1.1 and C.8.8.3.2 put it.

    ``offsets`` are those of Grid Frame Offset Vector; None in ``fields`` leaves an element out.
    """
    offsets = STEP * np.arange(SHAPE[0]) if offsets is None else np.asarray(offsets, float)
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    k, j, i = np.meshgrid(offsets, *(np.arange(n) for n in SHAPE[1:]), indexing="ij")
    places = np.array(position) + i[..., None] * SPACING[1] * row + j[..., None] * SPACING[0] * column
    if absolute:
        places[..., 2] = k
    else:
        places = places + k[..., None] * np.cross(row, column)
    scaling = 1e-3 if bits == 16 else 1e-7
    numbers = np.rint(dose_at(places) / scaling)
    assert numbers.min() >= 0 and numbers.max() < 2**bits
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = RT_DOSE, SECRETS[3] + ".9"
    meta.TransferSyntaxUID = syntax or ExplicitVRLittleEndian
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID, data.SeriesInstanceUID = RT_DOSE, SECRETS[3] + ".9", SECRETS[3] + ".8"
    data.Modality, data.PatientName, data.PatientID, data.PatientBirthDate = "RTDOSE", *SECRETS[:3]
    data.FrameOfReferenceUID, data.DoseComment = SECRETS[3] + ".7", f"plan of {SECRETS[0]}"
    data.ImagePositionPatient, data.ImageOrientationPatient = (
        [f"{v:.8g}" for v in position],
        [f"{v:.12f}" for v in orientation],
    )
    data.PixelSpacing, data.Rows, data.Columns, data.NumberOfFrames = list(SPACING), *SHAPE[1:], len(offsets)
    data.GridFrameOffsetVector = [f"{v:.8g}" for v in offsets]
    data.DoseUnits, data.DoseType, data.DoseSummationType, data.DoseGridScaling = (
        "GY",
        "PHYSICAL",
        "PLAN",
        f"{scaling:g}",
    )
    data.BitsAllocated = data.BitsStored = bits
    data.HighBit, data.SamplesPerPixel, data.PixelRepresentation = bits - 1, 1, 0
    data.PhotometricInterpretation = "MONOCHROME2"
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    data.PixelData = numbers.astype(f"{order}u{bits // 8}").tobytes()
    data["PixelData"].VR = "OW"
    for key, value in fields.items():
        if value is None:
            delattr(data, key)
        else:
            setattr(data, key, value)
    if syntax == RLELossless:
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.compress(RLELossless)
    pydicom.dcmwrite(
        path, data, enforce_file_format=True, little_endian=order == "<", implicit_vr=syntax == ImplicitVRLittleEndian
    )
    return path


LOW, HIGH = (-60.0, -100.0, -540.0), (100.0, 60.0, -380.0)
TURN = np.deg2rad(20.0)
C, S = float(np.cos(TURN)), float(np.sin(TURN))
FORWARD = STEP * np.arange(SHAPE[0])

FORMS = {
    "relative": {"position": LOW},
    "relative, decreasing": {"position": (-60.0, -100.0, -366.0), "offsets": -FORWARD},
    "absolute": {"position": LOW, "offsets": -540.0 + FORWARD, "absolute": True},
    "absolute, decreasing": {"position": (-60.0, -100.0, -366.0), "offsets": -366.0 - FORWARD, "absolute": True},
    "feet first": {"position": (100.0, -100.0, -366.0), "orientation": (-1, 0, 0, 0, 1, 0)},
    "feet first, absolute": {
        "position": (100.0, -100.0, -366.0),
        "orientation": (-1, 0, 0, 0, 1, 0),
        "offsets": -366.0 - FORWARD,
        "absolute": True,
    },
    "prone": {"position": (100.0, 50.0, -540.0), "orientation": (-1, 0, 0, 0, -1, 0)},
    "coronal": {"position": (-60.0, 60.0, -366.0), "orientation": (1, 0, 0, 0, 0, -1), "offsets": -FORWARD},
    "sagittal": {"position": (-60.0, -100.0, -366.0), "orientation": (0, 1, 0, 0, 0, -1), "offsets": -FORWARD},
    "oblique": {"position": (-60.0, -130.0, -540.0), "orientation": (C, S, 0, -S, C, 0)},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_form_of_the_geometry_puts_dose_where_the_standard_says(tmp_path, form):
    found = read_dose_map(written(tmp_path / "dose.dcm", **FORMS[form]), RUN).mean
    covered = np.isfinite(found)
    assert covered.mean() > 0.5
    # half a voxel at the rim keeps the dose of the outermost centre
    difference = np.abs(found - dose_at(centres(RUN)))[covered]
    assert np.quantile(difference, 0.9) < 1e-5
    assert difference.max() < 3.0 * np.abs(SLOPES).sum() + 1e-5


@pytest.mark.parametrize(
    "syntax, bits",
    [
        *(
            (syntax, bits)
            for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)
            for bits in (16, 32)
        ),
        (RLELossless, 16),
    ],
)
def test_numbers_of_every_size_and_transfer_syntax(tmp_path, syntax, bits):
    found = read_dose_map(written(tmp_path / "dose.dcm", LOW, bits=bits, syntax=syntax), RUN).mean
    assert found == pytest.approx(dose_at(centres(RUN)), abs=1e-3 if bits == 16 else 1e-6)


def test_signed_numbers_are_read_as_signed(tmp_path):
    """Only a dose error may be signed, but a file may say so of positive numbers; negative ones are refused."""
    found = read_dose_map(written(tmp_path / "a.dcm", LOW, PixelRepresentation=1), RUN).mean
    assert found == pytest.approx(dose_at(centres(RUN)), abs=1e-6)
    with pytest.raises(InputError, match="a negative dose"):
        numbers = np.full(SHAPE, -5, "<i4").tobytes()
        positive = np.full((1, *SHAPE[1:]), 5, "<i4").tobytes()
        content = positive + numbers[len(positive) :]
        read_dose_map(written(tmp_path / "b.dcm", LOW, PixelRepresentation=1, PixelData=content), RUN)


def test_notes_say_what_the_dose_is_and_nothing_of_the_patient(tmp_path):
    folder = tmp_path / SECRETS[0]
    folder.mkdir()
    file = written(folder / f"RD.{SECRETS[3]}.dcm", LOW)
    found = read_dose_map(file, RUN)
    assert "the RT dose sums PLAN (DoseSummationType)" in found.notes
    shown = " ".join([found.method, *found.notes])
    assert not [secret for secret in (*SECRETS, "Miller", "4711") if secret in shown]
    part = read_dose_map(written(tmp_path / "part.dcm", LOW, DoseSummationType="FRACTION"), RUN)
    assert [weight_of(note) for note in part.notes if "FRACTION" in note] == ["caution"]
    bare = read_dose_map(written(tmp_path / "bare.dcm", LOW, DoseSummationType=None, DoseType=None), RUN)
    assert any("does not state its dose type" in note for note in bare.notes)
    assert any("does not say what it sums" in note for note in bare.notes)
    odd = read_dose_map(written(tmp_path / "odd.dcm", LOW, DoseSummationType="MILLER"), RUN)
    assert not any("MILLER" in note for note in odd.notes)


def test_another_frame_of_reference_is_refused_when_the_run_knows_its_own(tmp_path):
    file = written(tmp_path / "dose.dcm", LOW)
    for known in (None, SECRETS[3] + ".7"):
        assert np.isfinite(read_dose_map(file, RUN, run=RunSide(frame_of_reference=known)).mean).all()
    with pytest.raises(InputError, match="another frame of reference than the run's images"):
        read_dose_map(file, RUN, run=RunSide(frame_of_reference="1.2.3"))
    bare = written(tmp_path / "bare.dcm", LOW, FrameOfReferenceUID=None)
    assert np.isfinite(read_dose_map(bare, RUN, run=RunSide(frame_of_reference="1.2.3")).mean).all()


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"DoseUnits": "RELATIVE"}, "DoseUnits is RELATIVE, not GY"),
        ({"DoseUnits": None}, "the file has no DoseUnits, not GY"),
        ({"DoseType": "EFFECTIVE"}, "DoseType is EFFECTIVE, not PHYSICAL"),
        ({"DoseType": "ERROR"}, "DoseType is ERROR, not PHYSICAL"),
        ({"DoseGridScaling": None}, "the file has no DoseGridScaling"),
        ({"DoseGridScaling": "0"}, "DoseGridScaling is 0, not above zero"),
        ({"GridFrameOffsetVector": None}, "the file has no GridFrameOffsetVector"),
        ({"GridFrameOffsetVector": [0.0, 6.0]}, "not 30 numbers"),
        ({"GridFrameOffsetVector": [*FORWARD[:-1], 300.0]}, "planes of the RT dose are unevenly spaced"),
        ({"GridFrameOffsetVector": [0.0] * 30}, "planes of the RT dose are unevenly spaced"),
        ({"GridFrameOffsetVector": list(12.0 + FORWARD)}, "first offset of the planes is 12 mm, neither zero nor"),
        ({"NumberOfFrames": 1}, "the RT dose has one plane"),
        ({"NumberOfFrames": None}, "the RT dose has one plane"),
        ({"ImagePositionPatient": None}, "the file has no ImagePositionPatient"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "not two perpendicular directions"),
        ({"PixelSpacing": [0, 5]}, "PixelSpacing is .* not above zero"),
        ({"Rows": None}, "the file has no Rows"),
        ({"PixelData": None}, "the file holds none: it is truncated, or has a histogram only"),
        ({"PixelData": b"\0" * 1000}, "it holds 1000 of 146880 bytes: it is truncated"),
        ({"PixelData": b"\0" * 146884}, "take 146880"),
        ({"BitsAllocated": 8}, "BitsAllocated is 8, and an RT dose has 16 or 32"),
        ({"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "the DICOM file is no RT dose but CT"),
    ],
)  # fmt: skip
def test_what_is_no_dose_map_is_refused(tmp_path, fields, words):
    with pytest.raises(InputError, match=words) as error:
        read_dose_map(written(tmp_path / "dose.dcm", LOW, **fields), RUN)
    assert error.value.suggestion
    assert not [secret for secret in SECRETS if secret in str(error.value)]


def test_absolute_offsets_need_axial_planes(tmp_path):
    file = written(
        tmp_path / "dose.dcm",
        (-60.0, -100.0, -366.0),
        (1, 0, 0, 0, 0, -1),
        GridFrameOffsetVector=list(-366.0 - FORWARD),
    )
    with pytest.raises(InputError, match="axial planes only"):
        read_dose_map(file, RUN)


def test_a_file_cut_short_is_refused(tmp_path):
    whole = written(tmp_path / "dose.dcm", LOW).read_bytes()
    for share in (0.3, 0.95):
        (tmp_path / "cut.dcm").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match="truncated"):
            read_dose_map(tmp_path / "cut.dcm", RUN)
