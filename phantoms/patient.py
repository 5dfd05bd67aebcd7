"""A synthetic patient: 124I PET/CT of neck and thorax at two times, with its truth.

Everything is painted from shapes with sub-voxel volume fractions, so the same patient can be sampled on any
grid: coarse and blurred for the PET, fine for the CT, without blur for the true source.
docs/formats/phantoms.md says what is written and what is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.constants import FWHM_PER_SIGMA
from ..engine.dose.sphere import sphere_s_value_gy_per_gbq_h
from ..engine.grid import Grid, Volume
from ..engine.imaging import tissue
from ..engine.lesions.recovery import sphere_diameter_mm
from ..engine.nuclides import decay as nuclides
from ..engine.transport.problem import Problem
from .anatomy import AIR_DENSITY, DEFAULT_LESIONS, Lesion, Region, Uptakes, neck_and_thorax
from .noise import correlated_noise, noise_stream, positive_noise
from .shapes import Ellipsoid, fraction, full_fraction, sphere

#: Time of peak uptake [h] by default: linear rise to it, mono-exponential biological clearance after it.
PEAK_H = 24.0


@dataclass(frozen=True)
class LesionTruth:
    """What is true of one lesion.

    ``tia_coefficient_h`` is the time integral of the therapy activity in the lesion per administered activity.
    ``sphere_dose_gy`` (closed form) is a check; the true dose is that of :meth:`SyntheticPatient.true_problem`.
    """

    label: int
    name: str
    site: str
    centre_mm: tuple[float, float, float]
    volume_ml: float
    mass_g: float
    density_g_cm3: float
    diameter_mm: float
    uptake_percent_per_g_24h: float
    uptake_percent_24h: float
    biological_half_life_h: float
    effective_half_life_h: float
    tia_coefficient_h: float
    tia_mbq_h_per_gbq: float
    concentration_bq_ml: dict[str, float]
    sphere_ldpa_gy_per_gbq: float
    sphere_dose_gy: float


@dataclass(frozen=True)
class SyntheticPatient:
    """A synthetic patient; make one with :func:`synthetic_patient`.

    Parameters
    ----------
    patient
        Its identifier.
    seed
        Seed of all noise.
    voxel_mm
        PET voxel size; the CT has half of it.
    lesions
        The lesions, labelled 1, 2, ... in this order.
    uptakes
        Background uptakes.
    times_h
        Scan times after administration [h].
    tracer, therapy
        Nuclides of the scans and of the treatment.
    tracer_mbq, therapy_mbq
        Administered activities [MBq].
    weight_kg
        Body weight.
    fwhm_mm
        Resolution of the PET: a Gaussian point spread [mm], positron range included, voxel averaging apart.
    liver_cov
        Voxel noise (COV) in the liver at 24 h; elsewhere it is proportional to concentration ** -0.5.
    ct_noise_hu
        Standard deviation of the CT noise [HU].
    shift_mm
        Displacement (z, y, x) of the whole patient at each scan after the first [mm].
    extent_mm
        Size of the field of view (z, y, x) [mm].
    administered
        Date and time of administration, ISO 8601.
    peak_h
        Time of peak uptake after administration, at most 24 h [h]; it leaves the uptake at 24 h as it is.
    """

    patient: str = "SYN01"
    seed: int = 1
    voxel_mm: float = 4.0
    lesions: tuple[Lesion, ...] = DEFAULT_LESIONS
    uptakes: Uptakes = field(default_factory=Uptakes)
    times_h: tuple[float, ...] = (24.0, 96.0)
    tracer: str = "I-124"
    therapy: str = "I-131"
    tracer_mbq: float = 74.0
    therapy_mbq: float = 7400.0
    weight_kg: float = 75.0
    fwhm_mm: float = 6.0
    liver_cov: float = 0.12
    ct_noise_hu: float = 12.0
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    extent_mm: tuple[float, float, float] = (400.0, 256.0, 384.0)
    administered: str = "2026-01-05T09:00"
    peak_h: float = PEAK_H

    @property
    def grid(self) -> Grid:
        """The PET grid."""
        return self.grid_of(self.voxel_mm)

    @property
    def ct_grid(self) -> Grid:
        """The CT grid: two voxels for each of the PET along every axis."""
        n = self.grid.shape
        return self._grid((2 * n[0], 2 * n[1], 2 * n[2]), self.voxel_mm / 2.0)

    def grid_of(self, voxel_mm: float) -> Grid:
        """A grid of cubes of ``voxel_mm`` over the field of view."""
        n = [max(1, round(extent / voxel_mm)) for extent in self.extent_mm]
        return self._grid((n[0], n[1], n[2]), voxel_mm)

    def _grid(self, shape: tuple[int, int, int], voxel_mm: float) -> Grid:
        corner = (0.0, -0.5 * self.extent_mm[1], -0.5 * self.extent_mm[2])
        z, y, x = (c + 0.5 * voxel_mm for c in corner)
        return Grid(shape, (voxel_mm, voxel_mm, voxel_mm), (z, y, x))

    @cached_property
    def regions(self) -> list[Region]:
        """Background and lesions, painted in this order."""
        regions = neck_and_thorax(self.uptakes)
        for lesion in self.lesions:
            # SUV = uptake per mL times body weight in g
            suv = lesion.uptake_percent_per_g_24h * 0.01 * lesion.density_g_cm3 * self.weight_kg * 1000.0
            regions.append(
                Region(
                    lesion.name,
                    lesion_shape(lesion),
                    lesion.density_g_cm3,
                    suv,
                    lesion.biological_half_life_h,
                )
            )
        return regions

    def lesion_fraction(self, label: int, grid: Grid) -> np.ndarray:
        """Exact volume fraction (nz, ny, nx) of one lesion, labels from 1."""
        return full_fraction(lesion_shape(self.lesions[label - 1]), grid, points=10)

    def label_map(self, grid: Grid, shift_mm: Sequence[float] = (0.0, 0.0, 0.0)) -> np.ndarray:
        """Lesion labels (nz, ny, nx) uint8: the fullest voxels, as many as make up the true volume."""
        moved = _moved(grid, shift_mm)
        labels = np.zeros(grid.shape, np.uint8)
        for number, lesion in enumerate(self.lesions, start=1):
            box, part = fraction(lesion_shape(lesion), moved, points=10)
            wanted = max(1, round(lesion.volume_ml / grid.voxel_volume_ml))
            fullest = np.argsort(-part.ravel(), kind="stable")[:wanted]
            inside = np.zeros(part.size, bool)
            inside[fullest[part.ravel()[fullest] > 0.0]] = True
            labels[box][inside.reshape(part.shape)] = number
        return labels

    def retention(self, region: Region, hours: float) -> float:
        """Decay-corrected retention [fraction of the administered activity per mL] at ``hours``."""
        at_24h = region.suv_24h / (self.weight_kg * 1000.0)
        since = max(hours, self.peak_h) - PEAK_H
        falling = at_24h * math.exp(-math.log(2.0) * since / region.biological_half_life_h)
        return falling * min(hours / self.peak_h, 1.0)

    def tia_coefficient_h_per_ml(self, region: Region) -> float:
        """Time integral of the therapy activity per mL and per administered activity [h/mL].

        tau = a1 (t1/2 + 1/l_e) with a1 = U1 exp(-l t1), l_e = l_b + l: the activity itself rises linearly
        to t1 (Jentzen et al., J Nucl Med 2008;49:1017), then falls mono-exponentially.
        """
        decay = nuclides.nuclide(self.therapy).decay_constant_per_h
        effective = decay + math.log(2.0) / region.biological_half_life_h
        peak = self.retention(region, self.peak_h) * math.exp(-decay * self.peak_h)
        return peak * (self.peak_h / 2.0 + 1.0 / effective)

    def true_density(self, grid: Grid) -> np.ndarray:
        """Mass density [g/cm3] on any grid, (nz, ny, nx)."""
        return self.paint(grid, {"density": [r.density_g_cm3 for r in self.regions]})["density"]

    def true_tia(self, grid: Grid | None = None) -> np.ndarray:
        """Time-integrated therapy activity per mL and administered activity [h/mL], not blurred."""
        values = [self.tia_coefficient_h_per_ml(r) for r in self.regions]
        return self.paint(grid or self.grid, {"tia": values})["tia"]

    def true_problem(self, therapy_mbq: float | None = None, voxel_mm: float = 2.0) -> Problem:
        """The true therapy as a transport problem: true density, true source, lesions as regions.

        ``source`` holds numbers of decays; dose [Gy] is dose per decay times ``notes["decays"]``. Lesions
        are whole voxels with sharp faces: shared voxels would smear their activity into their surroundings.
        Materials come from the noise-free CT. Outside the field of view is vacuum.
        """
        activity = self.therapy_mbq if therapy_mbq is None else therapy_mbq
        return self.sharp_problem(self.grid_of(voxel_mm), activity)

    def sharp_problem(self, grid: Grid, therapy_mbq: float) -> Problem:
        """:meth:`true_problem` on any grid, e.g. a box around one lesion."""
        values = {
            "density": [r.density_g_cm3 for r in self.regions],
            "hu": [hu_of_density(r.density_g_cm3) for r in self.regions],
            "tia": [self.tia_coefficient_h_per_ml(r) for r in self.regions],
        }
        first = len(self.regions) - len(self.lesions)
        painted = self.paint(grid, values, regions=first)
        labels = self.label_map(grid)
        for name, per_region in values.items():
            for label in range(1, len(self.lesions) + 1):
                painted[name][labels == label] = per_region[first + label - 1]
        decays = painted["tia"] * therapy_mbq * 1e6 * 3600.0 * grid.voxel_volume_ml
        matter = tissue.from_ct(Volume(grid, np.rint(painted["hu"]), "HU"), grid)  # as a CT stores them
        return Problem(
            density_g_cm3=painted["density"].astype(np.float32),
            material=matter.material,
            materials=matter.materials,
            voxel_size_mm=grid.spacing_mm,
            source=decays.astype(np.float32),
            emission=nuclides.nuclide(self.therapy).emission,
            regions=labels,
            region_names=tuple(lesion.name for lesion in self.lesions),
            notes={
                "title": f"true {self.therapy} source of the synthetic patient {self.patient}",
                "decays": float(decays.sum()),
                "administered_mbq": therapy_mbq,
                "surrounded_by": "vacuum",
            },
        )

    @cached_property
    def truth(self) -> tuple[LesionTruth, ...]:
        """The truth of each lesion."""
        therapy, tracer = nuclides.nuclide(self.therapy), nuclides.nuclide(self.tracer)
        rows = []
        for label, (lesion, region) in enumerate(
            zip(self.lesions, self.regions[-len(self.lesions) :], strict=True), start=1
        ):
            effective = therapy.decay_constant_per_h + math.log(2.0) / lesion.biological_half_life_h
            tau = self.tia_coefficient_h_per_ml(region) * lesion.volume_ml
            per_gbq = tau * sphere_s_value_gy_per_gbq_h(lesion.mass_g)
            rows.append(
                LesionTruth(
                    label=label,
                    name=lesion.name,
                    site=lesion.site,
                    centre_mm=lesion.centre_mm,
                    volume_ml=lesion.volume_ml,
                    mass_g=lesion.mass_g,
                    density_g_cm3=lesion.density_g_cm3,
                    diameter_mm=float(sphere_diameter_mm(lesion.volume_ml)),
                    uptake_percent_per_g_24h=lesion.uptake_percent_per_g_24h,
                    uptake_percent_24h=100.0 * lesion.uptake_fraction_24h,
                    biological_half_life_h=lesion.biological_half_life_h,
                    effective_half_life_h=math.log(2.0) / effective,
                    tia_coefficient_h=tau,
                    tia_mbq_h_per_gbq=1000.0 * tau,
                    concentration_bq_ml={
                        f"{t:g} h": self.retention(region, t) * self.tracer_mbq * 1e6 * tracer.decay_factor(t)
                        for t in self.times_h
                    },
                    sphere_ldpa_gy_per_gbq=per_gbq,
                    sphere_dose_gy=per_gbq * self.therapy_mbq / 1000.0,
                )
            )
        return tuple(rows)

    @cached_property
    def scans(self) -> tuple[tuple[Volume, Volume], ...]:
        """One (PET [Bq/mL at its own scan time], CT [HU]) per scan time, with blur and noise."""
        return tuple(self._scan(number) for number in range(len(self.times_h)))

    def shift_of(self, number: int) -> tuple[float, float, float]:
        """How far the patient has moved at one scan (z, y, x) [mm]."""
        return self.shift_mm if number else (0.0, 0.0, 0.0)

    def pet_without_noise(self, number: int) -> np.ndarray:
        """Blurred activity concentration [Bq/mL] of one scan on the PET grid, before noise."""
        return self._blurred(self._painted_scan(number)["activity"])

    def _painted_scan(self, number: int) -> dict[str, np.ndarray]:
        hours, tracer = self.times_h[number], nuclides.nuclide(self.tracer)
        scale = self.tracer_mbq * 1e6 * tracer.decay_factor(hours)
        return self.paint(
            _moved(self.ct_grid, self.shift_of(number)),
            {
                "hu": [hu_of_density(r.density_g_cm3) for r in self.regions],
                "activity": [self.retention(r, hours) * scale for r in self.regions],
            },
        )

    def _blurred(self, fine: np.ndarray) -> np.ndarray:
        """Blur on the CT grid, then average eight voxels to one of the PET."""
        from scipy.ndimage import gaussian_filter

        sigma = self.fwhm_mm / FWHM_PER_SIGMA / self.ct_grid.spacing_mm[0]
        smooth = gaussian_filter(fine, sigma, mode="nearest", truncate=5.0)
        nz, ny, nx = self.grid.shape
        return smooth.reshape(nz, 2, ny, 2, nx, 2).mean(axis=(1, 3, 5))

    def _scan(self, number: int) -> tuple[Volume, Volume]:
        painted = self._painted_scan(number)
        pet = self._blurred(painted["activity"])
        noise = correlated_noise(self.grid.shape, noise_stream(self.seed, 2 * number))
        pet = pet * positive_noise(noise, self._cov(pet))
        grain = noise_stream(self.seed, 2 * number + 1).standard_normal(self.ct_grid.shape, dtype=np.float32)
        hu = np.clip(np.rint(painted["hu"] + self.ct_noise_hu * grain), -1024, 3071)
        frame = f"{self.patient} scan {number + 1}"
        return (
            Volume(self.grid, pet.astype(np.float32), "Bq/mL", source=frame),
            Volume(self.ct_grid, hu.astype(np.int16), "HU", source=frame),
        )

    def _cov(self, pet: np.ndarray) -> np.ndarray:
        """Voxel COV: the liver's at 24 h over the square root of the concentration, at most 0.6."""
        liver = Region("liver", Ellipsoid((0, 0, 0), (1, 1, 1)), 1.06, self.uptakes.liver)
        decay = nuclides.nuclide(self.tracer).decay_factor(24.0)
        reference = self.retention(liver, 24.0) * self.tracer_mbq * 1e6 * decay
        with np.errstate(divide="ignore"):
            return np.minimum(self.liver_cov * np.sqrt(reference / np.maximum(pet, 1e-30)), 0.6)

    def paint(self, grid: Grid, values: dict[str, list[float]], regions: int | None = None) -> dict[str, np.ndarray]:
        """Lay every region over what lies below it by its volume fraction, for several quantities.

        ``values`` holds one number a region for each of ``density``, ``hu``, ``tia``, ``activity``; only
        the first ``regions`` are painted when that is given.
        """
        start = {"density": AIR_DENSITY, "hu": -1000.0, "tia": 0.0, "activity": 0.0}
        out = {name: np.full(grid.shape, start[name]) for name in values}
        for number, region in enumerate(self.regions[:regions]):
            lesion = number >= len(self.regions) - len(self.lesions)
            box, part = fraction(region.shape, grid, points=10 if lesion else 3)
            for name, per_region in values.items():
                out[name][box] += part * (per_region[number] - out[name][box])
        return out

    def save_nifti(self, folder: str | Path) -> Path:
        """Write images, lesions, case file and truth as NIfTI; returns the path of ``case.yaml``."""
        from .files import save_nifti

        return save_nifti(self, Path(folder))

    def save_dicom(self, folder: str | Path) -> Path:
        """Write the scans as DICOM (CT, PET in BQML, RTSTRUCT) and the truth; returns the folder."""
        from .dicom import save_patient

        return save_patient(self, Path(folder))


def synthetic_patient(seed: int = 1, voxel_mm: float = 4.0, **options: Any) -> SyntheticPatient:
    """The default synthetic patient: six lesions, 124I PET/CT at 24 h and 96 h.

    Parameters
    ----------
    seed
        Seed of the noise; the anatomy and the lesions do not depend on it.
    voxel_mm
        PET voxel size [mm].
    options
        Any other field of :class:`SyntheticPatient`.
    """
    return SyntheticPatient(seed=seed, voxel_mm=voxel_mm, **options)


def lesion_shape(lesion: Lesion) -> Ellipsoid:
    """The shape of a lesion, of exactly its volume."""
    return sphere(lesion.centre_mm, lesion.volume_ml, lesion.ratios)


def hu_of_density(density_g_cm3: float) -> float:
    """CT number of a tissue: the inverse of the density curve, its soft-tissue branch where it has two."""
    hu = np.arange(-1000.0, 2001.0, 0.5)
    return float(hu[np.argmin(np.abs(tissue.DEFAULT_CALIBRATION.density(hu) - density_g_cm3))])


def _moved(grid: Grid, shift_mm: Sequence[float]) -> Grid:
    """The grid as the patient sees it after moving by ``shift_mm``."""
    origin = tuple(o - s for o, s in zip(grid.origin_mm, shift_mm, strict=True))
    return Grid(grid.shape, grid.spacing_mm, (origin[0], origin[1], origin[2]))
