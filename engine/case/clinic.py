"""The clinical blocks of a case: alignment, eligibility, radiobiology, and what a report must state."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from . import ranges
from .fields import Block, Quantity, Text, TherapyActivity

Sensitivity = Annotated[float, Quantity(ranges.ALPHA)]
AlphaBeta = Annotated[float, Quantity(ranges.ALPHA_BETA)]
RepairHalfTime = Annotated[float, Quantity(ranges.REPAIR_HALF_TIME)]
AlignmentModel = Literal["none", "rigid", "deformable"]


#: Activities that are usual beside the planned one, by therapy nuclide [MBq]; 7.4 and 11.1 GBq are those of 131I.
USUAL_ACTIVITIES_MBQ: dict[str, tuple[float, ...]] = {"I-131": (11100.0,)}


class Alignment(Block):
    """Registration of serial scans, and of visits, by their CTs.

    Without a ``model``: images of one frame of reference (or of none) are used unregistered, images of
    different frames are registered rigidly.
    """

    model: AlignmentModel | None = None
    visits: Literal["none", "rigid"] | None = None
    metric: Literal["mutual-information", "mean-squares"] = "mutual-information"


class Eligibility(Block):
    """Activities for which the verdict is given in addition to the therapy and the maximum tolerable activity."""

    activities_mbq: tuple[TherapyActivity, ...] = Field(
        (), alias="activities", description="When it is left out: 11.1 GBq for a therapy with I-131, else none."
    )

    def for_nuclide(self, name: str) -> Eligibility:
        """This block for a therapy with a nuclide: activities that are not stated are those usual with it."""
        if "activities_mbq" in self.model_fields_set:
            return self
        return Eligibility.model_construct(_fields_set=set(), activities_mbq=USUAL_ACTIVITIES_MBQ.get(name, ()))


class Radiobiology(Block):
    """Linear-quadratic parameters of the lesions; the defaults are usual tumour values."""

    alpha_beta_gy: AlphaBeta = Field(10.0, alias="alpha_beta")
    alpha_per_gy: Sensitivity = Field(0.2, alias="alpha")
    repair_half_time_h: RepairHalfTime = Field(1.5, alias="repair_half_time")
    geud_exponent: float = Field(-10.0, ge=-100.0, le=100.0)
    source: Text = "default tumour values; not measured for this patient"


class Reporting(Block):
    """Items of good dosimetry reporting that images do not contain, as free text.

    The list follows Lassmann et al., EJNMMI 38 (2011) 192.
    """

    preparation: Text | None = None
    tsh: Text | None = None
    diet: Text | None = None
    iodine_excretion: Text | None = None
    drugs: Text | None = None
    previous_treatments: Text | None = None
    residual_activity: Text | None = None
    activity_meter: Text | None = None
    scanner: Text | None = None
    calibration: Text | None = None
    dead_time: Text | None = None
    acquisition: Text | None = None
    reconstruction: Text | None = None
    corrections: Text | None = None
    segmentation: Text | None = None
    operator: Text | None = None
    blood_sampling: Text | None = None
    counting: Text | None = None
    remarks: Text | None = None
