"""Dose-volume histograms of regions whose voxels count with fractions of their volume.

``D_x`` is the smallest dose among the hottest ``x`` per cent of the volume; ``V_t`` is the share of the
volume that gets at least ``t``. Both are computed directly from the voxel doses, without bins or
interpolation, so the histogram and metrics of a region of a few voxels are stepped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class DoseVolumeHistogram:
    """Cumulative and differential histogram of one region.

    Parameters
    ----------
    dose_gy
        Bin edges (n + 1,), float64 [Gy], from 0.
    volume_percent
        Share of the volume that receives at least each edge (n + 1,), float64 [%].
    differential_percent_per_gy
        Share of the volume in each bin over its width (n,), float64 [%/Gy].
    """

    dose_gy: np.ndarray
    volume_percent: np.ndarray
    differential_percent_per_gy: np.ndarray

    def to_dict(self) -> dict[str, list[float]]:
        """Plain lists, rounded to six digits, for JSON."""
        return {
            "dose_gy": _plain(self.dose_gy),
            "volume_percent": _plain(self.volume_percent),
            "differential_percent_per_gy": _plain(self.differential_percent_per_gy),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DoseVolumeHistogram:
        """From what `to_dict` wrote."""
        return cls(*(np.asarray(values[key], dtype=np.float64) for key in cls.__dataclass_fields__))


class RegionDoses:
    """The doses of a region's voxels, sorted from the hottest, with the volume each brings.

    Parameters
    ----------
    dose_gy
        Doses of the voxels (n,), float64 [Gy].
    weight
        Volume fraction of each voxel inside the region (n,), float64, positive.
    """

    def __init__(self, dose_gy: np.ndarray, weight: np.ndarray) -> None:
        order = np.argsort(-dose_gy, kind="stable")
        self.dose_gy = np.asarray(dose_gy, dtype=np.float64)[order]
        self.weight = np.asarray(weight, dtype=np.float64)[order]
        self._volume = np.cumsum(self.weight)
        self.total = float(self._volume[-1])

    def dose_at_volume(self, percent: float) -> float:
        """D_x: the smallest dose among the hottest `percent` of the volume [Gy]."""
        wanted = self.total * percent / 100.0 * (1.0 - 1e-6)  # float32 rounding of masks must not count as a voxel
        first = int(np.searchsorted(self._volume, wanted))
        return float(self.dose_gy[min(first, self.dose_gy.size - 1)])

    def volume_at_dose(self, threshold_gy: float) -> float:
        """V_t: share of the volume with a dose of at least `threshold_gy` [%]."""
        return 100.0 * float(self.weight[self.dose_gy >= threshold_gy].sum()) / self.total

    def volume_mean(self) -> float:
        """Volume-weighted mean dose [Gy]."""
        return float(self.dose_gy @ self.weight) / self.total

    def volume_sd(self) -> float:
        """Volume-weighted standard deviation of the voxel doses [Gy]."""
        spread = (self.dose_gy - self.volume_mean()) ** 2
        return float(np.sqrt(spread @ self.weight / self.total))

    def histogram(self, bins: int = 200, maximum_gy: float | None = None) -> DoseVolumeHistogram:
        """Histogram from 0 to `maximum_gy` (default: the hottest voxel)."""
        top = float(self.dose_gy[0]) if maximum_gy is None else float(maximum_gy)
        edges = np.linspace(0.0, top if top > 0 else 1.0, bins + 1)
        # ascending doses and their volume from below: what lies at or above each edge is the rest
        ascending = self.dose_gy[::-1]
        below = np.concatenate([[0.0], np.cumsum(self.weight[::-1])])
        at_least = self.total - below[np.searchsorted(ascending, edges, side="left")]
        # the last bin takes its upper edge too, so that the hottest voxel is in the histogram
        inside = at_least.copy()
        inside[-1] = (
            0.0 if maximum_gy is None else self.total - below[np.searchsorted(ascending, edges[-1], side="right")]
        )
        differential = 100.0 * -np.diff(inside) / self.total / np.diff(edges)
        return DoseVolumeHistogram(edges, 100.0 * np.clip(at_least / self.total, 0.0, 1.0), differential)


def _plain(values: np.ndarray) -> list[float]:
    return [float(f"{v:.6g}") for v in values]
