"""Photoelectric absorption: which X ray follows, and the direction of the photoelectron.

Law: elements with a K edge above 5 keV may emit a K X ray; the photoelectron's direction follows Sauter's
    distribution for the K shell.
Source: Sauter, Ann Phys 11 (1931) 454; attenuation coefficients of NIST XCOM (docs/methods/photons.md).
Neglects: X rays of 5 keV and less, deposited at the absorption with the binding energy of their shell (ranges below
    0.1 mm in tissue); other shells than K for the direction (docs/methods/photons.md).
"""

import math

from ...constants import LOOP_CAP, MC2
from ...rng import draw4, next_draw
from ...tables import CAPPED_SAUTER, FLUORESCENCE_COLUMNS
from ...target import device, i32, i64, real, u32


@device
def sample_fluorescence(world, medium, energy, r):
    """Binding energy released and X-ray energy [MeV] after absorption at ``energy``; zeros for light shells.

    The table row of an element holds its K edge and, for each line, the cumulative probability (share of the
    element in the absorption above its edge, times K fraction, times yield, times intensity) and the energy.
    """
    binding = real(0.0)
    xray = real(0.0)
    base = i32(world.fluorescence + medium * world.fluorescence_rows * FLUORESCENCE_COLUMNS)
    found = False
    for row in range(world.fluorescence_rows):
        at = base + i32(row) * FLUORESCENCE_COLUMNS
        edge = world.photons[u32(at)]
        if edge > 0.0 and energy > edge and not found:
            for line in range(3):
                if not found and r < world.photons[u32(at + 1 + 2 * line)]:
                    found = True
                    binding = edge
                    xray = world.photons[u32(at + 2 + 2 * line)]
            if not found:
                r = r - world.photons[u32(at + 5)]
    return binding, xray


@device
def sample_sauter(counters, energy, key, draw):
    """Cosine and azimuth (fraction of 2 pi) of a photoelectron of ``energy`` [MeV]; and the next draw address.

    Sampled in nu = 1 - cosine from the PENELOPE form of the density, g(nu) = (2 - nu) (1/(A + nu) + B),
    with an envelope nu/(A + nu)^3 that is inverted in closed form.
    """
    tau = energy / MC2
    gamma = 1.0 + tau
    beta = math.sqrt(tau * (tau + 2.0)) / gamma
    a = 1.0 / beta - 1.0
    b = 0.5 * beta * gamma * tau * (gamma - 2.0)
    g_max = 2.0 * (1.0 / a + b)
    nu = real(0.0)
    r3 = real(0.5)
    accepted = False
    for _ in range(LOOP_CAP):
        r1, r2, r3, r4 = draw4(key, draw)
        draw = next_draw(draw)
        a2 = a + 2.0
        nu = 2.0 * a / (a2 * a2 - 4.0 * r1) * (2.0 * r1 + a2 * math.sqrt(r1))
        g = (2.0 - nu) * (1.0 / (a + nu) + b)
        if r2 * g_max <= g:
            accepted = True
            break
    if not accepted:
        counters[CAPPED_SAUTER] += i64(1)
    return max(1.0 - nu, real(-1.0)), r3, draw
