"""The block of a case on kinetics: the curve through the scans, and what is taken for what they do not show."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ..errors import InputError
from ..kinetics.names import MODELS
from .fields import BiologicalHalfLife, Block
from .file import Refused

KINETIC_MODELS = ("auto", *MODELS)

#: The phase before the first scan of the models that leave no choice of it.
OWN_UPTAKE = {
    "mono-exponential": "instant",
    "linear-exponential": "linear",
    "physical-decay": "instant",
    "bi-exponential": "",
}


class Kinetics(Block):
    """How the time-activity curve is fitted to the scans."""

    model: Literal[KINETIC_MODELS] = "auto"  # type: ignore[valid-type]
    #: A lesion below its background plus this many standard deviations is not seen: its dose is a bound.
    detection_sigmas: float = Field(3.0, ge=0.0, le=10.0)
    #: Phase before the first scan: a linear rise to it, or the exponential back to the administration; auto: the
    #: rise for a therapy with iodine, the exponential for others.
    uptake: Literal["auto", "linear", "instant"] = "auto"
    #: Biological half-life of a population and its geometric standard deviation, for the single-time-point model
    #: alone; iodine has default values.
    population_half_life_h: BiologicalHalfLife | None = Field(None, alias="population_half_life", gt=0.0)
    population_gsd: float | None = Field(None, ge=1.0, le=5.0)

    @model_validator(mode="after")
    def _population_only_when_asked(self) -> Kinetics:
        given = {"population_half_life": self.population_half_life_h, "population_gsd": self.population_gsd}
        for key, value in given.items():
            if value is not None and self.model != "single-time-point":
                error = InputError(
                    f"has '{key}' for another model",
                    why="a half-life that is not this patient's is used only when a single scan is explicitly accepted",
                    suggestion="write kinetics: {model: single-time-point, population_half_life: 70 h}",
                )
                raise Refused(error)
        return self

    @model_validator(mode="after")
    def _uptake_fits_the_model(self) -> Kinetics:
        own = OWN_UPTAKE.get(self.model)
        if own is not None and self.uptake not in ("auto", own):
            error = InputError(
                f"'uptake: {self.uptake}' does not fit 'model: {self.model}'",
                why="this model describes the uptake itself",
                suggestion="leave out 'uptake', or use 'model: auto'",
            )
            raise Refused(error)
        return self
