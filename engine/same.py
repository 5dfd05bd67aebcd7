"""What "the same" means for times and places that were measured, stored and rounded: one physical scale for each."""

from __future__ import annotations

#: PETs of one place whose starts are closer than this [s] show one moment of the kinetics: a bed takes minutes, and two
#: reconstructions of one scan are stamped seconds apart.
SAME_SCAN_S = 300.0
#: Stamps of one event from two systems agree within this [s]; clocks of a department do.
SAME_EVENT_S = 60.0
#: Voxels of two grids are the same where their places agree within this share of a voxel: headers are rounded.
SAME_PLACE_VOXELS = 1e-3
#: Slices lie on an even grid where none is off by more than this share of the distance, or by this many mm: tables are
#: read to some tenths of a millimetre, and exporters round to as much. A slice too many or too few is off by half one.
EVEN_SHARE, EVEN_MM = 0.1, 0.1
#: Directions are the same where no cosine differs by more than this: cosines are stored with some decimals, and it
#: moves the rim of a body by a quarter of a millimetre.
SAME_DIRECTION = 1e-3
#: Planes of contours are one plane within this [mm]: exporters round to 0.01 mm.
SAME_PLANE_MM = 0.1


def same_scan(a_h: float, b_h: float) -> bool:
    """Whether two times [h] are those of one scan."""
    return abs(a_h - b_h) * 3600.0 < SAME_SCAN_S
