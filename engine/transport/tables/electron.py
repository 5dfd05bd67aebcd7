"""Slowing-down, hard-event, multiple-scattering and bremsstrahlung tables of electrons and positrons.

Everything a charged particle needs is tabulated once for each particle and material:

- the *soft* stopping power L: collisions with energy transfer below the delta-ray threshold and photons below the
  photon cut-off; the residual range r(E) = integral dE/L is the variable that transport tracks;
- hard events per MeV of soft loss, Q(E) = Sigma_hard/L, with its maximum as majorant;
- the path of one step, on which the scattering strength integral G_1 ds equals K.
"""

from __future__ import annotations

import numpy as np

from ....kernels.tables import (
    ACCEPT,
    BREMS_SHIFT,
    COLLISION_SHARE,
    CSDA,
    ENERGY,
    GS_SHIFT,
    HARD_COLUMNS,
    HARD_SHIFT,
    RADIATIVE_SHARE,
    RANGE,
    SKEW,
    STEP,
    STRAGGLE,
    STRENGTH,
    TRACK_COLUMNS,
    TRACK_SHIFT,
    YIELD,
)
from ...physics import bremsstrahlung, collisions, elastic, stopping
from ...physics.material import Material
from .bit_grid import BitGrid
from .layout import BREMS_POINTS, GS_POINTS, ElectronTables

BREMS_SHARES = 161
#: scattering strength K of a step at low energy (mean cosine exp(-K)), and the energy [MeV] above which it falls
#: as 1/E: fast electrons cross voxels, slow ones end inside one, so the fine steps are spent where they show
STEP_STRENGTH, STRENGTH_KNEE_MEV = 0.20, 0.15
PARTICLES = ("electron", "positron")


def build(
    materials: tuple[Material, ...],
    high_mev: float,
    electron_cutoff_mev: float,
    photon_cutoff_mev: float,
    delta_ray_threshold_mev: float,
    *,
    positrons: bool,
    emit_bremsstrahlung: bool = True,
    strength: float = STEP_STRENGTH,
) -> ElectronTables:
    """Tables from half the electron cut-off up to ``high_mev``."""
    low = 0.5 * electron_cutoff_mev
    hard_grid = BitGrid.over(low, high_mev, HARD_SHIFT)
    energy = hard_grid.values
    particles = PARTICLES if positrons else PARTICLES[:1]
    rows = [
        _Slowing(material, particle, energy, photon_cutoff_mev, delta_ray_threshold_mev, emit_bremsstrahlung)
        for particle in particles
        for material in materials
    ]
    # one range grid for all rows
    r_low = min(row.range[0] for row in rows)
    r_high = max(row.range[-1] for row in rows)
    track_grid = BitGrid.over(r_low, r_high, TRACK_SHIFT)
    gs_grid = BitGrid.over(electron_cutoff_mev, high_mev, GS_SHIFT)
    brems_low = max(photon_cutoff_mev, electron_cutoff_mev)
    brems_grid = BitGrid.over(brems_low, max(high_mev, 1.01 * brems_low), BREMS_SHIFT)
    track = np.stack([row.track(track_grid.values, strength) for row in rows])
    hard = np.stack([row.hard_table() for row in rows])
    gs = np.stack([row.scattering(gs_grid.values, strength) for row in rows])
    spectra = [row.photon_spectra(brems_grid.values) for row in rows]
    thin, thick = (np.stack([s[i] for s in spectra]) for i in (0, 1))

    def flat(*arrays: np.ndarray) -> np.ndarray:
        return np.concatenate([a.ravel() for a in arrays]).astype(np.float32)

    return ElectronTables(
        track=flat(track),
        track_grid=track_grid,
        hard=flat(hard),
        hard_grid=hard_grid,
        rejection=flat(np.stack([row.rejection_table() for row in rows])),
        majorant=np.array([row.majorant for row in rows], np.float32),
        cut_range=np.array([row.range_at(electron_cutoff_mev) for row in rows], np.float32),
        gs=flat(gs),
        gs_grid=gs_grid,
        brems=flat(thin, thick),
        brems_grid=brems_grid,
        brems_thick=thin.size,
    )


def step_strength(energy_mev: np.ndarray, low: float) -> np.ndarray:
    """Scattering strength K of a step that starts at these energies: ``low``, less at high energy."""
    return low / (1.0 + np.asarray(energy_mev) / STRENGTH_KNEE_MEV)


class _Slowing:
    """One particle in one material, on the energy nodes."""

    def __init__(
        self,
        material: Material,
        particle: str,
        energy: np.ndarray,
        photon_cutoff: float,
        delta_ray_threshold: float,
        emit: bool,
    ) -> None:
        self.material, self.particle, self.energy = material, particle, energy
        self.photon_cutoff, self.delta_ray_threshold, self.emit = photon_cutoff, delta_ray_threshold, emit
        full = stopping.collision(material, energy, particle)
        radiative = stopping.radiative(material, energy, particle)
        self.collisions = collisions.hard_collisions(material, energy, delta_ray_threshold, particle)
        soft = full - collisions.hard_stopping(material, energy, delta_ray_threshold, particle)
        self.radiation = np.zeros_like(energy)
        soft_radiative = radiative
        if emit:
            # no photon above the cut-off (1 keV or more) comes from an electron below it
            fast = energy > photon_cutoff
            hard = bremsstrahlung.radiative_above(material, energy[fast], photon_cutoff)
            self.radiation[fast] = bremsstrahlung.mass_cross_section_above(material, energy[fast], photon_cutoff)
            soft_radiative = radiative.copy()
            soft_radiative[fast] -= hard * (radiative[fast] / stopping.radiative(material, energy[fast]))
            if particle == "positron":
                self.radiation *= radiative / stopping.radiative(material, energy)
        self.annihilation = (
            collisions.annihilation_in_flight(material, energy) if particle == "positron" else 0.0 * energy
        )
        self.total = full + radiative
        self.soft = soft + soft_radiative
        self.range = self._integral(1.0 / self.soft) + energy[0] / (1.7 * self.soft[0])
        self.csda = self._integral(1.0 / self.total) + energy[0] / (1.7 * self.total[0])
        self.majorant = float(self._hard_per_mev().max())
        self.G1 = self._first_moment(energy)
        #: scattering strength still to come, from this energy down to the lowest node
        self.strength = self._integral(self.G1 / self.soft)

    def _integral(self, integrand: np.ndarray) -> np.ndarray:
        """Cumulative integral over energy from the lowest node, by Simpson's rule on a cubic through the nodes."""
        from scipy.interpolate import CubicSpline

        log_e = np.log(self.energy)
        return CubicSpline(log_e, integrand * self.energy).antiderivative()(log_e)

    def _hard_per_mev(self) -> np.ndarray:
        return (self.collisions + self.radiation + self.annihilation) / self.soft

    def _first_moment(self, energy: np.ndarray) -> np.ndarray:
        coarse = np.geomspace(energy[0], energy[-1], 64)
        G, _ = elastic.moments(self.material, coarse, self.delta_ray_threshold, self.particle)
        from scipy.interpolate import CubicSpline

        return np.exp(CubicSpline(np.log(coarse), np.log(G[1]))(np.log(energy)))

    def range_at(self, energy: float) -> float:
        """Residual range at an energy [g/cm2], as the hard table interpolates it."""
        return float(np.interp(energy, self.energy, self.range))

    def track(self, path: np.ndarray, low_strength: float) -> np.ndarray:
        """Slowing-down table on nodes of residual range; shape (nodes, columns)."""
        log_e = np.log(self.energy)

        def at(values: np.ndarray, energy: np.ndarray) -> np.ndarray:
            return np.interp(np.log(energy), log_e, values)

        # the inverse of the range as transport interpolates it, so that E -> r -> E comes back
        energy = np.interp(path, self.range, self.energy)
        strength = step_strength(energy, low_strength)
        left = at(self.strength, energy)
        end = np.exp(np.interp(np.maximum(left - strength, 0.0), self.strength, log_e))
        step = at(self.range, energy) - at(self.range, end)
        # where the strength left is less than K the step only has to be longer than the rest of the way
        short = left < strength
        step = np.where(short, strength / at(self.G1, energy), step)
        end = np.where(short, np.maximum(0.5 * energy, self.energy[0]), end)
        skew = np.maximum(0.5 * (at(self.G1, end) / at(self.G1, energy) - 1.0), 0.0)
        variance = collisions.soft_straggling(self.material, energy, self.delta_ray_threshold, self.particle) * step
        loss = np.maximum(energy - end, 1e-9)
        spread = np.sqrt(variance) / loss
        table = np.zeros((path.size, TRACK_COLUMNS))
        table[:, ENERGY] = energy
        table[:, STEP] = step
        table[:, SKEW] = skew
        table[:, STRAGGLE] = spread
        table[:, STRENGTH] = strength
        table[:, CSDA] = at(self.csda, energy)
        table[:, YIELD] = at(self._integral(self.radiation / self.total), energy)
        return table

    def hard_table(self) -> np.ndarray:
        """Hard-event table on the energy nodes; shape (nodes, columns)."""
        hard = self.collisions + self.radiation + self.annihilation
        safe = np.where(hard > 0, hard, 1.0)
        table = np.empty((self.energy.size, HARD_COLUMNS))
        table[:, RANGE] = self.range
        table[:, ACCEPT] = self._hard_per_mev() / max(self.majorant, 1e-30)
        table[:, COLLISION_SHARE] = self.collisions / safe
        table[:, RADIATIVE_SHARE] = (self.collisions + self.radiation) / safe
        return table

    def rejection_table(self) -> np.ndarray:
        """CSDA range and photons still made, on the energy nodes; shape (nodes, columns)."""
        return np.column_stack([self.csda, self._integral(self.radiation / self.total)])

    def scattering(self, start: np.ndarray, low_strength: float) -> np.ndarray:
        """Goudsmit-Saunderson tables for steps that start at these energies, taken at half their strength."""
        log_e = np.log(self.energy)
        strength = step_strength(start, low_strength)
        left = np.interp(np.log(start), log_e, self.strength)
        middle = np.exp(np.interp(np.maximum(left - 0.5 * strength, 0.0), self.strength, log_e))
        G, total = elastic.moments(self.material, middle, self.delta_ray_threshold, self.particle)
        return elastic.goudsmit_saunderson(G, total, strength, GS_POINTS)

    def photon_spectra(self, energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inverse cumulative photon spectra, as shares of log(k/cut) in log(T/cut): at T, and slowing down from T."""
        thin = np.tile(np.linspace(0.0, 1.0, BREMS_POINTS), (energy.size, 1))
        thick = thin.copy()
        cut = self.photon_cutoff
        radiates = energy > 1.001 * cut
        if not self.emit or not radiates.any():
            return thin, thick
        # fine near the tip of the spectrum: few photons, much of the energy
        share = 1.0 - (1.0 - np.linspace(0.0, 1.0, BREMS_SHARES)) ** 2
        T = energy[radiates, None]
        k = cut * (T / cut) ** share
        k[:, -1] *= 1 - 1e-9
        thin[radiates] = _invert(share, bremsstrahlung.spectrum(self.material, T, k) * k)
        if self.particle == "electron":  # positrons are never deposited by range rejection
            thick[radiates] = _invert(share, self._slowing_down_spectrum(T, k) * k)
        thick[~radiates] = thin[~radiates]
        return thin, thick

    def _slowing_down_spectrum(self, T: np.ndarray, k: np.ndarray) -> np.ndarray:
        """Photons of energy ``k`` per unit of it from an electron that slows down from T: integral dT' law/S(T')."""
        # the stopping power down to the softest photon, which lies below the nodes of transport
        fine = np.geomspace(k.min(), T.max(), 512)
        total_stopping = stopping.total(self.material, fine, self.particle)
        nodes, weights = np.polynomial.legendre.leggauss(12)
        half = 0.5 * np.log(T / k)
        total = np.zeros_like(k)
        for x, w in zip(nodes, weights, strict=True):
            slower = k * np.exp(half * (1.0 + x))
            law = bremsstrahlung.spectrum(self.material, slower, np.minimum(k, slower * (1 - 1e-9)))
            total += w * law * slower / np.interp(slower, fine, total_stopping)
        return total * half


def _invert(x: np.ndarray, density: np.ndarray) -> np.ndarray:
    """x at the cumulative probabilities 1 - (1 - v)^3, v = 0..1 in equal steps, of each row of ``density``."""
    pieces = 0.5 * (density[:, 1:] + density[:, :-1]) * np.diff(x)
    # summed from the upper end, so that the small probabilities there keep their digits
    above = np.concatenate([np.cumsum(pieces[:, ::-1], axis=1)[:, ::-1], np.zeros((len(density), 1))], axis=1)
    v = 1.0 - np.cbrt(above / above[:, :1])
    grid = np.linspace(0.0, 1.0, BREMS_POINTS)
    return np.array([np.interp(grid, row, x) for row in v])
