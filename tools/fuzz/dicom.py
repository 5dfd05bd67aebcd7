"""DICOM files for fuzzing: small series, structures, segmentations and doses, and mutations of their elements."""

from __future__ import annotations

import io
from random import Random
from typing import Any

import numpy as np
from pydicom import config, dcmwrite
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from .damage import WORDS

config.settings.writing_validation_mode = config.IGNORE
SHAPE = (3, 4, 5)
STEP = 4.0
FIRST = (-8.0, -6.0, 10.0)
STORED = (np.arange(60).reshape(SHAPE) * 7 + 1).astype(np.int16)
CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
    "RTDOSE": "1.2.840.10008.5.1.4.1.1.481.2",
}


def uid(*words: object) -> str:
    """A UID of its own for what is named."""
    return str(generate_uid(entropy_srcs=[str(word) for word in words]))


def dataset(modality: str, name: str) -> Dataset:
    """What every object has."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CLASSES[modality]
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = uid(modality, name)
    data.Modality, data.PatientID, data.PatientName = modality, "T1", "Test"
    data.StudyInstanceUID, data.SeriesInstanceUID = uid("study"), uid("series", modality)
    data.FrameOfReferenceUID = uid("frame")
    data.StudyDate = data.SeriesDate = data.AcquisitionDate = "20260106"
    data.StudyTime = data.SeriesTime = data.AcquisitionTime = "090000"
    return data


def pixels(data: Dataset, values: np.ndarray) -> None:
    """Add 16-bit pixels (rows, columns), or frames of them."""
    data.Rows, data.Columns = values.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = int(values.dtype.kind == "i")
    data.PixelData = values.astype(values.dtype.newbyteorder("<")).tobytes()


def slices(modality: str) -> list[Dataset]:
    """A CT, or a PET of 124I, of three slices."""
    out = []
    for number, plane in enumerate(STORED):
        data = dataset(modality, str(number))
        data.InstanceNumber = number + 1
        data.ImagePositionPatient = [FIRST[0], FIRST[1], FIRST[2] + STEP * number]
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness = [STEP, STEP], STEP
        data.RescaleSlope, data.RescaleIntercept = (200, 0) if modality == "PT" else (1, -100)
        if modality == "PT":
            item, code = Dataset(), Dataset()
            code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "C-114A5", "SRT", "^124^Iodine"
            item.RadiopharmaceuticalStartDateTime, item.RadionuclideTotalDose = "20260105090000", "74000000"
            item.RadionuclideHalfLife, item.RadionuclideCodeSequence = "360806.4", Sequence([code])
            data.RadiopharmaceuticalInformationSequence = Sequence([item])
            data.Units, data.DecayCorrection, data.CorrectedImage = "BQML", "START", ["DECY", "ATTN", "SCAT"]
            data.PatientWeight, data.ActualFrameDuration = "75", "600000"
        pixels(data, plane)
        out.append(data)
    return out


def structure_set(boxes: dict[str, tuple[slice, slice, slice]], rng: Random | None = None) -> Dataset:
    """Contours around voxels of the image; with choices, of the same meaning in another order."""
    data = dataset("RTSTRUCT", "set")
    data.StructureSetLabel, data.StructureSetDate, data.StructureSetTime = "set", "20260107", "100000"
    rois, contours = [], []
    for number, (name, (z, y, x)) in enumerate(boxes.items(), start=1):
        roi, item = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, uid("frame")
        low = np.array(FIRST[:2]) + STEP * (np.array([x.start, y.start]) - 0.5)
        high = np.array(FIRST[:2]) + STEP * (np.array([x.stop, y.stop]) - 0.5)
        corners = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
        parts = []
        for k in range(z.start, z.stop):
            ring = list(corners)
            if rng is not None:
                ring = ring[(turn := rng.randrange(4)) :] + ring[:turn]
                ring = ring[::-1] if rng.randrange(2) else ring
            part = Dataset()
            part.ContourGeometricType, part.NumberOfContourPoints = "CLOSED_PLANAR", 4
            part.ContourData = [f"{v:.4f}" for px, py in ring for v in (px, py, FIRST[2] + STEP * k)]
            parts.append(part)
        if rng is not None:
            rng.shuffle(parts)
        item.ReferencedROINumber, item.ContourSequence = number, Sequence(parts)
        rois.append(roi)
        contours.append(item)
    if rng is not None:
        rng.shuffle(rois)
        rng.shuffle(contours)
    data.StructureSetROISequence, data.ROIContourSequence = Sequence(rois), Sequence(contours)
    return data


def rtdose() -> Dataset:
    """A dose on the grid of the image."""
    data = dataset("RTDOSE", "dose")
    data.ImagePositionPatient, data.ImageOrientationPatient = list(FIRST), [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.SliceThickness = [STEP, STEP], STEP
    data.NumberOfFrames, data.FrameIncrementPointer = SHAPE[0], Tag(0x3004, 0x000C)
    data.GridFrameOffsetVector = [STEP * k for k in range(SHAPE[0])]
    data.DoseUnits, data.DoseType, data.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    data.DoseGridScaling = "0.125"
    pixels(data, STORED.astype(np.uint16))
    return data


def content(data: Dataset) -> bytes:
    """The object as a file."""
    out = io.BytesIO()
    dcmwrite(out, data, enforce_file_format=True)
    return out.getvalue()


def nested(depth: int) -> bytes:
    """Sequences inside each other, each of undefined length, without their ends."""
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return (b"\xfa\xff\xfa\xffSQ\x00\x00\xff\xff\xff\xff" + item) * depth


def odd(data: Dataset, rng: Random) -> Dataset:
    """One element of an object, or of an item in it, changed."""
    places = list(_elements(data))
    holder, element = rng.choice(places)
    tag = element.tag
    kind = rng.randrange(8)
    if kind == 0:
        del holder[tag]
    elif kind == 1:
        holder[tag] = DataElement(tag, element.VR, None)
    elif kind == 2 and element.VR == "SQ":
        items = list(element.value)
        holder[tag] = DataElement(tag, "SQ", Sequence(rng.choice(([], items * 2, items[:-1], [Dataset(), *items]))))
    elif kind == 3:
        holder[tag] = DataElement(tag, rng.choice(("UN", "LO", "DS", "OB")), b"\xff\x00 1", validation_mode=0)
    else:
        _revalue(holder, element, rng)
    return data


def _revalue(holder: Dataset, element: Any, rng: Random) -> None:
    """Another value in the element's own representation."""
    number = rng.choice((0, 1, -1, 2, 3, 7, 255, 65535))
    if element.VR in ("US", "SS", "UL", "SL", "IS", "FL", "FD", "AT"):
        value: Any = number if element.VR in ("SS", "SL", "IS") else abs(number)
    elif element.VR in ("OB", "OW"):
        value = bytes(element.value)[: rng.choice((0, 2, 20))] + b"\0" * rng.choice((0, 2, 100))
    elif element.VR == "SQ":
        value = Sequence([])
    else:
        words = rng.choice((*WORDS[:40], "1\\2", "1\\2\\3", "1\\0\\0\\0\\1", "nan\\nan", "20260230", "235960", "1e39"))
        value = words.replace("\0", "")[:200]
    holder[element.tag] = DataElement(element.tag, element.VR, value, validation_mode=0)


def _elements(data: Dataset) -> Any:
    for element in list(data):
        yield data, element
        if element.VR == "SQ" and element.value:
            for item in element.value:
                yield from _elements(item)
