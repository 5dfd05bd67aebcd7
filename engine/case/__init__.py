"""The case file: what a user asks for, checked and with units."""

from __future__ import annotations

from ..faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Case": "model",
        "Visit": "model",
        "checked_transport": "transport",
        "with_changes": "changes",
    },
)
