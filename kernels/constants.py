"""Physical constants (CODATA 2018) as float32 and as energy quanta."""

import numpy as np

from .tables import QUANTA_PER_MEV

MC2 = np.float32(0.51099895)  # electron rest energy [MeV]
MC2_QUANTA = np.int32(round(0.51099895 * QUANTA_PER_MEV))
QUANTA = np.float32(QUANTA_PER_MEV)
PER_QUANTUM = np.float32(1.0 / QUANTA_PER_MEV)
#: x = sin(theta/2)/lambda [1/Angstrom] = E [MeV] sin(theta/2) * 1/(hc), hc = 0.012398419843 MeV Angstrom
INVERSE_HC = np.float32(80.65543937)
#: cap of every rejection loop; at the cap the last candidate is taken, and counted
LOOP_CAP = np.int32(1000)
#: cap of a photon's flights; at the cap it is deposited at its position, and counted
FLIGHTS_CAP = np.int32(100_000)
