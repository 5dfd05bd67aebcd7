"""``hevesy import``: a pile of files to a case."""

from __future__ import annotations

from ...faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Sorted": "sort",
        "Wishes": "wishes",
        "WrittenCase": "case_text",
        "case_of": "case_text",
        "sort_folder": "sort",
    },
)
