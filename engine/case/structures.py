"""Where the lesions of a visit come from, and what each structure is: a target, an organ, or a reference region."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    WrapSerializer,
    model_serializer,
    model_validator,
)

from .. import units
from ..errors import InputError
from ..text import shortened
from .fields import Block, InputPath, OrganLimit, read_path
from .file import Refused

#: What a structure is for: the verdict, a limit, or comparison.
Role = Literal["target", "organ", "reference"]


def _as_role(value: Any) -> Any:
    """``organ`` as ``{role: organ}``; a threshold, which is one for all targets, is refused."""
    if isinstance(value, dict) and "threshold" in value:
        error = InputError(
            "one structure has no threshold of its own",
            why="the threshold is one for all targets, and an organ has a limit",
            suggestion="write threshold: ... at the top of the case, or {role: organ, limit: ...}",
        )
        raise Refused(error, "threshold")
    return {"role": value} if isinstance(value, str) else value


def _as_names(value: Any) -> Any:
    """A list of names as a mapping to None; one that is empty, or a name without a role in a mapping, is refused."""
    value = [value] if isinstance(value, str) else value
    if isinstance(value, dict):
        nothing = next((key for key, one in value.items() if one is None), None)
        if nothing is not None:
            error = InputError(
                f"'{nothing}' has no role",
                why="a mapping of names says what each structure is; a list of names says which are taken",
                suggestion=f"write names: {{{nothing}: organ}} or names: [{nothing}]",
            )
            raise Refused(error)
        return value
    if not isinstance(value, list | tuple):
        return value
    if not value or not all(isinstance(one, str) and one.strip() for one in value):
        error = InputError(
            "the list of names is empty" if not value else "a name in the list is no text",
            why="a list of names says which structures of the file are taken",
            suggestion='write names: [L1, "GTV*"], or leave it out for all lesions',
        )
        raise Refused(error)
    return dict.fromkeys(value)


def _written_names(names: Any, handler: SerializerFunctionWrapHandler) -> Any:
    """A list of names as it was given."""
    return list(names) if names and all(one is None for one in names.values()) else handler(names)


class _ListOrMapping:
    """JSON Schema of names: a list, or a mapping to roles."""

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [{"type": "array", "items": {"type": "string"}, "minItems": 1}, handler(schema)]}


def _as_probability(value: Any) -> float:
    """A share above zero, as a number or with its unit: 0.5 or 50 %."""
    try:
        number = float(units.parse(value, units.FRACTION) if isinstance(value, str) and "%" in value else value)
    except (InputError, TypeError, ValueError):
        number = -1.0
    if 0.0 < number <= 1.0 and not isinstance(value, bool):
        return number
    error = InputError(
        f"{shortened(value)!r} is not a probability",
        why="a voxel belongs to the lesion from this probability on: above 0, and at most 1",
        suggestion="write probability: 0.5",
    )
    raise Refused(error)


class Structure(Block):
    """What one structure is.

    Parameters
    ----------
    role
        ``"target"``: its mean dose is held against the threshold; ``"organ"``: it may have a limit; ``"reference"``:
        its dose is stated.
    limit_gy
        Largest mean dose that an organ may get [Gy]: no activity that exceeds it is tolerable. Key ``limit``.
    """

    role: Role
    limit_gy: OrganLimit | None = Field(None, alias="limit", gt=0.0)

    @model_validator(mode="after")
    def _only_organs_have_limits(self) -> Structure:
        if self.limit_gy is not None and self.role != "organ":
            error = InputError(
                f"a {self.role} with a limit",
                why="a limit is the largest dose that an organ may get; a target is held against the threshold",
                suggestion="write role: organ, or leave out the limit",
            )
            raise Refused(error, "limit")
        return self


class Structures(Block):
    """A file with structures, and what they are.

    Parameters
    ----------
    file
        Label map, RTSTRUCT or SEG.
    role
        What its structures are, those in `names` apart.
    names
        A list: these structures alone. A mapping: structures that are something else, by name. ``*`` and ``?`` stand
        for any characters, case does not count; of a mapping, the name itself counts before any pattern, and the first
        pattern that matches.
    probability
        Least value of a lesion's voxel, for a file that holds probabilities.
    """

    file: InputPath
    role: Role = "target"
    names: Annotated[
        dict[str, Annotated[Structure, BeforeValidator(_as_role)] | None],
        BeforeValidator(_as_names),
        WrapSerializer(_written_names),
        _ListOrMapping(),
    ] = Field(default_factory=dict)
    probability: Annotated[float, BeforeValidator(_as_probability)] | None = None

    @property
    def only(self) -> bool:
        """Whether the names are all that is taken of the file."""
        return bool(self.names) and all(one is None for one in self.names.values())

    def of(self, name: str) -> Structure:
        """What the structure of this name is."""
        keys = sorted(self.names, key=lambda key: key.casefold() != name.casefold())
        named = next((self.names[key] for key in keys if matches(key, name)), None)
        return named or Structure(role=self.role)

    @model_serializer(mode="wrap")
    def _briefly(self, handler: SerializerFunctionWrapHandler) -> Any:
        """The file alone where all of its structures are targets."""
        written = handler(self)
        if self.role == "target" and not self.names and self.probability is None and "file" in written:
            return written["file"]
        if not self.names:
            written.pop("names", None)
        if self.probability is None:
            written.pop("probability", None)
        return written


def matches(key: str, name: str) -> bool:
    """Whether a name or pattern of the case means this structure."""
    return key.casefold() == name.casefold() or fnmatchcase(name.casefold(), key.casefold())


def _item(value: Any, info: ValidationInfo) -> Any:
    """A path as the block that it abbreviates; refused here, so that the message names the place in the file."""
    return {"file": read_path(value, info)} if isinstance(value, str | os.PathLike) else value


def _listed(value: Any, info: ValidationInfo) -> Any:
    """One file or block as a list of one."""
    if isinstance(value, str | os.PathLike):
        return [_item(value, info)]
    return [value] if isinstance(value, dict | Structures) else value


def _unlisted(files: Any, handler: SerializerFunctionWrapHandler) -> Any:
    """One file without its list."""
    written = handler(files)
    return written[0] if len(written) == 1 else written


class _OneOrMany:
    """JSON Schema of a path, a block, or a list of either."""

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        one = [{"type": "string"}, handler(schema)["items"]]
        return {"anyOf": [*one, {"type": "array", "items": {"anyOf": one}, "minItems": 1}]}


LesionFiles = Annotated[
    tuple[Annotated[Structures, BeforeValidator(_item)], ...],
    Field(min_length=1),
    BeforeValidator(_listed),
    WrapSerializer(_unlisted),
    _OneOrMany(),
]
