"""Voxel S kernels: made by our own transport, cached, written and read."""

from __future__ import annotations

from ...faces import face

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "VoxelKernel": "kernel",
        "KernelRequest": "make",
        "make_kernel": "make",
        "kept_kernel": "cache",
        "medium_named": "media",
        "Told": "told",
        "read_kernel": "files",
        "write_kernel": "files",
    },
)
