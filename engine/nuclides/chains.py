"""Decay chains: how often each progeny decays per decay of the parent, and what they emit together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .decay import merge_equal_lines, nuclide
from .decay_data import decay
from .emission import Emission
from .names import canonical_name, known_names


@dataclass(frozen=True)
class ChainMember:
    """A nuclide of a chain: its decays per decay of the parent, and its activity per parent activity.

    Parameters
    ----------
    name
        ICRP-107 name.
    decays
        Decays of this member per decay of the parent when every decay of the chain is counted.
    activity_ratio
        Its activity over the parent's in transient equilibrium; NaN when it outlives the parent (no
        equilibrium).
    half_life_s
        Its half-life [s].
    """

    name: str
    decays: float
    activity_ratio: float
    half_life_s: float


def chain(name: str) -> tuple[ChainMember, ...]:
    """Every radioactive nuclide of the chain below ``name``, the parent first.

    ``decays`` is the sum over all paths of the products of branching fractions. ``activity_ratio`` is the
    leading term of the Bateman solution, a product of ``b l_d / (l_d - l_p)`` along each path, and exists
    only while every member above and the member itself decays faster than the parent.
    """
    parent = canonical_name(name)
    parent_lambda = math.log(2.0) / decay(parent).half_life_s
    decays: dict[str, float] = {}
    ratio: dict[str, float] = {}

    def visit(member: str, path_decays: float, path_ratio: float) -> None:
        half_life, branches = decay(member)
        if not math.isfinite(half_life) or member not in known_names():
            return
        if member != parent:
            l_d = math.log(2.0) / half_life
            path_ratio = path_ratio * l_d / (l_d - parent_lambda) if l_d > parent_lambda else math.nan
        decays[member] = decays.get(member, 0.0) + path_decays
        ratio[member] = ratio.get(member, 0.0) + path_ratio
        for child, fraction, _ in branches:
            if child in known_names():
                visit(child, path_decays * fraction, path_ratio * fraction)

    visit(parent, 1.0, 1.0)
    return tuple(ChainMember(member, decays[member], ratio[member], decay(member).half_life_s) for member in decays)


def emission_with_progeny(
    name: str, progeny: str = "equilibrium", longest_progeny_half_life_s: float = 30 * 86400.0
) -> Emission:
    """The emission of one parent decay together with its progeny decaying where the parent decayed.

    Parameters
    ----------
    name
        The parent.
    progeny
        ``"none"``: the parent alone. ``"equilibrium"``: each member at its transient-equilibrium activity
        ratio; members that outlive the parent are left out with their progeny. ``"complete"``: each member
        at its number of decays per parent decay (a pure parent at time zero, all its progeny decaying in
        place), down to the first member with a half-life above ``longest_progeny_half_life_s`` on its path.
    longest_progeny_half_life_s
        See above [s]; only for ``"complete"``.

    Returns
    -------
    Emission
        Per decay of the parent.

    Raises
    ------
    InputError
        An unknown nuclide or treatment of progeny.

    Notes
    -----
    Recoiling daughters of alpha emitters leave their carrier and may leave the lesion; that redistribution
    is not modelled here (Kozempel et al., Molecules 2018;23:581).
    """
    if progeny not in ("none", "equilibrium", "complete"):
        raise InputError(
            f"unknown treatment of progeny {progeny!r}",
            suggestion="use none, equilibrium or complete",
            field="progeny",
        )
    parent = canonical_name(name)
    if progeny == "none":
        return nuclide(parent).emission
    if progeny == "complete":
        weights = _complete_weights(parent, longest_progeny_half_life_s)
    else:
        weights = {m.name: m.activity_ratio for m in chain(parent) if not math.isnan(m.activity_ratio)}
    return combine([(weight, nuclide(m).emission) for m, weight in weights.items()], nuclide_name=parent)


def _complete_weights(parent: str, longest_s: float) -> dict[str, float]:
    """Decays of each member per parent decay; paths stop at a member that lives longer than ``longest_s``."""
    weights: dict[str, float] = {}

    def visit(member: str, decays: float) -> None:
        weights[member] = weights.get(member, 0.0) + decays
        for daughter in nuclide(member).progeny:
            if daughter.name in known_names() and nuclide(daughter.name).half_life_s <= longest_s:
                visit(daughter.name, decays * daughter.branching)

    visit(parent, 1.0)
    return weights


def combine(parts: list[tuple[float, Emission]], nuclide_name: str = "") -> Emission:
    """Weighted sum of emissions, e.g. of a chain; spectra are summed on the union of their points."""

    def lines(field: str) -> np.ndarray:
        blocks = [getattr(e, field) * np.array([1.0, weight]) for weight, e in parts]
        return merge_equal_lines(np.concatenate(blocks)) if blocks else np.empty((0, 2))

    def spectrum(x_name: str, y_name: str) -> tuple[np.ndarray, np.ndarray]:
        curves = [(w, getattr(e, x_name), getattr(e, y_name)) for w, e in parts if getattr(e, x_name).size]
        if not curves:
            return np.empty(0), np.empty(0)
        if len(curves) == 1:
            return curves[0][1], curves[0][0] * curves[0][2]
        # A spectrum that ends above zero ends in a step: a second point just above preserves it.
        ends = [np.nextafter(x[-1], np.inf) for _, x, y in curves if y[-1] > 0]
        grid = np.unique(np.concatenate([x for _, x, _ in curves] + [np.array(ends)]))
        return grid, sum(w * np.interp(grid, x, y, left=0.0, right=0.0) for w, x, y in curves)

    beta, positron = spectrum("beta_mev", "beta_per_mev"), spectrum("positron_mev", "positron_per_mev")
    return Emission(
        nuclide=nuclide_name,
        electron_lines=lines("electron_lines"),
        photon_lines=lines("photon_lines"),
        beta_mev=beta[0],
        beta_per_mev=beta[1],
        positron_mev=positron[0],
        positron_per_mev=positron[1],
        alpha_lines=lines("alpha_lines"),
    )
