"""State of a particle between two events: all that its next flight or segment depends on."""

from typing import NamedTuple

from .scalar_types import F32, I32, U32

#: What an advance returns: the particle goes on, has stopped (its last energy is not scored yet), no longer exists, or
#: has come to an interaction that is still to be simulated.
ALIVE, STOPPED, GONE, INTERACTS = 0, 1, 2, 3


class Position(NamedTuple):
    """Where a decay happens."""

    ix: I32  # voxel
    iy: I32
    iz: I32
    px: F32  # offset in it [cm]
    py: F32
    pz: F32


class Photon(NamedTuple):
    """A photon before a flight."""

    ix: I32  # voxel
    iy: I32
    iz: I32
    px: F32  # offset in it [cm]
    py: F32
    pz: F32
    u: F32  # direction
    v: F32
    w: F32
    quanta: I32  # energy
    node: I32  # where the attenuation tables hold that energy
    fraction: F32
    inverse_majorant: F32  # [cm]


class Charged(NamedTuple):
    """An electron or positron before a segment."""

    kind: I32
    ix: I32  # voxel, its flat index and density [g/cm3]
    iy: I32
    iz: I32
    voxel: U32
    density: F32
    row: I32  # of its tables in this material, and the residual range at the cut-off there [g/cm2]
    cut_path: F32
    px: F32  # offset in the voxel [cm]
    py: F32
    pz: F32
    u: F32  # direction
    v: F32
    w: F32
    quanta: I32  # energy, and the same in MeV
    energy: F32
    unscored: I32  # energy lost in this voxel and not yet scored [quanta]
    path_left: F32  # residual range [g/cm2]
    at: I32  # where the slowing-down table holds it
    fraction: F32
    depth_left: F32  # optical depth to the next hard event
    r_photon: F32  # uniform number: whether the electron makes a photon if range rejection ends it
    event: I32  # what ended the last segment
    to_hinge: F32  # path to the hinge of the present step, and from there to its end [g/cm2]
    after_hinge: F32
    factor: F32  # straggling before the hinge and after it
    factor_after: F32
    cosine: F32  # deflection at the hinge
    azimuth: F32
