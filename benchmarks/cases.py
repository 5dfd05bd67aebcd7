"""The problems that are timed, by name.

Patients are the synthetic patient (neck and thorax, six lesions) with the nuclide of the therapy in its true places;
``point`` is one active voxel of 1 mm in water; ``heterogeneous`` is the reference problem of lung, soft tissue and
bone, there when the reference files are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from hevesy.engine.nuclides.decay import energy_per_decay
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.transport.problem import Problem
from hevesy.tools.reference import reference_folder

ROOT = Path(__file__).resolve().parents[1]
NUCLIDES = ("I-131", "Lu-177", "Y-90", "I-124")
PATIENT_MM = (4.0, 3.0, 2.0)
HETEROGENEOUS = "I-131 heterogeneous 3 mm"
#: the case that scaling, modes and starts are measured on
MAIN = "I-131 patient 4 mm"
QUICK = (MAIN, "Lu-177 patient 4 mm", "I-131 point 1 mm", HETEROGENEOUS)
#: the electron-free mode: another source, so its lesion doses are not those of the others
PHOTONS_ALONE = "electron-free"
#: edge of the patient of the tests [mm]: the code runs, the numbers mean nothing
TINY_MM = 16.0


def names() -> tuple[str, ...]:
    """Every named problem."""
    return tuple(
        [f"{nuclide} patient {mm:g} mm" for nuclide in NUCLIDES for mm in PATIENT_MM]
        + ["I-131 point 1 mm", HETEROGENEOUS]
    )


@lru_cache(maxsize=2)
def load(name: str) -> Problem | None:
    """A problem by name; None when its file is not here."""
    nuclide, kind, *size = name.split()
    if kind == "patient":
        from hevesy.phantoms.patient import synthetic_patient

        return synthetic_patient(therapy=nuclide).true_problem(voxel_mm=float(size[0]))
    if kind == "point":
        from hevesy.phantoms.problems import point_source

        return point_source(nuclide, voxel_mm=float(size[0]), voxels=41)
    folder = reference_folder()
    return Problem.load(folder / "i131_heterogeneous_3mm.npz") if folder else None


def photons_alone(problem: Problem) -> Problem:
    """The same problem with the photon lines alone."""
    return replace(problem, emission=Emission(photon_lines=problem.emission.photon_lines))


def modes(problem: Problem) -> Iterator[tuple[str, str, Problem, dict]]:
    """Full transport and what a user could leave out: (name, what it is, problem, physics options)."""
    yield "full", "electrons to 10 keV, photons to 1 keV, analog", problem, {}
    yield (
        "50 keV",
        "electrons to 50 keV, photons to 10 keV",
        problem,
        {
            "electron_cutoff_mev": 0.05,
            "photon_cutoff_mev": 0.01,
        },
    )
    yield (
        "no range rejection",
        "electrons that cannot leave their voxel are followed all the same",
        problem,
        {"range_rejection": False},
    )
    yield (
        "track-length",
        "photon flights score; source electrons transported",
        problem,
        {"photon_scoring": "track-length"},
    )
    yield (
        "electron-local",
        "every electron below 1 MeV deposited where it is born",
        problem,
        {"electron_cutoff_mev": 1.0},
    )
    yield (
        "electron-local, track-length",
        "the same, and photon flights score",
        problem,
        {
            "electron_cutoff_mev": 1.0,
            "photon_scoring": "track-length",
        },
    )
    energy = energy_per_decay(problem.emission)
    if energy.photon < 0.01 * energy.charged:
        return  # nothing to simulate
    yield (
        PHOTONS_ALONE,
        "the photon lines alone, scored along their flights: no electron at all",
        photons_alone(problem),
        {"photon_scoring": "track-length"},
    )


def lesion_means(problem: Problem, dose: np.ndarray) -> np.ndarray:
    """Mass-weighted mean dose of each region of a problem."""
    assert problem.regions is not None
    mass, labels = np.asarray(problem.density_g_cm3, float), np.asarray(problem.regions)
    weight = np.bincount(labels.ravel(), mass.ravel())
    energy = np.bincount(labels.ravel(), (mass * dose).ravel())
    return energy[1:] / np.maximum(weight[1:], 1e-300)
