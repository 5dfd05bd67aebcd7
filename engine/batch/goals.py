"""Whether the precision was reached from which a plan has found its number of decays."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from ..export.folder import result_files
from ..results.result import Result
from ..text import percent
from ..transport.stopping_rules import Goal
from ..until import Until
from .job import RESULT_FILE
from .launch import has_results
from .manifest import Manifest, Whole, case_folder


def goal_sentences(out: Path, manifest: Manifest, left_out: Collection[str] = ()) -> list[str]:
    """What a user is told in the end of a precision that was asked for.

    Parameters
    ----------
    out
        Folder of the batch.
    manifest
        What it consists of.
    left_out
        Names of jobs; a whole of which they are all is left out.

    Returns
    -------
    list of str
        A sentence for each whole that has results and a number of decays that was found from a precision.
    """
    sentences = []
    for whole in manifest.wholes:
        if not whole.until or set(whole.jobs) <= set(left_out) or not has_results(out, manifest, whole):
            continue
        until = Until.parse(whole.until)
        error = _error(Result.load(result_file(out, manifest, whole)), until)
        label = ", ".join(part for part in (whole.case, whole.visit, whole.therapy) if part) or whole.name
        sentence = f"{label}: {until} was reached, with {percent(error)}"
        if error > until.goal:
            sentence = f"{label}: {until} was not reached, with {percent(error)}: ask for more decays"
        sentences.append(sentence)
    return sentences


def result_file(out: Path, manifest: Manifest, whole: Whole) -> Path:
    """Where the merged result of a whole is."""
    if not whole.case:
        return out / RESULT_FILE
    parts = manifest.parts_of(whole.case)
    further = "" if whole.therapy == parts[0].therapy else whole.therapy
    visits = [part.visit for part in parts if part.therapy == whole.therapy]
    return result_files(case_folder(out, whole.case), visits, further)[visits.index(whole.visit)]


def _error(result: Result, until: Until) -> float:
    assert result.tally is not None
    masks = result.lesion_masks
    filled = None if masks is None else np.array([bool(mask.any()) for mask in masks])
    return Goal(until, result.density_g_cm3, filled).error(result.tally)
