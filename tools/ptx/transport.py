"""The transport kernels on the CPU: their PTX executed on problems, beside the compiled CPU target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from hevesy.benchmarks import gpu_problems
from hevesy.kernels.backends.cuda_target import SCHEDULES
from hevesy.tools import cuda_offline

from . import emulator

#: every kernel that an engine may launch
KERNELS = tuple(
    cuda_offline.Kernel(tiled, track_length, schedule)
    for track_length, schedule, tiled in product((False, True), SCHEDULES, (False, True))
)
#: counters that count energy [quanta]: rounding shows in them at once. The others count what happened.
ENERGIES = ("emitted", "escaped", "deposited", "track_scored", "transferred")
#: blocks and threads, the last warp full or not, and the order of the warps
LAUNCHES = ((1, 32, 0), (4, 64, 1), (2, 128, 2), (3, 96, 3), (1, 256, 0), (5, 33, 4))
WINDOWS = 3
SHEET, SHEET_TRACK_LENGTH = "sheet", "sheet_track_length"


class Outcome(NamedTuple):
    """What a batch left: the tally [quanta], the counters by name and the number of NaN that became integers."""

    tally: np.ndarray
    counters: dict[str, int]
    nan: int

    @property
    def events(self) -> dict[str, int]:
        """Counters of what happened, without energies."""
        return {name: n for name, n in self.counters.items() if name not in ENERGIES}

    def same(self, other: Outcome) -> bool:
        """Whether every integer is equal."""
        return self.counters == other.counters and np.array_equal(self.tally, other.tally)

    def imbalance(self) -> tuple[int, int]:
        """Energy that is missing, of what was emitted and of the tally [quanta]: exactly none."""
        c = self.counters
        scored = c["deposited"] - c["transferred"] + c["track_scored"]
        return c["emitted"] - c["deposited"] - c["escaped"], int(self.tally.sum()) - scored


def sheet() -> Any:
    """One layer of voxels of three unequal sides: particles leave through large faces at once."""
    whole = gpu_problems.mixed_emission()
    layer = {name: getattr(whole, name)[4:5] for name in ("density_g_cm3", "material", "source", "regions")}
    return replace(whole, voxel_size_mm=(7.0, 0.9, 1.7), **layer)


def problem(name: str) -> Any | None:
    """A problem by name; None when its file is not there."""
    if name == SHEET:
        return sheet()
    if name == SHEET_TRACK_LENGTH:
        return replace(sheet(), physics={"photon_scoring": "track-length"})
    return gpu_problems.load(name)


def prepared(name: str) -> Any | None:
    """The tables of a problem; None when its file is not there."""
    loaded = problem(name)
    return None if loaded is None else gpu_problems.world(loaded)


@cache
def library(kernel: cuda_offline.Kernel, cc: tuple[int, int]) -> emulator.Library:
    """A kernel's PTX for a compute capability, compiled for this machine."""
    return emulator.Library(emulator.build(cuda_offline.ptx(cc, kernel), cuda_offline.ptx_folder()))


def kernels_of(world: Any) -> tuple[cuda_offline.Kernel, ...]:
    """Kernels that take this world: they are compiled for one scoring of photons."""
    return tuple(kernel for kernel in KERNELS if kernel.track_length == bool(len(world.track_length)))


def run(
    kernel: cuda_offline.Kernel,
    world: Any,
    seed: int,
    batch: int,
    decays: int,
    launch: tuple[int, int, int] = LAUNCHES[0],
    cc: tuple[int, int] = (9, 0),
    **options: int,
) -> Outcome:
    """Simulate a batch by a kernel, in windows of the tally where it is one for windows.

    Parameters
    ----------
    kernel, cc
        The kernel and the compute capability that it is compiled for.
    world, seed, batch, decays
        The problem, the seed of the run, number and size of the batch.
    launch
        Blocks, threads and the order of the warps.
    options
        ``jitter`` and ``poison`` of :func:`.emulator.play`.

    Raises
    ------
    Fault
        If the kernel did what it must not do, or gave other counters for another window.
    """
    code, (blocks, threads, order) = library(kernel, cc), launch
    voxels = world.density.size
    size = -(-voxels // WINDOWS) if kernel.tiled else voxels
    tally = np.zeros(size * (WINDOWS if kernel.tiled else 1), np.int64)
    counters: dict[str, int] = {}
    for first in range(0, tally.size, size):
        window = tally[first : first + size]
        _, again, _ = emulator.play(
            code, world, seed, batch, 0, decays, decays, blocks, threads,
            order=order, tile=first if kernel.tiled else None, tally=window, **options,
        )  # fmt: skip
        if counters and again != counters:
            raise emulator.Fault(f"{kernel}: the same histories gave other counters for another window")
        counters = again
    return Outcome(tally[:voxels], counters, code.nan_conversions())


def on_cpu(world: Any, seed: int, batches: int, decays: int) -> Iterator[Outcome]:
    """The same batches by the compiled CPU target."""
    from hevesy.kernels.backends import cpu

    engine = cpu.Engine(world, seed, 1)
    for batch in range(batches):
        tally = np.zeros(world.density.size, np.int64)
        counters = engine.run_batch(batch, decays, tally)
        yield Outcome(tally, dict(counters), 0)
    engine.close()


class Measured(NamedTuple):
    """Batches of 16 decays in which something else happened than on the CPU, of :data:`MEASURED` that were compared."""

    exact: int
    with_errors: int


#: Batches of each problem that were compared once, by ``python -m hevesy.tools.ptx --partings``: the device uses the
#: CPU's random numbers, and the numbers that these decide against differ by roundings.
MEASURED = 12_000
PARTINGS = {
    gpu_problems.HERE: Measured(22, 85),
    gpu_problems.TRACK_LENGTH: Measured(15, 47),
    SHEET: Measured(19, 55),
    SHEET_TRACK_LENGTH: Measured(15, 42),
    "i131_heterogeneous_3mm": Measured(12, 132),
}
#: Another processor, compiler or mathematical library than those that were measured rounds otherwise, and may part so
#: many times as often.
MARGIN = 2
BATCH_DECAYS = 16
#: tallies of the same events differ by rounding alone, less than this share
ROUNDING = 1e-4


def parted(outcome: Outcome, other: Outcome) -> bool:
    """Whether something happened in one batch that did not in the other, or happened elsewhere."""
    distance = np.abs(outcome.tally - other.tally).sum()
    return outcome.events != other.events or distance > ROUNDING * np.abs(other.tally).sum()


def most_parted(measured: int, batches: int, alpha: float) -> int:
    """Parted batches that rounding leads to with a probability of at most ``alpha`` to be exceeded.

    The rate is known from ``measured`` of :data:`MEASURED` batches; it may be :data:`MARGIN` times as high. With that
    uncertainty the number is distributed as a negative binomial (a Poisson number, its rate after the measurement).
    """
    from scipy import stats

    return int(stats.nbinom.isf(alpha, measured + 1, MEASURED / (MEASURED + MARGIN * batches)))
