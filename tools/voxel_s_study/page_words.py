"""Words and Markdown of the study's tables, and what the tables choose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..signs import with_sign
from .analysis import Number
from .plan import PARTS, parts_of
from .published import Neighbour, PublishedTable

ALL, WITHOUT, SCALED = tuple(PARTS), ("beta", "photons"), ("scaled", "photons")
SELF: Neighbour = (0, 0, 0)
FACE: Neighbour = (0, 0, 1)
#: Neighbours that the tables show.
SHOWN: tuple[Neighbour, ...] = (
    SELF, FACE, (0, 1, 1), (1, 1, 1), (0, 0, 2), (0, 1, 2), (1, 1, 2), (0, 2, 2), (2, 2, 2),
    (0, 0, 3), (0, 0, 4), (0, 0, 5),
)  # fmt: skip
#: Standard uncertainty [%] from which a difference is not shown: it says nothing.
LARGEST_SHOWN_ERROR = 10.0
#: Neighbours with at least this share of the self value decide whether pure betas agree.
STRONG_SHARE = 0.01
#: Edge of the voxels of the main comparison [mm].
MAIN_VOXEL_MM = 3.0


def percent(number: Number) -> str:
    """A ratio as its difference from one, with its standard uncertainty [%]."""
    error = 100 * number.error
    digits = 0 if error >= 1.95 else 1 if error >= 0.095 else 2
    return f"{with_sign(100 * (number.value - 1), digits)} ± {error:.{digits}f}"


def row(cells: Iterable[object]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def table_of(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    return "\n".join([row(head), "|" + "---|" * len(head), *map(row, rows)])


def superscript(name: str) -> str:
    """``I-131`` as ``131I``."""
    symbol, number = name.split("-")
    return number + symbol


def main_tables(tables: list[PublishedTable]) -> list[PublishedTable]:
    """The tables of 3 mm."""
    return [table for table in tables if table.voxel_mm == MAIN_VOXEL_MM]


def has_lines(table: PublishedTable) -> bool:
    """Whether conversion and Auger electrons carry a part of the energy worth a kernel."""
    return "lines" in parts_of(table.nuclide)
