"""Values of the case that cannot be right, or are merely rare."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pydicom.dataset import Dataset

from .patient import LESION_BQ_ML, LESION_ML, pet_truth, write_patient, write_pet
from .trap import Right, Trap

_LESION = {"L1": {"volume_ml": LESION_ML, "mean_bq_ml": LESION_BQ_ML}}


def _changed(folder: Path, old: str, new: str) -> None:
    """The patient with another value in the case."""
    path = write_patient(folder)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def _refused(name: str, old: str, new: str, situation: str, *says: str, source: str = "variant") -> Trap:
    right = Right(refused=True, hours=(24.0, 96.0), lesions=_LESION, says=says)
    words = "Refused, naming key and value."
    return Trap(name, situation, words, partial(_changed, old=old, new=new), right, source=source)  # type: ignore[arg-type]


def _said(name: str, old: str, new: str, situation: str, *says: str) -> Trap:
    right = Right(hours=(24.0, 96.0), lesions=_LESION, says=says)
    words = "Used, and said in the first place to be unusual."
    return Trap(name, situation, words, partial(_changed, old=old, new=new), right)


def _read(name: str, old: str, new: str, situation: str, hours: tuple[float, float] = (24.0, 96.0)) -> Trap:
    right = Right(hours=hours, lesions=_LESION, within=1e-3)
    return Trap(name, situation, "Read as it is meant.", partial(_changed, old=old, new=new), right, source="report")


def _two_reconstructions(folder: Path, apart: str = "090000.25", case: bool = False) -> None:
    write_patient(folder)
    for path in (folder / "PET96").iterdir():
        path.unlink()
    (folder / "PET96").rmdir()

    def later(data: Dataset, number: int) -> None:
        data.AcquisitionTime, data.SeriesTime = apart, apart

    write_pet(folder / "PET24b", pet_truth(0.97), change=later)
    text = (folder / "case.yaml").read_text()
    (folder / "case.yaml").write_text(text.replace("PET96", "PET24b"))
    if not case:
        (folder / "case.yaml").unlink()


TRAPS: tuple[Trap, ...] = (
    _refused(
        "therapy-in-millibecquerels",
        "7.4 GBq",
        "7400 mBq",
        "The activity of the therapy is 7400 mBq.",
        "therapy.activity",
        "did you mean 7400 MBq?",
        source="report",
    ),
    _refused(
        "therapy-in-terabecquerels",
        "7.4 GBq",
        "7.4 TBq",
        "The activity of the therapy is 7.4 TBq.",
        "therapy.activity",
        "did you mean 7.4 GBq?",
    ),
    _said(
        "therapy-in-megabecquerels",
        "7.4 GBq",
        "7.4 MBq",
        "The activity of the therapy with 131I is 7.4 MBq.",
        "critical: therapy.activity 7.4 MBq of I-131 is unusual",
    ),
    _refused(
        "tracer-in-millibecquerels",
        "74 MBq",
        "74 mBq",
        "The activity of the tracer is 74 mBq.",
        "tracer.activity",
        "did you mean 74 MBq?",
    ),
    _refused(
        "tracer-in-gigabecquerels",
        "74 MBq",
        "74 GBq",
        "The activity of the tracer is 74 GBq.",
        "tracer.activity",
        "did you mean 74 MBq?",
    ),
    _refused(
        "tracer-in-kilobecquerels",
        "74 MBq",
        "74 kBq",
        "The activity of the tracer is 74 kBq, less than the images hold.",
        "there cannot be more than was administered",
    ),
    _said(
        "threshold-in-milligray",
        "20 Gy",
        "20 mGy",
        "The threshold is 20 mGy.",
        "critical: threshold 0.02 Gy is unusual",
    ),
    _refused(
        "threshold-in-kilogray", "20 Gy", "20 kGy", "The threshold is 20 kGy.", "threshold", "did you mean 20 Gy?"
    ),
    _said(
        "organ-limit-in-milligray",
        "lesions: RS/rs.dcm",
        "lesions: {file: RS/rs.dcm, names: {L1: {role: organ, limit: 30 mGy}}}",
        "The limit of an organ is 30 mGy.",
        "critical: visits[0].lesions[0].names[L1].limit 0.03 Gy is unusual",
    ),
    _said(
        "resolution-of-no-pet",
        "weight: 70 kg",
        "weight: 70 kg\nrecovery: {fwhm: 15 mm}",
        "The resolution of the PET is 15 mm.",
        "recovery.fwhm 15 mm is unusual",
    ),
    _read("therapy-with-a-decimal-comma", "7.4 GBq", '"7,4 GBq"', "The activity of the therapy is 7,4 GBq."),
    _read(
        "hours-and-minutes",
        'pet: "PET24", ct: "CT"',
        'pet: "PET24", ct: "CT", after: 23 h 30 min',
        "The first scan is 23 h 30 min after the administration.",
        hours=(23.5, 96.0),
    ),
    _read(
        "hours-with-a-decimal-comma",
        'pet: "PET24", ct: "CT"',
        'pet: "PET24", ct: "CT", after: "24,1 h"',
        "The first scan is 24,1 h after the administration.",
        hours=(24.1, 96.0),
    ),
    _refused(
        "therapy-with-thousands",
        "7.4 GBq",
        '"7,400 MBq"',
        "The activity of the therapy is 7,400 MBq.",
        "therapy.activity",
        "write 7400 MBq or 7.400 MBq",
    ),
    _refused(
        "hours-in-capitals",
        'ct: "CT"}',
        'ct: "CT", after: 24 H}',
        "The first scan is 24 H after the administration.",
        "after",
        "write 24 h",
    ),
    _refused(
        "hours-as-a-clock",
        'ct: "CT"}',
        'ct: "CT", after: "24:30"}',
        "The first scan is 24:30 after the administration.",
        "after",
        "write 24 h 30 min",
    ),
    _refused(
        "administered-with-the-day-first",
        "activity: 74 MBq",
        "activity: 74 MBq, administered: 05.01.2026 09:00",
        "The administration is dated 05.01.2026 09:00.",
        "administered",
        "write it as 2026-01-05T09:00",
    ),
    _refused(
        "administered-at-24-hours",
        "activity: 74 MBq",
        "activity: 74 MBq, administered: 2026-01-04T24:00",
        "The administration is dated 2026-01-04T24:00.",
        "administered",
        "the day after 2026-01-04, at 00:00",
    ),
    _said("weight-in-grams", "70 kg", "70 g", "The weight is 70 g.", "weight 0.07 kg is unusual"),
    _refused("weight-in-tonnes", "70 kg", "70000 kg", "The weight is 70000 kg.", "weight", "did you mean 70000 g?"),
    _refused(
        "height-in-metres",
        "weight: 70 kg",
        "weight: 70 kg\nheight: 1.75 cm",
        "The height is 1.75 cm.",
        "height",
        "did you mean 1.75 m?",
    ),
    _refused(
        "height-of-a-tower",
        "weight: 70 kg",
        "weight: 70 kg\nheight: 175 m",
        "The height is 175 m.",
        "height",
        "did you mean 175 cm?",
    ),
    _refused(
        "hours-in-years",
        'ct: "CT"}',
        'ct: "CT", after: 24 years}',
        "The first scan is 24 years after the administration.",
        "after",
        "did you mean 24 h?",
    ),
    Trap(
        "hours-in-days",
        "The case says that the second scan is 96 min after the administration, its header says 96 h.",
        "The case's is used, and the contradiction is said in the first place.",
        partial(_changed, old='pet: "PET96", ct: "CT"', new='pet: "PET96", ct: "CT", after: 96 min'),
        Right(hours=(1.6, 24.0), says=("critical:", "the header's times say 96 h")),
    ),
    Trap(
        "two-reconstructions-named-in-the-case",
        "A case names two reconstructions of one scan, a quarter of a second apart, as two scans.",
        "Refused: that is one scan, and no kinetics can be seen between them.",
        partial(_two_reconstructions, case=True),
        Right(refused=True, hours=(24.0,), says=("that is one scan, perhaps in two reconstructions",)),
        source="report",
    ),
    Trap(
        "two-reconstructions-stamped-minutes-apart",
        "A case names two reconstructions of one scan, stamped four minutes apart, as two scans.",
        "Refused: that is one scan.",
        partial(_two_reconstructions, apart="090400", case=True),
        Right(refused=True, hours=(24.0,), says=("that is one scan, perhaps in two reconstructions",)),
    ),
)
