"""What "the same" means for times and places that were measured, stored and rounded: one physical scale for each."""

from __future__ import annotations

#: PETs of one place whose starts are closer than this [s] show one moment of the kinetics: a bed takes minutes, and two
#: reconstructions of one scan are stamped seconds apart.
SAME_SCAN_S = 300.0
#: Scans of one session show one moment of the kinetics too: a bed on the neck 25 min after the whole body adds no time,
#: and the ratio of the two, with its noise, would stand for the decay. Closer than this share of the tracer's half-life
#: the activity decays by 1.4 %, less than any scan measures; and closer than the other share of the time since the
#: administration the uptake stays as it is, which early scans are made to follow.
SESSION_HALF_LIVES, SESSION_ELAPSED = 0.02, 0.1
#: Stamps of one event from two systems agree within this [s]; clocks of a department do.
SAME_EVENT_S = 60.0
#: Moments of one record are one within this [s]: they are stated in whole seconds, in which nothing decays.
SAME_SECOND_S = 1.0
#: Case and header give a scan the same time within this [h], a bed position or so, or this share of it.
SAME_HOURS_H, SAME_HOURS_SHARE = 0.25, 0.02
#: Times of one administration in several headers differ by less than this [s]: an infusion, or a clock.
SAME_ADMINISTRATION_S = 3600.0
#: Stated activities of one administration are the same within this share: headers round to whole kBq.
SAME_ACTIVITY = 1e-4
#: Values that two sources state (half-lives, weights, activities) are the same within this share: they are rounded, and
#: tables differ.
SAME_STATED = 0.01
#: Voxels of two grids are the same where their places agree within this share of a voxel: headers are rounded.
SAME_PLACE_VOXELS = 1e-3
#: Slices lie on an even grid where none is off it by more than this share of their distance, or by this many mm (two
#: positions rounded to a tenth are 0.1 mm off together), and never by more than the last share: a slice too few is off
#: by a third of the distance at least, in a stack of any height.
EVEN_SHARE, EVEN_MM, EVEN_MOST = 0.1, 0.101, 0.2
#: Slices that are shifted in their planes by less than this share of a pixel show the body where it is, to a voxel.
SHIFTED_VOXELS = 0.5
#: Directions are the same where no cosine differs by more than this: cosines are stored with some decimals, and it
#: moves the rim of a body by a quarter of a millimetre.
SAME_DIRECTION = 1e-3
#: Two statements of one header on the place of an image agree where no corner is farther apart than this [mm]: a
#: rotation stored as a quaternion in single precision is off by up to 7e-4 near half a turn, 0.35 mm over half a metre.
SAME_POSE_MM = 0.5
#: A voxel belongs to a lesion where at least this share of it lies inside: less comes from rounded positions and from
#: arithmetic, and a voxel of 4 mm that much inside is so by 4 nm.
LEAST_SHARE = 1e-6
#: Values of a label map are whole numbers within this: a slope stored in single precision is off by 6e-8 of them, and a
#: label interpolated between two others is off by much more somewhere.
WHOLE_LABEL = 1e-4
#: Planes of contours are one plane within this [mm]: exporters round to 0.01 mm.
SAME_PLANE_MM = 0.1
#: Contours of one slice lie within this share of the slice distance: editors that draw on a resampled image put the
#: contours of one slice some tenths of a millimetre apart, and those of two slices never so close.
SAME_SLICE = 0.25


def same_scan(a_h: float, b_h: float) -> bool:
    """Whether two times [h] are those of one scan."""
    return abs(a_h - b_h) * 3600.0 < SAME_SCAN_S


def same_session(a_h: float, b_h: float, half_life_h: float | None) -> bool:
    """Whether two scans show one moment of the kinetics: 2 h at most for 124I, 5 min for 18F.

    Parameters
    ----------
    a_h, b_h
        Starts of the scans, in hours after the administration.
    half_life_h
        Physical half-life of the tracer [h]; None where it is not known: those of one scan alone are then the same.
    """
    if same_scan(a_h, b_h) or half_life_h is None:
        return same_scan(a_h, b_h)
    return abs(a_h - b_h) < min(SESSION_HALF_LIVES * half_life_h, SESSION_ELAPSED * min(a_h, b_h))
