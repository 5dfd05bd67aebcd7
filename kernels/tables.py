"""Input of a transport kernel: a tuple of arrays and scalars, with the layout of the tables in them.

The host fills it once (``engine/transport/world.py``). Energies in MeV, lengths in cm, mass thickness in g/cm2. All
arrays are one-dimensional and C-contiguous.
"""

from typing import NamedTuple

from .scalar_types import F32, I32, I64, U32, F32Array, I32Array, I64Array, U8Array

#: One quantum of energy is 2**-26 MeV (15 meV): every energy in a history is a whole number of them.
QUANTA_PER_MEV = 1 << 26

# Columns of the photon table (cm2/g): total, then cumulative sums of the partial coefficients.
PHOTON_COLUMNS = 4  # total, photoelectric, + incoherent, + coherent; the rest is pair production

# Columns of the slowing-down table of a charged particle, on nodes of its residual range:
# energy [MeV]; path of one step [g/cm2]; relative rise of the scattering power along it; relative straggling of
# its energy loss; CSDA range [g/cm2]; mean number of bremsstrahlung photons it still makes; strength K of a step; and
# an empty one, so that a row of 32 bytes is one memory access.
TRACK_COLUMNS = 8
ENERGY, STEP, SKEW, STRAGGLE, CSDA, YIELD, STRENGTH = range(7)

# Columns of the range-rejection table, on nodes of energy: CSDA range [g/cm2], mean number of photons made. One
# look-up by energy instead of two by way of the residual range.
REJECTION_COLUMNS = 2

# Columns of the hard-event table, on nodes of energy: residual range [g/cm2]; hard events per MeV lost over the
# majorant; share of collisions in them; share of collisions and bremsstrahlung.
HARD_COLUMNS = 4
RANGE, ACCEPT, COLLISION_SHARE, RADIATIVE_SHARE = range(HARD_COLUMNS)

# Columns of the fluorescence table: K edge, then probability and energy of three lines, and one that is empty.
FLUORESCENCE_COLUMNS = 8

# Nodes of an inverse cumulative distribution of incoherent scattering, 0 to 1 in the square root of the probability.
COMPTON_POINTS = 65

# Distance of table nodes in bits of a float32 (interp.py): 2^(23 - shift) nodes per octave
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
    "transferred",  # and those that collisions transferred to matter without depositing them
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

#: Depth of the particle stack of one history; a particle that does not fit is deposited at its position and counted.
STACK_DEPTH = 48
STACK_REALS = 6  # offset in the voxel (x, y, z) [cm], direction (u, v, w)
STACK_INTS = 5  # kind, voxel indices (x, y, z), energy quanta

PHOTON, ELECTRON, POSITRON, LOCAL = 0, 1, 2, 3


class Key(NamedTuple):
    """Address of one history's random numbers."""

    history_low: U32
    history_high: U32
    seed_low: U32
    seed_high: U32
    stream: U32


class World(NamedTuple):
    """Geometry and every physics table, by index arithmetic only.

    The entry of material m, node i and column c of a table is ``array[offset + (m * nodes + i) * columns + c]``.
    Nodes are equidistant in the bits of a float32 (``interp.py``); ``*_low`` are the bits of the first.
    """

    # geometry
    nx: I32
    ny: I32
    nz: I32
    hx: F32  # voxel size [cm]
    hy: F32
    hz: F32
    ihx: F32  # its inverse
    ihy: F32
    ihz: F32
    density: F32Array  # [g/cm3]
    material: U8Array
    # photons
    photons: F32Array  # all photon tables
    p_nodes: I32
    p_low: I32
    p_majorant: I32  # offset of the majorant [1/cm]
    x_nodes: I32  # momentum-transfer grid: x = sin(theta/2)/lambda [1/Angstrom]
    x_low: I32
    compton: I32  # offset of the angles of incoherent scattering, COMPTON_POINTS columns
    c_nodes: I32
    c_low: I32
    x_coherent: I32  # offset of the cumulative integral of F(x)^2 dx^2
    fluorescence: I32  # offset of the fluorescence table
    fluorescence_rows: I32  # elements with X rays worth following, per material
    photon_cutoff: F32
    transport_photons: I32  # 0: photon energy is deposited where the photon is emitted
    p_absorption: I32  # offset of the energy-absorption coefficient [cm2/g], one column
    # (1,): photon flights score, electrons released by photons are not transported; (): analog. A tuple, because its
    # length is part of its type, so each mode is compiled without the code of the other
    track_length: tuple[I32, ...]
    # electrons and positrons: row = particle * n_materials + material
    n_materials: I32
    track: F32Array  # slowing-down tables
    t_nodes: I32
    t_low: I32
    hard: F32Array  # hard-event tables
    e_nodes: I32
    e_low: I32
    rejection: F32Array  # CSDA range and photons made, on the same nodes
    hard_majorant: F32Array  # hard events per MeV lost, per row
    cut_range: F32Array  # residual range at the cut-off, per row [g/cm2]
    gs: F32Array  # multiple-scattering tables
    gs_energies: I32
    gs_low: I32
    gs_points: I32
    brems: F32Array  # inverse cumulative photon spectra
    b_energies: I32
    b_low: I32
    b_points: I32
    b_thick: I32  # offset of the slowing-down (thick-target) spectra
    electron_cutoff: F32
    delta_ray_threshold: F32
    range_rejection: I32
    # source
    source_cdf: I64Array  # cumulative activity, scaled to 2**62
    source_voxel: I32Array  # flat indices
    source_guide: I32Array  # where to start in source_cdf, by the leading bits of the target
    source_shift: I64  # position of the lowest of those bits
    emission: F32Array  # spectra and lines
    emission_guide: I32Array  # where to start in a category's cumulative sum
    emission_index: I32Array  # per category: kind, offset, points, is_spectrum, offset of its guide
    emission_rate: I64Array  # particles per decay and category, in units of 2**-32
    n_categories: I32
    local_quanta: I64  # energy per decay that is deposited at its position
