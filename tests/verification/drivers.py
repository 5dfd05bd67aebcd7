"""Compiled loops around neutral physics functions: sample a law many times, or shoot particles one by one.

The physics is the very source that the backends run, loaded for the CPU target.
"""

from __future__ import annotations

import numba
import numpy as np
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.physics.material import Material
from hevesy.engine.transport.options import PhysicsOptions
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.world import build_world
from hevesy.kernels.backends import cpu
from hevesy.kernels.loader import load
from hevesy.kernels.streams import HISTORY
from hevesy.kernels.tables import COUNTERS, STACK_DEPTH, STACK_INTS, STACK_REALS, Key
from hevesy.phantoms.mixed import BONE as BONE
from hevesy.phantoms.mixed import LUNG as LUNG
from hevesy.phantoms.mixed import WATER

IODINE = Material("iodine in water", (1, 8, 53), (0.1, 0.8, 0.1), 100.0, 1.1)
QUANTUM = 2.0**-26


def kernel(module: str):
    """A neutral module, compiled for the CPU."""
    return load("cpu", cpu._target(), module)


def jit(function):
    """Compile a driver as the CPU backend compiles physics."""
    return numba.njit(**cpu.OPTIONS)(function)


_loops: dict = {}


def repeat(body, n: int, columns: int, *arguments, seed: int = 1) -> np.ndarray:
    """Call ``body(out, i, key, counters, *arguments)`` for n histories; returns ``out`` (n, columns).

    No rejection loop may reach its cap. ``body`` is compiled once, so it may capture kernels and nothing else.
    """
    if body.__code__ not in _loops:
        compiled = jit(body)

        @jit
        def run(out, counters, seed, arguments):
            for i in range(out.shape[0]):
                key = Key(np.uint32(i), np.uint32(0), np.uint32(seed), np.uint32(0), HISTORY)
                compiled(out, i, key, counters, *arguments)

        _loops[body.__code__] = run
    out = np.empty((n, columns), np.float64)
    counters = np.zeros(len(COUNTERS), np.int64)
    _loops[body.__code__](out, counters, seed, tuple(arguments))
    assert_no_caps(dict(zip(COUNTERS, counters, strict=True)))
    return out


def assert_no_caps(counters: dict[str, int]) -> None:
    """No rejection loop ended at its cap and the particle stack never overflowed."""
    caught = {name: n for name, n in counters.items() if n and (name.startswith("capped") or "overflow" in name)}
    assert not caught, caught


def block(
    emission: Emission,
    shape: tuple[int, int, int] = (1, 1, 1),
    voxel_mm: float | tuple[float, float, float] = 10.0,
    materials: tuple[Material, ...] = (WATER,),
    density=None,
    material=None,
    source=None,
    **physics,
) -> Problem:
    """A problem in few words; by default a uniform source in water."""
    size = (voxel_mm,) * 3 if np.isscalar(voxel_mm) else tuple(voxel_mm)
    density = np.full(shape, materials[0].nominal_density_g_cm3) if density is None else density
    return Problem(
        density_g_cm3=np.asarray(density, np.float32),
        material=np.zeros(shape, np.uint8) if material is None else np.asarray(material, np.uint8),
        materials=tuple(materials),
        voxel_size_mm=size,
        source=np.ones(shape, np.float32) if source is None else np.asarray(source, np.float32),
        emission=emission,
        physics=dict(physics),
    )


def electron_line(energy_mev: float, per_decay: float = 1.0) -> Emission:
    """Monoenergetic electrons."""
    return Emission(electron_lines=np.array([[energy_mev, per_decay]]))


def photon_line(energy_mev: float, per_decay: float = 1.0) -> Emission:
    """Monoenergetic photons."""
    return Emission(photon_lines=np.array([[energy_mev, per_decay]]))


def positron_line(energy_mev: float) -> Emission:
    """Positrons in a band of 1 eV below ``energy_mev``: the source knows positrons as spectra only."""
    low = energy_mev - 1e-6
    return Emission(positron_mev=np.array([low, energy_mev]), positron_per_mev=np.array([1e6, 1e6]))


def momentum_transfer(energy_mev, cos_theta):
    """x = sin(theta/2)/lambda [1/Angstrom] of a photon energy [MeV] and scattering cosine; hc in MeV Angstrom."""
    return np.sqrt(np.maximum(0.0, 0.5 * (1.0 - np.asarray(cos_theta)))) * np.asarray(energy_mev) / 0.01239841984


def world_of(problem: Problem):
    """The flat tables of a problem."""
    return build_world(problem, PhysicsOptions.from_dict(problem.physics))


def material_world(material: Material, top_mev: float = 3.0, positrons: bool = False, **physics):
    """Tables of one material up to at least ``top_mev``."""
    emission = Emission(
        electron_lines=np.array([[top_mev, 1.0]]),
        photon_lines=np.array([[top_mev, 1.0]]),
        positron_mev=np.array([0.0, top_mev]) if positrons else np.empty(0),
        positron_per_mev=np.array([1.0, 1.0]) if positrons else np.empty(0),
    )
    return world_of(block(emission, materials=(material,), **physics))


def _shoot(world, kind, place, offset, direction, quanta, n, seed, tally, spectrum):
    """Play n particles; ``spectrum`` (n, counters) receives the counters of each one alone."""
    stack_real = np.zeros(STACK_DEPTH * STACK_REALS, np.float32)
    stack_int = np.zeros(STACK_DEPTH * STACK_INTS, np.int32)
    for i in range(n):
        key = Key(np.uint32(i), np.uint32(0), np.uint32(seed), np.uint32(0), HISTORY)
        counters = spectrum[i]
        depth = push(
            world,
            stack_real,
            stack_int,
            np.int32(0),
            tally,
            counters,
            np.int32(kind),
            np.int32(place[2]),
            np.int32(place[1]),
            np.int32(place[0]),
            offset[2],
            offset[1],
            offset[0],
            direction[2],
            direction[1],
            direction[0],
            np.int32(quanta),
        )
        run_stack(world, tally, counters, stack_real, stack_int, depth, key, np.int32(1))


_compiled = None


def shoot(world, kind: int, place, offset_cm, direction, energy_mev: float, n: int, seed: int = 1):
    """Follow n particles from one point in one direction (z, y, x) with all their progeny.

    Returns
    -------
    tally, counters
        Energy quanta per voxel (nz, ny, nx), and the counters of every particle (n, counters).
    """
    global _compiled, push, run_stack
    if _compiled is None:
        push = kernel("scoring").push
        run_stack = kernel("history").run_stack
        # run-time allocation is needed for the stacks
        options = {**cpu.OPTIONS, "_nrt": True}
        _compiled = cpu.kept(_shoot, **options)
    tally = np.zeros(int(world.nx) * int(world.ny) * int(world.nz), np.int64)
    counters = np.zeros((n, len(COUNTERS)), np.int64)
    f32 = np.float32
    quanta = round(energy_mev / QUANTUM)
    _compiled(
        world,
        kind,
        tuple(int(i) for i in place),
        tuple(f32(v) for v in offset_cm),
        tuple(f32(v) for v in direction),
        quanta,
        n,
        seed,
        tally,
        counters,
    )
    return tally.reshape(int(world.nz), int(world.ny), int(world.nx)), counters
