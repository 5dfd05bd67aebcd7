"""The physics tables of a run, from the cache where they have been built before."""

from __future__ import annotations

from . import cache
from .layout import Needs, PhysicsTables


def tables_of(needs: Needs) -> PhysicsTables:
    """The tables, from the cache where they have been built before.

    Parameters
    ----------
    needs
        Materials, cut-offs and switches that the tables depend on.

    Returns
    -------
    PhysicsTables
        Laid out flat, as the kernels read them.
    """
    cached = cache.load(needs, PhysicsTables)
    if cached is None:
        from .build import build  # loads SciPy, which takes longer than reading cached tables

        cached = build(needs)
        cache.store(needs, cached)
    return cached
