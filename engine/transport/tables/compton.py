"""Angles of incoherent scattering: inverse cumulative distributions of a material.

The law is Klein and Nishina's times the incoherent function S(x)/Z of the material (Hubbell et al., J Phys Chem Ref
Data 4 (1975) 471), in t = 1 - cos(theta). It is tabulated at t(v^2), v = 0..1 in equal steps, on nodes of energy: at
small angles S rises with t and t(u) with the root of u, at large ones t is almost linear in u; in v both are smooth.
"""

from __future__ import annotations

import numpy as np

from ....kernels.constants import INVERSE_HC, MC2

#: equal steps of the integration in the root of t/2
PARTS = 512


def quantiles(energy_mev: np.ndarray, x: np.ndarray, incoherent: np.ndarray, points: int) -> np.ndarray:
    """t = 1 - cos(theta) at cumulative probabilities v^2, for straight lines between nodes of both axes.

    Parameters
    ----------
    energy_mev
        Energies of the photon [MeV], (energies,): the nodes.
    x, incoherent
        S(x)/Z of the material at momentum transfers x = sin(theta/2)/lambda [1/Angstrom], both (n,).
    points
        Nodes of v from 0 to 1.

    Returns
    -------
    (energies, points) from 0 to 2. Nodes lie a little inside the curve, on either axis: straight lines between them
    then have the mean of the curve, and the mean scattered energy is right to 3e-5.
    """
    s = np.linspace(0.0, 1.0, PARTS + 1)
    t = 2.0 * s**2
    energy = np.asarray(energy_mev, float)[:, None]
    ratio = 1.0 / (1.0 + energy / MC2 * t)
    law = ratio**2 * (ratio + 1.0 / ratio - t * (2.0 - t)) * np.interp(energy * INVERSE_HC * s, x, incoherent)
    # dt = 4 s ds
    law = law * s
    running = np.zeros_like(law)
    running[:, 1:] = np.cumsum(0.5 * (law[:, 1:] + law[:, :-1]), axis=1)
    v = np.sqrt(running / running[:, -1:])
    nodes = np.linspace(0.0, 1.0, points)
    table = np.array([np.interp(nodes, row, s) for row in v])
    table = 2.0 * table**2
    inward = _inward(energy[:, 0], table) + _inward(nodes, table.T).T
    return np.clip(table - inward, 0.0, 2.0)


def _inward(x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """How far nodes at ``x`` (first axis) move so that straight lines keep the mean; nothing at the ends.

    Between nodes h apart a straight line lies f'' h^2/12 off the curve on average.
    """
    shift = np.zeros_like(values)
    h = np.diff(x)
    before, after = h[:-1, None], h[1:, None]
    slope = np.diff(values, axis=0) / h[:, None]
    curvature = 2.0 * np.diff(slope, axis=0) / (before + after)
    shift[1:-1] = curvature * (before**3 + after**3) / (12.0 * (before + after))
    return shift
