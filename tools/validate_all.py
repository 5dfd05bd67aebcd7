"""Validate the transport against the reference code and published values; write docs/validation.

Run as ``python -m hevesy.tools.validate_all`` (or ``make validation``) in a checkout. The reference data are looked
for in ``$HEVESY_SHARED/reference``, then in ``shared/reference`` in the checkout or next to it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .reference import reference_folder
from .validation import figures, kernels, page, principles, published, spheres, voxels
from .validation.record import Record

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("tables", "voxels", "kernels", "spheres", "published", "principles")
SEED = 20_261_123


def arguments(words: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few histories: minutes, for development")
    parser.add_argument("--only", default=",".join(PARTS), help=f"comma-separated parts of {', '.join(PARTS)}")
    parser.add_argument("--files", default="", help="comma-separated problem files or kernels; default all")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the numbers of histories")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "validation")
    given = parser.parse_args(words)
    given.parts = tuple(given.only.split(","))
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; parts are {', '.join(PARTS)}")
    given.chosen = tuple(filter(None, given.files.split(",")))
    return given


def main(words: list[str] | None = None) -> int:
    """Run the chosen parts; 0 when every check passes, 1 when one fails, 2 without reference data."""
    given = arguments(words)
    folder = reference_folder()
    if folder is None:
        sys.stderr.write("reference data not found: set HEVESY_SHARED to the folder that contains `reference`\n")
        return 2
    start = time.perf_counter()
    where = page.provenance()  # before the run: what is committed then is what runs
    records: list[Record] = []
    runs: dict[str, Any] = {"voxels": [], "kernels": [], "spheres": []}

    def step(what: str, work: Callable[[], list[Record]]) -> None:
        began = time.perf_counter()
        records.extend(work())
        sys.stderr.write(f"{what}: {time.perf_counter() - began:.0f} s\n")

    def wanted(name: str) -> bool:
        return not given.chosen or name in given.chosen

    def histories(full: int, quick: int) -> int:
        return max(1000, int((quick if given.quick else full) * given.scale))

    if "tables" in given.parts:
        step("tables", lambda: published.tables(folder) + published.icrp107(folder))
    if "voxels" in given.parts:
        for name, (_, full, quick) in voxels.FILES.items():
            if wanted(name):
                step(name, lambda n=name, f=full, q=quick: _voxels(runs, folder, n, histories(f, q), given.threads))
    if "kernels" in given.parts:
        reference = kernels.load(folder)
        edge = kernels.VOXELS[1 if given.quick else 0]
        for name, (full, quick) in kernels.HISTORIES.items():
            if wanted(name):
                kernel = reference[name.removesuffix("_far")]
                step(
                    name,
                    lambda n=name, k=kernel, f=full, q=quick: _kernel(runs, n, k, histories(f, q), edge, given.threads),
                )
    if "spheres" in given.parts:
        step("spheres", lambda: _spheres(runs, folder, given))
    if "published" in given.parts:
        step("published voxel S", lambda: published.voxel_s(folder, given.quick, SEED + 50, given.threads))
    if "principles" in given.parts:
        step("Fano, steps", lambda: principles.run(given.quick, SEED + 60, given.threads))
    given.out.mkdir(parents=True, exist_ok=True)
    drawn = _figures(runs, given.out)
    command = " ".join(["python -m hevesy.tools.validate_all", *(sys.argv[1:] if words is None else words)])
    seconds = time.perf_counter() - start
    good = page.write(given.out, records, drawn, runs, where, command, given.quick, seconds)
    sys.stderr.write(f"{'pass' if good else 'FAIL'}: {given.out / 'index.md'}\n")
    return 0 if good else 1


def _voxels(runs: dict[str, Any], folder: Path, name: str, decays: int, threads: int | None) -> list[Record]:
    run = voxels.run_file(folder, name, decays, SEED + list(voxels.FILES).index(name), threads)
    plain = asdict(run)
    plain.pop("records")
    runs["voxels"].append(plain)
    return run.records


def _kernel(
    runs: dict[str, Any], name: str, kernel: dict[str, Any], histories: int, edge: int, threads: int | None
) -> list[Record]:
    run = kernels.run_kernel(name, kernel, histories, edge, SEED + 20 + list(kernels.HISTORIES).index(name), threads)
    runs["kernels"].append(run.to_dict())
    return run.records


def _spheres(runs: dict[str, Any], folder: Path, given: argparse.Namespace) -> list[Record]:
    records, rows = spheres.run(folder, given.quick, SEED + 40, given.threads)
    runs["spheres"] = rows
    return records


def _figures(runs: dict[str, Any], out: Path) -> list[tuple[str, str]]:
    """Draw what there is to draw: (file, caption)."""
    drawn = []
    short = [k for k in runs["kernels"] if k["name"].startswith("electron") or k["name"] == "positron_800_keV"]
    far = [k for k in runs["kernels"] if k["name"].startswith("photon") or k["name"].endswith("_far")]
    if short:
        drawn.append(
            (
                figures.radial_kernels(short, out / "kernels_electrons.png", False),
                "Point-isotropic electrons and positrons in water: energy within a radius",
            )
        )
    if far:
        drawn.append(
            (
                figures.radial_kernels(far, out / "kernels_photons.png", True),
                "Point-isotropic photons in water (and a positron's annihilation photons)",
            )
        )
    tables = [r for r in runs["voxels"] if r["table"]]
    if tables:
        drawn.append((figures.voxel_s_profiles(tables, out / "voxel_s.png"), "Voxel S values along an axis"))
    for run in runs["voxels"]:
        if run["profile"]:
            drawn.append(
                (
                    figures.depth_profile(run["profile"], out / "depth_profile.png"),
                    "131I spheres at interfaces of lung, soft tissue and cortical bone",
                )
            )
    samples = {r["label"]: r["z"] for r in runs["voxels"] if r["z"].size}
    if samples:
        caption = (
            "z = difference over combined standard error: neighbours of the source voxel (every offset once), and "
            "voxels above 10 % of the maximum of the heterogeneous phantom (mirror pairs once)"
        )
        drawn.append((figures.z_histograms(samples, out / "z_scores.png"), caption))
    return drawn


if __name__ == "__main__":
    raise SystemExit(main())
