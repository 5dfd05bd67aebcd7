"""One deposit function: whole energy quanta into the tally of one voxel, and the particle stack."""

from .constants import MC2_QUANTA
from .geometry import voxel_index
from .tables import (
    DEPOSITED,
    ESCAPED,
    LOCAL,
    PHOTON,
    POSITRON,
    STACK_DEPTH,
    STACK_INTS,
    STACK_OVERFLOWS,
    STACK_REALS,
    TRACK_SCORED,
    TRANSFERRED,
)
from .target import atomic_add, device, i32, i64, u32


@device
def deposit(tally, counters, voxel, quanta):
    """Score ``quanta`` in a voxel."""
    if quanta != 0:
        atomic_add(tally, voxel, i64(quanta))
        counters[DEPOSITED] += i64(quanta)


@device
def score_path(tally, counters, voxel, quanta):
    """Score the expected energy that a flight deposits in a voxel; it is not part of the energy balance."""
    if quanta != 0:
        atomic_add(tally, voxel, quanta)
        counters[TRACK_SCORED] += quanta


@device
def transfer(counters, quanta):
    """Energy a collision transfers to matter when flights score: counted as deposited, in no voxel."""
    counters[DEPOSITED] += i64(quanta)
    counters[TRANSFERRED] += i64(quanta)


@device
def escape(counters, quanta):
    """Count energy that leaves the grid."""
    counters[ESCAPED] += i64(quanta)


@device
def push(world, stack_real, stack_int, depth, tally, counters, kind, ix, iy, iz, px, py, pz, u, v, w, quanta):
    """Put a particle on the stack; one that cannot be followed is deposited at its position.

    Photons are deposited at once when photon transport is off, and so is any particle when the stack is full (counted).
    Returns the new depth.
    """
    local = kind == PHOTON and world.transport_photons == 0
    if depth >= STACK_DEPTH:
        counters[STACK_OVERFLOWS] += i64(1)
        local = True
    if local or kind == LOCAL:
        energy = i64(quanta)
        if kind == POSITRON:
            energy += i64(2) * i64(MC2_QUANTA)
        deposit(tally, counters, voxel_index(world, ix, iy, iz), energy)
        return depth
    a = u32(depth * STACK_REALS)
    stack_real[a] = px
    stack_real[a + 1] = py
    stack_real[a + 2] = pz
    stack_real[a + 3] = u
    stack_real[a + 4] = v
    stack_real[a + 5] = w
    b = u32(depth * STACK_INTS)
    stack_int[b] = i32(kind)
    stack_int[b + 1] = ix
    stack_int[b + 2] = iy
    stack_int[b + 3] = iz
    stack_int[b + 4] = i32(quanta)
    return i32(depth + i32(1))


@device
def pop(stack_real, stack_int, depth):
    """Take the top particle from the stack.

    Returns (depth, kind, voxel indices x, y, z, offset x, y, z, direction u, v, w, quanta).
    """
    depth = i32(depth - i32(1))
    a = u32(depth * STACK_REALS)
    b = u32(depth * STACK_INTS)
    return (
        depth, i32(stack_int[b]), i32(stack_int[b + 1]), i32(stack_int[b + 2]), i32(stack_int[b + 3]),
        stack_real[a], stack_real[a + 1], stack_real[a + 2],
        stack_real[a + 3], stack_real[a + 4], stack_real[a + 5], i32(stack_int[b + 4]),
    )  # fmt: skip
