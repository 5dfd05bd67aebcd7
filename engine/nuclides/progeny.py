"""What a therapy nuclide brings: its own emission together with that of the progeny that are counted.

The parent alone is often not what is given: 225Ac emits 5.9 MeV per decay, with the progeny that follow
within hours 28.9 MeV. docs/methods/nuclides.md says which progeny are counted when nothing is stated, and why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ..constants import ELECTRON_REST_MEV
from ..errors import InputError
from ..text import did_you_mean, number
from .chains import ChainMember, chain, combine
from .decay import energy_per_decay, nuclide
from .decay_data import decay
from .emission import Emission
from .names import Progeny, canonical_name, known_names

#: A member is counted in equilibrium when its half-life, and that of every member above it, is at most this share of
#: the parent's: it is then there within days of a purification, at most 4/3 times as active as the parent.
SHORT_LIVED = 0.25
#: Progeny matter when they carry at least this share of the parent's own energy.
RELEVANT = 0.01
#: What outlives a patient is not missed [s].
LIFETIME_S = 100 * 365.25 * 86400.0


@dataclass(frozen=True, eq=False)
class DecayEmission:
    """What one decay of a therapy nuclide brings, with the progeny that are counted.

    Parameters
    ----------
    nuclide
        The parent.
    progeny
        How its progeny are treated.
    emission
        Per decay of the parent, counted progeny included.
    counted
        Each progeny that is counted, and its decays per decay of the parent.
    left_out
        Progeny that are not, but carry a relevant energy.
    alone_mev, total_mev
        Energy per decay of the parent alone, and with the progeny counted; neutrinos apart [MeV].
    """

    nuclide: str
    progeny: Progeny
    emission: Emission
    counted: tuple[tuple[str, float], ...]
    left_out: tuple[ChainMember, ...]
    alone_mev: float
    total_mev: float

    @property
    def alpha(self) -> bool:
        """Whether alpha particles or other heavy ones carry a relevant part of the energy."""
        return energy_per_decay(self.emission).heavy > RELEVANT * self.total_mev

    @property
    def said(self) -> bool:
        """Whether a reader must know about the progeny or the alphas."""
        return bool(self.alpha or self.left_out or self.counted)

    @property
    def fact(self) -> str:
        """The progeny counted, in a few words; empty where there are none to speak of."""
        if not self.counted:
            return "not counted" if self.left_out else ""
        how = "in equilibrium: " if self.progeny == "equilibrium" else "as listed: "
        return how + ", ".join(f"{name} {number(decays, 3)}" for name, decays in self.counted) + " per decay"

    @property
    def sentence(self) -> str:
        """All of it in one sentence or more: what is counted, what not, the energy, and what alpha dose means."""
        texts = []
        if self.counted:
            how = "in equilibrium" if self.progeny == "equilibrium" else "as listed"
            listed = ", ".join(f"{name} {number(decays, 3)}" for name, decays in self.counted)
            texts.append(
                f"{self.nuclide} was counted with progeny {how}, decaying where the parent decays ({listed} decays per "
                f"decay): {number(self.total_mev)} MeV per decay, {number(self.alone_mev)} MeV without them."
            )
        else:
            texts.append(f"{self.nuclide} was counted without progeny: {number(self.alone_mev)} MeV per decay.")
        if self.left_out:
            listed = ", ".join(f"{m.name} (half-life {_life(m.half_life_s)})" for m in self.left_out)
            energy = sum(member.decays * _energy(member.name) for member in self.left_out)
            texts.append(f"Left out: {listed}; {number(energy)} MeV per decay if all of them decayed there too.")
        if self.alpha:
            texts.append(
                "The dose is absorbed dose in Gy; the dose of alpha particles is not weighted for their biological "
                "effect (no RBE)."
            )
        return " ".join(texts)


def default_progeny(name: str) -> Literal["equilibrium", "none"]:
    """``"equilibrium"`` where short-lived progeny carry a relevant share of the energy, else ``"none"``."""
    parent = canonical_name(name)
    weights = _equilibrium(parent)
    if len(weights) == 1:
        return "none"
    added = sum(weight * _energy(member) for member, weight in weights.items() if member != parent)
    return "equilibrium" if added >= RELEVANT * _energy(parent) else "none"


def checked_progeny(name: str, progeny: object) -> Progeny:
    """How the progeny of a nuclide are treated, as a case states it.

    Parameters
    ----------
    name
        The parent.
    progeny
        ``"equilibrium"``, ``"none"``, a list of names, or None for the default of the nuclide.

    Returns
    -------
    str or tuple of str
        With canonical names.

    Raises
    ------
    InputError
        Anything else, or a name that is not among the parent's progeny.
    """
    parent = canonical_name(name)
    if progeny is None:
        return default_progeny(parent)
    if progeny == "equilibrium" or progeny == "none":
        return progeny
    if isinstance(progeny, str) or not isinstance(progeny, Sequence):
        raise InputError(
            f"{progeny!r} is not a treatment of progeny",
            why="progeny are counted in equilibrium, not at all, or those listed",
            suggestion="write equilibrium, none or a list such as [Bi-213, Po-213]",
        )
    members = [member.name for member in chain(parent)[1:]]
    found = []
    for item in progeny:
        member = canonical_name(str(item))
        if member not in members:
            raise InputError(
                f"{member} is not a progeny of {parent}",
                why="only what a decay of the parent leads to can be counted with it",
                suggestion=did_you_mean(member, members) if members else f"{parent} has no radioactive progeny",
            )
        found.append(member)
    return tuple(dict.fromkeys(found))


def decay_emission(name: str, progeny: Progeny | None = None) -> DecayEmission:
    """What one decay of a therapy nuclide emits, with its progeny.

    Parameters
    ----------
    name
        The nuclide.
    progeny
        ``"equilibrium"``: every short-lived member at its activity in transient equilibrium. ``"none"``: the nuclide
        alone. Names: those members alone, each at its equilibrium activity, or, where it has none, once for every
        decay of the parent that leads to it. None: the default of the nuclide.

    Returns
    -------
    DecayEmission

    Raises
    ------
    InputError
        An unknown nuclide or treatment.

    Examples
    --------
    >>> from hevesy.engine.nuclides.progeny import decay_emission
    >>> ac225 = decay_emission("225Ac")
    >>> round(ac225.alone_mev, 1), round(ac225.total_mev, 1)
    (5.9, 28.9)
    """
    parent = canonical_name(name)
    return _decay_emission(parent, checked_progeny(parent, progeny))


@lru_cache(maxsize=64)
def _decay_emission(parent: str, progeny: Progeny) -> DecayEmission:
    weights = {parent: 1.0}
    below = chain(parent)[1:]
    in_equilibrium = _equilibrium(parent)
    if progeny == "equilibrium":
        weights = in_equilibrium
    elif progeny != "none":
        weights |= {m.name: in_equilibrium.get(m.name, m.decays) for m in below if m.name in progeny}
    alone = _energy(parent)
    missed = [
        m
        for m in below
        if m.name not in weights and m.half_life_s < LIFETIME_S and m.decays * _energy(m.name) >= RELEVANT * alone
    ]
    own = nuclide(parent).emission
    parts = [(weight, nuclide(member).emission) for member, weight in weights.items()]
    return DecayEmission(
        nuclide=parent,
        progeny=progeny,
        emission=own if len(weights) == 1 else combine(parts, nuclide_name=parent),
        counted=tuple((member, weight) for member, weight in weights.items() if member != parent),
        left_out=tuple(missed),
        alone_mev=alone,
        total_mev=sum(weight * _energy(member) for member, weight in weights.items()),
    )


def _equilibrium(parent: str) -> dict[str, float]:
    """Activity per activity of the parent of each member that is short-lived against it, the parent included.

    The leading term of the Bateman solution, ``b l_d / (l_d - l_p)`` along each path, as in :func:`chains.chain`; a
    path ends at the first member that lives too long.
    """
    life = decay(parent).half_life_s
    ratios: dict[str, float] = {}

    def visit(member: str, ratio: float) -> None:
        ratios[member] = ratios.get(member, 0.0) + ratio
        for child, fraction, _ in decay(member).branches:
            if child in known_names() and decay(child).half_life_s <= SHORT_LIVED * life:
                own = decay(child).half_life_s
                visit(child, ratio * fraction * life / (life - own))

    visit(parent, 1.0)
    return ratios


def _energy(name: str) -> float:
    """Energy of one decay of a nuclide alone, annihilation photons included [MeV]."""
    found = nuclide(name)
    energy = energy_per_decay(found.emission)
    return energy.charged + energy.photon + 2.0 * ELECTRON_REST_MEV * found.positrons_per_decay


def _life(seconds: float) -> str:
    """A half-life in the unit that suits it."""
    for unit, size in (("y", 365.25 * 86400.0), ("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{number(seconds / size)} {unit}"
    return f"{number(seconds)} s" if math.isfinite(seconds) else "infinite"
