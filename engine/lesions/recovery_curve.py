"""A phantom's recovery curve from its text table: columns, units, and values that no phantom has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..case.ranges import FWHM, SPHERE
from ..errors import InputError
from ..notes import CAUTION, CRITICAL, Note
from ..tables import Column, CsvFile, read_csv
from ..text import counted
from .recovery import HALF_RECOVERY, PhantomRecovery, sphere_diameter_mm, sphere_volume_ml

_SHARE = {"": 1.0, "fraction": 1.0, "1": 1.0, "%": 0.01, "percent": 0.01, "per cent": 0.01}
DIAMETER = Column(
    "diameter_mm",
    ("diameter", "sphere diameter", "inner diameter", "d", "durchmesser", "diamètre"),
    {"mm": 1.0, "cm": 10.0, "m": 1000.0},
)
VOLUME = Column(
    "volume_ml",
    ("volume", "sphere volume", "v"),
    {"ml": 1.0, "cm3": 1.0, "cc": 1.0, "cm^3": 1.0, "ul": 1e-3, "µl": 1e-3, "mm3": 1e-3, "mm^3": 1e-3, "l": 1e3},
)
#: Of the mean of a sphere; a recovery of its hottest voxel corrects no mean.
RECOVERY = Column(
    "recovery",
    (
        "recovery",
        "rc",
        "recovery coefficient",
        "recovery factor",
        "rc mean",
        "mean rc",
        "recovery mean",
        "mean recovery",
    ),
    _SHARE,
)
SIGMA = Column("sigma", ("sigma", "uncertainty", "standard uncertainty", "sd", "recovery sigma", "rc sigma"), _SHARE)

#: A recovery coefficient of a mean is at most this: reconstructions with a resolution model overshoot at edges, by some
#: per cent of the mean of a sphere.
MOST_RECOVERY = 1.1
#: A coefficient that falls by more than this to the next larger sphere is no noise of a phantom measurement.
MOST_FALL = 0.2
#: Diameter and volume of one sphere agree within this share.
SAME_SIZE = 0.1
#: A curve is fitted where no sphere lies further than this from it.
MOST_MISFIT = 0.1
#: A lesion narrower than the smallest sphere, or wider than the largest, by this factor lies far outside the phantom.
FAR_OUTSIDE = 2.0
#: Beyond the largest sphere the coefficient matters where it is not yet known to be near 1 within this.
NEAR_ONE = 0.1


def read_recovery_curve(path: Path) -> PhantomRecovery:
    """A phantom curve from a table: ``diameter_mm`` or ``volume_ml``, ``recovery``, and optionally ``sigma``.

    Other units may stand in the heading, as in ``diameter (cm)`` or ``recovery (%)``.

    Raises
    ------
    InputError
        Columns that are missing; values that no phantom has, with their line.
    """
    table = read_csv(path, "give the recovery curve as CSV, saved as UTF-8")
    found = table.columns((DIAMETER, VOLUME, RECOVERY, SIGMA), others=True)
    if RECOVERY.name not in found or not {DIAMETER.name, VOLUME.name} & set(found):
        raise InputError(
            "is not a recovery curve",
            why=f"its columns are {', '.join(table.rows[0].cells)}",
            suggestion="give the columns diameter_mm (or volume_ml), recovery, and optionally sigma",
            file=path,
            field="recovery.curve",
        )
    values = {name: factor * table.values(place, name) for name, (place, factor) in found.items()}
    diameter = _diameters(table, values.get(DIAMETER.name), values.get(VOLUME.name))
    recovery, sigma = values[RECOVERY.name], values.get(SIGMA.name)
    _check_coefficients(table, recovery, sigma)
    _check_order(table, diameter, recovery)
    try:
        curve = PhantomRecovery.fit(recovery, diameter_mm=diameter, sigma=sigma)
    except InputError as error:
        error.file = str(path)
        raise InputError(
            error.problem, why=error.why, suggestion=error.suggestion, file=path, field="recovery.curve"
        ) from None
    _check_resolution(curve, path)
    return curve


def _diameters(table: CsvFile, diameter: np.ndarray | None, volume: np.ndarray | None) -> np.ndarray:
    """Diameters of the spheres [mm], each checked; from the volumes where there are no diameters."""
    given = diameter
    if given is None:
        assert volume is not None
        with np.errstate(invalid="ignore"):
            given = sphere_diameter_mm(np.maximum(volume, 0.0))
    for row, size in zip(table.data, given, strict=True):
        try:
            SPHERE.check(float(size), f"{size:.4g} mm")
        except InputError as error:
            raise table.refusal(error.problem, row.line, why=error.why, suggestion=_unit_advice(given)) from None
    if diameter is None or volume is None:
        return given
    for row, size, ml in zip(table.data, diameter, volume, strict=True):
        expected = float(sphere_volume_ml(size))
        if abs(ml / expected - 1.0) > SAME_SIZE:
            raise table.refusal(
                f"a sphere of {size:g} mm has {expected:.3g} mL, not {ml:g} mL",
                row.line,
                why="diameter and volume contradict each other",
                suggestion="give inner diameters in mm or volumes in mL; one of the two columns is enough",
            )
    return diameter


def _unit_advice(diameter_mm: np.ndarray) -> str:
    meant = 10.0 * np.asarray(diameter_mm)
    if np.all((meant >= SPHERE.least) & (meant <= SPHERE.most)):
        return "if these are centimetres, call the column diameter_cm"
    return "check the sizes and the unit in the heading"


def _check_coefficients(table: CsvFile, recovery: np.ndarray, sigma: np.ndarray | None) -> None:
    for i, row in enumerate(table.data):
        if not 0.0 < recovery[i] <= MOST_RECOVERY:
            raise table.refusal(
                f"a recovery coefficient of {recovery[i]:g}",
                row.line,
                why=f"a sphere shows a share of its activity, more than 0 and at most {MOST_RECOVERY:g} (overshoot)",
                suggestion="give recovery coefficients as fractions, such as 0.65, or call the column recovery_percent",
            )
        if sigma is not None and not 0.0 < sigma[i] < 1.0:
            raise table.refusal(
                f"a standard uncertainty of {sigma[i]:g} for a coefficient of {recovery[i]:g}",
                row.line,
                "sigma",
                why="every measured value has one, above 0; a coefficient with none at all would outweigh all others",
                suggestion="give the standard uncertainty as a fraction, such as 0.03, or leave out the column sigma",
            )


def _check_order(table: CsvFile, diameter: np.ndarray, recovery: np.ndarray) -> None:
    """Refuse coefficients that fall as the spheres grow."""
    order = np.argsort(diameter, kind="stable")
    size, value = diameter[order], recovery[order]
    lines = [table.data[i].line for i in order]
    if np.unique(size).size < 3:
        raise InputError(
            f"phantom curve with {counted(int(np.unique(size).size), 'size')}",
            why="two parameters and their uncertainty need at least three spheres of different sizes",
            suggestion="give all spheres of the phantom",
            file=table.path,
        )
    fall = np.flatnonzero(value[:-1] - value[1:] > MOST_FALL)
    first = int(fall[0]) if fall.size else -1
    if fall.size or value[-1] <= value[0]:
        low, high = (first, first + 1) if fall.size else (0, len(value) - 1)
        raise table.refusal(
            f"recovery falls from {value[low]:g} at {size[low]:.4g} mm to {value[high]:g} at {size[high]:.4g} mm",
            lines[high],
            why="a larger sphere shows more of its activity",
            suggestion="check which column is which, and the lines of these spheres",
        )


def _check_resolution(curve: PhantomRecovery, path: Path) -> None:
    """Refuse a curve of a resolution that no scanner has."""
    fwhm, half = curve.implied_fwhm_mm, float(sphere_diameter_mm(curve.b1_ml))
    if not FWHM.least <= fwhm <= FWHM.most:
        raise InputError(
            f"half of the activity is recovered at {half:.3g} mm, as with a resolution of {fwhm:.3g} mm",
            why=f"{FWHM.name} is between {FWHM.least:g} and {FWHM.most:g} mm: {FWHM.reason}",
            suggestion="check the sizes and their unit",
            file=path,
            field="recovery.curve",
        )


def curve_remarks(curve: PhantomRecovery, name: str, volumes_ml: Mapping[str, float]) -> list[str]:
    """What a reader must know of a phantom curve and the lesions that it is used for.

    Parameters
    ----------
    curve
        The curve.
    name
        Name of its file.
    volumes_ml
        Volume of each lesion [mL], by name.

    Returns
    -------
    list of str
        Critical notes for an unusual resolution, which a wrong unit gives, and for lesions far outside the spheres.
    """
    notes: list[str] = []
    fwhm = curve.implied_fwhm_mm
    if text := FWHM.unusual(fwhm):
        sizes = " to ".join(f"{size:.3g}" for size in curve.sphere_range_mm)
        notes.append(
            Note(
                f"{name}: spheres of {sizes} mm; half of the activity is recovered at {HALF_RECOVERY * fwhm:.3g} mm, "
                f"as with a resolution of {fwhm:.2g} mm. {text}. The sizes may have another unit.",
                weight=CRITICAL,
            )
        )
    misfit = curve.largest_misfit
    if misfit > MOST_MISFIT:
        notes.append(
            Note(f"{name}: the fitted recovery curve misses a sphere by {misfit:.2g}; check the table", weight=CAUTION)
        )
    far: list[str] = []
    outside: list[str] = []
    for lesion, volume in volumes_ml.items():
        factor = _outside(curve, float(sphere_diameter_mm(volume)))
        (far if factor > FAR_OUTSIDE else outside if factor > 1.0 else []).append(lesion)
    low, high = curve.sphere_range_mm
    for names, words, weight in ((far, "far outside", CRITICAL), (outside, "outside", CAUTION)):
        if names:
            notes.append(
                Note(
                    f"{', '.join(names)}: {words} the sizes of the phantom's spheres ({low:.3g} to {high:.3g} mm, "
                    f"{name}); the recovery there is extrapolated, not measured",
                    weight=weight,
                )
            )
    return notes


def _outside(curve: PhantomRecovery, diameter_mm: float) -> float:
    """How many times a lesion is narrower than the smallest or wider than the largest sphere, where it matters."""
    low, high = curve.sphere_range_mm
    if diameter_mm > high:
        known = abs(1.0 - curve.recovery(float(sphere_volume_ml(high)))) < NEAR_ONE
        return 1.0 if known else diameter_mm / high
    return low / diameter_mm
