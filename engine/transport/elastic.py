"""Elastic scattering: screened Rutherford with Mott correction, its transport moments, and the multiple-
scattering distributions of Goudsmit and Saunderson.

Single scattering off an atom, in mu = (1 - cos theta)/2:

    d sigma/d mu = pi (Z r_e m c^2 / (p beta c))^2 M(mu) / (mu + eta)^2

with Moliere's screening parameter eta (Z Naturforsch 2a (1947) 133; Bethe, Phys Rev 89 (1953) 1256) and the Mott-to-Rutherford ratio
M of McKinley and Feshbach (Phys Rev 74 (1948) 1759), whose spin term changes sign for positrons. Deflection by
atomic electrons adds the same law with Z in place of Z^2 and M = 1 up to the angle of the largest transfer that
is not a hard collision played separately.

After a path s, the angular density is sum_l (l + 1/2) exp(-s G_l) P_l(cos theta), G_l = integral of
(1 - P_l) d sigma (Goudsmit & Saunderson, Phys Rev 57 (1940) 24).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..physics.data import atomic_weight
from .collisions import MC2
from .problem import Material

ALPHA = 7.2973525693e-3
#: classical electron radius [cm] and Avogadro's number
R_E, AVOGADRO = 2.8179403262e-13, 6.02214076e23
#: Legendre orders kept in the multiple-scattering series
ORDERS = 400
#: points of the scattering-angle quadrature, Gauss-Legendre panels in log mu
PANELS, POINTS, MU_MIN = 90, 8, 1e-11


@lru_cache(maxsize=1)
def _quadrature() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mu, weights d mu, 1 - P_l(mu) for l = 0..ORDERS)."""
    nodes, weights = np.polynomial.legendre.leggauss(POINTS)
    edges = np.linspace(np.log(MU_MIN), 0.0, PANELS + 1)
    half = 0.5 * np.diff(edges)
    log_mu = (edges[:-1] + half)[:, None] + half[:, None] * nodes
    mu = np.exp(log_mu).ravel()
    d_mu = (half[:, None] * weights).ravel() * mu
    return mu, d_mu, one_minus_legendre(mu)


def one_minus_legendre(mu: np.ndarray) -> np.ndarray:
    """1 - P_l(1 - 2 mu) for l = 0..ORDERS without cancellation at small mu; shape (ORDERS + 1, n)."""
    # with D_l = 1 - P_l:  (l+1) D_{l+1} = (2l+1) (2 mu + c D_l) - l D_{l-1},  c = 1 - 2 mu
    out = np.zeros((ORDERS + 1, mu.size))
    out[1] = 2 * mu
    c = 1 - 2 * mu
    for order in range(1, ORDERS):
        out[order + 1] = ((2 * order + 1) * (2 * mu + c * out[order]) - order * out[order - 1]) / (order + 1)
    return out


def screening(Z: int, energy_mev: np.ndarray) -> np.ndarray:
    """Moliere's screening parameter eta of an element."""
    T = np.asarray(energy_mev, float)
    momentum2 = T * (T + 2 * MC2)
    beta2 = momentum2 / (T + MC2) ** 2
    chi2 = (ALPHA * MC2 * Z ** (1 / 3) / 0.88534) ** 2 / momentum2
    return 0.25 * chi2 * (1.13 + 3.76 * (ALPHA * Z) ** 2 / beta2)


def mott_ratio(Z: int, energy_mev: np.ndarray, mu: np.ndarray, particle: str) -> np.ndarray:
    """Mott-to-Rutherford ratio of McKinley and Feshbach."""
    T = np.asarray(energy_mev, float)
    beta = np.sqrt(T * (T + 2 * MC2)) / (T + MC2)
    sign = -1.0 if particle == "positron" else 1.0
    root = np.sqrt(mu)
    return 1 - beta**2 * mu + sign * np.pi * ALPHA * Z * beta * root * (1 - root)


def soft_limit(energy_mev: np.ndarray, threshold_mev: float, particle: str) -> np.ndarray:
    """mu of the primary after the largest energy transfer that is not a hard collision."""
    T = np.asarray(energy_mev, float)
    largest = T if particle == "positron" else T / 2
    W = np.minimum(threshold_mev, largest)
    rest = np.maximum(T - W, 1e-9)
    cosine = np.sqrt(rest * (T + 2 * MC2) / (T * (rest + 2 * MC2)))
    return np.maximum(0.5 * (1 - cosine), 1e-9)


def moments(
    material: Material, energy_mev: np.ndarray, threshold_mev: float, particle: str
) -> tuple[np.ndarray, np.ndarray]:
    """Transport moments of elastic and soft inelastic scattering.

    Returns
    -------
    G
        Array (ORDERS + 1, n) of integral (1 - P_l) d sigma [cm2/g]; G[1] is the inverse first transport mean
        free path.
    total
        Array (n,): total cross section [cm2/g].
    """
    mu, d_mu, one_minus = _quadrature()
    T = np.asarray(energy_mev, float)[:, None]
    density = np.zeros((T.size, mu.size))
    momentum = np.sqrt(T * (T + 2 * MC2))
    beta = momentum / (T + MC2)
    unit = np.pi * (R_E * MC2 / (momentum * beta)) ** 2 * AVOGADRO
    limit = soft_limit(T, threshold_mev, particle)
    for Z, w in zip(material.Z, material.mass_fraction, strict=True):
        eta = screening(Z, T)
        law = unit * w / atomic_weight(Z) / (mu + eta) ** 2
        density += law * Z * (Z * mott_ratio(Z, T, mu, particle) + _below(mu, limit))
    weighted = density * d_mu
    return one_minus @ weighted.T, weighted.sum(axis=1)


def _below(mu: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Smooth step 1 -> 0 at ``limit``, one quadrature panel wide, so that the quadrature sees no jump."""
    width = -np.log(MU_MIN) / PANELS
    return np.clip((np.log(limit) - np.log(mu)) / width + 0.5, 0.0, 1.0)


def goudsmit_saunderson(G: np.ndarray, total: np.ndarray, strength: float, points: int) -> np.ndarray:
    """Inverse cumulative angular distributions after steps of one scattering strength.

    Parameters
    ----------
    G, total
        From :func:`moments`, n energies.
    strength
        K = s G_1 of the step.
    points
        Equidistant cumulative probabilities 0..1.

    Returns
    -------
    table
        Array (n, 1 + points): w, then x at each cumulative probability; mu = w x/(1 - x + w). The first moment
        of what is sampled from it (straight lines between the points) is exact: <cos> = exp(-K).
    """
    s = strength / G[1]
    unscattered = np.exp(-s * total)
    a = np.exp(-s * G) - unscattered  # (ORDERS + 1, n)
    mu = np.concatenate([[0.0], np.geomspace(1e-8, 1.0, 1200)])
    legendre = 1 - one_minus_legendre(mu)
    # integral of P_l from cos to 1 is (P_{l-1} - P_{l+1})/(2l + 1); l = 0 gives 2 mu
    integral = np.empty((ORDERS, mu.size))
    integral[0] = 2 * mu
    integral[1:] = legendre[: ORDERS - 1] - legendre[2 : ORDERS + 1]
    cdf = unscattered[:, None] + 0.5 * a[:ORDERS].T @ integral
    cdf = np.maximum.accumulate(np.clip(cdf, 0.0, 1.0), axis=1)
    cdf[:, 0], cdf[:, -1] = 0.0, 1.0
    u = np.linspace(0.0, 1.0, points)
    table = np.empty((G.shape[1], 1 + points))
    wanted = 0.5 * (1 - np.exp(-strength))
    for i in range(G.shape[1]):
        median = np.interp(0.5, cdf[i], mu)
        w = median / max(1 - 2 * median, 0.05)
        x_of_mu = mu * (1 + w) / (mu + w)
        x = np.interp(u, cdf[i], x_of_mu)
        for _ in range(40):
            ratio = wanted / _mean_mu(x, w)
            w *= ratio
            if abs(ratio - 1) < 1e-9:
                break
        table[i, 0], table[i, 1:] = w, x
    return table


def _mean_mu(x: np.ndarray, w: float) -> float:
    """Mean of w x/(1 - x + w) when x is a straight line between equidistant cumulative probabilities."""
    nodes, weights = np.polynomial.legendre.leggauss(6)
    a, b = x[:-1, None], x[1:, None]
    xs = a + 0.5 * (b - a) * (1 + nodes)
    return float(((w * xs / (1 - xs + w)) @ weights * 0.5).mean())
