"""Which nuclides are given for pictures alone: without a stated therapy a run with them has nothing to judge."""

from __future__ import annotations

from .names import canonical_name

#: Nuclides that are given for imaging only. 64Cu and 111In are not among them, since they have been given as
#: therapies; 124I is, because what it predicts is a therapy with 131I.
DIAGNOSTIC = frozenset(
    {
        "C-11", "N-13", "O-15", "F-18", "Sc-43", "Sc-44", "Mn-52", "Co-55", "Cu-60", "Cu-61", "Cu-62", "Ga-66",
        "Ga-67", "Ga-68", "Br-76", "Kr-81m", "Rb-82", "Y-86", "Zr-89", "Tc-94m", "Tc-99m", "I-120", "I-123", "I-124",
        "Xe-133", "Tl-201",
    }
)  # fmt: skip
#: Nuclides that are imaged, in general, on behalf of another one that treats.
MOSTLY_DIAGNOSTIC = frozenset({"Cu-64", "In-111", "Tb-152"})


def is_diagnostic(name: str) -> bool:
    """Whether a nuclide is given for imaging only."""
    return canonical_name(name) in DIAGNOSTIC


def is_imaging_tracer(name: str) -> bool:
    """Whether an image of this nuclide, with nothing else known, is a diagnostic one and not that of a therapy."""
    return canonical_name(name) in DIAGNOSTIC | MOSTLY_DIAGNOSTIC
