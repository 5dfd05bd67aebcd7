"""Coherent scattering.

Law: Thomson's (1 + cos^2)/2 times the squared form factor F(x)^2 of the material. x^2 is sampled from F^2 by
    inverting its cumulative integral up to the largest transfer that the energy allows, then accepted with (1 +
    cos^2)/2.
Source: Hubbell & Overbo, J Phys Chem Ref Data 8 (1979) 69 for F.
Neglects: interference between atoms, and polarisation (docs/methods/photons.md).
"""

from ...constants import INVERSE_HC, LOOP_CAP
from ...interp import lerp, locate, node_value
from ...rng import draw4, next_draw
from ...tables import CAPPED_RAYLEIGH, TRANSFER_SHIFT
from ...target import device, i32, i64, real, u32


@device
def sample_rayleigh(world, counters, medium, energy, key, draw):
    """Cosine and azimuth (fraction of 2 pi) of the scattered photon; and the next draw address."""
    base = i32(world.x_coherent + medium * world.x_nodes)
    x_max = energy * INVERSE_HC
    node, fraction = locate(x_max, world.x_low, world.x_nodes, TRANSFER_SHIFT)
    x_low = node_value(node, world.x_low, TRANSFER_SHIFT)
    x_high = node_value(i32(node + i32(1)), world.x_low, TRANSFER_SHIFT)
    # between nodes the integrand F^2 is constant, so the cumulative integral is linear in x^2
    fraction = (x_max * x_max - x_low * x_low) / (x_high * x_high - x_low * x_low)
    fraction = min(max(fraction, real(0.0)), real(1.0))
    top = lerp(world.photons, base + node, i32(1), fraction)
    cosine = real(1.0)
    r3 = real(0.5)
    accepted = False
    for _ in range(LOOP_CAP):
        r1, r2, r3, r4 = draw4(key, draw)
        draw = next_draw(draw)
        target = r1 * top
        low = i32(0)
        high = i32(world.x_nodes - i32(1))
        while high - low > 1:
            middle = i32((low + high) // 2)
            if world.photons[u32(base + middle)] <= target:
                low = middle
            else:
                high = middle
        first = world.photons[u32(base + low)]
        a = node_value(low, world.x_low, TRANSFER_SHIFT)
        a = a * a
        if target < first:
            # below the first node the cumulative integral is linear from 0
            x2 = a * target / first
        else:
            width = world.photons[u32(base + low + 1)] - first
            f = (target - first) / width if width > 0.0 else real(0.0)
            b = node_value(i32(low + i32(1)), world.x_low, TRANSFER_SHIFT)
            x2 = a + f * (b * b - a)
        cosine = max(1.0 - 2.0 * x2 / (x_max * x_max), real(-1.0))
        if r2 < 0.5 * (1.0 + cosine * cosine):
            accepted = True
            break
    if not accepted:
        counters[CAPPED_RAYLEIGH] += i64(1)
    return cosine, r3, draw
