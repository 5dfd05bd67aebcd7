"""Names, half-lives, emissions and chains of nuclides, against ICRP-107 values and closed forms."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.nuclides import chains, spectra
from hevesy.engine.nuclides import decay as nuclides
from hevesy.engine.nuclides.decay import energy_per_decay, nuclide
from hevesy.engine.nuclides.names import canonical_name, known_names

# ICRP-107 energy per decay [MeV]: electrons and positrons, photons, of which annihilation photons.
ICRP107 = {
    "I-131": (0.19185, 0.38276, 0.0),
    "I-124": (0.19429, 1.11325, 0.233647),
    "Lu-177": (0.14792, 0.03510, 0.0),
    "Y-90": (0.93311, 0.0, 0.0),
    "Tc-99m": (0.01619, 0.12659, 0.0),
    "F-18": (0.24161, 0.98858, 0.988581),
}


def spectrum_yield(energy_mev: np.ndarray, per_mev: np.ndarray) -> float:
    """Number of particles per decay in a piecewise linear spectrum."""
    return float(np.sum(np.diff(energy_mev) * (per_mev[1:] + per_mev[:-1])) / 2.0)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("I-131", "I-131"), ("I131", "I-131"), ("131I", "I-131"), ("131-I", "I-131"), (" i 131 ", "I-131"),
        ("iodine-131", "I-131"), ("Iodine 131", "I-131"), ("¹³¹I", "I-131"), ("[131I]", "I-131"),
        ("Tc-99m", "Tc-99m"), ("Tc99m", "Tc-99m"), ("99mTc", "Tc-99m"), ("99Tcm", "Tc-99m"),
        ("technetium-99m", "Tc-99m"), ("⁹⁹ᵐTc", "Tc-99m"), ("TC-99M", "Tc-99m"), ("^18^Fluorine", "F-18"),
        ("99Mo", "Mo-99"), ("99mo", "Mo-99"), ("22Na", "Na-22"), ("63Ni", "Ni-63"), ("13N", "N-13"),
        ("177Lu", "Lu-177"), ("Cesium-137", "Cs-137"), ("caesium137", "Cs-137"), ("I\u2011124", "I-124"),
    ],
)  # fmt: skip
def test_usual_spellings_name_the_nuclide(text: str, name: str) -> None:
    assert canonical_name(text) == name


def test_every_name_of_the_database_is_its_own_canonical_name() -> None:
    names = known_names()
    assert len(names) == 1252
    for name in names:
        symbol, mass = name.split("-")
        assert canonical_name(name) == canonical_name(mass + symbol) == canonical_name(symbol + mass) == name


def test_unknown_nuclide_says_what_why_and_what_to_try() -> None:
    with pytest.raises(InputError) as caught:
        nuclide("I-113")
    assert str(caught.value) == (
        "nuclide: unknown nuclide 'I-113'\n"
        "  why: ICRP-107 lists no radionuclide I-113 (it is stable or too short-lived)\n"
        "  try: did you mean I-118 or I-118m or I-119? "
        "usual spellings are I-131, I131, 131I, iodine-131, Tc-99m"
    )


@pytest.mark.parametrize("text", ["", "131", "iodine", "Xe-130", "water", "Zz-12"])
def test_what_is_no_radionuclide_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="unknown nuclide"):
        nuclide(text)


@pytest.mark.parametrize("name", sorted(ICRP107))
def test_energy_per_decay_is_that_of_icrp_107(name: str) -> None:
    charged, photon, annihilation = ICRP107[name]
    energy = energy_per_decay(nuclide(name).emission)
    assert energy.charged == pytest.approx(charged, abs=6e-6)  # the figures are given to five decimals
    assert energy.photon == pytest.approx(photon - annihilation, abs=6e-6)


def test_energies_agree_with_the_reference_table(reference_dir) -> None:
    published = json.loads((reference_dir / "published_values.json").read_text())["icrp107"]["values"]
    assert set(published) == {"I-131", "I-124", "Lu-177", "Y-90"}
    for name, row in published.items():
        emission = nuclide(name).emission
        beta = row.get("beta_mev_per_decay", 0.0)
        lines = row["conversion_electron_mev_per_decay"] + row["auger_mev_per_decay"]
        energy = energy_per_decay(emission)
        assert nuclides.spectrum_energy(emission.beta_mev, emission.beta_per_mev) == pytest.approx(beta, rel=1e-9)
        assert energy.electron == pytest.approx(beta + lines, rel=1e-9)
        assert energy.positron == pytest.approx(row.get("positron_mev_per_decay", 0.0), rel=1e-9)
        assert energy.photon == pytest.approx(row["gamma_mev_per_decay"] + row["x_ray_mev_per_decay"], rel=1e-9)


def test_whole_database_keeps_yield_and_energy_of_its_branches() -> None:
    """All 1252: spectra non-negative; number and energy of each kind of particle as tabulated."""
    two_signs = 0
    for name in known_names():
        raw, emission = nuclides._read(name), nuclides._nuclide(name).emission
        minus, plus = np.concatenate([raw["beta-"], raw["betaD"]]), raw["beta+"]
        two_signs += bool(minus.size and plus.size)
        for branches, x, y in (
            (minus, emission.beta_mev, emission.beta_per_mev),
            (plus, emission.positron_mev, emission.positron_per_mev),
        ):
            assert bool(branches.size) == bool(x.size), name
            if x.size:
                assert np.all(y >= 0) and np.all(np.diff(x) > 0), name
                assert spectrum_yield(x, y) == pytest.approx(branches[:, 1].sum(), rel=1e-9), name
                energy = np.prod(branches, axis=1).sum()
                assert nuclides.spectrum_energy(x, y) == pytest.approx(energy, rel=1e-9), name
        for kinds, lines in (
            (("IE", "auger"), emission.electron_lines),
            (("gamma", "X"), emission.photon_lines),
            (("alpha", "alpha recoil", "fission"), emission.alpha_lines),
        ):
            listed = sum(float(np.prod(raw[kind], axis=1).sum()) for kind in kinds)
            assert float(np.prod(lines, axis=1).sum()) == pytest.approx(listed, rel=1e-9, abs=1e-15), name
    assert two_signs == 22


def test_monotone_cubic_alone_is_within_a_twentieth_of_a_percent_where_straight_lines_are_not() -> None:
    """The tilt that makes the mean exact has almost nothing left to do for the therapy nuclides."""
    from scipy.interpolate import PchipInterpolator

    for name in ("I-131", "I-124", "Lu-177", "Y-90", "F-18"):
        raw = nuclides._read(name)
        table, branches = raw["b-spectra"], np.concatenate([raw["beta-"], raw["beta+"]])
        mean = np.prod(branches, axis=1).sum() / branches[:, 1].sum()
        x = np.linspace(0, table[-1, 0], 20001)
        y = PchipInterpolator(*table.T)(x)
        assert np.trapezoid(x * y, x) / np.trapezoid(y, x) == pytest.approx(mean, rel=5e-4)


def test_i124_positrons_apart_from_electrons_and_without_annihilation_photons() -> None:
    iodine = nuclide("124I")
    assert iodine.positrons_per_decay == pytest.approx(0.22862, abs=1e-5)
    assert iodine.emission.beta_mev.size == 0
    assert not np.any(np.isclose(iodine.emission.photon_lines[:, 0], 0.511))
    assert iodine.emission.positron_mev[-1] == pytest.approx(2.1376)
    strongest = iodine.emission.photon_lines[np.argmax(np.prod(iodine.emission.photon_lines, axis=1)), 0]
    assert strongest == pytest.approx(0.60273, abs=1e-4)


def test_cu64_signs_are_separated() -> None:
    emission = nuclide("Cu-64").emission
    assert spectrum_yield(emission.beta_mev, emission.beta_per_mev) == pytest.approx(0.39, abs=2e-3)
    assert spectrum_yield(emission.positron_mev, emission.positron_per_mev) == pytest.approx(0.174, abs=2e-3)
    # Coulomb repulsion empties the positron spectrum at low energy, attraction fills that of electrons.
    assert emission.positron_per_mev[2] < 0.2 * emission.beta_per_mev[2]


def test_half_lives_and_decay() -> None:
    assert nuclide("I-131").half_life_s == pytest.approx(692988.48)
    assert nuclide("I-124").half_life_h == pytest.approx(100.224)
    assert nuclide("I-124").decay_factor(100.224) == pytest.approx(0.5)
    assert nuclide("F-18").decay_constant * nuclide("F-18").half_life_s == pytest.approx(math.log(2))


def test_soft_lines_are_merged_at_equal_energy() -> None:
    lines = np.array([[1e-5, 10.0], [5e-4, 2.0], [0.03, 0.5]])
    merged = nuclides.merge_soft_lines(lines)
    assert merged.shape == (2, 2)
    assert np.prod(merged, axis=1).sum() == pytest.approx(np.prod(lines, axis=1).sum())
    assert 1e-5 < merged[0, 0] < 5e-4
    np.testing.assert_array_equal(nuclides.merge_soft_lines(lines[2:]), lines[2:])


def test_allowed_shape_has_the_mean_and_area_asked_for() -> None:
    energy = np.linspace(0, 1.0, 4001)
    for z, sign in ((54, -1), (52, 1)):
        shape = spectra.allowed_shape(energy, 0.2, z, sign)
        assert np.trapezoid(shape, energy) == pytest.approx(1.0, rel=1e-6)
        assert np.trapezoid(shape * energy, energy) == pytest.approx(0.2, rel=1e-4)
    with pytest.raises(InputError):
        spectra.allowed_shape(energy, 5.0, 54, -1)


def test_chain_of_lead_212_follows_bateman() -> None:
    members = {m.name: m for m in chains.chain("212Pb")}
    ratio = 1.0 / (1.0 - members["Bi-212"].half_life_s / members["Pb-212"].half_life_s)
    assert members["Bi-212"].activity_ratio == pytest.approx(ratio) == pytest.approx(1.1048, abs=1e-3)
    assert members["Po-212"].decays == pytest.approx(0.6406)
    assert members["Po-212"].decays + members["Tl-208"].decays == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("parent", "alphas", "energy"),
    # Alphas per parent decay and their energy with recoil, when all progeny decay in place: the sums of the
    # Q values along the chains (IAEA Nuclear Data Services), a few keV apart.
    [("Ac-225", 4.0, 28.0), ("Ra-223", 4.0, 26.9), ("At-211", 1.0, 6.91), ("Pb-212", 1.0, 7.95)],
)
def test_alpha_chains_carry_their_alphas_and_energy(parent: str, alphas: float, energy: float) -> None:
    emission = chains.emission_with_progeny(parent, "complete")
    assert emission.alpha_lines[:, 1].sum() == pytest.approx(alphas, rel=2e-3)
    assert energy_per_decay(emission).heavy == pytest.approx(energy, rel=3e-3)


def test_equilibrium_weighs_each_member_and_leaves_out_what_outlives_the_parent() -> None:
    mo, tc = nuclide("Mo-99"), nuclide("Tc-99m")
    ratio = {m.name: m.activity_ratio for m in chains.chain("Mo-99")}
    assert math.isnan(ratio["Tc-99"])
    both = energy_per_decay(chains.emission_with_progeny("Mo-99"))
    expected = energy_per_decay(mo.emission).photon + ratio["Tc-99m"] * energy_per_decay(tc.emission).photon
    assert both.photon == pytest.approx(expected, rel=1e-12)
    assert both.electron == pytest.approx(
        energy_per_decay(mo.emission).electron + ratio["Tc-99m"] * energy_per_decay(tc.emission).electron,
        rel=1e-6,  # two spectra on the union of their points
    )
    alone = chains.emission_with_progeny("Mo-99", "none")
    assert energy_per_decay(alone).photon == energy_per_decay(mo.emission).photon
    with pytest.raises(InputError, match="unknown treatment of progeny 'secular'"):
        chains.emission_with_progeny("Mo-99", "secular")


def test_xenon_131m_is_not_part_of_iodine_131() -> None:
    """As in ICRP-107 and MIRD it is a progeny of its own (11.9 d, 1.2 % of decays)."""
    assert energy_per_decay(chains.emission_with_progeny("I-131")).electron == pytest.approx(0.19185, abs=6e-6)
    extra = energy_per_decay(chains.emission_with_progeny("I-131", "complete")).electron - 0.19185
    assert 0.0015 < extra < 0.0019


def test_neutrons_are_named_as_neglected() -> None:
    assert nuclide("I-131").neglected == ()
    assert "neutrons" in nuclide("Cf-252").neglected[0]
