"""Units, scales and values that a header states."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from scipy.ndimage import uniform_filter

from .patient import Change, ct_truth, pet_truth, write_patient, write_volume, write_volumes
from .trap import Right, Trap

_VOLUME = {"lesion 1": {"volume_ml": 4.096, "mean_bq_ml": 1e5}}
_LESION = {"L1": {"volume_ml": 4.096, "mean_bq_ml": 1e5, "mass_g": 4.17}}


def _without(*keywords: str, slice_number: int | None = None) -> Change:
    """Delete elements, of every slice or of one."""

    def change(data: Dataset, number: int) -> None:
        if slice_number in (None, number):
            for keyword in keywords:
                delattr(data, keyword)

    return change


def _with(slice_number: int | None = None, **elements: Any) -> Change:
    """Set elements, of every slice or of one."""

    def change(data: Dataset, number: int) -> None:
        if slice_number in (None, number):
            for keyword, value in elements.items():
                setattr(data, keyword, value)

    return change


def _table(data: Dataset, number: int) -> None:
    """A Modality LUT in place of slope and intercept."""
    del data.RescaleSlope, data.RescaleIntercept
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [4, 0, 16], "HU"
    item.add_new("LUTData", "OW", np.array([0, 1, 2, 3], "<u2").tobytes())
    data.ModalityLUTSequence = Items([item])


def _overlay_above(data: Dataset, number: int) -> None:
    """Twelve bits of pixel, and an overlay in the bit above them, as the standard once had it."""
    stored = np.frombuffer(data.PixelData, "<u2") >> 4
    data.RescaleSlope = f"{16.0 * float(data.RescaleSlope):.10g}"
    data.BitsStored, data.HighBit = 12, 11
    mark = np.where(np.arange(stored.size) % 3 == 0, 1 << 12, 0)
    data.PixelData = (stored | mark).astype("<u2").tobytes()
    for element, kind, value in (
        (0x0010, "US", 32), (0x0011, "US", 32), (0x0040, "CS", "G"), (0x0050, "SS", [1, 1]), (0x0100, "US", 16),
        (0x0102, "US", 12),
    ):  # fmt: skip
        data.add_new((0x6000, element), kind, value)


def _sign_carried_on(data: Dataset, number: int) -> None:
    """A CT of signed numbers of twelve bits, whose sign fills the bits above."""
    stored = np.frombuffer(data.PixelData, "<u2").astype(int) - 1024
    data.PixelData = stored.astype("<i2").tobytes()
    data.RescaleIntercept, data.PixelRepresentation, data.BitsStored, data.HighBit = 0, 1, 12, 11


def _floats(data: Dataset, number: int) -> None:
    values = np.frombuffer(data.PixelData, "<u2") * float(data.RescaleSlope)
    del data.PixelData, data.BitsStored, data.HighBit, data.PixelRepresentation
    data.FloatPixelData, data.BitsAllocated, data.RescaleSlope = values.astype("<f4").tobytes(), 32, 1


def _bright_ct() -> np.ndarray:
    """Water in air, and a piece of metal of 3500 HU."""
    values = ct_truth()
    values[20:24, 30:34, 36:44] = 3500
    return np.asarray(values)


def _soft_air() -> np.ndarray:
    """A CT whose stored numbers look like HU: its air is -200 HU."""
    return np.where(ct_truth() < -500, -200, ct_truth())


def _refused(name: str, situation: str, element: str, source: str = "variant", **parts: Any) -> Trap:
    return Trap(
        name,
        situation,
        "Refusal: the values are stored numbers, and what they stand for is not known.",
        lambda folder: write_patient(folder, **parts),
        Right(refused=True, says=(element,), lesions=_LESION),
        source=source,  # type: ignore[arg-type]
    )


def _negative(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    """The volumes with changed values in the first PET."""

    def make(folder: Path) -> None:
        write_volumes(folder)
        write_volume(folder / "pet_24h.nii.gz", change(pet_truth()).astype(np.float32), 4.0)

    return make


def _ringing(values: np.ndarray) -> np.ndarray:
    """Undershoot of a cubic resampling: a shell about the lesion 10 % of the edge below zero."""
    shell = uniform_filter((values > 5e4).astype(float), 3) > 0.01
    return np.where(shell & (values < 5e4) & (np.indices(values.shape).sum(0) % 4 == 0), -1e4, values)


def _noise(values: np.ndarray) -> np.ndarray:
    """Noise of a filtered back projection in the air: a fifth of the body's mean, as often above zero as below."""
    random = np.random.default_rng(4)
    return np.where(values == 0.0, random.normal(0.0, 200.0, values.shape), values)


def _read_as_signed(values: np.ndarray) -> np.ndarray:
    """The lesion beyond the numbers of 15 bits, saved with 16 and read with a sign."""
    return np.where(values > 5e4, -536.0, values * 0.65)


TRAPS: tuple[Trap, ...] = (
    Trap(
        "pet-of-a-cubic-resampling",
        "A PET volume that undershoots beside the lesion, to a tenth of it below zero.",
        "These voxels are set to zero, and that is said.",
        _negative(_ringing),
        Right(hours=(24.0, 96.0), lesions=_VOLUME, says=("caution:", "negative activity", "were set to zero")),
        source="report",
    ),
    Trap(
        "pet-of-a-filtered-back-projection",
        "A PET volume with noise in the air, as often below zero as above.",
        "These voxels are set to zero, and that is said.",
        _negative(_noise),
        Right(hours=(24.0, 96.0), lesions=_VOLUME, says=("negative activity", "were set to zero")),
        source="report",
    ),
    Trap(
        "pet-below-zero-in-all-air",
        "A PET volume that holds -3 Bq/mL in all air.",
        "These voxels are set to zero, and that is said.",
        _negative(lambda values: np.where(values == 0.0, -3.0, values)),
        Right(hours=(24.0, 96.0), lesions=_VOLUME, says=("caution:", "0.2 % of the total", "were set to zero")),
        source="report",
    ),
    Trap(
        "pet-of-unsigned-numbers-read-as-signed",
        "The largest values of the PET turned negative: the lesion holds -536 Bq/mL.",
        "Refused: no noise, and no ringing.",
        _negative(_read_as_signed),
        Right(refused=True, says=("negative activity, down to -536", "unsigned numbers")),
    ),
    Trap(
        "pet-with-half-its-activity-below-zero",
        "A PET volume whose body is at -600 Bq/mL for a third of its slices.",
        "Refused.",
        _negative(lambda v: np.where((v == 1e3) & (np.indices(v.shape)[0] % 3 == 0), -600.0, v)),
        Right(refused=True, says=("negative activity",)),
    ),
    _refused(
        "pet-without-rescale-slope",
        "PET slices without RescaleSlope and RescaleIntercept.",
        "the file has no RescaleSlope",
        "report",
        pet24={"change": _without("RescaleSlope", "RescaleIntercept")},
    ),
    _refused(
        "pet-slope-missing-in-one-slice",
        "One slice of a PET has no RescaleSlope.",
        "PT009.dcm: RescaleSlope: the file has no RescaleSlope",
        pet24={"change": _without("RescaleSlope", slice_number=9)},
    ),
    _refused(
        "pet-slope-empty",
        "RescaleSlope of a PET is there and empty.",
        "the file has no RescaleSlope",
        pet24={"change": _with(RescaleSlope=None)},
    ),
    _refused(
        "pet-slope-zero",
        "RescaleSlope of one PET slice is 0.",
        "RescaleSlope is 0, not above zero",
        pet24={"change": _with(9, RescaleSlope="0")},
    ),
    _refused(
        "pet-slope-twice",
        "RescaleSlope of a PET holds two values.",
        "not one number",
        pet24={"change": _with(RescaleSlope=["3.125", "1"])},
    ),
    Trap(
        "pet-without-rescale-intercept",
        "PET slices with a slope and no RescaleIntercept.",
        "Read with intercept 0, the only one that a PET may have, and said.",
        lambda folder: write_patient(folder, pet24={"change": _without("RescaleIntercept")}),
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("no rescale intercept",)),
    ),
    _refused(
        "ct-without-rescale-intercept",
        "CT without RescaleIntercept whose air is not empty, so that the stored numbers pass for HU.",
        "the file has no RescaleIntercept",
        "report",
        ct={"values": _soft_air(), "change": _without("RescaleIntercept")},
    ),
    _refused(
        "ct-intercept-missing-in-one-slice",
        "One CT slice has no RescaleIntercept.",
        "CT020.dcm: RescaleIntercept",
        ct={"change": _without("RescaleIntercept", slice_number=20)},
    ),
    _refused(
        "ct-without-rescale-slope",
        "CT without RescaleSlope.",
        "the file has no RescaleSlope",
        ct={"change": _without("RescaleSlope")},
    ),
    _refused(
        "iodine-map-as-ct",
        "The series of modality CT is an iodine map of a dual-energy scan (RescaleType MGML).",
        "the CT's values are in MGML, not in HU",
        ct={"change": _with(RescaleType="MGML")},
    ),
    _refused(
        "ct-with-a-table-for-a-slope",
        "CT with a Modality LUT in place of slope and intercept.",
        "Modality LUT",
        ct={"change": _table},
    ),
    Trap(
        "pet-of-more-bits-than-stated",
        "A PET that states 12 bits stored, and stores 16.",
        "Refused: what stands above them would be cut off.",
        lambda folder: write_patient(folder, {"BitsStored": 12, "HighBit": 11}),
        Right(refused=True, says=("BitsStored (0028,0101)", "from 0 to 32000"), lesions=_LESION),
        source="report",
    ),
    Trap(
        "ct-of-more-bits-than-stated",
        "A CT that states 12 bits stored, with metal above them.",
        "Refused: what stands above them would be cut off.",
        lambda folder: write_patient(folder, ct={"values": _bright_ct(), "BitsStored": 12, "HighBit": 11}),
        Right(refused=True, says=("BitsStored (0028,0101)", "CT020.dcm"), lesions=_LESION),
        source="report",
    ),
    Trap(
        "high-bit-above-those-stored",
        "A PET that states 12 bits stored, the highest of them the sixteenth.",
        "Refused: whether the numbers are shifted is not known.",
        lambda folder: write_patient(folder, {"BitsStored": 12, "HighBit": 15}),
        Right(refused=True, says=("HighBit is 15, and BitsStored 12",), lesions=_LESION),
        source="report",
    ),
    Trap(
        "overlay-above-the-pixels",
        "A PET of 12 bits stored, with an overlay in the bit above them.",
        "The plain patient: the overlay is no part of the pixel.",
        lambda folder: write_patient(folder, {"change": _overlay_above}),
        Right(hours=(24.0, 96.0), lesions=_LESION),
    ),
    Trap(
        "sign-in-the-bits-above",
        "A CT of 12 bits stored with a sign, which fills the bits above them.",
        "The plain patient.",
        lambda folder: write_patient(folder, ct={"change": _sign_carried_on}),
        Right(hours=(24.0, 96.0), lesions=_LESION),
    ),
    Trap(
        "pet-of-floating-point-pixels",
        "A PET whose pixels are floating point numbers.",
        "Refused, naming what they are.",
        lambda folder: write_patient(folder, {"change": _floats}),
        Right(refused=True, says=("FloatPixelData", "floating point"), lesions=_LESION),
        source="report",
    ),
    Trap(
        "scatter-not-corrected",
        "The list of corrections leaves out scatter.",
        "Read, and said.",
        lambda folder: write_patient(folder, {"CorrectedImage": ["DECY", "ATTN"]}),
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("does not list scatter correction",)),
        source="report",
    ),
    Trap(
        "gated-series",
        "The header says that the series is of a gated scan.",
        "Read, and said.",
        lambda folder: write_patient(folder, {"SeriesType": ["GATED", "IMAGE"]}),
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("series type is GATED",)),
        source="report",
    ),
)
