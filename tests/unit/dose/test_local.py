"""Local deposition against energies and masses worked out by hand, and the call that all methods share."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hevesy.engine import dose
from hevesy.engine.dose.local import NO_DOSE_BELOW_G_CM3, deposit_locally, emitted_energy, local_dose
from hevesy.engine.errors import InputError
from hevesy.engine.nuclides.emission import Emission, spectrum_moments
from hevesy.engine.physics.material import Material
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.run_options import RunOptions

MEV = 1.602176634e-13
WATER = Material("water", (1, 8), (0.111894, 0.888106), 78.0, 1.0)

#: triangle from 0 to 1 MeV with its top at 0.5: area 1, mean 0.5
TRIANGLE = (np.array([0.0, 0.5, 1.0]), np.array([0.0, 2.0, 0.0]))

MIXED = Emission(
    electron_lines=np.array([[0.3, 0.1]]),
    photon_lines=np.array([[0.3645, 0.8], [0.03, 0.05]]),
    beta_mev=TRIANGLE[0],
    beta_per_mev=TRIANGLE[1],
    positron_mev=TRIANGLE[0],
    positron_per_mev=0.2 * TRIANGLE[1],
    alpha_lines=np.array([[5.0, 0.01]]),
)


def problem(density, source, emission=MIXED):
    return Problem(
        density_g_cm3=np.asarray(density, dtype=np.float32),
        material=np.zeros(np.shape(density), dtype=np.uint8),
        materials=(WATER,),
        voxel_size_mm=(4.0, 3.0, 2.0),
        source=np.asarray(source, dtype=np.float32),
        emission=emission,
    )


def test_spectrum_of_straight_lines_is_integrated_exactly():
    assert spectrum_moments(*TRIANGLE) == pytest.approx((1.0, 0.5), rel=1e-15)
    # f = 3 E on [0, 1]: number 3/2, energy 1
    rising = np.array([0.0, 1.0]), np.array([0.0, 3.0])
    assert spectrum_moments(*rising) == pytest.approx((1.5, 1.0), rel=1e-15)
    assert spectrum_moments(np.empty(0), np.empty(0)) == (0.0, 0.0)


def test_each_kind_of_radiation_is_counted_once():
    e = emitted_energy(MIXED)
    assert e.electron == pytest.approx(0.5 + 0.03)
    assert e.positron == pytest.approx(0.1)
    assert e.alpha == pytest.approx(0.05)
    assert e.photon == pytest.approx(0.3645 * 0.8 + 0.03 * 0.05)
    assert e.annihilation == pytest.approx(2 * 0.51099895 * 0.2)
    assert e.charged == pytest.approx(0.68)
    assert e.total == pytest.approx(e.charged + e.photon + e.annihilation)


def test_dose_is_decays_times_energy_over_mass():
    decays = np.array([[[1e9, 2e9]]])
    density = np.array([[[1.0, 0.26]]])
    got = local_dose(decays, density, 0.024, MIXED)
    per_decay = 0.68 * MEV
    assert got[0, 0, 0] == pytest.approx(1e9 * per_decay / 0.024e-3, rel=1e-12)
    assert got[0, 0, 1] == pytest.approx(2e9 * per_decay / (0.26 * 0.024e-3), rel=1e-12)
    with_photons = local_dose(decays, density, 0.024, MIXED, photons="all")
    np.testing.assert_allclose(with_photons / got, emitted_energy(MIXED).total / 0.68, rtol=1e-12)


def test_energy_in_the_grid_equals_decays_times_energy():
    rng = np.random.default_rng(1)
    decays, density = rng.random((5, 6, 7)) * 1e6, rng.uniform(0.2, 2.0, (5, 6, 7))
    got = deposit_locally(decays, density, 0.03, MIXED, photons="all")
    joule = float((got.dose_gy * density).sum() * 0.03e-3)
    assert joule == pytest.approx(decays.sum() * got.energy_per_decay_mev * MEV, rel=1e-12)


def test_air_gets_no_dose_and_is_counted():
    density = np.array([[[1.0, 0.0012, NO_DOSE_BELOW_G_CM3, 0.0]]])
    got = deposit_locally(np.array([[[70.0, 20.0, 10.0, 0.0]]]), density, 0.01, MIXED)
    assert (got.dose_gy == 0).tolist() == [[[False, True, False, True]]]
    assert got.air_voxels == 1 and got.air_fraction == pytest.approx(0.2)


@pytest.mark.parametrize(
    "change, text",
    [
        ({"photons": "some"}, "photon mode 'some' is not known"),
        ({"decays": np.ones((2, 2, 2))}, "decays have shape (2, 2, 2), density (1, 1, 2)"),
        ({"decays": np.array([[[1.0, np.nan]]])}, "1 of 2 voxels has a negative or undefined number"),
        ({"decays": np.array([[[-1.0, 0.0]]])}, "1 of 2 voxels has a negative or undefined number"),
    ],
)
def test_unusable_input_is_refused_with_its_name(change, text):
    arguments = {
        "decays": np.ones((1, 1, 2)),
        "density_g_cm3": np.ones((1, 1, 2)),
        "voxel_volume_ml": 0.01,
        "emission": MIXED,
        **change,
    }
    with pytest.raises(InputError) as error:
        deposit_locally(**arguments)
    assert text in str(error.value) and "why:" in str(error.value) and "try:" in str(error.value)


def test_one_call_gives_dose_per_decay_and_dose():
    p = problem([[[1.0, 0.5]]], [[[3.0, 1.0]]])
    per_decay = dose.compute_dose("local", p)
    assert per_decay.unit == "Gy per decay" and per_decay.sigma is None
    assert per_decay.mean[0, 0, 0] == pytest.approx(0.75 * 0.68 * MEV / 0.024e-3, rel=1e-12)
    absolute = dose.compute_dose("local", p, decays=4e9)
    assert absolute.unit == "Gy" and absolute.decays == 4e9
    np.testing.assert_allclose(absolute.mean, per_decay.mean * 4e9, rtol=1e-15)
    both = dose.compute_dose("local+photons", p)
    np.testing.assert_allclose(both.mean / per_decay.mean, emitted_energy(MIXED).total / 0.68, rtol=1e-12)


def test_air_policy_of_the_call_is_noted():
    got = dose.compute_dose("local", problem([[[1.0, 0.001]]], [[[3.0, 1.0]]]), air_density_g_cm3=0.01)
    assert got.mean[0, 0, 1] == 0
    assert "1 voxel with activity is air" in got.notes[0] and "25 %" in got.notes[0]


def test_unknown_methods_and_empty_sources_are_refused():
    p = problem([[[1.0]]], [[[1.0]]])
    with pytest.raises(InputError, match="did you mean 'local'"):
        dose.compute_dose("locl", p)
    with pytest.raises(InputError, match="source has no decays"):
        dose.compute_dose("local", problem([[[1.0]]], [[[0.0]]]))
    with pytest.raises(InputError, match="number of decays is nan"):
        dose.compute_dose("local", p, decays=float("nan"))


def test_monte_carlo_goes_through_the_same_call():
    """Dose and error of one voxel from the run's integers by hand; air has none."""
    p = problem([[[1.0, 0.001]]], [[[1.0, 0.0]]])
    options = RunOptions(decays=500, seed=7, backend="cpu")
    got = dose.compute_dose("mc", p, decays=1e12, options=options, air_density_g_cm3=0.01)
    tally = got.tally
    assert (tally.decays, tally.seed, tally.backend, got.method, got.unit) == (500, 7, "cpu", "mc", "Gy")
    mev = tally.energy_quanta[0, 0, 0] / 2**26 / 500
    assert mev > 0.1
    np.testing.assert_allclose(got.mean, [[[1e12 * mev * MEV / 0.024e-3, 0.0]]], rtol=1e-6)
    assert got.sigma[0, 0, 0] > 0 and got.sigma[0, 0, 1] == 0
    per_decay = dose.compute_dose("mc", p, options=options)
    np.testing.assert_allclose(per_decay.mean[0, 0, 0] * 1e12, got.mean[0, 0, 0], rtol=1e-12)
    assert per_decay.unit == "Gy per decay" and per_decay.mean[0, 0, 1] > 0


def test_energies_of_the_reference_emissions(reference_dir):
    """The README of the reference lists electron and photon MeV per decay of its files: the same lines."""
    expected = {
        "i131_voxel_3mm_water": (0.19208, 0.38062),
        "lu177_voxel_3mm_water": (0.14809, 0.03342),
        "y90_voxel_3mm_water": (0.93382, 0.0),
        "f18_voxel_3mm_water": (0.24288, 0.0),
        "i124_voxel_3mm_water_icrp107": (0.19475, 0.87946),
    }
    for name, (charged, photon) in expected.items():
        with np.load(reference_dir / f"{name}.npz", allow_pickle=False) as data:
            e = json.loads(str(data["emission"]))

        def spectrum(key, e=e):
            s = e.get(key) or {"MeV": [], "per_MeV_per_decay": []}
            return np.array(s["MeV"]), np.array(s["per_MeV_per_decay"])

        beta, positron = spectrum("beta_spectrum"), spectrum("positron_spectrum")
        energy = emitted_energy(
            Emission(
                electron_lines=np.array(e.get("electron_lines") or []).reshape(-1, 2),
                photon_lines=np.array(e.get("photon_lines") or []).reshape(-1, 2),
                beta_mev=beta[0],
                beta_per_mev=beta[1],
                positron_mev=positron[0],
                positron_per_mev=positron[1],
            )
        )
        assert energy.charged == pytest.approx(charged, abs=6e-6), name
        assert energy.photon == pytest.approx(photon, abs=6e-6), name
