"""Provenance of a result: code, data tables, input, machine-independent software."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from functools import lru_cache
from importlib import metadata
from typing import Any

import numpy as np

from ..transport.problem import Problem
from ..transport.sums import regions_of
from ..transport.tally import Tally
from ..version import __version__
from . import environment
from .environment import code_hash, table_hashes


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from.

    Parameters
    ----------
    version, commit
        Of hevesy; the commit is that of the checkout, empty when installed.
    code_hash
        SHA-256 of its sources (`environment.code_hash`), by which two are told to be the same; empty in files that do
        not say it.
    input_hash
        SHA-256 of the transport problem (`problem_hash`).
    regions_hash
        SHA-256 of what the transport scored in regions (`regions_hash`); empty in files that do not say it.
    table_hashes
        SHA-256 of each shipped data table, by file name.
    seed, backend, device, wall_time_s
        Of the run; the time in seconds [s].
    physics
        Cut-offs and switches that differ from the defaults, as given.
    created
        UTC, ISO 8601.
    software
        Versions of Python and of the numerical libraries.
    plan
        Of a shard, what the run that it is a part of consists of: ``batches``, their number, and ``mixed``, whether
        results of several backends belong to it; empty where no plan is known.
    """

    version: str = ""
    commit: str = ""
    code_hash: str = ""
    input_hash: str = ""
    regions_hash: str = ""
    table_hashes: dict[str, str] = field(default_factory=dict)
    seed: int = 0
    backend: str = ""
    device: str = ""
    wall_time_s: float = 0.0
    physics: dict[str, Any] = field(default_factory=dict)
    created: str = ""
    software: dict[str, str] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def now(cls, **values: Any) -> Provenance:
        """Filled in from this installation, with `values` on top."""
        known: dict[str, Any] = {
            "version": code_version(),
            "commit": code_commit(),
            "code_hash": code_hash(),
            "table_hashes": table_hashes(),
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "software": software_versions(),
        }
        return cls(**{**known, **values})

    @classmethod
    def of(
        cls, problem: Problem, tally: Tally | None = None, regions: Sequence[np.ndarray] | np.ndarray | None = None
    ) -> Provenance:
        """Of doses of this problem, calculated now; with the tally of the simulation where there was one.

        ``regions`` are the weights that were scored, where they were not the problem's own regions.
        """
        if tally is None:
            return cls.now(input_hash=problem_hash(problem), physics=dict(problem.physics))
        return cls.now(
            input_hash=problem_hash(problem),
            regions_hash=regions_hash(problem, regions),
            seed=tally.seed,
            backend=tally.backend,
            device=tally.device,
            wall_time_s=tally.wall_time_s,
            physics=dict(tally.options or problem.physics),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Provenance:
        """From `to_dict`; unknown keys are left out."""
        return cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})


def code_version() -> str:
    """Version of hevesy."""
    return __version__


@lru_cache(maxsize=1)
def code_commit() -> str:
    """Commit of the checkout (``+changes`` when its files differ), or an empty string when installed."""
    return environment.commit() or ""


def software_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that numbers pass through, those that are installed."""
    versions = {"python": platform.python_version()}
    for name in environment.NUMERICAL_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def problem_hash(problem: Problem) -> str:
    """SHA-256 of all that decides a transport result: geometry, materials, source, emission, physics.

    The regions are not part of it (they score, they do not change a history), nor is the reference dose.
    """
    digest = hashlib.sha256()

    def add(name: str, array: Any, dtype: str) -> None:
        values = np.ascontiguousarray(array, dtype=dtype)
        digest.update(f"{name}:{dtype}:{values.shape};".encode())
        digest.update(values.tobytes())

    add("density", problem.density_g_cm3, "<f4")
    add("material", problem.material, "|u1")
    add("voxel_size", problem.voxel_size_mm, "<f8")
    add("source", problem.source, "<f4")
    for f in fields(problem.emission):
        value = getattr(problem.emission, f.name)
        if isinstance(value, np.ndarray):
            add(f.name, value, "<f8")
    materials = [asdict(material) for material in problem.materials]
    digest.update(json.dumps([materials, problem.physics], sort_keys=True, default=str).encode())
    return digest.hexdigest()


def regions_hash(problem: Problem, regions: Sequence[np.ndarray] | np.ndarray | None = None) -> str:
    """SHA-256 of the regions that a transport scores: their voxels and weights, in order; the names are not part of it.

    Parameters
    ----------
    problem
        Its own regions count where no others are given.
    regions
        Integer weights per voxel of each region, (n, nz, ny, nx).

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for index, weight in regions_of(problem, regions, ())[1]:
        digest.update(f"{index.size};".encode())
        digest.update(np.ascontiguousarray(index, "<i8").tobytes() + np.ascontiguousarray(weight, "<i8").tobytes())
    return digest.hexdigest()
