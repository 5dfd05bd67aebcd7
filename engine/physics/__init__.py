"""Cross sections, stopping powers and scattering laws of materials, from the shipped data tables."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Material": "material",
        "nist_material": "composition",
    },
)
