"""How far the activity of the lesions moves between scans, and what an outline misses by that.

A scan that is badly registered, or a lesion that moves with breathing, is read beside its activity: the value is too
low. In a later scan the clearance then seems too fast and the dose too small; in the first, too slow, and the dose may
be too large. The centre of activity of lesions that stand out shows the shift, and which scan fits the outline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..constants import FWHM_PER_SIGMA
from ..lesions.recovery import sphere_diameter_mm
from .lesion_views import LesionView

#: A lesion stands out, and its centre of activity means something, at this multiple of its background.
CONTRAST = 3.0
#: Scatter of a centre of activity that is in its place [mm]: about half a voxel of a PET.
SCATTER_MM = 2.0
#: Where an outline misses more than this share of its activity in a scan, the dose is a lower bound.
MOST_MISSED = 0.15


@dataclass(frozen=True, eq=False)
class Displacement:
    """Of one lesion in the scans of a visit.

    Parameters
    ----------
    shift_mm
        How far its centre of activity lies from that of the first scan, after registration (nt,) [mm]; NaN where it
        does not stand out.
    missed
        Share of the mean that its outline misses by that (nt,); by the shift that the other lesions have in common
        where its own is not known.
    first
        Whether it is the first scan that lies off the outlines, and not the later one.
    """

    shift_mm: np.ndarray
    missed: np.ndarray
    first: bool = False

    @property
    def misplaced(self) -> bool:
        """Whether the outline misses so much in a scan that the dose is not an estimate."""
        return bool(np.any(self.missed > MOST_MISSED))


def displacements(lesions: Sequence[Sequence[LesionView]]) -> list[Displacement]:
    """Displacement of each lesion from its views in all scans of the visit."""
    places = np.array([_places(views) for views in lesions])  # (lesion, scan, xyz), relative to the outline
    shifts = places - places[:, :1]
    offsets = np.linalg.norm(places, axis=2)
    out = []
    for k, views in enumerate(lesions):
        shift = np.linalg.norm(shifts[k], axis=1)
        used = np.array([_common(shifts[:, n]) if math.isnan(s) else s for n, s in enumerate(shift)])
        missed = np.array([missed_share(view, float(s)) for view, s in zip(views, used, strict=True)])
        worst = int(missed.argmax())
        fits = offsets[k] if np.isfinite(offsets[k, [0, worst]]).all() else _medians(offsets)
        out.append(Displacement(shift, missed, bool(fits[0] > fits[worst])))
    return out


def missed_share(view: LesionView, shift_mm: float) -> float:
    """Share of a lesion's mean that an outline misses when it lies this far off [mm].

    Outline and blurred activity are taken as Gaussians of the same spread as a sphere of the lesion's volume
    (variance d^2 / 20 along each axis), and that sphere blurred: the mean falls by
    ``exp(-s^2 / 2 (sigma^2 + d^2 / 10))``. The scatter of a centre of activity is taken off the shift first.
    """
    beyond = max(shift_mm**2 - SCATTER_MM**2, 0.0)
    spread = (view.fwhm_mm / FWHM_PER_SIGMA) ** 2 + float(sphere_diameter_mm(view.volume_ml)) ** 2 / 10.0
    return 1.0 - math.exp(-beyond / (2.0 * spread))


def _places(views: Sequence[LesionView]) -> np.ndarray:
    """Centre of activity of each scan, from the centre of the outline (nt, 3) [mm]; NaN where it is not clear."""
    return np.array(
        [
            view.centroid_xyz_mm - view.outline_xyz_mm if view.peak > CONTRAST * view.background else np.full(3, np.nan)
            for view in views
        ]
    )


def _medians(offsets: np.ndarray) -> np.ndarray:
    """Median over the lesions that stand out of the distances from their outlines (lesion, nt) [mm]; else 0."""
    known = [column[np.isfinite(column)] for column in offsets.T]
    return np.array([float(np.median(values)) if len(values) else 0.0 for values in known])


def _common(vectors: np.ndarray) -> float:
    """Length of the median of the shifts (n, 3) that are known [mm]; 0 where none is."""
    known = vectors[~np.isnan(vectors).any(axis=1)]
    return float(np.linalg.norm(np.median(known, axis=0))) if len(known) else 0.0
