"""Sidecars of PET volumes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from .patient import DOSE_BQ, HALF_LIFE_F18_S, HALF_LIFE_S, RATE, write_volumes
from .trap import Right, Trap

_DAY_S = 86400.0
_DECAY = math.exp(-RATE * _DAY_S)
_SUV = 70e3 / (DOSE_BQ * _DECAY)


def _lesion(bq_ml: float) -> dict[str, dict[str, float]]:
    return {"lesion 1": {"mean_bq_ml": bq_ml}}


_KEPT = Right(hours=(24.0, 96.0), lesions=_lesion(1e5))
_UNDONE = Right(hours=(24.0, 96.0), lesions=_lesion(1e5 * _DECAY))
#: What dcm2niix writes of a PET, and what BIDS asks for.
_DCM2NIIX: dict[str, Any] = {
    "Modality": "PT", "Units": "BQML", "DecayCorrection": "START", "RadionuclideHalfLife": HALF_LIFE_S,
    "RadionuclideTotalDose": DOSE_BQ, "Radiopharmaceutical": "Sodium iodide I-124", "PatientWeight": 70,
    "AcquisitionTime": "09:00:0.000000",
}  # fmt: skip
_BIDS: dict[str, Any] = {
    "Units": "Bq/mL", "TracerRadionuclide": "I124", "InjectedRadioactivity": 74, "InjectedRadioactivityUnits": "MBq",
    "TimeZero": "09:00:00", "InjectionStart": 0, "ScanStart": _DAY_S, "FrameTimesStart": [_DAY_S],
    "FrameDuration": [1200], "ImageDecayCorrected": True, "ImageDecayCorrectionTime": _DAY_S, "BodyWeight": 70,
}  # fmt: skip


def _with(folder: Path, facts: object, case: Mapping[str, str] | None = None, scale: float = 1.0) -> None:
    """The volumes with a sidecar of the first scan, and changes of the case's text."""
    write_volumes(folder, scale=1.0)
    if scale != 1.0:
        first = folder / "first"
        first.mkdir()
        write_volumes(first, scale=scale)
        (first / "pet_24h.nii.gz").replace(folder / "pet_24h.nii.gz")
        for path in first.iterdir():
            path.unlink()
        first.rmdir()
    text = facts if isinstance(facts, str) else json.dumps(facts)
    (folder / "pet_24h.json").write_text(text, encoding="utf-8")
    path = folder / "case.yaml"
    words = path.read_text()
    for old, new in (case or {}).items():
        assert old in words
        words = words.replace(old, new)
    path.write_text(words)


def _made(facts: object, **how: Any) -> Callable[[Path], None]:
    return partial(_with, facts=facts, **how)


def _imported(folder: Path) -> None:
    """Two volumes whose names say nothing of time and tracer, with a whole BIDS sidecar each, and no case."""
    write_volumes(folder, ("pet_a.nii.gz", "pet_b.nii.gz"))
    for name, hours in (("pet_a", 24.0), ("pet_b", 96.0)):
        start = hours * 3600.0
        facts = {**_BIDS, "ScanStart": start, "FrameTimesStart": [start], "ImageDecayCorrectionTime": start}
        (folder / f"{name}.json").write_text(json.dumps(facts), encoding="utf-8")
    (folder / "case.yaml").unlink()


_WITHOUT_AFTER = {", after: 24 h": ""}
_WITHOUT_ACTIVITY = {", activity: 74 MBq": ""}
_DATED = {**_DCM2NIIX, "AcquisitionDateTime": "2026-01-06T09:00:00.000000"}

#: By name of the trap: the key that is at fault, its value, and words of the refusal.
_ODD: dict[str, tuple[str, Any, str]] = {
    "scan-start-as-clock-time": ("ScanStart", "09:00:00", "a number is needed"),
    "scan-start-null": ("ScanStart", None, "ScanStart"),
    "scan-start-list": ("ScanStart", [86400, 0], "a number is needed"),
    "scan-start-text-of-a-number": ("ScanStart", "86400", "a number is needed"),
    "scan-start-true": ("ScanStart", True, "a number is needed"),
    "scan-start-nan": ("ScanStart", math.nan, "a finite number is needed"),
    "activity-infinite": ("InjectedRadioactivity", math.inf, "a finite number is needed"),
    "activity-huge": ("InjectedRadioactivity", 10**400, "a finite number is needed"),
    "activity-in-nothing": ("InjectedRadioactivityUnits", "", "no unit"),
    "activity-in-seconds": ("InjectedRadioactivityUnits", "s", "InjectedRadioactivity"),
    "activity-in-becquerels-called-mbq": ("InjectedRadioactivity", 74e6, "out of range"),
    "corrected-as-number": ("ImageDecayCorrected", 1, "true or false is needed"),
    "corrected-perhaps": ("ImageDecayCorrected", "perhaps", "true or false is needed"),
    "corrected-to-no-time": ("ImageDecayCorrectionTime", None, "whether the values hold for the scan"),
    "units-list": ("Units", ["Bq/mL"], "text is needed"),
    "units-counts": ("Units", "counts", "activity concentration is needed"),
    "weight-in-grams": ("BodyWeight", 70_000, "out of range"),
    "scan-before-injection": ("InjectionStart", 90_000.0, "cannot come before"),
    "frames-text": ("FrameTimesStart", "0 s", "a number is needed"),
    "time-zero-number": ("TimeZero", 9, "text is needed"),
    "half-life-negative": ("RadionuclideHalfLife", -360806, "more than zero"),
}

TRAPS: tuple[Trap, ...] = (
    Trap(
        "sidecar-decay-correction-admin",
        "A volume of dcm2niix whose sidecar says DecayCorrection ADMIN.",
        "The correction is undone: 84706 Bq/mL at 24 h.",
        _made({**_DCM2NIIX, "DecayCorrection": "ADMIN"}),
        _UNDONE,
        source="report",
    ),
    Trap(
        "sidecar-decay-correction-start",
        "A volume of dcm2niix whose sidecar says DecayCorrection START.",
        "The values hold for the scan: 100000 Bq/mL.",
        _made(_DCM2NIIX),
        _KEPT,
        source="report",
    ),
    Trap(
        "sidecar-admin-with-another-half-life",
        "DecayCorrection ADMIN, done with the half-life of 18F that the sidecar states.",
        "The correction is undone with it: 11.26 Bq/mL, and the case's half-life is said to differ.",
        _made({**_DCM2NIIX, "DecayCorrection": "ADMIN", "RadionuclideHalfLife": HALF_LIFE_F18_S}, scale=8000.0),
        Right(
            hours=(24.0, 96.0),
            lesions=_lesion(8e8 * 0.5 ** (_DAY_S / HALF_LIFE_F18_S)),
            says=("the case's half-life",),
        ),
    ),
    Trap(
        "sidecar-corrected-to-injection",
        "A BIDS sidecar whose values are decay corrected to the injection, a day before the scan.",
        "The correction is undone: 84706 Bq/mL.",
        _made({**_BIDS, "ImageDecayCorrectionTime": 0}),
        _UNDONE,
    ),
    Trap(
        "sidecar-corrected-to-scan",
        "A whole BIDS sidecar whose values are decay corrected to the start of the scan.",
        "The values hold for the scan: 100000 Bq/mL.",
        _made(_BIDS),
        _KEPT,
    ),
    Trap(
        "sidecar-false-as-text",
        "A BIDS sidecar whose ImageDecayCorrected is the text false.",
        "It is false: 100000 Bq/mL.",
        _made({"Units": "Bq/mL", "ImageDecayCorrected": "false", "ImageDecayCorrectionTime": 0, "ScanStart": 86400}),
        _KEPT,
        source="report",
    ),
    Trap(
        "sidecar-two-corrections",
        "A sidecar that says DecayCorrection START, and an ImageDecayCorrectionTime a day before the scan.",
        "Refused: one of the two is wrong.",
        _made({**_BIDS, "ImageDecayCorrectionTime": 0, "DecayCorrection": "START"}),
        Right(refused=True, hours=(24.0, 96.0), says=("one of the two is wrong", "ImageDecayCorrectionTime")),
    ),
    Trap(
        "sidecar-gives-the-time",
        "A BIDS sidecar with the times of scan and injection; the case does not give the time.",
        "24 h.",
        _made(_BIDS, case=_WITHOUT_AFTER),
        _KEPT,
    ),
    Trap(
        "sidecar-gives-date-and-time",
        "A sidecar of dcm2niix with AcquisitionDateTime, and a case with the administration.",
        "24 h.",
        _made(
            _DATED, case={", after: 24 h": "", "activity: 74 MBq": "activity: 74 MBq, administered: 2026-01-05T09:00"}
        ),
        _KEPT,
    ),
    Trap(
        "sidecars-imported",
        "Volumes whose names state neither tracer nor time are imported with their BIDS sidecars.",
        "Tracer, activity and times are those of the sidecars: 24 h and 96 h.",
        _imported,
        Right(hours=(24.0, 96.0), lesions=_lesion(1e5), tracer="I-124"),
        commands=("import . -o case.yaml", "check case.yaml"),
        source="report",
    ),
    Trap(
        "sidecar-contradicts-the-time",
        "The case says 24 h, the sidecar's times 48 h.",
        "The case's is used, and the contradiction is said in the first place.",
        _made({**_BIDS, "InjectionStart": -_DAY_S}),
        Right(hours=(24.0, 96.0), lesions=_lesion(1e5), says=("the header's times say 48 h",)),
    ),
    Trap(
        "sidecar-contradicts-the-tracer",
        "The case says 124I, the sidecar 18F.",
        "The case's is used, and the contradiction is said in the first place.",
        _made({**_BIDS, "TracerRadionuclide": "18F"}),
        Right(hours=(24.0, 96.0), lesions=_lesion(1e5), says=("names F-18 as the tracer",)),
    ),
    Trap(
        "sidecar-in-kilobecquerels",
        "A volume in kBq/mL whose sidecar says so.",
        "100000 Bq/mL.",
        _made({**_BIDS, "Units": "kBq/mL"}, scale=1e-3),
        _KEPT,
    ),
    Trap(
        "sidecar-in-suv",
        "A volume in SUV whose sidecar says so.",
        "Turned back with activity and weight: 100000 Bq/mL.",
        _made({**_BIDS, "Units": "g/mL", "RadionuclideHalfLife": HALF_LIFE_S}, scale=_SUV),
        _KEPT,
    ),
    Trap(
        "sidecar-activity-in-millicuries",
        "A sidecar with the activity in mCi; the case does not give it.",
        "100000 Bq/mL, of 74 MBq.",
        _made({**_BIDS, "InjectedRadioactivity": 2.0, "InjectedRadioactivityUnits": "mCi"}, case=_WITHOUT_ACTIVITY),
        _KEPT,
    ),
    Trap(
        "sidecar-activity-without-value",
        "A sidecar with the unit of the activity and no activity; the case does not give it either.",
        "Refused, asking for the activity.",
        _made({k: v for k, v in _BIDS.items() if k != "InjectedRadioactivity"}, case=_WITHOUT_ACTIVITY),
        Right(refused=True, hours=(24.0, 96.0), says=("tracer activity", "is not known")),
        source="report",
    ),
    Trap(
        "sidecar-with-nothing-known",
        "A sidecar whose keys are null, empty or n/a.",
        "They count as absent: 100000 Bq/mL.",
        _made({**dict.fromkeys(_BIDS), "Units": "Bq/mL", "TracerRadionuclide": "n/a", "FrameDuration": []}),
        _KEPT,
    ),
    Trap(
        "sidecar-is-a-list",
        "The sidecar is a list.",
        "Refused, naming the file.",
        _made([_BIDS]),
        Right(refused=True, hours=(24.0, 96.0), says=("pet_24h.json", "a JSON object")),
        source="report",
    ),
    Trap(
        "sidecar-with-byte-order-mark",
        "A sidecar that an editor saved with a byte order mark.",
        "Read: 84706 Bq/mL.",
        _made("\ufeff" + json.dumps({**_BIDS, "ImageDecayCorrectionTime": 0})),
        _UNDONE,
        source="report",
    ),
    Trap(
        "sidecar-start-beside-factors-of-admin",
        "DecayCorrection START beside a decay factor of 1.18, that of a day of 124I.",
        "Refused: one of the two is wrong.",
        _made({**_DCM2NIIX, "DecayFactor": [1.0 / _DECAY]}),
        Right(refused=True, hours=(24.0, 96.0), says=("START, and decay factors of 1.18", "pet_24h.json")),
        source="report",
    ),
    Trap(
        "sidecar-admin-beside-a-factor-of-one",
        "DecayCorrection ADMIN beside a decay factor of 1, which some exporters write whatever was done.",
        "The correction is undone, and that the factor says otherwise stands in the first place.",
        _made({**_DCM2NIIX, "DecayCorrection": "ADMIN", "DecayFactor": [1.0]}),
        Right(hours=(24.0, 96.0), lesions=_lesion(1e5 * _DECAY), says=("gives a decay factor of 1",)),
        source="report",
    ),
    Trap(
        "sidecar-start-beside-a-factor-of-beds",
        "DecayCorrection START beside a decay factor of 1.006, that of 50 minutes of 124I.",
        "The values hold for the scan: 100000 Bq/mL.",
        _made({**_DCM2NIIX, "DecayFactor": [1.006]}),
        _KEPT,
    ),
    Trap(
        "sidecar-without-attenuation-correction",
        "A sidecar whose AttenuationCorrectionMethod is NONE.",
        "Read, and that the activity is not quantitative stands in the first place.",
        _made({**_DCM2NIIX, "AttenuationCorrectionMethod": "NONE"}),
        Right(hours=(24.0, 96.0), lesions=_lesion(1e5), says=("not quantitative",)),
        source="report",
    ),
    Trap(
        "sidecar-lists-decay-correction-alone",
        "A sidecar whose CorrectedImage lists DECY alone.",
        "Read, and that the activity is not quantitative stands in the first place.",
        _made({**_DCM2NIIX, "CorrectedImage": ["DECY"]}),
        Right(hours=(24.0, 96.0), lesions=_lesion(1e5), says=("not quantitative", "scatter correction")),
    ),
    Trap(
        "sidecar-uncorrected-long-frame",
        "A frame of two hours that was not decay corrected.",
        "Brought from its middle to the start of the scan: 100694 Bq/mL.",
        _made({**_BIDS, "ImageDecayCorrected": False, "ImageDecayCorrectionTime": None, "FrameDuration": [7200]}),
        Right(hours=(24.0, 96.0), lesions=_lesion(1e5 * math.exp(RATE * 3600.0)), within=2e-4),
        source="report",
    ),
    Trap(
        "sidecar-start-with-the-half-life-of-18f",
        "A scan of 124I that was corrected to its start with the half-life of 18F.",
        "Read, and that the correction within the scan could not be put right stands in the first place.",
        _made({**_DCM2NIIX, "RadionuclideHalfLife": HALF_LIFE_F18_S}),
        Right(hours=(24.0, 96.0), lesions=_lesion(1e5), says=("that of another nuclide",)),
        source="report",
    ),
    Trap(
        "sidecar-half-life-in-hours",
        "Corrected to the injection; the half-life is 100.224, that of 124I in hours.",
        "It is recognised: 84706 Bq/mL.",
        _made({**_BIDS, "RadionuclideHalfLife": HALF_LIFE_S / 3600.0, "ImageDecayCorrectionTime": 0}),
        Right(hours=(24.0, 96.0), lesions=_lesion(1e5 * _DECAY), says=("in hours",)),
        source="report",
    ),
    Trap(
        "sidecar-of-several-frames",
        "A sidecar of two frames beside a volume of one.",
        "Refused: which frame it shows is not known.",
        _made({**_BIDS, "FrameTimesStart": [_DAY_S, _DAY_S + 300.0], "FrameDuration": [300, 300]}),
        Right(refused=True, hours=(24.0, 96.0), says=("describes 2 frames",)),
        source="report",
    ),
    Trap(
        "sidecar-frame-before-its-scan",
        "FrameTimesStart lies an hour before ScanStart.",
        "Refused: one of the two is wrong.",
        _made({**_BIDS, "FrameTimesStart": [_DAY_S - 3600.0]}),
        Right(refused=True, hours=(24.0, 96.0), says=("FrameTimesStart is 82800 s",)),
    ),
    Trap(
        "sidecar-frame-counted-from-the-scan",
        "FrameTimesStart is 0, ScanStart a day after TimeZero.",
        "24 h, and that the two count from different moments is said.",
        _made({**_BIDS, "FrameTimesStart": [0]}, case=_WITHOUT_AFTER),
        Right(hours=(24.0, 96.0), lesions=_lesion(1e5), says=("counted from the start of the scan",)),
        source="report",
    ),
    Trap(
        "sidecar-scan-start-in-hours",
        "ScanStart is 24, in hours, where seconds are meant; the case does not give the time.",
        "That hours may have been written stands in the first place.",
        _made({**_BIDS, "ScanStart": 24, "FrameTimesStart": [24], "ImageDecayCorrectionTime": 24}, case=_WITHOUT_AFTER),
        Right(says=("hours (24 h)",)),
        source="report",
    ),
    Trap(
        "sidecar-scan-start-in-minutes-beside-the-time",
        "ScanStart is 1440, in minutes, where seconds are meant; the case says 24 h.",
        "24 h, and the contradiction stands in the first place.",
        _made({**_BIDS, "ScanStart": 1440, "FrameTimesStart": [1440], "ImageDecayCorrectionTime": 1440}),
        Right(hours=(24.0, 96.0), lesions=_lesion(1e5), says=("the header's times say 0.4 h", "minutes (24 h)")),
    ),
    *(
        Trap(
            f"sidecar-{name}",
            f"A BIDS sidecar whose {key} is {'huge' if name.endswith('huge') else repr(value)}.",
            "Refused, naming file and key.",
            _made({**_BIDS, key: value}),
            Right(refused=True, hours=(24.0, 96.0), says=("pet_24h.json", key, words)),
            source="report"
            if name in ("scan-start-as-clock-time", "scan-start-null", "scan-start-list")
            else "variant",
        )
        for name, (key, value, words) in _ODD.items()
    ),
)
