"""Foreign dose maps as methods of a comparison, and the gamma index of a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..dose.methods import METHODS, main_method
from ..notes import CAUTION, Note
from .foreign import RunSide, read_dose_map
from .foreign_name import UNNAMED_NAME
from .gamma import gamma_rates
from .methods import FILE, VisitDose
from .record import GammaRate
from .regions import WEIGHT_ONE, Region
from .runs import StoredVisit

#: What a map is called that has no name and whose file's name does not tell what it is.
UNNAMED = "dose map"
#: How metrics of voxels are compared.
UNCORRECTED = "D95, D50 and V20Gy are compared with those of the reference's map, neither corrected for noise"

#: What an interval against a map from a file leaves out; a reader who misses it misreads the interval.
NOISE = Note(
    "it is taken as exact: noise that it has itself, or shares with this run, is in no interval", weight=CAUTION
)


@dataclass(frozen=True)
class ForeignMap:
    """A dose map of another program, as a user names it.

    Parameters
    ----------
    path
        The file.
    unit
        Unit of its values such as ``"cGy"`` or ``"mGy/MBq"``; empty: that of its header, else Gy.
    named
        Whether the user gave it a name.
    """

    path: Path
    unit: str = ""
    named: bool = True


def foreign_doses(
    files: Mapping[str, ForeignMap], visit: StoredVisit, regions: Sequence[Region], activity_gbq: float
) -> dict[str, VisitDose]:
    """Foreign dose maps on the grid of a visit.

    Parameters
    ----------
    files
        By the name of the method.
    visit
        The visit.
    regions
        Its regions, which the maps should cover.
    activity_gbq
        Therapy activity [GBq], for maps of dose per activity.

    Returns
    -------
    dict
        By the name of the method.

    Raises
    ------
    InputError
        A file that is no dose map, or does not lie on the patient.
    """
    if not files:
        return {}
    stored = visit.result.doses
    side = RunSide(
        dose_gy=stored[main_method(stored).name].mean,
        frame_of_reference=visit.result.frame_of_reference or None,
        regions={one.name: one.weight.astype(np.float64) / WEIGHT_ONE for one in regions if one.record is not None},
        activity_gbq=activity_gbq,
    )
    doses = {}
    for name, one in files.items():
        dose = read_dose_map(one.path, visit.result.grid, name=name, unit=one.unit, run=side)
        notes = (*dose.notes, UNCORRECTED, NOISE)
        same = {own: tuple(region.same(dose, other) for region in regions) for own, other in stored.items()}
        copy = max(same, key=lambda own: sum(same[own]), default="")
        copied = same.get(copy, ())
        if any(copied):
            what = "it is" if all(copied) else "in some regions it is"
            notes += (f"{what} the run's own map by {METHODS[copy].label}, and has its means there",)
        doses[name] = VisitDose(name, _label(name, one), FILE, dose, notes=notes, copy_of=copy, copied=copied)
    return doses


def _label(name: str, one: ForeignMap) -> str:
    return f"dose map {name}" if one.named else f"the {UNNAMED}" if name == UNNAMED_NAME else f"{UNNAMED} {name}"


def gamma_of(visit: StoredVisit, reference: VisitDose, one: VisitDose) -> tuple[GammaRate, ...]:
    """Gamma indices of a method against the reference.

    Parameters
    ----------
    visit
        The visit.
    reference, one
        The two doses.

    Returns
    -------
    tuple of GammaRate
        By normalisation and criterion.
    """
    return tuple(gamma_rates(visit.name, visit.result.grid, reference.dose, one.dose))
