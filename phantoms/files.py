"""A synthetic patient on disk: NIfTI images, case file, truth."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.files import write_text
from ..engine.grid import write_image
from ..engine.nuclides import decay as nuclides

if TYPE_CHECKING:
    from .patient import SyntheticPatient


def save_nifti(patient: SyntheticPatient, folder: Path) -> Path:
    """Write images, lesions, case file and truth; returns the path of ``case.yaml``."""
    save_images(patient, folder)
    save_truth(patient, folder)
    case = folder / "case.yaml"
    lines = [*case_head(patient), "visits:", *visit_lines(patient), *case_tail(patient)]
    write_text(case, "\n".join(lines) + "\n")
    return case


def save_images(patient: SyntheticPatient, folder: Path) -> None:
    """Write the scans and the label map with its names."""
    folder.mkdir(parents=True, exist_ok=True)
    for (pet, ct), hours in zip(patient.scans, patient.times_h, strict=True):
        write_image(folder / f"pet_{hours:g}h.nii.gz", pet.grid, pet.values)
        write_image(folder / f"ct_{hours:g}h.nii.gz", ct.grid, ct.values)
    write_image(folder / "lesions.nii.gz", patient.ct_grid, patient.label_map(patient.ct_grid))
    names = {str(t.label): t.name for t in patient.truth}
    write_text(folder / "lesions.json", json.dumps(names, indent=2) + "\n")


def case_head(patient: SyntheticPatient) -> list[str]:
    """First lines of a case file: patient, therapy, tracer."""
    return [
        f"patient: {patient.patient}",
        "threshold: 20 Gy",
        f"therapy: {{nuclide: {patient.therapy}, activity: {patient.therapy_mbq / 1000.0:g} GBq}}",
        f"tracer: {{nuclide: {patient.tracer}, activity: {patient.tracer_mbq:g} MBq, "
        f"administered: {patient.administered}}}",
        f"weight: {patient.weight_kg:g} kg",
    ]


def visit_lines(
    patient: SyntheticPatient, name: str = "baseline", below: str = "", extra: tuple[str, ...] = ()
) -> list[str]:
    """One visit of a case file whose images lie in the folder ``below`` (with its slash)."""
    return [
        f"  - name: {name}",
        *(f"    {line}" for line in extra),
        "    scans:",
        *(
            f"      - {{pet: {below}pet_{t:g}h.nii.gz, ct: {below}ct_{t:g}h.nii.gz, after: {t:g} h}}"
            for t in patient.times_h
        ),
        f"    lesions: {below}lesions.nii.gz",
    ]


def case_tail(patient: SyntheticPatient) -> list[str]:
    """Last lines of a case file: how to calculate."""
    return [
        "kinetics: {model: auto}",
        f"recovery: {{fwhm: {patient.fwhm_mm:g} mm}}",
        'transport: {grid: pet, until: "lesions:1%"}',
    ]


def save_truth(patient: SyntheticPatient, folder: Path) -> None:
    """Write ``truth.json`` (everything) and ``truth.csv`` (one row a lesion)."""
    # residence_time_h: deprecated name of tia_coefficient_h
    rows = [asdict(t) | {"residence_time_h": t.tia_coefficient_h} for t in patient.truth]
    about: dict[str, Any] = {
        "patient": patient.patient,
        "seed": patient.seed,
        "tracer": patient.tracer,
        "therapy": patient.therapy,
        "tracer_mbq": patient.tracer_mbq,
        "therapy_mbq": patient.therapy_mbq,
        "weight_kg": patient.weight_kg,
        "fwhm_mm": patient.fwhm_mm,
        "times_h": list(patient.times_h),
        "therapy_half_life_h": nuclides.nuclide(patient.therapy).half_life_h,
        "curve": f"activity linear to {patient.peak_h:g} h, then mono-exponential",
        "dose": "sphere_dose_gy is the closed form of a unit-density sphere; "
        "the true dose is a transport run on SyntheticPatient.true_problem()",
        "lesions": rows,
    }
    write_text(folder / "truth.json", json.dumps(about, indent=2) + "\n")
    skip = {"centre_mm", "concentration_bq_ml"}
    with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["patient", *(key for key in rows[0] if key not in skip)])
        for row in rows:
            writer.writerow([patient.patient, *(v for key, v in row.items() if key not in skip)])
