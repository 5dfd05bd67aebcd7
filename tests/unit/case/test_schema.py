"""The committed JSON Schema is the one that the command writes, and its defaults are values of a case file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hevesy.engine.case.clinic import Alignment, Eligibility, Radiobiology, Reporting
from hevesy.engine.case.fields import Block
from hevesy.engine.case.model import Case, Kinetics, Tissue, Transport, Uncertainty

COMMITTED = Path(__file__).resolve().parents[3] / "docs" / "formats" / "case.schema.json"
SCHEMA = json.loads(COMMITTED.read_text(encoding="utf-8"))
MINIMAL = {
    "patient": "P01",
    "therapy": {"nuclide": "I-131", "activity": "7.4 GBq"},
    "tracer": {"nuclide": "I-124"},
    "visits": [{"scans": [{"pet": "pet.nii", "ct": "ct.nii"}], "lesions": "lesions.nii"}],
}
#: Blocks that a case may leave out: everything in them has a default.
ALL_DEFAULT = [Kinetics, Uncertainty, Tissue, Alignment, Eligibility, Radiobiology, Reporting, Transport]


def test_the_committed_schema_is_that_of_the_model() -> None:
    assert json.loads(json.dumps(Case.json_schema())) == SCHEMA, "the case model has changed: run `make schema`"


def test_defaults_of_the_schema_are_written_as_in_a_case_file() -> None:
    transport = SCHEMA["$defs"]["Transport"]["properties"]
    assert transport["until"]["default"] == "lesions:1%"
    assert transport["electron_cutoff"]["default"] == "0.01 MeV"
    assert SCHEMA["properties"]["threshold"]["default"] == "20.0 Gy"


def test_a_case_with_all_defaults_written_out_is_the_case_without_them() -> None:
    written = {key: p["default"] for key, p in SCHEMA["properties"].items() if p.get("default") is not None}
    plain = Case.from_dict(MINIMAL, check_files=False)
    assert Case.from_dict(MINIMAL | written, check_files=False) == plain


@pytest.mark.parametrize("block", ALL_DEFAULT, ids=lambda b: b.__name__)
def test_the_defaults_of_a_block_read_back_as_the_model_has_them(block: type[Block]) -> None:
    properties = SCHEMA["$defs"][block.__name__]["properties"]
    written = {key: p["default"] for key, p in properties.items() if p.get("default") is not None}
    fields = {f.alias or name: (name, f) for name, f in block.model_fields.items()}
    read, plain = block.model_validate(written), block.model_construct()
    assert all(getattr(read, fields[key][0]) == getattr(plain, fields[key][0]) for key in written)
