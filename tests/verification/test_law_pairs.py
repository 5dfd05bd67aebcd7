"""Pairs and annihilation at rest, read from the particle stack right after the event."""

from __future__ import annotations

import numpy as np
from hevesy.engine.physics.material import Material
from hevesy.kernels.tables import ELECTRON, PHOTON, POSITRON, STACK_DEPTH, STACK_INTS, STACK_REALS
from hevesy.tests.verification.budget import assert_law
from hevesy.tests.verification.drivers import WATER, block, kernel, photon_line, positron_line, repeat, world_of

MC2 = 0.51099895
#: pairs are a quarter of its collisions at 3 MeV
LEAD = Material("lead", (82,), (1.0,), 823.0, 11.35)


def stacks() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.zeros(1, np.int64),
        np.zeros(STACK_DEPTH * STACK_REALS, np.float32),
        np.zeros(STACK_DEPTH * STACK_INTS, np.int32),
    )


def dipole(energy: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    """Cumulative probability of a cosine under (1 - beta^2)/(2 (1 - beta cos)^2): uniform if that is the law."""
    beta = np.sqrt(energy * (energy + 2 * MC2)) / (energy + MC2)
    return (1 - beta) * (1 + cosine) / (2 * (1 - beta * cosine))


def test_pairs_share_their_energy_evenly_and_leave_opposite_in_azimuth() -> None:
    """3 MeV photons in lead that make a pair first: uniform sharing, leading dipole directions, one plane."""
    energy = 3.0
    world = world_of(block(photon_line(energy), voxel_mm=1e5, materials=(LEAD,), electron_cutoff_mev=0.01))
    transport = kernel("physics.photon.track").transport_photon
    n = 150_000

    def body(out, i, key, counters, world, quanta, tally, reals, ints):
        half = np.float32(5e3)
        zero, one, cell = np.float32(0.0), np.float32(1.0), np.int32(0)
        depth, _ = transport(
            world,
            tally,
            counters,
            reals,
            ints,
            np.int32(0),
            cell,
            cell,
            cell,
            half,
            half,
            half,
            zero,
            zero,
            one,
            quanta,
            key,
            np.int32(1),
        )
        out[i, 0], out[i, 1] = ints[0] if depth == 2 else -1, ints[4]
        out[i, 2], out[i, 3], out[i, 4] = reals[3], reals[4], reals[5]
        second, ahead = 5, 6
        out[i, 5], out[i, 6] = ints[second], ints[second + 4]
        out[i, 7], out[i, 8], out[i, 9] = reals[ahead + 3], reals[ahead + 4], reals[ahead + 5]

    assert (STACK_INTS, STACK_REALS) == (5, 6)
    out = repeat(body, n, 10, world, np.int32(round(energy * 2**26)), *stacks())
    total = energy - 2 * MC2
    # a few photons lose some keV in a collision before: their electron, below the cut-off, is not on the stack
    whole = np.abs((out[:, 1] + out[:, 6]) / 2**26 - total) < 2e-7
    pairs = out[(out[:, 0] == POSITRON) & (out[:, 5] == ELECTRON) & whole]
    assert len(pairs) > 0.15 * n
    positron, electron = pairs[:, 1] / 2**26, pairs[:, 6] / 2**26
    # an electron below the cut-off is deposited, not stacked: the positron's share ends there
    assert_law(positron / total, np.linspace(0, 1 - 0.01 / total, 41), np.full(40, 1 / 40), "positron's share")
    for kinetic, cosine, name in ((positron, pairs[:, 4], "positron"), (electron, pairs[:, 9], "electron")):
        # slow particles fly anywhere, fast ones forwards: the probability integral is uniform for all
        assert_law(np.clip(dipole(kinetic, cosine), 0, 1), np.linspace(0, 1, 33), np.full(32, 1 / 32), name)
    azimuth = np.arctan2(pairs[:, 3], pairs[:, 2])
    other = np.arctan2(pairs[:, 8], pairs[:, 7])
    assert_law(azimuth, np.linspace(-np.pi, np.pi, 33), np.full(32, 1 / 32), "azimuth")
    off = np.hypot(pairs[:, 2], pairs[:, 3]) * np.hypot(pairs[:, 7], pairs[:, 8]) > 1e-4
    # one photon in some hundred has been scattered coherently before: its pair lies in a plane with another direction
    assert (np.abs(np.cos(azimuth - other)[off] + 1) < 1e-4).mean() > 0.99


def test_annihilation_at_rest() -> None:
    """A positron at the cut-off leaves its energy and two photons of 511 keV, back to back, in any direction."""
    world = world_of(block(positron_line(0.5), voxel_mm=1e4, materials=(WATER,)))
    transport = kernel("physics.electron.track").transport_charged
    n = 100_000

    def body(out, i, key, counters, world, quanta, tally, reals, ints):
        half = np.float32(500.0)
        zero, one, cell = np.float32(0.0), np.float32(1.0), np.int32(0)
        depth, _ = transport(
            world,
            tally,
            counters,
            reals,
            ints,
            np.int32(0),
            np.int32(2),
            cell,
            cell,
            cell,
            half,
            half,
            half,
            zero,
            zero,
            one,
            quanta,
            key,
            np.int32(1),
        )
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = depth, ints[0], ints[4], ints[9]
        for j in range(3):
            out[i, 4 + j], out[i, 7 + j] = reals[3 + j], reals[9 + j]

    assert POSITRON == 2
    tally, reals, ints = stacks()
    quanta = round(0.009 * 2**26)
    out = repeat(body, n, 10, world, np.int32(quanta), tally, reals, ints)
    assert (out[:, 0] == 2).all() and (out[:, 1] == PHOTON).all()
    assert int(tally[0]) == n * quanta
    assert (out[:, 2] == out[:, 3]).all()
    np.testing.assert_allclose(out[:, 2] / 2**26, MC2, atol=2**-26)
    np.testing.assert_array_equal(out[:, 4:7], -out[:, 7:])
    for axis in range(3):
        assert_law(out[:, 4 + axis], np.linspace(-1, 1, 41), np.full(40, 1 / 40), f"cosine on axis {axis}")
