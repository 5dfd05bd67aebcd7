"""Units of the PET, and the activity in it."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from .patient import DOSE_BQ, LESION_BQ_ML, LESION_ML, RATE, Change, at, pet_truth, write_patient, write_volumes
from .trap import Right, Trap

_LESION = {"L1": {"volume_ml": LESION_ML, "mean_bq_ml": LESION_BQ_ML}}
_RIGHT = Right(hours=(24.0, 96.0), lesions=_LESION)
_LEFT_BQ = DOSE_BQ * math.exp(-RATE * 24.0 * 3600.0)
#: SUV by body weight of 1 Bq/mL at the first scan.
_SUV = 70e3 / _LEFT_BQ
#: A woman of 70 kg and 165 cm, and the size that each kind of SUV takes of her: g, for BSA cm2.
_WEIGHT, _HEIGHT = 70.0, 165.0
_RATIO = (_WEIGHT / _HEIGHT) ** 2
_SIZES = {
    "LBMJAMES128": 1e3 * (1.07 * _WEIGHT - 148.0 * _RATIO),
    "LBM": 1e3 * (1.07 * _WEIGHT - 148.0 * _RATIO),
    "LBMJANMA": 1e3 * 9270.0 * _WEIGHT / (8780.0 + 244.0 * _WEIGHT / 1.65**2),
    "IBW": 1e3 * (45.5 + 0.91 * (_HEIGHT - 152.0)),
    "BSA": 1e4 * 0.007184 * _WEIGHT**0.425 * _HEIGHT**0.725,
}
_PHILIPS = "Philips PET Private Group"


def _patient(folder: Path, change: Change | None = None, case: dict[str, Any] | None = None, **pet24: Any) -> None:
    write_patient(folder, {"change": change, **pet24}, case=case or {})


def _suv_of(folder: Path, kind: str, sex: str = "F", size_m: object = 1.65) -> None:
    """The first scan as SUV of a kind."""
    units = "CM2ML" if kind == "BSA" else "GML"
    woman = {"PatientSex": sex, "PatientSize": size_m, "Units": units, "SUVType": kind}
    _patient(folder, values=pet_truth() * _SIZES[kind] / _LEFT_BQ, **woman)


def _in_grams(folder: Path, case: str = "weight: 70 kg\n") -> None:
    """SUV, and a weight of 70000."""
    _patient(folder, values=pet_truth() * _SUV, Units="GML", PatientWeight=70_000.0)
    path = folder / "case.yaml"
    path.write_text(path.read_text().replace("weight: 70 kg\n", case))


def _philips(element: int, factor: float, block: int = 0x10, other: float | None = None) -> Change:
    """Counts with a private factor."""

    def change(data: Dataset, number: int) -> None:
        data.Units = "CNTS"
        if block > 0x10:  # other creators reserved the blocks before
            data.private_block(0x7053, "Somebody else", create=True)
        own = data.private_block(0x7053, _PHILIPS, create=True)
        own.add_new(element, "DS", f"{factor:.10g}")
        if other is not None:
            own.add_new(0x00, "DS", f"{other:.10g}")

    return change


def _philips_by_slice(folder: Path) -> None:
    """Each slice has a factor of its own."""
    values = pet_truth()
    factors = 1.5 + 0.1 * np.arange(len(values))

    def change(data: Dataset, number: int) -> None:
        _philips(0x09, float(factors[number]))(data, number)

    _patient(folder, change, values=values / factors[:, None, None])


def _counts(data: Dataset, number: int) -> None:
    data.Units = "CNTS"


def _no_units(data: Dataset, number: int) -> None:
    del data.Units


def _no_decay_correction(data: Dataset, number: int, rate: float = 0.0, seconds: float = 0.0) -> None:
    del data.DecayCorrection
    if rate:
        data.DecayFactor = f"{math.exp(rate * (seconds + 60.0)):.8g}"


def _meaning(text: str, substance: str = "NaI", code: str | None = None) -> Change:
    """The nuclide as a text."""

    def change(data: Dataset, number: int) -> None:
        item = data.RadiopharmaceuticalInformationSequence[0]
        item.Radiopharmaceutical = substance
        if not text:
            del item.RadionuclideCodeSequence
            return
        item.RadionuclideCodeSequence[0].CodeMeaning = text
        if code is not None:
            item.RadionuclideCodeSequence[0].CodeValue = code

    return change


def _named(folder: Path, change: Change) -> None:
    """Both scans with the nuclide as a text, to be imported."""
    write_patient(folder, {"change": change}, {"change": change})
    (folder / "case.yaml").unlink()


def _scaled(folder: Path, first: float, second: float = 1.0) -> None:
    """Scans in another unit than Bq/mL, which the header does not say."""
    write_patient(folder, {"values": pet_truth(first)}, {"values": pet_truth(0.4 * second)})


def _scaled_without_activity(folder: Path) -> None:
    """The second scan in kBq/mL."""
    _scaled(folder, 1.0, 1e-3)


def _more(folder: Path) -> None:
    """The administered activity is a seventieth of what was given."""
    write_patient(folder)
    path = folder / "case.yaml"
    path.write_text(path.read_text().replace("activity: 74 MBq", "activity: 1 MBq"))


def _neck(folder: Path) -> None:
    """A field of view that sees little: the lesion at a fifth, hardly any body."""
    values = np.where(pet_truth() > 5e4, 3e4, np.where(pet_truth() > 0.0, 20.0, 0.0))
    write_patient(folder, {"values": values}, {"values": 0.4 * values})


def _therapy_neck(folder: Path, scale: float = 1.0) -> None:
    """The neck of a patient without a thyroid, two and six days after 7.4 GBq of 131I."""
    values = np.where(pet_truth() > 5e4, 3e4, np.where(pet_truth() > 0.0, 150.0, 0.0)) * scale

    def change(data: Dataset, number: int) -> None:
        item = data.RadiopharmaceuticalInformationSequence[0]
        item.RadionuclideHalfLife, item.RadionuclideTotalDose = 692_988.0, 7.4e9
        code = item.RadionuclideCodeSequence[0]
        code.CodeValue, code.CodeMeaning = "C-114B1", "^131^Iodine"
        del item.RadionuclidePositronFraction

    write_patient(
        folder,
        {"values": values, "start": at(48.0), "change": change},
        {"values": 0.3 * values, "start": at(144.0), "change": change},
    )
    path = folder / "case.yaml"
    path.write_text(
        path.read_text().replace("{nuclide: I-124, activity: 74 MBq}", "{nuclide: I-131, activity: 7.4 GBq}")
    )


def _named_suv(folder: Path) -> None:
    write_volumes(folder, ("suv_i124_24h.nii.gz", "suv_i124_96h.nii.gz"), _SUV)


def _suv_without_a_name(folder: Path) -> None:
    write_volumes(folder, scale=0.1 * _SUV)


def _import_rights(tracer: str) -> Right:
    return Right(hours=(24.0, 96.0), lesions=_LESION, tracer=tracer)


_KINDS = {
    "LBMJAMES128": "lean body mass by James",
    "LBM": "lean body mass by an unnamed formula",
    "LBMJANMA": "lean body mass by Janmahasatian",
    "IBW": "ideal body weight",
    "BSA": "body surface area",
}
_NAMES = {
    "sodium-124i-iodide": ("", "Sodium 124I iodide", "report"),
    "nai-i124": ("", "NaI124 solution", "variant"),
    "iodine-124-nai": ("Iodine-124 NaI", "", "variant"),
    "bracket-i-124": ("", "[I-124]NaI", "variant"),
    "small-letters": ("", "i-124 nai", "variant"),
    "iodide-124": ("", "Sodium iodide-124", "variant"),
}
_IMPORT = ("import . -o case.yaml", "check case.yaml")
_LITTLE = ("no part of a body holds so little",)

TRAPS: tuple[Trap, ...] = (
    *(
        Trap(
            f"suv-by-{kind.lower()}",
            f"The first scan is in SUV by {words}.",
            "It is turned back with the formula of its type: 100000 Bq/mL.",
            partial(_suv_of, kind=kind),
            _RIGHT,
            source="report",
        )
        for kind, words in _KINDS.items()
    ),
    Trap(
        "suv-by-lean-mass-without-sex",
        "The first scan is in SUV by lean body mass, and the sex is O.",
        "Refused, asking for the sex.",
        partial(_suv_of, kind="LBMJANMA", sex="O"),
        Right(refused=True, hours=(24.0, 96.0), lesions=_LESION, says=("sex (male or female) is unknown",)),
    ),
    Trap(
        "suv-by-lean-mass-height-in-centimetres",
        "The first scan is in SUV by lean body mass, and PatientSize is 165 in place of 1.65 m.",
        "Refused, naming the height.",
        partial(_suv_of, kind="LBMJANMA", size_m=165),
        Right(refused=True, hours=(24.0, 96.0), lesions=_LESION, says=("PatientSize (0010,1020)", "out of range")),
    ),
    Trap(
        "suv-weight-in-grams",
        "The first scan is in SUV, and its header states a weight of 70000 kg.",
        "The case's 70 kg is used, which is said: 100000 Bq/mL.",
        _in_grams,
        Right(hours=(24.0, 96.0), lesions=_LESION, refusal_allowed=True, says=("the case's `weight` is used",)),
        source="report",
    ),
    Trap(
        "suv-weight-in-grams-and-nowhere-else",
        "The first scan is in SUV, its header states a weight of 70000 kg, and the case none.",
        "Refused, naming the weight.",
        partial(_in_grams, case=""),
        Right(refused=True, hours=(24.0, 96.0), lesions=_LESION, says=("PatientWeight (0010,1030)",)),
    ),
    Trap(
        "philips-counts",
        "The first scan is in counts, with Philips' private factor to Bq/mL.",
        "Stored value times rescale slope times factor: 100000 Bq/mL.",
        lambda folder: _patient(folder, _philips(0x09, 1.8), values=pet_truth(1.0 / 1.8)),
        _RIGHT,
        source="report",
    ),
    Trap(
        "philips-counts-factor-by-slice",
        "Counts with Philips' private factor to Bq/mL, another on each slice.",
        "Each slice with its own: 100000 Bq/mL.",
        _philips_by_slice,
        _RIGHT,
    ),
    Trap(
        "philips-counts-second-block",
        "Counts with Philips' private factor in the second private block of its group.",
        "The block is found by its creator: 100000 Bq/mL.",
        lambda folder: _patient(folder, _philips(0x09, 1.8, 0x11), values=pet_truth(1.0 / 1.8)),
        _RIGHT,
    ),
    Trap(
        "philips-counts-to-suv",
        "Counts with Philips' private factor to SUV alone.",
        "100000 Bq/mL, by weight and activity of the header.",
        lambda folder: _patient(folder, _philips(0x00, 0.0123), values=pet_truth(_SUV / 0.0123)),
        _RIGHT,
        source="report",
    ),
    Trap(
        "philips-two-factors-that-disagree",
        "Counts with Philips' private factors to Bq/mL and to SUV, which do not belong together.",
        "The one to Bq/mL is used, and the contradiction is said: 100000 Bq/mL.",
        lambda folder: _patient(folder, _philips(0x09, 1.8, other=1.0), values=pet_truth(1.0 / 1.8)),
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("do not belong to the stated activity",)),
    ),
    Trap(
        "counts-without-factor",
        "The first scan is in counts, and no private element says what they mean.",
        "Refused, naming units and elements.",
        partial(_patient, change=_counts),
        Right(refused=True, says=("CNTS", "(7053,xx09)")),
        source="report",
    ),
    Trap(
        "no-units",
        "The first scan has no Units.",
        "Refused: a scale has no default.",
        partial(_patient, change=_no_units),
        Right(refused=True, says=("the PET's units are not given",)),
    ),
    Trap(
        "no-decay-correction",
        "The first scan does not say to which time it is decay corrected.",
        "Refused: between scan and administration lies the decay of a day.",
        partial(_patient, change=_no_decay_correction),
        Right(refused=True, says=("does not say to which time the values are decay corrected",)),
    ),
    Trap(
        "no-decay-correction-but-factors",
        "The first scan does not say to which time it is decay corrected; its decay factors refer to the scan.",
        "They are those of a correction to the start of the scan: 100000 Bq/mL.",
        partial(_patient, change=partial(_no_decay_correction, rate=RATE)),
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("taken as START by the decay factors",)),
    ),
    Trap(
        "scan-in-suv-called-bqml",
        "The first scan is in SUV, and its header says BQML.",
        "Refused: no part of a body holds so little.",
        partial(_scaled, first=0.1 * _SUV),
        Right(refused=True, hours=(24.0, 96.0), lesions=_LESION, says=_LITTLE),
        source="report",
    ),
    Trap(
        "second-scan-in-kilobecquerels",
        "The second scan is in kBq/mL, and its header says BQML.",
        "Refused: the scans are not of one unit.",
        _scaled_without_activity,
        Right(refused=True, hours=(24.0, 96.0), lesions=_LESION),
    ),
    Trap(
        "more-activity-than-given",
        "The case states 1 MBq, and the images hold 1.025 MBq a day later.",
        "Refused: there cannot be more than decay leaves.",
        _more,
        Right(refused=True, hours=(24.0, 96.0), lesions=_LESION, says=("there cannot be more than was administered",)),
    ),
    Trap(
        "neck-alone",
        "The scans show the neck alone, which holds a thousandth of the activity.",
        "Read, and what the field of view holds is said in the first place.",
        _neck,
        Right(hours=(24.0, 96.0), lesions={"L1": {"mean_bq_ml": 3e4}}, says=("a small part of the body",)),
    ),
    Trap(
        "neck-after-a-therapy",
        "The neck alone two days after 7.4 GBq of 131I, most of which has left: the lesion has SUV 0.3.",
        "Read, and what the field of view holds is said in the first place.",
        _therapy_neck,
        Right(hours=(48.0, 144.0), lesions={"L1": {"mean_bq_ml": 3e4}}, says=("a small part of the body",)),
        source="report",
    ),
    Trap(
        "therapy-in-kilobecquerels",
        "The neck alone after 7.4 GBq of 131I, in kBq/mL where the header says Bq/mL.",
        "Refused: no part of a body holds so little.",
        partial(_therapy_neck, scale=1e-3),
        Right(refused=True, hours=(48.0, 144.0), says=("may have been read as Bq/mL",)),
    ),
    Trap(
        "volumes-named-suv-in-a-case",
        "Volumes named suv_i124_24h.nii.gz that are in SUV, without a sidecar.",
        "Refused, asking for the unit.",
        _named_suv,
        Right(refused=True, hours=(24.0, 96.0), says=("Units", "Bq/mL")),
        source="report",
    ),
    Trap(
        "volumes-in-suv",
        "Volumes in SUV whose names do not say so, without a sidecar.",
        "Refused: no part of a body holds so little.",
        _suv_without_a_name,
        Right(refused=True, hours=(24.0, 96.0), says=_LITTLE),
        source="report",
    ),
    *(
        Trap(
            f"tracer-{name}",
            f"The nuclide stands in the header as {text or substance!r} alone.",
            "The tracer is I-124.",
            partial(_named, change=_meaning(text, substance)),
            _import_rights("I-124"),
            commands=_IMPORT,
            source=source,  # type: ignore[arg-type]
        )
        for name, (text, substance, source) in _NAMES.items()
    ),
    Trap(
        "header-of-another-nuclide",
        "The header names ^18^Fluorine with its code, the case I-124.",
        "The case's is used, and the contradiction is said in the first place.",
        partial(_patient, change=_meaning("^18^Fluorine", "FDG", "C-111A1")),
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("the header names F-18 as the tracer, the case I-124",)),
    ),
    Trap(
        "administered-activity-in-millicuries",
        "RadionuclideTotalDose is 2, in mCi where Bq is meant, and the first scan is in SUV; the case says 74 MBq.",
        "The case's activity turns it back: 100000 Bq/mL.",
        partial(_patient, values=pet_truth() * _SUV, Units="GML", RadionuclideTotalDose=2.0),
        _RIGHT,
    ),
    Trap(
        "administered-activity-in-megabecquerels",
        "RadionuclideTotalDose is 74, in MBq where Bq is meant, and the first scan is in SUV.",
        "Taken as 74 MBq, which is said in the first place: 100000 Bq/mL.",
        partial(_patient, values=pet_truth() * _SUV, Units="GML", RadionuclideTotalDose=74.0),
        Right(hours=(24.0, 96.0), lesions=_LESION, says=("taken as 74 MBq",)),
    ),
)
