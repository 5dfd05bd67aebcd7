"""How far the activity of the lesions lies from their outlines in later scans, and what an outline misses by that.

A scan that is badly registered, or a lesion that moves with breathing, is read beside its activity: the value is too
low, the clearance seems too fast and the dose too small. The centre of activity of lesions that stand out shows it.
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
    """

    shift_mm: np.ndarray
    missed: np.ndarray

    @property
    def misplaced(self) -> bool:
        """Whether the outline misses so much in a scan that the dose is only a lower bound."""
        return bool(np.any(self.missed > MOST_MISSED))


def displacements(lesions: Sequence[Sequence[LesionView]]) -> list[Displacement]:
    """Displacement of each lesion from its views in all scans of the visit."""
    vectors = np.array([_vectors(views) for views in lesions])
    out = []
    for views, own in zip(lesions, vectors, strict=True):
        shift = np.linalg.norm(own, axis=1)
        used = np.array([_common(vectors[:, k]) if math.isnan(s) else s for k, s in enumerate(shift)])
        missed = [missed_share(view, float(s)) for view, s in zip(views, used, strict=True)]
        out.append(Displacement(shift, np.array(missed)))
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


def _vectors(views: Sequence[LesionView]) -> np.ndarray:
    """Shift of each scan's centre of activity from that of the first (nt, 3) [mm]; NaN where it is not clear."""
    places = np.array(
        [view.centroid_xyz_mm if view.peak > CONTRAST * view.background else np.full(3, np.nan) for view in views]
    )
    return np.asarray(places - places[0])


def _common(vectors: np.ndarray) -> float:
    """Length of the median of the shifts (n, 3) that are known [mm]; 0 where none is."""
    known = vectors[~np.isnan(vectors).any(axis=1)]
    return float(np.linalg.norm(np.median(known, axis=0))) if len(known) else 0.0
