"""The replayed decays are those that were simulated: where nothing leaves its voxel, both leave the same quanta."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hevesy.engine.constants import QUANTUM_MEV
from hevesy.engine.nuclides import nuclide
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.physics.material import Material
from hevesy.engine.transport.options import PhysicsOptions
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.run import simulate
from hevesy.engine.transport.same_decays import KINDS, batches_of, expected
from hevesy.engine.transport.tables import source as source_tables
from hevesy.engine.transport.tally import Tally
from hevesy.engine.transport.world import source_fields
from hevesy.kernels.constants import MC2_QUANTA
from hevesy.kernels.same_decays import Source
from hevesy.kernels.tables import ELECTRON, PHOTON, POSITRON

WATER = Material("water", (1, 8), (0.111894, 0.888106), 78.0, 1.0)
SHAPE, PER_BATCH, SIDE = (3, 4, 5), 3000, 6.0  # mm
#: everything stays in its voxel: charged particles are below the cut-off, photons are not transported
LOCAL = {"electron_cutoff_mev": 1.0, "photons": False, "bremsstrahlung": False}


def problem(emission: Emission, **physics) -> Problem:
    source = np.random.default_rng(4).random(SHAPE).astype(np.float32) ** 3
    source[0] = 0.0
    return Problem(
        np.full(SHAPE, 1.0, np.float32), np.zeros(SHAPE, np.uint8), (WATER,), (SIDE, SIDE, SIDE), source, emission,
        physics=physics,
    )  # fmt: skip


def weights() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (3, *SHAPE)).astype(np.uint8)


def run(p: Problem, **options) -> Tally:
    names = ("a", "b", "c")
    asked = {"decays": 4 * PER_BATCH, "seed": (1 << 40) + 7} | options
    return simulate(p, batch_histories=PER_BATCH, regions=weights(), region_names=names, backend="cpu", **asked)


def emitted_quanta(p: Problem, tally: Tally) -> np.ndarray:
    """All energy, neutrinos apart, that the decays of each batch emitted in each voxel (batch, nz, ny, nx) [quanta]."""
    physics = PhysicsOptions.from_dict(tally.options or p.physics)
    tables = source_tables.build(
        p.source, p.emission, physics.electron_cutoff_mev, physics.photon_cutoff_mev, physics.photons
    )
    per_kind = np.zeros(2 * KINDS, np.int64)
    per_kind[[2 * ELECTRON, 2 * POSITRON, 2 * PHOTON]] = 1
    per_kind[2 * POSITRON + 1] = 2 * int(MC2_QUANTA)
    out = np.zeros((tally.n_batches, p.source.size), np.int64)
    for row, quanta in zip(out, batches_of(Source(**source_fields(tables)), tally, per_kind), strict=True):
        row[tables.voxel] = quanta
    return out.reshape(-1, *p.source.shape)


@pytest.mark.parametrize("name", ["I-131", "F-18", "Ac-225", "Tc-99m"])
def test_every_quantum_that_a_decay_emits_is_repeated(name):
    """Beta, positrons with their annihilation energy, conversion electrons, gamma and X rays, alpha particles."""
    p = problem(nuclide(name).emission, **LOCAL)
    tally = run(p)
    assert tally.balance["escaped"] == 0
    quanta = emitted_quanta(p, tally)
    assert np.array_equal(quanta.sum(axis=0), tally.energy_quanta)
    by_region = np.einsum("bzyx,rzyx->br", quanta, weights().astype(np.int64))
    assert np.array_equal(by_region, tally.region_quanta)


@pytest.mark.parametrize("name", ["I-124", "Y-90", "Re-188"])
def test_emitted_energy_of_a_full_transport_is_repeated(name):
    """Positrons and electrons of more than a MeV, photons transported: the balance has the sum of the replay."""
    p = problem(nuclide(name).emission)
    tally = run(p)
    assert int(emitted_quanta(p, tally).sum()) == tally.balance["emitted"]


def test_the_charged_energy_of_regions_is_that_of_the_transport():
    """Without photons the expected sums are the region sums of a transport in which all is local, to rounding."""
    # a run with nothing above its cut-offs is refused: a photon line that carries nothing stands above them
    emission = replace(nuclide("I-131").emission, photon_lines=np.array([[1.1, 1e-15]]))
    p = problem(emission, **LOCAL)
    tally = run(p)
    mean = mean_charged(emission)
    paired = expected(p, tally, weights() * mean)
    assert paired == pytest.approx(tally.region_quanta * QUANTUM_MEV, rel=1e-6)


def mean_charged(emission: Emission) -> float:
    """Mean energy of the charged particles [MeV], by numerical integration on a fine grid."""
    lines = sum(float(table[:, 0] @ table[:, 1]) for table in (emission.electron_lines, emission.alpha_lines))
    for mev, density in (
        (emission.beta_mev, emission.beta_per_mev),
        (emission.positron_mev, emission.positron_per_mev),
    ):
        if len(mev):
            e = np.linspace(mev[0], mev[-1], 2_000_001)
            lines += float(np.trapezoid(e * np.interp(e, mev, density), e))
    return lines


def test_photons_and_transport_change_nothing_of_the_charged_energy():
    """The same decays with photons transported, in another mode: the replay sees their charged energy alone."""
    emission = nuclide("I-131").emission
    p = problem(emission)
    dark = problem(replace(emission, photon_lines=np.empty((0, 2))))
    full, bare = run(p), run(dark)
    assert np.array_equal(expected(p, full, weights()), expected(dark, bare, weights()))


def test_the_expectation_is_that_of_the_source():
    p = problem(nuclide("I-131").emission)
    tally = run(p, decays=60 * PER_BATCH)
    share = np.asarray(p.source, np.float64) / np.asarray(p.source, np.float64).sum()
    truth = PER_BATCH * (weights() * share).sum(axis=(1, 2, 3))
    found = expected(p, tally, weights())
    assert found.shape == (60, 3)
    error = found.std(axis=0, ddof=1) / np.sqrt(60)
    # three values, t with 59 degrees of freedom: 8 standard errors have a probability below 1e-9
    assert (np.abs(found.mean(axis=0) - truth) < 8 * error).all()
    assert (error < 0.01 * truth).all()


def test_any_batches_in_any_order():
    """A resumed, merged or reordered tally has the sums of its own batches."""
    p = problem(nuclide("I-131").emission)
    whole = run(p)
    later = run(p, first_batch=2, decays=2 * PER_BATCH)
    sums = expected(p, whole, weights())
    assert np.array_equal(expected(p, later, weights()), sums[2:])
    order = np.array([3, 0, 2, 1])
    assert np.array_equal(expected(p, replace(whole, batch_ids=order), weights()), sums[order])


def test_a_decay_without_charged_particles_counts_one():
    p = problem(Emission("gamma", photon_lines=np.array([[0.364, 0.8]])))
    sums = expected(p, run(p), np.ones((1, *SHAPE)))
    assert (sums == PER_BATCH).all()


def test_fields_must_be_on_the_grid():
    p = problem(nuclide("I-131").emission)
    with pytest.raises(ValueError, match="the problem 60"):
        expected(p, run(p), np.ones((1, 3, 4, 6)))
