"""hevesy beside ompmc, the OpenMP version of EGSnrc's algorithms, in one run and on the same problems.

::

    python3 -m venv /tmp/ompmc && /tmp/ompmc/bin/pip install ompmc
    python -m hevesy.benchmarks.peers --peer-python /tmp/ompmc/bin/python

ompmc (PyPI, GPL-3.0) is measured here; nothing of hevesy needs it, and it runs in a process of its own. Both codes
simulate an isotropic source, uniform in the middle voxel of a water cube, on one thread, with cut-offs of 10 keV for
electrons (kinetic) and photons, the lowest that ompmc's material data allow. Times are processor times of whole
batches, sums for the standard error included, without reading tables or compiling; the two codes take turns. The
accuracy of both is that of the energy within every radius against the reference point kernels (shared/reference).

Range rejection is a default of hevesy and an option of ompmc (``esave``): the ratio is given with it and without it in
both, and between the defaults.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hevesy.benchmarks import cases, machine, measure, report
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.transport.problem import Problem

CUTOFF_MEV = 0.010
INSTALL = "python3 -m venv /tmp/ompmc && /tmp/ompmc/bin/pip install ompmc, then --peer-python /tmp/ompmc/bin/python"
HEAD = ("source in water", "range rejection", "hevesy /s/core", "ompmc /s/core", "ratio", "defaults of both")
#: ompmc rejects by range below this total energy [MeV]: all electrons there are
ALL_ENERGIES_MEV = 20.0


class Setup(NamedTuple):
    """One problem: particle, energy, cube, and how many histories of ompmc take about a second."""

    name: str
    particle: str
    energy_mev: float
    voxels: int
    voxel_cm: float
    per_second: int
    kernel: str = ""


SPEED = (
    Setup("364.5 keV photons, 3 mm", "photon", 0.3645, 101, 0.3, 80_000),
    Setup("200 keV electrons, 3 mm", "electron", 0.2, 41, 0.3, 150_000),
    Setup("200 keV electrons, 0.1 mm", "electron", 0.2, 41, 0.01, 20_000),
)
#: grids that resolve the reference kernels: as wide as the kernel (see tools/validation/kernels.py)
ACCURACY = {"photon": ("photon_364p5_keV", 100_000, 4), "electron": ("electron_200_keV", 3_000, 8)}


def emission(particle: str, energy_mev: float) -> Emission:
    """One particle a decay."""
    line = np.array([[energy_mev, 1.0]])
    return Emission(particle, electron_lines=line) if particle == "electron" else Emission(particle, photon_lines=line)


def problem(particle: str, energy_mev: float, voxels: int, voxel_cm: float) -> Problem:
    """The problem of hevesy."""
    from hevesy.tools.validation.radial import point_problem

    cut = {"electron_cutoff_mev": CUTOFF_MEV, "photon_cutoff_mev": CUTOFF_MEV}
    return point_problem(emission(particle, energy_mev), 0.5 * voxels * voxel_cm, voxels, cut)


class Peer:
    """ompmc in the Python ``executable``."""

    def __init__(self, executable: str) -> None:
        self.executable = executable
        self.worker = Path(__file__).with_name("peer_ompmc.py")

    def missing(self) -> str:
        """Why it cannot run, empty when it can."""
        try:
            done = subprocess.run(
                [self.executable, "-c", "import ompmc"], capture_output=True, text=True, timeout=120, check=False
            )
        except OSError as error:
            return f"{self.executable} cannot be run ({error.strerror})"
        return "" if done.returncode == 0 else f"ompmc cannot be imported by {self.executable}"

    def run(
        self,
        particle: str,
        energy_mev: float,
        voxels: int,
        voxel_cm: float,
        histories: int,
        batches: int,
        rejection: bool,
        seed: int = 1,
    ) -> dict[str, Any]:
        """Times of all batches but the first, energy per history of each voxel [MeV] and its standard error."""
        with tempfile.TemporaryDirectory() as folder:
            job = {
                "folder": folder, "charge": -1 if particle == "electron" else 0, "energy_mev": energy_mev,
                "voxels": voxels, "voxel_cm": voxel_cm, "histories": histories, "batches": batches, "seed": seed,
                "electron_cutoff_mev": CUTOFF_MEV, "photon_cutoff_mev": CUTOFF_MEV,
                "range_rejection_below_mev": ALL_ENERGIES_MEV if rejection else None,
            }  # fmt: skip
            done = subprocess.run(
                [self.executable, str(self.worker)], input=json.dumps(job), capture_output=True, text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
            )  # fmt: skip
            if done.returncode != 0:
                raise RuntimeError(f"ompmc failed: {(done.stderr or done.stdout)[-2000:]}")
            lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
            with np.load(Path(folder) / "energy.npz") as z:
                return {**json.loads(lines[-1]), "energy": z["energy"], "sigma": z["sigma"]}


def ours(setup: Setup, seconds: float, rejection: bool) -> float:
    """Histories a second of processor time of hevesy on one thread: the median batch of ten."""
    what = problem(setup.particle, setup.energy_mev, setup.voxels, setup.voxel_cm)
    watch = measure.Stopwatch(what, {"range_rejection": rejection}, threads=1)
    try:
        watch.size_batches(seconds / 10)
        rates = []
        for _ in range(10):
            before = watch.cpu_s
            watch.run_batch()
            rates.append(watch.per_batch / (watch.cpu_s - before))
    finally:
        watch.close()
    return statistics.median(rates)


def speed(peer: Peer, seconds: float, turns: int) -> list[dict[str, Any]]:
    """Both codes in turn on every problem, each with and without range rejection."""
    rows = []
    for setup in SPEED:
        for rejection in (False, True):
            rates: dict[str, list[float]] = {"hevesy": [], "ompmc": []}
            for turn in range(turns):
                rates["hevesy"].append(ours(setup, seconds, rejection))
                histories = 10 * max(100, int(0.1 * seconds * setup.per_second))
                found = peer.run(
                    setup.particle, setup.energy_mev, setup.voxels, setup.voxel_cm, histories, 10, rejection, turn + 1
                )
                rates["ompmc"].append(found["per_batch"] / statistics.median(found["cpu_s"]))
            best = {name: statistics.median(values) for name, values in rates.items()}
            rows.append(
                {
                    "problem": setup.name,
                    "range_rejection": rejection,
                    "per_core_s": best,
                    "all": rates,
                    "ratio": best["hevesy"] / best["ompmc"],
                    "ompmc": found["version"],
                }
            )
    return rows


def accuracy(peer: Peer, scale: float) -> list[dict[str, Any]]:
    """Energy within every radius, of both codes, against the reference kernels, on the same voxels and cut-offs."""
    from hevesy.engine.constants import QUANTA_PER_MEV
    from hevesy.tools.validation import kernels, radial

    folder = cases.reference_folder()
    if folder is None:
        return []
    rows = []
    for particle, (name, per_second, factor) in ACCURACY.items():
        kernel = kernels.load(folder)[name]
        shaped, radii = kernels.problem_of(kernel, 101)
        voxel_cm, energy = shaped.voxel_size_mm[0] * 0.1, float(kernel["energy_mev"])
        every = np.asarray(kernel["shell_outer_radius_cm"], float)
        shells = np.asarray(kernel["energy_in_shell_mev_per_particle"], float) / energy
        reference = radial.seen_through_voxels(shells, every, voxel_cm, kernels.SPLIT)[np.isin(every, radii)]
        histories = 20 * max(50, int(per_second * factor * scale / 20))
        found = peer.run(particle, energy, 101, voxel_cm, histories, 20, False)
        curves = {"ompmc": radial.cumulative_share(found["energy"] / energy, voxel_cm, radii, kernels.SPLIT)}
        watch = measure.Stopwatch(problem(particle, energy, 101, voxel_cm))
        watch.start(histories // 4)
        for _ in range(20):
            watch.run_batch()
        watch.close()
        curves["hevesy"] = radial.cumulative_share(
            watch.tally.energy_quanta / (QUANTA_PER_MEV * watch.tally.decays * energy), voxel_cm, radii, kernels.SPLIT
        )
        row: dict[str, Any] = {"kernel": name, "histories": {"ompmc": histories, "hevesy": watch.tally.decays}}
        for code, curve in curves.items():
            worst = int(np.abs(curve - reference).argmax())
            row[code] = {
                "largest_difference": float(curve[worst] - reference[worst]),
                "at_cm": float(radii[worst]),
                "mean_radius_cm": radial.mean_radius(curve, radii),
            }
            # energy within a radius, history by history, lies between 0 and 1: an upper bound of its standard error
            row[code]["standard_error_at_most"] = 0.5 / float(np.sqrt(row["histories"][code]))
        row["mean_radius_reference_cm"] = radial.mean_radius(reference, radii)
        rows.append(row)
    return rows


def tables(content: dict[str, Any]) -> str:
    """The comparison as tables."""
    plain = {r["problem"]: r["per_core_s"]["ompmc"] for r in content["speed"] if not r["range_rejection"]}
    lines = [
        (
            r["problem"],
            "on" if r["range_rejection"] else "off",
            report.number(r["per_core_s"]["hevesy"]),
            report.number(r["per_core_s"]["ompmc"]),
            f"{r['ratio']:.1f}",
            f"{r['per_core_s']['hevesy'] / plain[r['problem']]:.1f}" if r["range_rejection"] else "",
        )
        for r in content["speed"]
    ]
    parts = [
        report.heading(content),
        report.table(HEAD, lines),
    ]
    if content["accuracy"]:
        rows = []
        for r in content["accuracy"]:
            for code in ("hevesy", "ompmc"):
                f, target = r[code], r["mean_radius_reference_cm"]
                rows.append(
                    (
                        r["kernel"].replace("_", " ").replace("364p5", "364.5"),
                        code,
                        report.number(r["histories"][code]),
                        f"{100 * f['largest_difference']:+.2f}",
                        f"{f['at_cm']:.4g}",
                        f"{100 * f['standard_error_at_most']:.2f}",
                        f"{100 * (f['mean_radius_cm'] / target - 1):+.2f}",
                    )
                )
        head = (
            "against the reference",
            "code",
            "histories",
            "largest difference, % of emitted energy",
            "at cm",
            "largest s.e.",
            "mean radius %",
        )
        parts.append(report.table(head, rows))
    return "\n\n".join(parts)


def main(words: list[str] | None = None) -> int:
    """Measure, print and write; 2 when ompmc is not there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer-python", default=sys.executable, help="Python that has ompmc; default this one")
    parser.add_argument("--seconds", type=float, default=8.0, help="processor seconds of one turn of one code")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--accuracy", type=float, default=10.0, help="factor on the histories of the accuracy check")
    parser.add_argument("-o", "--output", type=Path, default=machine.RESULTS)
    given = parser.parse_args(words)
    peer = Peer(given.peer_python)
    reason = peer.missing()
    if reason:
        sys.stderr.write(f"{reason}\ninstall it in an environment of its own: {INSTALL}\n")
        return 2
    content: dict[str, Any] = {"format": "hevesy-peers", "format_version": 1, **machine.provenance()}
    content["accuracy"] = accuracy(peer, given.accuracy)
    content["speed"] = speed(peer, given.seconds, given.turns)
    file = machine.write("peers", content, given.output)
    sys.stdout.write(tables(content) + f"\n\nwritten: {file.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
