"""When a run has enough histories: a number of decays, a time, or a standard error that is small enough."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..statistics import MINIMUM_BATCHES
from .tally import Tally

_FORM = re.compile(r"^\s*(lesions|regions|voxels>\s*(?P<share>[\d.]+)\s*%)\s*:\s*(?P<goal>[\d.]+)\s*%\s*$")


@dataclass(frozen=True)
class Until:
    """A target for the relative standard error.

    ``lesions:1%`` asks for every lesion's mean, ``voxels>50%:2%`` for the root mean square over the voxels above
    that share of the largest dose.
    """

    text: str
    goal: float
    voxels_above: float | None = None

    @classmethod
    def parse(cls, text: str) -> Until:
        """Read ``lesions:1%`` or ``voxels>50%:2%``."""
        match = _FORM.match(text)
        if not match or not 0 < float(match["goal"]) < 100:
            raise InputError(
                f"{text!r} is no stop criterion",
                why="it names what must be known, and how well",
                suggestion='"lesions:1%" or "voxels>50%:2%"',
                field="until",
            )
        share = match["share"]
        return cls(text, float(match["goal"]) / 100, None if share is None else float(share) / 100)

    def error(self, tally: Tally, density: np.ndarray, filled: np.ndarray | None = None) -> float:
        """Relative standard error reached so far; infinite while it cannot be estimated.

        ``filled`` says which regions have voxels at all (default: all). A lesion that nothing has reached yet is not
        known: it keeps the run going.
        """
        if tally.n_batches < MINIMUM_BATCHES:
            return np.inf
        if self.voxels_above is None:
            # in floating point: exact sums over thousands of batches would take longer than the batches
            quanta = tally.region_quanta.astype(np.float64)
            if filled is not None:
                quanta = quanta[:, filled]
            mean = quanta.mean(axis=0)
            if not mean.size or (mean <= 0).any():
                return np.inf
            return float((quanta.std(axis=0, ddof=1) / mean).max() / np.sqrt(len(quanta)))
        mean, sigma = tally.dose_gy_per_decay(density, 1.0)
        hot = mean > self.voxels_above * mean.max()
        return float(np.sqrt(np.mean((sigma[hot] / mean[hot]) ** 2)))
