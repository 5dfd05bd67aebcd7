"""Files that describe an image: inherited in a BIDS data set, not there, or at odds with themselves."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from .patient import RATE, write_case, write_volumes
from .trap import Right, Trap

_DAY_S = 86400.0
_DECAY = math.exp(-RATE * _DAY_S)
_KEPT = Right(hours=(24.0, 96.0), lesions={"lesion 1": {"mean_bq_ml": 1e5}})
_UNDONE = Right(hours=(24.0, 96.0), lesions={"lesion 1": {"mean_bq_ml": 1e5 * _DECAY}})
#: What every scan of the data set has in common, and what each states itself.
_COMMON: dict[str, Any] = {
    "Units": "Bq/mL", "TimeZero": "09:00:00", "InjectionStart": 0, "ImageDecayCorrected": True,
    "ImageDecayCorrectionTime": 0, "TracerRadionuclide": "I124", "InjectedRadioactivity": 74,
    "InjectedRadioactivityUnits": "MBq",
}  # fmt: skip
_NAMES = {24.0: "sub-01/ses-24h/pet/sub-01_ses-24h_pet", 96.0: "sub-01/ses-96h/pet/sub-01_ses-96h_pet"}
#: The file at the root that describes every PET.
_TOP = "pet.json"


def _own(hours: float) -> dict[str, Any]:
    return {"ScanStart": hours * 3600.0, "FrameTimesStart": [0], "FrameDuration": [1200]}


def _bids(folder: Path, above: Mapping[str, object], described: bool = True, named: bool = True, **own: Any) -> None:
    """Two scans of a BIDS data set with sidecars of their own, and the JSON files ``above``, by their path."""
    write_volumes(folder)
    pets = []
    for hours, name in _NAMES.items():
        name = name if named else f"images/first/pet_{hours:.0f}h"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"pet_{hours:.0f}h.nii.gz").replace(folder / f"{name}.nii.gz")
        (folder / f"{name}.json").write_text(json.dumps({**_own(hours), **own}), encoding="utf-8")
        pets.append(f"{name}.nii.gz")
    for place, facts in above.items():
        (folder / place).write_text(json.dumps(facts), encoding="utf-8")
    if described:
        text = json.dumps({"Name": "trap", "BIDSVersion": "1.9.0"})
        (folder / "dataset_description.json").write_text(text, encoding="utf-8")
    write_case(folder, pets, "ct.nii.gz", "lesions.nii.gz", ("24 h", "96 h"))


def _imported(folder: Path) -> None:
    _bids(folder, {_TOP: _COMMON})
    (folder / "case.yaml").unlink()


def _beside(name: str, put: Callable[[Path], None]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        write_volumes(folder)
        put(folder / name)

    return make


def _link(path: Path) -> None:
    path.symlink_to(Path(".git") / "annex" / "objects" / path.name)


def _not_fetched(folder: Path) -> None:
    _bids(folder, {})
    _link(folder / _TOP)


def _timed(case: str = "", **facts: Any) -> Callable[[Path], None]:
    """The volumes with times in the sidecar of the first scan; the case's time of it, where there is another."""

    def make(folder: Path) -> None:
        write_volumes(folder)
        (folder / "pet_24h.json").write_text(json.dumps({**_COMMON, **facts}), encoding="utf-8")
        path = folder / "case.yaml"
        path.write_text(path.read_text().replace("after: 24 h", case or "after: 24 h"))

    return make


def _refused(*says: str) -> Right:
    return Right(refused=True, says=says)


TRAPS: tuple[Trap, ...] = (
    Trap(
        "bids-inherited-from-the-root",
        "A BIDS data set states unit and decay correction once, in pet.json at its root.",
        "They are inherited, the correction to the injection is undone, and the file is named: 84706 Bq/mL.",
        partial(_bids, above={_TOP: _COMMON}),
        Right(hours=_UNDONE.hours, lesions=_UNDONE.lesions, says=("inherited in the BIDS data set, from pet.json",)),
        source="report",
    ),
    Trap(
        "bids-inherited-on-import",
        "The same data set is imported.",
        "Tracer, activity, times and decay correction are inherited.",
        _imported,
        Right(hours=(24.0, 96.0), tracer="I-124"),
        commands=("import . -o case.yaml", "check case.yaml"),
    ),
    Trap(
        "bids-inherited-without-a-description",
        "A data set without dataset_description.json: the folder of the subject shows that it is one.",
        "Inherited: 84706 Bq/mL.",
        partial(_bids, above={_TOP: _COMMON}, described=False),
        _UNDONE,
    ),
    Trap(
        "bids-inherited-from-the-session",
        "The subject's file says corrected to the scan, and the nearer one of the session to the injection.",
        "The nearer holds: 84706 Bq/mL.",
        partial(
            _bids,
            above={
                "sub-01/sub-01_pet.json": {**_COMMON, "ImageDecayCorrectionTime": _DAY_S},
                "sub-01/ses-24h/sub-01_ses-24h_pet.json": {"ImageDecayCorrectionTime": 0},
                "sub-01/ses-96h/sub-01_ses-96h_pet.json": {"ImageDecayCorrectionTime": 0},
            },
        ),
        _UNDONE,
    ),
    Trap(
        "bids-own-key-over-the-inherited",
        "The sidecar of each scan says that it is not decay corrected, pet.json at the root that it is.",
        "The image's own holds: 100000 Bq/mL.",
        partial(_bids, above={_TOP: _COMMON}, ImageDecayCorrected=False),
        _KEPT,
    ),
    Trap(
        "bids-of-another-subject-above",
        "Beside the subject's file, the root holds one of another subject, of another suffix and of another session.",
        "None of them describes the image: 84706 Bq/mL.",
        partial(
            _bids,
            above={
                _TOP: _COMMON,
                "sub-02_pet.json": {"Units": "kBq/mL"},
                "ct.json": {"Units": "HU"},
                "ses-other_pet.json": {"ImageDecayCorrected": False},
            },
        ),
        _UNDONE,
    ),
    Trap(
        "bids-inherited-key-of-another-type",
        "The inherited unit is a list.",
        "Refused, naming the file in which it stands.",
        partial(_bids, above={_TOP: {**_COMMON, "Units": ["Bq/mL"]}}),
        _refused("/pet.json", "Units", "text is needed"),
    ),
    Trap(
        "bids-two-files-for-one-image",
        "The root holds two files of as many entities that describe the image.",
        "Refused, naming both.",
        partial(_bids, above={"sub-01_pet.json": _COMMON, "ses-24h_pet.json": {"ImageDecayCorrected": False}}),
        _refused("ses-24h_pet.json", "sub-01_pet.json", "describes the same image"),
    ),
    Trap(
        "no-bids-no-inheritance",
        "A file pet.json lies in a folder above images that are in no BIDS data set.",
        "It is not read: 100000 Bq/mL.",
        partial(_bids, above={_TOP: _COMMON}, described=False, named=False),
        _KEPT,
    ),
    Trap(
        "sidecar-is-a-broken-link",
        "The sidecar of a PET is a link to content that was not fetched (git-annex).",
        "Refused: what it says is not known.",
        _beside("pet_24h.json", _link),
        _refused("pet_24h.json", "a link that leads nowhere"),
        source="report",
    ),
    Trap(
        "inherited-sidecar-is-a-broken-link",
        "The file at the root of a BIDS data set is a link to content that was not fetched.",
        "Refused: what it says is not known.",
        _not_fetched,
        _refused("/pet.json", "a link that leads nowhere"),
    ),
    Trap(
        "sidecar-is-a-pipe",
        "The sidecar of a PET is a named pipe.",
        "Refused; nobody waits for it.",
        _beside("pet_24h.json", os.mkfifo),
        _refused("pet_24h.json", "a pipe or a device"),
        source="report",
    ),
    Trap(
        "names-are-a-folder",
        "The names of the lesions, lesions.json, are a folder.",
        "Refused: the lesions' names are not known.",
        _beside("lesions.json", os.mkdir),
        _refused("lesions.json", "a folder, not a file"),
        source="report",
    ),
    Trap(
        "names-are-a-broken-link",
        "The names of the lesions, in dataset.json, are a link to content that was not fetched.",
        "Refused: the lesions' names are not known.",
        _beside("dataset.json", _link),
        _refused("dataset.json", "a link that leads nowhere"),
    ),
    Trap(
        "sidecar-frame-a-day-after-its-scan",
        "The frame begins a day after ScanStart (FrameTimesStart), and the values hold for its beginning.",
        "The frame's start counts: 24 h, 100000 Bq/mL.",
        _timed(ScanStart=0, FrameTimesStart=[_DAY_S], ImageDecayCorrectionTime=_DAY_S),
        _KEPT,
        source="report",
    ),
    Trap(
        "sidecar-frame-before-its-scan-companions",
        "FrameTimesStart lies a minute after TimeZero, and ScanStart a day.",
        "Refused, naming both.",
        _timed(ScanStart=_DAY_S, FrameTimesStart=[60]),
        _refused("FrameTimesStart is 60 s", "ScanStart 86400 s"),
    ),
    Trap(
        "sidecar-corrected-to-the-day-after",
        "The values are corrected to a day after the scan and its frame of 20 minutes.",
        "Refused, naming both keys.",
        _timed(ScanStart=_DAY_S, FrameDuration=[1200], ImageDecayCorrectionTime=2 * _DAY_S),
        _refused("ImageDecayCorrectionTime is 172800 s", "ScanStart at 86400 s"),
    ),
    Trap(
        "sidecar-corrected-within-the-frame",
        "The values are corrected to the middle of the frame, an hour after its start.",
        "Taken back to the start of the scan: 100694 Bq/mL.",
        _timed(ScanStart=_DAY_S, FrameDuration=[7200], ImageDecayCorrectionTime=_DAY_S + 3600),
        Right(hours=(24.0, 96.0), lesions={"lesion 1": {"mean_bq_ml": 1e5 * math.exp(RATE * 3600.0)}}, within=1e-3),
    ),
    Trap(
        "sidecar-corrected-to-another-injection",
        "The values are corrected to an injection two days before the scan, and the case says 24 h.",
        "Refused: how much decay is to be undone depends on which is right.",
        _timed(ScanStart=2 * _DAY_S),
        _refused("InjectionStart", "48 h before the scan", "the case gives 24 h"),
    ),
)
