"""The same neutral source as plain Python and compiled: same integers in, same physics out."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.transport.run import simulate
from hevesy.tests.verification.drivers import BONE, WATER, block, electron_line


@pytest.fixture(scope="module")
def problem():
    shape = (3, 3, 3)
    material = np.indices(shape).sum(axis=0) % 2
    return block(nuclide("I-131").emission, shape, 4.0, (WATER, BONE), np.array([1.0, 1.85])[material], material)


def test_python_and_compiled_agree(problem) -> None:
    """Few histories: the emitted energy to a quantum a particle, the deposited energy statistically the same."""
    options = {"decays": 40, "batches": 20, "seed": 3, "physics": {"photons": "off"}}
    slow, fast = (simulate(problem, backend=backend, **options) for backend in ("python", "cpu"))
    assert (slow.backend, fast.backend) == ("python", "cpu")
    for tally in (slow, fast):
        assert tally.balance["emitted"] == tally.balance["deposited"] + tally.balance["escaped"]
    # float32 arithmetic of scalars may round differently by one unit in the last place
    assert slow.balance["emitted"] == pytest.approx(fast.balance["emitted"], rel=1e-6)
    assert slow.counters["decays"] == fast.counters["decays"] == 40
    assert slow.counters["electrons"] == pytest.approx(fast.counters["electrons"], rel=0.3)
    assert slow.balance["deposited"] == pytest.approx(fast.balance["deposited"], rel=0.05)


def test_histories_without_branching_are_identical() -> None:
    """Electrons stopped where they are born take no rounding decision: every voxel's integer is the same."""
    source = np.random.default_rng(2).random((3, 4, 5))
    given = block(electron_line(0.0151), (3, 4, 5), 2.0, source=source)
    slow, fast = (
        simulate(given, decays=200, batches=2, seed=9, backend=backend, physics={"bremsstrahlung": "off"})
        for backend in ("python", "cpu")
    )
    # those within a few micrometres of a face may end on the other side of it
    assert (slow.energy_quanta != fast.energy_quanta).mean() < 0.1
    assert slow.balance["emitted"] == fast.balance["emitted"]


def test_photons_in_python(problem) -> None:
    tally = simulate(problem, decays=4, batches=1, seed=1, backend="python")
    assert tally.balance["emitted"] == tally.balance["deposited"] + tally.balance["escaped"]
    assert tally.counters["photon_flights"] > 0
