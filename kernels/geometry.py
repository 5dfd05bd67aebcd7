"""Voxel geometry: a particle holds integer voxel indices and its offset inside that voxel [cm].

Keeping the offset local keeps float32 exact to nanometres anywhere in a body-sized grid, and a face crossing
sets the offset to exactly 0 or h.
"""

import math

from .target import cos_sin_2pi, device, i32, real, u32


@device
def voxel_index(world, ix, iy, iz):
    """Flat index of a voxel inside the grid."""
    return u32(i32(i32(iz * world.ny) + iy) * world.nx + ix)


@device
def inside(world, ix, iy, iz):
    """Whether the indices lie in the grid."""
    # a negative index is a large unsigned one
    return u32(ix) < u32(world.nx) and u32(iy) < u32(world.ny) and u32(iz) < u32(world.nz)


@device
def wrap_to_voxel(p, index, h, inverse):
    """Offset and index of the voxel that contains an offset which may lie outside voxel ``index``."""
    t = p * inverse
    shift = i32(t)
    if real(shift) > t:  # round down, in 32 bits
        shift = i32(shift - i32(1))
    index = i32(index + shift)
    p = p - real(shift) * h
    return min(max(p, real(0.0)), h), index


@device
def face_distance(p, direction, h):
    """Distance along the flight to the next face of the voxel on one axis [cm].

    A flight parallel to the face is given a slope of 1e-9, which puts the face beyond any grid.
    """
    ahead = h - p if direction > 0.0 else p
    return ahead / max(abs(direction), real(1e-9))


@device
def nearest_face(world, px, py, pz):
    """Smallest perpendicular distance to the six faces of the voxel [cm]."""
    return min(
        min(min(px, world.hx - px), min(py, world.hy - py)),
        min(pz, world.hz - pz),
    )


@device
def rotate(u, v, w, cosine, cos_phi, sin_phi):
    """Rotate a direction by polar angle acos(cosine) and the azimuth of the given cosine and sine.

    Azimuths are measured from an axis that depends on the direction alone, so that two calls with the same direction
    and opposite cosine and sine give directions in one plane with it. The axes are those of Duff et al., J Comput
    Graph Tech 6 (2017) 1: no square root, and exact near the poles.
    """
    sine = math.sqrt(max(1.0 - cosine * cosine, real(0.0)))
    a = cos_phi * sine
    b = sin_phi * sine
    sign = real(1.0) if w >= 0.0 else real(-1.0)
    c = -1.0 / (sign + w)
    d = u * v * c
    nu = u * cosine + a * (1.0 + sign * u * u * c) + b * d
    nv = v * cosine + a * sign * d + b * (sign + v * v * c)
    nw = w * cosine - a * sign * u - b * v
    # the length is one up to rounding: one step of Newton's method for its inverse square root
    n = 1.5 - 0.5 * (nu * nu + nv * nv + nw * nw)
    return nu * n, nv * n, nw * n


@device
def isotropic(r1, r2):
    """Isotropic direction from two uniform numbers."""
    w = 2.0 * r1 - 1.0
    s = math.sqrt(max(1.0 - w * w, real(0.0)))
    c, d = cos_sin_2pi(r2)
    return s * c, s * d, w
