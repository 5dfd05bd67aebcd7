"""Voxel S kernels on disk: a kernel is simulated once for all that makes its numbers.

A file is named by the hash of the request, of every module and table that a number passes through, of the numerical
libraries, and of the backend. It holds the hash of its own content; one that is damaged or foreign is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
from dataclasses import asdict, fields
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ....kernels.cache import UnsafeCacheError, cache_root, places, store
from ....kernels.loader import source_hash
from ...archive import Archive
from ...errors import InputError
from ...progress import Progress, Stop
from ...transport.engines import backend_behind
from .kernel import VoxelKernel
from .make import KernelRequest, make_kernel
from .symmetry import octant_of, unfolded

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[3]
#: What decides a number besides the request and the neutral sources of `kernels/`.
SOURCES = (
    "engine/constants.py",
    "engine/statistics.py",
    "engine/dose/local.py",
    "engine/dose/voxel_s/*.py",
    "engine/physics/*.py",
    "engine/transport/*.py",
    "engine/transport/tables/*.py",
    "kernels/data/physics.h5",
)
LIBRARIES = ("numpy", "scipy", "numba", "llvmlite")
#: Most bytes that are stored; the files used longest ago are deleted first.
LARGEST_CACHE = 1 << 30
FORMAT = "hevesy-kept-kernel-1"
#: Facts of a kernel that are stored beside its octant.
FACTS = ("emitted_mev", "decays", "seed", "backend", "averaged_from_mm")


def kept_kernel(
    request: KernelRequest, *, backend: str = "auto", progress: Progress | None = None, stop: Stop | None = None
) -> VoxelKernel:
    """The kernel of a request: from the cache, or simulated and stored there.

    Parameters
    ----------
    request
        What is wanted.
    backend
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    progress, stop
        As in :func:`make_kernel`.

    Returns
    -------
    VoxelKernel
        Exactly equal, cached or not.
    """
    return kept_or_made(request, backend=backend, progress=progress, stop=stop)[0]


def kept_or_made(
    request: KernelRequest, *, backend: str = "auto", progress: Progress | None = None, stop: Stop | None = None
) -> tuple[VoxelKernel, bool]:
    """:func:`kept_kernel`, and whether it came from the cache: a damaged file is there and gives none."""
    file = cache_file(request, backend)
    if file is not None:
        kernels = (_load(place, request) for place in places(file))
        kernel = next((kernel for kernel in kernels if kernel is not None), None)
        if kernel is not None:
            return kernel, True
    kernel = make_kernel(request, backend=backend, progress=progress, stop=stop)
    if file is not None:
        _store(file, kernel)
    return kernel, False


def cache_file(request: KernelRequest, backend: str = "auto") -> Path | None:
    """File in which the kernel of a request is cached, None where there can be no cache."""
    try:
        root = cache_root()
    except UnsafeCacheError as error:
        log.warning("kernels are not cached: %s", error)
        return None
    digest = hashlib.sha256(_made_by().encode())
    digest.update(backend_behind(backend).encode())
    for name, value in sorted(_parts(request).items()):
        digest.update(f"{name}:".encode())
        digest.update(value)
    return root / "voxel_s" / f"{digest.hexdigest()[:40]}.npz"


def _parts(request: KernelRequest) -> dict[str, bytes]:
    """All of a request, name by name, as bytes."""
    parts: dict[str, bytes] = {}
    for field in fields(request):
        value: Any = getattr(request, field.name)
        if field.name == "emission":
            for inner in fields(value):
                array = getattr(value, inner.name)
                if isinstance(array, np.ndarray):  # the nuclide's name is a label
                    numbers = np.ascontiguousarray(array, "<f8")
                    parts[f"emission.{inner.name}"] = f"{numbers.shape}".encode() + numbers.tobytes()
        else:
            plain = asdict(value) if field.name == "medium" else value
            parts[field.name] = json.dumps(plain, sort_keys=True, default=float).encode()
    return parts


@lru_cache(maxsize=1)
def _made_by() -> str:
    digest = hashlib.sha256(source_hash().encode())
    for pattern in SOURCES:
        for file in sorted(ROOT.glob(pattern)):
            digest.update(file.relative_to(ROOT).as_posix().encode())
            digest.update(file.read_bytes())
    for library in LIBRARIES:
        try:
            digest.update(f"{library} {version(library)}".encode())
        except PackageNotFoundError:
            continue
    return digest.hexdigest()


def _content_hash(energy: np.ndarray, error: np.ndarray, facts: str) -> str:
    digest = hashlib.sha256(f"{FORMAT}{energy.shape}{error.shape}{facts}".encode())
    for array in (energy, error):
        digest.update(np.ascontiguousarray(array, "<f8").tobytes())
    return digest.hexdigest()


def _load(file: Path, request: KernelRequest) -> VoxelKernel | None:
    if not file.is_file():
        if os.path.lexists(file):
            log.warning("a cached kernel is no file (%s), and none can be stored in its place: remove it", file)
        return None
    try:
        archive = Archive(file, "a cached kernel")
        archive.check_memory(["energy_mev", "standard_error_mev"])
        energy, error = archive.numbers("energy_mev"), archive.numbers("standard_error_mev")
        text = archive.text("facts")
        if _content_hash(energy, error, text) != archive.text("sha256"):
            raise ValueError("its content does not have the hash that it states")
        facts = json.loads(text)
        if facts["key"] != file.stem:
            raise ValueError("it belongs to another request")
        kernel = VoxelKernel(
            energy_mev=unfolded(energy),
            standard_error_mev=unfolded(error),
            voxel_size_mm=request.voxel_size_mm,
            medium=request.medium,
            density_g_cm3=request.density_g_cm3,
            emission=request.emission,
            notes=tuple(facts["notes"]),
            **{name: facts[name] for name in FACTS},
        )
        os.utime(file)
    except (InputError, OSError, ValueError, KeyError, TypeError) as error:
        log.warning("a cached kernel cannot be read (%s): %s; it is made again", file, error)
        return None
    return kernel


def _store(file: Path, kernel: VoxelKernel) -> None:
    """Store a kernel; a failure to write only means that it is made again."""
    facts = json.dumps({"key": file.stem, "notes": kernel.notes} | {name: getattr(kernel, name) for name in FACTS})
    energy, error = octant_of(kernel.energy_mev), octant_of(kernel.standard_error_mev)
    out = io.BytesIO()
    np.savez(
        out,
        energy_mev=energy,
        standard_error_mev=error,
        facts=np.array(facts),
        sha256=np.array(_content_hash(energy, error, facts)),
    )
    stored = store(file, out.getvalue(), sealed=False)
    if stored is not None:
        _prune(stored.parent)


def _prune(folder: Path) -> None:
    """Remove the files that were used longest ago; another process may be doing the same."""
    files = []
    for file in folder.glob("*.npz"):
        with contextlib.suppress(OSError):
            found = file.stat()
            files.append((found.st_mtime, found.st_size, file))
    total = 0
    for number, (_, size, file) in enumerate(sorted(files, reverse=True)):
        total += size
        if total > LARGEST_CACHE and number:
            with contextlib.suppress(OSError):
                file.unlink()
