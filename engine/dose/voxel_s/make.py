"""Voxel S kernels by this program's own transport."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....kernels.backends.cuda_errors import let_go
from ...constants import QUANTUM_MEV
from ...errors import HevesyError, InputError
from ...nuclides.emission import Emission
from ...physics import stopping
from ...physics.material import Material
from ...progress import TRANSPORT, Progress, Stop
from ...statistics import MINIMUM_BATCHES
from ...text import number, percent
from ...transport.emission_checks import check_sums, rare_emissions
from ...transport.engines import (
    DeviceRefused,
    chosen_backend,
    compiles_first,
    cpu_instead,
    device_failures,
    open_engine,
    opening,
)
from ...transport.options import PhysicsOptions
from ...transport.problem import Problem
from ...transport.problem_checks import check_cutoffs, check_problem
from ...transport.run import COMPILING
from ...transport.sums import check_balance
from ...transport.world import build_world
from .extent import BACKSCATTER_DEPTHS, Extent, cropped_reach, electron_range_mm, extent_of, fastest_mev, reach_of
from .far import FarField
from .kernel import VoxelKernel
from .symmetry import averaged, folded, unfolded

#: Batches that a number of decays is divided into.
BATCHES = 50
#: Decays in a batch where an error ends the simulation, and batches between two looks at that error.
OPEN_ENDED_BATCH, BATCHES_PER_LOOK = 20_000, 10
#: Most decays where an error ends the simulation.
LARGEST_OPEN_ENDED = 1_000_000_000
#: Medium in mean depths of backscatter, and how low the outermost 9 mm of a kernel of water were at most [%]; measured
#: for five nuclides at 3 mm (docs/methods/voxel-kernels.md), and for nothing thinner.
LACKING = ((3.0, 2.0), (2.0, 5.0), (1.0, 12.0))
#: Densities that this measurement is taken to hold for [g/cm3].
MEASURED_DENSITIES = (0.9, 1.1)
#: Share of the emitted energy outside of a kernel whose reach is not stated, where its size allows that.
TRUNCATION = 0.01


@dataclass(frozen=True)
class KernelRequest:
    """What a kernel is wanted of: all that decides its numbers.

    Parameters
    ----------
    emission
        What one decay emits.
    voxel_size_mm
        (dz, dy, dx) [mm].
    medium, density_g_cm3
        Composition and mass density [g/cm3].
    reach
        Voxels from the source to the last neighbour along z, y and x; None: the smallest box that leaves less than
        ``truncation`` of the emitted energy outside, bounded in its voxels (:mod:`.extent`).
    decays
        Decays to simulate; with ``until`` the most.
    seed
        Seed of the random numbers.
    until
        Relative standard error of the source voxel at which to stop, e.g. 0.001; None: all ``decays``.
    truncation
        Share of the emitted energy that may lie outside where ``reach`` is None.
    physics
        Names and values of physics options that are not the default
        (:class:`~hevesy.engine.transport.options.PhysicsOptions`).

    Raises
    ------
    InputError
        A value that cannot be.
    """

    emission: Emission
    voxel_size_mm: tuple[float, float, float]
    medium: Material
    density_g_cm3: float
    reach: tuple[int, int, int] | None = None
    decays: int = 1_000_000
    seed: int = 1
    until: float | None = None
    truncation: float = TRUNCATION
    physics: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        def refuse(name: str, value: object, why: str) -> InputError:
            return InputError(f"{name} of {value}", why=why, suggestion="choose another value", field=name)

        if self.until is not None and not 0.0 < self.until < 1.0:
            raise refuse("until", self.until, "a relative standard error is above 0 and below 1")
        if self.decays < MINIMUM_BATCHES:
            raise refuse("decays", self.decays, f"a standard error needs {MINIMUM_BATCHES} batches of decays")
        if not 0.0 < self.truncation < 1.0:
            raise refuse("truncation", self.truncation, "a share of the emitted energy is above 0 and below 1")
        if self.reach is not None and min(self.reach) < 0:
            raise refuse("reach", self.reach, "a kernel holds at least its source voxel")
        if not all(np.isfinite(v) and v > 0 for v in (*self.voxel_size_mm, self.density_g_cm3)):
            raise refuse("voxel", self.voxel_size_mm, "sides and density must be positive")


def make_kernel(
    request: KernelRequest, *, backend: str = "auto", progress: Progress | None = None, stop: Stop | None = None
) -> VoxelKernel:
    """Simulate a kernel.

    Parameters
    ----------
    request
        What is wanted.
    backend
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    progress, stop
        As in :class:`~hevesy.engine.transport.run_options.RunOptions`; a stop raises KeyboardInterrupt, because a
        kernel with fewer decays would be another one.

    Returns
    -------
    VoxelKernel
        Averaged over its symmetries, and far from the source over directions.

    Raises
    ------
    InputError
        A request that cannot be simulated, or is too large for this machine.
    """
    physics = PhysicsOptions.from_dict(dict(request.physics))
    _check_side(request, physics)
    extent = extent_of(request)
    problem = _problem(request, extent)
    check_problem(problem)
    check_cutoffs(problem, physics)
    per_batch, most = _plan(request)
    check_sums(request.emission, np.asarray(problem.source), per_batch, most)
    engine, backend = _open(problem, physics, request.seed, backend, progress)
    octants = _Octants(request, extent)
    quanta = np.zeros(problem.source.size, np.int64)
    try:
        with device_failures():
            for batch in range(most):
                counters = engine.run_batch(batch, per_batch, quanta)
                check_balance(counters)
                octants.add(quanta.reshape(problem.source.shape), counters, per_batch)
                done = octants.reached(request.until)
                if progress is not None:
                    progress(octants.share(most), f"{TRANSPORT}{octants.batches * per_batch:.3g} decays")
                if done:
                    break
                if stop is not None and stop():
                    raise KeyboardInterrupt
    finally:
        engine.close()
    octants.check(quanta)
    return _kernel(request, extent, octants, per_batch, backend)


def _problem(request: KernelRequest, extent: Extent) -> Problem:
    shape = tuple(2 * k + 1 for k in extent.half)
    source = np.zeros(shape, np.float32)
    source[extent.half] = 1.0
    return Problem(
        density_g_cm3=np.full(shape, request.density_g_cm3, np.float32),
        material=np.zeros(shape, np.uint8),
        materials=(request.medium,),
        voxel_size_mm=request.voxel_size_mm,
        source=source,
        emission=request.emission,
        physics=dict(request.physics),
    )


def _check_side(request: KernelRequest, physics: PhysicsOptions) -> None:
    """Refuse voxels that electrons at the cut-off would cross, in thin media too, for which a kernel is all there is.

    Raises
    ------
    InputError
        With the range and the side.
    """
    if fastest_mev(request.emission) <= physics.electron_cutoff_mev:
        return
    cutoff = physics.electron_cutoff_mev
    reach_mm = 10.0 * float(stopping.csda_range(request.medium, cutoff)) / request.density_g_cm3
    if reach_mm > min(request.voxel_size_mm):
        raise InputError(
            f"a voxel side of {min(request.voxel_size_mm):g} mm in {request.medium.name} of "
            f"{request.density_g_cm3:g} g/cm3",
            why=f"an electron at the cut-off, {1e3 * cutoff:g} keV, still travels {reach_mm:.3g} mm there, and is "
            "deposited on the spot",
            suggestion="use larger voxels, or a denser medium",
            field="voxel",
        )


def _plan(request: KernelRequest) -> tuple[int, int]:
    """(decays per batch, most batches)."""
    if request.until is not None:
        per_batch = min(OPEN_ENDED_BATCH, max(request.decays // MINIMUM_BATCHES, 1))
        return per_batch, -(-request.decays // per_batch)
    count = min(BATCHES, request.decays)
    return -(-request.decays // count), count


def _open(
    problem: Problem, physics: PhysicsOptions, seed: int, backend: str, progress: Progress | None
) -> tuple[Any, str]:
    """An engine that is compiled, and its backend; the CPU where the device that ``"auto"`` chose refuses."""
    world = build_world(problem, physics)
    chosen = chosen_backend(backend)

    def opened(name: str) -> Any:
        if progress is not None and compiles_first(name):
            progress(0.0, COMPILING)
        with opening(name):
            engine = open_engine(name, world, seed, None)
            try:
                if hasattr(engine, "compile"):
                    engine.compile()
            except BaseException as error:
                let_go(error)
                engine.close()
                raise
        return engine

    try:
        return opened(chosen), chosen
    except DeviceRefused as refusal:
        if backend != "auto":
            raise
        cpu_instead(refusal)
    return opened("cpu"), "cpu"


class _Octants:
    """Sums over batches of the octants of a kernel, each averaged over all symmetries."""

    def __init__(self, request: KernelRequest, extent: Extent) -> None:
        self._sizes, self.batches = request.voxel_size_mm, 0
        self.emitted, self._scored = 0, 0
        self._box = tuple(slice(m, m + 2 * k + 1) for m, k in zip(extent.margin, extent.reach, strict=True))
        shape = tuple(k + 1 for k in extent.reach)
        self._sum, self._squares, self._before = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.int64)
        longest = np.linalg.norm(self._sizes)  # both half diagonals
        self.far_mm = electron_range_mm(request) + float(longest)
        self.far = FarField.beyond(self.far_mm, shape, self._sizes)
        self._average: Callable[[np.ndarray], np.ndarray] = lambda octant: octant
        self.error = np.inf
        self._until = request.until

    def add(self, quanta: np.ndarray, counters: dict[str, int], decays: int) -> None:
        """Add a batch: the quanta in every voxel so far, its counters, its decays."""
        total = folded(quanta[self._box])
        octant = averaged((total - self._before).astype(np.float64), self._sizes) * (0.125 * QUANTUM_MEV / decays)
        self._before = total
        if self.far is not None:
            if not self.batches:
                self.far = self.far.attenuated(octant, self._sizes)
            octant = self.far.averaged(octant)
        self._sum += octant
        self._squares += octant**2
        self.batches += 1
        self.emitted += counters["emitted"]
        self._scored += counters["deposited"] - counters.get("transferred", 0) + counters.get("track_scored", 0)

    def check(self, quanta: np.ndarray) -> None:
        """Compare the voxels with what the counters say was scored.

        Raises
        ------
        HevesyError
            They differ: the sums are no kernel.
        """
        missing = int(quanta.sum()) - self._scored
        if missing:
            raise HevesyError(
                f"the voxels of this kernel differ from its counters by {missing} quanta; this is a bug: please report "
                "the command"
            )

    def mean_error(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean over the batches and its standard error [MeV per decay]."""
        n = self.batches
        mean = self._sum / n
        spread = np.maximum(self._squares - n * mean**2, 0.0)
        return mean, np.sqrt(spread / (n * (n - 1)))

    def reached(self, until: float | None) -> bool:
        """Whether the source voxel is as well known as was asked for."""
        if until is None or self.batches < MINIMUM_BATCHES or self.batches % BATCHES_PER_LOOK:
            return False
        n, total, squares = self.batches, self._sum[0, 0, 0], self._squares[0, 0, 0]
        if total <= 0:
            return False
        self.error = float(np.sqrt(max(squares - total**2 / n, 0.0) / (n * (n - 1))) / (total / n))
        return self.error <= until

    def share(self, most: int) -> float:
        """Fraction of the simulation that is done."""
        if self._until is None or not np.isfinite(self.error) or not self.error:
            return self.batches / most
        return min((self._until / self.error) ** 2, 1.0)


def _kernel(request: KernelRequest, extent: Extent, octants: _Octants, per_batch: int, backend: str) -> VoxelKernel:
    energy, error = octants.mean_error()
    decays = per_batch * octants.batches
    emitted = octants.emitted * QUANTUM_MEV / decays
    kernel = VoxelKernel(
        energy_mev=unfolded(energy),
        standard_error_mev=unfolded(error),
        voxel_size_mm=request.voxel_size_mm,
        medium=request.medium,
        density_g_cm3=request.density_g_cm3,
        emission=request.emission,
        emitted_mev=emitted,
        decays=decays,
        seed=request.seed,
        backend=backend,
        averaged_from_mm=None if octants.far is None else float(octants.far.distance_mm.min()),
    )
    if request.reach is None:
        box = cropped_reach(energy, emitted, request.voxel_size_mm, request.truncation)
        electrons = reach_of(electron_range_mm(request) + max(request.voxel_size_mm), request.voxel_size_mm)
        kernel = kernel.within(tuple(map(max, box, electrons)))  # type: ignore[arg-type]
    return kernel.with_notes(_notes(request, extent, octants, kernel, decays))


def _lack(extent: Extent, density_g_cm3: float) -> str:
    """What too thin a medium costs, where it was measured: the worst nuclide there, 99mTc."""
    depths = BACKSCATTER_DEPTHS * extent.margin_g_cm2 / extent.wanted_g_cm2
    low = next((low for least, low in LACKING if depths >= least), None)
    if low is None or not MEASURED_DENSITIES[0] <= density_g_cm3 <= MEASURED_DENSITIES[1]:
        return "by how much is not known"
    return f"in water of 3 mm the outermost 9 mm were at most {low:g} % low"


def _notes(
    request: KernelRequest, extent: Extent, octants: _Octants, kernel: VoxelKernel, decays: int
) -> tuple[str, ...]:
    notes = [kernel.truncation_text]
    if request.reach is None and kernel.truncated_share > request.truncation:
        notes.append(
            f"A box that leaves less than {percent(request.truncation)} outside has more voxels than an automatic "
            "extent takes; state an extent to go further."
        )
    if extent.margin_g_cm2 < 0.999 * extent.wanted_g_cm2:
        notes.append(
            f"The medium around the simulated box is {number(extent.margin_g_cm2)} g/cm2 thick in place of "
            f"{number(extent.wanted_g_cm2)}, which would take too much memory: what is scattered back into the "
            f"outermost voxels is not complete ({_lack(extent, request.density_g_cm3)})."
        )
    if kernel.averaged_from_mm is not None and kernel.averaged_from_mm < kernel.farthest_mm:
        notes.append(
            f"Beyond {number(kernel.averaged_from_mm)} mm values are averaged over directions, so that errors of "
            "voxels at the same distance are the same error."
        )
    if dict(request.physics).get("photon_scoring") == "track-length":
        notes.append("Photons were scored by track length: electrons that they release deposit where they are released")
    if request.until is not None and not octants.error <= request.until:
        notes.append(f"The {decays:.3g} decays ended before the source voxel was known to {percent(request.until)}.")
    return (*notes, *rare_emissions(request.emission, decays))
