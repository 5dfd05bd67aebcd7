"""Which bits of a stored number are the pixel: those that a header states, and nothing but overlays above them."""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from . import elements
from .find import Header

#: Groups of overlays, and their elements for the bits that they take within a pixel (retired, PS3.5 of 2004).
_OVERLAYS = range(0x6000, 0x6020, 2)
_OVERLAY_BITS, _OVERLAY_POSITION = 0x0100, 0x0102


def used_bits(stored: np.ndarray, header: Header) -> np.ndarray:
    """Stored numbers without what stands in the bits above them.

    Parameters
    ----------
    stored
        Numbers as decoded, with all bits that are allocated.
    header
        Of the slice.

    Returns
    -------
    numpy.ndarray
        The same numbers; where an overlay stands in the bits above, without it.

    Raises
    ------
    InputError
        The highest bit is not the last of those stored, or numbers need more bits than the header states.
    """
    stored = np.asarray(stored)
    bits = elements.number(header.dataset, "BitsStored")
    allocated = 8 * stored.dtype.itemsize
    if bits is None or stored.dtype.kind not in "iu" or not 1 <= bits <= allocated:
        return stored
    high = elements.number(header.dataset, "HighBit")
    if high is not None and high != bits - 1:
        raise InputError(
            f"HighBit is {high:g}, and BitsStored {bits:g}",
            why=f"the highest bit of {bits:g} is {bits - 1:g}: whether the numbers are shifted is not known",
            suggestion="export the series again",
            file=header.path,
            field="HighBit (0028,0102)",
        )
    shift = allocated - int(bits)
    if not shift:
        return stored
    kept = np.right_shift(np.left_shift(stored, shift), shift)
    other = np.bitwise_xor(kept, stored)
    overlay = np.array(_overlay_bits(header), np.uint64).astype(stored.dtype)
    if np.any(np.bitwise_and(other, ~overlay)):
        least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if stored.dtype.kind == "i" else (0, 2**bits - 1)
        raise InputError(
            f"stored numbers run from {stored.min()} to {stored.max()}, and BitsStored is {bits:g}",
            why=f"{bits:g} bits hold {least:g} to {most:g}: what stands above them would be cut off",
            suggestion="export the series again with the right BitsStored",
            file=header.path,
            field="BitsStored (0028,0101)",
        )
    return kept


def _overlay_bits(header: Header) -> int:
    """The bits above those stored that overlays take, as a mask."""
    mask = 0
    for group in _OVERLAYS:
        bits, position = (_whole(header, group, element) for element in (_OVERLAY_BITS, _OVERLAY_POSITION))
        # an overlay of its own has one bit allocated, at position 0
        if bits is not None and position is not None and bits > 1 and 0 < position < 64:
            mask |= 1 << position
    return mask


def _whole(header: Header, group: int, element: int) -> int | None:
    try:
        value = header.dataset[group, element].value
    except Exception:  # absent, or of a value that cannot be converted
        return None
    return value if isinstance(value, int) else None
