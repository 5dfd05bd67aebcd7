"""Decay data: what a nuclide is called, how long it lives, what it emits, and what it becomes.

Emissions come from ICRP Publication 107 (Ann. ICRP 38(3), 2008) as packaged in ``icrp107-database``;
half-lives, branching fractions and chains from ``radioactivedecay`` (its ICRP-107 data set). Nothing of
either is copied into hevesy: both are read when a nuclide is requested. docs/methods/nuclides.md derives
what is done here.

Conventions
-----------
* ``beta-`` and ``beta+`` spectra are separate; the 511 keV photons of ICRP-107 are dropped, because the
  transport annihilates each positron itself.
* Conversion and Auger electrons are one list of lines, gamma and X rays another.
* Heavy charged particles (alphas with their recoil nuclei, fission fragments) stop within 0.1 mm of the decay
  and are listed together as ``alpha_lines``. Neutrons are not transported and are listed in
  :attr:`Nuclide.neglected`.
"""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass

import numpy as np

from ..files import read_json
from .decay_data import decay
from .elements import ELEMENT_SYMBOLS
from .emission import Emission
from .names import canonical_name, data_folder
from .spectra import separate_signs, smooth_spectrum

#: Lines below this energy [MeV] are merged: 1 keV electrons and photons stop within 0.1 um and 3 um of water.
MERGE_BELOW_MEV = 1e-3


@dataclass(frozen=True)
class Daughter:
    """One direct decay product: its name, the fraction of decays that make it, and the decay mode."""

    name: str
    branching: float
    mode: str


@dataclass(frozen=True)
class EnergyPerDecay:
    """Emitted energy [MeV per decay] by kind. ``photon`` excludes annihilation photons."""

    electron: float
    positron: float
    photon: float
    heavy: float

    @property
    def charged(self) -> float:
        """Electrons, positrons (kinetic) and heavy particles [MeV per decay]."""
        return self.electron + self.positron + self.heavy


@dataclass(frozen=True)
class Nuclide:
    """A radionuclide.

    Parameters
    ----------
    name
        Canonical name, e.g. ``"I-131"``, ``"Tc-99m"``.
    half_life_s
        Physical half-life [s].
    emission
        What one decay of this nuclide alone emits, without progeny.
    progeny
        Direct decay products.
    positrons_per_decay
        Its beta+ yield (the PET branching fraction).
    neglected
        What ICRP-107 lists for it and hevesy does not transport, one sentence each.
    """

    name: str
    half_life_s: float
    emission: Emission
    progeny: tuple[Daughter, ...] = ()
    positrons_per_decay: float = 0.0
    neglected: tuple[str, ...] = ()

    @property
    def half_life_h(self) -> float:
        """Physical half-life [h]."""
        return self.half_life_s / 3600.0

    @property
    def decay_constant(self) -> float:
        """Decay constant [1/s]."""
        return math.log(2.0) / self.half_life_s

    @property
    def decay_constant_per_h(self) -> float:
        """Decay constant [1/h]."""
        return math.log(2.0) / self.half_life_h

    def decay_factor(self, hours: float) -> float:
        """Fraction of the activity left after ``hours`` [h]."""
        return math.exp(-self.decay_constant_per_h * hours)


def nuclide(name: str) -> Nuclide:
    """Look up a radionuclide by any usual spelling of its name.

    Parameters
    ----------
    name
        In any spelling that :func:`canonical_name` understands.

    Returns
    -------
    Nuclide
        Half-life, decay modes and emission.

    Raises
    ------
    InputError
        Unknown or stable nuclide.

    Examples
    --------
    >>> from hevesy.engine.nuclides import nuclide
    >>> round(nuclide("131I").half_life_h / 24, 2)
    8.02
    """
    return _nuclide(canonical_name(name))


def energy_per_decay(emission: Emission) -> EnergyPerDecay:
    """Total emitted energy by kind [MeV per decay]; spectra are integrated exactly, as straight lines."""
    return EnergyPerDecay(
        electron=_line_energy(emission.electron_lines) + spectrum_energy(emission.beta_mev, emission.beta_per_mev),
        positron=spectrum_energy(emission.positron_mev, emission.positron_per_mev),
        photon=_line_energy(emission.photon_lines),
        heavy=_line_energy(emission.alpha_lines),
    )


def spectrum_energy(energy_mev: np.ndarray, per_mev: np.ndarray) -> float:
    """Energy [MeV per decay] in a piecewise linear spectrum: the exact integral of E f(E)."""
    e0, e1, f0, f1 = energy_mev[:-1], energy_mev[1:], per_mev[:-1], per_mev[1:]
    return float(np.sum((e1 - e0) * (f0 * (2 * e0 + e1) + f1 * (e0 + 2 * e1))) / 6.0)


def merge_soft_lines(lines: np.ndarray, below_mev: float = MERGE_BELOW_MEV) -> np.ndarray:
    """Merge all lines below ``below_mev`` into one of the same total energy.

    ICRP-107 lists up to ten X rays of about 10 eV per decay; transporting each costs a history and moves
    nothing. The merged line sits at the energy-weighted mean energy; the number of particles per decay
    falls, the energy does not change.
    """
    soft = lines[:, 0] < below_mev
    energy = _line_energy(lines[soft])
    if energy <= 0.0:
        return lines[~soft]
    at = float((lines[soft, 0] ** 2 * lines[soft, 1]).sum()) / energy
    return np.concatenate([[[at, energy / at]], lines[~soft]])


@functools.lru_cache(maxsize=64)
def _nuclide(name: str) -> Nuclide:
    found = decay(name)
    raw = _read(name)
    neglected = []
    if raw["neutron"].size:
        energy = _line_energy(raw["neutron"])
        neglected.append(f"neutrons, {energy:.4g} MeV per decay, are not transported")
    return Nuclide(
        name=name,
        half_life_s=found.half_life_s,
        emission=_emission(name, raw),
        progeny=tuple(Daughter(*branch) for branch in found.branches),
        positrons_per_decay=float(raw["beta+"][:, 1].sum()),
        neglected=tuple(neglected),
    )


def _read(name: str) -> dict[str, np.ndarray]:
    """The ICRP-107 lists of one nuclide, (n, 2): MeV, number per decay (spectra: per MeV per decay)."""
    path = data_folder() / f"{name}.json"
    data = json.loads(read_json(path, "reinstall icrp107-database"))  # the package stores JSON inside JSON
    return {kind: np.asarray(values, dtype=np.float64).reshape(-1, 2) for kind, values in data["emissions"].items()}


def _emission(name: str, raw: dict[str, np.ndarray]) -> Emission:
    alphas = raw["alpha"].copy()
    if alphas.size:  # one recoil nucleus per alpha line, in the same order and with the same yield
        alphas[:, 0] += raw["alpha recoil"][:, 0]
    # The delayed betas of fission products share the spectrum of the others.
    minus = np.concatenate([raw["beta-"], raw["betaD"]])
    plus = raw["beta+"]
    beta = positron = (np.empty(0), np.empty(0))
    if minus.size and plus.size:
        beta, positron = separate_signs(raw["b-spectra"], minus, plus, _atomic_number(name))
    elif minus.size:
        beta = smooth_spectrum(raw["b-spectra"], minus)
    elif plus.size:
        positron = smooth_spectrum(raw["b-spectra"], plus)
    return Emission(
        nuclide=name,
        electron_lines=merge_soft_lines(merge_equal_lines(np.concatenate([raw["IE"], raw["auger"]]))),
        photon_lines=merge_soft_lines(merge_equal_lines(np.concatenate([raw["gamma"], raw["X"]]))),
        beta_mev=beta[0],
        beta_per_mev=beta[1],
        positron_mev=positron[0],
        positron_per_mev=positron[1],
        alpha_lines=merge_equal_lines(np.concatenate([alphas, raw["fission"]])),
    )


def _atomic_number(name: str) -> int:
    return ELEMENT_SYMBOLS.index(name.split("-")[0]) + 1


def _line_energy(lines: np.ndarray) -> float:
    return float((lines[:, 0] * lines[:, 1]).sum())


def merge_equal_lines(lines: np.ndarray) -> np.ndarray:
    """Sort lines by energy, add up those of equal energy and drop those that never occur."""
    lines = lines[(lines[:, 1] > 0) & (lines[:, 0] > 0)]
    energy, index = np.unique(lines[:, 0], return_inverse=True)
    return np.column_stack([energy, np.bincount(index, weights=lines[:, 1], minlength=energy.size)])
