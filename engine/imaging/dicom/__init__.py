"""DICOM: finding the files of a series and stacking its slices."""

from __future__ import annotations

from ...faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Header": "find",
        "read_header": "find",
        "series_headers": "members",
        "exists": "find",
        "split_path": "find",
        "Stack": "series",
    },
)
