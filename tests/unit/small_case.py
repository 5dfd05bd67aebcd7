"""A case small enough to run in a second: a block of water in air, one hot cube, two scans of 124I."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from hevesy.engine.grid import Grid, write_image
from hevesy.engine.nuclides.decay import nuclide

GRID = Grid((14, 16, 16), (4.0, 4.0, 4.0), (-26.0, -30.0, -30.0))
BODY = (slice(2, 12), slice(3, 13), slice(3, 13))
HOT = (slice(5, 8), slice(6, 9), slice(6, 9))
#: Retention of the hot cube at 24 h and 96 h, share of the administered activity per mL, decay-corrected.
RETENTION = {24.0: 4e-4, 96.0: 2.5e-4}
TRACER_MBQ = 74.0

TEXT = """\
patient: T1
threshold: 20 Gy
therapy: {nuclide: I-131, activity: 7.4 GBq}
tracer: {nuclide: I-124, activity: 74 MBq}
weight: 75 kg
visits:
  - name: baseline
    scans:
      - {pet: pet_24.nii.gz, ct: ct.nii.gz, after: 24 h}
      - {pet: pet_96.nii.gz, ct: ct.nii.gz, after: 96 h}
    lesions: lesions.nii.gz
transport: {decays: 40000, until: null}
"""


def write_small_case(folder: Path, text: str = TEXT) -> Path:
    """Write images and case file; returns the case file."""
    folder.mkdir(parents=True, exist_ok=True)
    hu = np.full(GRID.shape, -1000.0, np.float32)
    hu[BODY] = 20.0
    write_image(folder / "ct.nii.gz", GRID, hu)
    labels = np.zeros(GRID.shape, np.uint8)
    labels[HOT] = 1
    write_image(folder / "lesions.nii.gz", GRID, labels)
    (folder / "lesions.json").write_text('{"1": {"name": "hot cube", "site": "node"}}')
    rate = nuclide("I-124").decay_constant_per_h
    for hours, retained in RETENTION.items():
        pet = np.zeros(GRID.shape, np.float32)
        pet[HOT] = retained * TRACER_MBQ * 1e6 * math.exp(-rate * hours)
        write_image(folder / f"pet_{hours:.0f}.nii.gz", GRID, pet)
    case = folder / "case.yaml"
    case.write_text(text)
    return case


def hot_tia_h_per_ml() -> float:
    """Time integral of the therapy activity per mL and administered activity, by hand [h/mL]."""
    decay = nuclide("I-131").decay_constant_per_h
    biological = math.log(RETENTION[24.0] / RETENTION[96.0]) / 72.0
    first = RETENTION[24.0] * math.exp(-decay * 24.0)
    return first * (24.0 / 2.0 + 1.0 / (biological + decay))
