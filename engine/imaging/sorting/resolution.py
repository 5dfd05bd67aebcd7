"""The recovery that `hevesy import` proposes: the typical resolution of the scanners found, marked as assumed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..pet.header import PetHeader
from ..pet.scanners import typical_resolution


def recovery_of(headers: Sequence[PetHeader], tracer: str) -> tuple[dict[str, Any], list[str]]:
    """The block ``recovery`` of a new case, and where its value comes from.

    Parameters
    ----------
    headers
        Those of the PETs used; one without a model, as of a volume file, gets the generic value.
    tracer
        Nuclide of the scans.

    Returns
    -------
    (block, origins)
        Plain data of the case, and one sentence for each resolution that was combined. Of several (scans on different
        scanners) the mean is taken, with their spread in its uncertainty.
    """
    keys = dict.fromkeys((h.model, h.reconstruction, h.kernel) for h in headers)
    found = [typical_resolution(tracer, *key) for key in keys]
    widths = np.array([one.fwhm_mm for one in found])
    sigma = float(np.hypot(max(one.sigma_mm for one in found), widths.std()))
    block = {"fwhm": f"{widths.mean():.1f} mm", "fwhm_sigma": f"{sigma:.1f} mm", "assumed": True}
    return block, list(dict.fromkeys(one.origin for one in found))
