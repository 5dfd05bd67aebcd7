"""From decays to dose: the transport problem of a visit, Monte Carlo and local deposition on one grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..case.model import Case
from ..dose.compute import compute_dose
from ..dose.local import NO_DOSE_BELOW_G_CM3
from ..dose.map import DoseMap
from ..dose.methods import main_method
from ..progress import Progress, Stop
from ..results.earlier import earlier_tally
from ..results.provenance import Provenance
from ..results.result import CASE, Result
from ..transport.engines import check_usable
from ..transport.job import how_it_ended, in_short_batches
from ..transport.problem import Problem
from ..transport.run_options import RunOptions
from .activity import VisitActivity
from .emission import emission_of
from .lesion import Lesion
from .scans import VisitImages

#: Fractional masks become whole weights 0..255 in the transport, so that region sums stay exact integers.
WEIGHT_ONE = 255


def transport_problem(case: Case, images: VisitImages, activity: VisitActivity) -> Problem:
    """The transport problem of a visit: its tissue, its decays, the emission of the therapy and its progeny.

    Parameters
    ----------
    case
        The case; of its ``transport`` the cut-offs.
    images
        The visit on its dose grid.
    activity
        Its decays.

    Returns
    -------
    Problem
        Without a reference dose; vacuum around the grid.
    """
    return Problem(
        density_g_cm3=np.ascontiguousarray(images.density, dtype=np.float32),
        material=images.tissue.material,
        materials=images.tissue.materials,
        voxel_size_mm=images.grid.spacing_mm,
        source=activity.decays.astype(np.float32),
        emission=emission_of(case),
        physics={
            "electron_cutoff_mev": case.transport.electron_cutoff_mev,
            "photon_cutoff_mev": case.transport.photon_cutoff_mev,
        },
        notes={"surrounded_by": "vacuum"},
    )


def check_backend_of(case: Case) -> None:
    """Refuse, before any image is read, a case whose simulation has no device to run on.

    Raises
    ------
    InputError
        With the reason why the backend cannot be used here.
    """
    if main_method(case.methods).simulates:
        check_usable(case.transport.backend)


def region_weights(lesions: Sequence[Lesion]) -> list[np.ndarray]:
    """The lesions' volume fractions as whole weights, one uint8 array (nz, ny, nx) each."""
    return [np.rint(lesion.fraction * WEIGHT_ONE).astype(np.uint8) for lesion in lesions]


def dose_of_visit(
    case: Case,
    images: VisitImages,
    activity: VisitActivity,
    progress: Progress,
    stop: Stop | None,
    earlier: Result | None = None,
) -> tuple[Result, np.ndarray]:
    """Dose by every method of the case.

    Parameters
    ----------
    case
        The case.
    images, activity
        What the steps before gave for the visit.
    progress
        Called with the fraction done (0 to 1) and a line of text.
    stop
        Asked after every batch; True ends the transport.
    earlier
        What a stopped run of the same visit left.

    Returns
    -------
    result
        With ``doses`` in Gy for the therapy activity, and the tally when one of the methods simulates.
    mc_sigma
        Monte Carlo standard error of each lesion's mean (n,), float64 [Gy]; zero without a simulation, NaN when there
        are too few batches for one.
    """
    problem = transport_problem(case, images, activity)
    weights = region_weights(images.lesions)
    main = main_method(case.methods)
    options = _options(case, images, weights, progress, stop) if main.simulates else RunOptions()
    # the main method first, since it can be stopped; local deposition always, because the lesion table compares with it
    names = dict.fromkeys([main.name, *case.methods, "local"])
    doses: dict[str, DoseMap] = {}
    for name in names:
        mine = options
        if name == main.name and main.simulates:
            mine = replace(options, resume=earlier_tally(earlier, problem, weights))
        doses[name] = compute_dose(
            name, problem, activity.total_decays, air_density_g_cm3=NO_DOSE_BELOW_G_CM3, options=mine
        )
    tally = doses[main.name].tally
    result = Result(
        kind=CASE,
        grid=images.grid,
        density_g_cm3=problem.density_g_cm3,
        doses=doses,
        tally=tally,
        tia_bq_h_ml=activity.tia_bq_h_ml.astype(np.float32),
        lesion_masks=np.stack(weights),
        lesion_names=tuple(m.name for m in images.lesions),
        ct_hu=images.ct_hu,
        provenance=Provenance.of(problem, tally),
        **({} if tally is None else how_it_ended(tally, options.until, problem.emission)),
    )
    if tally is None:
        return result, np.zeros(len(weights))
    grams = [float((w.astype(np.float64) * images.density).sum()) * images.grid.voxel_volume_ml for w in weights]
    return result, result.region_dose_gy_per_decay(grams)[1] * activity.total_decays


def _options(
    case: Case, images: VisitImages, weights: list[np.ndarray], progress: Progress, stop: Stop | None
) -> RunOptions:
    """Options of the case's simulation, with the lesions as regions."""
    chosen = case.transport
    return in_short_batches(
        RunOptions(
            decays=chosen.decays,
            seed=chosen.seed,
            backend=chosen.backend,
            until=chosen.until,
            time_limit_s=chosen.time_limit_s,
            regions=weights,
            region_names=tuple(m.name for m in images.lesions),
            progress=progress,
            stop=stop,
        )
    )


def main_dose(case: Case, result: Result) -> DoseMap:
    """The dose that is used in the lesion table and the verdict."""
    return result.doses[main_method(case.methods).name]
