"""Half-lives and decay branches of ``radioactivedecay`` (ICRP-107), without importing that package.

Its import brings pandas, SymPy and Matplotlib and takes about a second, more than all else that a run does before its
first decay. Here its data file alone is read. When the file is not what this reader knows, the package is imported and
asked: slower, the same numbers (tests/unit/nuclides/test_decay_data.py compares every nuclide).
"""

from __future__ import annotations

import logging
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

log = logging.getLogger(__name__)

#: seconds of the units in the file; years as the file says
SECONDS = {"ps": 1e-12, "ns": 1e-9, "μs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
YEARS = {"y": 1.0, "ky": 1e3, "My": 1e6, "By": 1e9, "Gy": 1e9, "Ty": 1e12, "Py": 1e15}
#: its default data set
FILE = "icrp107_ame2020_nubase2020/decay_data.npz"


class Decay(NamedTuple):
    """Half-life [s] (infinite: stable), and (progeny, branching fraction, mode) of each branch."""

    half_life_s: float
    branches: tuple[tuple[str, float, str], ...]


def decay(name: str) -> Decay:
    """Decay of a nuclide by its canonical name; stable progeny are known too.

    Raises
    ------
    KeyError
        When there are no data for it.
    """
    known = _table()
    return _ask_package(name) if known is None else known[name]


@lru_cache(maxsize=1)
def _table() -> dict[str, Decay] | None:
    """Every nuclide of the file; None when it cannot be read."""
    spec = find_spec("radioactivedecay")
    places = list(spec.submodule_search_locations or ()) if spec else []
    try:
        # the file is the package's own, as trusted as its code: lists of branches are stored as objects
        with np.load(Path(places[0]) / FILE, allow_pickle=True) as z:
            day = float(z["year_conv"]) * SECONDS["d"]
            seconds = {**SECONDS, **{unit: years * day for unit, years in YEARS.items()}}
            rows = zip(z["nuclides"], z["hldata"], z["progeny"], z["bfs"], z["modes"], strict=True)
            return {
                str(name): Decay(
                    float(life[0]) * seconds[str(life[1])],
                    tuple(
                        (str(child), float(share), str(mode))
                        for child, share, mode in zip(children, shares, modes, strict=True)
                    ),
                )
                for name, life, children, shares, modes in rows
            }
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        log.info("the data file of radioactivedecay is another than expected (%s): importing the package", error)
        return None


def _ask_package(name: str) -> Decay:
    import radioactivedecay as rd

    try:
        nuclide = rd.Nuclide(name)
    except ValueError as error:
        raise KeyError(name) from error
    branches = zip(nuclide.progeny(), nuclide.branching_fractions(), nuclide.decay_modes(), strict=True)
    return Decay(
        float(nuclide.half_life("s")), tuple((str(child), float(share), str(mode)) for child, share, mode in branches)
    )
