"""A particle between two rounds of its loop: all that the next flight or segment needs to know."""

from typing import Any, NamedTuple

#: What a round leaves: a particle that goes on, one that has stopped (its last energy is still to be left), or none.
GOES_ON, STOPS, GONE = 0, 1, 2


class Place(NamedTuple):
    """Where a decay happens."""

    ix: Any  # voxel
    iy: Any
    iz: Any
    px: Any  # offset in it [cm]
    py: Any
    pz: Any


class Photon(NamedTuple):
    """A photon before a flight."""

    ix: Any  # voxel
    iy: Any
    iz: Any
    px: Any  # offset in it [cm]
    py: Any
    pz: Any
    u: Any  # direction
    v: Any
    w: Any
    quanta: Any  # energy
    node: Any  # where the attenuation tables hold that energy
    fraction: Any
    inverse_majorant: Any  # [cm]


class Charged(NamedTuple):
    """An electron or positron before a segment."""

    kind: Any
    ix: Any  # voxel, its flat index and density [g/cm3]
    iy: Any
    iz: Any
    voxel: Any
    density: Any
    row: Any  # of its tables in this material, and the residual range at the cut-off there [g/cm2]
    cut_path: Any
    px: Any  # offset in it [cm]
    py: Any
    pz: Any
    u: Any  # direction
    v: Any
    w: Any
    quanta: Any  # energy, and the same in MeV
    energy: Any
    owed: Any  # energy left in this voxel and not yet scored [quanta]
    path_left: Any  # residual range [g/cm2]
    at: Any  # where the slowing-down table holds it
    fraction: Any
    depth_left: Any  # optical depth to the next hard event
    chance: Any  # uniform number of the first look at range rejection
    event: Any  # what ended the last segment
    remaining: Any  # the present step: path to its hinge, and after it [g/cm2]
    after: Any
    factor: Any  # straggling before the hinge and after it
    factor_after: Any
    cosine: Any  # deflection at the hinge
    azimuth: Any
