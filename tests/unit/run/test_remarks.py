"""Every remark that is made while files are read or curves are fitted reaches a reader, on every surface.

All dataclasses of the engine that carry remarks are found by their fields, and each instance gets a marker of its own.
A case whose objects do not pass their remarks on loses the marker.
"""

import dataclasses
import html
import importlib
import inspect
import json
import pkgutil
import shutil

import h5py
import hevesy.engine
import pytest
from hevesy.phantoms.traps.patient import HALF_LIFE_F18_S, at, write_patient, write_volumes
from hevesy.tests.unit.traps.driver import call

#: Fields and properties that hold remarks.
REMARKS = ("notes", "assumptions", "remarks", "flags", "time_notes", "warnings")
#: Classes whose remarks take another way, and which.
ELSEWHERE = {
    "Problem": "a fully specified problem file: its notes are a record of who made it",
    "Sorted": "the account of hevesy import, printed by that command",
    "VisitCheck": "a surface itself",
    "Result": "a surface itself",
    "LesionDose": "a surface itself: the record of a lesion",
    "MaskFile": "abstract: its kinds of file are tried",
    "BloodDose": "blood samples: tests/unit/clinic",
    "_BloodPart": "blood samples: tests/unit/clinic",
}


def carriers():
    """Every class of the engine with remarks, and the names of their fields or properties."""
    found = {}
    for module in pkgutil.walk_packages(hevesy.engine.__path__, "hevesy.engine."):
        for name, one in vars(importlib.import_module(module.name)).items():
            if not inspect.isclass(one) or one.__module__ != module.name or name in ELSEWHERE:
                continue
            fields = dataclasses.fields(one) if dataclasses.is_dataclass(one) else ()
            fields = [field.name for field in fields if field.name in REMARKS and "dict" not in str(field.type)]
            held = [key for key in REMARKS if isinstance(vars(one).get(key), property)]
            if fields or held:
                found[one] = (fields, held)
    return found


def marker(one, field):
    return f"marker of {one.__name__} {field}"


def mark(one, fields, held, monkeypatch, made):
    """Give each new instance of a class a marker in each of its remarks."""
    before = one.__init__

    def init(self, *args, **kwargs):
        before(self, *args, **kwargs)
        for field in fields:
            value = getattr(self, field)
            made.add(marker(one, field))
            if isinstance(value, list):
                if marker(one, field) not in value:
                    value.append(marker(one, field))
            else:
                object.__setattr__(self, field, (*value, marker(one, field)))

    if fields:
        monkeypatch.setattr(one, "__init__", init)
    for key in held:
        read = vars(one)[key].fget

        def marked(self, read=read, key=key):
            made.add(marker(one, key))
            return (*read(self), marker(one, key))

        monkeypatch.setattr(one, key, property(marked))


def surfaces(folder):
    """What a run wrote, as text: report, result and log."""
    with h5py.File(folder / "result.h5") as file:
        kept = []
        file.visititems(lambda name, item: kept.extend(f"{key} {value}" for key, value in item.attrs.items()))
        kept.extend(f"{key} {value}" for key, value in file.attrs.items())
        kept.append((folder / "lesions.json").read_text())
    return {
        "report": html.unescape((folder / "report.html").read_text()),
        "result": " ".join(kept),
        "log": (folder / "log.txt").read_text(),
    }


@pytest.mark.parametrize("write", [write_patient, write_volumes], ids=["DICOM", "volumes"])
def test_every_remark_reaches_every_surface(write, tmp_path, monkeypatch, capsys):
    made = set()
    for one, (fields, held) in carriers().items():
        mark(one, fields, held, monkeypatch, made)
    case = write(tmp_path)
    later = _copied_ct(tmp_path)
    first, last = case.read_text().rsplit(f'ct: "{later.name.removeprefix("later_")}"', 1)
    case.write_text(f'{first}ct: "{later.name}"{last}recovery: {{fwhm: 6 mm}}\n')
    code, out, err = call(["check", str(case)], monkeypatch, capsys)
    assert code == 0, err
    told = {"check": " ".join(out.split())}
    seen_in_check = set(made)
    code, _, err = call(
        ["run", str(case), "--method", "local", "-q", "--out", str(tmp_path / "out")], monkeypatch, capsys
    )
    assert code == 0, err
    told |= {name: " ".join(text.split()) for name, text in surfaces(tmp_path / "out").items()}
    lost = {name: {one for one in made if one not in text} for name, text in told.items()}
    lost["check"] &= seen_in_check
    assert not any(lost.values()), lost
    assert {one.split()[2] for one in made} >= {
        "Volume",
        "Mask",
        "PetScan",
        "Tissue",
        "VoxelKinetics",
        "LesionActivity",
    }


@pytest.mark.parametrize(
    ("change", "origin"),
    [({}, "measured"), ({"case": {"after": ("24 h", "96 h")}}, "case"), ({}, "assumed"), ({}, "completed")],
)
def test_the_origin_of_a_scan_s_time_is_in_the_result(tmp_path, monkeypatch, capsys, change, origin):
    """Hours that the case states, that were measured, of a clock without a date, and with a date of another field."""

    def clock(data, number):
        item = data.RadiopharmaceuticalInformationSequence[0]
        del item.RadiopharmaceuticalStartDateTime
        item.RadionuclideHalfLife = HALF_LIFE_F18_S
        item.RadionuclideCodeSequence[0].CodeMeaning = "^18^Fluorine"

    def undated(data, number):
        del data.AcquisitionDate
        data.AcquisitionTime = "001000" if number > 9 else "235000"

    if origin == "completed":
        case = write_patient(tmp_path, pet24={"start": at(38.0 + 5.0 / 6.0), "change": undated})
    elif origin == "assumed":
        scans = {"start": at(2.0), "change": clock}
        case = write_patient(tmp_path, pet24=scans, case={"pets": ("PET24",)})
        case.write_text(case.read_text().replace("I-124", "F-18"))
    else:
        case = write_patient(tmp_path, **change)
    code, out, err = call(["check", str(case), "--json"], monkeypatch, capsys)
    assert code == 0, err
    assert json.loads(out)["visits"][0]["scans"][0]["time_origin"] == origin
    call(["run", str(case), "--method", "local", "-q", "--out", str(tmp_path / "out")], monkeypatch, capsys)
    record = json.loads((tmp_path / "out" / "patient.json").read_text())["visits"][0]["scans"][0]
    assert record["time_origin"] == origin


def _copied_ct(folder):
    """A second CT for the later scan, so that one scan is compared with another."""
    own = next(folder.glob("[Cc][Tt]*"))
    later = own.with_name(f"later_{own.name}")
    (shutil.copytree if own.is_dir() else shutil.copy)(own, later)
    return later
