"""Damaged and hostile DICOM: every input is read, or refused by this program's own error that names the file."""

import os
import random
import shutil
import socket

import numpy as np
import pydicom
import pytest
from hevesy.engine import imaging
from hevesy.engine.case.inputs import files_of
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid
from hevesy.tests.unit.dicom_factory import write_pet, write_series
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

GRID = Grid((5, 6, 7), (3.0, 2.0, 1.5), (-40.0, 12.0, 7.0))
VALUES = np.abs(np.random.default_rng(1).integers(0, 1500, GRID.shape)).astype(np.float32)
MUTATIONS = 240

#: Texts that stand in foreign headers where a number is meant.
TEXTS = (
    "", " ", "NaN", "inf", "-1", "0", "1e400", "1,5", "abc", "16.00000\0\0.437456", "9" * 40, "\x1b[31m", "1\\2\\3\\4",
    "-0.0", "1e-300", "\udcff", "None", "0x10", "²", "--",
)  # fmt: skip
#: Elements that reading depends on.
KEYWORDS = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "RescaleSlope",
    "RescaleIntercept", "SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Modality",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation",
    "PixelData", "NumberOfFrames", "PixelPaddingValue", "PixelPaddingRangeLimit", "ImageType", "InstanceNumber",
    "SliceThickness", "SpacingBetweenSlices", "NumberOfSlices", "ModalityLUTSequence", "CountsSource",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "SpecificCharacterSet", "Units",
    "RadiopharmaceuticalInformationSequence",
)  # fmt: skip


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    write_series(folder / "CT", VALUES, GRID)
    write_pet(folder / "PT", VALUES, GRID)
    return folder


def element_of(rng, keyword):
    """An element that the standard does not allow there."""
    item = Dataset()
    item.Rows = 3
    kind = rng.randrange(5)
    vr = pydicom.datadict.dictionary_VR(keyword).split()[0]
    if kind == 0:
        return raw(keyword, "LO", rng.choice(TEXTS))
    if kind == 1:
        return DataElement(keyword, "SQ", Sequence([item] * rng.randrange(3)))
    if kind == 2:
        return raw(keyword, rng.choice((vr, "UN")), rng.randbytes(rng.choice((0, 2, 4, 8, 200))))
    if kind == 3:
        return DataElement(keyword, "FD", rng.choice(([], [float("nan")] * 6, -1.0, 0.0, [1.0] * 6, 1e308)))
    return raw(keyword, "ST" if vr in ("SQ", "OW") else vr, rng.choice(TEXTS))


def raw(keyword, vr, content):
    """An element of any bytes, which pydicom writes as they are."""
    value = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    value += b" " * (len(value) % 2)
    return RawDataElement(Tag(keyword), vr, len(value), value, 0, False, True)


def mutate(path, rng):
    """Change one file: its bytes, its length, or one of its elements."""
    content = bytearray(path.read_bytes())
    kind = rng.randrange(6)
    if kind == 0:
        for _ in range(rng.choice((1, 4, 40))):
            content[rng.randrange(128, len(content))] = rng.randrange(256)
        path.write_bytes(bytes(content))
    elif kind == 1:
        path.write_bytes(bytes(content[: rng.randrange(len(content))]))
    else:
        data = pydicom.dcmread(path)
        keyword = rng.choice(KEYWORDS)
        if kind == 2 and keyword in data:
            delattr(data, keyword)
        elif kind == 3 and rng.random() < 0.3:
            data.file_meta.TransferSyntaxUID = rng.choice(
                ("1.2.3", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5", "")
            )
        else:
            data[keyword] = element_of(rng, keyword)
        try:
            data.save_as(path)
        except Exception:  # this library cannot write it; others can, and the bytes above stand for them
            path.write_bytes(bytes(content[:-3]))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(4))
def test_mutated_series_are_read_or_refused(originals, tmp_path, part):
    refused = 0
    for seed in range(part * MUTATIONS // 4, (part + 1) * MUTATIONS // 4):
        rng = random.Random(seed)
        modality = ("CT", "PT")[seed % 2]
        folder = tmp_path / str(seed)
        shutil.copytree(originals / modality, folder)
        files = sorted(folder.iterdir())
        for path in files if rng.random() < 0.3 else [rng.choice(files)]:
            mutate(path, rng)
        try:
            volume = imaging.read_volume(folder, "HU" if modality == "CT" else "Bq/mL")
        except InputError as error:
            assert error.why and error.suggestion and str(folder) in str(error), seed
            refused += 1
        except Exception as error:
            pytest.fail(f"seed {seed}, {modality}: {type(error).__name__}: {error}")
        else:
            assert volume.values.shape[1:] == GRID.shape[1:], seed
    assert refused > 5


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
@pytest.mark.parametrize("name", ["x.dcm", "x.nii.gz", "x"])
def test_what_is_no_ordinary_file_is_not_opened(tmp_path, kind, name, monkeypatch):
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        monkeypatch.chdir(tmp_path)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(name)
        listener.close()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match="no ordinary file"):
        imaging.read_ct(path)
    assert list(files_of(path)) == [path]


def test_a_pipe_among_the_slices_is_left_out(tmp_path):
    folder = write_series(tmp_path / "ct", VALUES, GRID)
    os.mkfifo(folder / "im999.dcm")
    volume = imaging.read_ct(folder)
    np.testing.assert_array_equal(volume.values, VALUES)
    assert any("im999.dcm (no ordinary file)" in note for note in volume.notes)
    assert folder / "im999.dcm" not in list(files_of(folder))


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("PixelSpacing", "2.0", "PixelSpacing is '2.0', not 2 numbers"),
        ("PixelSpacing", ["2.0", "0"], r"PixelSpacing is '2.0\0', not above zero"),
        ("PixelSpacing", ["2.0", "-1"], "not above zero"),
        ("ImageOrientationPatient", ["1", "0", "0"], "not 6 numbers"),
        ("ImageOrientationPatient", ["1", "0", "0", "1", "0", "0"], "not two perpendicular directions"),
        ("ImageOrientationPatient", ["2", "0", "0", "0", "1", "0"], "not two perpendicular directions"),
        ("Rows", 0, "Rows is '0', not a number of pixels from 1 to 8192"),
        ("Columns", 65535, "Columns is '65535', not a number of pixels from 1 to 8192"),
        ("SOPInstanceUID", None, "no SOPInstanceUID"),
    ],
)
def test_the_element_and_its_value_are_named(tmp_path, keyword, value, message):
    folder = write_series(tmp_path / "ct", VALUES, GRID)
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        data.pop(keyword)
        if value is not None:
            setattr(data, keyword, value)
        data.save_as(path)
    with pytest.raises(InputError) as caught:
        imaging.read_ct(folder)
    assert message in str(caught.value) and keyword in str(caught.value)
