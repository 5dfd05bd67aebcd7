"""Two whole-body PET/CT scans of 13 million voxels each, the second turned and displaced: a serial study's images."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from hevesy.engine.grid import Grid, write_image

GRID = Grid((199, 256, 256), (3.27, 2.73, 2.73), (-325.0, -349.0, -349.0))
#: Turn about the long axis [rad] and shift (x, y, z) [mm] of the second scan.
TURN, SHIFT_MM = 0.05, (12.0, -7.0, 15.0)
#: Lungs, spine, organs, bones: centre (x, y, z) [mm], radius [mm], CT number [HU].
PARTS = (
    ((70, 0, 50), 60, -750), ((-70, 0, 50), 60, -750), ((0, 80, 0), 25, 400), ((60, -30, -120), 50, 60),
    ((-90, 20, -200), 20, 300), ((40, 40, -220), 15, 500), ((0, -40, 180), 30, 250),
)  # fmt: skip
CASE = """patient: whole-body
threshold: 20 Gy
therapy: {nuclide: I-131, activity: 7.4 GBq}
tracer: {nuclide: I-124, activity: 150 MBq}
weight: 70 kg
alignment: {model: rigid}
visits:
  - name: baseline
    scans:
      - {pet: pet1.nii.gz, ct: ct1.nii.gz, after: 24 h}
      - {pet: pet2.nii.gz, ct: ct2.nii.gz, after: 96 h}
    lesions: lesions.nii.gz
"""


def turned(angle: float = TURN) -> Grid:
    """The same voxels turned about the long axis of the body."""
    c, s = math.cos(angle), math.sin(angle)
    return Grid(GRID.shape, GRID.spacing_mm, GRID.origin_mm, (c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0))


def write(folder: Path) -> Path:
    """Write the images and case.yaml; returns the case."""
    z, y, x = (
        (origin + step * np.arange(n, dtype=np.float32)).reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, (n, step, origin) in enumerate(zip(GRID.shape, GRID.spacing_mm, GRID.origin_mm, strict=True))
    )
    c, s = math.cos(TURN), math.sin(TURN)
    places = [(x, y, z), (c * x - s * y + SHIFT_MM[0], s * x + c * y + SHIFT_MM[1], z + SHIFT_MM[2])]
    random = np.random.default_rng(1)
    for number, (px, py, pz) in enumerate(places, 1):
        body = (px / 180) ** 2 + (py / 120) ** 2 + (pz / 300) ** 4 < 1.0
        hu = np.where(body, 20.0, -1000.0)
        for (ax, ay, az), radius, value in PARTS:
            hu[(px - ax) ** 2 + (py - ay) ** 2 + ((pz - az) / 1.3) ** 2 < radius**2] = value
        lesion = (px - 50) ** 2 + (py + 20) ** 2 + (pz + 100) ** 2 < 12.0**2
        activity = np.where(lesion, 1e5, np.where(body, 1e3, 0.0)) * (1.0 if number == 1 else 0.4)
        noisy = np.rint(hu + random.normal(0.0, 15.0, hu.shape)).astype(np.int16)
        write_image(folder / f"ct{number}.nii.gz", GRID, noisy)
        write_image(folder / f"pet{number}.nii.gz", GRID, (activity * random.gamma(20, 0.05, hu.shape)).astype("f4"))
        if number == 1:
            write_image(folder / "lesions.nii.gz", GRID, np.broadcast_to(lesion, GRID.shape).astype(np.uint8))
    case = folder / "case.yaml"
    case.write_text(CASE, encoding="utf-8")
    return case
