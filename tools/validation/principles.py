"""What needs no other code: Fano's theorem, and doses that must not change with the length of a step.

Fano: in one composition, with uniform emission per mass and no photons, the dose is uniform whatever the density of a
voxel is. Steps: maximum fractional energy loss and step length are halved together, since a step is a scattering
strength (docs/methods/electrons.md), and the doses of a body of lung, water and bone compared.
"""

from __future__ import annotations

from typing import Any

import hevesy
import numpy as np
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.transport.problem import Problem
from hevesy.engine.transport.run import simulate
from hevesy.engine.transport.two_sample import root_z
from hevesy.phantoms import problems
from hevesy.phantoms.mixed import mixed, region_weights

from .record import Record
from .voxels import ENOUGH

#: Acceptance limits for Fano's theorem and for steps half as long
BAR = 0.002
#: source, pattern, decays of the full and of the quick run
FANO = (
    ("I-131", "checkerboard", 20_000_000, 400_000),
    ("I-131", "slabs", 20_000_000, 400_000),
    ("Y-90", "checkerboard", 8_000_000, 200_000),
    ("Y-90", "slabs", 8_000_000, 200_000),
)
#: tested voxels of 2 mm along an edge (full, quick)
FANO_VOXELS = (12, 6)
#: independent parts, batches of each: the parts tell how much chi-square of correlated voxels scatters
PARTS, PART_BATCHES = 20, 20
#: source, decays (full, quick) of the body of three media
STEPS = (("I-131", 16_000_000, 300_000), ("Y-90", 5_000_000, 100_000), ("F-18", 8_000_000, 150_000))
CHOICES: dict[str, dict[str, Any]] = {
    "steps half as long": {"step_strength": 0.1},
    "range rejection off": {"range_rejection": "off"},
}
BATCHES = 100


def run(quick: bool, seed: int, threads: int | None = None) -> list[Record]:
    """All records of this part."""
    records: list[Record] = []
    for number, (source, pattern, full, short) in enumerate(FANO):
        voxels = FANO_VOXELS[1 if quick else 0]
        records += fano(source, pattern, short if quick else full, seed + number, threads, voxels)
    for number, (source, full, short) in enumerate(STEPS):
        records += steps(source, short if quick else full, seed + 10 + 10 * number, threads)
    return records


def fano(
    source: str,
    pattern: str,
    decays: int,
    seed: int,
    threads: int | None = None,
    voxels: int = FANO_VOXELS[0],
    parts: int = PARTS,
) -> list[Record]:
    """Dose over the exact one: by density, in the worst voxel, and chi-square over all voxels."""
    problem = problems.fano(source, voxels=voxels, pattern=pattern)
    per_batch = -(-decays // (parts * PART_BATCHES))
    runs = [
        hevesy.simulate(
            problem,
            decays=per_batch * PART_BATCHES,
            batch_histories=per_batch,
            first_batch=i * PART_BATCHES,
            seed=seed,
            backend="cpu",
            threads=threads,
        )
        for i in range(parts)
    ]
    whole = hevesy.merge(runs)
    label = f"Fano's theorem, {source}, {pattern} of 0.26, 1 and 1.85 g/cm3 in 2 mm voxels"
    inside = np.isfinite(problem.reference_dose)
    exact = float(np.nanmax(problem.reference_dose))
    batches = whole.tally.n_batches
    records = []
    regions, density = np.asarray(problem.regions), np.asarray(problem.density_g_cm3, float)
    mass = np.array([density[regions == i + 1].sum() for i in range(len(problem.region_names))])
    mean, sigma = whole.region_dose_gy_per_decay(mass * problem.voxel_volume_ml)
    for name, m, s in zip(problem.region_names, mean, sigma, strict=True):
        records.append(
            Record(
                label,
                f"mean dose of all voxels of {name}",
                "Gy/decay",
                exact,
                float(m),
                float(m / exact - 1),
                float(s / exact),
                BAR,
                freedom=batches - 1,
            )
        )
    z = voxel_z(whole, problem)
    dose, error = whole.dose_gy_per_decay[inside], whole.sigma_gy_per_decay[inside]
    # a voxel that few electrons reach is judged with its neighbours only
    known = bool((dose >= ENOUGH * error).all())
    worst = int(np.abs(z).argmax())
    records.append(
        Record(
            label,
            f"dose of the worst of {dose.size} voxels",
            "Gy/decay",
            exact,
            float(dose[worst]),
            float(dose[worst] / exact - 1),
            float(error[worst] / exact),
            BAR,
            "larger" if known else "information",
            judgements=dose.size,
            freedom=batches - 1,
            z=float(z[worst]),
        )
    )
    # voxels share electrons, so chi-square does not scatter as for independent ones: the parts show how it does
    spread = float(np.std([np.mean(voxel_z(part, problem) ** 2) for part in runs], ddof=1))
    # z has the variance nu/(nu - 2) of Student's distribution
    value = float(np.mean(z**2)) * (batches - 3) / (batches - 1)
    records.append(
        Record(
            label,
            f"chi2/ndf over {dose.size} voxels",
            "",
            1.0,
            value,
            value - 1.0,
            spread,
            0.0,
            "plus" if known else "information",
            freedom=parts - 1,
            remark=f"its standard deviation between {parts} independent parts as sigma",
        )
    )
    return records


def voxel_z(result: Any, problem: Problem) -> np.ndarray:
    """(dose - exact)/sigma between square roots for every voxel with an exact dose; 0 where nothing arrived."""
    inside = np.isfinite(problem.reference_dose)
    dose, error = result.dose_gy_per_decay[inside], result.sigma_gy_per_decay[inside]
    exact = np.asarray(problem.reference_dose)[inside]
    z = [root_z(d, e, x, 0.0) if e > 0 else 0.0 for d, e, x in zip(dose, error, exact, strict=True)]
    return np.nan_to_num(np.array(z))


def steps(source: str, decays: int, seed: int, threads: int | None = None) -> list[Record]:
    """Mean doses of active and quiet voxels of each medium with numerical choices changed."""
    problem, material, activity = mixed(nuclide(source).emission)
    weights = region_weights(material, activity)
    names = [f"{a} {m}" for m in ("lung", "water", "bone") for a in ("quiet", "active")]

    def simulated(number: int, physics: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, float]:
        tally = simulate(
            problem,
            decays=decays,
            seed=seed + number,
            backend="cpu",
            batches=BATCHES,
            regions=weights,
            physics=physics,
            threads=threads,
        )
        mean, sigma = tally.region_energy()
        return mean, sigma, tally.counters["electron_steps"] / tally.decays

    base, base_sigma, base_steps = simulated(0, {})
    records = []
    for number, (label, physics) in enumerate(CHOICES.items()):
        mean, sigma, per_decay = simulated(number + 1, physics)
        for name, a, s, b, e in zip(names, mean, sigma, base, base_sigma, strict=True):
            records.append(
                Record(
                    f"numerical choices, {source} in 3 mm voxels of lung, water and bone at random",
                    f"{label}: energy in {name} voxels",
                    "MeV/decay",
                    float(b),
                    float(a),
                    float(a / b - 1),
                    float(np.hypot(s, e) / b),
                    BAR,
                    freedom=2 * (BATCHES - 1),
                    remark=f"{per_decay:.1f} electron steps a decay instead of {base_steps:.1f}",
                )
            )
    return records
