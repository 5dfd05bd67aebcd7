"""The flat bundle that a transport kernel reads: a few arrays and many scalars.

The host fills it once (``engine/transport/world.py``); nothing here is derived twice. Energies in MeV,
lengths in cm, mass thickness in g/cm2. All arrays are one-dimensional and C-contiguous.
"""

from typing import Any, NamedTuple

#: One quantum of energy is 2**-26 MeV (15 meV): every energy in a history is a whole number of them.
QUANTA_PER_MEV = 1 << 26

# Columns of the photon table (cm2/g): total, then running sums of the partial coefficients.
PHOTON_COLUMNS = 4  # total, photoelectric, + incoherent, + coherent; the rest is pair production

# Columns of the slowing-down table of a charged particle, on nodes of its residual range:
# energy [MeV]; path of one step [g/cm2]; relative rise of the scattering power along it; relative straggling of
# its energy loss; CSDA range [g/cm2]; mean number of bremsstrahlung photons it still makes; strength K of a step; and
# one that is empty: 32 bytes are one fetch.
TRACK_COLUMNS = 8
ENERGY, STEP, SKEW, STRAGGLE, CSDA, YIELD, STRENGTH = range(7)

# Columns of the table that says at once whether an electron stays, on nodes of energy: CSDA range, photons made.
ARREST_COLUMNS = 2

# Columns of the hard-event table, on nodes of energy: residual range [g/cm2]; hard events per MeV lost over the
# majorant; share of collisions in them; share of collisions and bremsstrahlung.
HARD_COLUMNS = 4
RANGE, ACCEPT, COLLISION_SHARE, RADIATIVE_SHARE = range(HARD_COLUMNS)

# Columns of the fluorescence table: K edge, then probability and energy of three lines, and one that is empty.
FLUORESCENCE_COLUMNS = 8

# Nodes of an inverse cumulative distribution of incoherent scattering, from 0 to 1 in the root of the probability.
COMPTON_POINTS = 65

# Distance of table nodes in bits of a float32 (interp.py): 2^(23 - shift) nodes an octave
PHOTON_SHIFT = 16  # attenuation over energy: 128
COMPTON_SHIFT = 19  # angles of incoherent scattering over energy: 16
TRANSFER_SHIFT = 18  # functions of momentum transfer: 32
TRACK_SHIFT = 17  # slowing down over residual range: 64
HARD_SHIFT = 17  # hard events over energy: 64
GS_SHIFT = 20  # scattering angles over energy: 8
BREMS_SHIFT = 20  # photon spectra over energy: 8

# Counters of a run (int64), in this order.
COUNTERS = (
    "emitted",  # energy quanta
    "escaped",
    "deposited",
    "decays",
    "photon_flights",
    "photon_collisions",
    "electron_steps",
    "electron_segments",
    "hard_collisions",
    "bremsstrahlung_photons",
    "range_rejections",
    "electrons",
    "stack_overflows",
    "capped_rayleigh",
    "capped_moller",
    "capped_annihilation",
    "capped_flights",
    "capped_sauter",
    "track_scored",  # energy quanta scored along photon flights
    "transferred",  # and those that collisions handed over instead of depositing them
)
(
    EMITTED,
    ESCAPED,
    DEPOSITED,
    DECAYS,
    PHOTON_FLIGHTS,
    PHOTON_COLLISIONS,
    ELECTRON_STEPS,
    ELECTRON_SEGMENTS,
    HARD_COLLISIONS,
    BREMS_PHOTONS,
    RANGE_REJECTIONS,
    ELECTRONS,
    STACK_OVERFLOWS,
    CAPPED_RAYLEIGH,
    CAPPED_MOLLER,
    CAPPED_ANNIHILATION,
    CAPPED_FLIGHTS,
    CAPPED_SAUTER,
    TRACK_SCORED,
    TRANSFERRED,
) = range(len(COUNTERS))

#: Depth of the particle stack of one history; a particle that does not fit is deposited where it is and counted.
STACK_DEPTH = 48
STACK_REALS = 6  # offset in the voxel (x, y, z) [cm], direction (u, v, w)
STACK_INTS = 5  # kind, voxel indices (x, y, z), energy quanta

PHOTON, ELECTRON, POSITRON, LOCAL = 0, 1, 2, 3


class Key(NamedTuple):
    """Address of one history's random numbers."""

    history_low: Any
    history_high: Any
    seed_low: Any
    seed_high: Any
    stream: Any


class World(NamedTuple):
    """Geometry and every physics table, by index arithmetic only.

    A table of material m, node i and column c stands at ``array[offset + (m * nodes + i) * columns + c]``.
    Nodes are equidistant in the bits of a float32 (``interp.py``); ``*_low`` are the bits of the first.
    """

    # geometry
    nx: Any
    ny: Any
    nz: Any
    hx: Any  # voxel size [cm]
    hy: Any
    hz: Any
    ihx: Any  # its inverse
    ihy: Any
    ihz: Any
    density: Any  # float32 [g/cm3]
    material: Any  # uint8
    # photons
    photons: Any  # float32: all photon tables
    p_nodes: Any
    p_low: Any
    p_majorant: Any  # offset of the majorant [1/cm]
    x_nodes: Any  # momentum-transfer grid: x = sin(theta/2)/lambda [1/Angstrom]
    x_low: Any
    compton: Any  # offset of the angles of incoherent scattering, COMPTON_POINTS columns
    c_nodes: Any
    c_low: Any
    x_coherent: Any  # offset of the running integral of F(x)^2 dx^2
    fluorescence: Any  # offset of the fluorescence table
    fluorescence_rows: Any  # elements with X rays worth following, per material
    photon_cutoff: Any
    transport_photons: Any  # 0: photon energy is deposited where it is born
    p_absorption: Any  # offset of the energy-absorption coefficient [cm2/g], one column
    # (1,): photon flights score, electrons released by photons are not transported; (): analog. A tuple, because its
    # length is part of its type: each mode is compiled without the other's code
    track_length: Any
    # electrons and positrons: row = particle * n_materials + material
    n_materials: Any
    track: Any  # float32, slowing-down tables
    t_nodes: Any
    t_low: Any
    hard: Any  # float32, hard-event tables
    e_nodes: Any
    e_low: Any
    arrest: Any  # float32, on the same nodes
    hard_majorant: Any  # float32, hard events per MeV lost, per row
    cut_range: Any  # float32, residual range at the cut-off, per row [g/cm2]
    gs: Any  # float32: multiple-scattering tables
    gs_energies: Any
    gs_low: Any
    gs_points: Any
    brems: Any  # float32: inverse cumulative photon spectra
    b_energies: Any
    b_low: Any
    b_points: Any
    b_thick: Any  # offset of the slowing-down (thick-target) spectra
    electron_cutoff: Any
    collision_cutoff: Any
    range_rejection: Any
    # source
    source_cdf: Any  # int64, running sums scaled to 2**62
    source_voxel: Any  # int32 flat indices
    source_guide: Any  # int32: where to start in source_cdf, by the leading bits of the target
    source_shift: Any  # how far those bits stand to the left
    emission: Any  # float32 spectra and lines
    emission_guide: Any  # int32: where to start in a category's running sum
    emission_index: Any  # int32: per category kind, offset, points, is_spectrum, offset of its guide
    emission_rate: Any  # int64: particles per decay and category, in units of 2**-32
    n_categories: Any
    local_quanta: Any  # energy per decay that is deposited where it is born
