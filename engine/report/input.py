"""What a report shows: everything is in here, so that a report opens no file and looks nothing up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..lesions.record import LesionDose
from ..lesions.verdict import Judgement
from ..results.result import Result


@dataclass(frozen=True)
class ScanNames:
    """One PET/CT of the visit: when it was made, and which images were read.

    Parameters
    ----------
    after_h
        Time after administration [h]; None: taken from the image header.
    pet, ct
        Names that give nobody's identity away (`hevesy.engine.privacy.telling_name`).
    """

    after_h: float | None
    pet: str
    ct: str


@dataclass(frozen=True)
class CaseSummary:
    """The inputs a reader asks for first, in the units of their names; None where the case does not state one.

    Parameters
    ----------
    therapy_nuclide, tracer_nuclide
        Names such as ``"I-131"``.
    tracer_activity_mbq, administered, weight_kg
        Activity [MBq], time and body weight [kg]: of the visit where it has its own, else of the case.
    recovery_curve, tissue_calibration
        Names of the files.
    uncertainties
        Relative standard uncertainties (k = 1) that the case gives, by name.
    grid
        ``"pet"``, ``"ct"`` or a spacing, as in the case.
    until
        Stop criterion, as in the case.
    scans, lesion_files
        Images of the visit.
    progeny
        Which progeny of the therapy nuclide are counted; empty where there are none.
    therapy_planned
        Whether there is a therapy that is judged; else the dose is that of the tracer's administration.
    therapy_activity_mbq
        Planned activity [MBq].
    threshold_gy
        Mean dose that at least one lesion must reach [Gy].
    height_cm, sex
        Body height [cm]; ``"male"`` or ``"female"``.
    alpha_beta_gy
        Ratio of the linear and the quadratic parameter that BED and EQD2 use [Gy].
    kinetic_model
        Name, or ``"auto"``.
    recovery_fwhm_mm, recovery_fwhm_uncertainty_mm
        Resolution of the PET (FWHM) and its standard uncertainty [mm].
    electron_cutoff_mev, photon_cutoff_mev
        Energies below which particles are deposited where they are [MeV].
    """

    therapy_nuclide: str
    therapy_activity_mbq: float
    tracer_nuclide: str
    tracer_activity_mbq: float | None
    administered: datetime | None
    threshold_gy: float
    weight_kg: float | None
    height_cm: float | None
    sex: str | None
    kinetic_model: str
    recovery_fwhm_mm: float | None
    recovery_fwhm_uncertainty_mm: float | None
    recovery_curve: str | None
    uncertainties: Mapping[str, float]
    tissue_calibration: str | None
    grid: str
    electron_cutoff_mev: float
    photon_cutoff_mev: float
    until: str | None
    alpha_beta_gy: float | None = None
    progeny: str = ""
    therapy_planned: bool = True
    scans: tuple[ScanNames, ...] = ()
    lesion_files: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChecklistItem:
    """One item of good dosimetry reporting.

    Parameters
    ----------
    section
        Heading that it is listed under.
    item
        What should be stated.
    value
        What is stated; None when nothing is.
    """

    section: str
    item: str
    value: str | None


@dataclass(frozen=True)
class ReportInput:
    """Everything the report of one visit shows.

    Parameters
    ----------
    result
        Dose maps [Gy], images, tally and provenance of the visit.
    lesions
        Its lesion records, in the order of the table.
    judgement
        The verdict on `lesions` at every activity; None where none is asked for.
    patient, visit
        Names for the title; empty when unknown.
    case
        The main inputs; None when the case is missing or of a version that cannot be read.
    case_text
        The resolved case as YAML, without identity; empty when it is missing.
    method_labels
        Name of each dose method for a reader, by its name in `result`, in the order in which they are listed.
    half_lives_h
        Physical half-life [h] of each therapy nuclide among the lesions' time-activity curves.
    threshold_gy
        Threshold of the mean dose [Gy]; None without a lesion.
    clinic
        The visit's record in patient.json: blood dosimetry, eligibility, registration.
    follow_up
        Changes between visits, as in patient.json; empty for one visit.
    checklist
        Items of good dosimetry reporting.
    alignment_png
        Picture of the registered CTs, the bytes of a PNG file; empty when there is nothing to compare.
    """

    result: Result
    lesions: tuple[LesionDose, ...] = ()
    judgement: Judgement | None = None
    patient: str = ""
    visit: str = ""
    case: CaseSummary | None = None
    case_text: str = ""
    method_labels: Mapping[str, str] = field(default_factory=dict)
    half_lives_h: Mapping[str, float] = field(default_factory=dict)
    threshold_gy: float | None = None
    clinic: Mapping[str, Any] = field(default_factory=dict)
    follow_up: Mapping[str, Any] = field(default_factory=dict)
    checklist: tuple[ChecklistItem, ...] = ()
    alignment_png: bytes = b""

    @property
    def method(self) -> str:
        """The method whose dose the lesion table, the verdict and the pictures show; empty without any dose."""
        doses = self.result.doses
        if self.lesions and self.lesions[0].method in doses:
            return self.lesions[0].method
        return "mc" if "mc" in doses else next(iter(doses), "")

    def label(self, method: str) -> str:
        """Name of a dose method for a reader."""
        return self.method_labels.get(method, method)
