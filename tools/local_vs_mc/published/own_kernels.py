"""The program's method ``kernel``, which takes the kernel of the medium, in spheres of lung and of bone."""

from __future__ import annotations

from typing import Any

from ....engine.transport.run_options import RunOptions
from ..design import BONE, LUNG, Case
from ..methods import simulated
from ..spheres import built

NUCLIDES, MEDIA = ("I-131", "Y-90"), (LUNG, BONE)
VOLUME_ML, VOXEL_MM = 10.0, 3.0


def own_kernel(name: str, medium: str) -> dict[str, Any]:
    """Mean and D95 [Gy per decay] of a sphere by the kernel of its own medium; Monte Carlo is in the table."""
    case = Case(name, medium, VOLUME_ML, VOXEL_MM)
    found = simulated("kernel", built(case), RunOptions(backend="cpu"))
    return {"nuclide": name, "medium": medium, "mean": found.mean_gy, "d95": found.d95_gy}
