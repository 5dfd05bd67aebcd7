"""The dose of a case by each method."""

from __future__ import annotations

from ...engine.dose.compute import compute_dose
from ...engine.dose.map import DoseMap
from ...engine.dose.methods import METHODS
from ...engine.transport.run_options import RunOptions
from .design import Case
from .kernels import soft_tissue_dose
from .score import Score, score, weights
from .spheres import Sphere, built

#: Methods that are held against Monte Carlo.
COMPARED = ("local", "local+photons", "kernel", "kernel-unscaled")
#: Of these the convolutions with the kernel of soft tissue, by whether voxel masses scale them.
KERNELS = {"kernel": True, "kernel-unscaled": False}
#: Batches that standard errors come from.
BATCHES = 50


def available() -> tuple[str, ...]:
    """Methods to hold against Monte Carlo, those of them that the program has."""
    return tuple(name for name in COMPARED if name in METHODS or name in KERNELS)


def scored(method: str, case: Case) -> Score:
    """Mean and D95 of a case by one method.

    Parameters
    ----------
    method
        ``"mc"`` or one of :data:`COMPARED`.
    case
        The case.
    """
    sphere = built(case)
    if method in KERNELS:
        dose = soft_tissue_dose(case.nuclide, sphere.problem, scaled=KERNELS[method])
        return score(sphere, DoseMap(method, dose, None, "Gy per decay"))
    options = RunOptions(
        decays=case.decays,
        seed=case.seed,
        backend="cpu",
        batches=BATCHES,
        regions=weights(sphere),
        region_names=("sphere",),
    )
    return simulated(method, sphere, options)


def simulated(method: str, sphere: Sphere, options: RunOptions) -> Score:
    """Mean and D95 of a sphere by a method of the program."""
    dose = compute_dose(method, sphere.problem, options=options)
    relative = None
    if dose.tally is not None and len(dose.tally.region_names):
        energy, error = dose.tally.region_energy()
        relative = float(error[0] / energy[0])
    return score(sphere, dose, relative)
