"""What the page of a comparison shows: plain values, so that this room needs to know nothing of how they were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..results.provenance import Provenance
from ..results.result import Result


@dataclass(frozen=True)
class DoseCurve:
    """Cumulative dose-volume histogram of one region of a visit by one method.

    Parameters
    ----------
    visit, region, method
        Which, by the names of the comparison.
    dose_gy
        Doses, ascending (n,), float64 [Gy].
    volume_percent
        Share of the volume with at least that dose (n,), float64 [%].
    low_percent, high_percent
        95 % band of it (n,), float64 [%]; None for a method without statistics.
    """

    visit: str
    region: str
    method: str
    dose_gy: np.ndarray
    volume_percent: np.ndarray
    low_percent: np.ndarray | None = None
    high_percent: np.ndarray | None = None


@dataclass(frozen=True)
class VisitMaps:
    """Images of one visit.

    Parameters
    ----------
    visit
        Its name in the comparison.
    result
        For the grid, the CT or the mass density, and the masks of the lesions.
    doses
        Mean dose by method (nz, ny, nx), float64 or float32 [Gy]; with the reference. Voxels that a foreign map does
        not cover are NaN.
    """

    visit: str
    result: Result
    doses: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class ComparisonPage:
    """Everything the page of a comparison shows.

    Parameters
    ----------
    record
        Content of compare.json: ``Comparison.to_dict()``.
    curves
        Dose-volume histograms, of any regions and methods, in any order.
    maps
        Images, of any visits; none: the page has no slices.
    provenance
        Of the run's results, by visit.
    decays
        Decays that the run simulated, by visit; empty without Monte Carlo.
    command
        What repeats the comparison, as it is typed.
    version, commit
        Of the hevesy that compares; the commit is empty when installed.
    """

    record: Mapping[str, Any]
    curves: Sequence[DoseCurve] = ()
    maps: Sequence[VisitMaps] = ()
    provenance: Mapping[str, Provenance] = field(default_factory=dict)
    decays: Mapping[str, int] = field(default_factory=dict)
    command: str = ""
    version: str = ""
    commit: str = ""
