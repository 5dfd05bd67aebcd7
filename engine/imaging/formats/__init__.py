"""Volume files: headers of NIfTI, NRRD and MetaImage to geometry and voxels, decided here and not by a library."""

from __future__ import annotations

from ...faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "VolumeHeader": "header",
        "read_volume_header": "read",
    },
)
