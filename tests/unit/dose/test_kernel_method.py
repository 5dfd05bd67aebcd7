"""The methods ``kernel`` and ``kernel-unscaled``: which kernel, what they give, what they say, and by the command."""

from __future__ import annotations

import csv
import itertools
import json
from dataclasses import replace

import hevesy
import numpy as np
import pytest
from hevesy.cli.main import app
from hevesy.engine.constants import JOULE_PER_MEV
from hevesy.engine.dose import kernel_choice
from hevesy.engine.dose.compute import compute_dose
from hevesy.engine.dose.convolution import convolve
from hevesy.engine.dose.kernel_choice import KERNEL_SEED, energy_reach_g_cm2, kernel_request
from hevesy.engine.dose.kernel_method import convolved_dose, energy_account
from hevesy.engine.dose.kernel_notes import standard_error_at
from hevesy.engine.dose.local import emitted_energy
from hevesy.engine.dose.map import relative_source
from hevesy.engine.dose.voxel_s import cache as cache_module
from hevesy.engine.dose.voxel_s.cache import kept_kernel
from hevesy.engine.dose.voxel_s.kernel import VoxelKernel
from hevesy.engine.dose.voxel_s.make import make_kernel
from hevesy.engine.errors import InputError
from hevesy.engine.imaging.volumes import read_volume
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.transport.run_options import RunOptions
from hevesy.phantoms.mixed import BONE, LUNG, WATER
from hevesy.tests.unit.small_case import write_small_case
from hevesy.tests.verification.drivers import block, electron_line
from typer.testing import CliRunner

CPU = RunOptions(backend="cpu")
AIR = 0.01
#: one decay of this toy emits 1 MeV
ONE_MEV = electron_line(1.0)


def toy_kernel(shape=(5, 5, 5), density=1.0, size_mm=(2.0, 2.0, 2.0), emitted=1.0) -> VoxelKernel:
    """A kernel that nobody simulated: 0.8 of the energy within it, mirror images equal."""
    rng = np.random.default_rng(8)
    energy = rng.random(shape)
    error = 0.01 * rng.random(shape)
    for axis in range(3):
        energy, error = (0.5 * (array + np.flip(array, axis)) for array in (energy, error))
    energy[tuple(n // 2 for n in shape)] += 20.0
    energy *= 0.8 * emitted / energy.sum()
    return VoxelKernel(energy, error * energy.max(), size_mm, WATER, density, ONE_MEV, emitted, decays=1000)


def layered(source=None):
    """Lung, water, bone and air in layers of 2 mm voxels."""
    index = np.zeros((8, 5, 6), np.uint8)
    index[2:5], index[5:7], index[7:] = 1, 2, 3
    density = np.array([0.26, 1.0, 1.85, 0.001])[index]
    source = np.random.default_rng(5).random(index.shape) if source is None else source
    return block(ONE_MEV, index.shape, 2.0, (LUNG, WATER, BONE, WATER), density=density, material=index, source=source)


# ------------------------------------------------------------------ which kernel


def test_the_medium_is_that_of_most_decays_at_their_mean_density():
    index = np.zeros((4, 4, 4), np.uint8)
    index[2:] = 1
    density = np.full(index.shape, 0.26)
    density[2], density[3] = 1.0, 1.1
    source = np.zeros(index.shape)
    source[0, 0, 0], source[2, 0, 0], source[3, 0, 0] = 4.0, 3.0, 2.0
    problem = block(ONE_MEV, index.shape, 3.0, (LUNG, WATER), density=density, material=index, source=source)
    request = kernel_request(problem, AIR, CPU)
    assert request.medium == WATER
    assert request.density_g_cm3 == 1.04  # (3 x 1.0 + 2 x 1.1)/5, and not the mean of its voxels 1.05
    assert request.seed == KERNEL_SEED and request.emission is problem.emission
    source[0, 0, 0] = 6.0
    assert kernel_request(replace(problem, source=source.astype(np.float32)), AIR, CPU).medium == LUNG


@pytest.mark.parametrize(
    ("spread", "expected"),
    [(0.0, pytest.approx(1.037, rel=1e-6)), (1e-5, pytest.approx(1.037, rel=1e-4)), (0.02, 1.04)],
)
def test_a_uniform_medium_has_its_own_density_another_a_rounded_one(spread, expected):
    density = 1.037 + spread * np.linspace(-1, 1, 27).reshape(3, 3, 3)
    assert kernel_request(block(ONE_MEV, (3, 3, 3), 3.0, density=density), AIR, CPU).density_g_cm3 == expected


def test_decays_in_air_choose_no_medium():
    source = np.zeros((8, 5, 6))
    source[7], source[3, 2, 2] = 1.0, 0.01
    assert kernel_request(layered(source), AIR, CPU).medium == WATER
    source[3, 2, 2] = 0.0
    with pytest.raises(InputError, match="all decays happen in air"):
        kernel_request(layered(source), AIR, CPU)
    with pytest.raises(InputError, match="0.001 g/cm3") as refused:
        kernel_request(layered(source), 0.0, CPU)
    assert "--method mc" in str(refused.value)


def test_the_reach_is_from_any_active_voxel_to_any_with_tissue():
    gamma = Emission(photon_lines=np.array([[0.364, 1.0]]))
    density = np.full((40, 30, 20), 1.0)
    density[:, :, 15:] = 0.001
    source = np.zeros(density.shape)
    source[20, 27, 2:4] = 1.0
    problem = block(gamma, density.shape, 3.0, density=density, source=source)
    # z: 20 voxels down, rounded up to 24; y: 27; x: to voxel 14 from voxel 2
    assert kernel_request(problem, AIR, CPU).reach == (24, 32, 16)
    electrons = replace(problem, emission=electron_line(0.05))
    # 0.05 MeV: 0.04 mm, and less bremsstrahlung than the criterion
    assert kernel_request(electrons, AIR, CPU).reach == (1, 1, 1)


def test_the_energy_beyond_its_reach_is_below_the_criterion():
    """A beta emitter, whose reach the energy decides: what a kernel of that reach truncates."""
    emission = electron_line(0.5)
    far = energy_reach_g_cm2(emission, WATER)
    assert 0.17 < far < 60.0  # above the range of 0.5 MeV
    kernel = make_kernel(replace(kernel_request(block(emission, (9, 9, 9), 2.0), AIR, CPU), decays=20_000))
    assert abs(kernel.truncated_share) < 3e-3


def test_a_kernel_has_a_largest_size(monkeypatch):
    monkeypatch.setattr(kernel_choice, "MOST_VOXELS", 200_000)
    density = np.ones((60, 40, 50), np.float32)
    reach = kernel_request(block(nuclide("I-131").emission, density.shape, 2.0, density=density), AIR, CPU).reach
    assert 150_000 < np.prod([2 * k + 1 for k in reach]) <= 200_000
    assert max(reach) - min(reach) <= 4  # as far in every direction


def test_cut_offs_of_the_problem_are_those_of_the_kernel():
    problem = block(nuclide("I-131").emission, (3, 3, 3), 3.0, electron_cutoff_mev=0.05, photons="off")
    request = kernel_request(problem, AIR, RunOptions(physics={"range_rejection": False, "photon_cutoff_mev": 0.02}))
    assert dict(request.physics) == {
        "electron_cutoff_mev": 0.05,
        "delta_ray_threshold_mev": 0.05,
        "photon_cutoff_mev": 0.02,
        "photons": False,
    }
    assert kernel_request(block(ONE_MEV, (3, 3, 3), 3.0), AIR, CPU).physics == ()


def test_a_kernel_without_photons_keeps_the_bremsstrahlung():
    problem = block(electron_line(2.0), (3, 3, 3), 20.0, photons="off")
    kernel = make_kernel(replace(kernel_request(problem, AIR, CPU), decays=2000), backend="cpu")
    assert kernel.truncated_mev == pytest.approx(0.0, abs=1e-6)


# ------------------------------------------------------------------ what it gives


def test_dose_is_energy_over_mass_and_none_is_in_air():
    problem, kernel = layered(), toy_kernel(density=1.05)
    energy = convolve(relative_source(problem), kernel.energy_mev)
    scaled = convolved_dose(problem, 1e9, kernel, air_density_g_cm3=AIR)
    plain = convolved_dose(problem, 1e9, kernel, scaled=False, air_density_g_cm3=AIR)
    tissue = problem.density_g_cm3 >= AIR
    assert (scaled.mean[~tissue] == 0).all() and (plain.mean[~tissue] == 0).all() and (~tissue).sum() == 30
    gram = 8e-3 * problem.density_g_cm3[tissue].astype(float)  # voxels of 2 mm
    np.testing.assert_allclose(scaled.mean[tissue], energy[tissue] * 1e9 * JOULE_PER_MEV / (1e-3 * gram), rtol=1e-12)
    np.testing.assert_allclose(plain.mean[tissue], scaled.mean[tissue] * gram / (8e-3 * 1.05), rtol=1e-12)
    assert (scaled.method, plain.method, scaled.unit) == ("kernel", "kernel-unscaled", "Gy")
    assert scaled.sigma is None and scaled.tally is None and scaled.air_density_g_cm3 == AIR
    per_decay = convolved_dose(problem, None, kernel, air_density_g_cm3=AIR)
    assert per_decay.unit == "Gy per decay"
    np.testing.assert_allclose(per_decay.mean * 1e9, scaled.mean, rtol=1e-13)


@pytest.mark.parametrize("shape", [(5, 5, 5), (1, 1, 1), (21, 3, 7)])
def test_the_account_adds_up_to_what_was_emitted(shape):
    problem, kernel = layered(), toy_kernel(shape)
    share, tissue = relative_source(problem), problem.density_g_cm3 >= AIR
    energy = convolve(share, kernel.energy_mev)
    account = energy_account(share, energy, kernel, problem.density_g_cm3, tissue, scaled=False)
    assert abs(account.residual_mev) < 1e-12
    assert account.truncated_mev == pytest.approx(0.2) and account.air_mev > 0
    assert (account.outside_mev > 0) == (shape != (1, 1, 1))
    if shape == (1, 1, 1):
        in_air = float(share[~tissue].sum())
        assert account.air_mev == pytest.approx(0.8 * in_air) and account.outside_mev == pytest.approx(0, abs=1e-12)
    mass = problem.density_g_cm3.astype(float)
    assert account.imparted_mev == pytest.approx((energy * mass)[tissue].sum())
    assert energy_account(share, energy, kernel, mass, tissue).imparted_mev == account.deposited_mev


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"voxel_size_mm": (2.0, 2.0, 2.1)}, "2 x 2 x 2.1 mm, the grid has 2 x 2 x 2 mm"),
        ({"emitted_mev": 1.2}, "1.2 MeV per decay, the problem emits 1 MeV"),
    ],
)
def test_a_kernel_of_something_else_is_refused(change, message):
    with pytest.raises(InputError, match=message) as refused:
        convolved_dose(layered(), None, replace(toy_kernel(), **change))
    assert "hevesy kernels" in str(refused.value)


def test_the_standard_error_of_a_voxel_has_mirror_images_as_one_value():
    """By brute force: the derivative to each free value of the kernel, squared."""
    kernel = toy_kernel((3, 5, 3))
    share = np.random.default_rng(2).random((4, 5, 3))
    for voxel in ((0, 0, 0), (2, 2, 1), (3, 1, 2)):
        gain: dict[tuple[int, ...], float] = {}
        variance: dict[tuple[int, ...], float] = {}
        for source in itertools.product(*map(range, share.shape)):
            offset = tuple(abs(v - s) for v, s in zip(voxel, source, strict=True))
            if all(o <= r for o, r in zip(offset, kernel.reach, strict=True)):
                gain[offset] = gain.get(offset, 0.0) + share[source]
                at = tuple(o + r for o, r in zip(offset, kernel.reach, strict=True))
                variance[offset] = kernel.standard_error_mev[at] ** 2
        expected = sum(gain[offset] ** 2 * variance[offset] for offset in gain) ** 0.5
        assert standard_error_at(kernel, share, voxel) == pytest.approx(expected, rel=1e-12)


# ------------------------------------------------------------------ what it says


def test_notes_name_what_the_kernel_does_not_hold_for():
    source = np.zeros((8, 5, 6))
    # 20 % in lung, 50 % in water, 25 % in bone, 5 % in air
    source[1, 2, 2], source[3, 2, 2], source[6, 2, 2], source[7, 2, 2] = 0.2, 0.5, 0.25, 0.05
    regions = np.zeros((2, 8, 5, 6), np.uint8)
    regions[0, 3, 2, 2] = 255  # water with water around
    regions[1, 5:7] = 255  # bone
    options = RunOptions(regions=regions, region_names=("node", "rib"))
    text = "\n".join(convolved_dose(layered(source), None, toy_kernel(), air_density_g_cm3=AIR, options=options).notes)
    assert "1 voxel with activity is air (below 0.01 g/cm3)" in text and "5 % of the decays happen in them" in text
    # lung 60, bone 60 and water 90 voxels
    assert "from 0.8 to 1.2 g/cm3: 45 % of the decays and 57 % of the tissue volume are outside" in text
    # the rib with a layer of water and one of air; the node's 27 voxels are all water
    assert "voxels around it: rib 75 %." in text and "node" not in text
    assert "1 MeV emitted per decay" in text and "20 % beyond the kernel's reach" in text
    assert "from 1e+03 simulated decays" in text and "standard error" in text


def test_notes_of_a_uniform_medium_have_no_warning():
    problem = block(ONE_MEV, (6, 6, 6), 2.0)
    notes = convolved_dose(problem, None, replace(toy_kernel(), decays=0)).notes
    assert len(notes) == 2 and "imported" in notes[0] and "in air" in notes[1]
    assert "the dose stands for" in convolved_dose(layered(), None, toy_kernel(), scaled=False).notes[1]


# ------------------------------------------------------------------ through the door


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """A small case by three methods, and by the kernel alone, run by the command."""
    folder = tmp_path_factory.mktemp("kernel")
    case = write_small_case(folder / "in")
    for name, methods in (("all", "mc,local,kernel,kernel-unscaled"), ("alone", "kernel")):
        done = CliRunner().invoke(app, ["run", str(case), "--out", str(folder / name), "--method", methods, "--quiet"])
        assert done.exit_code == 0, done.output
    return folder


def by_hand(result) -> np.ndarray:
    """Sum over pairs of voxels with the kernel that belongs to the problem of a result [Gy per decay]."""
    problem = result.problem
    kernel = kept_kernel(kernel_request(problem, AIR, CPU), backend="cpu")
    share = problem.source.astype(float) / problem.source.astype(float).sum()
    nz, ny, nx = share.shape
    rz, ry, rx = kernel.reach
    padded = np.zeros((2 * nz + 1, 2 * ny + 1, 2 * nx + 1))  # offsets of -n to n
    box = [(max(r - n, 0), r + min(r, n) + 1) for r, n in zip(kernel.reach, share.shape, strict=True)]
    inner = kernel.energy_mev[tuple(slice(*ends) for ends in box)]
    padded[tuple(slice(n - m // 2, n + m // 2 + 1) for n, m in zip(share.shape, inner.shape, strict=True))] = inner
    energy = np.zeros(share.shape)
    for z, y, x in np.argwhere(share > 0):
        energy += share[z, y, x] * padded[nz - z : 2 * nz - z, ny - y : 2 * ny - y, nx - x : 2 * nx - x]
    mass = problem.density_g_cm3.astype(float) * problem.voxel_volume_ml * 1e-3
    return np.where(problem.density_g_cm3 < AIR, 0.0, energy * JOULE_PER_MEV / mass)


def test_the_command_writes_the_dose_that_one_convolves_by_hand(outputs):
    result = hevesy.Result.load(outputs / "all" / "result.h5")
    assert set(result.doses) == {"mc", "local", "kernel", "kernel-unscaled"}
    dose = result.doses["kernel"]
    truth = by_hand(result) * dose.decays
    assert np.abs(dose.mean - truth).max() < 1e-6 * truth.max()
    image = read_volume(outputs / "all" / "dose_kernel.nii.gz", "Gy").values
    assert np.abs(image - truth).max() < 1e-5 * truth.max()
    assert (image[result.density_g_cm3 < AIR] == 0).all()
    # the lesion is water in water here: by the kernel as by Monte Carlo, within 2 %, four standard errors
    hot = result.lesion_masks[0] > 0
    assert dose.mean[hot].mean() == pytest.approx(result.doses["mc"].mean[hot].mean(), rel=0.02)
    assert dose.sigma is None and result.simulated.method == "mc"


def test_the_report_and_the_table_of_several_methods(outputs):
    page = (outputs / "all" / "report.html").read_text(encoding="utf-8")
    assert "kernel convolution, scaled by voxel mass" in page and "kernel convolution without density scaling" in page
    assert "Convolved with a kernel of" in page
    with (outputs / "all" / "lesions.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["method"] == "mc" and float(row["dose_mc_sigma_gy"]) > 0


def test_the_kernel_alone_gives_a_verdict_without_a_monte_carlo_part(outputs):
    result = hevesy.Result.load(outputs / "alone" / "result.h5")
    assert set(result.doses) == {"kernel", "local"} and result.tally is None
    with (outputs / "alone" / "lesions.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["method"] == "kernel" and row["verdict"] in ("eligible", "below", "undetermined")
    assert row["dose_mc_sigma_gy"] == ""
    text = "\n".join(result.assumptions)
    assert "Convolved with a kernel of" in text and "MeV emitted per decay" in text
    # regions are known here too: the block of water is one of air voxels around
    assert (
        result.doses["kernel"].notes
        and "kernel" in json.loads((outputs / "alone" / "lesions.json").read_text())["lesions"][0]["method"]
    )
    both = hevesy.Result.load(outputs / "all" / "result.h5")
    np.testing.assert_array_equal(result.doses["kernel"].mean, both.doses["kernel"].mean)


def test_a_method_gives_the_dose_of_its_kernel_per_decay():
    problem = block(electron_line(0.2), (5, 5, 5), 3.0)
    kernel = kept_kernel(kernel_request(problem, AIR, CPU), backend="cpu")
    dose = compute_dose("kernel", problem, None, air_density_g_cm3=AIR, options=CPU)
    np.testing.assert_array_equal(dose.mean, convolved_dose(problem, None, kernel, air_density_g_cm3=AIR).mean)
    again = compute_dose("kernel", problem, None, air_density_g_cm3=AIR, options=CPU)
    np.testing.assert_array_equal(dose.mean, again.mean)
    assert kernel.emitted_mev == pytest.approx(emitted_energy(problem.emission).total, rel=1e-3)


# ------------------------------------------------------------------ what cannot be


@pytest.mark.parametrize("scaled", [True, False])
def test_a_grid_of_nothing_but_air_is_refused(scaled):
    for density in (0.001, 0.0):
        problem = block(ONE_MEV, (5, 5, 5), 2.0, density=np.full((5, 5, 5), density))
        with pytest.raises(InputError, match="no voxel of the grid has"):
            convolved_dose(problem, None, toy_kernel(), scaled=scaled, air_density_g_cm3=AIR)


@pytest.mark.filterwarnings("error::RuntimeWarning")  # of numbers: not of what other tests of the process have left
def test_voxels_without_mass_get_no_dose():
    density = np.ones((5, 5, 5))
    density[0] = 0.0
    dose = convolved_dose(block(ONE_MEV, (5, 5, 5), 2.0, density=density), 1e6, toy_kernel())
    assert np.isfinite(dose.mean).all() and (dose.mean[0] == 0).all() and (dose.mean[1:] > 0).any()


@pytest.mark.parametrize("decays", [-1.0, float("nan"), float("inf")])
def test_a_number_of_decays_that_cannot_be_is_refused(decays):
    with pytest.raises(InputError, match="the number of decays is"):
        convolved_dose(layered(), decays, toy_kernel())


def test_a_stop_ends_the_simulation_of_a_kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "cache_root", lambda: tmp_path)
    told = []
    options = RunOptions(backend="cpu", stop=lambda: True, progress=lambda share, text: told.append(text))
    with pytest.raises(KeyboardInterrupt):
        compute_dose("kernel", block(ONE_MEV, (3, 3, 3), 3.0), 1.0, air_density_g_cm3=AIR, options=options)
    assert any("kernel" in text and "decays" in text for text in told)
