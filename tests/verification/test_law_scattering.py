"""Multiple scattering: transport moments and Goudsmit-Saunderson angles against sums and integrals made here."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.physics import elastic
from hevesy.engine.physics.data import atomic_weight
from hevesy.engine.transport.tables import electron as electron_tables
from hevesy.engine.transport.tables.bit_grid import BitGrid
from hevesy.kernels.tables import GS_SHIFT
from hevesy.tests.verification.budget import assert_law, assert_mean
from hevesy.tests.verification.drivers import BONE, WATER, kernel, material_world, repeat
from scipy.integrate import quad
from scipy.special import eval_legendre

MC2, ALPHA, R_E, AVOGADRO = 0.51099895, 1 / 137.035999084, 2.8179403262e-13, 6.02214076e23
N = 400_000
#: Legendre orders of the independent sum (the engine keeps 400)
ORDERS = 1500


def single_scattering(material, energy: float, particle: str = "electron", threshold: float = 0.01):
    """d sigma/d mu per gram: screened Rutherford with the McKinley-Feshbach ratio, and the electrons' part.

    The electrons' part ends at the angle of the largest soft energy transfer; the engine lets it fall linearly in
    log mu over a factor of exp(25.3/90), and so does this function.
    """
    p2 = energy * (energy + 2 * MC2)
    beta = np.sqrt(p2) / (energy + MC2)
    unit = np.pi * (R_E * MC2) ** 2 / (p2 * beta**2) * AVOGADRO
    largest = min(threshold, energy if particle == "positron" else energy / 2)
    rest = energy - largest
    cosine = np.sqrt(rest * (energy + 2 * MC2) / (energy * (rest + 2 * MC2)))
    edge, width = np.log((1 - cosine) / 2), -np.log(1e-11) / 90
    sign = 1 if particle == "electron" else -1

    def law(mu):
        root, total = np.sqrt(mu), 0.0
        fall = np.clip((edge - np.log(mu)) / width + 0.5, 0, 1)
        for Z, w in zip(material.Z, material.mass_fraction, strict=True):
            eta, eta_in = (float(v) for v in elastic.screening(Z, energy, particle))
            mott = 1 - beta**2 * mu + sign * np.pi * ALPHA * Z * beta * root * (1 - root)
            total = total + unit * w / atomic_weight(Z) * (
                Z**2 * mott / (mu + eta) ** 2 + Z * fall / (mu + eta_in) ** 2
            )
        return total

    return law


def log_integral(f, low: float = 1e-13, panels: int = 400) -> float:
    """Integral of f(mu) d mu over (0, 1) in log mu, Gauss-Legendre of 8 points a panel."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    edges = np.linspace(np.log(low), 0, panels + 1)
    half = 0.5 * np.diff(edges)
    mu = np.exp((edges[:-1] + half)[:, None] + half[:, None] * nodes)
    return float((f(mu) * mu * weights * half[:, None]).sum())


@pytest.mark.parametrize("particle", ["electron", "positron"])
@pytest.mark.parametrize("material", [WATER, BONE], ids=["water", "bone"])
def test_first_transport_moment(material, particle) -> None:
    """G_1 = integral of 2 mu d sigma, within 0.1 % of an adaptive integral (the requirement is 1 %)."""
    energies = np.array([0.01, 0.05, 0.3, 1.0, 3.0])
    G, total = elastic.moments(material, energies, 0.01, particle)
    for i, energy in enumerate(energies):
        law = single_scattering(material, float(energy), particle)

        def in_log(x, law=law):
            mu = np.exp(x)
            return 2 * mu * float(law(mu)) * mu

        g1 = sum(quad(in_log, a, b, limit=400, epsrel=1e-9)[0] for a, b in ((-32, -15), (-15, -6), (-6, -2), (-2, 0)))
        assert G[1, i] == pytest.approx(g1, rel=1e-3), energy
        assert total[i] == pytest.approx(log_integral(law), rel=1e-3), energy


def test_screened_rutherford_in_closed_form() -> None:
    """Without Mott's ratio and electrons: integral of 2 mu/(mu + eta)^2 = 2 [ln(1 + 1/eta) - 1/(1 + eta)]."""
    mu, d_mu, one_minus = elastic._quadrature()
    for eta in (1e-6, 1e-4, 1e-2):
        exact = 2 * (np.log1p(1 / eta) - 1 / (1 + eta))
        assert one_minus[1] @ (d_mu / (mu + eta) ** 2) == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("material", [WATER, BONE], ids=["water", "bone"])
@pytest.mark.parametrize("node", [0, 12, 30, 44])
def test_goudsmit_saunderson_angles(material, node) -> None:
    """Sampled deflections of one step against the series with 1500 terms, at a table energy."""
    world = material_world(material)
    energy = BitGrid(int(world.gs_low), int(world.gs_energies), GS_SHIFT).values[node]
    sample = kernel("physics.electron.scattering").sample_scattering
    draw4 = kernel("rng").draw4

    def body(out, i, key, counters, world, energy):
        r1, r2, r3, r4 = draw4(key, np.int32(1))
        out[i, 0] = 0.5 * (1 - sample(world, np.int32(0), energy, np.float32(0.5), r2))

    # a hair above the node, so that rounding picks this row and not the one below
    (mu,) = repeat(body, N, 1, world, np.float32(energy * (1 + 1e-5))).T
    strength, middle = step(material, energy)
    assert_mean(1 - 2 * mu, np.exp(-strength), f"mean cosine at {energy:.3g} MeV")
    edges, p = series(single_scattering(material, middle), strength)
    assert_law(mu, edges, p, f"deflection at {energy:.3g} MeV, K = {strength:.3g}, in {material.name}")


def step(material, energy: float) -> tuple[float, float]:
    """Strength K of a step that starts at an energy, and the energy at half of it."""
    strength = float(electron_tables.step_strength(energy, 0.2))
    rows = electron_tables._Slowing(material, "electron", np.geomspace(0.005, 4.0, 800), 0.001, 0.01, True)
    left = np.interp(np.log(energy), np.log(rows.energy), rows.strength) - 0.5 * strength
    return strength, float(np.exp(np.interp(max(left, 0.0), rows.strength, np.log(rows.energy))))


def series(law, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Bin probabilities in mu from the Goudsmit-Saunderson series of a single-scattering law."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    panels = np.linspace(np.log(1e-12), 0, 301)
    half = 0.5 * np.diff(panels)
    mu = np.exp((panels[:-1] + half)[:, None] + half[:, None] * nodes).ravel()
    weight = law(mu) * mu * (half[:, None] * weights).ravel()
    moments, previous, current = np.empty(ORDERS + 1), np.zeros_like(mu), 2 * mu
    moments[0], moments[1] = 0.0, weight @ current
    for order in range(1, ORDERS):
        # 1 - P_l by its own recurrence: no cancellation at small angles
        following = ((2 * order + 1) * (2 * mu + (1 - 2 * mu) * current) - order * previous) / (order + 1)
        previous, current = current, following
        moments[order + 1] = weight @ current
    path = strength / moments[1]
    none = np.exp(-path * weight.sum())
    # unscattered electrons stand at mu = 0; the first bin takes them
    edges = np.concatenate([[0.0], np.geomspace(2e-4, 0.9, 40), [1.0]])
    cosine = 1 - 2 * edges
    order = np.arange(ORDERS + 2)
    legendre = eval_legendre(order[:, None], cosine)
    cumulative = none * (edges > 0) + 0.5 * (1 - none) * (1 - cosine)
    terms = np.exp(-path * moments[1:]) - none
    cumulative = cumulative + 0.5 * terms[:-1] @ (legendre[: ORDERS - 1] - legendre[2 : ORDERS + 1])
    cumulative[0], cumulative[-1] = 0.0, 1.0
    return edges, np.diff(cumulative)


#: First transport cross sections of the water molecule by Dirac partial waves [cm2]: energy [MeV], electrons,
#: positrons. ELSEPA (Salvat, Jablonski & Powell, Comput Phys Commun 165 (2005) 157), as tabulated with PENELOPE-2018.
PARTIAL_WAVES = (
    (0.02, 3.30881e-20, 3.10752e-20),
    (0.05, 6.37194e-21, 6.12793e-21),
    (0.1, 1.88220e-21, 1.81957e-21),
    (0.2, 5.81067e-22, 5.63917e-22),
    (0.5, 1.34928e-22, 1.30386e-22),
    (1.0, 4.67807e-23, 4.51958e-23),
    (2.0, 1.59830e-23, 1.54697e-23),
)


@pytest.mark.parametrize("particle", ["electron", "positron"])
def test_elastic_transport_cross_section_against_partial_waves(particle) -> None:
    """Elastic scattering of water, 20 keV to 2 MeV: within 0.6 %; the bar of the transport moment is 1 %."""
    column = 1 if particle == "electron" else 2
    for row in PARTIAL_WAVES:
        energy = row[0]
        p2 = energy * (energy + 2 * MC2)
        beta = np.sqrt(p2) / (energy + MC2)
        sign = 1 if particle == "electron" else -1

        def law(mu, energy=energy, p2=p2, beta=beta, sign=sign):
            root, total = np.sqrt(mu), 0.0
            for Z, atoms in ((1, 2), (8, 1)):
                eta, _ = elastic.screening(Z, energy, particle)
                mott = 1 - beta**2 * mu + sign * np.pi * ALPHA * Z * beta * root * (1 - root)
                total = total + atoms * Z**2 * mott / (mu + float(eta)) ** 2
            return 2 * mu * total * np.pi * (R_E * MC2) ** 2 / (p2 * beta**2)

        assert log_integral(law) == pytest.approx(row[column], rel=6e-3), (particle, energy)
