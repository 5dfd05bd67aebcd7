"""Units, scales and values that a header states."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from .patient import Change, ct_truth, write_patient
from .trap import Right, Trap

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


TRAPS: tuple[Trap, ...] = (
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
)
