"""The nuclide of a PET header: from codes and from texts in any usual spelling; never one that is no tracer."""

from __future__ import annotations

import re
from functools import lru_cache

from ...nuclides.decay_data import decay

#: Nuclides that are imaged, of tracers and of therapies. A text that seems to name another one names none.
TRACERS = frozenset(
    {
        "C-11", "N-13", "O-15", "F-18", "Na-22", "P-32", "K-38", "Sc-43", "Sc-44", "Sc-47", "Ti-45", "Cr-51", "Mn-51",
        "Mn-52", "Mn-52m", "Fe-52", "Fe-59", "Co-55", "Co-57", "Cu-60", "Cu-61", "Cu-62", "Cu-64", "Cu-67", "Zn-62",
        "Ga-66", "Ga-67", "Ga-68", "As-72", "Br-75", "Br-76", "Br-77", "Kr-81m", "Rb-82", "Sr-83", "Sr-89", "Y-86",
        "Y-90", "Zr-89", "Nb-90", "Tc-94m", "Tc-99m", "In-111", "I-120", "I-123", "I-124", "I-125", "I-131", "Xe-133",
        "La-132", "La-133", "Sm-153", "Tb-149", "Tb-152", "Tb-155", "Tb-161", "Ho-166", "Lu-177", "Lu-177m", "Re-186",
        "Re-188", "Tl-201", "Pb-203", "Pb-212", "Bi-212", "Bi-213", "At-211", "Ra-223", "Ra-224", "Ac-225", "Th-227",
    }
)  # fmt: skip
_NAMES = {
    "carbon": "C", "nitrogen": "N", "oxygen": "O", "fluorine": "F", "fluoride": "F", "fluor": "F", "sodium": "Na",
    "scandium": "Sc", "titanium": "Ti", "manganese": "Mn", "iron": "Fe", "cobalt": "Co", "copper": "Cu", "zinc": "Zn",
    "gallium": "Ga", "arsenic": "As", "bromine": "Br", "krypton": "Kr", "rubidium": "Rb", "strontium": "Sr",
    "yttrium": "Y", "zirconium": "Zr", "niobium": "Nb", "technetium": "Tc", "indium": "In", "iodine": "I",
    "iodide": "I", "iod": "I", "jod": "I", "xenon": "Xe", "lanthanum": "La", "samarium": "Sm", "terbium": "Tb",
    "holmium": "Ho", "lutetium": "Lu", "rhenium": "Re", "thallium": "Tl", "lead": "Pb", "bismuth": "Bi",
    "astatine": "At", "radium": "Ra", "actinium": "Ac", "thorium": "Th",
}  # fmt: skip
#: Codes of nuclides and of radiopharmaceuticals (SNOMED CT, and its older form as SRT, SNM3 and 99SDM), as the standard
#: lists them in its context groups 18, 4020 and 4021.
_CODES = {
    "C-105A1": "C-11", "40565003": "C-11", "C-107A1": "N-13", "21576001": "N-13", "C-B1038": "O-15",
    "129504001": "O-15", "C-111A1": "F-18", "77004003": "F-18", "C-155A1": "Na-22", "71633006": "Na-22",
    "C-127A4": "Cu-60", "425364008": "Cu-60", "C-127A1": "Cu-61", "71425003": "Cu-61", "C-127A5": "Cu-62",
    "422934004": "Cu-62", "C-127A2": "Cu-64", "3932008": "Cu-64", "C-131A1": "Ga-66", "79477007": "Ga-66",
    "C-131A2": "Ga-67", "2008008": "Ga-67", "C-131A3": "Ga-68", "35337001": "Ga-68", "C-113A2": "Br-76",
    "79523006": "Br-76", "C-159A2": "Rb-82", "79197006": "Rb-82", "C-162A3": "Y-86", "10738001": "Y-86",
    "C-162A7": "Y-90", "14691008": "Y-90", "C-168A4": "Zr-89", "63360001": "Zr-89", "C-163A8": "Tc-99m",
    "72454006": "Tc-99m", "C-145A4": "In-111", "56609000": "In-111", "C-114A4": "I-123", "21572004": "I-123",
    "C-114A5": "I-124", "40937006": "I-124", "C-114A6": "I-125", "68630002": "I-125", "C-114B1": "I-131",
    "1368003": "I-131", "C-101ED": "Lu-177", "447553000": "Lu-177", "126600": "Sc-44", "126605": "Sc-43",
    "126606": "Tb-152", "C-B1031": "F-18", "35321007": "F-18", "C-B1032": "F-18", "129501009": "F-18",
    "C-B07E8": "I-124", "422980002": "I-124", "724025002": "Ga-68", "C-B1037": "Rb-82", "129503007": "Rb-82",
}  # fmt: skip

_ANY_NAME = "|".join(sorted(_NAMES, key=len, reverse=True))
_AMOUNT = r"(?!\d)(?!\s*(?:[MGk]?Bq|[mu]?Ci|m?g\b|m[lL]\b|%))"
_PATTERNS = (
    # a name in words: iodine-124, ^18^Fluorine
    re.compile(rf"(?i)(?<![a-z])(?P<name>{_ANY_NAME})\W{{0,3}}(?P<mass>\d{{2,3}}m?){_AMOUNT}"),
    re.compile(rf"(?i)(?<!\d)(?P<mass>\d{{2,3}}m?)\W{{0,3}}(?P<name>{_ANY_NAME})(?![a-z])"),
    # a symbol: I-124, NaI124, F^18^
    re.compile(rf"(?<![A-Za-z])(?:Na)?(?P<symbol>[A-Z][a-z]?)\W{{0,2}}(?P<mass>\d{{2,3}}m?){_AMOUNT}"),
    re.compile(r"(?<!\d)(?P<mass>\d{2,3}m?)\W{0,2}(?P<symbol>[A-Z][a-z]?)(?![a-z])"),
    # the same in small letters or all in capitals, as a word of its own
    re.compile(r"(?i)(?<![a-z0-9])(?P<symbol>[a-z]{1,2})[-^]?(?P<mass>\d{2,3}m?)(?![a-z0-9])"),
    re.compile(r"(?i)(?<![a-z0-9])(?P<mass>\d{2,3}m?)[-^]?(?P<symbol>[a-z]{1,2})(?![a-z0-9])"),
)


def nuclide_name(text: str) -> str | None:
    """``"F-18"`` from any usual spelling inside a text (18F, ^18^Fluorine, FDG F18); None where it names none.

    A text that names two tracers names none.
    """
    found = set()
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            parts = match.groupdict()
            symbol = _NAMES[parts["name"].lower()] if "name" in parts else parts["symbol"].capitalize()
            found.add(f"{symbol}-{parts['mass'].lower()}")
    known = found & TRACERS
    return known.pop() if len(known) == 1 else None


def nuclide_of_code(value: str) -> str | None:
    """The nuclide that a code of the standard's context groups means; None for any other code."""
    return _CODES.get(value.strip().upper())


@lru_cache(maxsize=32)
def radionuclide_half_life_s(name: str | None) -> float | None:
    """Half-life of a nuclide [s] from the ICRP-107 data of `radioactivedecay`; None when unknown."""
    if name is None:
        return None
    try:
        return decay(name).half_life_s
    except KeyError:
        return None
