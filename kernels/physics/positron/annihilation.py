"""Annihilation of a positron into two photons, in flight and at rest.

Law: the share zeta of the total energy T + 2 m c^2 that the less energetic photon takes has the density
    S(zeta) + S(1 - zeta), S(z) = -(g+1)^2 + (g^2 + 4 g + 1)/z - 1/z^2, g = 1 + T/(m c^2); sampled from 1/zeta with
    rejection. At rest: two photons of m c^2, opposite and isotropic.
Source: Heitler, The Quantum Theory of Radiation (1954); sampling as in Nelson, Hirayama & Rogers, SLAC-265, section
    2.12.
Neglects: positronium (acollinearity, three photons), annihilation into one photon with a bound electron, polarisation
    (docs/methods/positrons.md).
"""

import math

from ...constants import LOOP_CAP, MC2, MC2_QUANTA
from ...geometry import isotropic
from ...rng import draw4, next_draw
from ...scoring import push
from ...tables import CAPPED_ANNIHILATION, PHOTON
from ...target import device, exp, i64, log, real


@device
def sample_annihilation(counters, energy, key, draw):
    """Share of the softer photon, its cosine, the cosine of the harder one, a uniform number, next draw."""
    g = 1.0 + energy / MC2
    momentum = math.sqrt(g * g - 1.0)
    low = 1.0 / (g + 1.0 + momentum)
    z = real(0.5)
    r3 = real(0.5)
    accepted = False
    constant = g * g + 4.0 * g + 1.0
    square = (g + 1.0) * (g + 1.0)
    # z [S(z) + S(1-z)] < constant/(1-z) - 2 square z, which is convex in z: largest at z = 0 or z = 1/2
    top = max(constant, 2.0 * constant - square)
    for _ in range(LOOP_CAP):
        r1, r2, r3, r4 = draw4(key, draw)
        draw = next_draw(draw)
        z = low * exp(r1 * log(0.5 / low))
        other = 1.0 - z
        s = -2.0 * square + constant * (1.0 / z + 1.0 / other) - 1.0 / (z * z) - 1.0 / (other * other)
        if r2 * top <= z * s:
            accepted = True
            break
    if not accepted:
        counters[CAPPED_ANNIHILATION] += i64(1)
    soft = (g + 1.0 - 1.0 / z) / momentum
    hard = (g + 1.0 - 1.0 / (1.0 - z)) / momentum
    soft = min(max(soft, real(-1.0)), real(1.0))
    hard = min(max(hard, real(-1.0)), real(1.0))
    return z, soft, hard, r3, draw


@device
def annihilate_at_rest(world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, key, draw):
    """Put the two photons of an annihilation at rest on the stack. Returns (depth, draw)."""
    r1, r2, r3, r4 = draw4(key, draw)
    draw = next_draw(draw)
    u, v, w = isotropic(r1, r2)
    for side in range(2):
        sign = real(1.0) if side == 0 else real(-1.0)
        depth = push(
            world, stack_real, stack_int, depth, tally, counters,
            PHOTON, ix, iy, iz, px, py, pz, sign * u, sign * v, sign * w, MC2_QUANTA,
        )  # fmt: skip
    return depth, draw
