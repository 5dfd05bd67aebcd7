"""Runs ompmc on an isotropic source in the middle voxel of a water cube; a process of its own, without hevesy.

Reads one JSON object from standard input (see :func:`main`), writes the energy of every voxel to a file and prints the
times of the batches. ompmc has no isotropic source: the particles are handed over as a phase space in the IAEA format,
which it replays one a history, and which may start inside the phantom. Water is its medium ``H2O521ICRU``, whose data
begin at 10 keV for electrons and photons alike; everything that is read comes with the package.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

MEDIUM, PEGS = "H2O521ICRU", "521icru.pegs4dat"
#: electron rest energy [MeV]: ompmc counts cut-offs of electrons as total energy
REST_MEV = 0.511
TYPES = {0: 1, -1: 2, 1: 3}


def phase_space(stem: Path, count: int, charge: int, energy_mev: float, half_cm: float, seed: int) -> None:
    """``count`` particles, uniform in a cube about the origin and isotropic."""
    rng = np.random.default_rng(seed)
    record = np.zeros(count, [("type", "i1"), *((name, "<f4") for name in "exyzuv")])
    w, phi = rng.uniform(-1.0, 1.0, count), rng.uniform(0.0, 2.0 * np.pi, count)
    sine = np.sqrt(1.0 - w * w)
    record["type"] = np.where(w < 0, -TYPES[charge], TYPES[charge])  # the sign is that of w
    record["e"] = -energy_mev  # negative: each opens a history
    for axis in "xyz":
        record[axis] = rng.uniform(-half_cm, half_cm, count)
    record["u"], record["v"] = sine * np.cos(phi), sine * np.sin(phi)
    record.tofile(stem.with_suffix(".IAEAphsp"))
    blocks = {
        "IAEA_INDEX": "0", "TITLE": "isotropic source", "FILE_TYPE": "0", "CHECKSUM": record.nbytes,
        # x y z u v w stored; weight not; no extra floats, no extra integers
        "RECORD_CONTENTS": "\n".join("111111000"), "RECORD_CONSTANT": "1.0", "RECORD_LENGTH": record.itemsize,
        "BYTE_ORDER": "1234", "ORIG_HISTORIES": count, "PARTICLES": count,
    }  # fmt: skip
    header = "".join(f"${name}:\n{value}\n\n" for name, value in blocks.items())
    stem.with_suffix(".IAEAheader").write_text(header, encoding="ascii")


def main() -> int:
    """Play ``histories`` of ``charge`` and ``energy_mev`` in ``voxels``^3 voxels of ``voxel_cm``."""
    import ompmc

    job = json.load(sys.stdin)
    folder, voxels, edge = Path(job["folder"]), int(job["voxels"]), float(job["voxel_cm"])
    bounds = (np.arange(voxels + 1) - 0.5 * voxels) * edge
    geometry = ompmc.Geometry(
        bounds,
        bounds,
        bounds,
        [MEDIUM],
        np.full((voxels,) * 3, 1.0, order="F"),
        np.ones((voxels,) * 3, np.int32, order="F"),
    )
    phase_space(folder / "source", job["histories"], job["charge"], job["energy_mev"], 0.5 * edge, job["seed"])
    physics = ompmc.Physics(
        pegs_file=ompmc.data_path() / "pegs4" / PEGS,
        output_folder=folder,
        n_split=1,
        global_ecut=REST_MEV + job["electron_cutoff_mev"],
        global_pcut=job["photon_cutoff_mev"],
        esave=job["range_rejection_below_mev"],
        seeds=(97 + job["seed"], 33),
    )
    marks: list[tuple[float, float]] = []
    energy, relative, summary = ompmc.calc_forward_phsp(
        geometry,
        ompmc.PhaseSpaceSource(folder / "source"),
        physics,
        n_histories=job["histories"],
        n_batches=job["batches"],
        output_dose=False,
        progress=lambda _: marks.append((time.perf_counter(), time.process_time())),
    )
    np.savez(folder / "energy.npz", energy=energy, sigma=np.where(energy > 0, relative * energy, 0.0))
    wall, cpu = np.diff(np.array(marks), axis=0).T
    sys.stdout.write(
        "\n"
        + json.dumps(
            {
                "version": ompmc.__version__,
                "per_batch": job["histories"] // job["batches"],
                "wall_s": wall.tolist(),
                "cpu_s": cpu.tolist(),
                "started": summary.n_started,
            }
        )
        + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
