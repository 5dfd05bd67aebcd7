"""Private elements of scanners, by their creator: the block that a creator reserved is looked up, never assumed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def private_text(data: Dataset, group: int, creator: str, element: int) -> str:
    """A private element as text; empty where the creator has no block, or the element is absent.

    Parameters
    ----------
    data
        A data set.
    group
        Odd group number.
    creator
        Name in the block's private creator element.
    element
        Number of the element within its block (two hexadecimal digits).
    """
    try:
        value = data.private_block(group, creator)[element].value
    except Exception:  # no block, no element, or a value that cannot be converted
        return ""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace").rstrip("\0 ")
    return str(value if value is not None else "").strip()


def private_number(data: Dataset, group: int, creator: str, element: int) -> float | None:
    """A private element as one positive finite number; None otherwise."""
    try:
        value = float(private_text(data, group, creator, element))
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0.0 else None
