"""Results of a run: one outcome per case, one record per visit."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..case.model import Case
from ..lesions.record import LesionDose
from ..lesions.verdict import Judgement, Verdict
from ..results.result import Result


@dataclass
class VisitOutcome:
    """What a run gives for one visit.

    Parameters
    ----------
    name
        Name of the visit.
    result
        Every dose map with its provenance.
    lesions
        Doses of the lesions.
    judgement
        Whether the patient is eligible by these lesions, at every activity; None where no verdict is asked for.
    clinic
        The clinic's record of the visit, as plain data.
    frame_of_reference
        DICOM frame of reference UID of the dose grid, where known.
    overlays
        Aligned CT of each later scan on the dose grid [HU], (nz, ny, nx), float32, by the scan's name.
    """

    name: str
    result: Result
    lesions: list[LesionDose]
    judgement: Judgement | None
    clinic: dict[str, Any] = field(default_factory=dict)
    frame_of_reference: str | None = None
    overlays: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def verdict(self) -> Verdict | None:
        """The verdict at the planned activity; None where no verdict is asked for."""
        return None if self.judgement is None else self.judgement.planned


@dataclass
class Outcome:
    """What a run found.

    Parameters
    ----------
    case
        The case as it was run.
    visits
        One entry a visit.
    incomplete
        Whether the transport was stopped before its goal; what there is counts, with larger uncertainty.
    wall_time_s
        Duration of the run [s].
    folder
        Where it was written, if it was.
    clinic
        The patient's record: blood dosimetry, eligibility, alignment, reporting, changes between visits.
    further
        The same for each further therapy of the case.
    """

    case: Case
    visits: list[VisitOutcome] = field(default_factory=list)
    incomplete: bool = False
    wall_time_s: float = 0.0
    folder: Path | None = None
    clinic: dict[str, Any] = field(default_factory=dict)
    further: list[Outcome] = field(default_factory=list)

    @property
    def lesions(self) -> list[LesionDose]:
        """One record a lesion and visit."""
        return [lesion for visit in self.visits for lesion in visit.lesions]

    @property
    def verdicts(self) -> list[Verdict]:
        """One verdict per visit that has one, at the planned activity."""
        return [visit.verdict for visit in self.visits if visit.verdict is not None]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: lesion rows, verdicts, energy balance."""
        return {
            "patient": self.case.patient,
            "complete": not self.incomplete,
            "wall_time_s": self.wall_time_s,
            "folder": None if self.folder is None else str(self.folder),
            "lesions": [lesion.to_row() for lesion in self.lesions],
            "verdicts": [v.to_dict() for v in self.verdicts],
            "clinic": self.clinic,
            "therapy": self.case.therapy.nuclide if self.case.judged else None,
            "further_therapies": [other.to_dict() for other in self.further],
            "visits": [
                {
                    "visit": visit.name,
                    "methods": list(visit.result.doses),
                    "backend": visit.result.backend,
                    "decays": visit.result.decays,
                    "histories": visit.result.decays,  # deprecated name of "decays"
                    "balance_mev_per_decay": dict(visit.result.balance) if visit.result.tally else None,
                    "complete": visit.result.complete,
                    "critical": list(visit.result.critical),
                    "warnings": list(visit.result.warnings),
                    "assumptions": list(visit.result.assumptions),
                }
                for visit in self.visits
            ],
        }
