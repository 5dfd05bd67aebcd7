"""The cases that show where kernel convolution fails: what is where, and a row of the table."""

from __future__ import annotations

import numpy as np
from hevesy.phantoms.mixed import BONE, LUNG, WATER
from hevesy.tools import kernel_limits


def test_every_case_has_its_media():
    media = {
        name: {kernel_limits.MATERIALS[index].name for index in np.unique(material)}
        for name, material in kernel_limits.cases().items()
    }
    assert media["water in water"] == {WATER.name} and media["lung in lung"] == {LUNG.name}
    assert media["water in lung"] == media["water at lung"] == {WATER.name, LUNG.name}
    assert media["water at bone"] == media["bone in water"] == {WATER.name, BONE.name}
    assert media["water at air"] == {WATER.name, "air"}


def test_the_regions_are_the_sphere_and_its_two_kinds_of_neighbours():
    material = kernel_limits.cases()["water at lung"]
    parts = kernel_limits.regions(material)
    assert list(parts) == ["sphere", "around, same", "around, other"]
    # centres within 2.5 voxels of one of them
    assert parts["sphere"].sum() == 81
    assert (material[parts["sphere"] | parts["around, same"]] == 0).all()
    assert (material[parts["around, other"]] == 1).all()
    assert "around, other" not in kernel_limits.regions(kernel_limits.cases()["water at air"])
    problem = kernel_limits.problem(material, "I-131")
    assert (problem.source > 0).sum() == parts["sphere"].sum()


def test_rows_have_the_bias_of_every_method(monkeypatch):
    """The uniform case on a small grid with few decays: the kernel within five standard errors, local above."""
    monkeypatch.setattr(kernel_limits, "VOXELS", 16)
    water = np.zeros((16, 16, 16), np.uint8)
    monkeypatch.setattr(kernel_limits, "cases", lambda: {"water in water": water})
    (case, region, bias, error), _ = kernel_limits.rows("Y-90", 20_000)
    assert (case, region) == ("water in water", "sphere") and 0.0 < error < 1.0
    assert abs(bias[0]) < 6.0 * error and bias[0] == bias[1] and 25.0 < bias[2] < 50.0
