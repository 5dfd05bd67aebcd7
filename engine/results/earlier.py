"""What a stopped run left: read, and checked against the run that resumes it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..transport.problem import Problem
from ..transport.tally import Tally
from .provenance import Provenance, problem_hash
from .result import Result

log = logging.getLogger(__name__)


def earlier_result(file: Path) -> Result | None:
    """The result of a stopped run, or None where there is none yet, which the log says.

    Raises
    ------
    InputError
        The file exists and cannot be read.
    """
    if not file.exists():
        log.warning("nothing to resume: there is no %s yet; starting with the first history", file.name)
        return None
    return Result.load(file)


def earlier_tally(result: Result | None, problem: Problem, weights: Sequence[np.ndarray] | None = None) -> Tally | None:
    """The integers of a stopped run for the transport to resume from.

    Parameters
    ----------
    result
        Result of the stopped run; None, or a result without Monte Carlo, gives None.
    problem
        The problem as it is now.
    weights
        Lesion weights as they are now, uint8 (nz, ny, nx) each, when they are the regions.

    Raises
    ------
    InputError
        The problem (geometry, tissue, activity, emission, physics), the lesions, the data tables or the code
        are not those of the stopped run.
    """
    if result is None or result.tally is None:
        return None
    now = Provenance.now()
    was = result.provenance
    if was.input_hash != problem_hash(problem):
        raise _changed("the images, the activity or the physics are not those of the stopped run", "input_hash")
    if was.table_hashes != now.table_hashes:
        raise _changed("the physics tables are not those of the stopped run", "table_hashes")
    if (was.version, was.commit) != (now.version, now.commit):
        then, here = (" ".join(part for part in (p.version, p.commit) if part) for p in (was, now))
        raise _changed(f"the stopped run used hevesy {then}, this is {here}", "version")
    if weights is not None and result.lesion_masks is not None:
        masks = result.lesion_masks
        if len(masks) != len(weights) or not all(np.array_equal(a, b) for a, b in zip(masks, weights, strict=True)):
            raise _changed("the lesions are not those of the stopped run", "lesions")
    log.info("resuming after %d decays", result.tally.decays)
    return result.tally


def _changed(problem: str, field: str) -> InputError:
    return InputError(
        problem,
        why="histories of two different runs must not be added up",
        suggestion="undo the change, or run without --resume (the earlier results remain beside the new ones)",
        field=field,
    )
