"""What the comparison says: ratios with their uncertainties, the energy of a table, parts against the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .plan import PARTS
from .published import Neighbour, PublishedTable
from .record import Record, Values

#: A value of fewer standard errors rests on a few particles: its error is not well known, nor is it normal.
ENOUGH = 10.0


@dataclass(frozen=True)
class Number:
    """A value and its standard uncertainty, in the same unit."""

    value: float
    error: float

    def __add__(self, other: Number) -> Number:
        return Number(self.value + other.value, math.hypot(self.error, other.error))

    def __sub__(self, other: Number) -> Number:
        return Number(self.value - other.value, math.hypot(self.error, other.error))

    def __truediv__(self, other: Number) -> Number:
        ratio = self.value / other.value
        return Number(ratio, math.hypot(self.error / other.value, ratio * other.error / other.value))


def kernel(record: Record, table: PublishedTable, component: str) -> Values | None:
    """A kernel of the record that goes with a table, None where its part was not made alone."""
    return record.kernels.get((table.nuclide, table.voxel_mm, component))


def ours(record: Record, table: PublishedTable, components: tuple[str, ...], neighbour: Neighbour) -> Number:
    """Sum of components at a neighbour [mGy/(MBq s)]; parts not made alone count as nothing."""
    total = Number(0.0, 0.0)
    for component in components:
        values = kernel(record, table, component)
        if values is not None:
            total += Number(*values.s[neighbour])
    return total


def theirs(table: PublishedTable, neighbour: Neighbour) -> Number:
    """Published value with its rounding [mGy/(MBq s)]."""
    return Number(table.s[neighbour], table.rounding(neighbour))


def ratio(record: Record, table: PublishedTable, components: tuple[str, ...], neighbour: Neighbour) -> Number:
    """Published over ours."""
    return theirs(table, neighbour) / ours(record, table, components, neighbour)


@dataclass(frozen=True)
class Balance:
    """Energy per decay [MeV] in the voxels of a table, and what it is to be compared with.

    Parameters
    ----------
    table
        In the published table.
    beta, lines, photons
        In the same voxels of our kernels.
    beta_emitted
        Emitted as betas.
    """

    table: Number
    beta: Number
    lines: Number
    photons: Number
    beta_emitted: float

    @property
    def whole(self) -> Number:
        """All parts of ours."""
        return self.beta + self.lines + self.photons

    @property
    def charged(self) -> Number:
        """What electrons leave, those of betas and of lines: it rests on no photon yield."""
        return self.beta + self.lines

    @property
    def missing(self) -> Number:
        """What the table lacks of the whole."""
        return self.whole - self.table

    @property
    def surplus(self) -> Number:
        """What the table has beyond betas and photons."""
        return self.table - self.beta - self.photons

    @property
    def share(self) -> Number | None:
        """Share of conversion and Auger electrons in the table, if its betas and photons are ours."""
        return self.surplus / self.lines if self.lines.value > 0 else None

    @property
    def factor(self) -> Number:
        """Factor on the beta energies with which betas and photons alone have the table's energy."""
        return Number(1.0, 0.0) + Number(self.surplus.value / self.beta_emitted, self.surplus.error / self.beta_emitted)


def balance(record: Record, table: PublishedTable) -> Balance:
    """The energy balance of a table."""
    inside = {}
    for component in PARTS:
        values = kernel(record, table, component)
        inside[component] = Number(values.inside_mev, values.inside_error_mev) if values else Number(0.0, 0.0)
    betas = kernel(record, table, "beta")
    if betas is None:
        raise ValueError(f"no kernel of the betas of {table.nuclide}")
    return Balance(Number(*table.energy_mev()), **inside, beta_emitted=betas.emitted_mev)


def beta_factor(table: PublishedTable, record: Record) -> float:
    """Factor on the beta energies with which betas and photons alone have the energy of a table."""
    return balance(record, table).factor.value


def additivity(record: Record, table: PublishedTable) -> list[tuple[Neighbour, float]]:
    """z-scores of the sum of the parts against the whole, at neighbours where both are `ENOUGH` standard errors."""
    scores = []
    for neighbour in table.s:
        parts, whole = ours(record, table, tuple(PARTS), neighbour), ours(record, table, ("whole",), neighbour)
        difference = parts - whole
        if all(number.value > ENOUGH * number.error > 0 for number in (parts, whole)):
            scores.append((neighbour, difference.value / difference.error))
    return scores
