"""Images and pipeline say what they pass on: ``Any`` stands only for values of records that become JSON.

Read from the source with :mod:`ast`; nothing is imported.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for room in ("pipeline", "imaging") for path in (ROOT / "engine" / room).rglob("*.py"))
#: Records of plain data: their values are text, numbers, lists and further records.
RECORDS = ("dict", "Mapping")


def loose(source: str) -> list[int]:
    """Lines with an ``Any`` that is not the value type of a record by name (``dict[str, Any]``)."""
    tree = ast.parse(source)
    allowed = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) in RECORDS and isinstance(node.slice, ast.Tuple):
            key, value = node.slice.elts
            if ast.unparse(key) == "str" and ast.unparse(value) == "Any":
                allowed.add(id(value))
    names = (n for n in ast.walk(tree) if isinstance(n, ast.Name | ast.Attribute))
    return [n.lineno for n in names if ast.unparse(n).split(".")[-1] == "Any" and id(n) not in allowed]


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_types_are_named(path):
    assert not loose(path.read_text(encoding="utf-8"))


def test_a_loose_type_would_be_seen():
    assert loose("def f(mask: Any, record: dict[str, Any]) -> list[Mapping[str, Any]]: ...") == [1]
    assert loose("import typing\nx: typing.Any = 1\ny: dict[int, Any] = {}") == [2, 3]
    assert loose("record: dict[str, Any] = {}") == []
