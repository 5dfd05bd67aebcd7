"""Damaged and foreign PET headers and sidecars: a scan or one of the program's own refusals, nothing else."""

import json
import math
import random
import warnings

import numpy as np
import pydicom
import pytest
from hevesy.engine import imaging
from hevesy.engine.errors import HevesyError
from hevesy.engine.grid import Grid, write_image
from hevesy.engine.imaging.dicom.elements import items
from hevesy.phantoms.traps.patient import write_pet
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

I124_S = 360806.4
#: What foreign files hold in place of a number, a text or a sequence.
ODD = ["", "abc", "16.0\0\0.437", "1e400", "-1", "0", "NaN", "99999999999999999999", "1\\2\\3", "2026-13-45", "+9999"]
ELEMENTS = [
    "Units", "DecayCorrection", "CorrectedImage", "SUVType", "PatientWeight", "PatientSize", "PatientSex", "SeriesDate",
    "SeriesTime", "StudyDate", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime", "TimezoneOffsetFromUTC",
    "DecayFactor", "FrameReferenceTime", "ActualFrameDuration", "ManufacturerModelName", "ReconstructionMethod",
    "ConvolutionKernel", "RadiopharmaceuticalInformationSequence",
]  # fmt: skip
ITEM = [
    "Radiopharmaceutical", "RadiopharmaceuticalStartTime", "RadiopharmaceuticalStartDateTime", "RadionuclideTotalDose",
    "RadionuclideHalfLife", "RadionuclidePositronFraction", "RadionuclideCodeSequence",
    "RadiopharmaceuticalCodeSequence",
]  # fmt: skip


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    folder = write_pet(tmp_path_factory.mktemp("pet") / "PET", np.full((3, 32, 32), 2000.0))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def changed(rng: random.Random, data: Dataset) -> None:
    """Delete, empty, retype or replace one element."""
    held = items(data, "RadiopharmaceuticalInformationSequence")
    inside = bool(held) and rng.random() < 0.5
    part = held[0] if inside else data
    keyword = rng.choice(ITEM if inside else ELEMENTS)
    way = rng.randrange(4)
    if way == 0:
        if keyword in part:
            delattr(part, keyword)
    elif way == 1:
        part.add_new(keyword, "LO", rng.choice(ODD))
    elif way == 2:
        part.add_new(keyword, "SQ", Sequence([Dataset()] if rng.random() < 0.5 else []))
    else:
        part.add_new(keyword, "OB", bytes(rng.randrange(256) for _ in range(6)))


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_header(series, tmp_path, seed):
    rng = random.Random(seed)
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        victims = rng.choice([set(series), {rng.choice(sorted(series))}])
        for name, content in series.items():
            path = folder / name
            path.write_bytes(content)
            if name in victims:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    data = pydicom.dcmread(path)
                    for _ in range(rng.randrange(1, 4)):
                        changed(rng, data)
                    try:
                        data.save_as(path)
                    except Exception:  # what the library cannot write is not a file
                        path.write_bytes(content)
        known = {"after_h": 24.0} if rng.random() < 0.5 else {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scan = imaging.read_pet(folder, half_life_s=I124_S, **known)
        except HevesyError:
            continue
        assert np.isfinite(scan.volume.values).all() and math.isfinite(scan.time_h)


FACTS = {
    "Units": "Bq/mL", "TracerRadionuclide": "I124", "InjectedRadioactivity": 74, "InjectedRadioactivityUnits": "MBq",
    "TimeZero": "09:00:00", "InjectionStart": 0, "ScanStart": 86400, "FrameTimesStart": [86400],
    "ImageDecayCorrected": True, "ImageDecayCorrectionTime": 86400, "BodyWeight": 70, "DecayCorrection": "START",
    "RadionuclideHalfLife": 360806, "RadionuclideTotalDose": 74e6, "Radiopharmaceutical": "NaI",
    "AcquisitionDateTime": "2026-01-06T09:00:00", "DecayFactor": [1.0], "ManufacturersModelName": "X",
}  # fmt: skip
VALUES = [
    None,
    True,
    False,
    0,
    -1,
    1e300,
    10**400,
    math.nan,
    math.inf,
    "",
    "abc",
    "24 h",
    [],
    [1, "a"],
    [[1]],
    {},
    {"a": 1},
]


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_sidecar(tmp_path, seed):
    rng = random.Random(seed)
    grid = Grid((3, 8, 8), (20.0, 20.0, 20.0), (0.0, 0.0, 0.0))
    path = write_image(tmp_path / "pet.nii.gz", grid, np.full(grid.shape, 2000.0))
    for _ in range(5):
        facts = dict(FACTS)
        for key in rng.sample(sorted(facts), rng.randrange(1, 4)):
            if rng.random() < 0.3:
                del facts[key]
            else:
                facts[key] = rng.choice(VALUES)
        (tmp_path / "pet.json").write_text(json.dumps(rng.choice([facts, facts, facts, [facts], "text", None])))
        known = {"after_h": 24.0} if rng.random() < 0.5 else {}
        try:
            scan = imaging.read_pet(path, half_life_s=I124_S, **known)
        except HevesyError:
            continue
        assert np.isfinite(scan.volume.values).all() and math.isfinite(scan.time_h)
