"""The unit of the doses on a page: one for all of them, by the size of the highest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..lesions.record import LesionDose
from ..text import dose_unit, number, plus_minus


@dataclass(frozen=True)
class DoseUnit:
    """A unit of dose and how many of it are one gray."""

    name: str = "Gy"
    per_gy: float = 1.0

    @classmethod
    def of(cls, lesions: Sequence[LesionDose]) -> DoseUnit:
        """The unit for these lesions: that of the highest mean dose."""
        known = [lesion.dose_gy for lesion in lesions if math.isfinite(lesion.dose_gy)]
        return cls(*dose_unit(max(known, default=math.nan)))

    def value(self, gy: float | None, digits: int = 3) -> str:
        """A dose [Gy] as a number in this unit."""
        return number(None if gy is None else gy * self.per_gy, digits)

    def plus_minus(self, gy: float, sigma_gy: float) -> str:
        """A dose [Gy] with its standard uncertainty, as numbers in this unit."""
        return plus_minus(gy * self.per_gy, sigma_gy * self.per_gy)

    def axis(self, axis: Any) -> None:
        """Write the numbers of a figure's axis, whose values are in Gy, in this unit."""
        if self.per_gy != 1.0:
            axis.set_major_formatter(lambda value, _: f"{value * self.per_gy:g}")
