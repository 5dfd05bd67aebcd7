"""A scan that lies beside the outline: found, budgeted, and a bound where it misses too much."""

from __future__ import annotations

import json
import math
from pathlib import Path

import hevesy
import numpy as np
import pytest
import yaml
from hevesy.engine.grid import write_image
from hevesy.engine.imaging.volumes import read_volume
from hevesy.engine.lesions.bounds import FIRST_MISPLACED, MISPLACED, UNRESOLVED
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.pipeline.displacement import SCATTER_MM, missed_share
from hevesy.engine.pipeline.lesion_views import LesionView
from hevesy.tests.unit.small_case import BODY, GRID, HOT, RETENTION, TEXT, TRACER_MBQ, write_small_case
from scipy.ndimage import gaussian_filter, shift

FWHM_MM = 6.0


def pets(folder: Path, moved_mm: float, cold: bool = False, first: bool = False) -> None:
    """The small case's PETs, blurred, over a background of 1 %; the later or the first one moved along y."""
    rate = nuclide("I-124").decay_constant_per_h
    sigma = FWHM_MM / 2.3548 / 4.0
    for hours, retained in RETENTION.items():
        whole = np.zeros(GRID.shape)
        whole[BODY] = 0.01
        whole[HOT] = 0.02 if cold else 1.0
        image = gaussian_filter(whole, sigma)
        if (hours > 24.0) != first:
            image = shift(image, (0.0, moved_mm / 4.0, 0.0), order=1)
        scale = retained * TRACER_MBQ * 1e6 * math.exp(-rate * hours)
        write_image(folder / f"pet_{hours:.0f}.nii.gz", GRID, (scale * image).astype(np.float32))


def run(folder: Path, moved_mm: float, **how: bool) -> tuple[dict, dict]:
    """The lesion's record in lesions.json, and the planned verdict."""
    write_small_case(folder)
    pets(folder, moved_mm, **how)
    data = yaml.safe_load(TEXT) | {"recovery": {"fwhm": "6 mm"}, "methods": ["local"]}
    hevesy.run(hevesy.Case.from_dict(data, base=folder), out=folder / "out")
    written = json.loads((folder / "out" / "lesions.json").read_text())
    return written["lesions"][0], written["verdicts"][0]


def line(record: dict, name: str) -> float:
    return next(one["relative"] for one in record["uncertainty"]["contributions"] if one["name"] == name)


def test_a_scan_in_its_place_costs_nothing(tmp_path: Path) -> None:
    record, verdict = run(tmp_path, 0.0)
    assert record["bounds"]["lower"] == [] and 0.5 < verdict["probability"] < 1.0
    assert record["clinic"]["centroid_shift_mm"] == pytest.approx([0.0, 0.0], abs=0.1)


def test_a_small_shift_widens_the_budget(tmp_path: Path) -> None:
    before, _ = run(tmp_path / "a", 0.0)
    after, verdict = run(tmp_path / "b", 4.0)
    assert after["bounds"]["lower"] == [] and math.isfinite(verdict["probability"])
    assert line(after, "scan noise and registration") > 1.2 * line(before, "scan noise and registration")
    assert after["dose_gy"] < before["dose_gy"]  # what the line is for


def test_a_large_shift_makes_the_dose_a_lower_bound(tmp_path: Path) -> None:
    truth, _ = run(tmp_path / "a", 0.0)
    moved, verdict = run(tmp_path / "b", 8.0)
    assert moved["bounds"]["lower"] == [MISPLACED] and moved["probability"] is None
    assert moved["dose_gy"] < truth["dose_gy"]
    assert verdict["probability"] is None and MISPLACED in verdict["sentence"]


def test_a_first_scan_beside_the_outline_bounds_nothing(tmp_path: Path) -> None:
    """Its value is too low, so the clearance seems too slow: the dose may be too large."""
    record, verdict = run(tmp_path, 8.0, first=True)
    assert record["bounds"] == {"lower": [], "upper": [], "unknown": [FIRST_MISPLACED]}
    assert verdict["verdict"] == "undetermined" and verdict["probability"] is None


def test_scans_too_close_together_bound_nothing(tmp_path: Path) -> None:
    """24 h and 26 h: 8 % in one scan changes the integral many times over."""
    write_small_case(tmp_path)
    data = yaml.safe_load(TEXT) | {"recovery": {"fwhm": "6 mm"}, "methods": ["local"]}
    first = read_volume(tmp_path / "pet_24.nii.gz")
    write_image(tmp_path / "pet_96.nii.gz", GRID, (0.97 * first.values).astype(np.float32))
    data["visits"][0]["scans"][1]["after"] = "26 h"
    (visit,) = hevesy.run(hevesy.Case.from_dict(data, base=tmp_path)).visits
    assert visit.lesions[0].bounds.unknown == (UNRESOLVED,) and visit.verdict.verdict == "undetermined"
    assert any(UNRESOLVED in text for text in visit.result.critical)


def test_a_lesion_that_does_not_stand_out_shows_no_shift(tmp_path: Path) -> None:
    record, _ = run(tmp_path, 8.0, cold=True)
    assert record["clinic"]["centroid_shift_mm"] == [None, None] and MISPLACED not in record["bounds"]["lower"]


@pytest.mark.parametrize("size_mm, shift_mm", [(12.0, 6.0), (20.0, 8.0), (28.0, 10.0)])
def test_the_share_against_a_sphere_moved_on_fine_voxels(size_mm: float, shift_mm: float) -> None:
    """The Gaussians stand for a blurred sphere: they miss up to 0.06 of its mean more, and never less."""
    z, y, x = np.indices((72, 72, 72)) - 35.5
    sphere = (np.sqrt(z**2 + y**2 + x**2) <= size_mm / 2.0).astype(np.float64)
    image = gaussian_filter(sphere, FWHM_MM / 2.3548)
    beside = shift(image, (shift_mm, 0.0, 0.0), order=1)
    missed = 1.0 - (sphere * beside).sum() / (sphere * image).sum()
    grid = type(GRID)(sphere.shape, (1.0, 1.0, 1.0))
    view = LesionView(image, sphere, np.zeros(sphere.shape, bool), np.ones(sphere.shape), grid, FWHM_MM)
    assert missed_share(view, math.hypot(shift_mm, SCATTER_MM)) == pytest.approx(missed + 0.03, abs=0.035)
    assert missed_share(view, SCATTER_MM) == 0.0
