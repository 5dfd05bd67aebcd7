"""Charged particles deposited where they are emitted, photons by Monte Carlo with track-length scoring.

The first part has no noise and no range; it is the dose of method ``local``. The second transports gamma and X rays
and two photons of 511 keV for every positron, from the voxel of the decay, and scores the energy that they transfer
where they transfer it. Bremsstrahlung of the emitted electrons is thus deposited in the voxel of the decay, and
positrons annihilate in it, at rest. Where electron ranges are far below a voxel, the sum is the dose of a full
Monte Carlo at a fraction of its time (docs/methods/local.md).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..constants import ELECTRON_REST_MEV
from ..nuclides.emission import Emission
from ..transport.options import PhysicsOptions
from ..transport.problem import Problem
from ..transport.run import run_transport
from ..transport.run_options import RunOptions
from .local import all_locally, charged_locally, emitted_energy
from .map import DoseMap, relative_source, voxel_volume_ml
from .montecarlo import dose_map

NAME = "hybrid"


def photon_emission(emission: Emission) -> Emission:
    """The photons of a decay: its lines, and two of 511 keV for every positron.

    Parameters
    ----------
    emission
        All that a decay emits.

    Returns
    -------
    Emission
        Photon lines alone.
    """
    lines = np.asarray(emission.photon_lines, dtype=np.float64).reshape(-1, 2)
    annihilation = emitted_energy(emission).annihilation / ELECTRON_REST_MEV
    if annihilation > 0.0:
        lines = np.vstack([lines, [[ELECTRON_REST_MEV, annihilation]]])
    return Emission(f"photons of {emission.nuclide}" if emission.nuclide else "", photon_lines=lines)


def photon_problem(problem: Problem, physics: PhysicsOptions) -> Problem | None:
    """The problem that the photon part of a hybrid dose simulates; None where no photon is followed.

    Parameters
    ----------
    problem
        The whole problem.
    physics
        Its cut-offs and switches.

    Returns
    -------
    Problem or None
        The same with photons alone and track-length scoring.
    """
    emission = photon_emission(problem.emission)
    lines = emission.photon_lines
    if not physics.photons or not (lines[:, 1][lines[:, 0] > physics.photon_cutoff_mev] > 0.0).any():
        return None
    return replace(problem, emission=emission, physics={**problem.physics, "photon_scoring": "track-length"})


def hybrid_dose(problem: Problem, decays: float | None, air_density_g_cm3: float, options: RunOptions) -> DoseMap:
    """The dose method ``hybrid``: charged particles stay, photons are transported.

    Parameters
    ----------
    problem
        Geometry, materials, source, emission.
    decays
        Number of decays that the dose is stated for; None: dose per decay.
    air_density_g_cm3
        Voxels of lower density get zero dose.
    options
        Of the simulation of the photons. Its precision goal counts relative to the whole dose.

    Returns
    -------
    DoseMap
        ``sigma`` and ``tally`` are those of the photons. Without photons sigma is zero and there is no tally.
    """
    physics = PhysicsOptions.from_dict({**problem.physics, **(options.physics or {})})
    photons = photon_problem(problem, physics)
    if photons is None:  # what a transport deposits at the decay: all, but for photons that there are none of
        whole = all_locally(problem, decays, air_density_g_cm3, options)
        return replace(whole, method=NAME, sigma=np.zeros_like(whole.mean))
    local = charged_locally(problem, decays, air_density_g_cm3, options)
    energy_mev = relative_source(problem) * emitted_energy(problem.emission).charged
    tally = run_transport(photons, replace(options, local_mev=energy_mev)).frozen()
    simulated = dose_map(tally, problem.density_g_cm3, voxel_volume_ml(problem), decays, air_density_g_cm3)
    return with_local(simulated, local)


def with_local(photons: DoseMap, local: DoseMap) -> DoseMap:
    """The hybrid dose: that of the photons, with their standard error and tally, plus that of charged particles."""
    return replace(photons, method=NAME, mean=local.mean + photons.mean, notes=local.notes)
