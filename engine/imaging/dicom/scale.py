"""From stored numbers to values: rescale slope and intercept of one slice. They are mandatory and have no default."""

from __future__ import annotations

from typing import NamedTuple

from ...errors import InputError
from . import elements
from .find import Header

#: Modalities whose standard demands a slope (PS3.3 C.8.2.1 and C.8.9.4: type 1); others may store their values as such.
_SCALED = ("CT", "PT")
#: Units of a CT (PS3.3 C.11.1.1.2) that are Hounsfield units: named so, not named, or "unspecified".
_HOUNSFIELD = ("HU", "", "US", "HOUNSFIELD", "HOUNSFIELD UNITS")
_WHY = "without it the pixels are stored numbers, and what they stand for is not known"


class Rescale(NamedTuple):
    """Value = slope x stored number + intercept."""

    slope: float
    intercept: float


def rescale(header: Header) -> Rescale:
    """Slope and intercept of a slice.

    Parameters
    ----------
    header
        Of the slice.

    Returns
    -------
    Rescale
        The numbers. The intercept of a PET that states none is 0, the only value that the standard allows there
        (PS3.3 C.8.9.4: "always zero for PET images").

    Raises
    ------
    InputError
        None, no number, several, or a slope that is not above zero; a table in place of them; a CT in other units than
        HU.
    """
    data = header.dataset
    if elements.items(data, "ModalityLUTSequence"):
        raise InputError(
            "the slice has a table (Modality LUT) in place of a rescale slope",
            why="hevesy reads values that are proportional to the stored numbers",
            suggestion="export the series in HU or Bq/mL, with a rescale slope and intercept",
            file=header.path,
            field="ModalityLUTSequence (0028,3000)",
        )
    if header.modality not in _SCALED and "RescaleSlope" not in data and "RescaleIntercept" not in data:
        return Rescale(1.0, 0.0)
    unit = elements.text(data, "RescaleType").upper()
    if header.modality == "CT" and unit not in _HOUNSFIELD:
        raise InputError(
            f"the CT's values are in {unit}, not in HU",
            why="maps of iodine, electron density or atomic number have no density of tissue in them",
            suggestion="give the CT in Hounsfield units",
            file=header.path,
            field="RescaleType (0028,1054)",
        )
    (slope,) = elements.required_numbers(data, "RescaleSlope", 1, header.path, _WHY)
    if slope <= 0.0:
        raise InputError(
            f"RescaleSlope is {slope:g}, not above zero",
            why="no scanner stores its values so",
            suggestion="export the series again",
            file=header.path,
            field="RescaleSlope (0028,1053)",
        )
    if header.modality == "PT" and not elements.held(data, "RescaleIntercept"):
        return Rescale(slope, 0.0)
    (intercept,) = elements.required_numbers(data, "RescaleIntercept", 1, header.path, _WHY)
    return Rescale(slope, intercept)


def lacks_intercept(header: Header) -> bool:
    """Whether a PET slice states no intercept, so that 0 is taken."""
    return header.modality == "PT" and not elements.held(header.dataset, "RescaleIntercept")
