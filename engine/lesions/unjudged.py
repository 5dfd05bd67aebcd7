"""Lesion records of a dose that judges nothing: that of a diagnostic tracer, without a therapy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ..text import dose_text
from .parts import NoiseCorrectedDvh, SampledUncertainty, UncertaintyBudget
from .record import LesionDose


def without_verdict(record: LesionDose) -> LesionDose:
    """The record without threshold, verdict and probability; everything measured stays."""
    budget, histogram = UncertaintyBudget(**record.uncertainty), NoiseCorrectedDvh(**record.noise_corrected_dvh)
    sampled = budget.get("sampled")
    if sampled:
        budget["sampled"] = SampledUncertainty(**{**sampled, "probability": None})
    if "metrics" in histogram:
        histogram["metrics"] = {name: ends for name, ends in histogram["metrics"].items() if name.startswith("D")}
    return replace(
        record,
        verdict="",
        undecided=False,
        probability=math.nan,
        threshold_gy=math.nan,
        vthreshold_percent=math.nan,
        v20gy_percent=math.nan,
        uncertainty=budget,
        noise_corrected_dvh=histogram,
    )


def scan_sentence(what: str, lesions: Sequence[LesionDose]) -> str:
    """What stands in place of a verdict.

    Parameters
    ----------
    what
        Whose dose it is, such as ``"Diagnostic tracer F-18, no therapy stated: dose of the scan, 389 MBq"``.
    lesions
        Its lesions.
    """
    known = [lesion for lesion in lesions if math.isfinite(lesion.dose_gy)]
    best = max(known, key=lambda lesion: lesion.dose_gy, default=None)
    highest = (
        "" if best is None else f"; highest {best.lesion} with {dose_text(best.dose_gy, best.dose_uncertainty_gy)}"
    )
    return f"{what}{highest}."
