"""Comparisons with published figures, one file each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from . import body, check, clusters, lung, own_kernels, small_spheres


@dataclass(frozen=True)
class Comparison:
    """What one published figure needs calculated: plain numbers, by name."""

    calculate: Callable[[], dict[str, Any]]


#: Every comparison by its name; the published numbers and the verdicts are in the page.
PUBLISHED: dict[str, Comparison] = {
    **{
        f"small sphere {diameter:g} mm": Comparison(partial(small_spheres.small_sphere, diameter))
        for diameter in small_spheres.DIAMETERS_MM
    },
    **{f"sphere of {mass:g} g": Comparison(partial(check.sphere_dose, mass)) for mass in check.REFERENCE_GY},
    **{
        f"own kernel {nuclide} {name}": Comparison(partial(own_kernels.own_kernel, nuclide, name))
        for name in own_kernels.MEDIA
        for nuclide in own_kernels.NUCLIDES
    },
    **{
        f"cluster {nuclide} {voxels} blur {blur:g}": Comparison(partial(clusters.cluster, nuclide, voxels, blur))
        for nuclide in clusters.NUCLIDES
        for voxels in clusters.RADII_SQUARED
        for blur in clusters.BLURS_MM
    },
    "lung beside liver": Comparison(lung.lung_beside_liver),
    "whole body": Comparison(body.whole_body),
}
