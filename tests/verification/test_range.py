"""How far electrons go: the CSDA range along a straight track, the detour by scattering, and what range rejection
may not change.
"""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.physics import elastic, stopping
from hevesy.engine.transport.run import simulate
from hevesy.kernels.tables import ELECTRON, STRAGGLE, TRACK_COLUMNS
from hevesy.tests.verification.budget import quantile
from hevesy.tests.verification.drivers import BONE, WATER, block, electron_line, shoot, world_of
from scipy.integrate import cumulative_simpson


def beam(material, energy: float, scatters: bool, n: int):
    """Depths [cm], deposited energy and CSDA range of a pencil beam: layers of half a per cent of the range.

    Without hard events, and without straggling: the track is the continuous slowing down itself.
    """
    rho = material.nominal_density_g_cm3
    reach = float(stopping.csda_range(material, energy)) / rho
    layers, step = 250, reach / 200
    problem = block(
        electron_line(energy),
        (2 * layers, 1, 1),
        (10 * step, 1000.0, 1000.0),
        materials=(material,),
        delta_ray_threshold_mev=0.55 * energy,
        bremsstrahlung="off",
        range_rejection="off",
    )
    world = world_of(problem)
    track = world.track.reshape(-1, TRACK_COLUMNS).copy()
    track[:, STRAGGLE] = 0.0
    world = world._replace(track=track.ravel())
    if not scatters:
        # a table of zeros: every deflection is none
        world = world._replace(gs=np.zeros_like(world.gs))
    tally, _ = shoot(world, ELECTRON, (layers, 0, 0), (0.0, 50.0, 50.0), (1.0, 0.0, 0.0), energy, n)
    return (np.arange(2 * layers) + 0.5 - layers) * step, tally[:, 0, 0].astype(float), reach


@pytest.mark.parametrize("material", [WATER, BONE], ids=["water", "bone"])
@pytest.mark.parametrize("energy", [0.1, 0.4, 1.0])
def test_csda_range(material, energy) -> None:
    """Without deflection every layer gets the energy that slowing down leaves there, and the last the end of range."""
    depth, deposited, reach = beam(material, energy, False, 20)
    T = np.geomspace(0.01, energy, 4001)
    z = reach - stopping.csda_range(material, T) / material.nominal_density_g_cm3
    edges = np.concatenate([depth - 0.5 * (depth[1] - depth[0]), [depth[-1] + 0.5 * (depth[1] - depth[0])]])
    # energy left at a depth; at the cut-off, one layer before the end of the range at most, the rest is deposited
    left = np.where(edges < z[0], np.interp(edges, z[::-1], T[::-1]), 0.0)
    left[edges <= 0] = energy
    expected = -np.diff(left) / energy
    # 0.05 % of the range tables (test_range_tables) shift a layer by 0.1 of its width
    np.testing.assert_allclose(np.cumsum(deposited) / deposited.sum(), np.cumsum(expected), atol=1e-3)


@pytest.mark.parametrize("material", [WATER, BONE], ids=["water", "bone"])
@pytest.mark.parametrize("energy", [0.1, 0.4, 1.0])
def test_detour(material, energy) -> None:
    """Mean depth of the energy with scattering over that without: 0.5 to 0.8, by Lewis's integral within 0.5 %."""
    threshold, n = 0.55 * energy, 30_000
    scattered, straight = (beam(material, energy, s, m) for s, m in ((True, n), (False, 10)))
    means = [(d * e).sum() / e.sum() for d, e, _ in (scattered, straight)]
    T = np.linspace(0.01, energy, 4001)[::-1]
    coarse = np.geomspace(0.0099, energy * 1.001, 300)
    G1 = np.interp(T, coarse, elastic.moments(material, coarse, threshold, "electron")[0][1])
    S = stopping.total(material, T)
    strength = cumulative_simpson(G1 / S, x=-T, initial=0.0)
    depths = []
    for cosine in (np.exp(-strength), np.ones_like(T)):
        z = cumulative_simpson(cosine / S, x=-T, initial=0.0)
        depths.append(np.trapezoid(z, -T) + 0.01 * z[-1])
    measured, expected = means[0] / means[1], depths[0] / depths[1]
    assert 0.5 < expected < 0.85
    # single tracks scatter by less than the detour itself
    assert abs(measured / expected - 1) < 0.005 + 4 / np.sqrt(n) * 0.5, (measured, expected)


def test_range_rejection_radiates_what_transport_radiates() -> None:
    """90Y deep in large voxels: rejected electrons make the bremsstrahlung that followed ones make.

    Everything that leaves the source voxel is bremsstrahlung: what reaches the next voxels and what escapes agree.
    """
    shape = (3, 3, 3)
    source = np.zeros(shape)
    source[1, 1, 1] = 1.0
    weights = np.stack([source == 0, np.ones(shape, bool)]).astype(np.uint8)
    runs = []
    for seed, rejection in ((1, "on"), (2, "off")):
        problem = block(nuclide("Y-90").emission, shape, 60.0, source=source, range_rejection=rejection)
        tally = simulate(problem, decays=60_000, batches=60, seed=seed, backend="cpu", regions=weights)
        runs.append((tally, *tally.region_energy()))
    (on, mean_a, sigma_a), (off, mean_b, sigma_b) = runs
    assert on.counters["range_rejections"] > 0.9 * on.decays and off.counters["range_rejections"] == 0
    # around the source; and in the whole body, whose deposit is the emission (stratified, hardly noisy) less the escape
    z = (mean_a - mean_b) / np.hypot(sigma_a, sigma_b)
    assert np.abs(z).max() < quantile(2, 59), z
    assert sigma_a[0] / mean_a[0] < 0.05
    assert 0 < on.balance["escaped"] < 0.01 * on.balance["emitted"]
