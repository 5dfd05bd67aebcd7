"""Hard positron-electron collisions.

Law: Bhabha's cross section for energy transfers W from the production threshold to T; sampled from 1/W^2 and accepted
    with the remaining factor.
Source: Bhabha, Proc R Soc A 154 (1936) 195; EGS5 manual, SLAC-R-730, section 2.14.
Neglects: the binding of the struck electron (docs/methods/electrons.md).
"""

from ...constants import LOOP_CAP, MC2
from ...rng import draw4, next_draw
from ...tables import CAPPED_MOLLER
from ...target import device, i64, real


@device
def sample_bhabha(counters, energy, threshold, key, draw):
    """Energy transfer W [MeV], a spare uniform number, and the next draw address."""
    tau = energy / MC2
    y = 1.0 / (tau + 2.0)
    beta2 = tau * (tau + 2.0) / ((tau + 1.0) * (tau + 1.0))
    b1 = 2.0 - y * y
    c = 1.0 - 2.0 * y
    b2 = c * (3.0 + y * y)
    b4 = c * c * c
    b3 = b4 + c * c
    low = threshold / energy
    w = low
    r3 = real(0.5)
    accepted = False
    for _ in range(LOOP_CAP):
        r1, r2, r3, r4 = draw4(key, draw)
        draw = next_draw(draw)
        w = low / (1.0 - r1 * (1.0 - low))
        g = 1.0 + beta2 * w * (-b1 + w * (b2 + w * (-b3 + w * b4)))
        if r2 <= g:
            accepted = True
            break
    if not accepted:
        counters[CAPPED_MOLLER] += i64(1)
    return w * energy, r3, draw
