"""Physical constants in float64, each once; energies in MeV, lengths in cm.

CODATA 2018 (Tiesinga et al., Rev Mod Phys 93:025010, 2021); what the SI of 2019 defines is exact. The kernels hold
their own float32 values (``kernels/constants.py``), which a test compares with these.
"""

from __future__ import annotations

import math

from ..kernels.tables import QUANTA_PER_MEV

#: Electron rest energy [MeV] (CODATA 2018: 0.510 998 950 00(15)).
ELECTRON_REST_MEV = 0.51099895
#: Joules per MeV (exact: the elementary charge of the SI).
JOULE_PER_MEV = 1.602176634e-13
#: Avogadro's number [1/mol] (exact), and the same times a barn in cm2: barn per atom -> cm2/mol.
AVOGADRO = 6.02214076e23
AVOGADRO_BARN = AVOGADRO * 1e-24
#: Classical electron radius [cm] (CODATA 2018: 2.817 940 3262(13) fm).
ELECTRON_RADIUS_CM = 2.8179403262e-13
#: Fine-structure constant (CODATA 2018).
FINE_STRUCTURE = 7.2973525693e-3
#: hc [MeV Angstrom] (exact to the digits given).
HC_MEV_ANGSTROM = 1.239841984e-2
#: The quantum in which energy is counted [MeV]: 2^-26 MeV, 0.0149 eV.
QUANTUM_MEV = 1.0 / QUANTA_PER_MEV
#: Full width at half maximum of a Gaussian over its standard deviation, sqrt(8 ln 2).
FWHM_PER_SIGMA = math.sqrt(8.0 * math.log(2.0))
