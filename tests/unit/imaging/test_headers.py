"""Headers of images keep what is read of them, in little memory; those of structures are whole."""

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pydicom
from hevesy.engine.imaging.dicom import elements
from hevesy.engine.imaging.dicom.find import KEPT_SEQUENCES, read_header
from hevesy.phantoms.traps.patient import save, write_ct, write_pet, write_structures
from pydicom.uid import ImplicitVRLittleEndian

ROOT = Path(__file__).resolve().parents[3]
#: Sequences that stand inside others, or in structure files and indexes, which are kept whole.
INSIDE = {
    "RadionuclideCodeSequence", "RadiopharmaceuticalCodeSequence", "MeasurementUnitsCodeSequence",
    "ConversionSourceAttributesSequence", "PixelMeasuresSequence", "PlanePositionSequence", "PlaneOrientationSequence",
    "PixelValueTransformationSequence", "FrameContentSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence",
    "MRImageFrameTypeSequence", "PETFrameCorrectionFactorsSequence", "PETFrameAcquisitionSequence",
    "PETReconstructionSequence", "CTReconstructionSequence", "UnassignedSharedConvertedAttributesSequence",
    "UnassignedPerFrameConvertedAttributesSequence", "DirectoryRecordSequence", "RTReferencedStudySequence",
    "RTReferencedSeriesSequence", "ReferencedFrameOfReferenceSequence", "StructureSetROISequence", "SegmentSequence",
    "ROIContourSequence", "ContourSequence", "ContourImageSequence",
}  # fmt: skip


def test_every_sequence_that_readers_of_images_ask_for_is_kept():
    asked = set()
    for room in ("dicom", "pet", "sorting"):
        for path in (ROOT / "engine" / "imaging" / room).glob("*.py"):
            asked |= set(re.findall(r"\b[A-Z][A-Za-z]+Sequence\b", path.read_text(encoding="utf-8")))
    known = {word for word in asked if pydicom.datadict.tag_for_keyword(word) is not None}
    assert "RadiopharmaceuticalInformationSequence" in known
    assert known - INSIDE <= KEPT_SEQUENCES


def with_vendor_elements(data, number):
    block = data.private_block(0x0029, "VENDOR HEADER", create=True)
    block.add_new(0x10, "OB", bytes(60_000))
    block.add_new(0x20, "LO", "short")
    data.ImageComments = "x" * 600


def test_long_and_private_elements_of_a_slice_stay_in_the_file(tmp_path):
    folder = write_ct(tmp_path / "ct", np.zeros((2, 8, 8)), change=with_vendor_elements)
    header = read_header(folder / "CT000.dcm")
    assert not any(tag.is_private for tag in header.dataset) and "ImageComments" not in header.dataset
    assert len(header.full().ImageComments) == 600 and len(header.full()[0x0029, 0x1010].value) == 60_000


def test_short_private_elements_of_a_pet_are_kept(tmp_path):
    folder = write_pet(tmp_path / "pet", np.ones((2, 8, 8)), change=with_vendor_elements)
    block = read_header(folder / "PT000.dcm").dataset.private_block(0x0029, "VENDOR HEADER")
    assert block[0x20].value == "short" and 0x10 not in block


def test_a_long_tracer_of_any_encoding_is_kept(tmp_path):
    def long_item(data, number):
        data.RadiopharmaceuticalInformationSequence[0].AdministrationRouteCodeSequence = []
        data.RadiopharmaceuticalInformationSequence[0].add_new("TextValue", "UT", "x" * 20_000)

    folder = write_pet(tmp_path / "pet", np.ones((2, 8, 8)), change=long_item)
    path = folder / "PT000.dcm"
    for _ in range(2):
        (item,) = elements.items(read_header(path).dataset, "RadiopharmaceuticalInformationSequence")
        assert elements.number(item, "RadionuclideTotalDose") == 74e6
        save(pydicom.dcmread(path), path, ImplicitVRLittleEndian)


def test_headers_read_before_have_no_say_in_what_equal_bytes_mean(tmp_path):
    """The bytes 30 F8 are 63536 or -2000: elements that headers have in common are held once, and these are not one."""
    for name, vr, value in (("a", "US", 63536), ("b", "SS", -2000), ("c", "US", 63536)):

        def padded(data, number, vr=vr, value=value):
            data.add_new("PixelPaddingValue", vr, value)

        folder = write_ct(tmp_path / name, np.zeros((2, 8, 8)), change=padded)
        assert elements.number(read_header(folder / "CT000.dcm").dataset, "PixelPaddingValue") == value


def test_structures_are_whole(tmp_path):
    contour = [[float(i), float(i % 7), 0.0] for i in range(5000)]
    header = read_header(write_structures(tmp_path / "rs.dcm", [("big", [contour])]))
    assert len(header.dataset.ROIContourSequence[0].ContourSequence[0].ContourData) == 15_000


def test_a_pile_of_headers_takes_little_memory(tmp_path):
    files = sorted(write_ct(tmp_path / "ct", np.zeros((200, 4, 4)), change=with_vendor_elements).iterdir())
    read_header(files[0])
    tracemalloc.start()
    headers = [read_header(path) for path in files]
    for header in headers:
        for keyword in ("ImagePositionPatient", "ImageType", "StudyInstanceUID", "SeriesTime", "PixelSpacing"):
            assert elements.texts(header.dataset, keyword)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / len(files) < 12_000  # bytes: 20,000 headers in 240 MB
    one, other = (header.dataset.get_item("StudyInstanceUID") for header in headers[:2])
    assert one is other
