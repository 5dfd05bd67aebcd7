"""What ``hevesy kernels`` reads from words: voxels, densities, extents, shares."""

from __future__ import annotations

import re

from ..engine.errors import InputError
from ..engine.text import counted

#: Sides of a voxel that a kernel can be made for [mm].
LEAST_MM, MOST_MM = 0.02, 200.0


def read_voxel(text: str) -> tuple[float, float, float]:
    """Sides of a voxel (dz, dy, dx) [mm] from ``"3 mm"``, ``"3.27 x 4.07 x 4.07 mm"`` or ``"3 mm, 4 mm, 4 mm"``.

    Raises
    ------
    InputError
        No unit, another number of sides than one or three, a side out of range.
    """
    from ..engine.units import LENGTH, parse

    parts = [part.strip() for part in re.split(r"[x×*;]", text)]
    if len(parts) == 1 and text.count(",") > 1:
        parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (1, 3) or not all(parts):
        raise InputError(
            f"{text!r} has not one side or three",
            why="a cube has one side; other voxels have three, along z, y and x",
            suggestion='write "3 mm", or "3.27 x 4.07 x 4.07 mm"',
            field="voxel",
        )
    unit = re.sub(r"^[\d.,eE+-]+\s*", "", parts[-1])
    sides = [parse(part if re.search(r"[a-zµ]", part) else f"{part} {unit}".strip(), LENGTH, field="voxel")
             for part in parts]  # fmt: skip
    for side in sides:
        if not LEAST_MM <= side <= MOST_MM:
            raise InputError(
                f"a voxel side of {side:g} mm",
                why=f"kernels are made for sides of {LEAST_MM:g} to {MOST_MM:g} mm",
                suggestion="check the unit; voxels of PET and SPECT have 1 to 10 mm",
                field="voxel",
            )
    return (sides[0], sides[0], sides[0]) if len(sides) == 1 else (sides[0], sides[1], sides[2])


def read_density(text: str) -> float:
    """A mass density [g/cm3] from ``"1.04 g/cm3"``, ``"1040 kg/m3"`` or ``"0.26 g/mL"``.

    Raises
    ------
    InputError
        No number, no unit, or another one.
    """
    units = {"g/cm3": 1.0, "g/cm^3": 1.0, "g/cm³": 1.0, "g/ml": 1.0, "g/cc": 1.0, "kg/l": 1.0}
    units |= {"kg/m3": 1e-3, "kg/m^3": 1e-3, "kg/m³": 1e-3, "mg/cm3": 1e-3}
    match = re.fullmatch(r"\s*([+-]?(?:\d+(?:[.,]\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S*)\s*", text)
    factor = units.get(match[2].lower()) if match else None
    if match is None or factor is None:
        unit = f"'{match[2]}' is not a unit of density" if match and match[2] else "it has no unit"
        raise InputError(
            f"{text!r} is not a density",
            why=unit if match else "a density starts with a number",
            suggestion="write for example 1.04 g/cm3",
            field="density",
        )
    value = float(match[1].replace(",", ".")) * factor
    if not value > 0:
        raise InputError(
            f"a density of {text.strip()}",
            why="the mass density of a medium is above zero",
            suggestion="water has 1 g/cm3, lung 0.26, cortical bone 1.85",
            field="density",
        )
    return value


def read_reach(text: str, voxel_size_mm: tuple[float, float, float]) -> tuple[int, int, int] | None:
    """Reach in voxels (kz, ky, kx) from ``"12 cm"`` or ``"20 voxels"``; None for ``"auto"``.

    Raises
    ------
    InputError
        Neither of them, or no neighbour.
    """
    from ..engine.dose.voxel_s.extent import reach_of
    from ..engine.units import LENGTH, parse

    word = text.strip().lower()
    if word == "auto":
        return None
    match = re.fullmatch(r"([+-]?(?:\d+(?:[.,]\d*)?|\.\d+))\s*(voxels?)?", word)
    if match:
        number = float(match[1].replace(",", "."))
        k = max(round(number), 1)
        if match[2] and k == number <= 999_999:
            return k, k, k
        whole = f'write "{counted(k, "voxel")}"' if number <= 999_999 else "give fewer voxels"
        raise InputError(
            f"the extent {text!r}",
            why="it is a whole number of voxels, one at least and less than a million"
            if match[2]
            else "voxels and lengths are told apart by their unit",
            suggestion=f'{whole}, a length such as "12 cm", or auto',
            field="extent",
        )
    length = parse(text, LENGTH, field="extent")
    if length < min(voxel_size_mm):
        raise InputError(
            f"an extent of {text} holds no neighbour",
            why=f"it is shorter than a voxel ({min(voxel_size_mm):g} mm)",
            suggestion="give a longer one, or auto",
            field="extent",
        )
    return reach_of(length, voxel_size_mm)


def read_share(text: str, field: str) -> float:
    """A share between 0 and 1 from ``"0.1 %"``.

    Raises
    ------
    InputError
        No unit, or out of range.
    """
    from ..engine.units import FRACTION, parse

    value = parse(text, FRACTION, field=field)
    if not 0.0 < value < 1.0:
        raise InputError(
            f"{text!r} is out of range",
            why="it must be above 0 % and below 100 %",
            suggestion='choose for example "0.1 %"',
            field=field,
        )
    return value
