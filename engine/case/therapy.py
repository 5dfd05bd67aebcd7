"""The therapy of a case: what is planned, or what stands in for it where nothing is."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from .. import nuclides
from ..errors import InputError
from ..nuclides.names import Progeny
from .fields import Block, Nuclide, TherapyActivity
from .file import Refused


class Therapy(Block):
    """The planned treatment: its nuclide, its activity, and the progeny that are counted with each decay.

    ``progeny`` is ``"equilibrium"``, ``"none"`` or a list of names; without it, what the nuclide brings
    (:func:`hevesy.engine.nuclides.progeny.default_progeny`).
    """

    nuclide: Nuclide
    activity_mbq: TherapyActivity = Field(alias="activity")
    progeny: Progeny | None = Field(None, validate_default=True)

    @field_validator("progeny", mode="before")
    @classmethod
    def _progeny_of_the_nuclide(cls, value: Any, info: ValidationInfo) -> Progeny:
        if "nuclide" not in info.data:  # refused already
            return "none"
        try:
            return _checked(info.data["nuclide"], value)
        except InputError as error:
            raise Refused(error) from error


class ScanTherapy(Therapy):
    """In place of a therapy that is not stated: the administration that the scans show.

    Its activity is NaN until the header of the scans has been read, where the case does not state it.
    """

    @classmethod
    def of(cls, nuclide: str, activity_mbq: float | None) -> ScanTherapy:
        """The administration of this nuclide and activity [MBq]."""
        activity = math.nan if activity_mbq is None else activity_mbq
        return cls.model_construct(
            nuclide=nuclide, activity_mbq=activity, progeny=_checked(nuclide, None) if nuclide else None
        )


def _checked(nuclide: str, progeny: object) -> Progeny:
    """As the nuclides room checks it, which loads the decay data, and with them NumPy, when a case is read first."""
    found: Progeny = nuclides.checked_progeny(nuclide, progeny)
    return found
