"""Every law of the physics names its equation, its source and what it neglects, at the top of its file."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PHYSICS = ROOT / "kernels" / "physics"
LAWS = sorted(p for p in PHYSICS.rglob("*.py") if p.name != "__init__.py")
LABELS = ("Law", "Source", "Neglects")
#: a year, or the number of a report: what makes a source one that can be looked up
CITATION = re.compile(r"\b1[89]\d\d\b|\b20\d\d\b")


def sections(docstring: str) -> dict[str, str]:
    """Text of each labelled section; it ends at the next label, an empty line or the end."""
    found = {}
    for label in LABELS:
        match = re.search(rf"^{label}: (.*?)(?=^\w+: |^\s*$|\Z)", docstring, re.MULTILINE | re.DOTALL)
        if match:
            found[label] = " ".join(match[1].split())
    return found


@pytest.mark.parametrize("path", LAWS, ids=[str(p.relative_to(PHYSICS)) for p in LAWS])
def test_a_law_states_its_equation_its_source_and_what_it_neglects(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    found = sections(docstring)
    assert tuple(found) == LABELS, f"{path.relative_to(ROOT)} lacks {sorted(set(LABELS) - set(found))}"
    positions = [docstring.index(f"\n{label}: ") for label in LABELS]
    assert positions == sorted(positions)
    assert all(len(text) > 20 for text in found.values()), found
    assert CITATION.search(found["Source"]), f"no year in the source: {found['Source']}"
    pages = re.findall(r"docs/methods/[\w-]+\.md", docstring)
    assert pages, "no page under docs/methods says how large the neglected effects are"
    missing = [page for page in pages if not (ROOT / page).is_file()]
    assert not missing


def test_the_gate_sees_a_missing_section():
    whole = "A law.\n\nLaw: sigma ~ 1/W^2, two\n    lines.\nSource: Moller 1932.\nNeglects: binding.\n\nMore: text."
    assert sections(whole) == {"Law": "sigma ~ 1/W^2, two lines.", "Source": "Moller 1932.", "Neglects": "binding."}
    assert "Source" not in sections("A law.\n\nLaw: sigma.\nNeglects: binding.\n")
