"""Main emissions of 177Lu and 131I, for speed alone: where neither decay data nor reference files are.

Lines and beta branches as the evaluated files list them (ENSDF, through NuDat 3.0: 177Lu, Nuclear Data Sheets
2019;159:1; 131I, Nuclear Data Sheets 2006;107:2715), those that make at least 0.2 % of the energy of their kind, shells
joined; Auger electrons as the mean line of each shell. Spectra have the allowed shape with the evaluated mean energy of
each branch. A decay then has the same work for a kernel as with the complete data, within a few percent, which
``tests/unit/tools/test_gpu_emission.py`` holds; doses come from the complete data alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.nuclides.spectra import allowed_shape

POINTS = 400


class Lines(NamedTuple):
    """Emissions of a nuclide: (energy or mean energy [MeV], number per decay)."""

    daughter_z: int
    endpoint_mev: float
    betas: tuple[tuple[float, float], ...]
    photons: tuple[tuple[float, float], ...]
    electrons: tuple[tuple[float, float], ...]


LINES = {
    "Lu-177": Lines(
        72, 0.4983,
        ((0.1494, 0.7944), (0.1112, 0.0889), (0.0472, 0.1166)),
        (
            (0.20837, 0.1038), (0.11295, 0.0620), (0.24967, 0.0020), (0.32132, 0.0022), (0.07164, 0.0017),
            (0.05579, 0.0275), (0.05461, 0.0157), (0.06330, 0.0115), (0.0084, 0.0310),
        ),
        ((0.04761, 0.0515), (0.10220, 0.0690), (0.11070, 0.0172), (0.14302, 0.0055), (0.1975, 0.0010),
         (0.0465, 0.0028), (0.0062, 0.0860), (0.0010, 0.2000)),
    ),
    "I-131": Lines(
        54, 0.8069,
        ((0.1916, 0.8950), (0.0966, 0.0723), (0.0694, 0.0210), (0.0869, 0.0065), (0.2832, 0.0048)),
        (
            (0.36449, 0.8150), (0.63699, 0.0716), (0.28431, 0.0612), (0.08019, 0.0262), (0.72291, 0.0177),
            (0.50300, 0.0036), (0.64272, 0.0022), (0.32579, 0.0027), (0.17721, 0.0027),
            (0.02978, 0.0256), (0.02946, 0.0138), (0.03362, 0.0072), (0.0044, 0.0060),
        ),
        ((0.32993, 0.0155), (0.04563, 0.0354), (0.35932, 0.0026), (0.24975, 0.0025), (0.07505, 0.0047),
         (0.0246, 0.0063), (0.00343, 0.0510), (0.0008, 0.1000)),
    ),
}  # fmt: skip


def main_emission(nuclide: str) -> Emission:
    """Main emissions of a nuclide of :data:`LINES`."""
    lines = LINES[nuclide]
    energy = np.linspace(0.0, lines.endpoint_mev, POINTS)
    spectrum = sum(number * allowed_shape(energy, mean, lines.daughter_z, -1) for mean, number in lines.betas)
    return Emission(
        nuclide=nuclide,
        electron_lines=np.array(lines.electrons),
        photon_lines=np.array(lines.photons),
        beta_mev=energy,
        beta_per_mev=np.asarray(spectrum),
    )
