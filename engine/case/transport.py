"""The transport block of a case: grid, cut-offs, and when to stop."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from .. import units
from ..errors import InputError
from ..until import Until
from .fields import Block, Count, Duration, Energy, StopCriterion, checked
from .file import Refused, explain


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
    time_limit_s: Duration | None = Field(None, alias="time_limit")
    electron_cutoff_mev: Energy = Field(0.01, alias="electron_cutoff")
    photon_cutoff_mev: Energy = Field(0.001, alias="photon_cutoff")
    seed: int = Field(1, ge=0, lt=2**63)
    backend: Literal["auto", "cpu", "cuda"] = "auto"

    @property
    def spacing_mm(self) -> float | None:
        """The requested spacing [mm]; None for 'pet' and 'ct'."""
        if self.grid in ("pet", "ct"):
            return None
        return units.parse(self.grid, units.LENGTH, field="transport.grid")

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
