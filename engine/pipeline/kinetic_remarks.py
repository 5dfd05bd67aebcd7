"""What a reader must know of the curves: the choice of the uptake phase, one scan, voxels without a curve."""

from __future__ import annotations

import math

from ..case.model import Case
from ..kinetics.curves import Curve
from ..kinetics.one_scan import break_even_half_life_h
from ..kinetics.population import is_iodine
from ..kinetics.unseen import NAMES
from ..kinetics.voxelwise import VoxelKinetics
from ..notes import CRITICAL, Note
from ..nuclides.decay import nuclide
from ..text import activity_text, count_of
from .scans import VisitImages


def uptake_of(case: Case) -> str:
    """Convention for the phase before the first scan: a linear rise for iodine, else back-extrapolation."""
    asked = case.kinetics.uptake
    if asked == "auto":
        linear = is_iodine(case.therapy.nuclide) or case.kinetics.model == "linear-exponential"
        asked = "linear" if linear else "instant"
    return {"linear": "linear-activity", "instant": "instant"}[asked]


def kinetic_remarks(case: Case, images: VisitImages, voxels: VoxelKinetics) -> list[str]:
    """Sentences on the curves of a visit, for its assumptions; what one scan does not tell has a weight."""
    times = ", ".join(f"{t:.4g} h" for t in images.times_h)
    remarks = [
        f"Scans at {times} after {activity_text(images.tracer_activity_mbq)} of {case.tracer.nuclide}; voxel-wise "
        f"{voxels.model} kinetics for {case.therapy.nuclide}, "
        f"{100 * voxels.extrapolated_fraction:.0f} % of the integral lies after the last scan."
    ]
    if len(images.times_h) == 1:
        remarks.append(_one_scan_note(case, float(images.times_h[0])))
    names = {
        "rising": "uptake still rising, effective half-life capped at the physical one",
        "no_rate": "no usable values, rate of the whole image taken",
        "clipped": "negative integral set to zero",
        "negative_input": "negative in a scan (noise)",
    }
    size = images.grid.size
    for key, text in names.items():
        count = voxels.flags.get(key, 0)
        if count:
            remarks.append(f"{count_of(count, size, 'voxel')}: {text}.")
    return remarks


def _one_scan_note(case: Case, time_h: float) -> Note:
    """What one scan does not tell, and what was done about it."""
    population = case.population
    physical = nuclide(case.therapy.nuclide).decay_constant_per_h
    if case.kinetics.model == "single-time-point" and population is not None:
        return Note(
            "One scan only: its clearance was not measured. A biological half-life of "
            f"{population.half_life_h:g} h from a population was taken for every lesion and voxel; how much lesions "
            f"differ in it (geometric standard deviation {population.gsd:g}) is in the uncertainty of each lesion."
        )
    advice = "Add a second scan, or accept the half-life of a population with kinetics: {model: single-time-point"
    start = f"One scan only, {time_h:.4g} h after administration: how fast the activity leaves was not measured."
    if population is not None:
        largest = (
            "The dose of each lesion is at most the one stated: the largest for biological half-lives of "
            f"{population.fastest_h:.3g} h and more, with uptake complete within {population.peak_h:g} h."
        )
        return Note(f"{start} {largest} {advice}}}.", weight=CRITICAL)
    advice += ", population_half_life: ...}."
    limit = break_even_half_life_h(time_h, physical)
    if math.isinf(limit):
        text = (
            f"That is later than the mean life of {case.therapy.nuclide}: the dose of each lesion is that of physical "
            "decay, which is no bound, since any clearance before the scan means more and a late uptake less."
        )
    else:
        text = (
            "The dose of each lesion is at most the one stated, that of physical decay, provided that uptake was "
            f"complete at the scan and the biological half-life is longer than {limit:.3g} h."
        )
    return Note(f"{start} {text} {advice}", weight=CRITICAL)


#: A difference between the two conventions for the phase before the first scan that a reader is told of.
UNSEEN_FLAG_FROM = 0.05


def unseen_uptake(curve: Curve) -> list[str]:
    """What the other convention for the phase before the first scan would change, where that is much."""
    other = curve.alternative
    if other is None or abs(other.ratio - 1.0) <= UNSEEN_FLAG_FROM:
        return []
    name = NAMES[other.uptake]
    if other.peak_h > curve.times_h[0]:
        name += f" to {other.peak_h:.3g} h"
    return [f"uptake before the first scan not measured ({100 * (other.ratio - 1.0):+.0f} % with {name})"]
