"""Voxel geometry: a particle holds integer voxel indices and its offset inside that voxel [cm].

Keeping the offset local keeps float32 exact to nanometres anywhere in a body-sized grid, and a face crossing
sets the offset to exactly 0 or h.
"""

import math

from .target import device, i32, real, u32


@device
def voxel_index(world, ix, iy, iz):
    """Flat index of a voxel inside the grid."""
    return u32(i32(i32(iz * world.ny) + iy) * world.nx + ix)


@device
def inside(world, ix, iy, iz):
    """Whether the indices lie in the grid."""
    return ix >= 0 and iy >= 0 and iz >= 0 and ix < world.nx and iy < world.ny and iz < world.nz


@device
def rehome(p, index, h, inverse):
    """Bring an offset that may lie outside its voxel back into one: (offset, voxel index)."""
    t = p * inverse
    shift = i32(t)
    if real(shift) > t:  # round down, in 32 bits
        shift = i32(shift - i32(1))
    index = i32(index + shift)
    p = p - real(shift) * h
    return min(max(p, real(0.0)), h), index


@device
def face_distance(p, direction, h):
    """Distance along the flight to the next face of the voxel on one axis [cm]."""
    if direction > 1e-9:
        return (h - p) / direction
    if direction < -1e-9:
        return -p / direction
    return real(1e30)


@device
def nearest_face(world, px, py, pz):
    """Smallest perpendicular distance to the six faces of the voxel [cm]."""
    return min(
        min(min(px, world.hx - px), min(py, world.hy - py)),
        min(pz, world.hz - pz),
    )


@device
def rotate(u, v, w, cosine, phi):
    """Turn a direction by polar angle acos(cosine) and azimuth phi."""
    sine = math.sqrt(max(1.0 - cosine * cosine, real(0.0)))
    a = math.cos(phi) * sine
    b = math.sin(phi) * sine
    p2 = u * u + v * v
    if p2 > 1e-7:
        ip = 1.0 / math.sqrt(p2)
        nu = u * cosine + (u * w * a - v * b) * ip
        nv = v * cosine + (v * w * a + u * b) * ip
        nw = w * cosine - a * p2 * ip
    else:
        sign = real(1.0) if w > 0.0 else real(-1.0)
        nu = a
        nv = b * sign
        nw = cosine * sign
    n = 1.0 / math.sqrt(nu * nu + nv * nv + nw * nw)
    return nu * n, nv * n, nw * n


@device
def isotropic(r1, r2):
    """Isotropic direction from two uniform numbers."""
    w = 2.0 * r1 - 1.0
    s = math.sqrt(max(1.0 - w * w, real(0.0)))
    phi = 6.283185307179586 * r2
    return s * math.cos(phi), s * math.sin(phi), w
