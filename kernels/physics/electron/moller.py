"""Hard electron-electron collisions.

Law: Moller's cross section for energy transfers W from the production threshold to T/2 (the faster electron is called
    the primary); sampled from 1/W^2 and accepted with the remaining factor.
Source: Moller, Ann Phys 14 (1932) 531; EGS5 manual, SLAC-R-730, section 2.13.
Neglects: the binding of the struck electron, and K X rays after the ionisation of inner shells
    (docs/methods/electrons.md).
"""

from ...constants import LOOP_CAP, MC2
from ...rng import draw4, next_draw
from ...tables import CAPPED_MOLLER
from ...target import device, i64, real


@device
def sample_moller(counters, energy, threshold, key, draw):
    """Energy transfer W [MeV], a spare uniform number, and the next draw address."""
    inverse = 1.0 / (energy + MC2)
    g2 = energy * inverse
    g2 = g2 * g2
    g3 = (2.0 * energy + MC2) * MC2 * inverse * inverse
    low = threshold / energy
    w = low
    r3 = real(0.5)
    accepted = False
    # G(x) = 1 + g2 x^2 + r (r - g3), r = x/(1-x), is convex: largest at x = 1/2 or bounded by its value at 0
    g_max = 1.0 + 0.25 * g2 + max(1.0 - g3, real(0.0))
    for _ in range(LOOP_CAP):
        r1, r2, r3, r4 = draw4(key, draw)
        draw = next_draw(draw)
        w = low / (1.0 - r1 * (1.0 - 2.0 * low))
        r = w / (1.0 - w)
        g = 1.0 + g2 * w * w + r * (r - g3)
        if r2 * g_max <= g:
            accepted = True
            break
    if not accepted:
        counters[CAPPED_MOLLER] += i64(1)
    return w * energy, r3, draw
