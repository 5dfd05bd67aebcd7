"""Decay within a scan of several beds."""

from __future__ import annotations

import math
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from .patient import HALF_LIFE_F18_S, HALF_LIFE_S, LESION_BQ_ML, LESION_ML, RATE, Change, at, pet_truth, write_patient
from .trap import Right, Trap

_LESION = {"L1": {"volume_ml": LESION_ML, "mean_bq_ml": LESION_BQ_ML}}
_RIGHT = Right(hours=(24.0, 96.0), lesions=_LESION)
_RATE_F18 = math.log(2.0) / HALF_LIFE_F18_S
#: Beds of a whole-body scan: slices of each, and seconds between their beginnings.
_SLICES, _BED_S = 5, 600
_HALF_FRAME_S = 60.0


def _scan(folder: Path, change: Change, values: np.ndarray) -> None:
    """The patient with these beds in the first scan, and the half-life of 18F in its header."""
    write_patient(folder, {"change": change, "values": values, "RadionuclideHalfLife": HALF_LIFE_F18_S})


def _bed_values(rate_made: float, offset_s: float = 0.0) -> np.ndarray:
    """What a scanner stores that corrects each bed with a decay rate [1/s] to a time before the start of the scan."""
    values = pet_truth()
    for number in range(len(values)):
        delay = number // _SLICES * _BED_S + _HALF_FRAME_S
        values[number] *= math.exp(-RATE * delay + rate_made * (delay + offset_s))
    return values


def _bed_change(rate: float | None, correction: str = "START", offset_s: float = 0.0) -> Change:
    """Acquisition times of the beds, and the decay factors of a rate [1/s]."""

    def change(data: Dataset, number: int) -> None:
        bed = number // _SLICES
        data.AcquisitionTime = (at(24.0) + timedelta(seconds=_BED_S * bed)).strftime("%H%M%S")
        data.DecayCorrection = correction
        if rate is not None:
            data.DecayFactor = f"{math.exp(rate * (bed * _BED_S + _HALF_FRAME_S + offset_s)):.10g}"

    return change


def _beds_of_18f(folder: Path, stated: bool = True, correction: str = "START") -> None:
    offset = 24.0 * 3600.0 if correction == "ADMIN" else 0.0
    change = _bed_change(_RATE_F18 if stated else None, correction, offset)
    _scan(folder, change, _bed_values(_RATE_F18, offset))


def _beds_rightly_corrected(folder: Path) -> None:
    """The half-life in the header is wrong, and the decay factors are those of the tracer."""
    _scan(folder, _bed_change(RATE), _bed_values(RATE))


def _beds_uncorrected(folder: Path) -> None:
    """NONE with the half-life of 18F: the tracer's own decay is what happened."""
    change = _bed_change(None, "NONE")

    def listed(data: Dataset, number: int) -> None:
        change(data, number)
        data.CorrectedImage = ["ATTN", "SCAT"]

    _scan(folder, listed, _bed_values(0.0))


def _factors_of_one(folder: Path) -> None:
    """Philips' way: a decay factor of 1 on every slice, the series three minutes before the first bed."""

    def change(data: Dataset, number: int) -> None:
        bed = number // _SLICES
        data.SeriesTime, data.DecayFactor = (at(24.0) - timedelta(seconds=180)).strftime("%H%M%S"), 1.0
        data.AcquisitionTime = (at(24.0) + timedelta(seconds=_BED_S * bed)).strftime("%H%M%S")
        data.FrameReferenceTime = 1e3 * (_BED_S * bed + _HALF_FRAME_S)

    write_patient(folder, {"change": change})


def _stated(
    folder: Path,
    correction: str,
    factor: float | None = None,
    half_life_s: float = HALF_LIFE_S,
    share: float = 1.0,
    **elements: Any,
) -> None:
    """The first scan with a decay correction and a decay factor, whichever values belong to them."""
    more = {} if factor is None else {"DecayFactor": f"{factor:.8g}"}
    write_patient(
        folder,
        {"DecayCorrection": correction, "values": pet_truth(share), "RadionuclideHalfLife": f"{half_life_s:.8g}",
         **more, **elements},
    )  # fmt: skip


def _beds_of_gallium(folder: Path) -> None:
    """68Ga in beds over 40 minutes, all stamped with the start of the series; the factors run up to 1.4."""
    half_life = 67.71 * 60.0

    def change(data: Dataset, number: int) -> None:
        item = data.RadiopharmaceuticalInformationSequence[0]
        item.RadionuclideHalfLife = half_life
        item.RadionuclideCodeSequence[0].CodeMeaning = "^68^Gallium"
        item.RadionuclideCodeSequence[0].CodeValue, item.Radiopharmaceutical = "C-131A3", "DOTATATE"
        del item.RadionuclidePositronFraction
        data.DecayFactor = f"{2.0 ** ((number // _SLICES * _BED_S + _HALF_FRAME_S) / half_life):.8g}"

    write_patient(folder, {"start": at(1.0), "change": change})
    case = (folder / "case.yaml").read_text().replace("nuclide: I-124", "nuclide: Ga-68")
    lines = [line for line in case.splitlines() if "PET96" not in line]
    (folder / "case.yaml").write_text("\n".join(lines) + "\n")


_DAY_FACTOR = math.exp(RATE * 86400.0)

TRAPS: tuple[Trap, ...] = (
    Trap(
        "wrong-half-life-start-beds",
        "Half-life of 18F in the header of a 124I scan of four beds: the scanner corrected each bed with it.",
        "Its correction within the scan is turned back: 100000 Bq/mL.",
        _beds_of_18f,
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("that was turned back",)),
        source="report",
    ),
    Trap(
        "wrong-half-life-start-beds-without-factors",
        "Half-life of 18F in the header of a 124I scan of four beds, without decay factors.",
        "The correction is turned back by the times of the beds: 100000 Bq/mL.",
        partial(_beds_of_18f, stated=False),
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("that was turned back",)),
    ),
    Trap(
        "wrong-half-life-admin-beds",
        "Half-life of 18F in the header of a 124I scan of four beds, decay corrected to the administration.",
        "The correction is turned back with the half-life of the header: 100000 Bq/mL.",
        partial(_beds_of_18f, correction="ADMIN"),
        _RIGHT,
    ),
    Trap(
        "wrong-half-life-beside-right-factors",
        "Half-life of 18F in the header of a 124I scan of four beds whose decay factors are those of 124I.",
        "The beds were corrected rightly and are left as they are: 100000 Bq/mL.",
        _beds_rightly_corrected,
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("was corrected rightly",)),
    ),
    Trap(
        "wrong-half-life-uncorrected-beds",
        "Half-life of 18F in the header of a 124I scan of four beds that was not decay corrected.",
        "Each bed is brought to the start of the scan with the half-life of 124I: 100000 Bq/mL.",
        _beds_uncorrected,
        _RIGHT,
    ),
    Trap(
        "decay-factors-of-one",
        "A decay factor of 1 on every slice of several beds, the series three minutes before the first bed (Philips).",
        "24 h, whichever file sorts first: the frame reference times refer to the first bed.",
        _factors_of_one,
        Right(hours=(24.0, 96.0), within=1e-4, says=("frame reference time refers to the acquisition time",)),
        source="report",
    ),
    Trap(
        "start-beside-factors-of-admin",
        "Decay correction START, and decay factors of 1.18 that belong to a day of 124I.",
        "Refused, naming both.",
        partial(_stated, correction="START", factor=_DAY_FACTOR),
        Right(refused=True, says=("decay correction START, and decay factors of 1.18", "PT000.dcm")),
        source="report",
    ),
    Trap(
        "admin-beside-factors-of-start",
        "Decay correction ADMIN, and decay factors of 1.0001 that belong to a minute of 124I.",
        "Refused, naming both.",
        partial(_stated, correction="ADMIN", factor=1.0001),
        Right(refused=True, says=("decay correction ADMIN, and decay factors of 1.0001",)),
        source="report",
    ),
    Trap(
        "admin-beside-its-factors",
        "Decay correction ADMIN, and the decay factor of a day and a minute.",
        "The correction is undone: 100000 Bq/mL.",
        partial(_stated, correction="ADMIN", factor=_DAY_FACTOR * math.exp(RATE * 60.0), share=_DAY_FACTOR),
        _RIGHT,
    ),
    Trap(
        "admin-beside-factors-of-one",
        "Decay correction ADMIN, and a decay factor of 1 on every slice.",
        "The correction is undone, and that the factor says otherwise stands in the first place.",
        partial(_stated, correction="ADMIN", factor=1.0, share=_DAY_FACTOR),
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("gives a decay factor of 1",)),
        source="report",
    ),
    Trap(
        "admin-beside-factors-of-another-day",
        "Decay correction ADMIN with the decay factor of two days, and a scan a day after the administration.",
        "That a time or a half-life is wrong stands in the first place.",
        partial(_stated, correction="ADMIN", factor=_DAY_FACTOR**2, share=_DAY_FACTOR),
        Right(says=("1.18 times those of 24 h",)),
    ),
    Trap(
        "none-beside-factors",
        "Decay correction NONE, and decay factors of 1.18.",
        "Refused, naming both.",
        partial(_stated, correction="NONE", factor=_DAY_FACTOR),
        Right(refused=True, says=("decay correction NONE, and decay factors of 1.18",)),
    ),
    Trap(
        "frame-reference-times-of-an-hour",
        "Decay correction START, and frame reference times of ten hours on slices acquired with the series.",
        "Read, and the contradiction stands in the first place.",
        partial(_stated, correction="START", FrameReferenceTime=3.6e7),
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("frame reference times lie 35940 s after",)),
        source="report",
    ),
    Trap(
        "beds-of-gallium-stamped-alike",
        "68Ga over 30 minutes of beds, all stamped with the start of the series, with decay factors up to 1.4.",
        "Read: the factors are those of beds.",
        _beds_of_gallium,
        Right(hours=(1.0,), lesions=_LESION, unsaid=("decay factor",)),
    ),
    *(
        Trap(
            f"half-life-in-{unit}",
            f"Decay correction {correction}, and the half-life of 124I in {unit}.",
            "It is recognised and said: 100000 Bq/mL.",
            partial(_stated, correction=correction, half_life_s=HALF_LIFE_S / seconds, share=share),
            Right(hours=(24.0, 96.0), lesions=_LESION, says=(f"that of the tracer in {unit}",)),
            source="report",
        )
        for unit, seconds, correction, share in (
            ("minutes", 60.0, "START", 1.0),
            ("hours", 3600.0, "ADMIN", _DAY_FACTOR),
            ("days", 86400.0, "ADMIN", _DAY_FACTOR),
        )
    ),
)
