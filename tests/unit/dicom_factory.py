"""Small DICOM series, structure sets and segmentations for tests, written with pydicom and highdicom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from hevesy.engine.grid import Grid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SOP_CLASS = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
}


def uid(*words) -> str:
    return generate_uid(entropy_srcs=[str(word) for word in words])


def _file(path: Path, modality: str, **fields) -> pydicom.FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SOP_CLASS[modality]
    meta.MediaStorageSOPInstanceUID = uid(path)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = pydicom.FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality, data.PatientID, data.PatientName = modality, "TEST", "Test^Patient"
    data.StudyInstanceUID = uid("study")
    for key, value in fields.items():
        if value is not None:
            setattr(data, key, value)
    return data


def write_series(
    folder: Path,
    values: np.ndarray,
    grid: Grid,
    modality: str = "CT",
    series: str = "one",
    frame: str | None = "frame",
    orientation: tuple[float, ...] = (1, 0, 0, 0, 1, 0),
    skip: tuple[int, ...] = (),
    per_slice_slopes: bool = True,
    **fields,
) -> Path:
    """Write ``values`` (nz, ny, nx) on an axis-aligned grid as single-frame slices, in shuffled file order.

    ``orientation`` other than the identity stores flipped or permuted in-plane axes of the SAME image: rows
    and columns are re-ordered so that every voxel keeps its place in the patient.
    """
    folder.mkdir(parents=True, exist_ok=True)
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    normal = np.cross(row, column)
    # array axis (0 z, 1 y, 2 x) and sense of each stored axis: slices, rows (down a column), columns (along
    # a row)
    axes = [(2 - int(np.argmax(np.abs(v))), float(v[np.argmax(np.abs(v))])) for v in (normal, column, row)]
    stored = values.transpose([axis for axis, _ in axes])
    first = np.zeros(3)
    for place, (axis, sense) in enumerate(axes):
        if sense < 0:
            stored = np.flip(stored, place)
            first[axis] = grid.shape[axis] - 1
    spacing = [grid.spacing_mm[axis] for axis, _ in axes]
    origin = grid.index_to_xyz(first)
    order = np.random.default_rng(7).permutation(len(stored))
    for number in order:
        if number in skip:
            continue
        plane = stored[number].astype(np.float64)
        if modality == "CT":
            slope, intercept = 1.0, -1024.0
        else:
            slope, intercept = (float(np.abs(plane).max()) or 1.0) / 30000.0 if per_slice_slopes else 1.0, 0.0
        slope = float(f"{slope:.10g}")
        data = _file(folder / f"{modality}{series}{plane.shape[1]}_{int(order[number]):04d}.dcm", modality)
        data.SeriesInstanceUID = uid(series, modality)
        if frame is not None:
            data.FrameOfReferenceUID = uid(frame)
        data.StudyDate = data.SeriesDate = data.AcquisitionDate = "20260106"
        data.StudyTime = data.SeriesTime = data.AcquisitionTime = "090000"
        data.InstanceNumber = int(number) + 1
        data.ImagePositionPatient = [f"{v:.8g}" for v in origin + normal * spacing[0] * number]
        data.ImageOrientationPatient = [f"{v:.8g}" for v in orientation]
        data.PixelSpacing = [f"{spacing[1]:.8g}", f"{spacing[2]:.8g}"]
        data.SliceThickness = f"{spacing[0]:.8g}"
        data.Rows, data.Columns = plane.shape
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
        data.RescaleSlope, data.RescaleIntercept = f"{slope:.10g}", f"{intercept:.10g}"
        for key, value in fields.items():
            if value is None:
                if key in data:
                    delattr(data, key)
            else:
                setattr(data, key, value)
        data.PixelData = np.rint((plane - intercept) / slope).astype("<i2").tobytes()
        data.save_as(data.filename, enforce_file_format=True)
    return folder


def radiopharmaceutical(**fields) -> Sequence:
    """The radiopharmaceutical information sequence; 124I, 74 MBq, given 24 h before the default scan."""
    item = Dataset()
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "C-114A5", "SRT", "^124^Iodine"
    defaults = {
        "Radiopharmaceutical": "Iodide",
        "RadiopharmaceuticalStartDateTime": "20260105090000",
        "RadionuclideTotalDose": "74000000",
        "RadionuclideHalfLife": "360806.4",
        "RadionuclidePositronFraction": "0.227",
        "RadionuclideCodeSequence": Sequence([code]),
    }
    for key, value in {**defaults, **fields}.items():
        if value is not None:
            setattr(item, key, value)
    return Sequence([item])


def write_pet(folder: Path, values: np.ndarray, grid: Grid, tracer: dict | None = None, **fields) -> Path:
    """A PET series in Bq/mL, decay corrected to the scan start, unless ``fields`` say otherwise."""
    return write_series(
        folder,
        values,
        grid,
        "PT",
        **{
            "Units": "BQML",
            "DecayCorrection": "START",
            "CorrectedImage": ["DECY", "ATTN", "SCAT"],
            "PatientWeight": "75",
            "RadiopharmaceuticalInformationSequence": radiopharmaceutical(**(tracer or {})),
            **fields,
        },
    )


def write_rtstruct(
    path: Path,
    structures: dict[str, list[np.ndarray]],
    frame: str = "frame",
    referenced_series: str | None = None,
) -> Path:
    """Closed planar contours: name -> list of (n, 3) points [mm, x y z]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = _file(path, "RTSTRUCT", StructureSetLabel="test", StructureSetDate="20260107", StructureSetTime="100000")
    data.SeriesInstanceUID = uid(path, "series")
    rois, contours = [], []
    for number, (name, polygons) in enumerate(structures.items(), start=1):
        roi = Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, uid(frame)
        rois.append(roi)
        item = Dataset()
        item.ReferencedROINumber = number
        parts = []
        for points in polygons:
            part = Dataset()
            part.ContourGeometricType, part.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
            part.ContourData = [f"{v:.6f}" for v in np.asarray(points).ravel()]
            parts.append(part)
        item.ContourSequence = Sequence(parts)
        contours.append(item)
    data.StructureSetROISequence, data.ROIContourSequence = Sequence(rois), Sequence(contours)
    if referenced_series is not None:
        series, study, reference = Dataset(), Dataset(), Dataset()
        series.SeriesInstanceUID = referenced_series
        study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = SOP_CLASS["CT"], uid("study")
        study.RTReferencedSeriesSequence = Sequence([series])
        reference.FrameOfReferenceUID = uid(frame)
        reference.RTReferencedStudySequence = Sequence([study])
        data.ReferencedFrameOfReferenceSequence = Sequence([reference])
    data.save_as(path, enforce_file_format=True)
    return path


def circle(radius, z, centre=(0.0, 0.0), points=180):
    """A circle of contour points (n, 3) [mm]."""
    angle = np.linspace(0.0, 2.0 * np.pi, points, endpoint=False)
    return np.column_stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle), np.full(points, z)])


def sphere_contours(radius, centre_xyz, step, first=0.5):
    """Contours of a sphere in axial planes ``step`` mm apart."""
    z0 = centre_xyz[2]
    count = int(np.floor(2 * radius / step))
    places = z0 + (np.arange(count) - 0.5 * (count - 1)) * step
    return [circle(np.sqrt(radius**2 - (z - z0) ** 2), z, centre_xyz[:2]) for z in places if abs(z - z0) < radius]


def write_seg(path: Path, series_folder: Path, masks: dict[str, np.ndarray], fractional: bool = False) -> Path:
    """A DICOM segmentation of a series; masks are (nz, ny, nx) with slices from low to high z."""
    import highdicom as hd
    from highdicom.sr.coding import CodedConcept

    images = sorted(
        (pydicom.dcmread(p) for p in series_folder.glob("*.dcm")),
        key=lambda d: float(d.ImagePositionPatient[2]),
    )
    for image in images:  # what highdicom wants from its source images
        for tag, value in (
            ("PatientBirthDate", ""),
            ("PatientSex", ""),
            ("AccessionNumber", ""),
            ("StudyID", ""),
            ("ReferringPhysicianName", ""),
        ):
            if tag not in image:
                setattr(image, tag, value)
    lesion = CodedConcept("4147007", "SCT", "Mass")
    segments = [
        hd.seg.SegmentDescription(
            segment_number=i,
            segment_label=name,
            segmented_property_category=CodedConcept("49755003", "SCT", "Morphologically abnormal structure"),
            segmented_property_type=lesion,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for i, name in enumerate(masks, start=1)
    ]
    pixels = np.stack(list(masks.values()), axis=-1)
    pixels = pixels.astype(np.float32) if fractional else pixels.astype(np.uint8)
    kind = hd.seg.SegmentationTypeValues
    seg = hd.seg.Segmentation(
        source_images=images,
        pixel_array=pixels,
        segmentation_type=kind.FRACTIONAL if fractional else kind.BINARY,
        fractional_type=hd.seg.SegmentationFractionalTypeValues.OCCUPANCY,
        segment_descriptions=segments,
        series_instance_uid=uid(path, "series"),
        series_number=9,
        sop_instance_uid=uid(path),
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    seg.save_as(path)
    return path
