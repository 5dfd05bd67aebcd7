"""What every quantity of a case can be, and what it usually is: the one place for these limits and their reasons.

A value outside the limits is refused: whatever is meant, it cannot be right. One outside the usual range is used, and
said to be unusual; children, small animals and new scanners lie there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .. import units
from ..errors import InputError
from ..units import Dimension


@dataclass(frozen=True)
class Range:
    """Limits of one kind of quantity, in the unit of its dimension.

    Parameters
    ----------
    name
        What the quantity is.
    dimension
        Its kind and unit.
    least, most
        A value outside these is refused.
    reason
        Why.
    usual
        A value outside these two is unusual; None where every value that is not refused is usual.
    usually
        What the usual range is.
    """

    name: str
    dimension: Dimension
    least: float
    most: float
    reason: str
    usual: tuple[float, float] | None = None
    usually: str = ""

    def check(self, value: float, shown: str) -> float:
        """The value, unchanged; ``shown`` is how the user wrote it.

        Raises
        ------
        InputError
            Outside the limits, with the reason, and the unit that was probably meant.
        """
        if self.least <= value <= self.most:
            return value
        text = self.text(value)
        raise InputError(
            f"{shown}{'' if shown == text else f' ({text})'} is out of range",
            why=f"{self.name} is between {self.text(self.least)} and {self.text(self.most)}: {self.reason}",
            suggestion=self._meant(shown) or "check the value and its unit",
        )

    def unusual(self, value: float) -> str:
        """Remark on an unusual value; empty for a usual one."""
        if self.usual is None or self.usual[0] <= value <= self.usual[1]:
            return ""
        low, high = map(self.text, self.usual)
        return f"{self.text(value)} is unusual: {self.usually} ({low} to {high}); check the value and its unit"

    def text(self, value: float) -> str:
        """A value with its unit."""
        if self.dimension.unit == "":
            return f"{100.0 * value:g} %"
        for unit, factor in _SHOWN.get(self.dimension.unit, ()):
            if value >= factor:
                return f"{value / factor:g} {unit}"
        return f"{value:g} {self.dimension.unit}"

    def _meant(self, shown: str) -> str:
        """The same number with another unit, if that would be usual: most mistakes are one of the unit."""
        found = re.fullmatch(r"\s*(\S*?)\s*([^\d\s.]*)\s*", shown.replace("μ", "u"))
        if found is None:
            return ""
        number, unit = found.groups()
        low, high = self.usual or (self.least, self.most)
        meant = []
        for other in _UNITS.get(self.dimension.name, ()):
            factor = units.unit_factor(other, self.dimension)
            try:
                value = float(number) * (factor or 0.0)
            except ValueError:
                return ""
            if other != unit and low <= value <= high:
                meant.append(other)
        meant.sort(key=lambda other: other.lower() != unit.lower())  # mBq for MBq is the likeliest of all
        if meant:
            return f"did you mean {number} {meant[0]}?"
        return ""


#: Larger and smaller units that values are shown in, with their factors, by the unit inside.
_SHOWN = {"MBq": (("TBq", 1e6), ("GBq", 1e3), ("MBq", 1.0), ("kBq", 1e-3)), "MeV": (("keV", 1e-3),)}

#: Units that are mistaken for each other, the likeliest first, by the name of the dimension.
_UNITS = {
    units.ACTIVITY.name: ("GBq", "MBq", "kBq", "mCi"),
    units.MASS.name: ("kg", "g"),
    units.HEIGHT.name: ("cm", "m", "mm"),
    units.LENGTH.name: ("mm", "cm"),
    units.DOSE.name: ("Gy", "mGy", "kGy"),
    units.ENERGY.name: ("keV", "eV", "MeV"),
    units.TIME.name: ("h", "min", "s", "days"),
    units.FRACTION.name: ("%",),
}

THERAPY_ACTIVITY = Range(
    "a therapeutic activity", units.ACTIVITY, 1e-3, 1e6,
    "mice are treated with kilobecquerels of an alpha emitter, nobody with a terabecquerel",
    (1.0, 50e3), "patients are treated with megabecquerels (alpha emitters) to some 40 GBq",
)  # fmt: skip
TRACER_ACTIVITY = Range(
    "the activity of a tracer", units.ACTIVITY, 1e-3, 50e3,
    "less than 1 kBq gives no image, and no scan is made with more than a therapy",
    (1.0, 12e3), "patients are scanned with megabecquerels, or after a therapy with gigabecquerels",
)  # fmt: skip
WEIGHT = Range(
    "a body weight", units.MASS, 0.01, 500.0,
    "mice have 15 g or more, scanners carry less than 500 kg",
    (20.0, 250.0), "adults and older children; the blood dose formulas are theirs",
)  # fmt: skip
HEIGHT = Range(
    "a height", units.HEIGHT, 5.0, 280.0,
    "a mouse is longer, no one is taller",
    (100.0, 220.0), "adults and older children",
)  # fmt: skip
FWHM = Range(
    "a resolution", units.LENGTH, 0.3, 30.0,
    "no PET or SPECT resolves less than 0.3 mm, and one that resolves less than 30 mm shows no lesion",
    (3.0, 12.0), "clinical PET, with its filter and the range of the positrons; small-animal PET resolves 1 to 2 mm",
)  # fmt: skip
FWHM_SIGMA = Range(
    "the uncertainty of a resolution", units.LENGTH, 0.0, 15.0,
    "a resolution that uncertain corrects nothing",
    (0.0, 4.0), "a phantom gives the resolution within some tenths of a millimetre",
)  # fmt: skip
THRESHOLD = Range(
    "a threshold dose", units.DOSE, 1e-5, 5e3,
    "a nuclide therapy gives less than 5 kGy, and a hundredth of a milligray has no effect",
    (1.0, 500.0), "tumours are treated with tens to hundreds of gray",
)  # fmt: skip
ORGAN_LIMIT = Range(
    "the limit of an organ's mean dose", units.DOSE, 1e-5, 5e3,
    "a nuclide therapy gives less than 5 kGy, and a hundredth of a milligray has no effect",
    (0.5, 150.0), "the lens of an eye tolerates half a gray, marrow 2 Gy, a part of a liver 100 Gy and more",
)  # fmt: skip
ALPHA_BETA = Range(
    "alpha/beta", units.DOSE, 0.1, 100.0,
    "measured values of tissues and tumours lie between 0.5 and 30 Gy",
    (1.0, 30.0), "late-responding tissues and tumours",
)  # fmt: skip
ALPHA = Range(
    "a radiosensitivity alpha", units.SENSITIVITY, 1e-3, 10.0,
    "1 Gy would change nothing, or kill nearly all cells",
    (0.02, 2.0), "cells in tumours",
)  # fmt: skip
SCAN_TIME = Range(
    "the time from administration to a scan", units.TIME, 0.0, 1440.0,
    "after 60 days nothing is left of a tracer",
    (0.0, 504.0), "scans follow within three weeks",
)  # fmt: skip
BIOLOGICAL_HALF_LIFE = Range(
    "a biological half-life", units.TIME, 0.01, 50e3,
    "one of seconds leaves no image, one of many years is that of physical decay alone",
    (1.0, 5e3), "radiopharmaceuticals in tumours and organs",
)  # fmt: skip
REPAIR_HALF_TIME = Range(
    "a repair half-time", units.TIME, 0.01, 100.0,
    "cells repair within minutes to hours",
    (0.2, 10.0), "measured values of tissues and tumours",
)  # fmt: skip
UNCERTAINTY = Range(
    "a relative standard uncertainty", units.FRACTION, 0.0, 1.0,
    "above 100 % nothing is known",
    (0.0, 0.5), "a quantity that was measured at all",
)  # fmt: skip
CUTOFF = Range(
    "a cut-off energy", units.ENERGY, 1e-3, 1.0,
    "the physics tables and the step theory hold in this range only",
    (1e-3, 0.2), "an electron of 200 keV travels 0.4 mm",
)  # fmt: skip
GRID_SPACING = Range(
    "the voxel size of a dose grid", units.LENGTH, 0.05, 50.0,
    "memory grows with the third power of the number of voxels, and lesions are smaller than 50 mm",
    (0.5, 10.0), "PET and CT voxels",
)  # fmt: skip
TIME_LIMIT = Range(
    "a time limit", units.DURATION, 0.0, 90 * 86400.0,
    "nobody waits for longer than 90 days",
)  # fmt: skip
SPHERE = Range(
    "the diameter of a sphere of a phantom", units.LENGTH, 2.0, 100.0,
    "smaller spheres are not made, and larger ones do not fit into a phantom",
    (3.5, 60.0), "hollow spheres of 4 to 60 mm",
)  # fmt: skip
SAMPLE_TIME = Range(
    "the time of a sample after administration", units.TIME, 0.0, 720.0,
    "after a month nothing is left in blood or body",
    (0.0, 336.0), "samples are taken within two weeks",
)  # fmt: skip

#: Every range, in the order of the page docs/formats/case.md.
RANGES = (
    THERAPY_ACTIVITY, TRACER_ACTIVITY, WEIGHT, HEIGHT, SCAN_TIME, FWHM, FWHM_SIGMA, THRESHOLD, ORGAN_LIMIT,
    BIOLOGICAL_HALF_LIFE,
    UNCERTAINTY, ALPHA_BETA, ALPHA, REPAIR_HALF_TIME, GRID_SPACING, CUTOFF, TIME_LIMIT,
    SPHERE, SAMPLE_TIME,
)  # fmt: skip
