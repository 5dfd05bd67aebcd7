"""What is assumed of patients whose clearance was not measured; no array library, so that a case loads fast."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Population:
    """Lognormal spread of the biological half-life among lesions of many patients.

    Parameters
    ----------
    half_life_h
        Median of the biological half-life [h].
    gsd
        Geometric standard deviation: two thirds of the lesions lie within ``half_life_h`` divided and multiplied by it.
    peak_h
        Latest time at which uptake may still rise [h]; 0 where nothing is assumed of it.
    """

    half_life_h: float
    gsd: float
    peak_h: float = 0.0

    @property
    def fastest_h(self) -> float:
        """Shortest plausible biological half-life [h], two geometric standard deviations below the median."""
        return self.half_life_h / self.gsd**2

    @property
    def fastest_rate_per_h(self) -> float:
        """Fastest plausible biological clearance [1/h]."""
        return math.log(2.0) / self.fastest_h


#: Metastases of thyroid cancer. Not a literature value: this project's own assumption, the one that its synthetic
#: patients are drawn from (docs/methods/kinetics.md); it makes the effective half-life of 131I 51 h (24 to 92 h).
THYROID_METASTASES = Population(70.0, 1.6, 24.0)

#: Spread where a half-life is stated without one: wider than that of metastases of one disease with one
#: radiopharmaceutical, since nothing is known of this population (95 % within a factor of four either way).
UNKNOWN_GSD = 2.0


def is_iodine(nuclide: str) -> bool:
    """Whether a nuclide (canonical name) is an isotope of iodine."""
    return nuclide.startswith("I-")


def population_of(nuclide: str, half_life_h: float | None = None, gsd: float | None = None) -> Population | None:
    """The population for a therapy nuclide: as stated, or for iodine metastases of thyroid cancer.

    Parameters
    ----------
    nuclide
        Therapy nuclide, canonical name.
    half_life_h, gsd
        Stated median of the biological half-life [h] and its geometric standard deviation; None: not stated.

    Returns
    -------
    Population or None
        None where no half-life is stated and none is known.
    """
    iodine = is_iodine(nuclide)
    if half_life_h is None and not iodine:
        return None
    known = THYROID_METASTASES
    return Population(
        known.half_life_h if half_life_h is None else half_life_h,
        (known.gsd if iodine else UNKNOWN_GSD) if gsd is None else gsd,
        known.peak_h if iodine else 0.0,
    )
