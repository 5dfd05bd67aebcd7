"""The JSON Schema of a case file."""

from __future__ import annotations

from typing import Any

from .fields import Block


def schema_of(model: type[Block]) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a model and its blocks; defaults are text with units, as in the file."""
    schema = model.model_json_schema(by_alias=True)
    for block in (model, *Block.__subclasses__()):
        part = schema if block is model else schema["$defs"].get(block.__name__, {})
        if "description" in part:  # the docstring: its fields are for readers of the code
            part["description"] = part["description"].split("\n\nParameters\n")[0]
        defaults = block.model_construct().model_dump(mode="json", by_alias=True)
        for key, described in part.get("properties", {}).items():
            if "default" in described:
                described["default"] = defaults.get(key)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "hevesy case"
    return schema
