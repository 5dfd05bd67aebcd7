"""A PET in a NIfTI, MetaImage or NRRD file, with a BIDS-PET sidecar (.json) where there is one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...files import read_json
from ...files import sidecar as sidecar_of
from ..volumes import read_file
from .scan import Known, PetScan

#: Units a sidecar may state, and their factor to Bq/mL.
FILE_UNITS = {"bq/ml": 1.0, "bqml": 1.0, "bq/cc": 1.0, "kbq/ml": 1e3, "kbqml": 1e3, "mbq/ml": 1e6}


def read_pet_file(path: Path, known: Known) -> PetScan:
    """A PET as Bq/mL true at the scan, unless its sidecar says otherwise.

    Parameters
    ----------
    path
        The image; its sidecar has the same name with the ending ``.json``.
    known
        What the case says; ``after_h`` is needed, since this format stores no times.

    Raises
    ------
    InputError
        An image or sidecar that cannot be read, a unit that is not an activity concentration, no time, no
        half-life where a decay correction must be undone.
    """
    volume = read_file(path, "Bq/mL")
    sidecar = sidecar_of(path)
    facts = _facts(sidecar)
    factor, note = _unit(facts, sidecar, path)
    if factor is not None:
        volume.values *= np.float32(factor)
    notes = [note]
    if known.after_h is None:
        raise InputError(
            "the time between administration and scan is unknown",
            why="this file format stores no times",
            suggestion="give `after: 24 h` for the scan in the case",
            file=path,
            field="after",
        )
    factor, note = _decay(facts, known.half_life_s, sidecar)
    if factor is not None:
        volume.values *= np.float32(factor)
    notes += [note] if note else []
    activity_mbq = known.activity_mbq
    if activity_mbq is None and facts.get("InjectedRadioactivityUnits") == "MBq":
        activity_mbq = float(facts["InjectedRadioactivity"])
    return PetScan(volume, known.after_h, activity_mbq, None, notes, known.weight_kg, known.half_life_s)


def _facts(sidecar: Path) -> Mapping[str, Any]:
    if not sidecar.is_file():
        return {}
    advice = "repair or remove this sidecar of the PET"
    facts = read_json(sidecar, advice)
    if not isinstance(facts, dict):
        raise InputError("does not contain a JSON object", why="a sidecar has keys", suggestion=advice, file=sidecar)
    return facts


def _unit(facts: Mapping[str, Any], sidecar: Path, path: Path) -> tuple[float | None, str]:
    """Factor to Bq/mL (None: the values are unchanged), and a remark."""
    units = str(facts.get("Units", "")).strip()
    if not units:
        return None, "no unit is stated; the values are taken as Bq/mL"
    if units.lower() not in FILE_UNITS:
        raise InputError(
            f"the PET's unit is {units!r}",
            why="activity concentration is needed",
            suggestion="convert the image to Bq/mL",
            file=sidecar,
            field="Units",
        )
    return FILE_UNITS[units.lower()], f"the sidecar says {units}"


def _decay(facts: Mapping[str, Any], half_life_s: float | None, sidecar: Path) -> tuple[float | None, str]:
    """Factor that undoes a decay correction to another time than the scan (None: none to undo), and a remark."""
    corrected_to = facts.get("ImageDecayCorrectionTime")
    if not facts.get("ImageDecayCorrected") or corrected_to is None or "ScanStart" not in facts:
        return None, "the values are taken as true at the time of the scan (no decay correction undone)"
    shift_s = float(facts["ScanStart"]) - float(corrected_to)
    if abs(shift_s) <= 1.0:
        return None, ""
    if not half_life_s:
        raise InputError(
            "the tracer's half-life is unknown",
            why="the sidecar's decay correction has to be undone",
            suggestion="name the tracer nuclide in the case",
            file=sidecar,
        )
    factor = math.exp(-math.log(2.0) * shift_s / half_life_s)
    return factor, f"the sidecar says decay corrected to {shift_s:g} s before the scan; multiplied by {factor:.5g}"
