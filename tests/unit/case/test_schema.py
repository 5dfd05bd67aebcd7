"""The committed JSON Schema is the one that the command writes."""

from __future__ import annotations

import json
from pathlib import Path

from hevesy.engine.case.model import Case

COMMITTED = Path(__file__).resolve().parents[3] / "docs" / "formats" / "case.schema.json"


def test_the_committed_schema_is_that_of_the_model() -> None:
    written = json.loads(COMMITTED.read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(Case.json_schema())), "the case model has changed: run `make schema`"
