"""Cards that the model is asked about, by their data sheets; the first is the one of the goals."""

from __future__ import annotations

from typing import NamedTuple


class Card(NamedTuple):
    """A card by its data sheet.

    Parameters
    ----------
    name
        As the vendor calls it.
    multiprocessors
        Their number.
    ghz
        Clock under load [GHz].
    level_1_kib
        First-level cache of a multiprocessor without shared memory [KiB].
    float_lanes
        Lanes of a scheduler that add or multiply in single precision in a cycle.
    """

    name: str
    multiprocessors: int
    ghz: float
    level_1_kib: int
    float_lanes: int


CARDS = (
    Card("H200 SXM", 132, 1.755, 248, 32),
    Card("A100 SXM", 108, 1.41, 184, 16),
    Card("RTX 4070", 46, 2.475, 120, 32),
    Card("RTX A4000", 48, 1.56, 120, 32),
)
