"""The pixels of slices: decoded, rescaled, and with their padding told from what was measured."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...notes import CAUTION, Note
from ...text import counted
from . import elements
from .bits import used_bits
from .find import Header, quiet
from .scale import rescale

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Value of what was not measured, outside the field of view: air in a CT [HU], no activity in a PET.
OUTSIDE = {"CT": -1000.0, "PT": 0.0}
#: Values that a pixel inside the body can have: the scale of a CT of 12 bits [HU], no negative activity.
_POSSIBLE = {"CT": (-1024.0, 3071.0), "PT": (0.0, np.inf)}
_COPY = "copy it again from the archive, uncompressed if need be"


@dataclass
class Padding:
    """How many pixels have the padding value (0028,0120), over the slices read so far.

    Attributes
    ----------
    outside
        Pixels that reach the edge of their slice through others: outside the field of view.
    inside
        Pixels that are surrounded by measured ones and have a value that those can have: kept as they are.
    replaced
        Pixels that are surrounded too, but whose value none can have.
    pixels
        All pixels.
    value
        What the padding value stands for after rescaling, in the first slice that has it.
    """

    modality: str
    outside: int = 0
    inside: int = 0
    replaced: int = 0
    pixels: int = 0
    value: float | None = None

    def remarks(self) -> list[str]:
        """What a reader must know of it."""
        if self.value is None:
            return []
        meaning = "air" if self.modality == "CT" else "no activity"
        unit = "HU" if self.modality == "CT" else "Bq/mL or SUV"
        share = 100.0 * (self.outside + self.replaced) / max(self.pixels, 1)
        head = f"the header's padding value stands for {self.value:.6g} {unit}"
        notes: list[str] = []
        if self.outside or self.replaced:
            notes.append(f"{head}: {share:.3g} % of the pixels, outside the field of view, are taken as {meaning}")
        if self.replaced:
            text = f"{counted(self.replaced, 'padded pixel')} inside the body, of no possible value, taken as {meaning}"
            notes.append(Note(text, weight=CAUTION))
        if self.inside:
            text = (
                f"{head}, which is measured too: {counted(self.inside, 'such pixel')} inside the body kept that value"
            )
            notes.append(Note(text, weight=CAUTION))
        return notes


def read_pixels(headers: Sequence[Header]) -> Iterator[tuple[np.ndarray, Padding]]:
    """The slices in the order given, each file read once.

    Parameters
    ----------
    headers
        Of the slices.

    Yields
    ------
    (values, padding)
        float64 (rows, columns), rescaled; and the padding seen up to this slice.

    Raises
    ------
    InputError
        Pixels that cannot be decoded, or are not rows x columns.
    """
    padding = Padding(headers[0].modality)
    frames: dict[Path, Iterator[np.ndarray]] = {}
    for header in headers:
        if header.frame is None:
            stored, data = _single(header)
        else:
            if header.path not in frames:
                wanted = [h.frame for h in headers if h.path == header.path and h.frame is not None]
                frames[header.path] = _frames(header, wanted)
            stored, data = next(frames[header.path]), header.dataset
        shape = tuple(int(elements.number(header.dataset, key) or 0) for key in ("Rows", "Columns"))
        if stored.shape != shape:
            raise _undecodable(header, f"they are {stored.shape}, the header says {shape[0]} x {shape[1]}")
        slope, intercept = rescale(header)
        values = stored.astype(np.float64) * slope + intercept
        _replace_padding(values, stored, data, padding)
        yield values, padding
    if padding.outside == padding.pixels:
        raise _undecodable(headers[0], "all of them, in every slice, have the padding value: nothing was measured")


def same_pixels(one: Header, other: Header) -> bool:
    """Whether two slices have the same stored numbers."""
    return bool(np.array_equal(_single(one)[0], _single(other)[0]))


def _replace_padding(values: np.ndarray, stored: np.ndarray, data: Dataset, padding: Padding) -> None:
    """Give padded pixels the value of what was not measured, in place; count them."""
    padding.pixels += stored.size
    limits = _limits(data)
    if limits is None or padding.modality not in OUTSIDE:
        return
    nothing = OUTSIDE[padding.modality]
    padded = (stored >= limits[0]) & (stored <= limits[1])
    # what stands for air already, as -2000 HU does, stays as it is
    if not np.any(padded & ((values > nothing) | (values < 0.0 if padding.modality == "PT" else False))):
        return
    from scipy import ndimage

    value = float(values[padded][0])
    padding.value = value if padding.value is None else padding.value
    labels, _ = ndimage.label(padded)
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    outside = np.isin(labels, edge[edge > 0])
    surrounded = padded & ~outside
    least, most = _POSSIBLE[padding.modality]
    impossible = surrounded & ((values < least) | (values > most))
    padding.outside += int(outside.sum())
    padding.replaced += int(impossible.sum())
    padding.inside += int(surrounded.sum() - impossible.sum())
    values[outside | impossible] = nothing


def _limits(data: Dataset) -> tuple[int, int] | None:
    """Lowest and highest stored number that is padding; None where the header states none."""
    first = elements.number(data, "PixelPaddingValue")
    if first is None:
        return None
    last = elements.number(data, "PixelPaddingRangeLimit")
    bits = int(elements.number(data, "BitsAllocated") or 16)
    signed = elements.number(data, "PixelRepresentation") == 1
    ends = [_wrapped(int(first), bits, signed), _wrapped(int(first if last is None else last), bits, signed)]
    return min(ends), max(ends)


def _wrapped(number: int, bits: int, signed: bool) -> int:
    """A stored number in the sign of the pixels: many write 63536 for -2000."""
    number %= 1 << bits
    return number - (1 << bits) if signed and number >= 1 << (bits - 1) else number


def _undecodable(header: Header, why: str) -> InputError:
    return InputError(
        "the pixels of a DICOM slice cannot be read",
        why=why,
        suggestion=_COPY,
        file=header.path,
        field="PixelData" if header.frame is None else f"PixelData, frame {header.frame + 1}",
    )


def _single(header: Header) -> tuple[np.ndarray, Dataset]:
    """Stored numbers (rows, columns) of a file with one slice, and all its elements."""
    import pydicom
    from pydicom.pixels import pixel_array

    try:
        with quiet():
            data = pydicom.dcmread(header.path, force=True)
            _complete_meta(data)
            _require_whole_numbers(data, header)
            if "PixelData" not in data:
                raise _undecodable(header, "the file holds none: it is truncated, or no image")
            try:
                return used_bits(pixel_array(data, correct_unused_bits=False), header), data
            except InputError:
                raise
            except Exception:
                return _by_gdcm(data, header, 0), data
    except InputError:
        raise
    except Exception:  # damaged files and decoders raise many kinds
        raise _undecodable(header, "the file is truncated or damaged, or its compression unknown") from None


def _require_whole_numbers(data: Dataset, header: Header) -> None:
    """Refuse pixels in floating point, which images of the modalities CT and PT do not have."""
    for keyword in ("FloatPixelData", "DoubleFloatPixelData"):
        if keyword in data:
            raise InputError(
                f"the pixels are floating point numbers ({keyword})",
                why="the pixels of a CT or PET are whole numbers with a rescale slope, and others are not read",
                suggestion="export the series with whole numbers (Pixel Data), or as a NIfTI volume",
                file=header.path,
                field=keyword,
            )


def _complete_meta(data: Dataset) -> None:
    """State the transfer syntax of a bare data set, which is not compressed."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if getattr(data, "file_meta", None) is None:
        data.file_meta = FileMetaDataset()
    if not data.file_meta.get("TransferSyntaxUID"):
        implicit = data.original_encoding[0]
        data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian


def _frames(header: Header, wanted: Sequence[int]) -> Iterator[np.ndarray]:
    """Stored numbers (rows, columns) of frames of one file, in the order wanted."""
    import pydicom
    from pydicom.pixels import iter_pixels

    given = 0
    try:
        with quiet():
            for stored in iter_pixels(header.path, indices=list(wanted), correct_unused_bits=False):
                yield used_bits(stored, header)
                given += 1
        return
    except InputError:
        raise
    except Exception:  # as for a single slice
        pass
    try:
        with quiet():
            data = pydicom.dcmread(header.path, force=True)
    except Exception:
        raise _undecodable(header, "the file is truncated or damaged") from None
    for frame in wanted[given:]:
        yield _by_gdcm(data, header, frame)


def _by_gdcm(data: Dataset, header: Header, frame: int) -> np.ndarray:
    """Stored numbers of a compressed frame through SimpleITK's decoders.

    The frame goes there alone, in a file that states slope 1 and intercept 0: what SimpleITK assumes of the scale of a
    file does not matter.
    """
    import pydicom
    import SimpleITK as sitk
    from pydicom.dataset import Dataset as NewDataset
    from pydicom.encaps import encapsulate, generate_frames

    syntax = data.file_meta.get("TransferSyntaxUID")
    why = "the file is truncated or damaged, or its compression unknown"
    try:
        if syntax is None or not syntax.is_compressed:
            raise ValueError(why)
        count = int(elements.number(data, "NumberOfFrames") or 1)
        packed = list(generate_frames(data.PixelData, number_of_frames=count))[frame]
        alone = NewDataset()
        alone.SOPClassUID, alone.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"
        for key in (
            "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
            "HighBit", "PixelRepresentation",
        ):  # fmt: skip
            setattr(alone, key, data.get(key))
        alone.Modality, alone.RescaleSlope, alone.RescaleIntercept = "CT", 1, 0
        alone.PixelData = encapsulate([packed])
        alone["PixelData"].VR = "OB"
        alone.file_meta = pydicom.dataset.FileMetaDataset()
        alone.file_meta.TransferSyntaxUID = syntax
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "frame.dcm"
            pydicom.dcmwrite(path, alone, enforce_file_format=True)
            return np.asarray(sitk.GetArrayFromImage(sitk.ReadImage(str(path), sitk.sitkFloat64))[0])
    except Exception:  # SimpleITK and pydicom raise many kinds
        raise _undecodable(header, why) from None
