"""From decays to dose: the transport problem of a visit, Monte Carlo and local deposition on one grid."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..case.model import Case
from ..dose.compute import compute_dose
from ..dose.hybrid import photon_emission
from ..dose.local import NO_DOSE_BELOW_G_CM3
from ..dose.map import DoseMap
from ..dose.methods import dose_method, main_method
from ..errors import InputError
from ..nuclides.emission import Emission
from ..privacy import series_code
from ..progress import Progress, Stop
from ..results.checkpoint import CheckpointFile
from ..results.earlier import tally_to_resume
from ..results.provenance import Provenance
from ..results.result import CASE, Result
from ..transport.engines import check_usable
from ..transport.job import how_it_ended
from ..transport.problem import Problem
from ..transport.run_options import RunOptions
from .activity import VisitActivity
from .emission import emission_of
from .lesion import Lesion
from .scans import VisitImages

log = logging.getLogger(__name__)

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
    checkpoints: Callable[[str], CheckpointFile] | None = None,
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
    checkpoints
        The checkpoint of each method that simulates, by its name. What a stopped run left there is taken up.

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
    options = _options(case, images, weights, progress, stop)
    starts = _Starts(problem, options, {main.name: earlier} if main.simulates else {}, checkpoints)
    doses, ended = _doses(case, problem, activity.total_decays, options, starts)
    tally = doses[main.name].tally
    if tally is not None:
        simulated = photon_emission(problem.emission) if main.simulated_part else problem.emission
        how = how_it_ended(tally, options.until, simulated)
        ended = {**how, **ended, "warnings": (*how["warnings"], *_other_warnings(doses, main.name, options))}
    result = Result(
        kind=CASE,
        grid=images.grid,
        density_g_cm3=problem.density_g_cm3,
        problem=problem,
        doses=doses,
        tally=tally,
        tia_bq_h_ml=activity.tia_bq_h_ml.astype(np.float32),
        lesion_masks=np.stack(weights),
        lesion_names=tuple(m.name for m in images.lesions),
        ct_hu=images.ct_hu,
        provenance=Provenance.of(problem, tally, weights),
        frame_of_reference=series_code(images.frame_of_reference) if images.frame_of_reference else "",
        **ended,
    )
    if tally is None:
        return result, np.zeros(len(weights))
    grams = [float((w.astype(np.float64) * images.density).sum()) * images.grid.voxel_volume_ml for w in weights]
    return result, result.region_dose_gy_per_decay(grams)[1] * activity.total_decays


@dataclass(frozen=True)
class _Starts:
    """What each simulating method resumes from, and saves on the way."""

    problem: Problem
    options: RunOptions
    results: dict[str, Result | None]
    checkpoints: Callable[[str], CheckpointFile] | None

    def of(self, method: str) -> dict[str, Any]:
        """The options of a method's simulation that say so."""
        file = None if self.checkpoints is None else self.checkpoints(method)
        try:
            tally = tally_to_resume(self.results.get(method), file, self.problem, self.options)
        except InputError as refusal:
            if method in self.results:
                raise
            # the dose that decides is there, and this one can be simulated again
            log.warning("%s: %s; it is simulated again", method, refusal.problem)
            tally = None
        return {
            "resume": tally,
            "checkpoint": None if file is None else file.saving(self.problem, self.options.regions),
        }


def _doses(
    case: Case, problem: Problem, decays: float, options: RunOptions, starts: _Starts
) -> tuple[dict[str, DoseMap], dict[str, Any]]:
    """Dose by every method, and the fields of a result that is incomplete because of one of them but the main one.

    The main method comes first, since it can be stopped: then no other one simulates. A later one that is stopped,
    also while it simulates its kernel, is left out. Local deposition comes always, because the lesion table compares
    with it.
    """
    main = main_method(case.methods)
    names = list(dict.fromkeys([main.name, *case.methods, "local"]))
    simulating = [name for name in names if dose_method(name).simulates]
    doses: dict[str, DoseMap] = {}
    stopped = ""
    for name in names:
        mine = options
        if name in simulating:
            if stopped or _interrupted(doses.get(main.name)):
                continue
            share = simulating.index(name), len(simulating)
            mine = replace(options, progress=_part_of(options.progress, *share), **starts.of(name))
        try:
            doses[name] = compute_dose(name, problem, decays, air_density_g_cm3=NO_DOSE_BELOW_G_CM3, options=mine)
        except KeyboardInterrupt:
            if main.name not in doses or not main.simulates:
                raise
            if not _interrupted(doses[main.name]):  # which is said by its tally
                stopped = stopped or f"interrupted before {'the first batch of ' if name in simulating else ''}{name}"
        if name != main.name and _interrupted(doses.get(name)):
            # what it has is no dose to compare with; a resumed run begins it again
            stopped = f"{name} was interrupted"
            del doses[name]
    return doses, {"complete": False, "stopped": stopped} if stopped else {}


def _other_warnings(doses: dict[str, DoseMap], main: str, options: RunOptions) -> tuple[str, ...]:
    """What ended the simulations of other methods than the main one too early."""
    none = Emission()
    others = {name: dose.tally for name, dose in doses.items() if name != main and dose.tally is not None}
    warnings = {name: how_it_ended(tally, options.until, none)["warnings"] for name, tally in others.items()}
    return tuple(f"{dose_method(name).label}: {text}" for name, texts in warnings.items() for text in texts)


def _interrupted(dose: DoseMap | None) -> bool:
    return dose is not None and dose.tally is not None and dose.tally.stopped_by == "interrupt"


def _part_of(progress: Progress | None, number: int, count: int) -> Progress | None:
    """Progress of one of several simulations, as a share of all of them."""
    if progress is None or count == 1:
        return progress
    return lambda share, line: progress((number + share) / count, line)


def _options(
    case: Case, images: VisitImages, weights: list[np.ndarray], progress: Progress, stop: Stop | None
) -> RunOptions:
    """Options of the case's simulation, with the lesions as regions."""
    chosen = case.transport
    return RunOptions(
        decays=chosen.decays,
        seed=chosen.seed,
        backend=chosen.backend,
        until=chosen.until,
        time_limit_s=chosen.time_limit_s,
        short_batches=True,
        regions=weights,
        region_names=tuple(m.name for m in images.lesions),
        progress=progress,
        stop=stop,
    )


def main_dose(case: Case, result: Result) -> DoseMap:
    """The dose that is used in the lesion table and the verdict."""
    return result.doses[main_method(case.methods).name]
