"""Incoherent scattering: Klein-Nishina times the incoherent scattering function of the material.

The Klein-Nishina energy is sampled by the two-branch composition of Butcher & Messel (1960) and accepted with
S(x)/Z (Hubbell et al., J Phys Chem Ref Data 4 (1975) 471) at the momentum transfer of the sampled angle.
Neglected: the Doppler broadening of the scattered energy and the binding energy of the struck shell
(docs/methods/photons.md).
"""

import math

from ...constants import INVERSE_HC, LOOP_CAP, MC2
from ...interp import lerp, locate
from ...rng import draw4, next_draw
from ...tables import CAPPED_COMPTON, TRANSFER_SHIFT
from ...target import device, exp, i32, i64, log, real


@device
def scattering_function(world, medium, x):
    """S(x)/Z of a material at x = sin(theta/2)/lambda [1/Angstrom], between 0 and 1."""
    node, fraction = locate(x, world.x_low, world.x_nodes, TRANSFER_SHIFT)
    return lerp(world.photons, world.x_incoherent + medium * world.x_nodes + node, i32(1), fraction)


@device
def sample_compton(world, counters, medium, energy, key, draw):
    """Scattered energy [MeV], cosine and azimuth (share of a turn), a spare uniform number, the next draw address."""
    a = energy / MC2
    low = 1.0 / (1.0 + 2.0 * a)
    low2 = low * low
    branch1 = -log(low)
    branch2 = 0.5 * (1.0 - low2)
    share1 = branch1 / (branch1 + branch2)
    eps = real(1.0)
    t = real(0.0)
    r4 = real(0.5)
    accepted = False
    for _ in range(LOOP_CAP):
        r1, r2, r3, r4 = draw4(key, draw)
        draw = next_draw(draw)
        if r1 < share1:
            eps = exp(-branch1 * r2)
            r1 = r1 / share1
        else:
            eps = math.sqrt(low2 + (1.0 - low2) * r2)
            r1 = (r1 - share1) / (1.0 - share1)
        t = min(max((1.0 - eps) / (a * eps), real(0.0)), real(2.0))
        g = 1.0 - eps * t * (2.0 - t) / (1.0 + eps * eps)
        if r3 < g:
            x = energy * INVERSE_HC * math.sqrt(0.5 * t)
            bound = scattering_function(world, medium, x)
            if r1 < bound:
                r1 = r1 / bound
                accepted = True
                break
    if not accepted:
        counters[CAPPED_COMPTON] += i64(1)
    return energy * eps, 1.0 - t, r4, r1, draw
