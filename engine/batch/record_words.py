"""What is wrong with a record of a batch, in words: the library that checks it has others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..text import shortened

#: By kind of error: how the sentence about a value goes on, filled with the limits of the field.
_ENDS: dict[str, str] = {
    "int_type": "is not a whole number",
    "float_type": "is not a number",
    "string_type": "is not a text",
    "bool_type": "is not true or false",
    "list_type": "is not a list",
    "tuple_type": "is not a list",
    "dict_type": "is not an object",
    "model_type": "is not an object",
    "model_attributes_type": "is not an object",
    "literal_error": "is not {expected}",
    "string_pattern_mismatch": "is not of the form that is needed here",
    "greater_than": "is not more than {gt:g}",
    "greater_than_equal": "is less than {ge:g}",
    "less_than": "is not less than {lt:g}",
    "less_than_equal": "is more than {le:g}",
    "finite_number": "is not finite",
}
#: Kinds of errors that are about more than one value.
_WHOLE: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda error: "is missing",
    "extra_forbidden": lambda error: "is not known here",
    "value_error": lambda error: str(error["ctx"]["error"]),
}


def in_words(error: Mapping[str, Any]) -> tuple[str, str]:
    """An error of a record.

    Parameters
    ----------
    error
        The first of those that the check has found, as it describes them.

    Returns
    -------
    tuple of str
        What is wrong, and the field that it is about; empty where it is about the whole record.
    """
    field = ".".join(str(part) for part in error["loc"] if part != "[key]")
    kind = str(error["type"])
    if kind in _WHOLE:
        return _WHOLE[kind](error), field
    kind = {"int_from_float": "int_type", "int_parsing": "int_type"}.get(kind, kind)
    end = _ENDS.get(kind, "is not what it should be").format(**error.get("ctx", {}))
    return f"{shortened(repr(error['input']), 60)} {end}", field
