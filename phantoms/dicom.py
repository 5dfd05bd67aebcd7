"""A synthetic patient as DICOM: CT and PET series and a structure set for each scan.

What a scanner would write that a dosimetry program has to read right: PET in BQML with a rescale slope of
its own in every slice, decay-corrected to the start of the scan, the administration on an earlier day, and
the tracer in a code sequence. UIDs follow from patient and seed, so that the same patient is written alike
each time.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.grid import Grid
from ..engine.nuclides import decay as nuclides
from ..engine.nuclides.elements import ELEMENT_SYMBOLS, NAME_TO_SYMBOL
from .files import save_truth
from .shapes import Ellipsoid

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

    from .patient import SyntheticPatient

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
PET_CLASS = "1.2.840.10008.5.1.4.1.1.128"
STRUCTURE_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
FRAME_MS = 600_000  # ten minutes a bed position
CT_INTERCEPT = -1024
CONTOUR_POINTS = 64


def save_patient(patient: SyntheticPatient, folder: Path) -> Path:
    """Write every scan to ``<folder>/<hours>h/{CT,PET}/*.dcm`` and ``RTSTRUCT.dcm``, and the truth beside
    them.

    The scans share one frame of reference while the patient does not move between them.
    """
    administered = datetime.fromisoformat(patient.administered)
    still = not any(patient.shift_mm)
    for number, ((pet, ct), hours) in enumerate(zip(patient.scans, patient.times_h, strict=True)):
        start = administered + timedelta(hours=hours)
        place = folder / f"{hours:g}h"
        common = _common(patient, number, start, frame=0 if still else number)
        ct_uids = _write_ct(common, ct.grid, ct.values, start, place / "CT", _key(patient, number, "CT"))
        _write_pet(patient, common, pet.grid, pet.values, start, place / "PET", _key(patient, number, "PT"))
        _write_structures(patient, number, common, ct.grid, ct_uids, start, place / "RTSTRUCT.dcm")
    save_truth(patient, folder)
    return folder


def _key(patient: SyntheticPatient, *parts: object) -> str:
    return "/".join(str(p) for p in ("hevesy phantom", patient.patient, patient.seed, *parts))


def _uid(*parts: object) -> str:
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=["/".join(str(p) for p in parts)]))


def _common(patient: SyntheticPatient, number: int, start: datetime, frame: int) -> dict[str, Any]:
    """What all files of one scan share."""
    return {
        "PatientName": "HEVESY^SYNTHETIC",
        "PatientID": patient.patient,
        "PatientBirthDate": "",
        "PatientSex": "O",
        "PatientWeight": f"{patient.weight_kg:g}",
        "StudyInstanceUID": _uid(_key(patient, number), "study"),
        "StudyDate": f"{start:%Y%m%d}",
        "StudyTime": f"{start:%H%M%S}",
        "StudyID": str(number + 1),
        "StudyDescription": f"synthetic PET/CT {patient.times_h[number]:g} h",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "Manufacturer": "hevesy",
        "ManufacturerModelName": "synthetic patient",
        "FrameOfReferenceUID": _uid(_key(patient, frame), "frame"),
        "PositionReferenceIndicator": "",
        "PatientPosition": "HFS",
    }


def _dataset(sop_class: str, sop_uid: str, common: dict[str, Any], fields: dict[str, Any]) -> FileDataset:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(sop_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID, data.SOPInstanceUID = sop_class, sop_uid
    for key, value in {**common, **fields}.items():
        setattr(data, key, value)
    return data


def _save(data: FileDataset, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)


def _plane(grid: Grid, index: int, key: str, pixels: np.ndarray) -> dict[str, Any]:
    """Image plane and pixel attributes of one axial slice; rows run along y, columns along x."""
    dz, dy, dx = grid.spacing_mm
    z, y, x = grid.origin_mm
    return {
        "SOPInstanceUID": _uid(key, index),
        "SeriesInstanceUID": _uid(key, "series"),
        "InstanceNumber": index + 1,
        "ImagePositionPatient": [_ds(x), _ds(y), _ds(z + index * dz)],
        "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
        "SliceLocation": _ds(z + index * dz),
        "SliceThickness": _ds(dz),
        "PixelSpacing": [_ds(dy), _ds(dx)],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PixelData": pixels.astype(pixels.dtype.newbyteorder("<")).tobytes(),
    }


def _ds(value: float) -> str:
    """A decimal string of at most 16 characters."""
    return f"{value:.10g}"


def _write_ct(common: dict[str, Any], grid: Grid, hu: np.ndarray, start: datetime, folder: Path, key: str) -> list[str]:
    uids = []
    before = start - timedelta(minutes=5)  # the CT comes first
    for index in range(grid.shape[0]):
        plane = _plane(grid, index, key, (hu[index].astype(np.int32) - CT_INTERCEPT).astype(np.uint16))
        uids.append(plane["SOPInstanceUID"])
        fields = {
            "Modality": "CT",
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "SeriesNumber": 2,
            "SeriesDescription": "synthetic CT",
            "SeriesDate": f"{before:%Y%m%d}",
            "SeriesTime": f"{before:%H%M%S}",
            "AcquisitionDate": f"{before:%Y%m%d}",
            "AcquisitionTime": f"{before:%H%M%S}",
            "AcquisitionNumber": 1,
            "ContentDate": f"{before:%Y%m%d}",
            "ContentTime": f"{before:%H%M%S}",
            "KVP": "120",
            "RescaleIntercept": str(CT_INTERCEPT),
            "RescaleSlope": "1",
            "RescaleType": "HU",
            **plane,
        }
        _save(_dataset(CT_CLASS, uids[-1], common, fields), folder / f"{index + 1:04d}.dcm")
    return uids


def _write_pet(
    patient: SyntheticPatient,
    common: dict[str, Any],
    grid: Grid,
    values: np.ndarray,
    start: datetime,
    folder: Path,
    key: str,
) -> None:
    tracer = nuclides.nuclide(patient.tracer)
    # The frame's mean activity, referred to its start: factor and moment for an exponential over the frame.
    x = tracer.decay_constant * FRAME_MS * 1e-3
    factor = x / -math.expm1(-x)
    moment_ms = math.log(factor) / tracer.decay_constant * 1e3
    clock = {"Date": f"{start:%Y%m%d}", "Time": f"{start:%H%M%S}"}
    for index in range(grid.shape[0]):
        slope = float(_ds(max(float(values[index].max()), 1.0) / 32766.0))  # as it is written
        stored = np.rint(values[index].astype(np.float64) / slope).astype(np.int16)
        plane = _plane(grid, index, key, stored)
        fields = {
            "Modality": "PT",
            "ImageType": ["ORIGINAL", "PRIMARY"],
            "SeriesNumber": 1,
            "SeriesDescription": f"synthetic PET {patient.tracer}",
            "SeriesDate": clock["Date"],
            "SeriesTime": clock["Time"],
            "AcquisitionDate": clock["Date"],
            "AcquisitionTime": clock["Time"],
            "ContentDate": clock["Date"],
            "ContentTime": clock["Time"],
            "SeriesType": ["STATIC", "IMAGE"],
            "Units": "BQML",
            "CountsSource": "EMISSION",
            "CorrectedImage": ["DECY", "ATTN", "SCAT", "RAN", "DTIM", "NORM"],
            "DecayCorrection": "START",
            "DecayFactor": _ds(factor),
            "FrameReferenceTime": _ds(moment_ms),
            "ActualFrameDuration": FRAME_MS,
            "NumberOfSlices": grid.shape[0],
            "ImageIndex": index + 1,
            "CollimatorType": "NONE",
            "RescaleIntercept": "0",
            "RescaleSlope": _ds(slope),
            "RadiopharmaceuticalInformationSequence": [_radiopharmaceutical(patient)],
            **plane,
        }
        _save(_dataset(PET_CLASS, plane["SOPInstanceUID"], common, fields), folder / f"{index + 1:04d}.dcm")


def _radiopharmaceutical(patient: SyntheticPatient) -> Dataset:
    from pydicom.dataset import Dataset

    tracer, given = nuclides.nuclide(patient.tracer), datetime.fromisoformat(patient.administered)
    item = Dataset()
    item.Radiopharmaceutical = f"{tracer.name} sodium iodide" if tracer.name.startswith("I-") else tracer.name
    item.RadiopharmaceuticalStartTime = f"{given:%H%M%S}"
    item.RadiopharmaceuticalStartDateTime = f"{given:%Y%m%d%H%M%S}"
    item.RadionuclideTotalDose = _ds(patient.tracer_mbq * 1e6)
    item.RadionuclideHalfLife = _ds(tracer.half_life_s)
    item.RadionuclidePositronFraction = _ds(tracer.positrons_per_decay)
    item.RadionuclideCodeSequence = [code] if (code := _radionuclide_code(tracer.name)) else []
    return item


def _radionuclide_code(name: str) -> Dataset | None:
    """Coded name of a PET nuclide (DICOM context group 4020) where the standard has one."""
    from pydicom.dataset import Dataset
    from pydicom.sr.codedict import codes

    symbol, mass = name.split("-")
    element = next(word for word, s in NAME_TO_SYMBOL.items() if s == symbol and s in ELEMENT_SYMBOLS)
    code = getattr(codes.cid4020, f"_{mass}{element.capitalize()}", None)
    if code is None:
        return None
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = (
        code.value, code.scheme_designator, code.meaning,
    )  # fmt: skip
    return item


def _ct_image(uid: str) -> Dataset:
    from pydicom.dataset import Dataset

    image = Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = CT_CLASS, uid
    return image


def _frame_reference(patient: SyntheticPatient, number: int, common: dict[str, Any], ct_uids: list[str]) -> Dataset:
    """The frame of reference with the study and the CT that the contours were drawn on."""
    from pydicom.dataset import Dataset

    series = Dataset()
    series.SeriesInstanceUID = _uid(_key(patient, number, "CT"), "series")
    series.ContourImageSequence = [_ct_image(uid) for uid in ct_uids]
    study = Dataset()
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    study.ReferencedSOPInstanceUID = common["StudyInstanceUID"]
    study.RTReferencedSeriesSequence = [series]
    reference = Dataset()
    reference.FrameOfReferenceUID = common["FrameOfReferenceUID"]
    reference.RTReferencedStudySequence = [study]
    return reference


def _roi(label: int, name: str, frame: str) -> Dataset:
    from pydicom.dataset import Dataset

    roi = Dataset()
    roi.ROINumber, roi.ROIName = label, name
    roi.ReferencedFrameOfReferenceUID, roi.ROIGenerationAlgorithm = frame, "AUTOMATIC"
    return roi


def _contour(label: int, planes: list[tuple[int, np.ndarray]], ct_uids: list[str]) -> Dataset:
    """The contours of one lesion: slice of the CT and points (n, 3) [mm] of each."""
    from pydicom.dataset import Dataset

    contour = Dataset()
    contour.ReferencedROINumber = label
    contour.ROIDisplayColor = [255, 64, 64]
    contour.ContourSequence = []
    for index, points in planes:
        plane = Dataset()
        plane.ContourImageSequence = [_ct_image(ct_uids[index])]
        plane.ContourGeometricType = "CLOSED_PLANAR"
        plane.NumberOfContourPoints = len(points)
        plane.ContourData = [_ds(v) for v in points.ravel()]
        contour.ContourSequence.append(plane)
    return contour


def _observation(label: int) -> Dataset:
    from pydicom.dataset import Dataset

    observation = Dataset()
    observation.ObservationNumber = observation.ReferencedROINumber = label
    observation.RTROIInterpretedType, observation.ROIInterpreter = "GTV", ""
    return observation


def _write_structures(
    patient: SyntheticPatient,
    number: int,
    common: dict[str, Any],
    grid: Grid,
    ct_uids: list[str],
    start: datetime,
    path: Path,
) -> None:
    """One closed contour per lesion and slice of the CT."""
    key = _key(patient, number, "RTSTRUCT")
    reference = _frame_reference(patient, number, common, ct_uids)
    rois, contours, observations = [], [], []
    for label, region in enumerate(patient.regions[-len(patient.lesions) :], start=1):
        assert isinstance(region.shape, Ellipsoid)
        planes = ellipsoid_contours(region.shape, grid, patient.shift_of(number))
        rois.append(_roi(label, region.name, common["FrameOfReferenceUID"]))
        contours.append(_contour(label, planes, ct_uids))
        observations.append(_observation(label))

    fields = {
        "Modality": "RTSTRUCT",
        "SeriesInstanceUID": _uid(key, "series"),
        "SeriesNumber": 3,
        "SeriesDescription": "synthetic lesions",
        "SeriesDate": f"{start:%Y%m%d}",
        "SeriesTime": f"{start:%H%M%S}",
        "InstanceNumber": 1,
        "OperatorsName": "",
        "StructureSetLabel": "LESIONS",
        "StructureSetDate": f"{start:%Y%m%d}",
        "StructureSetTime": f"{start:%H%M%S}",
        "ReferencedFrameOfReferenceSequence": [reference],
        "StructureSetROISequence": rois,
        "ROIContourSequence": contours,
        "RTROIObservationsSequence": observations,
        "ApprovalStatus": "UNAPPROVED",
    }
    _save(_dataset(STRUCTURE_CLASS, _uid(key, 1), common, fields), path)


def ellipsoid_contours(
    shape: Ellipsoid, grid: Grid, shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> list[tuple[int, np.ndarray]]:
    """Closed contours of an ellipsoid on the planes of a grid.

    Each polygon has the mean cross-section of the ellipsoid over its slab, so that area times plane
    distance adds up to the exact volume.

    Returns
    -------
    list of (plane index, points (n, 3) in (x, y, z) [mm])
    """
    dz = grid.spacing_mm[0]
    (cz, cy, cx), (az, ay, ax) = np.add(shape.centre_mm, shift_mm), shape.semi_axes_mm
    angle = 2.0 * math.pi * np.arange(CONTOUR_POINTS) / CONTOUR_POINTS
    # A polygon inscribed in an ellipse has less area than it by this factor.
    inscribed = math.sin(2.0 * math.pi / CONTOUR_POINTS) * CONTOUR_POINTS / (2.0 * math.pi)
    out = []
    for index in range(grid.shape[0]):
        plane = grid.origin_mm[0] + index * dz
        low, high = (float(np.clip((plane + side - cz) / az, -1.0, 1.0)) for side in (-0.5 * dz, 0.5 * dz))
        share = ((high - high**3 / 3.0) - (low - low**3 / 3.0)) * az / dz  # mean of 1 - t^2 over the slab
        if share <= 0.0:
            continue
        scale = math.sqrt(share / inscribed)
        points = np.column_stack(
            [cx + ax * scale * np.cos(angle), cy + ay * scale * np.sin(angle), np.full(angle.size, plane)]
        )
        out.append((index, points))
    return out
