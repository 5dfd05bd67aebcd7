"""Errors of one repetition of the cohort check, each drawn from the standard uncertainty that the case states.

An interval is judged fairly only when everything it allows for does happen: the scanner's calibration and the CT's
density (one of each a patient, as both stay the same between visits), registration and scanner in every scan, the
outline of every lesion at every visit, and image noise. docs/methods/cohort.md says what is drawn and what is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from hevesy.engine.case.model import Case
from hevesy.engine.grid import Grid, Volume, write_image
from hevesy.engine.imaging.masks.read import open_masks
from hevesy.engine.lesions.uncertainty import OUTLINE_VOXELS, volume_relative_uncertainty
from hevesy.engine.pipeline.alignment import AlignedPet, read_lesions
from hevesy.engine.pipeline.lesion import Lesion
from hevesy.engine.pipeline.lesion_records import CT_FWHM_MM
from hevesy.engine.pipeline.scans import VisitImages

from ..phantoms.cohort import CohortPatient
from ..phantoms.noise import correlated_noise, noise_stream, positive_noise
from ..phantoms.patient import SyntheticPatient

#: Stream of a repetition's errors that belong to the patient; those of its visits follow it.
_PATIENT_STREAM = 1_000


@dataclass(frozen=True)
class VisitErrors:
    """What goes wrong at one visit, as factors.

    Parameters
    ----------
    activity
        On every PET of the patient: its calibration.
    density
        On every density of the patient.
    scans
        On each PET of the visit.
    volumes
        On the volume of each lesion's outline.
    """

    activity: float
    density: float
    scans: np.ndarray
    volumes: np.ndarray


def draw_errors(case: Case, patient: CohortPatient, contour_mm: Sequence[float], seed: int) -> list[VisitErrors]:
    """Errors of one repetition, a record a visit: lognormal, with the case's standard uncertainties.

    Parameters
    ----------
    case
        States calibration, density and the error of a scan.
    patient
        The true lesions; the outline's error follows from the true volume as the budget takes it from the drawn.
    contour_mm
        Voxel size of the image that lesions are drawn on [mm].
    seed
        Of the repetition.
    """
    given, first = case.uncertainty, patient.visits[0]
    own = noise_stream(seed * 100_000 + first.seed % 100_000, _PATIENT_STREAM)
    activity, density = np.exp(np.array([given.calibration, given.density]) * own.standard_normal(2))
    out = []
    for number, scan in enumerate(patient.visits, 1):
        stream = noise_stream(seed * 100_000 + scan.seed % 100_000, _PATIENT_STREAM + number)
        scans = np.exp(given.per_scan * stream.standard_normal(len(scan.times_h)))
        spread = np.array([_volume_sigma(case, lesion.volume_ml, contour_mm) for lesion in scan.lesions])
        volumes = np.exp(spread * stream.standard_normal(len(scan.lesions)))
        out.append(VisitErrors(float(activity), float(density), scans, volumes))
    return out


def _volume_sigma(case: Case, volume_ml: float, contour_mm: Sequence[float]) -> float:
    if case.uncertainty.volume is not None:
        return case.uncertainty.volume
    return volume_relative_uncertainty(volume_ml, contour_mm, CT_FWHM_MM, OUTLINE_VOXELS)


def with_errors(
    images: VisitImages,
    scan: SyntheticPatient,
    clean: Sequence[np.ndarray],
    errors: VisitErrors,
    seed: int,
    folder: Path,
) -> VisitImages:
    """The visit as it would have been read: other noise, calibration, density and outlines.

    The outlines are drawn on the CT as voxels of a label map, written, and read back by the run's own code.
    """
    assert not any(scan.own for scan in images.scans), "scans lie on the dose grid in this trial"
    matter = replace(images.tissue, density_g_cm3=(images.density * errors.density).astype(images.density.dtype))
    lesions = drawn_lesions(images, scan, errors.volumes, folder)
    pets = noisy_scans(images, scan, clean, errors, seed)
    return replace(images, concentration=pets, tissue=matter, lesions=lesions)


def noisy_scans(
    images: VisitImages, scan: SyntheticPatient, clean: Sequence[np.ndarray], errors: VisitErrors, seed: int
) -> np.ndarray:
    """Concentrations (nt, nz, ny, nx) [Bq/mL] with noise and the factors of this repetition."""
    box = box_of(images, scan)
    return np.stack(
        [
            noisy_scan(scan, pet, seed, number)[box] * np.float32(errors.activity * factor)
            for number, (pet, factor) in enumerate(zip(clean, errors.scans, strict=True))
        ]
    )


def box_of(images: VisitImages, scan: SyntheticPatient) -> tuple[slice, ...]:
    """Where the dose grid, cropped to the body, lies in the whole one."""
    start = [
        round((a - b) / step)
        for a, b, step in zip(images.grid.origin_mm, scan.grid.origin_mm, scan.grid.spacing_mm, strict=True)
    ]
    return tuple(slice(s, s + n) for s, n in zip(start, images.grid.shape, strict=True))


def noisy_scan(scan: SyntheticPatient, pet: np.ndarray, seed: int, number: int) -> np.ndarray:
    """A clean PET (nz, ny, nx) [Bq/mL] with the noise of a repetition's scan of this number, float32."""
    noise = unit_noise(scan.grid.shape, seed * 100_000 + scan.seed % 100_000, 2 * number)
    return np.asarray(pet * positive_noise(noise, scan._cov(pet)), dtype=np.float32)


@lru_cache(maxsize=4)
def unit_noise(shape: tuple[int, int, int], seed: int, number: int) -> np.ndarray:
    """Noise of unit variance, which the cells of a repetition share."""
    return correlated_noise(shape, noise_stream(seed, number))


def drawn_lesions(images: VisitImages, scan: SyntheticPatient, volumes: np.ndarray, folder: Path) -> tuple[Lesion, ...]:
    """The lesions as drawn with these factors on their volumes."""
    lesions = tuple(
        replace(lesion, volume_ml=lesion.volume_ml * float(factor))
        for lesion, factor in zip(scan.lesions, volumes, strict=True)
    )
    return lesions_of(images, replace(scan, lesions=lesions).label_map(scan.ct_grid), scan.ct_grid, folder)


def lesions_of(images: VisitImages, labels: np.ndarray, grid: Grid, folder: Path) -> tuple[Lesion, ...]:
    """The lesions of a label map, written and read back by the run's own code."""
    file = folder / "lesions.nii"
    write_image(file, grid, labels)
    names = images.visit.lesion_files[0].with_name("lesions.json")
    if names != file.with_suffix(".json"):
        file.with_suffix(".json").write_bytes(names.read_bytes())
    pet = Volume(images.grid, images.concentration[0], "Bq/mL", frame_of_reference=images.frame_of_reference)
    return tuple(read_lesions(open_masks(file), images.grid, [AlignedPet(pet)]))
