"""Building every physics table of a run."""

from __future__ import annotations

import numpy as np

from . import absorption, electron, photon
from .layout import Needs, PhysicsTables


def build(needs: Needs) -> PhysicsTables:
    """Build every table."""
    photons = photon.build(needs.materials, needs.photon_cutoff_mev, needs.photon_top_mev)
    electrons = electron.build(
        needs.materials,
        needs.electron_top_mev,
        needs.electron_cutoff_mev,
        needs.photon_cutoff_mev,
        needs.delta_ray_threshold_mev,
        positrons=needs.positrons,
        emit_bremsstrahlung=needs.bremsstrahlung,
        strength=needs.step_strength,
    )
    coefficients = np.empty(0, np.float32)
    if needs.absorption:
        energy = np.clip(photons.grid.values, needs.photon_cutoff_mev, None)
        coefficients = np.concatenate(
            [
                absorption.coefficients(
                    material,
                    energy,
                    absorption.radiated_energy(electrons, row, needs.photon_cutoff_mev, needs.electron_cutoff_mev),
                )
                for row, material in enumerate(needs.materials)
            ]
        ).astype(np.float32)
    return PhysicsTables(photons, electrons, coefficients)
