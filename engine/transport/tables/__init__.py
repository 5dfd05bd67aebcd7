"""Physics tables: built from the cross sections, laid out flat, cached."""

from __future__ import annotations

from ...faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Needs": "layout",
        "PhysicsTables": "layout",
        "tables_of": "lookup",
    },
)
