"""Hard collisions of electrons and positrons, per unit mass: Moller, Bhabha and two-photon annihilation.

Differential cross sections in the energy transfer W for free target electrons at rest, integrated by
Gauss-Legendre quadrature in log W (relative error below 1e-8). Moller, Ann Phys 14 (1932) 531; Bhabha,
Proc R Soc A 154 (1936) 195; Heitler, The Quantum Theory of Radiation (1954).
"""

from __future__ import annotations

import numpy as np

from ..constants import ELECTRON_REST_MEV as MC2
from .data import atomic_weight
from .material import Material

#: 2 pi r_e^2 m c^2 N_A [MeV cm2/mol]
COLLISION_CONSTANT = 0.1535374597
#: pi r_e^2 N_A [cm2/mol]
ANNIHILATION_CONSTANT = 0.1535374597 / (2.0 * MC2)

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def electrons_per_gram(material: Material) -> float:
    """Electrons per gram over Avogadro's number: sum of w Z/A [mol/g]."""
    return float(sum(w * z / atomic_weight(z) for z, w in zip(material.Z, material.mass_fraction, strict=True)))


def moller(energy_mev: np.ndarray, transfer_mev: np.ndarray) -> np.ndarray:
    """Moller's d sigma/dW of one electron over 2 pi r_e^2 m c^2 [1/MeV^2]; W up to T/2."""
    T, W = energy_mev, transfer_mev
    beta2 = T * (T + 2 * MC2) / (T + MC2) ** 2
    rest = T - W
    return (1 / W**2 + 1 / rest**2 + 1 / (T + MC2) ** 2 - MC2 * (2 * T + MC2) / ((T + MC2) ** 2 * W * rest)) / beta2


def bhabha(energy_mev: np.ndarray, transfer_mev: np.ndarray) -> np.ndarray:
    """Bhabha's d sigma/dW of one electron over 2 pi r_e^2 m c^2 [1/MeV^2]; W up to T."""
    T, W = energy_mev, transfer_mev
    tau = T / MC2
    beta2 = tau * (tau + 2) / (tau + 1) ** 2
    y = 1 / (tau + 2)
    c = 1 - 2 * y
    b1, b2, b4 = 2 - y**2, c * (3 + y**2), c**3
    b3 = b4 + c**2
    x = W / T
    return (1 - beta2 * x * (b1 - x * (b2 - x * (b3 - x * b4)))) / (beta2 * W**2)


def _moment(energy_mev: np.ndarray, low: np.ndarray | float, power: int, particle: str) -> np.ndarray:
    """Integral of W^power d sigma/dW from ``low`` to the largest transfer, per electron."""
    T = np.asarray(energy_mev, float)
    high = T if particle == "positron" else T / 2
    bottom = np.minimum(np.broadcast_to(low, T.shape), high)
    half = 0.5 * np.log(high / bottom)
    log_w = np.log(bottom)[:, None] + half[:, None] * (1 + _NODES)
    W = np.exp(log_w)
    law = bhabha if particle == "positron" else moller
    return half * ((law(T[:, None], W) * W ** (power + 1)) @ _WEIGHTS)


def hard_collisions(material: Material, energy_mev: np.ndarray, threshold_mev: float, particle: str) -> np.ndarray:
    """Cross section of collisions with W above the threshold [cm2/g]."""
    return COLLISION_CONSTANT * electrons_per_gram(material) * _moment(energy_mev, threshold_mev, 0, particle)


def hard_stopping(material: Material, energy_mev: np.ndarray, threshold_mev: float, particle: str) -> np.ndarray:
    """Mean energy loss to collisions with W above the threshold [MeV cm2/g]."""
    return COLLISION_CONSTANT * electrons_per_gram(material) * _moment(energy_mev, threshold_mev, 1, particle)


def soft_straggling(material: Material, energy_mev: np.ndarray, threshold_mev: float, particle: str) -> np.ndarray:
    """Second moment of the energy loss to collisions below the threshold [MeV2 cm2/g].

    W^2 d sigma is regular at W = 0, so binding does not enter and the free-electron law serves down to zero.
    """
    T = np.asarray(energy_mev, float)
    all_of_it = _moment(T, np.full(T.shape, 1e-9), 2, particle)
    return COLLISION_CONSTANT * electrons_per_gram(material) * (all_of_it - _moment(T, threshold_mev, 2, particle))


def annihilation_in_flight(material: Material, energy_mev: np.ndarray) -> np.ndarray:
    """Cross section of two-photon annihilation in flight [cm2/g] (Heitler)."""
    g = 1 + np.asarray(energy_mev, float) / MC2
    root = np.sqrt(g**2 - 1)
    per_electron = ((g**2 + 4 * g + 1) * np.log(g + root) / (g**2 - 1) - (g + 3) / root) / (g + 1)
    return ANNIHILATION_CONSTANT * electrons_per_gram(material) * per_electron
