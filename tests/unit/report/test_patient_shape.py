"""Patient records that are not those of a run: refused, naming place and value."""

import json

import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.export.clinic import PATIENT_FORMAT, PATIENT_VERSION, read_patient

RECORD = {
    "format": PATIENT_FORMAT, "format_version": PATIENT_VERSION, "patient": "P01", "follow_up": None,
    "visits": [
        {
            "visit": "baseline", "threshold_gy": 20.0, "blood": None, "warnings": ["one"],
            "eligibility": {"at": [{"name": "7.4 GBq", "activity_gbq": 7.4}], "maximum_gbq": None},
        }
    ],
}  # fmt: skip


def put(place, value):
    """The record with another value at a place."""
    record = json.loads(json.dumps(RECORD))
    *way, last = place
    inner = record
    for key in way:
        inner = inner[key]
    inner[last] = value
    return record


def test_the_record_of_a_run_is_read(tmp_path):
    (tmp_path / "patient.json").write_text(json.dumps(RECORD))
    assert read_patient(tmp_path) == RECORD


@pytest.mark.parametrize(
    "place, value, told",
    [
        (("visits",), 5, "visits: 5 is not a list"),
        (("visits", 0), "x", r"visits\[0\]: x is not an object"),
        (("visits", 0, "threshold_gy"), [20], r"threshold_gy: \[20\] is not a number"),
        (("visits", 0, "warnings"), [1], r"warnings\[0\]: 1 is not a text"),
        (("visits", 0, "blood"), [], "blood: .* is not an object"),
        (("visits", 0, "eligibility", "at"), {}, "at: .* is not a list"),
        (("visits", 0, "eligibility", "at", 0, "activity_gbq"), "x", "activity_gbq: x is not a number"),
        (("follow_up",), 5, "follow_up: 5 is not an object"),
        (("patient",), 5, "patient: 5 is not a text"),
    ],
)
def test_other_types_are_refused(tmp_path, place, value, told):
    (tmp_path / "patient.json").write_text(json.dumps(put(place, value)))
    with pytest.raises(InputError, match=told):
        read_patient(tmp_path)
