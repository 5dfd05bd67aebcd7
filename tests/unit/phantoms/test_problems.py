"""Named problems: complete, consistent, saved and read back, with references that follow from theory."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hevesy.engine.constants import JOULE_PER_MEV
from hevesy.engine.errors import InputError
from hevesy.engine.imaging import tissue
from hevesy.engine.nuclides import decay as nuclides
from hevesy.engine.transport.problem import Problem
from hevesy.phantoms import problems

SMALL = {
    "voxel_s": {"voxels": 7},
    "point_source": {"voxels": 7},
    "sphere": {"mass_g": 0.1, "margin_mm": 4.0},
    "slabs": {"voxels": (10, 10, 15)},
    "fano_checkerboard": {"voxels": 6},
    "fano_slabs": {"voxels": 6},
    "fano_random": {"voxels": 6},
    "alphas": {},
}


@pytest.mark.parametrize("name", sorted(problems.PROBLEMS))
def test_every_problem_is_complete_and_survives_its_file(name: str, tmp_path) -> None:
    given = problems.problem(name, **SMALL[name])
    assert given.density_g_cm3.shape == given.material.shape == given.source.shape
    assert given.density_g_cm3.min() > 0 and given.source.min() >= 0 and given.source.sum() > 0
    assert given.material.max() < len(given.materials)
    assert given.regions is not None and given.regions.max() == len(given.region_names)
    for material in given.materials:
        assert sum(material.mass_fraction) == pytest.approx(1.0, abs=1e-6)
    given.save(tmp_path / "p.npz")
    back = Problem.load(tmp_path / "p.npz")
    np.testing.assert_array_equal(back.source, given.source)
    np.testing.assert_array_equal(back.density_g_cm3, given.density_g_cm3)
    for field in dataclasses.fields(given.emission):
        a, b = getattr(given.emission, field.name), getattr(back.emission, field.name)
        if isinstance(a, np.ndarray):
            np.testing.assert_allclose(b, a, rtol=1e-12)


@pytest.mark.parametrize("pattern", ["checkerboard", "slabs", "random"])
def test_fano_emission_per_mass_is_uniform_and_the_reference_follows(pattern: str) -> None:
    given = problems.fano("I-131", voxels=6, pattern=pattern)
    np.testing.assert_array_equal(given.source, given.density_g_cm3)
    assert len(given.materials) == 1 and given.physics["photons"] == "off"
    mass_kg = given.density_g_cm3.sum(dtype=float) * 0.2**3 / 1000
    energy = nuclides.energy_per_decay(given.emission)
    assert energy.photon == 0.0
    expected = energy.electron * JOULE_PER_MEV / mass_kg
    inside = np.isfinite(given.reference_dose)
    np.testing.assert_allclose(given.reference_dose[inside], expected)
    assert inside.sum() == 6**3
    assert set(np.unique(given.density_g_cm3[inside])) == {np.float32(r) for r in (0.26, 1.0, 1.85)}
    assert np.all(given.density_g_cm3[~inside] == np.float32(1.85))


@pytest.mark.parametrize(("energy", "csda"), [(0.1, 0.01431), (0.5, 0.1766), (1.0, 0.4367), (3.0, 1.514)])
def test_the_fano_layer_is_thicker_than_any_electron_reaches(energy: float, csda: float) -> None:
    """CSDA ranges in water of ESTAR [g/cm2]."""
    assert csda < problems.electron_reach_g_cm2(problems.electrons(energy)) < 1.3 * csda
    given = problems.fano(problems.electrons(energy), voxels=3)
    layer = given.notes["layer_voxels"]
    assert layer * 0.2 * 1.85 >= csda
    assert given.density_g_cm3.shape == (3 + 2 * layer,) * 3


def test_voxel_s_regions_are_the_26_neighbours() -> None:
    given = problems.voxel_s(voxels=9)
    assert [int((given.regions == i).sum()) for i in range(1, 5)] == [1, 6, 12, 8]
    assert given.source.sum() == 1 and given.source[4, 4, 4] == 1


def test_sphere_source_is_its_volume_and_mass() -> None:
    given = problems.sphere_in_water(1.0, margin_mm=3.0)
    volume = math.prod(given.voxel_size_mm) * 1e-3
    assert given.source.sum() * volume == pytest.approx(1.0, rel=2e-3)
    assert np.all(given.source[given.regions == 1] == 1)


def test_slabs_hold_three_tissues_and_a_sphere_on_each_face() -> None:
    given = problems.slabs(voxels=(12, 12, 30))
    assert [m.name for m in given.materials] == ["lung", "soft_tissue", "marrow_bone_9"]
    assert [float(r) for r in np.unique(given.density_g_cm3)] == pytest.approx([0.26, 1.04, 1.6])
    for number in (1, 2):
        where = np.argwhere(given.regions == number)[:, 2]
        assert len(np.unique(given.material[given.regions == number])) == 2
        assert where.min() < 10 * number <= where.max()
    total = given.source.sum() * math.prod(given.voxel_size_mm)
    assert total == pytest.approx(2 * 4 / 3 * math.pi * 125, rel=5e-3)


def test_electrons_of_a_nuclide_leave_photons_out() -> None:
    assert len(problems.electrons_of("I-131").photon_lines) == 0
    energy = nuclides.energy_per_decay(problems.electrons_of("I-131"))
    assert energy.charged == pytest.approx(0.19185, abs=1e-5)
    assert problems.photons(0.3645).photon_lines.tolist() == [[0.3645, 1.0]]


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(InputError, match="unknown problem 'fanno'"):
        problems.problem("fanno")
    with pytest.raises(InputError, match="no middle one"):
        problems.voxel_s(voxels=8)
    with pytest.raises(InputError, match="unknown Fano pattern"):
        problems.fano(pattern="stripes")


def test_water_is_the_default_medium() -> None:
    assert problems.voxel_s(voxels=3).materials == (tissue.water(),)
