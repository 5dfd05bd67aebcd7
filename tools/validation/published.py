"""Published numbers: voxel S values of a database, ICRP-107 energies, NIST stopping powers and attenuation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hevesy
import numpy as np
from hevesy.engine.nuclides.decay import energy_per_decay, nuclide
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.physics import photons, stopping
from hevesy.engine.physics.composition import nist_material
from hevesy.engine.physics.material import Material
from hevesy.engine.transport.problem import Problem

from .record import Record, relative
from .voxels import neighbour_bar, simulate

#: voxel S problems of the database: emission and medium from these files, edge [mm], decays (full, quick)
SETS: dict[str, tuple[str, str, float, int, int]] = {
    "i131_3mm_soft_tissue_1p04": ("i131_voxel_3mm_water", "131I", 3.0, 12_000_000, 100_000),
    "i131_4p8mm_soft_tissue_1p04": ("i131_voxel_4p8mm_tissue", "131I", 4.8, 2_000_000, 100_000),
    "lu177_3mm_soft_tissue_1p04": ("lu177_voxel_3mm_water", "177Lu", 3.0, 2_000_000, 100_000),
    "y90_3mm_soft_tissue_1p04": ("y90_voxel_3mm_water", "90Y", 3.0, 1_000_000, 50_000),
}
#: energies per decay against ICRP 107, tables against NIST (limits: 0.1 %; ICRP spectra 0.05 %)
ENERGY_BAR, TABLE_BAR = 5e-4, 1e-3


def voxel_s_problem(emission: Emission, medium: Material, voxel_mm: float, density: float = 1.04) -> Problem:
    """One active voxel at the centre of about 40 cm of tissue."""
    n = round(400.0 / voxel_mm) | 1
    source = np.zeros((n, n, n), np.float32)
    source[(n // 2,) * 3] = 1.0
    return Problem(
        density_g_cm3=np.full(source.shape, density, np.float32),
        material=np.zeros(source.shape, np.uint8),
        materials=(medium,),
        voxel_size_mm=(voxel_mm,) * 3,
        source=source,
        emission=emission,
    )


def voxel_s(folder: Path, quick: bool, seed: int, threads: int | None = None) -> list[Record]:
    """The database of Lanconelli et al. (Phys Med Biol 2012;57:517), and the reference code scaled to its density."""
    data = json.loads((folder / "published_values.json").read_text(encoding="utf-8"))["voxel_S"]
    medium = hevesy.Problem.load(folder / "i131_voxel_4p8mm_tissue.npz").materials[0]
    records: list[Record] = []
    for number, (key, (file, name, edge, full, short)) in enumerate(SETS.items()):
        emission = hevesy.Problem.load(folder / f"{file}.npz").emission
        problem = voxel_s_problem(emission, medium, edge)
        result, ours = simulate(problem, short if quick else full, seed + number, threads)
        label = f"{name}, {edge:g} mm, soft tissue 1.04 g/cm3"
        for entry in data[key]["values"]:
            offset = tuple(entry["neighbour"])
            what = "voxel S " + ",".join(map(str, offset))
            if key.startswith("i131_3mm"):  # scaled exactly from the reference's own density
                reference = (float(entry["reference_gy_per_decay"]), float(entry["reference_sigma"]))
                records.append(
                    relative(
                        label,
                        what + ", reference code scaled",
                        "Gy/decay",
                        reference,
                        ours[offset],
                        neighbour_bar(offset),
                        "larger",
                        batches=result.tally.n_batches,
                    )
                )
            published = (float(entry["published_gy_per_decay"]), 0.0)
            records.append(
                relative(
                    label,
                    what + ", published",
                    "Gy/decay",
                    published,
                    ours[offset],
                    0.0,
                    "information",
                    remark="other decay data, code and statistics (1-2 %); three figures",
                )
            )
    return records


def icrp107(folder: Path) -> list[Record]:
    """Energy per decay of what hevesy samples, against ICRP 107."""
    data = json.loads((folder / "published_values.json").read_text(encoding="utf-8"))["icrp107"]["values"]
    records = []
    for name, values in data.items():
        got = energy_per_decay(nuclide(name).emission)
        lines = values["conversion_electron_mev_per_decay"] + values["auger_mev_per_decay"]
        kinds = {
            "electrons": (values.get("beta_mev_per_decay", 0.0) + lines, got.electron),
            "positrons": (values.get("positron_mev_per_decay", 0.0), got.positron),
            "photons without annihilation": (values["gamma_mev_per_decay"] + values["x_ray_mev_per_decay"], got.photon),
        }
        records += [
            relative(f"{name}, ICRP 107", f"energy of {kind}", "MeV/decay", (a, 0.0), (b, 0.0), ENERGY_BAR)
            for kind, (a, b) in kinds.items()
            if a > 0.0
        ]
    return records


def tables(folder: Path) -> list[Record]:
    """Collision stopping power, CSDA range and attenuation of water and the reference's tissues."""
    data = json.loads((folder / "published_values.json").read_text(encoding="utf-8"))
    water = nist_material("Water, Liquid")
    estar: dict[str, Any] = data["estar_water"]
    energy = np.array(estar["kinetic_mev"])
    found = stopping.collision(water, energy)
    records = [
        _table("water, ESTAR", f"collision stopping power at {e:g} MeV", "MeV cm2/g", want, got)
        for e, want, got in zip(energy, estar["collision_mev_cm2_g"], found, strict=True)
    ]
    for text, want in estar["csda_range_g_cm2"].items():
        got = float(stopping.csda_range(water, np.array([float(text)]))[0])
        records.append(_table("water, ESTAR", f"CSDA range at {text} MeV", "g/cm2", want, got))
    xcom = data["xcom_water"]
    found = photons.total(water, np.array(xcom["energy_mev"]))
    records += [
        _table("water, XCOM", f"mass attenuation at {e:g} MeV", "cm2/g", want, got)
        for e, want, got in zip(xcom["energy_mev"], xcom["mu_over_rho_cm2_g"], found, strict=True)
    ]
    media = {
        m.name: m
        for f in ("i131_heterogeneous_3mm", "i131_voxel_3mm_water")
        for m in hevesy.Problem.load(folder / f"{f}.npz").materials
    }
    again = data["xcom_recomputed"]
    for name, wants in again["mu_over_rho_cm2_g"].items():
        for e, want, got in zip(
            again["energy_mev"], wants, photons.total(media[name], np.array(again["energy_mev"])), strict=True
        ):
            records.append(
                _table(
                    f"{name}, XCOM elements summed for the reference",
                    f"mass attenuation at {e:g} MeV",
                    "cm2/g",
                    want,
                    got,
                    "information",
                    "their sum is itself up to 0.3 % below the published water table",
                )
            )
    return records


def _table(group: str, what: str, unit: str, want: float, got: float, rule: str = "plus", remark: str = "") -> Record:
    return relative(group, what, unit, (float(want), 0.0), (float(got), 0.0), TABLE_BAR, rule, remark)
