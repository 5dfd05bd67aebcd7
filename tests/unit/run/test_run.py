"""The main job on a block of water: numbers by hand, files, and what happens when something is wrong."""

import csv
import json
import math

import h5py
import hevesy
import numpy as np
import pytest
import yaml
from hevesy.engine.dose.local import emitted_energy
from hevesy.engine.errors import InputError, StoppedEarly
from hevesy.engine.export import folder as outputs
from hevesy.engine.export.summary import lesion_tables
from hevesy.engine.grid import write_image
from hevesy.engine.lesions.recovery import sphere_recovery
from hevesy.engine.nuclides.decay import energy_per_decay, nuclide
from hevesy.engine.nuclides.progeny import decay_emission
from hevesy.engine.pipeline.lesion_density import lesion_density, mixing_fractions
from hevesy.engine.pipeline.lesion_records import escape_length_mm
from hevesy.engine.pipeline.mask_recovery import MaskRecovery
from hevesy.phantoms.shapes import full_fraction, sphere
from hevesy.tests.unit.small_case import BODY, GRID, HOT, TEXT, hot_tia_h_per_ml, write_small_case


@pytest.fixture(scope="module")
def case_file(tmp_path_factory):
    return write_small_case(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def local(case_file):
    return hevesy.run(case_file, method="local")


def test_local_dose_of_the_hot_cube_by_hand(local):
    (lesion,) = local.lesions
    decays_per_ml = hot_tia_h_per_ml() * 7.4e9 * 3600.0
    density = local.visits[0].result.density_g_cm3[HOT[0].start, HOT[1].start, HOT[2].start]
    energy = emitted_energy(nuclide("I-131").emission).charged
    by_hand = decays_per_ml * energy * 1.602176634e-13 / (density * 1e-3)
    assert lesion.dose_gy == pytest.approx(by_hand, rel=1e-4)
    assert lesion.volume_ml == pytest.approx(27 * 0.064, rel=1e-6)
    assert (lesion.lesion, lesion.site, lesion.visit, lesion.patient) == (
        "hot cube",
        "node",
        "baseline",
        "T1",
    )
    assert lesion.verdict == "eligible"
    assert lesion.ldpa_gy_per_gbq == pytest.approx(lesion.dose_gy / 7.4)


def test_curve_of_the_lesion_is_the_two_point_formula(local):
    kinetics = local.lesions[0].kinetics
    volume = 27 * 0.064
    assert kinetics["tia_coefficient_h"] == pytest.approx(hot_tia_h_per_ml() * volume, rel=1e-4)
    assert kinetics["model"] == "two-point"
    assert kinetics["retention_percent"] == pytest.approx([4e-2 * volume, 2.5e-2 * volume], rel=1e-4)


def test_grid_is_cropped_to_the_body_and_says_so(local):
    result = local.visits[0].result
    assert result.grid.shape == (14, 14, 14)
    assert any("cropped to the body" in text for text in result.assumptions)
    assert any("no registration" in text for text in result.assumptions)


def test_monte_carlo_balances_and_agrees_with_its_own_tally(case_file):
    outcome = hevesy.run(case_file, method="mc,local", seed=3)
    (lesion,) = outcome.lesions
    result = outcome.visits[0].result
    assert result.balance.residual_quanta == 0
    assert result.balance.emitted == pytest.approx(result.balance.deposited + result.balance.escaped)
    assert result.backend == "cpu"
    assert 0 < lesion.dose_mc_standard_error_gy < 0.05 * lesion.dose_gy
    # the mean of the map over the mask is the tally of the lesion's region (mask weights are whole here)
    mean, sigma = result.region_dose_gy_per_decay([255 * lesion.mass_g])
    decays = float(result.tia_bq_h_ml.astype(np.float64).sum()) * 0.064 * 3600
    assert mean[0] * decays == pytest.approx(lesion.dose_map_gy, rel=1e-5)
    assert sigma[0] * decays == pytest.approx(lesion.dose_mc_standard_error_gy, rel=1e-5)
    # beta particles leave a 12 mm cube: less than local deposition, by several per cent, photons included
    assert 0.85 < lesion.dose_map_gy / lesion.dose_local_gy < 1.0


def test_same_seed_same_integers(case_file):
    tallies = [hevesy.run(case_file, method="mc", seed=11).visits[0].result.tally for _ in range(2)]
    np.testing.assert_array_equal(tallies[0].energy_quanta, tallies[1].energy_quanta)
    np.testing.assert_array_equal(tallies[0].region_quanta, tallies[1].region_quanta)


def test_output_folder_holds_all_and_is_rerunnable(case_file, tmp_path):
    out = tmp_path / "out"
    first = hevesy.run(case_file, out=out)
    names = {p.name for p in out.iterdir()}
    assert {
        "result.h5",
        "lesions.csv",
        "lesions.json",
        "dose_mc.nii.gz",
        "sigma_mc.nii.gz",
        "dose_local.nii.gz",
        "report.html",
        "case.resolved.yaml",
        "log.txt",
    } <= names
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    with h5py.File(out / "result.h5") as file:
        assert file.attrs["format"] == "hevesy-result"
        assert {"dose", "density", "activity", "lesions", "tally", "balance"} <= set(file)
    columns = (out / "lesions.csv").read_text().splitlines()[0].split(",")
    assert columns[:12] == [
        "patient",
        "visit",
        "lesion",
        "volume_ml",
        "mass_g",
        "dose_gy",
        "dose_uncertainty_gy",
        "dose_mc_standard_error_gy",
        "ldpa_gy_per_gbq",
        "d95_gy",
        "v20gy_percent",
        "verdict",
    ]
    assert "Eligible" in (out / "log.txt").read_text()
    again = hevesy.run(out / "case.resolved.yaml", out=tmp_path / "again")
    assert again.lesions[0].dose_gy == first.lesions[0].dose_gy
    assert again.case == first.case


def test_report_can_be_written_again(case_file, tmp_path):
    out = tmp_path / "out"
    hevesy.run(case_file, method="local", out=out)
    (out / "report.html").unlink()
    (written,) = outputs.rewrite_report(out)
    assert "hot cube" in written.read_text()
    with pytest.raises(InputError, match="holds no results"):
        outputs.rewrite_report(tmp_path)


def test_no_machine_path_in_what_is_written(case_file, tmp_path):
    out = case_file.parent / "results"
    hevesy.run(case_file, method="local", out=out)
    for name in ("case.resolved.yaml", "log.txt", "report.html", "lesions.json"):
        assert str(case_file.parent) not in (out / name).read_text(), name


def test_former_results_are_kept_once_and_foreign_files_never_touched(case_file, tmp_path):
    out = tmp_path / "out"
    for seed in (1, 2, 3):
        hevesy.run(case_file, method="local", seed=seed, out=out)
    kept = yaml.safe_load((tmp_path / "out.previous" / "case.resolved.yaml").read_text())
    assert kept["transport"]["seed"] == 2
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="not of a hevesy run"):
        hevesy.run(case_file, method="local", out=foreign)
    assert [p.name for p in foreign.iterdir()] == ["thesis.txt"]


def test_stopped_run_keeps_what_it_has_and_says_so(case_file, tmp_path):
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 24

    out = tmp_path / "out"
    outcome = hevesy.run(case_file, method="mc", stop=stop, out=out)
    result = outcome.visits[0].result
    assert outcome.incomplete
    assert not result.complete
    assert 0 < result.decays < 40000
    assert math.isfinite(outcome.lesions[0].dose_gy)
    assert hevesy.Result.load(out / "result.h5").complete is False
    assert "ncomplete" in (out / "report.html").read_text()


def test_stopped_before_anything_writes_nothing(case_file, tmp_path):
    with pytest.raises(StoppedEarly) as caught:
        hevesy.run(case_file, method="local", stop=lambda: True, out=tmp_path / "out")
    assert caught.value.exit_code == 3
    assert list(tmp_path.iterdir()) == []


def test_several_visits_have_folders_of_their_own(case_file, tmp_path):
    data = yaml.safe_load(TEXT)
    data["visits"].append({**data["visits"][0], "name": "week 6", "activity": "37 MBq"})
    case = hevesy.Case.from_dict(data, base=case_file.parent)
    outcome = hevesy.run(case, method="local", out=tmp_path / "out")
    assert [lesion.visit for lesion in outcome.lesions] == ["baseline", "week 6"]
    # half the tracer activity for the same counts is twice the uptake
    assert outcome.lesions[1].dose_gy == pytest.approx(2 * outcome.lesions[0].dose_gy)
    assert (tmp_path / "out" / "week_6" / "report.html").exists()
    assert len((tmp_path / "out" / "lesions.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "mcc"}, "unknown dose method 'mcc'"),
        ({"until": "lesion:1%"}, "'lesion:1%' is not a valid stop criterion"),
        ({"decays": 0}, "not a number of decays"),
        ({"backend": "opencl"}, "'opencl' is not a valid choice"),
        ({"seed": -1}, "seed"),
    ],
)
def test_wrong_options_name_themselves(case_file, change, words):
    with pytest.raises(InputError) as caught:
        hevesy.run(case_file, **change)
    assert words in str(caught.value)


def nan_voxels(folder):
    pet = np.zeros(GRID.shape, np.float32)
    pet[HOT] = np.nan
    write_image(folder / "pet_24.nii.gz", GRID, pet)


def negative(folder):
    write_image(folder / "pet_24.nii.gz", GRID, np.full(GRID.shape, -50.0, np.float32))


def no_activity(folder):
    for name in ("pet_24.nii.gz", "pet_96.nii.gz"):
        write_image(folder / name, GRID, np.zeros(GRID.shape, np.float32))


def empty_lesions(folder):
    write_image(folder / "lesions.nii.gz", GRID, np.zeros(GRID.shape, np.uint8))


def density_as_ct(folder):
    rho = np.full(GRID.shape, 0.001, np.float32)
    rho[BODY] = 1.02
    write_image(folder / "ct.nii.gz", GRID, rho)


def ct_elsewhere(folder):
    far = GRID.__class__(GRID.shape, GRID.spacing_mm, (1000.0, 0.0, 0.0))
    write_image(folder / "ct.nii.gz", far, np.full(GRID.shape, 20.0, np.float32))


def cut_short(folder):
    path = folder / "pet_96.nii.gz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "spoil", [nan_voxels, negative, no_activity, empty_lesions, density_as_ct, ct_elsewhere, cut_short]
)
def test_bad_input_is_one_message_and_nothing_is_written(tmp_path, spoil):
    case = write_small_case(tmp_path / "case")
    spoil(tmp_path / "case")
    with pytest.raises(InputError) as caught:
        hevesy.run(case, method="local", out=tmp_path / "out")
    assert caught.value.exit_code == 2
    assert caught.value.why
    assert caught.value.suggestion
    assert [p.name for p in tmp_path.iterdir()] == ["case"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("after: 96 h", "after: 24 h", "are 0 s apart"),
        (", activity: 74 MBq}", "}", "tracer activity of visit 'baseline' is not known"),
        ("nuclide: I-124,", "nuclide: I-124x,", "I-124x"),
        (", after: 24 h", "", "after"),
    ],
)
def test_contradictions_in_the_case_are_named(tmp_path, old, new, words):
    assert old in TEXT
    case = write_small_case(tmp_path, TEXT.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        hevesy.run(case, method="local")
    assert words in str(caught.value)


def test_one_scan_is_physical_decay_and_said(tmp_path):
    lines = [line for line in TEXT.splitlines() if "pet_96" not in line]
    case = write_small_case(tmp_path, "\n".join(lines))
    outcome = hevesy.run(case, method="local")
    assert any("One scan only" in text for text in outcome.visits[0].result.warnings)
    assert any("Physical decay only" in text for text in outcome.visits[0].result.assumptions)
    assert any("physical decay" in flag for flag in outcome.lesions[0].flags)


def test_outcome_can_be_written_as_json(local):
    text = json.dumps(local.to_dict())
    assert json.loads(text)["lesions"][0]["lesion"] == "hot cube"


@pytest.mark.parametrize("diameter_mm", [12.0, 20.0, 30.0])
def test_mask_recovery_is_the_sphere_formula_for_fine_voxels(diameter_mm):
    step = 1.0
    n = int(diameter_mm / step) + 6
    grid = GRID.__class__((n, n, n), (step,) * 3, (0.0,) * 3)
    centre = tuple(step * (n - 1) / 2 for _ in range(3))
    ball = full_fraction(sphere(centre, math.pi / 6000 * diameter_mm**3), grid)
    model = MaskRecovery(ball, (step,) * 3, 6.0)
    assert model.recovery(math.pi / 6000 * diameter_mm**3) == pytest.approx(
        float(sphere_recovery(diameter_mm, model.effective_fwhm_mm)), abs=0.004
    )


def test_mask_recovery_depends_on_the_voxel_size():
    """4 mm voxels blur on their own: clearly less is recovered than by the formula for the scanner alone."""
    grid = GRID.__class__((9, 9, 9), (4.0,) * 3, (0.0,) * 3)
    ball = full_fraction(sphere((16.0, 16.0, 16.0), 1.0), grid)
    model = MaskRecovery(ball, (4.0,) * 3, 6.0)
    assert model.recovery(1.0) < float(sphere_recovery(12.407, 6.0)) - 0.05
    assert model.recovery(1.0) == pytest.approx(float(sphere_recovery(12.407, model.effective_fwhm_mm)), abs=0.03)


@pytest.mark.parametrize("label_map", [True, False])
def test_density_of_a_nodule_in_lung_is_its_own(label_map):
    grid = GRID.__class__((11, 11, 11), (4.0,) * 3, (0.0,) * 3)
    fraction = full_fraction(sphere((20.3, 19.1, 20.8), 1.2), grid)
    density = 1.0 * fraction + 0.26 * (1 - fraction)
    mask = (fraction > 0.5).astype(float) if label_map else fraction
    mean = float(np.average(density, weights=mask))
    own = lesion_density(mask, density)
    assert mean < 0.9
    assert own == pytest.approx(1.0, abs=0.07 if label_map else 1e-6)


def test_fractions_are_used_as_they_are():
    fraction = np.zeros((5, 5, 5))
    fraction[2, 2, 1:4] = (0.3, 1.0, 0.6)
    np.testing.assert_array_equal(mixing_fractions(fraction), fraction)


def test_escape_length_of_131i_is_that_of_the_published_kernel():
    assert escape_length_mm(nuclide("I-131").emission) == pytest.approx(0.394, rel=0.01)
    assert escape_length_mm(nuclide("Y-90").emission) > 5 * escape_length_mm(nuclide("Lu-177").emission)


def test_escape_length_of_a_chain_is_that_of_its_members_weighted_with_their_charged_energy():
    chain = decay_emission("Pb-212")
    parts = [("Pb-212", 1.0), *chain.counted]
    charged = {name: weight * energy_per_decay(nuclide(name).emission).charged for name, weight in parts}
    lengths = {name: escape_length_mm(nuclide(name).emission) for name, _ in parts}
    mean = sum(charged[name] * lengths[name] for name in charged) / sum(charged.values())
    assert escape_length_mm(chain.emission) == pytest.approx(mean, rel=1e-2)  # spectra on a common grid
    assert lengths["Po-212"] < 1e-3  # an alpha emitter: nothing leaves


def test_local_deposition_alone_has_neither_noise_nor_a_difference_to_itself(case_file, tmp_path):
    outcome = hevesy.run(case_file, method="local", out=tmp_path / "out")
    (lesion,) = json.loads((tmp_path / "out" / "lesions.json").read_text())["lesions"]
    with (tmp_path / "out" / "lesions.csv").open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    for name in ("dose_mc_standard_error_gy", "local_difference_percent"):
        assert lesion[name] is None
        assert row[name] == ""
    assert lesion["dose_uncertainty_gy"] > 0 and float(row["dose_uncertainty_gy"]) > 0
    (table,) = lesion_tables(outcome, wide=True)
    for column in ("MC ±", "local %"):
        if column in table.columns:
            assert table.rows[0][list(table.columns).index(column)] == "-"
