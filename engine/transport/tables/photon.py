"""Photon tables of a problem: attenuation, angular functions and X rays, flat and float32."""

from __future__ import annotations

import numpy as np

from ....kernels.tables import COMPTON_POINTS, COMPTON_SHIFT, FLUORESCENCE_COLUMNS, PHOTON_SHIFT, TRANSFER_SHIFT
from ...physics import photons
from ...physics.material import Material
from . import compton as compton_tables
from .bit_grid import BitGrid
from .layout import PhotonTables

#: ends of the grid of momentum transfer, x = sin(theta/2)/lambda [1/Angstrom]
X_LOW, X_HIGH = 3e-3, 3e2
#: X rays below this are absorbed where they are born [MeV]
FLUORESCENCE_CUTOFF = 5e-3


def build(materials: tuple[Material, ...], low_mev: float, high_mev: float) -> PhotonTables:
    """Tables between ``low_mev`` and ``high_mev``.

    Parameters
    ----------
    materials
        The problem's materials.
    low_mev, high_mev
        Ends of the energy grid [MeV].
    """
    grid = BitGrid.over(low_mev, high_mev, PHOTON_SHIFT)
    # the first node may lie below the end of the data; no photon goes on below the cut-off
    energy = np.clip(grid.values, low_mev, None)
    x_grid = BitGrid.over(X_LOW, X_HIGH, TRANSFER_SHIFT)
    x = x_grid.values
    c_grid = BitGrid.over(low_mev, high_mev, COMPTON_SHIFT)
    attenuation, angles, form = [], [], []
    for material in materials:
        parts = [
            photons.photoelectric(material, energy),
            photons.incoherent(material, energy),
            photons.coherent(material, energy),
            photons.pair(material, energy) + photons.triplet(material, energy),
        ]
        running = np.cumsum(parts, axis=0)
        attenuation.append(np.column_stack([running[3], running[0], running[1], running[2]]))
        bound = np.clip(photons.incoherent_function(material, x), 0.0, 1.0)
        angles.append(compton_tables.quantiles(c_grid.values, x, bound, COMPTON_POINTS))
        form.append(_running_form_factor(material, x))
    rows = [fluorescence_rows(material) for material in materials]
    n_rows = max((len(r) for r in rows), default=0)
    x_rays = np.zeros((len(materials), n_rows, FLUORESCENCE_COLUMNS))
    for i, r in enumerate(rows):
        for j, row in enumerate(r):
            x_rays[i, j] = row
    pieces = [np.concatenate(attenuation).ravel(), np.concatenate(angles).ravel(), np.concatenate(form)]
    offsets = np.cumsum([0] + [p.size for p in pieces])
    return PhotonTables(
        values=np.concatenate([*pieces, x_rays.ravel()]).astype(np.float32),
        grid=grid,
        compton=int(offsets[1]),
        c_grid=c_grid,
        coherent=int(offsets[2]),
        fluorescence=int(offsets[3]),
        fluorescence_rows=n_rows,
        x_grid=x_grid,
    )


def _running_form_factor(material: Material, x: np.ndarray) -> np.ndarray:
    """Integral of F^2 d(x^2) from 0 to each node, scaled to 1 at the last."""
    # eight parts of every interval; the last point is the last node
    fine = np.append((x[:-1, None] + np.diff(x)[:, None] * (np.arange(8) / 8)).ravel(), x[-1])
    f2 = photons.form_factor_squared(material, fine)
    x2 = fine**2
    steps = 0.5 * (f2[1:] + f2[:-1]) * np.diff(x2)
    running = np.concatenate([[0.0], np.cumsum(steps)])[::8] + f2[0] * x2[0]
    return running / running[-1]


def fluorescence_rows(material: Material) -> list[np.ndarray]:
    """One row for each element whose K X rays are followed: edge, then (cumulative probability, energy) of three lines.

    The element's share of the absorption is taken 20 % above its K edge; it changes slowly with energy there.
    """
    rows = []
    for i, Z in enumerate(material.Z):
        if Z < 20 or material.mass_fraction[i] <= 0.0:
            continue
        data = photons.relaxation(int(Z))
        lines, intensity = data.lines("K")
        if data.edge_mev[0] <= FLUORESCENCE_CUTOFF or len(lines) == 0:
            continue
        at = np.array([1.2 * data.edge_mev[0]])
        by_element = photons.photoelectric_by_element(material, at)[:, 0]
        share = by_element[i] / by_element.sum() * data.k_fraction * data.fluorescence_yield[0]
        order = np.argsort(intensity)[::-1]
        strongest = np.sort(order[:2])
        rest = np.setdiff1d(order, strongest)
        groups = [np.array([k]) for k in strongest]
        if rest.size:
            groups.append(rest)
        row = np.zeros(FLUORESCENCE_COLUMNS)
        row[0] = data.edge_mev[0]
        running = 0.0
        for j in range(3):
            if j < len(groups):
                weight = intensity[groups[j]].sum()
                running += share * weight / intensity.sum()
                row[2 + 2 * j] = (lines[groups[j]] * intensity[groups[j]]).sum() / weight
            row[1 + 2 * j] = running
        rows.append(row)
    return rows
