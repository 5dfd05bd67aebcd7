"""Problem files (.npz): arrays of other values, shapes, types and orders; archives that are damaged or hostile."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ....engine.transport.options import PhysicsOptions
from ....engine.transport.problem_file import load_problem
from ..damage import damaged, transplanted
from ..sample import Kind, Reading, Sample

SHAPE = (2, 3, 4)
WATER = {
    "name": "water", "Z": [1, 8], "mass_fraction": [0.111894, 0.888106], "mean_excitation_ev": 75.0,
    "nominal_density_g_cm3": 1.0,
}  # fmt: skip
AIR = {**WATER, "name": "air", "Z": [7, 8], "mass_fraction": [0.76, 0.24], "mean_excitation_ev": 85.7}
_DENSITY = np.linspace(0.9, 1.2, 24).reshape(SHAPE).astype(np.float32)
BASE: dict[str, Any] = {
    "density_g_cm3": _DENSITY,
    "material": (np.arange(24).reshape(SHAPE) % 2).astype(np.uint8),
    "materials": [WATER, AIR],
    "voxel_size_mm": np.array([3.0, 2.0, 2.5]),
    "source": np.arange(24, dtype=np.float32).reshape(SHAPE),
    "emission": {
        "electron_lines": [[0.2, 1.0]],
        "photon_lines": [[0.364, 0.8]],
        "beta_spectrum": {"MeV": [0.0, 0.3, 0.6], "per_MeV_per_decay": [1.0, 2.0, 0.0]},
    },
    "regions": (np.arange(24).reshape(SHAPE) % 3).astype(np.uint8),
    "region_names": ["tumour", "liver"],
    "physics": {"photons": "off"},
    "notes": {"origin": "made"},
}
_GRIDS = ("density_g_cm3", "material", "source", "regions")
#: A time stamp that does not change with the clock.
_TIME = (2026, 1, 5, 9, 0, 0)


class Touch:
    """Unpickled, it would make a folder."""

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.mkdir, (Path("ran"),)


def npy(value: Any) -> bytes:
    """An array file; lists and objects as JSON text."""
    out = io.BytesIO()
    value = np.array(json.dumps(value)) if isinstance(value, dict | list) else np.asanyarray(value)
    np.save(out, value, allow_pickle=False)
    return out.getvalue()


def header(shape: str, kind: str = "'<f4'", order: str = "False", version: bytes = b"\1\0") -> bytes:
    """The header of an array file without its values."""
    text = f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2 if version[0] == 1 else 4, "little") + text.encode()


def archive(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A ZIP file of array files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name, _TIME)
            info.compress_type = method
            file.writestr(info, content)
    return out.getvalue()


def entries(base: dict[str, Any]) -> dict[str, bytes]:
    """Array files by their names in the archive."""
    return {f"{name}.npy": value if isinstance(value, bytes) else npy(value) for name, value in base.items()}


def truth_of(base: dict[str, Any]) -> dict[str, Any]:
    """What is read of values that are all accepted."""
    return {name: np.asarray(base[name], float) for name in (*_GRIDS, "voxel_size_mm")} | {
        "names": tuple(base["region_names"]), "physics": base["physics"], "notes": base["notes"],
        "electrons": np.asarray(base["emission"]["electron_lines"], float).reshape(-1, 2),
        "beta": np.asarray(base["emission"]["beta_spectrum"]["per_MeV_per_decay"], float),
        "Z": tuple(tuple(one["Z"]) for one in base["materials"]),
    }  # fmt: skip


TRUTH = truth_of(BASE)


def generate(rng: Random) -> Sample:
    """A problem file changed in one way."""
    kind = rng.randrange(12)
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    if kind < 2:
        return _value(rng, method)
    if kind < 4:
        return _same(rng, method)
    if kind == 4:
        return _hostile(rng, method)
    if kind < 7:
        name = rng.choice(("materials", "emission", "physics", "notes", "region_names"))
        base = {**BASE, name: transplanted(BASE[name], rng)}
        try:
            content = archive(entries(base), method)
        except ValueError:  # what NumPy cannot write at all
            content = b""
        return Sample(f"JSON of {name}", {"p.npz": content})
    if kind == 7:
        name = rng.choice(list(BASE))
        changed = entries(BASE)
        if rng.randrange(2):
            del changed[f"{name}.npy"]
        else:
            changed[f"{name}.npy"] = damaged(changed[f"{name}.npy"], rng, head=128)
        return Sample("an entry", {"p.npz": archive(changed, method)})
    # the ZIP format holds a checksum of every entry: what is accepted has the values that were written
    content = damaged(archive(entries(BASE), method), rng)
    return Sample("bytes of the archive", {"p.npz": content}, TRUTH)


def _value(rng: Random, method: int) -> Sample:
    """One number of one array."""
    name = rng.choice((*_GRIDS, "voxel_size_mm", "electron"))
    value = rng.choice((0.0, 1.0, 2.0, 3.0, -1.0, 0.5, 255.0, 256.0, 1e-30, 1e30, np.nan, np.inf, 7.25))
    if name == "electron":
        base = {**BASE, "emission": {**BASE["emission"], "electron_lines": [[value, 1.0]]}}
        return Sample("a line", {"p.npz": archive(entries(base), method)}, truth_of(base))
    whole = np.isfinite(value) and value == int(value) and 0 <= value < 256
    wide = np.array(BASE[name], rng.choice(("f8", "f4", "i2", BASE[name].dtype)) if whole else "f8")
    wide.reshape(-1)[rng.randrange(wide.size)] = value
    base = {**BASE, name: wide}
    return Sample(f"a value of {name}", {"p.npz": archive(entries(base), method)}, truth_of(base))


def _same(rng: Random, method: int) -> Sample:
    """Another order, byte order, type, method of packing, or entries that nobody reads."""
    base = dict(BASE)
    name = rng.choice(_GRIDS)
    kinds = ("<f8", ">f8", "<f4", ">f4") if name in ("density_g_cm3", "source") else ("<i8", ">i4", "u1", ">u2")
    base[name] = np.asarray(BASE[name], rng.choice(kinds))
    if rng.randrange(2):
        base[name] = np.asfortranarray(base[name])
    names = list(base)
    rng.shuffle(names)
    listed = entries({key: base[key] for key in names})
    if rng.randrange(2):
        listed[rng.choice(("extra.npy", "README", "x/y.npy"))] = npy(np.zeros(5))
    return Sample("the same meaning", {"p.npz": archive(listed, method)}, TRUTH, must="read")


def _hostile(rng: Random, method: int) -> Sample:
    """What is refused before it is read."""
    name = rng.choice((*_GRIDS, "voxel_size_mm", "materials"))
    big = str(tuple(rng.choice((10**3, 10**6, 2**31, 2**62, 10**30)) for _ in range(rng.choice((1, 3, 3, 40)))))
    heads = {
        "a huge shape": header(big, rng.choice(("'<f4'", "'<f8'", "'|u1'", "'<U9'"))) + bytes(64),
        "an odd shape": header(
            rng.choice(("(-1, 3, 4)", "(2.0, 3, 4)", "('a',)", "[2, 3, 4]", "(True, 3, 4)", "(2, 3"))
        )
        + bytes(96),
        "an odd type": header("(2, 3, 4)", rng.choice(("'|O'", "'<M8[D]'", "'<c8'", "[('a', '<f4')]", "'|V8'", "'x'")))
        + bytes(192),
        "a pickle": header("(1,)", "'|O'") + pickle.dumps([Touch()]),
        "a bare pickle": pickle.dumps(Touch()),
        "a bomb of zeros": header("(1000, 1000, 100)", "'<f4'"),
        "code in a header": header("__import__('os').mkdir('ran')", rng.choice(("'<f4'", "open('ran','w')"))),
        "an endless header": header("(" * 5000 + ")" * 5000),
    }
    change = rng.choice(list(heads))
    listed = entries({key: value for key, value in BASE.items() if key != name})
    listed[f"{name}.npy"] = heads[change]
    return Sample(change, {"p.npz": archive(listed, method)}, must="refuse")


def read(folder: Path) -> Reading:
    """The problem, part by part."""
    problem = load_problem(folder / "p.npz")
    if (folder / "ran").exists():
        raise AssertionError("code of the problem file ran")
    PhysicsOptions.from_dict(problem.physics, folder / "p.npz")
    return {
        "density_g_cm3": problem.density_g_cm3.astype(float),
        "material": np.asarray(problem.material, float),
        "source": np.asarray(problem.source, float),
        "regions": None if problem.regions is None else np.asarray(problem.regions, float),
        "voxel_size_mm": np.array(problem.voxel_size_mm),
        "names": problem.region_names,
        "physics": problem.physics,
        "notes": problem.notes,
        "electrons": problem.emission.electron_lines,
        "beta": np.asarray(problem.emission.beta_per_mev),
        "Z": tuple(one.Z for one in problem.materials),
    }


KIND = Kind("problem", generate, read, 14, ("simulate", "p.npz", "-o", "r.h5", "--decays", "20", "-q"))
