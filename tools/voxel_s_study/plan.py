"""Which kernels the study makes: every published table, as a whole and in parts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...engine.dose.local import emitted_energy
from ...engine.dose.voxel_s import KernelRequest
from ...engine.nuclides.decay import nuclide
from ...engine.nuclides.emission import Emission
from ...engine.physics.composition import nist_material

#: Neighbours on each side, as the published tables have.
REACH = 5
#: A part below this share of the emitted energy is not made alone: 90Y and 89Sr are betas and nothing else.
LEAST_SHARE = 1e-3
#: The parts of a decay, and the fields of an emission that each keeps.
PARTS: dict[str, tuple[str, ...]] = {
    "beta": ("beta_mev", "beta_per_mev"),
    "lines": ("electron_lines",),
    "photons": ("photon_lines",),
}
#: All that is made of a table: the whole, its parts, and betas scaled to the energy that the published table holds.
COMPONENTS = ("whole", *PARTS, "scaled")
#: Decays of each kernel in the full study.
DECAYS = {
    "whole": 1_000_000,
    "beta": 3_000_000,
    "lines": 600_000,
    "photons": 9_000_000,
    "scaled": 1_500_000,
}


@dataclass(frozen=True)
class Run:
    """One kernel to make.

    Parameters
    ----------
    nuclide, voxel_mm, component
        Which table, voxel edge [mm], and which of `COMPONENTS`.
    decays, seed
        Decays simulated, and their seed.
    factor
        Factor on the energies of the beta spectrum; 1 but for ``"scaled"``.
    """

    nuclide: str
    voxel_mm: float
    component: str
    decays: int
    seed: int
    factor: float = 1.0


def part_of(emission: Emission, component: str) -> Emission:
    """An emission with one kind of radiation only.

    Parameters
    ----------
    emission
        What one decay emits.
    component
        ``"whole"``, ``"beta"`` (the spectrum), ``"lines"`` (conversion and Auger electrons), ``"photons"`` (gamma and
        X rays).

    Returns
    -------
    Emission
        The same numbers per decay of what remains, nothing of the rest.
    """
    if component == "whole":
        return emission
    none = {
        name: np.empty((0, 2)) if name.endswith("lines") else np.empty(0)
        for names in (*PARTS.values(), ("positron_mev", "positron_per_mev", "alpha_lines"))
        for name in names
        if name not in PARTS[component]
    }
    return replace(emission, **none)


def scaled_beta(emission: Emission, factor: float) -> Emission:
    """The beta spectrum alone with every energy times a factor: the same number of betas, a higher mean energy."""
    beta = part_of(emission, "beta")
    return replace(beta, beta_mev=beta.beta_mev * factor, beta_per_mev=beta.beta_per_mev / factor)


def emission_of(run: Run) -> Emission:
    """What the source of a run emits."""
    emission = nuclide(run.nuclide).emission
    return scaled_beta(emission, run.factor) if run.component == "scaled" else part_of(emission, run.component)


def parts_of(name: str) -> tuple[str, ...]:
    """The parts of a nuclide's decay that carry at least `LEAST_SHARE` of its energy."""
    emission = nuclide(name).emission
    total = emitted_energy(emission).total
    return tuple(part for part in PARTS if emitted_energy(part_of(emission, part)).total >= LEAST_SHARE * total)


def runs_of(name: str, voxel_mm: float, number: int, scale: float = 1.0) -> list[Run]:
    """The whole and the parts of one table; ``number`` keeps the seeds of tables apart, ``scale`` multiplies decays."""
    return [
        Run(
            name,
            voxel_mm,
            component,
            max(50, round(scale * DECAYS[component])),
            100 * (number + 1) + COMPONENTS.index(component),
        )
        for component in ("whole", *parts_of(name))
    ]


def scaled_run(run: Run, factor: float) -> Run:
    """The run with scaled betas that goes with the run of the betas."""
    seed = run.seed + COMPONENTS.index("scaled") - COMPONENTS.index("beta")
    decays = round(run.decays * DECAYS["scaled"] / DECAYS["beta"])
    return replace(run, component="scaled", decays=decays, seed=seed, factor=round(factor, 4))


def request_of(run: Run, medium: str, density_g_cm3: float) -> KernelRequest:
    """The kernel of a run."""
    return KernelRequest(
        emission=emission_of(run),
        voxel_size_mm=(run.voxel_mm,) * 3,
        medium=nist_material(medium),
        density_g_cm3=density_g_cm3,
        reach=(REACH,) * 3,
        decays=run.decays,
        seed=run.seed,
    )
