"""Voxel S kernels in files of hevesy's own: .npz, and NIfTI with the facts beside."""

from __future__ import annotations

import tempfile
import zipfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ....engine.dose.voxel_s import Told, read_kernel, write_kernel
from ....engine.dose.voxel_s.kernel import VoxelKernel
from ....engine.files import parse_json
from ..damage import damaged, transplanted
from ..sample import Kind, Reading, Sample
from .problem import archive, header, npy
from .tables import generate_s


@cache
def _files() -> dict[str, bytes]:
    """A kernel written in both forms."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = next(sample for seed in range(100) if (sample := generate_s(Random(seed))).must == "read")
        table.write(folder)
        told = Told(nuclide="I-131", voxel_size_mm=(3.0, 3.0, 3.0), medium="soft tissue", density_g_cm3=1.04)
        kernel = read_kernel(folder / "t.csv", told)
        (folder / "t.csv").unlink()
        for suffix in (".npz", ".nii.gz"):
            write_kernel(kernel, folder / f"k{suffix}")
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@cache
def _entries() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "k.npz"
        file.write_bytes(_files()["k.npz"])
        with np.load(file, allow_pickle=False) as content:
            return {key: content[key] for key in content.files}


def _truth() -> dict[str, Any]:
    return {"energy": np.asarray(_entries()["energy_mev"], float)}


def generate_npz(rng: Random) -> Sample:
    """A kernel file."""
    kind, method = rng.randrange(6), rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    base = _entries()
    if kind == 0:
        names = list(base)
        rng.shuffle(names)
        content = archive({f"{name}.npy": npy(base[name]) for name in names}, method)
        return Sample("the same meaning", {"k.npz": content}, _truth(), must="read")
    if kind == 1:
        energy = base["energy_mev"].copy()
        energy.reshape(-1)[rng.randrange(energy.size)] *= rng.choice((0.9, 1.1, 0.0, -1.0, 1e9, np.nan))
        content = archive({f"{key}.npy": npy(value) for key, value in {**base, "energy_mev": energy}.items()}, method)
        return Sample("a value", {"k.npz": content}, {"energy": energy})
    if kind == 2:
        facts = transplanted(parse_json(str(base["facts"])), rng)
        try:
            content = archive({f"{key}.npy": npy(value) for key, value in {**base, "facts": facts}.items()}, method)
        except ValueError:
            content = b""
        return Sample("a fact", {"k.npz": content})
    if kind == 3:
        name = rng.choice(("energy_mev", "standard_error_mev", "facts"))
        shape = str(tuple(rng.choice((3, 10**6, 2**40)) for _ in range(3)))
        listed = {f"{key}.npy": npy(value) for key, value in base.items()}
        listed[f"{name}.npy"] = header(shape, rng.choice(("'<f8'", "'|O'", "'<M8[s]'"))) + bytes(64)
        return Sample("a huge or odd array", {"k.npz": archive(listed, method)}, must="refuse")
    return Sample("bytes", {"k.npz": damaged(_files()["k.npz"], rng)}, _truth())


def generate_nifti(rng: Random) -> Sample:
    """A map of S with its standard errors and facts."""
    files = dict(_files())
    del files["k.npz"]
    if rng.randrange(4) == 0:
        return Sample("the same meaning", files, _truth(), must="read")
    name = rng.choice(list(files))
    if name.endswith(".json") and rng.randrange(2):
        import json

        text = json.dumps(transplanted(parse_json(files[name].decode()), rng))
        return Sample("a fact", {**files, name: text.encode("utf-8", "surrogatepass")})
    damage = damaged(files[name], rng)
    truth = {} if name.endswith(".json") else _truth()
    return Sample("bytes", {**files, name: damage}, truth)


def _read(folder: Path, name: str) -> Reading:
    kernel = read_kernel(folder / name)
    assert isinstance(kernel, VoxelKernel) and np.isfinite(kernel.energy_mev).all()
    return {"energy": np.asarray(kernel.energy_mev, float)}


def read_npz(folder: Path) -> Reading:
    """Energies of the kernel."""
    return _read(folder, "k.npz")


def read_nifti(folder: Path) -> Reading:
    """Energies of the kernel."""
    return _read(folder, "k.nii.gz")


KINDS = (Kind("kernel-npz", generate_npz, read_npz, 2), Kind("kernel-nifti", generate_nifti, read_nifti, 1))
