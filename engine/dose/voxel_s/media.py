"""Media of voxel S kernels by name: the usual words, and every material of the NIST tables."""

from __future__ import annotations

from ...errors import InputError
from ...physics.composition import nist_material, nist_names
from ...physics.material import Material
from ...text import nearest

#: Usual words: name in the NIST tables, and mass density [g/cm3] where it is not the one that they state. The tables'
#: lung is the tissue without air; an inflated lung has 0.26 g/cm3 (ICRU Report 44).
MEDIA: dict[str, tuple[str, float | None]] = {
    "water": ("WATER, LIQUID", None),
    "soft tissue": ("TISSUE, SOFT (ICRP)", None),
    "icru soft tissue": ("TISSUE, SOFT (ICRU FOUR-COMPONENT)", None),
    "lung": ("LUNG (ICRP)", 0.26),
    "bone": ("BONE, CORTICAL (ICRP)", None),
    "cortical bone": ("BONE, CORTICAL (ICRP)", None),
    "compact bone": ("BONE, COMPACT (ICRU)", None),
    "adipose": ("ADIPOSE TISSUE (ICRP)", None),
    "adipose tissue": ("ADIPOSE TISSUE (ICRP)", None),
    "muscle": ("MUSCLE, SKELETAL (ICRP)", None),
    "blood": ("BLOOD (ICRP)", None),
    "brain": ("BRAIN (ICRP)", None),
    "skin": ("SKIN (ICRP)", None),
    "air": ("AIR, DRY (NEAR SEA LEVEL)", None),
    "pmma": ("POLYMETHYL METHACRALATE (LUCITE, PERSPEX, PLEXIGLASS)", None),
}


def medium_named(name: str, density_g_cm3: float | None = None) -> tuple[Material, float]:
    """A medium and its mass density.

    Parameters
    ----------
    name
        A usual word (:data:`MEDIA`) or a name of the NIST tables, in either case.
    density_g_cm3
        Mass density to use in place of the medium's own [g/cm3].

    Returns
    -------
    tuple
        The material, and the density [g/cm3].

    Raises
    ------
    InputError
        A name that is not known, with near ones; a density that no medium has.
    """
    if not name.strip() or name.strip().lower() in ("vacuum", "none", "nothing"):
        raise InputError(
            f"the medium {name!r}",
            why="a kernel is the energy that a medium absorbs: without one nothing is deposited",
            suggestion=f"name one: {', '.join(MEDIA)}; for a thin gas give air and its density",
            field="medium",
        )
    word = " ".join(name.replace("_", " ").replace("-", " ").split()).lower()
    nist, own = MEDIA.get(word, (name.strip(), None))
    known = {entry.upper(): entry for entry in nist_names()}
    if nist.upper() not in known:
        words = [*MEDIA, *(entry.lower() for entry in nist_names())]
        near = nearest(word, words, n=3, cutoff=0.4)
        raise InputError(
            f"unknown medium {name!r}",
            why=f"there are {', '.join(MEDIA)}, and the {len(known)} materials of the NIST tables",
            suggestion="did you mean " + " or ".join(repr(entry) for entry in near) + "?" if near else "",
            field="medium",
        )
    material = nist_material(nist)
    density = density_g_cm3 if density_g_cm3 is not None else own or material.nominal_density_g_cm3
    if not 1e-4 <= density <= 25.0:
        raise InputError(
            f"a density of {density:g} g/cm3",
            why="media have 0.0001 (a thin gas) to 25 g/cm3",
            suggestion="give it in g/cm3: water has 1, lung 0.26, cortical bone 1.85",
            field="density",
        )
    return material, float(density)
