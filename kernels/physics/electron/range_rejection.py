"""Range rejection: an electron that cannot leave its voxel is deposited there.

Law: an electron whose CSDA range is at most the perpendicular distance to the nearest face stops in its voxel. Its
    bremsstrahlung is not lost: with a probability equal to the mean number of photons it emits one, from the spectrum
    of the whole slowing-down.
Source: CSDA ranges of the stopping powers of ICRU Report 37 (1984); spectrum in bremsstrahlung.py.
Neglects: more than one photon per electron, and the direction and place of that photon along the track; positrons are
    never rejected (docs/methods/electrons.md).
"""

from ...geometry import nearest_face
from ...interp import lerp
from ...tables import RANGE_REJECTIONS
from ...target import device, i64
from .bremsstrahlung import emit_slowing_down_photon


@device
def apply_range_rejection(
    world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, density, row, table, at,
    columns, fraction, quanta, energy, r_photon, key, draw,
):  # fmt: skip
    """Whether an electron stops in its voxel, its quanta less those of a photon it emits, and (depth, draw).

    Its CSDA range is at ``at`` in a ``table`` of so many ``columns``, its photon yield in the next column;
    ``r_photon`` is a uniform number.
    """
    if world.range_rejection == 0:
        return False, quanta, depth, draw
    if nearest_face(world, px, py, pz) * density < lerp(table, at, columns, fraction):
        return False, quanta, depth, draw
    counters[RANGE_REJECTIONS] += i64(1)
    if r_photon < lerp(table, at + 1, columns, fraction):
        quanta, depth, draw = emit_slowing_down_photon(
            world, tally, counters, stack_real, stack_int, depth, ix, iy, iz, px, py, pz, row, quanta, energy, key, draw
        )
    return True, quanta, depth, draw
