"""From decays to dose: the transport problem of a visit, Monte Carlo and local deposition on one grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..case.model import Case
from ..dose.map import DoseMap
from ..dose.methods import compute_dose
from ..nuclides.decay import nuclide
from ..progress import Tell
from ..results.provenance import Provenance, problem_hash
from ..results.result import CASE, Result
from ..results.resume import earlier_tally
from ..transport.job import how_it_ended, run_transport
from ..transport.problem import Problem
from .activity import VisitActivity
from .lesion import Lesion
from .scans import AIR_G_CM3, VisitImages

#: Fractional masks become whole weights 0..255 in the transport, so that region sums stay exact integers.
WEIGHT_ONE = 255


def transport_problem(case: Case, images: VisitImages, activity: VisitActivity) -> Problem:
    """The transport problem of a visit: its tissue, its decays, the therapy nuclide's emission."""
    return Problem(
        density_g_cm3=np.ascontiguousarray(images.density, dtype=np.float32),
        material=images.tissue.material,
        materials=images.tissue.materials,
        voxel_size_mm=images.grid.spacing_mm,
        source=activity.decays.astype(np.float32),
        emission=nuclide(case.therapy.nuclide).emission,
        physics={
            "electron_cutoff_mev": case.transport.electron_cutoff_mev,
            "photon_cutoff_mev": case.transport.photon_cutoff_mev,
        },
        notes={"surrounded_by": "vacuum"},
    )


def region_weights(lesions: Sequence[Lesion]) -> list[np.ndarray]:
    """The lesions' volume fractions as whole weights, one uint8 array (nz, ny, nx) each."""
    return [np.rint(lesion.fraction * WEIGHT_ONE).astype(np.uint8) for lesion in lesions]


def dose_of_visit(
    case: Case,
    images: VisitImages,
    activity: VisitActivity,
    progress: Tell,
    stop: Callable[[], bool] | None,
    earlier: Result | None = None,
) -> tuple[Result, np.ndarray]:
    """Dose by every method of the case; ``earlier`` is what a stopped run of the same visit left.

    Returns
    -------
    result
        With ``doses`` in Gy for the therapy activity, and the tally when Monte Carlo is among the methods.
    mc_sigma
        Monte Carlo standard error of each lesion's mean [Gy]; zero without Monte Carlo, NaN when there are
        too few batches to tell.
    """
    problem = transport_problem(case, images, activity)
    decays = activity.total_decays
    names = tuple(lesion.name for lesion in images.lesions)
    weights = region_weights(images.lesions)
    fields: dict[str, Any] = {
        "tia_bq_h_ml": activity.tia_bq_h_ml.astype(np.float32),
        "lesion_masks": np.stack(weights),
        "lesion_names": names,
        "ct_hu": images.ct_hu,
    }
    mc_sigma = np.zeros(len(names))
    if "mc" in case.methods:
        chosen = case.transport
        tally = run_transport(
            problem,
            decays=chosen.decays,
            seed=chosen.seed,
            backend=chosen.backend,
            until=chosen.until,
            time_limit_s=chosen.time_limit_s,
            regions=weights,
            region_names=names,
            progress=progress,
            stop=stop,
            resume=earlier_tally(earlier, problem, weights),
        )
        result = Result.from_tally(
            problem,
            tally,
            grid=images.grid,
            decays=decays,
            air_density_g_cm3=AIR_G_CM3,
            region_names=names,
            **how_it_ended(tally, chosen.until),
            **fields,
        )
        grams = [float((w.astype(np.float64) * images.density).sum()) * images.grid.voxel_volume_ml for w in weights]
        mc_sigma = result.region_dose_gy_per_decay(grams)[1] * decays
    else:
        result = _without_transport(problem, images, fields)
    for method in case.methods:
        if method != "mc":
            result.doses[method] = compute_dose(method, problem, decays, air_density_g_cm3=AIR_G_CM3)
    if "local" not in result.doses:
        # always beside the others: how far Monte Carlo is from it is part of the lesion table
        result.doses["local"] = compute_dose("local", problem, decays, air_density_g_cm3=AIR_G_CM3)
    return result, mc_sigma


def main_method(case: Case) -> str:
    """The method whose dose the lesion table and the verdict are about."""
    return "mc" if "mc" in case.methods else case.methods[0]


def main_dose(case: Case, result: Result) -> DoseMap:
    """The dose map of :func:`main_method`."""
    return result.doses[main_method(case)]


def _without_transport(problem: Problem, images: VisitImages, fields: dict[str, Any]) -> Result:
    return Result(
        kind=CASE,
        grid=images.grid,
        density_g_cm3=problem.density_g_cm3,
        provenance=Provenance.now(input_hash=problem_hash(problem), physics=dict(problem.physics)),
        **fields,
    )
