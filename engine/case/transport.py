"""The transport block of a case: dose grid, cut-offs, when to stop, seed and backend."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from .. import units
from ..errors import InputError
from ..until import Until
from . import ranges
from .fields import Block, Count, Cutoff, StopCriterion, TimeLimit, checked
from .file import Refused, explain


def _backend_today(value: Any) -> Any:
    """``gpu`` is another word for ``cuda``."""
    return "cuda" if value == "gpu" else value


class Transport(Block):
    """The Monte Carlo transport: grid, cut-offs, and when to stop."""

    grid: Annotated[
        str,
        checked(
            re.compile(r"pet|ct|.*\d.*"), "is not a dose grid", "it must be 'pet', 'ct' or a length", 'write "2 mm"'
        ),
    ] = "pet"
    until: StopCriterion | None = Until.parse("lesions:1%")
    decays: Count | None = None
    time_limit_s: TimeLimit | None = Field(None, alias="time_limit")
    electron_cutoff_mev: Cutoff = Field(0.01, alias="electron_cutoff")
    photon_cutoff_mev: Cutoff = Field(0.001, alias="photon_cutoff")
    seed: int = Field(1, ge=0, lt=2**63)
    backend: Annotated[Literal["auto", "cpu", "cuda"], BeforeValidator(_backend_today)] = "auto"

    @property
    def spacing_mm(self) -> float | None:
        """The requested spacing [mm]; None for 'pet' and 'ct'."""
        if self.grid in ("pet", "ct"):
            return None
        value = units.parse(self.grid, units.LENGTH, field="transport.grid")
        return ranges.GRID_SPACING.check(value, self.grid)

    @model_validator(mode="after")
    def _grid_is_a_length(self) -> Transport:
        try:
            _ = self.spacing_mm
        except InputError as error:
            raise Refused(error, "grid") from error
        return self


def checked_transport(values: dict[str, Any]) -> dict[str, Any]:
    """Transport values as text or numbers (``decays``, ``until``, ``seed``), through the case's own checks.

    Parameters
    ----------
    values
        Values by key of the case file; any may be left out.

    Returns
    -------
    dict
        The same in inside units, by attribute name.

    Raises
    ------
    InputError
        Naming the first value that cannot be.
    """
    try:
        block = Transport.model_validate(values)
    except ValidationError as error:
        raise explain(error, {}, None) from None
    return {name: getattr(block, name) for name in block.model_fields_set}
