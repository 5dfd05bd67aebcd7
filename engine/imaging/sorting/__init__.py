"""``hevesy import``: a pile of files to a case."""

from __future__ import annotations

from ...faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Sorted": "sort",
        "sort_folder": "sort",
    },
)
