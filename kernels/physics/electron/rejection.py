"""Range rejection: an electron that cannot leave its voxel is left there.

Its CSDA range is no longer than the distance to the nearest face. The bremsstrahlung of its slowing-down is not lost:
with the probability of the mean number of photons it makes one, from the spectrum of a whole slowing-down.
"""

from ...constants import QUANTA
from ...geometry import isotropic, nearest_face
from ...interp import lerp
from ...rng import draw4, next_draw
from ...scoring import push
from ...tables import BREMS_PHOTONS, PHOTON, RANGE_REJECTIONS
from ...target import device, i32, i64
from .bremsstrahlung import sample_photon_energy


@device
def arrested(
    world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, density, row, table, at,
    columns, fraction, quanta, energy, chance, key, draw,
):  # fmt: skip
    """Whether an electron stays in its voxel, its quanta less those of a photon it made, and (depth, draw).

    Its CSDA range stands at ``at`` in a ``table`` of so many ``columns``, its photon yield behind that; ``chance`` is a
    uniform number.
    """
    if world.range_rejection == 0:
        return False, quanta, depth, draw
    if nearest_face(world, px, py, pz) * density < lerp(table, at, columns, fraction):
        return False, quanta, depth, draw
    counters[RANGE_REJECTIONS] += i64(1)
    if chance < lerp(table, at + 1, columns, fraction):
        q1, q2, q3, q4 = draw4(key, draw)
        draw = next_draw(draw)
        k = sample_photon_energy(world, world.b_thick, row, energy, q1, q2)
        kq = min(i32(k * QUANTA), quanta)
        a, b, c = isotropic(q3, q4)
        counters[BREMS_PHOTONS] += i64(1)
        depth = push(world, stack_real, stack_int, depth, tally, counters, PHOTON, ix, iy, iz, px, py, pz, a, b, c, kq)
        quanta = i32(quanta - kq)
    return True, quanta, depth, draw
