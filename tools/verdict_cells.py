"""The cells of the judge's trial: what a clinic may have or lack, and the same patients measured that way.

A cell differs from the reference (two scans, stated resolution, all as the budget allows for) in one thing, or in
several at their worst. In every cell the errors that the budget allows for are drawn (:mod:`.cohort_errors`), the same
ones for all cells of a repetition. docs/methods/cohort.md says what is drawn and what is not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hevesy.cli.main import app
from hevesy.engine.case.model import Case
from hevesy.engine.grid import write_image
from hevesy.engine.pipeline.activity import integrate
from hevesy.engine.pipeline.lesion import Lesion
from hevesy.engine.pipeline.scans import VisitImages, read_visit
from scipy.ndimage import binary_dilation, binary_erosion, shift
from typer.testing import CliRunner

from ..phantoms.cohort import CohortPatient
from ..phantoms.files import case_head, visit_lines
from ..phantoms.noise import noise_stream
from ..phantoms.patient import PEAK_H, SyntheticPatient, synthetic_patient
from ..phantoms.true_dose import background_photon_dose, true_doses
from .cohort_check import VisitTruth, photon_dose
from .cohort_errors import VisitErrors, box_of, draw_errors, drawn_lesions, lesions_of, noisy_scan

#: Scan times of the trial's patients [h]; a cell has some of them.
TIMES_H = (24.0, 48.0, 96.0, 168.0)
#: Activities that the doses are judged at [GBq], the planned one first.
ACTIVITIES_GBQ = (7.4, 1.85, 3.7, 14.8, 29.6)
#: Resolution of the images, and the standard uncertainty it is stated with where it was measured [mm].
FWHM_MM, FWHM_SIGMA_MM = 6.0, 0.5
#: Streams of a repetition that are the cells' own: stated resolution, direction of a displacement.
_FWHM_STREAM, _SHIFT_STREAM = 2_000, 2_001

STATED, IMPORTED, NONE = "stated", "imported", "none"
DRAWN, GROWN, SHRUNK = "drawn", "grown", "shrunk"


@dataclass(frozen=True)
class Cell:
    """One way in which the patients are measured.

    Parameters
    ----------
    name
        Its name.
    times_h
        Scan times [h].
    recovery
        ``"stated"`` (resolution wrong by its stated standard uncertainty), ``"imported"`` (as `hevesy import` assumes)
        or ``"none"``.
    kinetics
        Kinetic model of the case.
    noise
        Factor on the image noise; 2 is a quarter of the counts.
    shift_mm
        How far each scan after the first lies from it, unregistered, in a random direction [mm].
    first_shifted
        Whether it is the first scan that lies off, and with it off the outlines, and not the later ones.
    outline
        ``"drawn"`` (volume wrong by the budget's uncertainty), ``"grown"`` or ``"shrunk"``: by one voxel of the CT.
    fwhm_mm
        True resolution of the images [mm].
    peak_h
        True time at which uptake is complete [h].
    """

    name: str
    times_h: tuple[float, ...] = (24.0, 96.0)
    recovery: str = STATED
    kinetics: str = "auto"
    noise: float = 1.0
    shift_mm: float = 0.0
    first_shifted: bool = False
    outline: str = DRAWN
    fwhm_mm: float = FWHM_MM
    peak_h: float = PEAK_H


_ONE = "single-time-point"
_EARLY, _LATE = (24.0, 48.0, 96.0), (24.0, 96.0, 168.0)
CELLS = (
    Cell("reference: 2 scans (24, 96 h)"),
    Cell("1 scan (24 h), as a bound", (24.0,)),
    Cell("1 scan (96 h), as a bound", (96.0,)),
    Cell("1 scan (24 h), population", (24.0,), kinetics=_ONE),
    Cell("1 scan (96 h), population", (96.0,), kinetics=_ONE),
    Cell("3 scans (24, 48, 96 h)", _EARLY),
    Cell("3 scans (24, 96, 168 h)", _LATE),
    Cell("assumed recovery", recovery=IMPORTED),
    Cell("assumed recovery, images of 5 mm", recovery=IMPORTED, fwhm_mm=5.0),
    Cell("assumed recovery, images of 8 mm", recovery=IMPORTED, fwhm_mm=8.0),
    Cell("no recovery", recovery=NONE),
    Cell("quarter of the counts", noise=2.0),
    Cell("96 h scan misregistered by 4 mm", shift_mm=4.0),
    Cell("96 h scan misregistered by 8 mm", shift_mm=8.0),
    Cell("24 h scan misregistered by 4 mm", shift_mm=4.0, first_shifted=True),
    Cell("24 h scan misregistered by 8 mm", shift_mm=8.0, first_shifted=True),
    Cell("outline one voxel too wide", outline=GROWN),
    Cell("outline one voxel too narrow", outline=SHRUNK),
    Cell("uptake complete at 6 h", peak_h=6.0),
    Cell("1 scan (24 h), as a bound, no recovery", (24.0,), NONE),
    Cell("1 scan (24 h), population, no recovery", (24.0,), NONE, _ONE),
    Cell("1 scan (96 h), population, uptake complete at 6 h", (96.0,), kinetics=_ONE, peak_h=6.0),
    Cell("no recovery, quarter of the counts", recovery=NONE, noise=2.0),
    Cell("8 mm misregistered, outline too wide", shift_mm=8.0, outline=GROWN),
    Cell("8 mm misregistered, outline too narrow", shift_mm=8.0, outline=SHRUNK),
    Cell("3 scans, 4 mm misregistered, assumed recovery, quarter of the counts", _EARLY, IMPORTED, noise=2.0,
         shift_mm=4.0),
)  # fmt: skip


@dataclass
class Ground:
    """What is made once of a patient and used by every cell and repetition.

    Parameters
    ----------
    patient
        The patient, with the one visit that is measured.
    images
        The visit as the run reads it, with all scan times.
    case
        Plain data of the case, for cells to change.
    folder
        Where its files lie.
    imported
        The block ``recovery`` that `hevesy import` writes; None where it writes none.
    seed
        Seed of the transport of the truths.
    """

    patient: CohortPatient
    images: VisitImages
    case: dict[str, Any]
    folder: Path
    imported: dict[str, Any] | None
    seed: int = 1
    _clean: dict[tuple[float, float, float], np.ndarray] = field(default_factory=dict)
    _truth: dict[float, VisitTruth] = field(default_factory=dict)
    _outlines: dict[str, tuple[Lesion, ...]] = field(default_factory=dict)

    @property
    def scan(self) -> SyntheticPatient:
        """The visit's synthetic patient."""
        return self.patient.visits[0]

    def clean(self, time_h: float, fwhm_mm: float, peak_h: float) -> np.ndarray:
        """A PET before noise (nz, ny, nx) [Bq/mL]."""
        key = time_h, fwhm_mm, peak_h
        if key not in self._clean:
            scan = replace(self.scan, fwhm_mm=fwhm_mm, peak_h=peak_h)
            self._clean[key] = scan.pet_without_noise(TIMES_H.index(time_h)).astype(np.float32)
        return self._clean[key]

    def truth(self, peak_h: float) -> VisitTruth:
        """True doses, and the photon dose of the visit without any error."""
        if peak_h not in self._truth:
            scan = replace(self.scan, peak_h=peak_h)
            background = background_photon_dose(scan, seed=self.seed)
            doses = {d.label: d for d in true_doses(scan, seed=self.seed, background=background)}
            reference = Cell("", peak_h=peak_h)
            pets = np.stack([self.clean(t, FWHM_MM, peak_h)[box_of(self.images, scan)] for t in reference.times_h])
            images = chosen(self.images, reference.times_h, pets)
            case = self.case_of(reference, None)
            activity = integrate(case, images)
            photons = photon_dose(case, images, activity, self.seed)
            self._truth[peak_h] = VisitTruth("baseline", scan, images, [], doses, photons, activity.total_decays)
        return self._truth[peak_h]

    def outline(self, kind: str) -> tuple[Lesion, ...]:
        """The lesions drawn one voxel of the CT too wide or too narrow."""
        if kind not in self._outlines:
            grid = self.scan.ct_grid
            labels = wrong_outlines(self.scan.label_map(grid), 1 if kind == GROWN else -1)
            self._outlines[kind] = lesions_of(self.images, labels, grid, self.folder / "drawn")
        return self._outlines[kind]

    def case_of(self, cell: Cell, seed: int | None) -> Case:
        """The case of a cell; the stated resolution is drawn for a repetition of this seed."""
        data = dict(self.case) | {"kinetics": {"model": cell.kinetics}}
        if cell.recovery == IMPORTED and self.imported is not None:
            data["recovery"] = self.imported
        elif cell.recovery == STATED:
            off = 0.0 if seed is None else float(self._stream(seed, _FWHM_STREAM).standard_normal())
            stated = FWHM_MM + FWHM_SIGMA_MM * off
            data["recovery"] = {"fwhm": f"{stated:.6g} mm", "fwhm_sigma": f"{FWHM_SIGMA_MM:g} mm"}
        return Case.from_dict(data, base=self.folder, check_files=False)

    def _stream(self, seed: int, number: int) -> np.random.Generator:
        return noise_stream(seed * 100_000 + self.scan.seed % 100_000, number)


def grounded(patient: CohortPatient, folder: Path, imported: dict[str, Any] | None, seed: int = 1) -> Ground:
    """Write the first visit of a patient without noise, and read it as a run does."""
    scan = replace(patient.visits[0], times_h=TIMES_H)
    place = folder / "visit"
    place.mkdir(parents=True)
    (folder / "drawn").mkdir()
    _, ct = scan._scan(0)
    write_image(place / "ct.nii", ct.grid, ct.values)
    first = scan.pet_without_noise(0).astype(np.float32)
    for hours in TIMES_H:
        write_image(place / f"pet_{hours:g}h.nii", scan.grid, first)
    write_image(place / "lesions.nii", scan.ct_grid, scan.label_map(scan.ct_grid))
    names = ", ".join(f'"{t.label}": "{t.name}"' for t in scan.truth)
    (place / "lesions.json").write_text(f"{{{names}}}\n", encoding="utf-8")
    lines = [*case_head(scan), "visits:", *visit_lines(scan, below="visit/")]
    data = yaml.safe_load("\n".join(lines))
    for entry in data["visits"][0]["scans"]:
        entry["pet"], entry["ct"] = entry["pet"].removesuffix(".gz"), "visit/ct.nii"
    data["visits"][0]["lesions"] = "visit/lesions.nii"
    data["methods"] = ["local"]
    data["eligibility"] = {"activities": [f"{gbq:g} GBq" for gbq in ACTIVITIES_GBQ[1:]]}
    case = Case.from_dict(data | {"recovery": {"fwhm": f"{FWHM_MM:g} mm"}}, base=folder)
    images = read_visit(case, case.visits[0])
    ground = Ground(replace(patient, visits=(scan,)), images, data, folder, imported, seed)
    ground._clean[TIMES_H[0], FWHM_MM, PEAK_H] = first
    return ground


def chosen(images: VisitImages, times_h: tuple[float, ...], pets: np.ndarray) -> VisitImages:
    """The visit with these scans only, and their concentrations (nt, nz, ny, nx) [Bq/mL]."""
    scans = tuple(images.scans[TIMES_H.index(t)] for t in times_h)
    return replace(images, times_h=np.array(times_h), concentration=pets, scans=scans)


def repetitions(ground: Ground, cells: tuple[Cell, ...], seed: int) -> Iterator[tuple[Cell, Case, VisitImages]]:
    """The patient as measured in each cell, with the errors of one repetition."""
    drawn_case, contour = ground.case_of(CELLS[0], None), ground.images.contour_spacing_mm
    assert contour is not None, "lesions are drawn on the CT in this trial"
    (errors,) = draw_errors(drawn_case, ground.patient, contour, seed)
    drawn = drawn_lesions(ground.images, ground.scan, errors.volumes, ground.folder / "drawn")
    density = (ground.images.density * errors.density).astype(ground.images.density.dtype)
    matter = replace(ground.images.tissue, density_g_cm3=density)
    for cell in cells:
        case = ground.case_of(cell, seed)
        lesions = drawn if cell.outline == DRAWN else ground.outline(cell.outline)
        if case.recovery is None:  # as a run reads them then
            lesions = tuple(replace(lesion, fine=None) for lesion in lesions)
        images = chosen(ground.images, cell.times_h, _measured(ground, cell, errors, seed))
        yield cell, case, replace(images, tissue=matter, lesions=lesions)


def _measured(ground: Ground, cell: Cell, errors: VisitErrors, seed: int) -> np.ndarray:
    """The PETs of a cell (nt, nz, ny, nx) [Bq/mL] with noise, calibration, scan errors and displacement."""
    scan = replace(ground.scan, liver_cov=cell.noise * ground.scan.liver_cov)
    box = box_of(ground.images, scan)
    directions = ground._stream(seed, _SHIFT_STREAM).standard_normal((len(TIMES_H), 3))
    pets = []
    for time in cell.times_h:
        number = TIMES_H.index(time)
        pet = ground.clean(time, cell.fwhm_mm, cell.peak_h)
        if cell.shift_mm and (time == cell.times_h[0]) == cell.first_shifted:
            way = directions[number] / np.linalg.norm(directions[number])
            pet = np.maximum(shift(pet, cell.shift_mm * way / scan.voxel_mm, order=3, mode="nearest"), 0.0)
        factor = np.float32(errors.activity * errors.scans[number])
        pets.append(noisy_scan(scan, pet, seed, number)[box] * factor)
    return np.stack(pets)


def wrong_outlines(labels: np.ndarray, voxels: int) -> np.ndarray:
    """Each lesion of a label map (nz, ny, nx) grown (or shrunk, negative) by voxels across faces.

    A grown lesion takes nothing from another; of a shrunk one at least its innermost voxels are left.
    """
    out = np.zeros_like(labels)
    for label in np.unique(labels[labels > 0]):
        own = labels == label
        if voxels > 0:
            new = binary_dilation(own, iterations=voxels) & ((labels == 0) | own)
        else:
            new = own
            for _ in range(-voxels):
                smaller = binary_erosion(new)
                new = smaller if smaller.any() else new
        out[new & (out == 0)] = label
    return out


def written_case(folder: Path, case: Path) -> Path:
    """What ``hevesy import FOLDER -o CASE`` writes without a site's own defaults; its account is not shown."""
    none = {"HEVESY_CONFIG": str(case.with_name("no-defaults.yaml"))}
    found = CliRunner().invoke(app, ["import", str(folder), "-o", str(case), "--force"], env=none)
    if found.exception is not None:
        raise found.exception
    return case


def imported_recovery() -> dict[str, Any] | None:
    """The recovery that `hevesy import` assumes for the trial's scanner; None where it writes none."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        synthetic_patient(voxel_mm=16.0, times_h=(24.0,)).save_dicom(folder / "dicom")
        data: Mapping[str, Any] = yaml.safe_load(
            written_case(folder / "dicom", folder / "case.yaml").read_text("utf-8")
        )
        return data.get("recovery")
