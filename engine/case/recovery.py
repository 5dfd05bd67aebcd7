"""How a case asks for the correction of the PET's resolution."""

from __future__ import annotations

from pydantic import Field, model_validator

from ..errors import InputError
from .fields import Block, InputPath, Resolution, ResolutionError
from .file import Refused


class Recovery(Block):
    """How lesion activity is corrected for the blur of the PET: by its resolution, or a phantom curve."""

    fwhm_mm: Resolution | None = Field(None, alias="fwhm")
    fwhm_sigma_mm: ResolutionError | None = Field(None, alias="fwhm_sigma")
    curve: InputPath | None = None
    #: Nobody measured the resolution: it is typical of such scanners, and its uncertainty covers that.
    assumed: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> Recovery:
        if (self.fwhm_mm is None) == (self.curve is None):
            error = InputError(
                "needs either 'fwhm' or 'curve'",
                why="one recovery coefficient can come from one source only",
                suggestion="write recovery: {fwhm: 6 mm} or recovery: {curve: recovery.csv}",
            )
            raise Refused(error)
        if self.fwhm_sigma_mm is not None and self.fwhm_mm is None:
            error = InputError(
                "'fwhm_sigma' belongs to 'fwhm'",
                why="the uncertainty of a phantom's curve is its column 'sigma'",
                suggestion="leave out 'fwhm_sigma'",
            )
            raise Refused(error)
        if self.assumed and self.fwhm_sigma_mm is None:
            error = InputError(
                "'assumed' needs 'fwhm_sigma'",
                why="a resolution that nobody measured has an uncertainty that counts",
                suggestion="write recovery: {fwhm: 6.5 mm, fwhm_sigma: 1.5 mm, assumed: true}, or leave out 'assumed'",
            )
            raise Refused(error)
        return self
