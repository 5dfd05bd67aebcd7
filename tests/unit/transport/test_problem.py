"""Bad problems: one clear message each, from files and from Python; the text is part of the interface."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.physics.material import Material
from hevesy.engine.transport.options import PhysicsOptions
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.problem_checks import check_cutoffs, check_problem
from hevesy.engine.transport.run import simulate

WATER = Material("water", (1, 8), (0.111894, 0.888106), 75.0, 1.0)
AIR = Material("air", (7, 8), (0.76, 0.24), 85.7, 0.0012)
SHAPE = (2, 3, 4)


def good(**change) -> Problem:
    base = Problem(
        density_g_cm3=np.ones(SHAPE, np.float32),
        material=np.zeros(SHAPE, np.uint8),
        materials=(WATER,),
        voxel_size_mm=(3.0, 3.0, 3.0),
        source=np.ones(SHAPE, np.float32),
        emission=Emission(electron_lines=np.array([[0.2, 1.0]])),
    )
    return replace(base, **change)


def water(**change) -> Material:
    return replace(WATER, **change)


def changed(array, value, index=(0, 0, 0)):
    out = np.array(array, float)
    out[index] = value
    return out


ONES = np.ones(SHAPE)
BAD = [
    (lambda: good(density_g_cm3=changed(ONES, 0.0)), "density_g_cm3: 1 voxel has a density of 0 or less", "air"),
    (lambda: good(density_g_cm3=changed(ONES, -1.5)), "lowest -1.5 g/cm3", "air, 0.0012 g/cm3"),
    (lambda: good(density_g_cm3=changed(ONES, np.nan)), "density_g_cm3: 1 voxel is NaN or infinite", ""),
    (lambda: good(density_g_cm3=np.ones((3, 4))), "density_g_cm3: has shape (3, 4)", "box of voxels"),
    (lambda: good(material=np.full(SHAPE, 7, np.uint8)), "material: index 7 with 1 material listed", "counted from 0"),
    (lambda: good(material=np.full(SHAPE, -2)), "material: index -2", "counted from 0"),
    (lambda: good(material=ONES * 0), "material: has type float64", "integers"),
    (lambda: good(material=np.zeros((1, 1, 1), np.uint8)), "material: has shape (1, 1, 1)", "share one grid"),
    (lambda: good(source=ONES * 0), "source: is empty", "nothing to transport"),
    (lambda: good(source=changed(ONES, np.nan)), "source: holds a negative or undefined", "zero or more"),
    (lambda: good(source=changed(ONES, -1)), "source: holds a negative or undefined", "zero or more"),
    (lambda: good(source=np.ones((2, 2, 2))), "source: has shape (2, 2, 2)", "share one grid"),
    (lambda: good(regions=np.ones((2, 2, 2), np.uint8)), "regions: has shape (2, 2, 2)", "share one grid"),
    (lambda: good(voxel_size_mm=(3.0, 0.0, 3.0)), "voxel_size_mm: is (3.0, 0.0, 3.0) mm", "positive lengths"),
    (lambda: good(voxel_size_mm=(3.0, 3.0)), "voxel_size_mm: is (3.0, 3.0) mm", "positive lengths"),
    (lambda: good(voxel_size_mm=(3.0, 3.0, np.nan)), "voxel_size_mm: is (3.0, 3.0, nan) mm", "positive lengths"),
    (lambda: good(materials=(water(mass_fraction=(0.5, 0.1)),)), "2 elements, mass fractions sum to 0.6", "sum to 1"),
    (lambda: good(materials=(water(Z=(8,)),)), "water: 1 element", "one per element"),
    (lambda: good(materials=(water(mean_excitation_ev=0.0),)), "water: mean excitation energy 0 eV", "positive"),
    (lambda: good(materials=(water(nominal_density_g_cm3=-1.0),)), "water: nominal density -1 g/cm3", "positive"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BAD)))
def test_values_that_cannot_be_simulated_are_refused(number) -> None:
    make, problem, help_ = BAD[number]
    with pytest.raises(InputError) as caught:
        check_problem(make(), "p.npz")
    text = str(caught.value)
    assert text.startswith("p.npz: ") and problem in text and help_ in text, text
    # and no transport starts with it
    with pytest.raises(InputError):
        simulate(make(), decays=1)


def test_good_problem_is_accepted() -> None:
    check_problem(good())
    check_cutoffs(good(), PhysicsOptions())


CUTOFFS = [
    (
        {"electron_cutoff_mev": 0.25}, {},
        "physics.electron_cutoff_mev: 250 keV, but no electron is emitted with more than 200 keV", "well below 200 keV",
    ),
    (
        {"photon_cutoff_mev": 0.1},
        {"emission": Emission(photon_lines=np.array([[0.08, 1.0], [0.3, 0.0]]))},
        "physics.photon_cutoff_mev: 100 keV, but no photon is emitted with more than 80 keV", "well below 80 keV",
    ),
    (
        {"electron_cutoff_mev": 0.15}, {"voxel_size_mm": (3.0, 3.0, 0.2)},
        "where an electron still travels 0.28", "use larger voxels",
    ),
]  # fmt: skip


@pytest.mark.parametrize("physics, change, problem, help_", CUTOFFS)
def test_cutoffs_that_make_no_sense(physics, change, problem, help_) -> None:
    with pytest.raises(InputError) as caught:
        simulate(good(**change), decays=1, physics=physics)
    assert problem in str(caught.value) and help_ in str(caught.value), caught.value


def test_cutoffs_that_make_sense() -> None:
    options = PhysicsOptions(electron_cutoff_mev=0.15)
    # air is thin: nobody looks at electrons there; alphas stay where they are
    thin = good(density_g_cm3=ONES * 0.0012, materials=(AIR,), voxel_size_mm=(1.0, 1.0, 1.0))
    check_cutoffs(thin, options)
    check_cutoffs(good(emission=Emission(alpha_lines=np.array([[6.0, 1.0]]))), options)
    # positrons annihilate wherever they stop
    check_cutoffs(
        good(emission=Emission(positron_mev=np.array([0, 0.1]), positron_per_mev=np.array([1.0, 1.0]))), options
    )


@pytest.mark.parametrize(
    "given, expected",
    [
        ({"photon_cutof_mev": 0.01}, "did you mean 'photon_cutoff_mev'?"),
        ({"photons": "no"}, "'no' is neither 'on' nor 'off'"),
        ({"photons": 1}, "1 is neither 'on' nor 'off'"),
        ({"collision_cutof_mev": 0.01}, "did you mean 'collision_cutoff_mev'?"),
        ({"collision_cutoff_mev": 0.02, "delta_ray_threshold_mev": 0.03}, "are both given"),
        ({"delta_ray_threshold_mev": -1}, "-1 is outside 0 to 1"),
        ({"delta_ray_threshold_mev": "x"}, "'x' is not a number"),
        ({"delta_ray_threshold_mev": None}, "None is not a number"),
        ({"electron_cutoff_mev": True}, "True is not a number"),
        ({"electron_cutoff_mev": 10.0}, "10 is outside 0.001 to 1"),
        ({"step_strength": 0.9}, "0.9 is outside 0.01 to 0.6"),
    ],
)
def test_physics_options_out_of_range_are_refused(given, expected) -> None:
    with pytest.raises(InputError, match=expected.replace("?", r"\?")):
        PhysicsOptions.from_dict(given)


def test_the_former_name_of_the_delta_ray_threshold_is_read(tmp_path) -> None:
    """A problem file that says ``collision_cutoff_mev`` gives the integers of one that says what it is called now."""
    tallies = []
    for key in ("collision_cutoff_mev", "delta_ray_threshold_mev"):
        path = good(physics={key: 0.05}).save(tmp_path / f"{key}.npz")
        tallies.append(simulate(Problem.load(path), decays=200, backend="cpu"))
        assert tallies[-1].options["delta_ray_threshold_mev"] == 0.05
    usual = simulate(good(), decays=200, backend="cpu")
    np.testing.assert_array_equal(tallies[0].energy_quanta, tallies[1].energy_quanta)
    assert not np.array_equal(tallies[0].energy_quanta, usual.energy_quanta)


def test_options_recorded_by_format_1_0_read_as_those_of_today() -> None:
    former = {"electron_cutoff_mev": 0.05, "collision_cutoff_mev": None, "photons": True}
    assert PhysicsOptions.recorded(former) == {
        "electron_cutoff_mev": 0.05,
        "delta_ray_threshold_mev": 0.05,
        "photons": True,
    }
    today = PhysicsOptions(delta_ray_threshold_mev=0.02).to_dict()
    assert PhysicsOptions.recorded(today) == today


def test_the_usual_delta_ray_threshold() -> None:
    """10 keV, or the electron cut-off when that is higher."""
    for cutoff, threshold in ((0.001, 0.010), (0.010, 0.010), (0.1, 0.1)):
        assert PhysicsOptions(electron_cutoff_mev=cutoff).delta_ray_threshold_mev == threshold


def test_run_options_that_cannot_be_used_are_refused() -> None:
    for options, expected in (
        ({"decays": 0}, "0 decays"),
        ({"decays": 10, "backend": "gpu"}, "unknown backend 'gpu'"),
        ({"until": "lesions:1"}, "is not a valid stop criterion"),
        ({"until": "lesions:1%"}, "no regions"),
    ):
        with pytest.raises(InputError, match=expected):
            simulate(good(), **options)


# ------------------------------------------------------------------------------------------------ files


def content(**change) -> dict:
    out = {
        "density_g_cm3": np.ones(SHAPE, np.float32),
        "material": np.zeros(SHAPE, np.uint8),
        "materials": json.dumps([vars(WATER)]),
        "voxel_size_mm": np.array([3.0, 3.0, 3.0]),
        "source": np.ones(SHAPE, np.float32),
        "emission": json.dumps({"electron_lines": [[0.2, 1.0]]}),
    }
    out.update(change)
    return {k: v for k, v in out.items() if v is not None}


FILES = [
    ({"source": None}, "lacks source"),
    ({"materials": "[{"}, "materials: is not valid JSON"),
    ({"physics": "[1]"}, "physics: must be a JSON object, not list"),
    ({"notes": "[1]"}, "notes: must be a JSON object, not list"),
    ({"materials": "{}"}, "materials: is not a list"),
    ({"materials": '[{"name": "x"}]'}, "materials[0]: lacks 'Z'"),
    ({"materials": '["water"]'}, "materials[0]: cannot be read"),
    ({"voxel_size_mm": np.array(["a", "b", "c"])}, "not numbers"),
    ({"emission": "[1]"}, "emission: is not an object"),
    ({"emission": "{}"}, "names no nuclide and lists no emission"),
    ({"emission": '{"nuclide": "I-1311"}'}, "I-131"),
    ({"emission": '{"photon_lines": [[0.3645]]}'}, "emission.photon_lines: is not a list of"),
    ({"emission": '{"electron_lines": [[-0.1, 1]]}'}, "emission.electron_lines: holds a negative"),
    ({"emission": '{"beta_spectrum": {"MeV": [0, 1], "per_MeV_per_decay": [1]}}'}, "2 energies and 1 value"),
    ({"emission": '{"beta_spectrum": {"MeV": [1, 0], "per_MeV_per_decay": [1, 1]}}'}, "energies that do not rise"),
    ({"emission": '{"beta_spectrum": [1, 2]}'}, "emission.beta_spectrum: is not a spectrum"),
    ({"density_g_cm3": np.zeros(SHAPE, np.float32)}, "density of 0 or less"),
]


@pytest.mark.parametrize("number", range(len(FILES)))
def test_damaged_problem_files_are_refused(number, tmp_path) -> None:
    change, expected = FILES[number]
    path = tmp_path / "problem.npz"
    np.savez(path, **content(**change))
    with pytest.raises(InputError) as caught:
        Problem.load(path)
    assert expected in str(caught.value) and "problem.npz" in str(caught.value), caught.value


def test_files_that_are_no_problem_files(tmp_path) -> None:
    missing, text, array, cut = (tmp_path / n for n in ("no.npz", "text.npz", "array.npz", "cut.npz"))
    text.write_text("hello")
    with array.open("wb") as stream:
        np.save(stream, np.ones(3))
    np.savez(cut, **content())
    cut.write_bytes(cut.read_bytes()[:-300])
    for path, expected in ((missing, "no such file"), *((p, "cannot be read") for p in (text, array, cut))):
        with pytest.raises(InputError, match=expected):
            Problem.load(path)


def test_problem_is_read_back_as_written(tmp_path) -> None:
    given = good(physics={"photons": "off"}, regions=np.ones(SHAPE, np.uint8), region_names=("all",), notes={"a": 1})
    back = Problem.load(given.save(tmp_path / "p.npz"))
    np.testing.assert_array_equal(back.density_g_cm3, given.density_g_cm3)
    np.testing.assert_array_equal(back.regions, given.regions)
    assert back.materials == given.materials and back.physics == given.physics and back.notes == given.notes
    assert back.region_names == ("all",) and back.voxel_size_mm == given.voxel_size_mm
