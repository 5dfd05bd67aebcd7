"""Result files (HDF5): parts that are other than they should be, links that lead out, damaged bytes."""

from __future__ import annotations

import io
import json
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

from ....engine.nuclides.emission import Emission
from ....engine.physics.material import Material
from ....engine.results.result import Result
from ....engine.simulation import simulate
from ....engine.transport.problem import Problem
from ..damage import damaged, odd_value
from ..sample import Kind, Reading, Sample

_VALUES: tuple[Any, ...] = (
    1, -1, "x", b"\xff", np.zeros(3), np.array([b"a"]), "", 1e300, np.nan, "[]", "null", True, np.zeros(0), 2**63,
    "[" * 20_000, np.arange(24).reshape(2, 3, 4), "../x", np.array(1 + 2j), np.zeros((2, 2), [("a", "f4")]),
)  # fmt: skip


#: When the result was made and how long it took [s]: what the clock says would make each base another one.
_MADE = {"created": "2026-01-05T09:00:00+00:00", "wall_time_s": 0.05}


@cache
def base() -> bytes:
    """The result of a few decays, simulated without a compiler; the same bytes each time."""
    water = Material("water", (1, 8), (0.111894, 0.888106), 75.0, 1.0)
    shape = (2, 3, 4)
    regions = (np.arange(24).reshape(shape) % 2).astype(np.uint8)
    emission = Emission(electron_lines=np.array([[0.03, 1.0]]))
    ones = np.ones(shape, np.float32)
    problem = Problem(
        ones, np.zeros(shape, np.uint8), (water,), (3.0, 3.0, 3.0), ones, emission, regions=regions, region_names=("a",)
    )
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "r.h5"
        made = simulate(problem, 20, backend="python")
        replace(made, provenance=replace(made.provenance, **_MADE)).save(file)
        return file.read_bytes()


@cache
def _truth() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "r.h5").write_bytes(base())
        return read(Path(name))


@cache
def _parts() -> tuple[list[str], list[str], list[tuple[str, str]]]:
    """Datasets and groups, attributes of the file, attributes of its parts."""
    names: list[str] = []
    with h5py.File(io.BytesIO(base()), "r") as file:
        file.visit(names.append)
        return names, list(file.attrs), [(name, key) for name in names for key in file[name].attrs]


def generate(rng: Random) -> Sample:
    """A result file with damaged bytes: what is read is what was written."""
    if rng.randrange(8) == 0:
        return Sample("the same", {"r.h5": base()}, _truth(), must="read")
    return Sample("bytes", {"r.h5": damaged(base(), rng, head=rng.choice((0, 0, 2048)))}, _truth())


def generate_parts(rng: Random) -> Sample:
    """A result file with one part changed by HDF5 itself."""
    hostile = rng.randrange(4) == 0
    change = _hostile(rng) if hostile else _part(rng)
    out = io.BytesIO(base())
    with h5py.File(out, "a") as file:
        try:
            change(file)
        except (TypeError, ValueError, OSError, KeyError, RuntimeError, OverflowError):  # what HDF5 does not write
            hostile = False
    return Sample("a hostile part" if hostile else "a part", {"r.h5": out.getvalue()}, must="refuse" if hostile else "")


def _part(rng: Random) -> Any:
    names, keys, others = _parts()
    kind, value = rng.randrange(5), rng.choice((*_VALUES, json.dumps(odd_value(rng), default=str)))
    name, key, (where, other) = rng.choice(names), rng.choice(keys), rng.choice(others)

    def change(file: h5py.File) -> None:
        if kind == 0:
            file.attrs[key] = value
        elif kind == 1:
            file[where].attrs[other] = value
        elif kind == 2:
            del file[name]
        elif kind == 3:
            del file.attrs[key]
        else:
            del file[name]
            file[name] = value

    return change


def _hostile(rng: Random) -> Any:
    """What is refused before it is read."""
    names, _, _ = _parts()
    name = rng.choice([one for one in names if one in ("density", "tally/energy_quanta", "balance", "dose/mc/mean")])
    kind, huge = rng.randrange(7), (10**6,) * 3

    def change(file: h5py.File) -> None:
        own = file[name]
        shape, dtype = own.shape, own.dtype
        attributes = dict(own.attrs)
        del file[name]
        if kind == 0:
            file[name] = h5py.ExternalLink("/etc/hostname", f"/{name}")
        elif kind == 1:
            file[name] = h5py.SoftLink("/balance")
        elif kind == 2:
            file.create_dataset(name, shape=shape, dtype=dtype, external=[("/etc/hostname", 0, 1 << 20)])
        elif kind == 3:
            layout = h5py.VirtualLayout(shape=shape, dtype=dtype)
            layout[...] = h5py.VirtualSource("/etc/hostname", name, shape=shape)
            file.create_virtual_dataset(name, layout)
        elif kind == 4:
            file.create_dataset(name, shape=huge, dtype=dtype, chunks=(1, 100, 100))
        elif kind == 5:
            file.create_dataset(name, shape=(1000, 1000, 400), dtype=dtype, chunks=(1, 1000, 400), compression="gzip")
        else:
            file.create_group(name)
        file[name].attrs.update(attributes)

    return change


def read(folder: Path) -> Reading:
    """The numbers of the result, and what says how they came about."""
    result = Result.load(folder / "r.h5")
    tally = result.tally
    dose = next(iter(result.doses.values())) if result.doses else None
    return {
        "density": np.asarray(result.density_g_cm3, float),
        "mean": None if dose is None else np.asarray(dose.mean, float),
        "sigma": None if dose is None or dose.sigma is None else np.asarray(dose.sigma, float),
        "quanta": None if tally is None else tally.energy_quanta.tolist(),
        "squared": None if tally is None else tally.energy_quanta_squared.tolist(),
        "regions": None if tally is None else tally.region_quanta.tolist(),
        "batches": None if tally is None else tally.batch_ids.tolist(),
        "balance": None if tally is None else dict(tally.balance),
        "seed": result.provenance.seed,
        "input": result.provenance.input_hash,
        "complete": result.complete,
        "spacing": tuple(result.grid.spacing_mm),
        "names": None if tally is None else tuple(tally.region_names),
    }


WORDS = ("merge", "r.h5", "-o", "m.h5")
KINDS = (Kind("result", generate, read, 2, WORDS), Kind("result-parts", generate_parts, read, 2, WORDS))
