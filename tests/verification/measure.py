"""The numbers that docs/methods quotes: ``python -m hevesy.tests.verification.measure [NAME...]``."""

from __future__ import annotations

import sys
import time

import numpy as np
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.physics import collisions, photons, stopping
from hevesy.engine.transport.run import simulate
from hevesy.kernels.tables import QUANTA_PER_MEV
from hevesy.phantoms import problems
from hevesy.phantoms.mixed import BONE, WATER, mixed, region_weights
from hevesy.tests.verification.drivers import momentum_transfer
from hevesy.tests.verification.test_fano import relative_dose, run

MC2 = 0.51099895


def pairs() -> None:
    """Share of pairs and triplets in the energy that the photons of a nuclide transfer in water."""
    for name in ("I-124", "I-131"):
        lines = nuclide(name).emission.photon_lines
        E, n = lines[lines[:, 0] > 0.02].T
        pair, triplet, total = (f(WATER, E) for f in (photons.pair, photons.triplet, photons.total))
        share = (n * E * (pair + triplet)).sum() / (n * E * total).sum()
        part = (n * E * triplet).sum() / (n * E * total).sum()
        print(f"{name}: pairs and triplets {100 * share:.3f} % of collisions by energy, triplets {100 * part:.4f} %")


def binding() -> None:
    """Compton collisions that free electrons would have and bound ones do not: 1 - <S/Z> over Klein-Nishina."""
    cosine = np.linspace(-1, 1, 2001)
    for E in (0.03, 0.1, 0.3645):
        ratio = 1 / (1 + E / MC2 * (1 - cosine))
        law = ratio**2 * (ratio + 1 / ratio - 1 + cosine**2)
        s = photons.incoherent_function(WATER, momentum_transfer(E, cosine))
        mean = np.trapezoid(law * (1 - ratio) * E, cosine) / np.trapezoid(law, cosine)
        bound = np.trapezoid(law * s * (1 - ratio) * E, cosine) / np.trapezoid(law * s, cosine)
        print(
            f"{1e3 * E:g} keV: rate {100 * np.trapezoid(law * s, cosine) / np.trapezoid(law, cosine):.2f} % of free, "
            f"energy transfer {1e3 * bound:.3f} keV against {1e3 * mean:.3f} keV free"
        )


def annihilation() -> None:
    """Probability that a positron annihilates in flight, integrated over its slowing down."""
    for E in (0.25, 0.8, 1.5, 2.1):
        T = np.linspace(0.01, E, 4000)
        for medium in (WATER, BONE):
            rate = collisions.annihilation_in_flight(medium, T) / stopping.total(medium, T, "positron")
            print(f"{E} MeV in {medium.name}: {100 * -np.expm1(-np.trapezoid(rate, T)):.2f} %")


def radiation() -> None:
    """Share of electron energy that becomes bremsstrahlung."""
    for E in (0.19, 0.6, 0.93, 2.0):
        T = np.linspace(0.01, E, 4000)
        for medium in (WATER, BONE):
            share = np.trapezoid(stopping.radiative(medium, T) / stopping.total(medium, T), T) / E
            print(f"{E} MeV in {medium.name}: {100 * share:.2f} %")


def choices() -> None:
    """Region means in a mixed 3 mm body with numerical choices changed."""
    emission = nuclide("I-131").emission
    problem, material, source = mixed(emission)
    weights = region_weights(material, source)
    names = [f"{m} {a}" for m in ("lung", "water", "bone") for a in ("quiet", "active")]
    runs = {}
    for seed, (label, physics) in enumerate(
        {
            "default": {},
            "range rejection off": {"range_rejection": "off"},
            "step strength 0.1": {"step_strength": 0.1},
            "step strength 0.4": {"step_strength": 0.4},
            "collision threshold 30 keV": {"delta_ray_threshold_mev": 0.03},
            "bremsstrahlung off": {"bremsstrahlung": "off"},
            "electron cut-off 50 keV": {"electron_cutoff_mev": 0.05},
        }.items()
    ):
        start = time.process_time()
        tally = simulate(problem, decays=1_500_000, batches=60, seed=seed, physics=physics, regions=weights)
        took = time.process_time() - start
        runs[label] = tally
        mean, sigma = tally.region_energy()
        base, error = runs["default"].region_energy()
        parts = ", ".join(
            f"{n} {100 * (m / b - 1):+.2f}({100 * np.hypot(s, e) / b:.2f})"
            for n, m, s, b, e in zip(names, mean, sigma, base, error, strict=True)
        )
        rate, steps = tally.decays / took, tally.counters["electron_steps"] / tally.decays
        print(f"{label}: {parts}; {rate:.3g} decays/s of processor time, {steps:.1f} steps")


def efficiency() -> None:
    """Figure of merit 1/(sigma^2 T) of range rejection and of the stratified source, 131I in one 3 mm voxel."""
    problem = problems.voxel_s("I-131", 3.0, 15)
    rows = {
        "default": ({}, {"batches": 50}),
        "range rejection off": ({"range_rejection": "off"}, {"batches": 50}),
        "not stratified (batches of one decay)": ({}, {"batch_histories": 1}),
    }
    for label, (physics, options) in rows.items():
        n = 20_000 if "batch_histories" in options else 1_000_000
        start = time.process_time()
        tally = simulate(problem, decays=n, seed=4, physics=physics, **options)
        took = time.process_time() - start
        mean, sigma = tally.region_energy()
        relative = sigma / mean * np.sqrt(n)
        print(
            f"{label}: relative sigma of one decay {np.array2string(relative, precision=3)}, "
            f"{n / took:.3g} decays/s; {', '.join(tally.region_names)}"
        )


def fano() -> None:
    """Fano cubes: dose over the exact one in each density, per cent."""
    for source in ("I-131", "Y-90"):
        for pattern in ("checkerboard", "slabs"):
            problem, tally, weights = run(source, pattern, 12, 20_000_000, 200, 5)
            batches, sigma = relative_dose(problem, tally, weights)
            d = 100 * (batches.mean(axis=0) - 1)
            mean, error = tally.dose_gy_per_decay(problem.density_g_cm3, problem.voxel_volume_ml)
            inside = np.isfinite(problem.reference_dose)
            z = (mean - problem.reference_dose)[inside] / error[inside]
            named = zip(problem.region_names, d[27:], sigma[27:], strict=True)
            densities = ", ".join(f"{n}: {x:+.3f}({100 * s:.3f})" for n, x, s in named)
            print(
                f"{source} {pattern}: {densities}; 27 blocks {d[:27].min():+.3f} to {d[:27].max():+.3f} "
                f"(sigma {100 * sigma[:27].mean():.3f}); voxels chi2/ndf {np.mean(z**2):.3f}, ndf {z.size}, "
                f"largest |z| {np.abs(z).max():.2f}"
            )


def balance() -> None:
    """Energy per decay of a run in quanta."""
    tally = simulate(problems.voxel_s("I-124", 3.0, 9), decays=100_000, batches=20, seed=1)
    print({k: v / QUANTA_PER_MEV / tally.decays for k, v in tally.balance.items()}, tally.counters)


ALL = (pairs, binding, annihilation, radiation, choices, efficiency, fano, balance)

if __name__ == "__main__":
    wanted = sys.argv[1:] or [f.__name__ for f in ALL]
    for function in ALL:
        if function.__name__ in wanted:
            print(f"== {function.__name__}: {(function.__doc__ or '').splitlines()[0]}")
            function()
