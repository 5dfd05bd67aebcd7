"""What the tests of a comparison share: the command in this process, and the folder of a run."""

from __future__ import annotations

import json
from pathlib import Path

import hevesy
import numpy as np
import pytest
import yaml
from hevesy.engine.grid import write_image
from hevesy.tests.unit.small_case import GRID, HOT, TEXT, write_small_case


def small_run(folder: Path, **changes: object) -> Path:
    """The small case with a second lesion, an organ with a limit and a reference region, run; returns its folder."""
    write_small_case(folder)
    labels = np.zeros(GRID.shape, np.uint8)
    labels[HOT] = 1
    labels[HOT[0].start, HOT[1], HOT[2]] = 2
    labels[3, 4:6, 4:6] = 3
    labels[9:11, 8:12, 8:12] = 4
    write_image(folder / "lesions.nii.gz", GRID, labels)
    names = {"1": {"name": "hot cube"}, "2": "kidney", "3": "aorta", "4": "cold node"}
    (folder / "lesions.json").write_text(json.dumps(names))
    data = yaml.safe_load(TEXT) | {"recovery": {"fwhm": "5 mm"}}
    data["visits"][0]["lesions"] = {
        "file": "lesions.nii.gz",
        "names": {"kidney": {"role": "organ", "limit": "25 Gy"}, "aorta": "reference"},
    }
    outcome = hevesy.run(hevesy.Case.from_dict(data | changes, base=folder), out=folder / "run")
    assert outcome.folder is not None
    return outcome.folder


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    return small_run(tmp_path_factory.mktemp("compare"))
