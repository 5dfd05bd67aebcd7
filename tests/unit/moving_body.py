"""A small trunk with lungs, spine and a hot nodule, painted wherever it is wanted: for alignment between scans."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from hevesy.engine.grid import Grid, write_image
from hevesy.engine.nuclides.decay import nuclide
from hevesy.phantoms.shapes import Box, Cylinder, Ellipsoid, full_fraction, sphere
from scipy.ndimage import gaussian_filter

GRID = Grid((36, 34, 44), (4.0, 4.0, 4.0), (-70.0, -66.0, -86.0))
NODULE_MM = (10.0, 6.0, -38.0)
NODULE_ML = 6.0
FWHM_MM = 6.0
RETENTION = {24.0: 4e-4, 96.0: 2.5e-4}
TRACER_MBQ = 74.0


def shapes(shift):
    """(shape, HU) from the outside in; ``shift`` (z, y, x) [mm]."""
    z, y, x = shift
    return [
        (Cylinder((z, y, x), 112.0, (52.0, 74.0)), 20.0),
        (Ellipsoid((6.0 + z, y - 4.0, x - 36.0), (44.0, 34.0, 24.0)), -740.0),
        (Ellipsoid((2.0 + z, y - 4.0, x + 38.0), (40.0, 30.0, 22.0)), -740.0),
        (Box((z, 36.0 + y, x), (112.0, 18.0, 18.0)), 500.0),
        (Ellipsoid((-28.0 + z, y - 24.0, x + 12.0), (14.0, 12.0, 20.0)), 160.0),
        (nodule(shift), 30.0),
    ]


def nodule(shift=(0.0, 0.0, 0.0)):
    """The hot nodule."""
    return sphere(tuple(c + s for c, s in zip(NODULE_MM, shift, strict=True)), NODULE_ML)


def ct(grid=GRID, shift=(0.0, 0.0, 0.0), seed=1):
    """CT [HU] with 10 HU of noise."""
    hu = np.full(grid.shape, -1000.0)
    for shape, value in shapes(shift):
        part = full_fraction(shape, grid)
        hu += part * (value - hu)
    return (hu + 10.0 * np.random.default_rng(seed).standard_normal(grid.shape)).astype(np.float32)


def pet(hours, shift=(0.0, 0.0, 0.0), background=0.02):
    """PET [Bq/mL] without noise: the nodule over a warm body, painted finely, blurred and averaged to voxels."""
    fine = GRID.with_spacing((2.0, 2.0, 2.0))
    level = RETENTION[hours] * TRACER_MBQ * 1e6 * math.exp(-nuclide("I-124").decay_constant_per_h * hours)
    hot = full_fraction(nodule(shift), fine)
    body = full_fraction(shapes(shift)[0][0], fine)
    image = gaussian_filter(level * (background * body + (1.0 - background) * hot), FWHM_MM / 2.3548 / 2.0)
    nz, ny, nx = GRID.shape
    return image.reshape(nz, 2, ny, 2, nx, 2).mean(axis=(1, 3, 5)).astype(np.float32)


def outline(grid: Grid) -> np.ndarray:
    """Label map of the nodule: its fullest voxels, as many as make up its volume."""
    part = full_fraction(nodule(), grid, points=10)
    labels = np.zeros(grid.size, np.uint8)
    labels[np.argsort(-part.ravel(), kind="stable")[: round(NODULE_ML / grid.voxel_volume_ml)]] = 1
    return labels.reshape(grid.shape)


def write_case(folder: Path, shift=(0.0, 0.0, 0.0), extra: str = "") -> Path:
    """A case whose second scan shows the body moved by ``shift``; lesions drawn on the first."""
    folder.mkdir(parents=True, exist_ok=True)
    zero = (0.0, 0.0, 0.0)
    for hours, moved in ((24.0, zero), (96.0, shift)):
        write_image(folder / f"pet_{hours:.0f}.nii.gz", GRID, pet(hours, moved))
        write_image(folder / f"ct_{hours:.0f}.nii.gz", GRID, ct(shift=moved, seed=int(hours)))
    fine = GRID.with_spacing((2.0, 2.0, 2.0))
    write_image(folder / "lesions.nii.gz", fine, outline(fine))
    (folder / "lesions.json").write_text(json.dumps({"1": {"name": "nodule", "site": "lung"}}))
    case = folder / "case.yaml"
    case.write_text(
        "patient: M1\n"
        "therapy: {nuclide: I-131, activity: 7.4 GBq}\n"
        "tracer: {nuclide: I-124, activity: 74 MBq}\n"
        "weight: 75 kg\n"
        "visits:\n"
        "  - scans:\n"
        "      - {pet: pet_24.nii.gz, ct: ct_24.nii.gz, after: 24 h}\n"
        "      - {pet: pet_96.nii.gz, ct: ct_96.nii.gz, after: 96 h}\n"
        "    lesions: lesions.nii.gz\n"
        f"recovery: {{fwhm: {FWHM_MM:g} mm}}\n" + extra
    )
    return case
