"""Every nuclide of the list loads, emits what ICRP 107 says and is transported with an exact balance.

Emitted energy is judged without statistics: a category of n emissions in one batch runs through n consecutive points
of a digitally shifted radical inverse, whose sum differs from n times the mean by at most the range of the energies
times the 2 log2(n) + 1 elementary intervals that make up the run, and the number of emissions by at most one.
"""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import radioactivedecay as rd
from hevesy.engine.nuclides.chains import chain, emission_with_progeny
from hevesy.engine.nuclides.decay import energy_per_decay, nuclide
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.transport.run import simulate
from hevesy.phantoms.problems import voxel_s

LIST = [
    "131I", "124I", "123I", "177Lu", "90Y", "18F", "68Ga", "64Cu", "89Zr", "99mTc", "111In", "67Cu", "161Tb", "166Ho",
    "188Re", "153Sm", "89Sr", "32P",
]  # fmt: skip
ALPHA_CHAINS = ["225Ac", "223Ra", "212Pb", "211At"]
DECAYS = 40_000
QUANTUM = 2.0**-26


def icrp107(name: str) -> dict[str, float]:
    """Energy per decay by kind [MeV], summed straight from the package's lists."""
    spec = find_spec("icrp107_database")
    assert spec is not None and spec.submodule_search_locations
    path = Path(list(spec.submodule_search_locations)[0]) / "icrp107" / f"{name}.json"
    lists = json.loads(json.loads(path.read_text(encoding="utf-8")))["emissions"]
    energy = {kind: float(sum(e * y for e, y in values)) for kind, values in lists.items() if kind != "b-spectra"}
    return {
        "electron": sum(energy.get(k, 0.0) for k in ("beta-", "betaD", "IE", "auger")),
        "positron": energy.get("beta+", 0.0),
        "photon": energy.get("gamma", 0.0) + energy.get("X", 0.0),
        "annihilation": energy.get("annihilation", 0.0),
        "heavy": sum(energy.get(k, 0.0) for k in ("alpha", "alpha recoil", "fission")),
    }


def stratification_bound(emission: Emission, decays: int) -> float:
    """Largest difference of the emitted energy per decay from its mean in one batch [MeV]."""
    bound = 0.0
    for tops, rate in (
        (emission.beta_mev, np.trapezoid(emission.beta_per_mev, emission.beta_mev)),
        (emission.positron_mev, np.trapezoid(emission.positron_per_mev, emission.positron_mev)),
        (emission.electron_lines[:, 0], emission.electron_lines[:, 1].sum()),
        (emission.photon_lines[:, 0], emission.photon_lines[:, 1].sum()),
    ):
        if len(tops) and rate > 0:
            largest = float(np.max(tops)) + (1.022 if tops is emission.positron_mev else 0.0)
            bound += largest * (2 * math.log2(max(rate * decays, 2.0)) + 2) / decays
    return bound


def simulated(emission: Emission, decays: int = DECAYS):
    return simulate(voxel_s(emission, 4.0, 21), decays=decays, batches=1, seed=7, backend="cpu")


@pytest.mark.parametrize("name", LIST)
def test_nuclide_is_transported_with_the_energy_of_icrp107(name):
    isotope = nuclide(name)
    truth = icrp107(isotope.name)
    energy = energy_per_decay(isotope.emission)
    for kind in ("electron", "positron", "photon", "heavy"):
        assert getattr(energy, kind) == pytest.approx(truth[kind], rel=1e-6, abs=1e-9), kind
    tally = simulated(isotope.emission)
    assert tally.balance["emitted"] == tally.balance["deposited"] + tally.balance["escaped"]
    assert tally.balance["deposited"] == int(tally.energy_quanta.sum())
    emitted = tally.balance["emitted"] * QUANTUM / tally.decays
    expected = sum(truth.values())
    bound = stratification_bound(isotope.emission, tally.decays)
    assert bound < 0.02 * expected
    # annihilation photons of the list are 2 x 511 keV per positron, as in the transport
    assert abs(emitted - expected) < bound + 1e-5 * expected
    assert tally.energy_quanta[10, 10, 10] == tally.energy_quanta.max() > 0
    assert not [k for k, v in tally.counters.items() if v and (k.startswith("capped") or "overflow" in k)]


@pytest.mark.parametrize("name", ALPHA_CHAINS)
def test_alpha_chain_in_equilibrium(name):
    emission = emission_with_progeny(name, "equilibrium")
    members = {m.name: m for m in chain(name) if not math.isnan(m.activity_ratio)}
    parent = emission.nuclide
    # activities long after a pure parent was made, by another package's solution of the Bateman equations
    late = 25 * max(m.half_life_s for m in members.values() if m.name != parent)
    activity = rd.InventoryHP({parent: 1.0}, "Bq").decay(late, "s").activities("Bq")
    for member, entry in members.items():
        assert entry.activity_ratio == pytest.approx(activity[member] / activity[parent], rel=1e-6), member
    truth = dict.fromkeys(("electron", "positron", "photon", "annihilation", "heavy"), 0.0)
    for member, entry in members.items():
        for kind, value in icrp107(member).items():
            truth[kind] += entry.activity_ratio * value
    energy = energy_per_decay(emission)
    for kind in ("electron", "photon", "heavy"):
        assert getattr(energy, kind) == pytest.approx(truth[kind], rel=1e-5), kind
    tally = simulated(emission)
    assert tally.balance["emitted"] == tally.balance["deposited"] + tally.balance["escaped"]
    emitted = tally.balance["emitted"] * QUANTUM / tally.decays
    assert abs(emitted - sum(truth.values())) < stratification_bound(emission, tally.decays) + 1e-5 * emitted
    # alphas and recoils stay in the source voxel to the last quantum; betas add most of theirs, 4 mm being wide
    source = tally.energy_quanta[10, 10, 10] * QUANTUM / tally.decays
    assert truth["heavy"] <= source * (1 + 1e-8)
    assert source < truth["heavy"] + truth["electron"] + truth["photon"]
    assert truth["heavy"] > 0.7 * sum(truth.values())


def test_alphas_alone_stay_where_they_are_born():
    """Without betas and photons nothing leaves the source voxel."""
    emission = emission_with_progeny("223Ra", "equilibrium")
    alone = Emission(emission.nuclide, alpha_lines=emission.alpha_lines)
    tally = simulated(alone, 1000)
    assert tally.balance["escaped"] == 0
    assert tally.energy_quanta[10, 10, 10] == tally.balance["emitted"] == tally.balance["deposited"]
    assert tally.balance["emitted"] * QUANTUM / 1000 == pytest.approx(energy_per_decay(emission).heavy, rel=1e-6)


def test_shares_of_radium_223_as_published():
    """223Ra with progeny: 28.2 MeV, 95.3 % alphas, 3.6 % betas, at most 1.1 % photons (label of Xofigo)."""
    energy = energy_per_decay(emission_with_progeny("223Ra", "equilibrium"))
    total = energy.electron + energy.photon + energy.heavy
    assert total == pytest.approx(28.2, rel=0.02)
    assert energy.heavy / total == pytest.approx(0.953, abs=0.01)
    assert energy.electron / total == pytest.approx(0.036, abs=0.006)
    assert energy.photon / total == pytest.approx(0.011, abs=0.003)
