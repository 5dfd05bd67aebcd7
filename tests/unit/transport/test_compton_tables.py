"""Tabulated angles of incoherent scattering against the law, by quadrature: no random numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.physics import photons
from hevesy.engine.transport.tables import compton as compton_tables
from hevesy.engine.transport.tables.bit_grid import BitGrid
from hevesy.kernels.constants import MC2
from hevesy.kernels.tables import COMPTON_POINTS, COMPTON_SHIFT, TRANSFER_SHIFT
from hevesy.tests.verification.drivers import BONE, IODINE, WATER, momentum_transfer

X = BitGrid.over(3e-3, 3e2, TRANSFER_SHIFT).values
GRID = BitGrid.over(0.001, 3.0, COMPTON_SHIFT)
PROBABILITY = (np.arange(100_000) + 0.5) / 100_000


def table_of(material) -> np.ndarray:
    return compton_tables.quantiles(GRID.values, X, photons.incoherent_function(material, X), COMPTON_POINTS)


def read(table: np.ndarray, energy: float) -> np.ndarray:
    """t at every probability, by the kernel's two straight lines."""
    node, fraction = (v[0] for v in GRID.locate(np.array([energy])))
    row = table[node] + fraction * (table[node + 1] - table[node])
    return np.interp(np.sqrt(PROBABILITY), np.linspace(0, 1, COMPTON_POINTS), row)


def exact(material, energy: float) -> np.ndarray:
    """The same from the law on 4000 points of sin(theta/2)."""
    s = np.linspace(0, 1, 4001)
    t = 2 * s**2
    ratio = 1 / (1 + energy / MC2 * t)
    law = ratio**2 * (ratio + 1 / ratio - t * (2 - t)) * s
    law *= photons.incoherent_function(material, momentum_transfer(energy, 1 - t))
    running = np.concatenate([[0], np.cumsum(0.5 * (law[1:] + law[:-1]))])
    return 2 * np.interp(np.sqrt(PROBABILITY), np.sqrt(running / running[-1]), s) ** 2


@pytest.mark.parametrize("material", [WATER, BONE, IODINE], ids=["water", "bone", "iodine"])
def test_angles_and_mean_energy(material) -> None:
    table = table_of(material)
    # nodes, middles of intervals, both sides of an octave of the grid (1/32 and 1/2 MeV)
    energies = (0.0011, 0.0045, 0.0102, 0.021, 0.0309, 0.0316, 0.0645, 0.11, 0.21, 0.3645, 0.499, 0.511, 0.9, 2.0, 2.7)
    for energy in energies:
        t, law = read(table, energy), exact(material, energy)
        # the law narrows as the energy rises; at 364 keV the angle is right to 5e-4 at every probability
        assert np.abs(t - law).max() < 5e-4 * max(1.0, energy / 0.511) ** 0.5, energy
        given, due = (np.mean(1 - 1 / (1 + energy / MC2 * v)) for v in (t, law))
        # energy given to the electron, averaged over angles
        assert abs(given / due - 1) < 6e-5, (energy, given / due - 1)


def test_ends_are_forward_and_backward() -> None:
    table = table_of(WATER)
    assert (table[:, 0] == 0).all()
    assert np.abs(table[:, -1] - 2).max() < 1e-12
    assert (np.diff(table, axis=1) > 0).all()
