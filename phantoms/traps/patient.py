"""The patient of the traps: the smallest PET/CT of known truth, written with pydicom and NumPy alone.

A water cylinder of radius 50 mm about the z axis, 80 mm long, in air. PET 32 x 32 x 20 voxels of 4 mm and CT
64 x 64 x 40 voxels of 2 mm over the same extent: x and y from -64 to 64 mm, z from 0 to 80 mm. One lesion, the box of
x 8 to 24, y -8 to 8, z 32 to 48 mm: 4.096 mL, 100000 Bq/mL at 24 h and 40000 at 96 h in 1000 and 400 Bq/mL, all true at
the time of the scan. 74 MBq of 124I given on 2026-01-05 at 09:00; the therapy is 7.4 GBq of 131I.

Nothing here uses hevesy: what is written does not depend on what reads it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

#: Half-lives [s] of 124I and 18F (ICRP Publication 107).
HALF_LIFE_S, HALF_LIFE_F18_S = 4.176 * 86400.0, 6586.2
RATE = math.log(2.0) / HALF_LIFE_S
ADMINISTERED = datetime(2026, 1, 5, 9, 0, 0)
DOSE_BQ = 74e6
#: The lesion (x, y, z) [mm] and its volume [mL].
BOX = ((8.0, 24.0), (-8.0, 8.0), (32.0, 48.0))
LESION_ML = 4.096
LESION_BQ_ML, BODY_BQ_ML = 1e5, 1e3

FRAME, STUDY = "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2"
CT_CLASS, PET_CLASS = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.128"
RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
_CLASSES = {"CT": CT_CLASS, "PT": PET_CLASS, "RTSTRUCT": RTSTRUCT_CLASS}

#: Changes one slice's data set, given its number; False leaves the slice out.
Change = Callable[[Dataset, int], Any]
#: A contour: its points (x, y, z) [mm], or the same with another type than CLOSED_PLANAR.
Contour = Sequence[Sequence[float]] | tuple[str, Sequence[Sequence[float]]]


def at(hours: float) -> datetime:
    """The moment some hours after the administration."""
    return ADMINISTERED + timedelta(hours=hours)


def uid(*words: object) -> str:
    """A UID that depends on the words alone."""
    return str(generate_uid(entropy_srcs=["trap", *map(str, words)]))


def centres(step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates (z, y, x) [mm] of the voxel centres, each (nz, ny, nx)."""
    across = np.arange(-64.0 + 0.5 * step, 64.0, step)
    along = np.arange(0.5 * step, 80.0, step)
    z, y, x = np.meshgrid(along, across, across, indexing="ij")
    return z, y, x


def in_box(step: float, box: Sequence[Sequence[float]] = BOX) -> np.ndarray:
    """Which voxels lie in a box (x, y, z) [mm]."""
    z, y, x = centres(step)
    inside = [(a > low) & (a < high) for a, (low, high) in zip((x, y, z), box, strict=True)]
    return np.asarray(inside[0] & inside[1] & inside[2])


def pet_truth(scale: float = 1.0) -> np.ndarray:
    """Activity concentration [Bq/mL] on the PET's voxels (20, 32, 32)."""
    _, y, x = centres(4.0)
    values = np.where(x**2 + y**2 < 50.0**2, BODY_BQ_ML, 0.0)
    values[in_box(4.0)] = LESION_BQ_ML
    return np.asarray(values * scale)


def ct_truth() -> np.ndarray:
    """CT numbers [HU] on the CT's voxels (40, 64, 64): water in air."""
    _, y, x = centres(2.0)
    return np.asarray(np.where(x**2 + y**2 < 50.0**2, 0, -1000).astype(np.int16))


def save(data: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write a data set as a DICOM file with its meta information."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
    meta.TransferSyntaxUID, meta.ImplementationClassUID = syntax, "1.2.826.0.1.3680043.8.498.3"
    data.file_meta = meta
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path


def base(modality: str, series: str, number: int, when: datetime, description: str) -> Dataset:
    """What every object of the patient holds."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = _CLASSES[modality], uid(series, number)
    data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = STUDY, uid(series), FRAME
    data.Modality, data.PatientID, data.PatientName, data.PatientSex = modality, "X1", "Test^X", "O"
    data.PatientBirthDate, data.StudyID, data.AccessionNumber, data.ReferringPhysicianName = "", "1", "", ""
    data.Manufacturer = "Trap"
    data.StudyDate = data.SeriesDate = when.strftime("%Y%m%d")
    data.StudyTime = data.SeriesTime = when.strftime("%H%M%S")
    data.SeriesNumber, data.InstanceNumber, data.SeriesDescription = 1, number, description
    return data


def put_pixels(data: Dataset, stored: np.ndarray) -> None:
    """Store one plane as unsigned 16-bit numbers."""
    data.Rows, data.Columns = stored.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.PixelData = stored.astype("<u2").tobytes()


def write_pet(
    folder: Path,
    values: np.ndarray | None = None,
    start: datetime | None = None,
    administered: datetime | None = ADMINISTERED,
    change: Change | None = None,
    *,
    series: str | None = None,
    prefix: str = "PT",
    **elements: Any,
) -> Path:
    """Write a PET series.

    Parameters
    ----------
    folder
        Where the slices go.
    values
        What the rescaled file is to say (nz, 32, 32); :func:`pet_truth` by default.
    start
        Of the scan; 24 h after the administration by default.
    administered
        As the header says; None leaves both elements out.
    change
        Called with each slice's data set and number.
    series
        Name of the series; that of the folder by default.
    prefix
        Of the file names.
    **elements
        Elements of every slice by keyword; those of the radiopharmaceutical item are recognised by their names.
    """
    values = pet_truth() if values is None else values
    start = start or at(24.0)
    series = series or folder.name
    for number, plane in enumerate(values):
        data = base("PT", series, number + 1, start, "PET AC")
        data.ImageType = ["ORIGINAL", "PRIMARY"]
        data.AcquisitionDate, data.AcquisitionTime = data.SeriesDate, data.SeriesTime
        data.Units, data.DecayCorrection, data.CorrectedImage = "BQML", "START", ["DECY", "ATTN", "SCAT"]
        data.SeriesType, data.CountsSource = ["WHOLE BODY", "IMAGE"], "EMISSION"
        data.NumberOfSlices, data.ImageIndex = len(values), number + 1
        data.ActualFrameDuration, data.FrameReferenceTime = 120_000, 0.0
        data.PatientWeight = 70.0
        item, code = Dataset(), Dataset()
        item.Radiopharmaceutical = "NaI"
        if administered is not None:
            item.RadiopharmaceuticalStartTime = administered.strftime("%H%M%S")
            item.RadiopharmaceuticalStartDateTime = administered.strftime("%Y%m%d%H%M%S")
        item.RadionuclideTotalDose, item.RadionuclideHalfLife = DOSE_BQ, HALF_LIFE_S
        item.RadionuclidePositronFraction = 0.227
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "C-145A2", "SRT", "^124^Iodine"
        item.RadionuclideCodeSequence = Items([code])
        data.RadiopharmaceuticalInformationSequence = Items([item])
        data.ImagePositionPatient = [-62.0, -62.0, 2.0 + 4.0 * number]
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness = [4.0, 4.0], 4.0
        peak = float(plane.max())
        slope = float(f"{peak / 32000.0:.10g}") if peak > 0 else 1.0
        put_pixels(data, np.rint(plane / slope))
        data.RescaleSlope, data.RescaleIntercept = f"{slope:.10g}", "0"
        for key, value in elements.items():
            setattr(item if key.startswith("Radio") else data, key, value)
        if change is not None and change(data, number) is False:
            continue
        save(data, folder / f"{prefix}{number:03d}.dcm")
    return folder


def write_ct(
    folder: Path,
    values: np.ndarray | None = None,
    when: datetime | None = None,
    change: Change | None = None,
    *,
    series: str | None = None,
    prefix: str = "CT",
    **elements: Any,
) -> Path:
    """Write a CT series; arguments as for :func:`write_pet`, values (nz, 64, 64) in HU, 2 mm apart."""
    values = ct_truth() if values is None else values
    when = when or at(24.0) - timedelta(minutes=5)
    series = series or folder.name
    for number, plane in enumerate(values):
        data = base("CT", series, number + 1, when, "CT AC")
        data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.KVP = 120
        data.ImagePositionPatient = [-63.0, -63.0, 1.0 + 2.0 * number]
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness = [2.0, 2.0], 2.0
        put_pixels(data, plane.astype(int) + 1024)
        data.RescaleSlope, data.RescaleIntercept, data.RescaleType = 1, -1024, "HU"
        for key, value in elements.items():
            setattr(data, key, value)
        if change is not None and change(data, number) is False:
            continue
        save(data, folder / f"{prefix}{number:03d}.dcm")
    return folder


def square(z: float, box: Sequence[Sequence[float]] = BOX) -> list[list[float]]:
    """The contour of a box in one plane."""
    (x0, x1), (y0, y1), _ = box
    return [[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]]


def box_contours(box: Sequence[Sequence[float]] = BOX, step: float = 2.0) -> list[list[list[float]]]:
    """The contours of a box on every plane of the CT."""
    low, high = box[2]
    return [square(float(z), box) for z in np.arange(low + 0.5 * step, high, step)]


def write_structures(
    path: Path,
    structures: Iterable[tuple[str, Sequence[Contour] | None]] | None = None,
    change: Callable[[Dataset], Any] | None = None,
    *,
    on: str = "CT",
    frame: str = FRAME,
) -> Path:
    """Write an RTSTRUCT: names with their contours (None: no item for it), drawn on the series ``on``."""
    structures = [("L1", box_contours())] if structures is None else list(structures)
    data = base("RTSTRUCT", str(path.name), 1, at(30.0), "RTSS")
    data.StructureSetLabel, data.StructureSetDate, data.StructureSetTime = "S", "20260106", "150000"
    image_class = CT_CLASS if on.startswith("CT") else PET_CLASS
    refer, study, series, image = Dataset(), Dataset(), Dataset(), Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = image_class, uid(on, 1)
    series.SeriesInstanceUID, series.ContourImageSequence = uid(on), Items([image])
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", STUDY
    study.RTReferencedSeriesSequence = Items([series])
    refer.FrameOfReferenceUID, refer.RTReferencedStudySequence = frame, Items([study])
    data.ReferencedFrameOfReferenceSequence = Items([refer])
    rois, drawn, seen = [], [], []
    for number, (name, contours) in enumerate(structures, 1):
        roi, shape, observed = Dataset(), Dataset(), Dataset()
        roi.ROINumber, roi.ReferencedFrameOfReferenceUID, roi.ROIName = number, frame, name
        roi.ROIGenerationAlgorithm = "MANUAL"
        rois.append(roi)
        if contours is not None:
            shape.ReferencedROINumber, shape.ROIDisplayColor = number, [255, 0, 0]
            shape.ContourSequence = Items([_contour(one, image_class, on) for one in contours])
            drawn.append(shape)
        observed.ObservationNumber, observed.ReferencedROINumber = number, number
        observed.RTROIInterpretedType, observed.ROIInterpreter = "", ""
        seen.append(observed)
    data.StructureSetROISequence, data.ROIContourSequence = Items(rois), Items(drawn)
    data.RTROIObservationsSequence = Items(seen)
    if change is not None:
        change(data)
    return save(data, path)


def _contour(contour: Contour, image_class: str, on: str) -> Dataset:
    kind, points = contour if isinstance(contour, tuple) else ("CLOSED_PLANAR", contour)
    item, image = Dataset(), Dataset()
    item.ContourGeometricType, item.NumberOfContourPoints = kind, len(points)
    item.ContourData = [f"{value:.6g}" for point in points for value in point]
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = image_class, uid(on, 1)
    item.ContourImageSequence = Items([image])
    return item


_CASE = """\
patient: P01
threshold: 20 Gy
therapy: {{nuclide: I-131, activity: 7.4 GBq}}
tracer: {{nuclide: I-124, activity: 74 MBq{administered}}}
weight: 70 kg
visits:
  - name: baseline
    scans:
{scans}    lesions: {lesions}
{more}transport: {{grid: pet, until: "lesions:1%"}}
"""


def write_case(
    folder: Path,
    pets: Sequence[str] = ("PET24", "PET96"),
    ct: str = "CT",
    lesions: str = "RS/rs.dcm",
    after: Sequence[str | None] = (),
    administered: str | None = None,
    more: str = "",
) -> Path:
    """Write ``case.yaml`` for the patient."""
    times = [f", after: {text}" if text else "" for text in (*after, *(None,) * (len(pets) - len(after)))]
    scans = "".join(f'      - {{pet: "{pet}", ct: "{ct}"{text}}}\n' for pet, text in zip(pets, times, strict=True))
    given = f", administered: {administered}" if administered else ""
    path = folder / "case.yaml"
    path.write_text(_CASE.format(scans=scans, lesions=lesions, administered=given, more=more), encoding="utf-8")
    return path


def write_patient(
    folder: Path,
    pet24: dict[str, Any] | None = None,
    pet96: dict[str, Any] | None = None,
    ct: dict[str, Any] | None = None,
    structures: dict[str, Any] | None = None,
    case: dict[str, Any] | None = None,
) -> Path:
    """Write the whole patient into a folder: CT, PET24, PET96, RS/rs.dcm and case.yaml.

    Parameters
    ----------
    folder
        An empty folder.
    pet24, pet96, ct, structures, case
        Arguments of :func:`write_pet`, :func:`write_ct`, :func:`write_structures` and :func:`write_case` that differ.
    """
    write_ct(folder / "CT", **(ct or {}))
    write_pet(folder / "PET24", **(pet24 or {}))
    write_pet(folder / "PET96", **{"start": at(96.0), "values": pet_truth(0.4), **(pet96 or {})})
    write_structures(folder / "RS" / "rs.dcm", **(structures or {}))
    return write_case(folder, **(case or {}))


def write_volumes(folder: Path, pets: Sequence[str] = ("pet_24h.nii.gz", "pet_96h.nii.gz"), scale: float = 1.0) -> Path:
    """Write the patient as NIfTI volumes (PETs, ct.nii.gz, lesions.nii.gz) with case.yaml."""
    for name, share in zip(pets, (1.0, 0.4), strict=True):
        write_volume(folder / name, (pet_truth(share) * scale).astype(np.float32), 4.0)
    write_volume(folder / "ct.nii.gz", ct_truth(), 2.0)
    write_volume(folder / "lesions.nii.gz", in_box(2.0).astype(np.uint8), 2.0)
    return write_case(folder, pets, "ct.nii.gz", "lesions.nii.gz", ("24 h", "96 h"))


def write_volume(
    path: Path, values: np.ndarray, step: float, first: Sequence[float] | None = None, **meta: str
) -> Path:
    """Write voxels (nz, ny, nx) of ``step`` [mm] as NIfTI, MetaImage or NRRD; ``first`` is the first centre [mm]."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(values))
    image.SetSpacing((step, step, step))
    image.SetOrigin(tuple(first) if first is not None else (-64.0 + 0.5 * step, -64.0 + 0.5 * step, 0.5 * step))
    for key, value in meta.items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(path), useCompression=True)
    return path
