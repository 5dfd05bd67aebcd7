"""The builds of the kernel that are compared, and the problems that they are compared on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from hevesy.benchmarks import gpu_problems as problems

#: threads of a block; the first is the default
THREADS = (128, 64, 256)
#: decays of the batch whose integers are compared
DECAYS_COMPARED = 200_000
SEED = 1


def options_of(given: Mapping[str, Any]) -> Any:
    """Options from a fact, which may hold more."""
    from hevesy.kernels.backends.cuda_options import CudaOptions

    return CudaOptions(**{name: given[name] for name in CudaOptions._fields if name in given})


def builds(given: Mapping[str, Any]) -> list[Any]:
    """Options that need machine code of their own: the default first, then every schedule, then lower ceilings.

    Parameters
    ----------
    given
        Settings of the run: how many of them are compared, under ``"builds"``.
    """
    from hevesy.kernels.backends.cuda_options import DEFAULT, REGISTER_CEILINGS
    from hevesy.kernels.backends.cuda_target import SCHEDULES

    schedules = [DEFAULT.schedule, *(name for name in SCHEDULES if name != DEFAULT.schedule)]
    ceilings = [DEFAULT.max_registers, *(n for n in REGISTER_CEILINGS if n != DEFAULT.max_registers)]
    listed = [DEFAULT._replace(schedule=name, max_registers=ceiling) for ceiling in ceilings for name in schedules]
    return listed[: given.get("builds")]


def engine(world: Any, options: Any, seed: int = SEED, devices: int = 1, tiles: int | None = None) -> Any:
    """An engine of a world on the first devices, with these options whatever a file says of the card."""
    from hevesy.kernels.backends import cuda, cuda_probe

    return cuda.Engine(world, seed, devices=cuda_probe.devices()[:devices], tiles=tiles, options=options)


def batch_of(engine: Any, voxels: int, per_batch: int, batch: int = 0) -> tuple[dict[str, int], np.ndarray]:
    """Counters and tally of a batch.

    Raises
    ------
    ArithmeticError
        If energy is not conserved to the quantum.
    """
    tally = np.zeros(voxels, np.int64)
    counters = engine.run_batch(batch, per_batch, tally)
    lost = counters["emitted"] - counters["deposited"] - counters["escaped"]
    scored = counters["deposited"] - counters.get("transferred", 0) + counters.get("track_scored", 0)
    if lost or int(tally.sum()) != scored or counters["decays"] != per_batch:
        raise ArithmeticError(f"{lost} quanta lost, {int(tally.sum()) - scored} too many in voxels")
    return counters, tally


def digest(counters: Mapping[str, int], tally: np.ndarray) -> str:
    """Short hash of all integers of a batch."""
    sha = hashlib.sha256(repr(sorted(counters.items())).encode())
    sha.update(tally.tobytes())
    return sha.hexdigest()[:16]


def patients() -> dict[str, Any]:
    """The patients of the targets, by name."""
    return {name: problems.load(name) for name in problems.PATIENTS}
