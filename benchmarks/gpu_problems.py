"""The problems that CPU and GPU are compared on: one built here, and the reference problems where they are."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hevesy.benchmarks.gpu_emission import main_emission
from hevesy.tools.reference import reference_folder

HERE = "mixed_emission"
TRACK_LENGTH = "mixed_emission_track_length"
REFERENCE = (
    "i131_heterogeneous_3mm", "i131_voxel_3mm_water", "i131_voxel_3mm_water_icrp107", "i131_voxel_4p8mm_tissue",
    "i124_voxel_3mm_water_icrp107", "lu177_voxel_3mm_water", "y90_voxel_3mm_water", "f18_voxel_3mm_water",
    "tc99m_voxel_3mm_water",
)  # fmt: skip
NAMES = (HERE, TRACK_LENGTH, *REFERENCE)
#: the synthetic patient at 4 mm, for speed: nuclide, reference file with its emission, half-life [h] (ICRP 107)
PATIENTS = {
    "lu177_patient_4mm": ("Lu-177", "lu177_voxel_3mm_water", 159.53),
    "i131_patient_4mm": ("I-131", "i131_voxel_3mm_water_icrp107", 192.50),
}


def required() -> bool:
    """Whether whatever is missing here, a device or the file of a problem, is a failure (``HEVESY_REQUIRE_GPU``)."""
    return os.environ.get("HEVESY_REQUIRE_GPU", "0") not in ("", "0")


def lacking(name: str) -> str:
    """What is missing for a problem that :func:`load` does not find."""
    return f"{name}: no {name}.npz in {reference_folder() or 'any reference folder'}"


def kernel_of(lane: Any) -> Any:
    """The compiled kernel that a device of an engine runs: of its own problem's types, whatever else was compiled."""
    from numba import typeof

    types = typeof(lane.world)
    return next(kernel for signature, kernel in lane.kernel.overloads.items() if signature[0] == types)


def reference_file(name: str) -> Path | None:
    """A reference problem's file; None where it is not there."""
    folder = reference_folder()
    file = None if folder is None else folder / f"{name}.npz"
    return file if file is not None and file.exists() else None


def mixed_emission() -> Any:
    """Lung, water, bone and iodine-bearing tissue; electrons, positrons and photons of up to 1.6 MeV."""
    from hevesy.engine.nuclides.emission import Emission
    from hevesy.engine.physics.material import Material
    from hevesy.engine.transport.problem import Problem

    materials = (
        Material("water", (1, 8), (0.111894, 0.888106), 75.0, 1.0),
        Material("bone", (1, 6, 8, 20), (0.05, 0.20, 0.45, 0.30), 100.0, 1.6),
        Material("iodine in water", (1, 8, 53), (0.1, 0.8, 0.1), 100.0, 1.1),
    )
    shape = (12, 14, 16)
    material = np.zeros(shape, np.uint8)
    material[:, :, 9:] = 1
    material[4:8, 4:8, 4:8] = 2
    density = np.choose(material, [1.0, 1.7, 1.1]).astype(np.float32)
    density[:, 10:, :] *= 0.3
    source = np.zeros(shape, np.float32)
    source[3:9, 3:9, 3:9] = np.arange(216, dtype=np.float32).reshape(6, 6, 6) % 7
    energy = np.array([0.0, 0.3, 0.9, 2.0])
    emission = Emission(
        electron_lines=np.array([[0.15, 0.3], [0.33, 0.1]]),
        photon_lines=np.array([[0.03, 0.5], [0.364, 0.8], [1.6, 0.3]]),
        beta_mev=energy,
        beta_per_mev=np.array([0.5, 0.9, 0.3, 0.0]),
        positron_mev=energy,
        positron_per_mev=np.array([0.0, 0.3, 0.2, 0.0]),
        alpha_lines=np.array([[0.02, 1.0]]),
    )
    regions = np.zeros(shape, np.uint8)
    regions[3:9, 3:9, 3:9] = 1
    regions[:, :, 9:] = 2
    return Problem(
        density_g_cm3=density,
        material=material,
        materials=materials,
        voxel_size_mm=(3.0, 2.5, 2.0),
        source=source,
        emission=emission,
        regions=regions,
        region_names=("source", "bone"),
    )


def emission_source(name: str) -> str:
    """Where a patient's emission comes from here: the decay data, else the reference file, else the main lines."""
    from hevesy.engine.errors import InputError
    from hevesy.engine.nuclides import decay

    nuclide, file, _ = PATIENTS[name]
    try:
        decay.nuclide(nuclide)
    except (ImportError, InputError):
        return "main lines" if reference_file(file) is None else f"reference file {file}"
    return "decay data"


def patient(name: str, voxel_mm: float = 4.0) -> Any:
    """The synthetic patient with six lesions, with the emission of :func:`emission_source`."""
    from types import SimpleNamespace
    from unittest import mock

    from hevesy.engine.transport.problem import Problem
    from hevesy.phantoms import patient as phantom

    nuclide, file, half_life_h = PATIENTS[name]
    made = phantom.synthetic_patient(therapy=nuclide)
    if emission_source(name) == "decay data":
        return made.true_problem(voxel_mm=voxel_mm)
    path = reference_file(file)
    stand_in = SimpleNamespace(
        emission=main_emission(nuclide) if path is None else Problem.load(path).emission,
        decay_constant_per_h=float(np.log(2.0) / half_life_h),
    )
    with mock.patch.object(phantom.nuclides, "nuclide", lambda _: stand_in):
        return made.true_problem(voxel_mm=voxel_mm)


def load(name: str) -> Any | None:
    """A problem by name; None when its file is not there."""
    if name in PATIENTS:
        return patient(name)
    if name == HERE:
        return mixed_emission()
    if name == TRACK_LENGTH:
        return replace(mixed_emission(), physics={"photon_scoring": "track-length"})
    path = reference_file(name)
    if path is None:
        return None
    from hevesy.engine.transport.problem import Problem

    return Problem.load(path)


def world(problem: Any) -> Any:
    """The prepared tables of a problem, with its own physics options."""
    from hevesy.engine.transport.options import PhysicsOptions
    from hevesy.engine.transport.world import build_world

    return build_world(problem, PhysicsOptions.from_dict(problem.physics))
