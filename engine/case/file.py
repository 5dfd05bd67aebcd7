"""The text side of a case: YAML with line numbers, "did you mean", and errors in the user's own words.

Scalars are read as the text in the file (``patient: 007`` remains ``007``); the model gives them their types.
This also distinguishes a bare ``24`` from ``24 h``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import read_text
from ..text import did_you_mean, shortened

Location = tuple[Any, ...]


class Refused(ValueError):
    """Carries an :class:`InputError` through pydantic, which then adds where it happened."""

    def __init__(self, error: InputError, key: str | None = None) -> None:
        super().__init__(str(error))
        self.error, self.key = error, key


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[Location, int]]:
    """Read a YAML mapping, keeping scalars as text.

    Returns
    -------
    data
        The mapping; empty, ``null`` and ``~`` scalars are None.
    lines
        Line number (from 1) of every key and item, by its path.

    Raises
    ------
    InputError
        No such file, not text, not YAML, a repeated key, or no mapping at the top.
    """
    return parse_yaml(read_text(path, "give a YAML case file, saved as UTF-8"), path)


def parse_yaml(text: str, path: Path) -> tuple[dict[str, Any], dict[Location, int]]:
    """As :func:`read_yaml`, from the text of a file.

    Raises
    ------
    InputError
        Not YAML, a repeated key, no mapping at the top; lists inside each other or values without end.
    """
    import yaml

    try:
        _check_events(text, path)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else None
        raise InputError(
            "is not valid YAML",
            why=str(getattr(error, "problem", None) or error),
            suggestion="check the indentation and the colons there",
            file=path,
            field=where,
        ) from error
    if not isinstance(node, yaml.MappingNode):
        raise InputError(
            "is not a mapping of keys",
            why="a case file starts with keys such as 'patient:' and 'visits:'",
            suggestion="see docs/formats/case.md, or let `hevesy import` write one",
            file=path,
        )
    lines: dict[Location, int] = {}
    return _plain(node, (), lines, path), lines


#: Blocks and lists inside each other, at most: a case has six.
DEEPEST = 50
#: Values of a file, at most: a cohort of thousands of cases has a tenth of it.
MOST_VALUES = 200_000


def _check_events(text: str, path: Path) -> None:
    """Refuse endless depth and length before anything is built; what references repeat counts later."""
    import yaml

    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST or count > MOST_VALUES:
            raise _endless(path, event.start_mark.line + 1 if event.start_mark else 0)


def _endless(path: Path, line: int) -> InputError:
    return InputError(
        f"holds blocks more than {DEEPEST} deep, or more than {MOST_VALUES} values",
        why="no case or cohort does; references (*name) count with all that they repeat",
        suggestion="write the values out, and each once",
        file=path,
        field=f"line {line}",
    )


def _plain(node: Any, where: Location, lines: dict[Location, int], path: Path) -> Any:
    import yaml

    if len(where) > DEEPEST or len(lines) > MOST_VALUES:
        raise _endless(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise InputError(
                    "a key is a list or a block",
                    why="keys are names",
                    suggestion="write it as 'key: value'",
                    file=path,
                    field=f"line {key_node.start_mark.line + 1}",
                )
            key = str(key_node.value)
            lines[where + (key,)] = key_node.start_mark.line + 1
            if key in out:
                raise InputError(
                    f"'{key}' is listed twice",
                    why=f"also on line {key_node.start_mark.line + 1}; only one of the two would be used",
                    suggestion="remove one",
                    file=path,
                    field=field_name((*where, key)),
                )
            out[key] = _plain(value_node, (*where, key), lines, path)
        return out
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            lines[where + (index,)] = item.start_mark.line + 1
            items.append(_plain(item, (*where, index), lines, path))
        return items
    return None if node.tag == "tag:yaml.org,2002:null" else str(node.value)


def field_name(where: Sequence[Any]) -> str:
    """``("visits", 0, "name")`` as ``visits[0].name``."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def refuse_unknown_keys(data: Any, known: Sequence[str]) -> Any:
    """Refuse the first key that is not known, naming the nearest one that is."""
    if isinstance(data, dict):
        for key in data:
            if key not in known:
                error = InputError(
                    f"unknown key '{key}'",
                    why="a key that is not read would be silently ignored",
                    suggestion=did_you_mean(str(key), known),
                )
                raise Refused(error, str(key))
    return data


def explain(error: Any, lines: dict[Location, int], file: object | None) -> InputError:
    """Turn pydantic's ``ValidationError`` into one :class:`InputError`: the first in the file's order."""
    refusals = []
    for item in error.errors(include_url=False):
        inner = item.get("ctx", {}).get("error")
        where = tuple(p for p in item["loc"] if not (isinstance(p, str) and "[" in p))  # a union's branches
        if isinstance(inner, Refused):
            where = (*where, inner.key) if inner.key else where
            refusals.append((where, inner.error))
        else:
            refusals.append((where, _from_pydantic(item)))
        if item["type"] == "too_short" and item["ctx"].get("actual_length") == 0 and item.get("input"):
            refusals.pop()  # counts the items that were refused for reasons of their own, which are listed too
    refusals.sort(key=lambda pair: _line(pair[0], lines))
    where, first = refusals[0]
    line = _line(where, lines)
    name = field_name(where) + (f" (line {line})" if line else "")
    others = [field_name(w) for w, _ in refusals[1:]]
    suggestion = first.suggestion
    if others:
        suggestion += f" (and look at {len(others)} more: {', '.join(others[:4])})"
    return InputError(first.problem, why=first.why, suggestion=suggestion.strip(), file=file, field=name or None)


def _from_pydantic(item: Any) -> InputError:
    kind, value = item["type"], item.get("input")
    if kind == "missing":
        key = item["loc"][-1]
        return InputError(
            "is missing",
            why=f"a case cannot be run without '{key}'",
            suggestion=f"add '{key}:' (docs/formats/case.md shows how)",
        )
    if kind == "literal_error":
        expected = item["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        return InputError(
            f"'{value}' is not a valid choice",
            why="one of " + ", ".join(expected),
            suggestion=did_you_mean(str(value), expected),
        )
    if kind == "too_short" and not value:
        return InputError(
            "is empty",
            why=f"a case cannot be run without an entry in '{item['loc'][-1]}'",
            suggestion="add one (docs/formats/case.md shows how)",
        )
    kinds: dict[type, str] = {dict: "a block of keys", list: "a list", type(None): "nothing"}
    shown = kinds.get(type(value), repr(shortened(value, 60)))
    return InputError(
        f"{shown} cannot be used here",
        why=_WANTED.get(kind, "it is of another kind than this key needs").format(**item.get("ctx", {})),
        suggestion="docs/formats/case.md shows the form of every key",
    )


#: What is needed, by pydantic's name of the fault; its own words are not ours.
_WANTED = {
    "string_type": "a text is needed",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number is needed"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "a number is needed"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false is needed"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list is needed"),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type", "mapping_type"), "a block of keys is needed"),
    "greater_than": "the value must be more than {gt:g}",
    "greater_than_equal": "the value must be at least {ge:g}",
    "less_than": "the value must be less than {lt:g}",
    "less_than_equal": "the value must be at most {le:g}",
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid"),
        "a date and a time of day are needed, such as 2026-01-05 09:00",
    ),
}


def _line(where: Location, lines: dict[Location, int]) -> int:
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where, 0)
