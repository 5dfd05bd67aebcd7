"""The page of a comparison: its record with histograms and images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..report.comparison import write_comparison
from ..report.comparison_input import ComparisonPage, DoseCurve, VisitMaps
from ..results.provenance import Provenance, code_commit, code_version
from .methods import VisitDose
from .output import PAGE_FILE
from .record import Comparison
from .regions import BODY, Region
from .rows import MethodRegion
from .runs import StoredVisit

#: Bins of the histograms that are drawn.
BINS = 160


@dataclass
class PageParts:
    """What the page shows beside the record, collected visit by visit.

    Parameters
    ----------
    command
        What repeats the comparison.
    """

    command: str = ""
    curves: list[DoseCurve] = field(default_factory=list)
    maps: list[VisitMaps] = field(default_factory=list)
    provenance: dict[str, Provenance] = field(default_factory=dict)
    decays: dict[str, int] = field(default_factory=dict)

    def add(
        self,
        visit: StoredVisit,
        regions: Sequence[Region],
        doses: Mapping[str, VisitDose],
        values: Mapping[str, Sequence[MethodRegion]],
    ) -> None:
        """Add a visit; of its result only what is drawn stays in memory.

        Parameters
        ----------
        visit, regions
            The visit and its regions.
        doses, values
            By method: the dose, and every region by it.
        """
        for number, region in enumerate(regions):
            if region.role != BODY and region.voxel_metrics:
                for name, one in doses.items():
                    curve = _curve(visit.name, region, one, values[name][number])
                    if curve is not None:
                        self.curves.append(curve)
        shown = replace(visit.result, doses={}, tally=None, problem=None, tia_bq_h_ml=None)
        maps = {name: np.asarray(one.dose.mean, dtype=np.float32) for name, one in doses.items()}
        self.maps.append(VisitMaps(visit.name, shown, maps))
        self.provenance[visit.name] = visit.result.provenance
        simulated = [one.decays for one in doses.values() if one.decays]
        if simulated:
            self.decays[visit.name] = max(simulated)


def _curve(visit: str, region: Region, one: VisitDose, value: MethodRegion) -> DoseCurve | None:
    """The histogram of a region by a method: corrected for noise with its band, else that of the voxels."""
    stored = value.histogram
    if stored:
        columns = (np.asarray(stored[key], dtype=np.float64) for key in ("dose_gy", "volume_percent"))
        band = (np.asarray(stored[key], dtype=np.float64) for key in ("low_percent", "high_percent"))
        return DoseCurve(visit, region.name, one.name, *columns, *band)
    if value.mean is None:
        return None
    drawn = region.region_doses(one.dose).histogram(BINS)
    return DoseCurve(visit, region.name, one.name, drawn.dose_gy, drawn.volume_percent)


def write_page(comparison: Comparison, parts: PageParts, folder: Path) -> Path:
    """Write compare.html.

    Parameters
    ----------
    comparison
        The comparison.
    parts
        Its histograms and images.
    folder
        An existing folder.
    """
    page = ComparisonPage(
        record=comparison.to_dict(),
        curves=parts.curves,
        maps=parts.maps,
        provenance=parts.provenance,
        decays=parts.decays,
        command=parts.command,
        version=code_version(),
        commit=code_commit(),
    )
    return write_comparison(page, folder / PAGE_FILE)
