"""Voxel S kernels against closed truths: energy emitted, density scaling, symmetry, repeats, an independent code."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from hevesy.engine.dose.local import emitted_energy
from hevesy.engine.dose.voxel_s import KernelRequest, kept_kernel, make_kernel, medium_named
from hevesy.engine.dose.voxel_s import cache as cache_module
from hevesy.engine.dose.voxel_s.extent import cropped_reach, extent_of, reach_of
from hevesy.engine.dose.voxel_s.far import FarField
from hevesy.engine.dose.voxel_s.symmetry import averaged, folded, images, octant_of, symmetries, unfolded
from hevesy.engine.errors import InputError
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.nuclides.progeny import decay_emission
from hevesy.engine.transport.problem import Problem
from hevesy.tests.verification.budget import ALPHA, quantile
from scipy import stats

WATER, _ = medium_named("water")
IODINE = nuclide("I-131").emission


def request(emission=IODINE, size=(3.0, 3.0, 3.0), density=1.0, **more) -> KernelRequest:
    """A small request: few voxels of thick water, so that the medium around them is thin in voxels."""
    return KernelRequest(emission, size, WATER, density, **{"reach": (3, 3, 3), "decays": 20_000, **more})


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache of one's own, which shares the compiled code."""
    monkeypatch.setattr(cache_module, "cache_root", lambda: tmp_path / "cache")
    return tmp_path / "cache" / "voxel_s"


# ------------------------------------------------------------------------------------------------- closed truths


def test_pure_alpha_stays_in_the_source_voxel():
    alpha = Emission(alpha_lines=np.array([[5.5, 0.7], [8.8, 0.3]]))
    kernel = make_kernel(request(alpha, reach=None))
    assert kernel.reach == (1, 1, 1)
    assert kernel.energy_mev[1, 1, 1] == pytest.approx(5.5 * 0.7 + 8.8 * 0.3, rel=1e-6)
    assert kernel.energy_mev.sum() == kernel.energy_mev[1, 1, 1]
    assert kernel.standard_error_mev.max() < 1e-9
    assert kernel.truncated_share == pytest.approx(0.0, abs=1e-9)


def test_energy_in_the_kernel_and_beyond_is_what_was_emitted():
    """Emitted is the transport's own count, and within its statistics what the emission lists."""
    kernel = make_kernel(request(nuclide("Lu-177").emission, density=4.0, reach=(8, 8, 8), decays=100_000))
    listed = emitted_energy(kernel.emission).total
    assert kernel.energy_mev.sum() + kernel.truncated_mev == pytest.approx(kernel.emitted_mev, rel=1e-12)
    assert kernel.emitted_mev == pytest.approx(listed, rel=5e-3)  # one decay: 80 %, so 0.25 % at 1e5
    assert 0.0 < kernel.truncated_share < 0.2


def test_size_times_density_decides_the_energies():
    """With sides in proportion to 1/density every step is the same in g/cm2, so the energies are too."""
    thick = make_kernel(request(size=(0.75, 0.75, 0.75), density=4.0, decays=100_000))
    thin = make_kernel(request(size=(3.0, 3.0, 3.0), density=1.0, decays=100_000, seed=2))
    error = np.hypot(thick.standard_error_mev, thin.standard_error_mev)
    z = octant_of((thick.energy_mev - thin.energy_mev) / error)
    near = [z[place] for place in ((0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1), (0, 0, 2), (0, 1, 2), (1, 2, 2))]
    assert np.abs(near).max() < quantile(len(near), 49)
    scale = thin.voxel_mass_g / thick.voxel_mass_g
    assert thick.s_gy_per_decay[3, 3, 3] == pytest.approx(
        thick.energy_mev[3, 3, 3] * 1.602176634e-13 / (0.75**3 * 4.0e-6)
    )
    assert scale == pytest.approx(16.0)


@pytest.mark.parametrize(("size", "number"), [((3.0, 3.0, 3.0), 48), ((2.0, 3.0, 3.0), 16), ((2.0, 3.0, 4.0), 8)])
def test_symmetries_are_exact(size, number):
    kernel = make_kernel(request(size=size, density=4.0))
    values = kernel.energy_mev
    assert symmetries(size) == number
    for axis in range(3):
        assert np.array_equal(values, np.flip(values, axis))
    if number >= 16:
        assert np.allclose(values, values.transpose(0, 2, 1), rtol=1e-12)
    if number == 48:
        assert np.allclose(values, values.transpose(2, 1, 0), rtol=1e-12)


def test_folding_keeps_the_sum_and_counts_each_image():
    rng = np.random.default_rng(1)
    values = rng.integers(0, 1000, (7, 5, 9))
    octant = folded(values) / 8.0
    assert (octant * images(octant.shape)).sum() == pytest.approx(values.sum())
    whole = unfolded(octant)
    assert whole.shape == values.shape
    assert whole.sum() == pytest.approx(values.sum())
    assert whole[3, 2, 4] == values[3, 2, 4]
    assert averaged(octant, (1.0, 2.0, 3.0)) is octant
    mean = averaged(octant, (1.0, 1.0, 1.0))  # of the images inside the box of unequal sides
    assert mean.shape == octant.shape
    assert mean[0, 1, 2] == pytest.approx(
        np.mean([octant[0, 1, 2], octant[0, 2, 1], octant[1, 0, 2], octant[1, 2, 0], octant[2, 0, 1], octant[2, 1, 0]])
    )
    assert mean[3, 0, 4] == pytest.approx(octant[3, 0, 4])
    assert mean[0, 0, 3] == pytest.approx(0.5 * (octant[0, 0, 3] + octant[3, 0, 0]))


# ----------------------------------------------------------------------------------------------- standard errors


def test_stated_errors_are_those_of_independent_repeats():
    """Variance between 60 seeds over the mean stated variance follows F(59, 60 * 49)."""
    repeats = 60
    kernels = [make_kernel(request(density=4.0, reach=(6, 6, 6), decays=20_000, seed=100 + n)) for n in range(repeats)]
    assert 7.5 < kernels[0].averaged_from_mm < 9.1  # 2.5 sides, so (0, 0, 4) and beyond are averaged
    octants = np.array([octant_of(kernel.energy_mev) for kernel in kernels])
    errors = np.array([octant_of(kernel.standard_error_mev) for kernel in kernels])
    places = ((0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 0, 4), (2, 3, 4), (6, 6, 6))
    low, high = stats.f.ppf([ALPHA / 2 / len(places), 1 - ALPHA / 2 / len(places)], repeats - 1, repeats * 49)
    for place in places:
        here = (slice(None), *place)
        ratio = octants[here].var(ddof=1) / (errors[here] ** 2).mean()
        assert low < ratio < high, (place, ratio)
        assert 0.4 < np.sqrt(low) < 0.7 < 1.4 < np.sqrt(high) < 1.7  # what the test can tell


def test_average_over_directions_finds_a_known_function():
    """Noise-free energies of exp(-0.02 r) (1 + 0.01 r) / r^2, integrated over both voxels by another rule."""
    size = (2.0, 3.0, 3.0)
    shape = (16, 11, 11)
    fine = (np.arange(12) + 0.5) / 12 - 0.5
    u = (fine[:, None] - fine[None, :]).ravel()
    values, counts = np.unique(np.round(u, 12), return_counts=True)
    weight = counts / counts.sum()
    truth = np.zeros(shape)
    z, y, x = (np.arange(n) * s for n, s in zip(shape, size, strict=True))
    for a, wa in zip(values, weight, strict=True):
        for b, wb in zip(values, weight, strict=True):
            for c, wc in zip(values, weight, strict=True):
                r = np.sqrt(
                    (z + a * size[0])[:, None, None] ** 2
                    + (y + b * size[1])[None, :, None] ** 2
                    + (x + c * size[2])[None, None, :] ** 2
                )
                truth += wa * wb * wc * np.exp(-0.02 * r) * (1 + 0.01 * r) / np.maximum(r, 0.1) ** 2
    far = FarField.beyond(0.0, shape, size)
    assert far is not None
    far = far.attenuated(truth, size)
    smooth = far.averaged(truth)
    difference = smooth[far.far] / truth[far.far] - 1.0
    corners = far.distance_mm > 3.0 * 10  # joined shells, of which the box cuts off a part
    assert np.abs(difference[~corners]).max() < 1e-3
    assert np.abs(difference[corners]).max() < 2e-3
    number = images(shape)
    assert (smooth * number).sum() == pytest.approx((truth * number).sum(), rel=1e-12)


# ----------------------------------------------------------------------------------------------------- the extent


def test_automatic_extent_is_the_smallest_box_of_the_criterion():
    octant = np.zeros((5, 5, 5))
    octant[0, 0, 0], octant[0, 0, 1], octant[0, 0, 3] = 0.8, 0.05, 0.03  # the last two have two images
    assert cropped_reach(octant, 1.0, (1.0, 1.0, 1.0), 0.11) == (1, 1, 1)
    assert cropped_reach(octant, 1.0, (1.0, 1.0, 1.0), 0.09) == (3, 3, 3)
    assert cropped_reach(octant, 1.0, (2.0, 2.0, 1.0), 0.09) == (1, 1, 3)
    assert cropped_reach(octant, 1.0, (1.0, 1.0, 1.0), 0.001) == (4, 4, 4)
    assert reach_of(12.0, (3.0, 4.0, 5.0)) == (4, 3, 2)


def test_automatic_extent_holds_the_criterion_and_the_electrons():
    kernel = make_kernel(request(nuclide("Y-90").emission, reach=None, truncation=0.02))
    assert kernel.truncated_share <= 0.02
    assert kernel.reach[0] * 3.0 > 11.0 - 3.0  # the range of 2.28 MeV is 11 mm


def test_reach_and_medium_are_bounded_and_said():
    small = extent_of(request(size=(1.0, 1.0, 1.0), reach=None))
    assert small.reach == (64, 64, 64)
    assert small.margin_g_cm2 < small.wanted_g_cm2
    assert np.prod([2 * k + 1 for k in small.half]) <= 32_000_000
    with pytest.raises(InputError, match="a kernel of 4001 x 4001 x 4001 voxels needs .* GB"):
        extent_of(request(reach=(2000, 2000, 2000)))


def test_more_medium_changes_little():
    """The medium around the kernel is enough: twice as much adds less than 0.3 % in the outermost voxels."""
    from hevesy.engine.dose.voxel_s import extent

    ask = request(nuclide("Tc-99m").emission, density=4.0, reach=(2, 2, 2), decays=200_000)
    usual = make_kernel(ask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extent, "BACKSCATTER_DEPTHS", 8.0)
        more = make_kernel(ask)
        patch.setattr(extent, "BACKSCATTER_DEPTHS", 1.0)
        less = make_kernel(ask)
    assert more.energy_mev.sum() / usual.energy_mev.sum() - 1.0 == pytest.approx(0.0, abs=2e-3)
    assert less.energy_mev.sum() < 0.99 * usual.energy_mev.sum()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"until": 0.0}, "until of 0.0"),
        ({"decays": 3}, "decays of 3"),
        ({"truncation": 1.0}, "truncation of 1.0"),
        ({"reach": (-1, 2, 2)}, "reach of"),
        ({"density": -1.0}, "voxel of"),
    ],
)
def test_requests_that_cannot_be_are_refused(values, text):
    with pytest.raises(InputError, match=text):
        request(**values)


def test_until_stops_at_the_error_asked_for():
    kernel = make_kernel(request(density=4.0, decays=10_000_000, until=0.002))
    middle = kernel.reach
    assert kernel.standard_error_mev[middle] <= 0.002 * kernel.energy_mev[middle]
    assert kernel.decays < 2_000_000


def test_stop_leaves_no_kernel():
    with pytest.raises(KeyboardInterrupt):
        make_kernel(request(density=4.0), stop=lambda: True)


# ------------------------------------------------------------------------------------------------------ the cache


def test_cached_kernel_is_exactly_equal_and_not_simulated_again(own_cache, monkeypatch):
    ask = request(density=4.0)
    first = kept_kernel(ask)
    assert len(list(own_cache.glob("*.npz"))) == 1

    def never(*_, **__):
        raise AssertionError("simulated again")

    monkeypatch.setattr(cache_module, "make_kernel", never)
    again = kept_kernel(ask)
    assert np.array_equal(first.energy_mev, again.energy_mev)
    assert np.array_equal(first.standard_error_mev, again.standard_error_mev)
    for name in ("emitted_mev", "decays", "notes", "seed", "backend", "averaged_from_mm", "voxel_size_mm"):
        assert getattr(first, name) == getattr(again, name), name


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 2},
        {"decays": 20_001},
        {"reach": (3, 3, 4)},
        {"density_g_cm3": 4.5},
        {"voxel_size_mm": (3.0, 3.0, 3.1)},
        {"emission": nuclide("Lu-177").emission},
        {"medium": medium_named("soft tissue")[0]},
        {"until": 0.01},
        {"truncation": 0.02},
        {"physics": (("electron_cutoff_mev", 0.02),)},
    ],
)
def test_all_that_makes_a_kernel_names_its_file(own_cache, other):
    ask = request(density=4.0)
    assert cache_module.cache_file(replace(ask, **other)) != cache_module.cache_file(ask)


def test_code_and_libraries_name_the_file(own_cache, monkeypatch):
    ask = request(density=4.0)
    file = cache_module.cache_file(ask)
    monkeypatch.setattr(cache_module, "_made_by", cache_module._made_by.__wrapped__)  # nothing stays for other tests
    assert cache_module.cache_file(ask) == file
    monkeypatch.setattr(cache_module, "source_hash", lambda: "other kernels")
    assert cache_module.cache_file(ask) != file


@pytest.mark.parametrize("damage", ["cut", "text", "value", "foreign"])
def test_damaged_and_foreign_files_are_made_again(own_cache, damage, caplog):
    ask, other = request(density=4.0), request(density=4.0, seed=5)
    first = kept_kernel(ask)
    file = cache_module.cache_file(ask)
    content = file.read_bytes()
    if damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        file.write_text("no archive")
    elif damage == "value":
        with np.load(file) as archive:
            arrays = {name: archive[name] for name in archive.files}
        arrays["energy_mev"] = arrays["energy_mev"] * 1.1
        np.savez(file, **arrays)
    else:
        kept_kernel(other)
        file.write_bytes(cache_module.cache_file(other).read_bytes())
    again = kept_kernel(ask)
    assert np.array_equal(first.energy_mev, again.energy_mev)
    assert "it is made again" in caplog.text
    caplog.clear()
    kept_kernel(ask)
    assert not caplog.text


def test_cache_forgets_what_was_used_longest_ago(own_cache, monkeypatch):
    monkeypatch.setattr(cache_module, "LARGEST_CACHE", 1)
    first, second = request(density=4.0), request(density=4.0, seed=2)
    kept_kernel(first)
    os.utime(cache_module.cache_file(first), (1e9, 1e9))  # longer ago, whatever the clock and its steps are
    kept_kernel(second)
    assert [file.name for file in own_cache.glob("*.npz")] == [cache_module.cache_file(second).name]


# ---------------------------------------------------------------------------------------- media, progeny, reference


def test_media_have_their_usual_densities():
    assert medium_named("lung")[1] == 0.26
    assert medium_named("Soft_Tissue")[0].name == "TISSUE, SOFT (ICRP)"
    assert medium_named("bone")[1] == pytest.approx(1.85)
    assert medium_named("LUNG (ICRP)")[1] == pytest.approx(1.05)
    assert medium_named("water", 1.04)[1] == 1.04
    with pytest.raises(InputError, match="unknown medium 'soft tisue'.*\n.*\n.*soft tissue"):
        medium_named("soft tisue")
    with pytest.raises(InputError, match="a density of 1040 g/cm3"):
        medium_named("water", 1040.0)


def test_progeny_and_alphas_are_in_the_source_voxel():
    """225Ac with its progeny: 27 MeV of alphas and recoils are deposited in the source voxel."""
    counted = decay_emission("Ac-225")
    kernel = make_kernel(request(counted.emission, reach=(1, 1, 1)))
    alphas = emitted_energy(counted.emission).alpha
    assert kernel.energy_mev[1, 1, 1] > alphas > 27.0
    assert kernel.emitted_mev == pytest.approx(counted.total_mev, rel=0.01)


@pytest.mark.parametrize("name", ["i131", "lu177", "y90", "f18", "tc99m"])
def test_kernels_agree_with_an_independent_code(reference_dir, name):
    """Classes of neighbours up to 6 away, within 0.5 % of model difference and the statistics of both codes.

    Classes whose own standard error is above 5 % are left to the classes nearer to the source.
    """
    problem = Problem.load(reference_dir / f"{name}_voxel_3mm_water.npz")
    kernel = make_kernel(
        KernelRequest(
            problem.emission, problem.voxel_size_mm, problem.materials[0], 1.0, (6, 6, 6), decays=200_000, seed=7
        )
    )
    box = tuple(slice(n // 2, n // 2 + 7) for n in problem.source.shape)
    reference, sigma = problem.reference_dose[box], problem.reference_sigma[box]
    ours = octant_of(kernel.s_gy_per_decay)
    error = octant_of(kernel.standard_error_mev) * ours[0, 0, 0] / octant_of(kernel.energy_mev)[0, 0, 0]
    classes = [(i, j, k) for i in range(7) for j in range(i, 7) for k in range(j, 7)]
    judged = [place for place in classes if error[place] < 0.05 * ours[place]]
    assert len(judged) >= 8
    for place in judged:
        beyond = abs(ours[place] - reference[place]) - 0.005 * reference[place]
        assert beyond < quantile(len(judged), 49) * np.hypot(error[place], sigma[place]), place
