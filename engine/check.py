"""What a run would do, without doing it: input read and checked, sizes, times, memory, every assumption."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..kernels.backends.machine import usable_cores
from .case.model import Case, Therapy, Visit
from .dose.methods import main_method
from .notes import NOTE, weight_of
from .nuclides.decay import nuclide
from .pipeline.activity import VisitActivity, integrate
from .pipeline.clinic.therapy import blood_of_visit
from .pipeline.dose import check_backend_of
from .pipeline.emission import decay_of, energy_line, what_was_given
from .pipeline.identity import open_sources
from .pipeline.scans import VisitImages, read_visit
from .text import activity_text, counted
from .transport.job import minimum_decays

#: Histories per second and core for the expected time (131I in tissue, electron cut-off 10 keV, CPU).
SPEED_PER_CORE = 40_000.0
#: Bytes per dose voxel in transport and results: tallies 8 + 16, batch 8, doses and sigma 3 x 8, density,
#: material, activity, source, display.
BYTES_PER_VOXEL = 90
#: Bytes that a process with the compiled transport and its tables takes before any voxel.
BASE_BYTES = 600e6
#: Relative standard error of a lesion's mean times the square root of the decays in the lesion: the spread of the
#: energy that single decays deposit there (0.34 to 0.57 measured on 131I lesions of 0.35 to 12 mL).
SPREAD = 0.55

#: What the tables leave out: remarks are lines of their own, and the origin of a time is one of them where it matters.
_NOT_SHOWN = ("flags", "time_origin")


@dataclass
class VisitCheck:
    """What would run for one visit."""

    visit: str
    scans: list[dict[str, Any]]
    lesions: list[dict[str, Any]]
    grid: dict[str, Any]
    memory_bytes: float
    decays: float
    seconds: float
    assumptions: list[str]
    warnings: list[str]


@dataclass
class Check:
    """What would run, as tables, lines and plain data."""

    case: Case
    visits: list[VisitCheck] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "patient": self.case.patient,
            "methods": list(self.case.methods),
            "tracer": {
                "nuclide": self.case.tracer.nuclide,
                "half_life_h": nuclide(self.case.tracer.nuclide).half_life_h,
            },
            "therapy": _therapy(self.case, self.case.therapy) if self.case.therapy_stated else None,
            "further_therapies": [_therapy(self.case, other) for other in self.case.further_therapies],
            "judged": self.case.judged,
            "threshold_gy": self.case.threshold_gy if self.case.judged else None,
            "kinetics": self.case.kinetics.model,
            "visits": [{**vars(visit), "histories": visit.decays} for visit in self.visits],
        }

    def tables(self) -> list[tuple[str, Sequence[str], list[list[Any]]]]:
        """Title, columns and rows of each table."""
        tables: list[tuple[str, Sequence[str], list[list[Any]]]] = []
        for visit in self.visits:
            for title, rows in (("scans", visit.scans), ("lesions", visit.lesions)):
                columns = [key for key in rows[0] if key not in _NOT_SHOWN]
                tables.append(
                    (
                        f"{visit.visit}: {title}",
                        [_heading(c) for c in columns],
                        [[r[c] for c in columns] for r in rows],
                    )
                )
        return tables

    def lines(self) -> list[str]:
        """Everything else, one sentence per line."""
        case = self.case
        tracer = nuclide(case.tracer.nuclide)
        head = f"Tracer {tracer.name} (half-life {tracer.half_life_h:.4g} h)"
        if case.judged:
            planned = activity_text(case.therapy.activity_mbq)
            head += f", therapy with {planned} of {energy_line(case)}; threshold {case.threshold_gy:g} Gy."
        else:
            head += f". {what_was_given(case)}: dose of the scan, no verdict; {energy_line(case)}."
        lines = [
            head,
            f"Methods: {', '.join(case.methods)}; kinetics: {case.kinetics.model}; " + _recovery_line(case),
        ]
        for other in case.further_therapies:
            lines.append(
                f"From the same scans too: {activity_text(other.activity_mbq)} of "
                f"{energy_line(case.for_therapy(other))}, which takes as long again."
            )
        for visit in self.visits:
            lines += [
                f"{visit.visit}: {_grid_line(visit.grid)}",
                f"{visit.visit}: {_transport_line(case, visit)}",
            ]
            lines += [f"{weight_of(text)}: {text}" for text in visit.warnings]
            lines += _flag_lines(visit.lesions)
            lines += [f"assumption: {text}" for text in visit.assumptions]
        lines.append("Input is valid. Nothing was run.")
        return lines


def _therapy(case: Case, therapy: Therapy) -> dict[str, Any]:
    """One treatment as plain data."""
    brought = decay_of(case.for_therapy(therapy))
    return {
        "nuclide": therapy.nuclide,
        "activity_mbq": therapy.activity_mbq,
        "half_life_h": nuclide(therapy.nuclide).half_life_h,
        "progeny": dict(brought.counted),
        "energy_mev_per_decay": brought.total_mev,
        "energy_mev_per_decay_without_progeny": brought.alone_mev,
    }


def check_case(case: Case) -> Check:
    """Read and check everything a run would use.

    Raises
    ------
    InputError
        The first thing that cannot be used, with the message of a run.
    """
    check = Check(case)
    check_backend_of(case)
    sources = open_sources(case)
    for visit in case.visits:
        blood, notes = blood_of_visit(case, visit)
        images = read_visit(case, visit, sources[visit.name])
        images.assumptions += notes
        treated = case.with_administered(images.tracer_activity_mbq)
        if blood is not None:
            images.assumptions.append(
                f"{visit.name}: maximum tolerable activity {blood.maximum.activity_gbq:.3g} GBq, set by "
                f"{blood.maximum.limiting_rule}."
            )
        check.visits.append(_check_visit(treated, visit, images, integrate(treated, images)))
    return check


def _check_visit(case: Case, visit: Visit, images: VisitImages, activity: VisitActivity) -> VisitCheck:
    voxels = images.grid.size
    memory = BASE_BYTES + voxels * (BYTES_PER_VOXEL + 4 * len(images.times_h) + 10 * len(images.lesions))
    decays = decays_needed(case, images, activity)
    seconds = 0.0
    if main_method(case.methods).simulates:
        seconds = decays / (SPEED_PER_CORE * usable_cores())
        if case.transport.time_limit_s is not None:
            seconds = min(seconds, case.transport.time_limit_s)
    notes = [*images.assumptions, *activity.assumptions]
    scans = []
    for number, (t, image) in enumerate(zip(images.times_h, images.concentration, strict=True)):
        total = float(image.sum(dtype=np.float64)) * images.grid.voxel_volume_ml / 1e6
        decayed = images.tracer_activity_mbq * nuclide(case.tracer.nuclide).decay_factor(float(t))
        scans.append(
            {
                "scan": images.scans[number].name,
                "hours_after": float(t),
                "time_origin": images.scans[number].time_origin,
                "given_mbq": images.tracer_activity_mbq,
                "left_by_decay_mbq": decayed,
                "seen_mbq": total,
                "seen_percent": 100.0 * total / decayed,
            }
        )
    lesions = [
        {
            "lesion": lesion.name,
            "volume_ml": lesion.volume_ml,
            "contour_ml": lesion.lesion.mask.contour_volume_ml,
            "mass_g": lesion.mass_g,
            "mean_bq_ml": float(lesion.measured[0]),
            "recovery": lesion.recovery if lesion.corrected is not None else None,
            "effective_half_life_h": lesion.curve.effective_half_life_h,
            "flags": "; ".join(lesion.flags),
        }
        for lesion in activity.lesions
    ]
    grid = {
        "shape": list(images.grid.shape),
        "spacing_mm": list(images.grid.spacing_mm),
        "pet_spacing_mm": list(images.pet_spacing_mm),
        "materials": int(np.unique(images.tissue.material).size),
    }
    return VisitCheck(
        visit=visit.name,
        scans=scans,
        lesions=lesions,
        grid=grid,
        memory_bytes=memory,
        decays=decays,
        seconds=seconds,
        assumptions=[text for text in notes if weight_of(text) == NOTE],
        warnings=[text for text in notes if weight_of(text) != NOTE],
    )


def decays_needed(case: Case, images: VisitImages, activity: VisitActivity) -> float:
    """Decays that the stop criterion will take: ``SPREAD / sqrt(n)`` for the lesion with fewest decays.

    Parameters
    ----------
    case
        The case.
    images, activity
        What was read and integrated for a visit.

    Returns
    -------
    float
        Zero where nothing is simulated; no more than the case allows.
    """
    if not main_method(case.methods).simulates:
        return 0.0
    limit = case.transport.decays
    if case.transport.until is None:
        return float(limit or 1_000_000)
    needed = float(minimum_decays())
    if main_method(case.methods).simulated_part:  # its precision follows from a few decays (docs/methods/local.md)
        return min(needed, float(limit)) if limit else needed
    if case.transport.until.voxels_above is None:
        total = activity.total_decays
        shares = [float((activity.decays * lesion.fraction).sum()) / total for lesion in images.lesions]
        rarest = max(min(shares), 1e-9)
        needed = max(needed, (SPREAD / case.transport.until.goal) ** 2 / rarest)
    return min(needed, float(limit)) if limit else needed


def _flag_lines(lesions: Sequence[dict[str, Any]]) -> list[str]:
    """Remarks on the lesions, each once with the lesions that it is about."""
    about: dict[str, list[str]] = {}
    for lesion in lesions:
        if lesion["flags"]:
            about.setdefault(lesion["flags"], []).append(lesion["lesion"])
    every = f"all {len(lesions)} lesions"
    return [
        f"{every if 1 < len(lesions) == len(names) else ', '.join(names)}: {text}." for text, names in about.items()
    ]


def _recovery_line(case: Case) -> str:
    if case.recovery is None:
        return "no recovery correction: doses of small lesions are bounds."
    if case.recovery.fwhm_mm is not None:
        assumed = " (assumed)" if case.recovery.assumed else ""
        return f"recovery of each lesion's mask at {case.recovery.fwhm_mm:g} mm FWHM{assumed}."
    return f"recovery by the phantom curve {case.recovery.curve.name if case.recovery.curve else ''}."


def _grid_line(grid: dict[str, Any]) -> str:
    shape = " x ".join(str(n) for n in grid["shape"])
    step = " x ".join(f"{s:.3g}" for s in grid["spacing_mm"])
    return f"dose grid {shape} voxels of {step} mm (z, y, x), {counted(grid['materials'], 'tissue')}."


def _transport_line(case: Case, visit: VisitCheck) -> str:
    need = f"about {visit.memory_bytes / 1e9:.1f} GB of memory"
    if not main_method(case.methods).simulates:
        return f"no Monte Carlo, a few seconds, {need}."
    goal = str(case.transport.until or f"{case.transport.decays or 1_000_000:.3g} decays")
    if case.transport.time_limit_s is not None:
        goal += f" or {case.transport.time_limit_s:g} s"
    minutes = visit.seconds / 60.0
    when = f"{visit.seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min"
    return (
        f"transport until {goal}: about {_round(visit.decays)} decays, {when} on {counted(usable_cores(), 'core')}, "
        f"{need}; the first run after an installation also compiles for about a minute."
    )


def _heading(key: str) -> str:
    """``mean_bq_ml`` as ``mean Bq/mL``."""
    for suffix, unit in (("_bq_ml", " Bq/mL"), ("_mbq", " MBq"), ("_ml", " mL"), ("_g", " g"), ("_h", " h")):
        if key.endswith(suffix):
            key = key.removesuffix(suffix) + unit
            break
    return key.replace("_percent", " %").replace("_", " ")


def _round(value: float) -> str:
    if value <= 0:
        return "0"
    digits = 10 ** math.floor(math.log10(value))
    return f"{round(value / digits) * digits:.0e}".replace("e+0", "e").replace("e+", "e")
