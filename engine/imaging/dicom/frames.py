"""Multi-frame objects (enhanced and legacy converted CT and PET) as classic slices: one header per frame.

The functional groups of PS3.3 C.7.6.16, those that all frames share and those of each frame, are laid out under the
keywords that a classic slice has, so that every reader of slices reads frames. What cannot be known stays absent, and
is then refused where it is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

from ...errors import InputError
from ...text import counted
from . import elements
from .find import Header, quiet

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: SOP class of PETs whose administered activity is in MBq (C.8.22.4), and the largest such number: above are Bq.
_ENHANCED_PET, _MOST_MBQ = "1.2.840.10008.5.1.4.1.1.130", 1e5
#: Functional groups whose elements a classic slice has too.
_GROUPS = (
    "PixelMeasuresSequence", "PlanePositionSequence", "PlaneOrientationSequence", "PixelValueTransformationSequence",
    "FrameContentSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence", "MRImageFrameTypeSequence",
    "PETFrameCorrectionFactorsSequence", "PETFrameAcquisitionSequence", "PETReconstructionSequence",
    "CTReconstructionSequence", "RealWorldValueMappingSequence", "UnassignedSharedConvertedAttributesSequence",
    "UnassignedPerFrameConvertedAttributesSequence",
)  # fmt: skip
#: Corrections of an enhanced PET and their names in Corrected Image (0028,0051).
_CORRECTIONS = {
    "DecayCorrected": "DECY", "AttenuationCorrected": "ATTN", "ScatterCorrected": "SCAT", "DeadTimeCorrected": "DTIM",
    "RandomsCorrected": "RAN", "DetectorNormalizationCorrection": "NORM", "PatientMotionCorrected": "PMOT",
}  # fmt: skip
#: Units of a real world value, as UCUM writes them without case and blanks: Units and SUV Type of a classic PET.
_UNITS = {
    **{f"{prefix}bq/{volume}": ("BQML", "") for prefix in ("", "k") for volume in ("ml", "cm3", "cc")},
    "{suvbw}g/ml": ("GML", "BW"),
    "g/ml{suvbw}": ("GML", "BW"),
    "{suvlbm}g/ml": ("GML", "LBM"),
    "g/ml{suvlbm}": ("GML", "LBM"),
    "{suvibw}g/ml": ("GML", "IBW"),
    "g/ml{suvibw}": ("GML", "IBW"),
    "{suvbsa}cm2/ml": ("CM2ML", "BSA"),
    "cm2/ml{suvbsa}": ("CM2ML", "BSA"),
}


def is_multi_frame(header: Header) -> bool:
    """Whether one file holds several slices."""
    if header.frame is not None:
        return False
    frames = elements.number(header.dataset, "NumberOfFrames")
    groups = elements.items(header.dataset, "PerFrameFunctionalGroupsSequence")
    return (frames is not None and frames > 1) or bool(groups)


def holds_a_volume(header: Header) -> bool:
    """Whether one file is a series by itself: several slices, and not one piece of a concatenation."""
    frames = elements.number(header.dataset, "NumberOfFrames")
    return frames is not None and frames > 1 and not elements.text(header.dataset, "ConcatenationUID")


def frames_of(header: Header) -> list[Header]:
    """One header per frame of a multi-frame object, with the keywords of classic slices; a slice is its own.

    Parameters
    ----------
    header
        Of a file.

    Returns
    -------
    list of Header
        In the order of the frames.

    Raises
    ------
    InputError
        Frames without functional groups, or another number of them than the file states.
    """
    if not is_multi_frame(header):
        return [header]
    data = header.dataset
    groups = elements.items(data, "PerFrameFunctionalGroupsSequence")
    shared = elements.items(data, "SharedFunctionalGroupsSequence")
    stated = elements.number(data, "NumberOfFrames")
    if not groups or stated != len(groups):
        held = f"{counted(len(groups), 'item')} for {elements.held(data, 'NumberOfFrames') or 'no'} frames"
        raise InputError(
            f"the multi-frame object describes its frames by {held}",
            why="without a position and a scale for each frame it is no volume",
            suggestion="export it as a series of single slices",
            file=header.path,
            field="PerFrameFunctionalGroupsSequence (5200,9230)",
        )
    common = {element.tag: element for element in data.elements() if element.tag.group != 0x5200}
    with quiet():
        frames = [_frame(header, common, [*shared[:1], group], i) for i, group in enumerate(groups)]
        _name_apart(frames, groups, header)
    return frames


def _frame(header: Header, common: dict, groups: Sequence[Dataset], index: int) -> Header:
    """One frame under the keywords of a classic slice."""
    from pydicom.dataset import Dataset

    data = Dataset(dict(common))
    implicit, little = header.dataset.original_encoding
    data.set_original_encoding(implicit, little, header.dataset.original_character_set)
    mappings: Sequence[Dataset] = ()
    for group in groups:
        for keyword in _GROUPS:
            items = elements.items(group, keyword)
            if keyword == "RealWorldValueMappingSequence":
                mappings = items or mappings
            elif len(items) == 1:
                for element in items[0].elements():
                    data[element.tag] = element
    if kind := elements.texts(data, "FrameType"):
        _put(data, "ImageType", kind)
    _put_times(data)
    if header.modality == "PT":
        _put_units(data, mappings or elements.items(header.dataset, "RealWorldValueMappingSequence"))
        _put_corrections(data)
        _put_activity(data)
    return Header(header.path, data, index)


def _put(data: Dataset, keyword: str, value: object) -> None:
    """Set an element, whatever a foreign file holds in its place."""
    if keyword in data:
        delattr(data, keyword)
    setattr(data, keyword, value)


def _name_apart(frames: Sequence[Header], groups: Sequence[Dataset], header: Header) -> None:
    """Give each frame an instance UID of its own: that of the slice it was converted from, where it names one."""
    sources = []
    for group in groups:
        items = elements.items(group, "ConversionSourceAttributesSequence")
        sources.append(elements.text(items[0], "ReferencedSOPInstanceUID") if len(items) == 1 else "")
    apart = len(set(sources)) == len(sources) and all(sources)
    for i, frame in enumerate(frames):
        _put(frame.dataset, "SOPInstanceUID", sources[i] if apart else f"{header.instance}.{i + 1}")


def _put_times(data: Dataset) -> None:
    """Date and time of a frame as a classic slice states them."""
    moment = elements.text(data, "FrameAcquisitionDateTime")
    if len(moment) >= 14 and moment[:14].isdigit():
        _put(data, "AcquisitionDateTime", moment)
        # a time with an offset from UTC is not cut to one without
        if not elements.text(data, "AcquisitionTime") and not any(sign in moment for sign in "+-"):
            _put(data, "AcquisitionDate", moment[:8])
            _put(data, "AcquisitionTime", moment[8:].strip())
    duration = elements.number(data, "FrameAcquisitionDuration")
    if duration is not None and not elements.held(data, "ActualFrameDuration"):
        _put(data, "ActualFrameDuration", round(duration))


def _put_units(data: Dataset, mappings: Iterable[Dataset]) -> None:
    """Units of a PET frame, and its scale, by its real world values where it has no classic Units."""
    from pydicom.valuerep import DSfloat

    if elements.text(data, "Units"):
        return
    for mapping in mappings:
        codes = elements.items(mapping, "MeasurementUnitsCodeSequence")
        words = [elements.text(codes[0], key) for key in ("CodeValue", "CodeMeaning")] if len(codes) == 1 else []
        name = next((key for word in words if (key := word.lower().replace(" ", "")) in _UNITS), "")
        units, factor = _UNITS.get(name), 1e3 if name.startswith("kbq") else 1.0
        slope = elements.number(mapping, "RealWorldValueSlope")
        intercept = elements.number(mapping, "RealWorldValueIntercept")
        if units is None or slope is None or intercept is None:
            continue
        _put(data, "Units", units[0])
        if units[1]:
            _put(data, "SUVType", units[1])
        _put(data, "RescaleSlope", DSfloat(factor * slope, auto_format=True))
        _put(data, "RescaleIntercept", DSfloat(factor * intercept, auto_format=True))
        return
    stated = elements.text(data, "RescaleType").upper().replace("/", "")
    if stated in ("BQML", "GML"):
        _put(data, "Units", stated)


def _put_corrections(data: Dataset) -> None:
    """Corrections of an enhanced PET as Corrected Image lists them."""
    stated = {name: elements.text(data, keyword).upper() for keyword, name in _CORRECTIONS.items()}
    if not elements.texts(data, "CorrectedImage") and any(stated.values()):
        listed = [name for name, answer in stated.items() if answer == "YES"]
        _put(data, "CorrectedImage", listed)


def _put_activity(data: Dataset) -> None:
    """Administered activity of an enhanced PET in Bq, as a classic one states it."""
    items = elements.items(data, "RadiopharmaceuticalInformationSequence")
    if elements.text(data, "SOPClassUID") != _ENHANCED_PET or not items:
        return
    stated = elements.number(items[0], "RadionuclideTotalDose")
    if stated is not None and 0.0 < stated < _MOST_MBQ:
        copies = [deepcopy(item) for item in items]
        _put(copies[0], "RadionuclideTotalDose", f"{stated * 1e6:.10g}")
        _put(data, "RadiopharmaceuticalInformationSequence", copies)
