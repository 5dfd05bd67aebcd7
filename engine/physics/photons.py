"""Photon cross sections, form factors and relaxation data of materials.

Cross sections are NIST XCOM's at its own grid points; between them hevesy interpolates by cubic splines in
the logarithms (photoelectric: monotone cubics, in pieces that end at absorption edges). Pair and triplet
production are interpolated after division by their threshold behaviour. Materials are sums over elements by
mass (independent atoms).

References: Berger and Hubbell, NBSIR 87-3597 (XCOM); Hubbell et al., J Phys Chem Ref Data 4:471 (1975) (form
factors and incoherent functions, as packaged in xraylib).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..constants import AVOGADRO_BARN, ELECTRON_REST_MEV
from ..errors import InputError
from .composition import composition, energies
from .data import tables, z_max
from .material import Material

if TYPE_CHECKING:
    from scipy.interpolate import CubicSpline

LOWEST_MEV, HIGHEST_MEV = 1.0e-3, 20.0
PROCESSES = ("coherent", "incoherent", "photoelectric", "pair", "triplet")
SHELLS = ("K", "L1", "L2", "L3")

_Function = Callable[[np.ndarray], np.ndarray]
#: A shorter interval (in log energy) at the end of a piece of the photoelectric table is interpolated alone.
_SHORT = 5e-3
#: Points of the scattering tables are at least so far apart (in log energy) where edges add to the grid.
_APART = 3e-2


def _rows(Z: int) -> slice:
    offset = tables()["photons/offset"]
    return slice(int(offset[Z - 1]), int(offset[Z]))


def _photoelectric(Z: int) -> tuple[np.ndarray, np.ndarray, list[_Function]]:
    """Edges, and pieces of the photoelectric cross section: where they begin and their interpolants.

    Edges in MeV, beginnings in log MeV, ascending. XCOM's points have small steps next to some edges (Cr, Mo,
    Yb), where a grid energy lies a hair beyond the edge: such a short interval is a piece of its own, joined
    by a straight line, so that it does not bend its neighbours. Pieces that rise (M shells of the rare
    earths) are straight lines too.
    """
    from scipy.interpolate import PchipInterpolator

    t, rows = tables(), _rows(Z)
    energy, value, kind = t["photons/energy"][rows], t["photons/photoelectric"][rows], t["photons/kind"][rows]
    extra = t["photons/extra_photoelectric"]
    extra = extra[extra[:, 0] == Z]
    starts = [0, *np.flatnonzero(kind == 2).tolist(), len(energy)]
    begins: list[float] = []
    pieces: list[_Function] = []
    for i in range(len(starts) - 1):
        part = slice(starts[i], starts[i + 1])
        e, s = energy[part], value[part]
        inside = extra[(extra[:, 1] > e[0]) & (extra[:, 1] < e[-1])]
        e, s = np.concatenate([e, inside[:, 1]]), np.concatenate([s, inside[:, 2]])
        order = np.argsort(e)
        u, v = np.log(e[order]), np.log(s[order])
        cuts = {0, len(u) - 1}
        if len(u) > 2:
            cuts |= {1} if u[1] - u[0] < _SHORT else set()
            cuts |= {len(u) - 2} if u[-1] - u[-2] < _SHORT else set()
        ends = sorted(cuts)
        for first, last in zip(ends[:-1], ends[1:], strict=True):
            x, y = u[first : last + 1], v[first : last + 1]
            begins.append(float(x[0]))
            if len(x) > 2 and (np.diff(y) < 0.0).all():
                pieces.append(PchipInterpolator(x, y, extrapolate=True))
            else:
                pieces.append(_Line(x, y))
    return energy[np.array(starts[1:-1], dtype=int)], np.array(begins), pieces


@dataclass(frozen=True)
class _Line:
    """Straight lines through points."""

    x: np.ndarray
    y: np.ndarray

    def __call__(self, at: np.ndarray) -> np.ndarray:
        return np.interp(at, self.x, self.y)


@dataclass(frozen=True)
class _Element:
    """Interpolants of one element: log barn/atom against log MeV. Edges in MeV."""

    coherent: _Function
    incoherent: _Function
    edges: np.ndarray
    photoelectric_begins: np.ndarray
    photoelectric_pieces: list[_Function]
    pair_points: tuple[_Function, ...]

    def cross_section(self, process: str, u: np.ndarray) -> np.ndarray:
        if process == "coherent":
            return np.exp(self.coherent(u))
        if process == "incoherent":
            return np.exp(self.incoherent(u))
        if process == "photoelectric":
            piece = np.maximum(np.searchsorted(self.photoelectric_begins, u, side="right") - 1, 0)
            out = np.empty_like(u)
            for i in np.unique(piece):
                out[piece == i] = self.photoelectric_pieces[i](u[piece == i])
            return np.exp(out)
        which = 0 if process == "pair" else 1
        threshold = (2.0, 4.0)[which] * ELECTRON_REST_MEV
        out = np.zeros_like(u)
        above = u > np.log(threshold)
        if above.any():
            shape = (1.0 - threshold * np.exp(-u[above])) ** 3
            out[above] = shape * np.exp(self.pair_points[which](u[above]))
        return out


def _scattering_points(energy: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Which rows a scattering spline goes through: the standard grid, and edges well apart from other points.

    Scattering has no edges, and four printed digits give no slope between close points.
    """
    use = kind == 0
    for i in np.flatnonzero(kind == 2):
        use[i] = np.min(np.abs(np.log(energy[use] / energy[i]))) > _APART
    return use


@lru_cache(maxsize=128)
def _element(Z: int) -> _Element:
    from scipy.interpolate import CubicSpline

    t, rows = tables(), _rows(Z)
    energy, kind = t["photons/energy"][rows], t["photons/kind"][rows]
    smooth = _scattering_points(energy, kind)
    pairs = []
    for process, threshold in (("pair", 2 * ELECTRON_REST_MEV), ("triplet", 4 * ELECTRON_REST_MEV)):
        value = t[f"photons/{process}"][rows]
        # the grid's own threshold point is zero; a point just above it has no significant digits
        use = (value > 0.0) & (energy > threshold * 1.01) & (kind == 0)
        u = np.log(energy[use])
        reduced = np.log(value[use] / (1.0 - threshold / energy[use]) ** 3)
        pairs.append(_flat_below(CubicSpline(u, reduced)))
    edges, begins, pieces = _photoelectric(Z)
    return _Element(
        coherent=CubicSpline(np.log(energy[smooth]), np.log(t["photons/coherent"][rows][smooth])),
        incoherent=CubicSpline(np.log(energy[smooth]), np.log(t["photons/incoherent"][rows][smooth])),
        edges=edges,
        photoelectric_begins=begins,
        photoelectric_pieces=pieces,
        pair_points=tuple(pairs),
    )


def _flat_below(spline: CubicSpline) -> _Function:
    """The spline, continued along its tangent below its first point (towards the threshold)."""
    first = float(spline.x[0])
    value, slope = float(spline(first)), float(spline(first, 1))
    return lambda u: np.where(u < first, value + slope * (u - first), spline(np.maximum(u, first)))


def element_cross_section(Z: int, process: str, energy_mev: object) -> np.ndarray:
    """Cross section of an element [barn/atom] at photon energies [MeV]; ``process`` is one of PROCESSES."""
    if process not in PROCESSES:
        raise InputError(f"no photon process {process!r}", suggestion=f"one of {', '.join(PROCESSES)}")
    if not 1 <= Z <= z_max():
        raise InputError(f"no cross sections for the element Z = {Z}", why=f"the tables cover Z = 1 to {z_max()}")
    energy = energies(energy_mev, LOWEST_MEV, HIGHEST_MEV, "a photon energy")
    return _element(Z).cross_section(process, np.log(np.atleast_1d(energy)).ravel()).reshape(energy.shape)


def _by_element(material: Material, process: str, energy_mev: object) -> np.ndarray:
    parts = composition(material)
    energy = energies(energy_mev, LOWEST_MEV, HIGHEST_MEV, "a photon energy")
    u = np.log(np.atleast_1d(energy)).ravel()
    out = np.empty((len(parts.Z), u.size))
    for i, (Z, moles) in enumerate(zip(parts.Z, parts.moles, strict=True)):
        out[i] = moles * AVOGADRO_BARN * _element(Z).cross_section(process, u)
    return out.reshape(len(parts.Z), *energy.shape)


def coherent(material: Material, energy_mev: object) -> np.ndarray:
    """Coherent (Rayleigh) scattering [cm2/g] at photon energies [MeV], 1 keV to 20 MeV."""
    return _by_element(material, "coherent", energy_mev).sum(axis=0)


def incoherent(material: Material, energy_mev: object) -> np.ndarray:
    """Incoherent (bound Compton) scattering [cm2/g] at photon energies [MeV]."""
    return _by_element(material, "incoherent", energy_mev).sum(axis=0)


def photoelectric(material: Material, energy_mev: object) -> np.ndarray:
    """Photoelectric absorption [cm2/g]; at an edge energy the value above the edge."""
    return _by_element(material, "photoelectric", energy_mev).sum(axis=0)


def pair(material: Material, energy_mev: object) -> np.ndarray:
    """Pair production in the field of nuclei [cm2/g]; zero below 2 electron masses."""
    return _by_element(material, "pair", energy_mev).sum(axis=0)


def triplet(material: Material, energy_mev: object) -> np.ndarray:
    """Pair production in the field of electrons [cm2/g]; zero below 4 electron masses."""
    return _by_element(material, "triplet", energy_mev).sum(axis=0)


def total(material: Material, energy_mev: object) -> np.ndarray:
    """Total attenuation with coherent scattering [cm2/g]."""
    return np.sum([_by_element(material, p, energy_mev).sum(axis=0) for p in PROCESSES], axis=0)


def photoelectric_by_element(material: Material, energy_mev: object) -> np.ndarray:
    """Photoelectric absorption [cm2/g] of each element of the material, shape (n_elements, *energy shape)."""
    return _by_element(material, "photoelectric", energy_mev)


def _interpolate_x(x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Log-log interpolation on the table's x grid; the first interval, from x = 0, is quadratic in x."""
    grid = tables()["angles/x"]
    v = np.log(np.maximum(values[1:], 1e-300))
    return np.exp(np.interp(np.log(np.maximum(x, 1e-300)), np.log(grid[1:]), v))


def form_factor(Z: int, x: object) -> np.ndarray:
    """Atomic form factor F of an element at x = sin(theta/2)/lambda [1/Angstrom]; F(0) = Z."""
    at = np.asarray(x, dtype=np.float64)
    return _interpolate_x(at, tables()["angles/form_factor"][Z - 1].astype(np.float64))


def incoherent_scattering_function(Z: int, x: object) -> np.ndarray:
    """Incoherent scattering function S of an element at x [1/Angstrom]; 0 at x = 0, Z at large x."""
    at = np.asarray(x, dtype=np.float64)
    first = float(tables()["angles/x"][1])
    value = _interpolate_x(at, tables()["angles/incoherent_function"][Z - 1].astype(np.float64))
    return np.where(at < first, value * (at / first) ** 2, value)


def form_factor_squared(material: Material, x: object) -> np.ndarray:
    """Sum over atoms of F(x)^2, divided by its value at x = 0 (so it is 1 there).

    Independent atoms: sum_i n_i F_i(x)^2 / sum_i n_i Z_i^2 with n_i atoms per gram. It gives the ANGLE of
    coherent scattering; the rate is :func:`coherent`. ``x`` in 1/Angstrom.
    """
    parts = composition(material)
    upper = sum(n * form_factor(Z, x) ** 2 for Z, n in zip(parts.Z, parts.moles, strict=True))
    return np.asarray(upper / np.dot(parts.moles, np.square(parts.Z)))


def incoherent_function(material: Material, x: object) -> np.ndarray:
    """Incoherent function per electron, sum_i n_i S_i(x) / sum_i n_i Z_i, from 0 to 1; x in 1/Angstrom."""
    parts = composition(material)
    upper = sum(n * incoherent_scattering_function(Z, x) for Z, n in zip(parts.Z, parts.moles, strict=True))
    return np.asarray(upper / parts.z_over_a)


@dataclass(frozen=True)
class Relaxation:
    """K and L shells of an element after photoelectric absorption. Arrays of shells: K, L1, L2, L3.

    Parameters
    ----------
    edge_mev
        Absorption edges [MeV]; 0 where the element has no such shell.
    shell_fraction
        Share of photoelectric absorptions just above the shell's own edge that happen in the shell:
        1 - 1/jump. For K it is used at every energy above the K edge (it varies by a few per cent).
    fluorescence_yield
        Probability that a vacancy is filled by a radiative transition.
    line_shell, line_mev, line_rate
        Every line: shell with the vacancy (index), energy [MeV], share of the shell's radiative transitions.
    """

    edge_mev: np.ndarray
    shell_fraction: np.ndarray
    fluorescence_yield: np.ndarray
    line_shell: np.ndarray
    line_mev: np.ndarray
    line_rate: np.ndarray

    @property
    def k_fraction(self) -> float:
        """Share of photoelectric absorptions above the K edge that happen in the K shell."""
        return float(self.shell_fraction[0])

    def lines(self, shell: str) -> tuple[np.ndarray, np.ndarray]:
        """Energies [MeV] and probabilities (sum 1; empty without data) of a shell's lines (`"K"`, ...)."""
        use = self.line_shell == SHELLS.index(shell)
        rate = self.line_rate[use]
        return self.line_mev[use], rate / rate.sum() if rate.size else rate


@lru_cache(maxsize=128)
def relaxation(Z: int) -> Relaxation:
    """Relaxation data of an element (xraylib)."""
    if not 1 <= Z <= z_max():
        raise InputError(f"no relaxation data for the element Z = {Z}", why=f"the tables cover Z = 1 to {z_max()}")
    t = tables()
    own = t["relaxation/line"][:, 0] == Z
    return Relaxation(
        edge_mev=t["relaxation/edge"][Z - 1],
        shell_fraction=1.0 - 1.0 / t["relaxation/jump"][Z - 1],
        fluorescence_yield=t["relaxation/yield"][Z - 1],
        line_shell=t["relaxation/line"][own, 1].astype(int),
        line_mev=t["relaxation/line_energy"][own],
        line_rate=t["relaxation/line_rate"][own],
    )
