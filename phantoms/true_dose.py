"""True lesion doses of a synthetic patient, with statistics that a whole-body source would never give.

In a whole patient most decays happen far from the lesions (stomach, glands, muscle). The dose of one lesion
is therefore put together from three sources, each by the means that it needs:

* everything inside a box around the lesion, lesion and background: transport in fine voxels;
* photons of the background of the whole field of view: transport of photons alone, scored in a ball of 15
  mm
  around the lesion, in which that dose hardly varies; once a patient, as the background does not change;
* photons of the other lesions: point sources in water with a linear build-up factor.

Neglected: scatter into the box of photons that left it (a few per cent of the photon self-dose, itself 2 to
5 % of the dose), the 15 % uncertainty of the last part, which is 1 % of the dose at most, and activity
outside the field of view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..engine.constants import JOULE_PER_MEV, QUANTUM_MEV
from ..engine.grid import Grid
from ..engine.nuclides import decay as nuclides
from ..engine.nuclides.emission import Emission
from ..engine.transport.problem import Problem
from ..engine.transport.run import simulate
from .patient import LesionTruth, SyntheticPatient

#: Water at 0.36 MeV (XCOM): attenuation [1/cm] and mass energy absorption [cm2/g].
_ATTENUATION_PER_CM, _ABSORPTION_CM2_PER_G = 0.111, 0.0326
_BALL_MM = 15.0


@dataclass(frozen=True)
class TrueDose:
    """Mean dose of one lesion at the patient's therapy activity [Gy], its standard error, and its parts."""

    label: int
    dose_gy: float
    sigma_gy: float
    local_gy: float
    background_photons_gy: float
    other_lesions_gy: float


def true_doses(
    patient: SyntheticPatient,
    decays: int = 20_000,
    seed: int = 1,
    background: np.ndarray | None = None,
    backend: str = "auto",
) -> tuple[TrueDose, ...]:
    """True mean dose of every lesion [Gy] at ``patient.therapy_mbq``.

    Parameters
    ----------
    patient
        The patient.
    decays
        Decays simulated in each lesion's box.
    background
        From :func:`background_photon_dose`, when already at hand.
    seed, backend
        For the transport.
    """
    if background is None:
        background = background_photon_dose(patient, seed=seed, backend=backend)
    atoms = patient.therapy_mbq * 1e6 * 3600.0  # decays per hour of time-integrated activity coefficient
    out = []
    for truth in patient.truth:
        given = lesion_box(patient, truth.label)
        inside = np.asarray(given.regions) == truth.label
        tally = simulate(given, decays=decays, seed=seed, backend=backend, regions=inside[None].astype(np.uint8))
        energy, error = tally.region_energy()
        mass_kg = float(given.density_g_cm3[inside].sum(dtype=np.float64)) * _volume_ml(given) * 1e-3
        scale = JOULE_PER_MEV / mass_kg * float(given.notes["decays"])
        others = sum(
            other.tia_coefficient_h * atoms * _point_photons_gy(patient.therapy, _distance_cm(truth, other))
            for other in patient.truth
            if other.label != truth.label
        )
        ball = float(background[truth.label - 1])
        local = float(energy[0]) * scale
        out.append(TrueDose(truth.label, local + ball + others, float(error[0]) * scale, local, ball, float(others)))
    return tuple(out)


def lesion_box(patient: SyntheticPatient, label: int, margin_mm: float = 10.0) -> Problem:
    """Transport problem of a box around one lesion at the patient's therapy activity.

    Whole voxels of a sixteenth of the lesion's radius (0.25 to 1 mm), lesion in the centre. The stepped
    surface lets more electrons out than a smooth one: 1.0 % of the dose of 1 g with voxels of an eighth of
    the radius, 0.25 % with these.
    """
    truth = patient.truth[label - 1]
    radius = truth.diameter_mm / 2.0
    step = min(max(radius / 16.0, 0.25), 1.0)
    half = math.ceil((radius * max(patient.lesions[label - 1].ratios) + margin_mm) / step)
    n = 2 * half + 1
    z, y, x = (c - half * step for c in truth.centre_mm)
    return patient.sharp_problem(Grid((n, n, n), (step, step, step), (z, y, x)), patient.therapy_mbq)


def background_photon_dose(
    patient: SyntheticPatient, decays: int = 100_000, seed: int = 1, backend: str = "auto"
) -> np.ndarray:
    """Photon dose [Gy] from the background of the whole field of view at each lesion's place.

    Depends on anatomy, uptakes and the lesions' places only, not on their size or uptake.
    """
    empty = replace(patient, lesions=())
    given = empty.true_problem(voxel_mm=8.0)
    total = float(given.notes["decays"])
    given = replace(given, emission=_photons_only(given.emission), regions=None, region_names=())
    tally = simulate(given, decays=decays, seed=seed, backend=backend, physics={"electron_cutoff_mev": 0.1})
    energy = tally.energy_quanta * QUANTUM_MEV / tally.decays * JOULE_PER_MEV * total  # J
    mass = given.density_g_cm3.astype(np.float64) * _volume_ml(given) * 1e-3  # kg
    grid = patient.grid_of(8.0)
    axes = [grid.origin_mm[i] + grid.spacing_mm[i] * np.arange(grid.shape[i]) for i in range(3)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    out = []
    for lesion in patient.lesions:
        cz, cy, cx = lesion.centre_mm
        near = (z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 <= _BALL_MM**2
        out.append(float(energy[near].sum() / mass[near].sum()))
    return np.array(out)


def _photons_only(emission: Emission) -> Emission:
    return Emission(nuclide=f"photons of {emission.nuclide}", photon_lines=emission.photon_lines)


def _point_photons_gy(name: str, distance_cm: float) -> float:
    """Photon dose [Gy] per decay of a point source in water, build-up 1 + mu r."""
    energy = nuclides.energy_per_decay(nuclides.nuclide(name).emission).photon
    depth = _ATTENUATION_PER_CM * distance_cm
    fluence = (1.0 + depth) * math.exp(-depth) / (4.0 * math.pi * distance_cm**2)
    return energy * JOULE_PER_MEV * fluence * _ABSORPTION_CM2_PER_G * 1e3


def _distance_cm(a: LesionTruth, b: LesionTruth) -> float:
    return math.dist(a.centre_mm, b.centre_mm) / 10.0


def _volume_ml(given: Problem) -> float:
    return math.prod(given.voxel_size_mm) * 1e-3
