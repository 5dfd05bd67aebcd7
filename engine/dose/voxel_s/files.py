"""Files of voxel S kernels: .npz, .csv and NIfTI, written and read by the ending of their names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...archive import Archive
from ...constants import JOULE_PER_MEV
from ...errors import InputError
from ...files import parse_json, read_json, sidecar, write_json, written_whole
from ...grid import Grid, to_sitk, write_sitk
from ...imaging.volumes import read_file
from ...text import number, percent
from .facts import checked, facts_of, kernel_of
from .kernel import GY_PER_DECAY, VoxelKernel
from .table import read_table, write_table
from .told import Told

#: Endings of the files, in the order in which help and messages list them.
SUFFIXES = (".npz", ".csv", ".nii.gz", ".nii")
#: Other endings of tables that are read.
TEXT_SUFFIXES = (".csv", ".txt", ".tsv", ".dat")


def kernel_suffix(path: Path, *, reading: bool = False) -> str:
    """The ending that says of which format a file is.

    Raises
    ------
    InputError
        Another ending, with those that there are.
    """
    name = path.name.lower()
    known = (*SUFFIXES, *TEXT_SUFFIXES[1:]) if reading else SUFFIXES
    for suffix in known:
        if name.endswith(suffix):
            return ".csv" if suffix in TEXT_SUFFIXES else suffix
    raise InputError(
        f"has the ending {path.suffix!r}" if path.suffix else "has no ending",
        why=f"the ending says the format of a kernel: {', '.join(known)}",
        suggestion=f"name it for example {(path.stem or 'kernel') + '.npz'}",
        file=path,
    )


def files_of(path: Path) -> list[Path]:
    """The files that writing a kernel to a name makes or replaces, that of the name first."""
    suffix = kernel_suffix(path)
    return [path, _error_path(path, suffix), sidecar(path)] if suffix.startswith(".nii") else [path]


def write_kernel(kernel: VoxelKernel, path: str | Path) -> list[Path]:
    """Write a kernel.

    Parameters
    ----------
    kernel
        The kernel.
    path
        ``.npz`` (everything), ``.csv`` (the table i, j, k, S of the octant with its standard errors) or ``.nii.gz``
        (a map of S [mGy/(MBq s)], beside it its standard errors and the facts as JSON).

    Returns
    -------
    list of Path
        The files written, that of the given name first.

    Raises
    ------
    InputError
        Another ending.
    """
    path = Path(path)
    suffix = kernel_suffix(path)
    if suffix == ".npz":
        return [_write_npz(kernel, path)]
    if suffix == ".csv":
        return [write_table(kernel, path)]
    return _write_nifti(kernel, path)


def read_kernel(path: str | Path, told: Told | None = None) -> VoxelKernel:
    """Read a kernel: a file of this program, or a published table of voxel S values.

    Parameters
    ----------
    path
        ``.npz``, ``.nii``, ``.nii.gz``, or a text table (``.csv``, ``.txt``, ``.tsv``, ``.dat``) of i, j, k and S:
        one octant, its part with i <= j <= k where the sides are equal, or all offsets.
    told
        What the file does not say itself: nuclide, voxel, medium, density, unit. Stated in both places, the two must
        agree.

    Returns
    -------
    VoxelKernel
        Complete by symmetry; standard errors are zero where the file has none.

    Raises
    ------
    InputError
        A file that is damaged or of another format; facts that are missing or contradict each other; holes,
        duplicates that differ, a unit that cannot be.
    """
    path, told = Path(path), told or Told()
    suffix = kernel_suffix(path, reading=True)
    if suffix == ".csv":
        return read_table(path, told)
    if not path.is_file():
        raise InputError("no such file", why="there is no kernel to read", suggestion="check the path", file=path)
    kernel = _read_npz(path) if suffix == ".npz" else _read_nifti(path, told)
    told.check(kernel, path)
    return kernel


# ------------------------------------------------------------------------------------------------------------ npz


def _write_npz(kernel: VoxelKernel, path: Path) -> Path:
    with written_whole(path) as part, part.open("wb") as out:
        np.savez(
            out,
            energy_mev=np.asarray(kernel.energy_mev, "<f8"),
            standard_error_mev=np.asarray(kernel.standard_error_mev, "<f8"),
            voxel_size_mm=np.asarray(kernel.voxel_size_mm, "<f8"),
            facts=np.array(json.dumps(facts_of(kernel), ensure_ascii=True)),
        )
    return path


def _read_npz(path: Path) -> VoxelKernel:
    archive = Archive(path, "a kernel")
    needed = ("energy_mev", "standard_error_mev", "facts")
    missing = [name for name in needed if name not in archive.entries]
    if missing:
        raise InputError(
            f"has no {missing[0]!r}",
            why=f"a kernel file holds {', '.join(needed)}",
            suggestion="is it a kernel of `hevesy kernels`? A problem file is not",
            file=path,
        )
    archive.check_memory(needed[:2])
    try:
        facts = parse_json(archive.text("facts"))
    except ValueError as damage:
        why, advice = f"its facts are no JSON: {damage}", "write it again with `hevesy kernels`"
        raise InputError("is damaged", why=why, suggestion=advice, file=path) from None
    energy, error = (archive.numbers(name).astype(np.float64) for name in needed[:2])
    return kernel_of(energy, error, facts if isinstance(facts, dict) else {}, path)


# ---------------------------------------------------------------------------------------------------------- NIfTI


def _error_path(path: Path, suffix: str) -> Path:
    return path.with_name(path.name[: -len(suffix)] + "_standard_error" + suffix)


def _write_nifti(kernel: VoxelKernel, path: Path) -> list[Path]:
    kz, ky, kx = kernel.reach
    dz, dy, dx = kernel.voxel_size_mm
    nz, ny, nx = kernel.energy_mev.shape
    grid = Grid((nz, ny, nx), (dz, dy, dx), (-kz * dz, -ky * dy, -kx * dx))
    scale = JOULE_PER_MEV / (kernel.voxel_mass_g * 1e-3) / GY_PER_DECAY
    text = (
        f"{kernel.emission.nuclide} voxel S mGy/(MBq s) {kernel.medium.name.lower()[:22]} "
        f"{number(kernel.density_g_cm3)} g/cm3 truncated {percent(kernel.truncated_share)}"
    )
    out = files_of(path)
    _write_image(out[0], grid, kernel.s_mgy_per_mbq_s, text)
    _write_image(out[1], grid, kernel.standard_error_mev * scale, "standard error: " + text)
    write_json(out[2], facts_of(kernel) | {"unit": "mGy/(MBq s)"})
    return out


def _write_image(path: Path, grid: Grid, values: np.ndarray, text: str) -> None:
    image = to_sitk(grid, np.asarray(values, np.float64))
    image.SetMetaData("ITK_FileNotes", text[:79])
    with written_whole(path) as part:
        write_sitk(image, part)


def _read_nifti(path: Path, told: Told) -> VoxelKernel:
    volume = read_file(path, "S", np.float64)
    beside = sidecar(path)
    facts: dict[str, Any] = {}
    unit = None
    if beside.is_file():
        content = read_json(beside)
        facts = content if isinstance(content, dict) and "format" in content else {}
    sizes = tuple(float(v) for v in volume.grid.spacing_mm)
    if facts:
        blank = kernel_of(np.ones((1, 1, 1)), np.zeros((1, 1, 1)), facts, beside, check=False)
        factor = blank.voxel_mass_g * 1e-3 / JOULE_PER_MEV * GY_PER_DECAY
        told.same_voxel(sizes, blank.voxel_size_mm, path)
    else:
        blank = told.kernel(sizes, path)
        factor, unit = told.mev_per_value(blank, None, path)
    error = np.zeros(volume.values.shape)
    of_errors = _error_path(path, ".nii.gz" if path.name.lower().endswith(".nii.gz") else ".nii")
    if facts and of_errors.is_file():
        error = read_file(of_errors, "S", np.float64).values
    kernel = replace(blank, energy_mev=volume.values.astype(np.float64) * factor, standard_error_mev=error * factor)
    held, stated = float(kernel.energy_mev.sum()), facts.get("deposited_mev")
    if isinstance(stated, int | float) and abs(held - stated) > 1e-6 * kernel.emitted_mev:
        raise InputError(
            f"holds {held:.6g} MeV per decay, the facts beside it say {stated:.6g}",
            why=f"{beside.name} belongs to another kernel",
            suggestion="write both again with `hevesy kernels`, or remove the facts and state them",
            file=path,
        )
    return checked(kernel, path, unit)
