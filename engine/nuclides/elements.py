"""Symbols and English names of the elements, and the usual spellings of a nuclide."""

from __future__ import annotations

import re
import unicodedata

_TABLE = """
H hydrogen He helium Li lithium Be beryllium B boron C carbon N nitrogen O oxygen F fluorine Ne neon Na
sodium Mg magnesium Al aluminium Si silicon P phosphorus S sulfur Cl chlorine Ar argon K potassium Ca
calcium Sc scandium Ti titanium V vanadium Cr chromium Mn manganese Fe iron Co cobalt Ni nickel Cu copper Zn
zinc Ga gallium Ge germanium As arsenic Se selenium Br bromine Kr krypton Rb rubidium Sr strontium Y yttrium
Zr zirconium Nb niobium Mo molybdenum Tc technetium Ru ruthenium Rh rhodium Pd palladium Ag silver Cd
cadmium In indium Sn tin Sb antimony Te tellurium I iodine Xe xenon Cs caesium Ba barium La lanthanum Ce
cerium Pr praseodymium Nd neodymium Pm promethium Sm samarium Eu europium Gd gadolinium Tb terbium Dy
dysprosium Ho holmium Er erbium Tm thulium Yb ytterbium Lu lutetium Hf hafnium Ta tantalum W tungsten Re
rhenium Os osmium Ir iridium Pt platinum Au gold Hg mercury Tl thallium Pb lead Bi bismuth Po polonium At
astatine Rn radon Fr francium Ra radium Ac actinium Th thorium Pa protactinium U uranium Np neptunium Pu
plutonium Am americium Cm curium Bk berkelium Cf californium Es einsteinium Fm fermium
"""

#: Symbol of element Z at index Z - 1, hydrogen to fermium (the last element of ICRP-107).
ELEMENT_SYMBOLS: tuple[str, ...] = tuple(_TABLE.split()[::2])

#: Lower-case English name to symbol, with the common second spellings.
NAME_TO_SYMBOL: dict[str, str] = dict(zip(_TABLE.split()[1::2], _TABLE.split()[::2], strict=True)) | {
    "aluminum": "Al",
    "cesium": "Cs",
    "sulphur": "S",
    "wolfram": "W",
}

_MASS_LAST = re.compile(r"([a-z]+)(\d{1,3})([mnMN]?)", re.IGNORECASE)
_MASS_FIRST = re.compile(r"(\d{1,3})([a-z]+)", re.IGNORECASE)


def spelled_nuclide(text: str) -> str | None:
    """The ICRP-107 style name a text spells, whether or not it exists; None when it spells none."""
    # NFKC turns superscript digits and letters into plain ones.
    plain = unicodedata.normalize("NFKC", str(text)).strip()
    plain = re.sub(r"[\s\-_^\[\]()\u2010-\u2015\u2212]+", "", plain)
    if match := _MASS_LAST.fullmatch(plain):
        letters, mass, state = match.groups()
        symbol = _symbol(letters)
    elif match := _MASS_FIRST.fullmatch(plain):
        mass, letters = match.groups()
        symbol, state = _symbol_and_state(letters)
    else:
        return None
    return None if symbol is None else f"{symbol}-{int(mass)}{state.lower()}"


def _symbol_and_state(letters: str) -> tuple[str | None, str]:
    """Take ``mTc``, ``Tcm``, ``Mo`` or ``iodine`` apart into element and metastable state."""
    state_first = letters[:1] in "mn" and letters[1:2].isupper()
    if not state_first and (symbol := _symbol(letters)):
        return symbol, ""
    if letters[:1].lower() in "mn" and (symbol := _symbol(letters[1:])):
        return symbol, letters[0]
    if letters[-1:] in "mn" and (symbol := _symbol(letters[:-1])):  # the older spelling 99Tcm
        return symbol, letters[-1]
    return None, ""


def _symbol(letters: str) -> str | None:
    if letters.capitalize() in ELEMENT_SYMBOLS:
        return letters.capitalize()
    return NAME_TO_SYMBOL.get(letters.lower())
