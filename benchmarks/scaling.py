"""Cost against voxels, decays and shards, measured through the commands; and what a large study costs by it.

``python -m hevesy.benchmarks.scaling`` runs a synthetic patient at several spacings and numbers of decays, and a
problem in several numbers of shards; keeps the figures under benchmarks/results and writes the tables of
docs/scaling.md. ``--page`` writes the tables again from the last figures.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hevesy.benchmarks import machine, report
from hevesy.engine.batch.plan import plan_problem
from hevesy.engine.transport.problem import Problem
from hevesy.kernels.backends.machine import usable_cores
from hevesy.phantoms.patient import synthetic_patient

PAGE = Path(__file__).resolve().parents[1] / "docs" / "scaling.md"
SPACINGS_MM = (4.0, 3.0, 2.0)
#: Decays of the two runs whose difference is the transport, and whose intercept is all else.
DECAYS = (200_000, 2_000_000)
SHARDS = (1, 4, 16)
#: Decays of the problem in shards: some ten seconds on two cores.
SHARDED_DECAYS = 8_000_000
#: Shards and decays of the problems whose shards are timed beside their transport.
FEW_SHARDS, FEW_DECAYS = 4, 400_000

#: The study of the page: patients, visits of each, and the decays that 1 % on every lesion takes on this patient.
PATIENTS, VISITS, SPACING_MM = 1000, 3, 2.0
#: Expected of one H200 by the model of docs/performance.md, in decays of 131I per second; not measured on a device.
GPU_DECAYS_PER_S = 3.3e8


def hevesy(*words: object) -> float:
    """Run the command; returns how long it took by the clock [s]."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "hevesy", *map(str, words)], check=True, capture_output=True)
    return time.perf_counter() - begun


def runs(folder: Path) -> list[dict[str, Any]]:
    """`hevesy run` on the synthetic patient: grid, decays, wall time, and the transport in it."""
    patient = synthetic_patient()
    case = patient.save_nifti(folder / "patient")
    text, rows = case.read_text(), []
    for spacing in SPACINGS_MM:
        grid = case.with_name(f"case-{spacing:g}.yaml")
        grid.write_text(text.replace("grid: pet", f'grid: "{spacing:g} mm"'))
        if grid.read_text() == text and spacing != patient.voxel_mm:
            raise RuntimeError("the case of the synthetic patient names no grid")
        for decays in DECAYS:
            out = folder / f"run-{spacing:g}-{decays}"
            wall = hevesy("run", grid, "--out", out, "--decays", decays, "--backend", "cpu", "--quiet")
            rows.append(_run_row(out, spacing, decays, wall))
    return rows


def _run_row(out: Path, spacing: float, decays: int, wall: float) -> dict[str, Any]:
    from hevesy.engine.results.result import Result

    result = Result.load(next(out.rglob("result.h5")))
    mean, sigma = result.tally.region_energy() if result.tally is not None else (np.ones(1), np.ones(1))
    return {
        "spacing_mm": spacing,
        "voxels": int(np.prod(result.grid.shape)),
        "decays": result.decays,
        "wall_s": wall,
        "transport_s": result.wall_time_s,
        "largest_relative_sigma": float((sigma / mean).max()),
        "result_mb": sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 1e6,
    }


def shards(folder: Path) -> list[dict[str, Any]]:
    """`hevesy batch` of one problem in shards: wall time of all, and of each job beyond its transport."""
    problem = folder / "problem.npz"
    synthetic_patient().true_problem(voxel_mm=4.0).save(problem)
    voxels = int(np.prod(Problem.load(problem).density_g_cm3.shape))
    rows = []
    for executor, words in (("here", []), ("processes", ["--workers", usable_cores()])):
        for count in SHARDS:
            out = folder / f"batch-{executor}-{count}"
            wall = hevesy(
                "batch", problem, "--out", out, "--shards", count, "--decays", SHARDED_DECAYS, "--backend", "cpu",
                "--executor", executor, *words, "--quiet",
            )  # fmt: skip
            jobs = sorted((out / "jobs").iterdir())
            beyond = [_beyond(job) for job in jobs]
            merge = hevesy("merge", *sorted(out.glob("jobs/*/result.h5")), "-o", out / "again.h5")
            rows.append(
                {
                    "executor": executor, "shards": count, "voxels": voxels, "wall_s": wall, "merge_s": merge,
                    "beyond_transport_s": float(np.median(beyond)), "most_beyond_s": max(beyond),
                    "transport_s": sum(_status(job)["transport_s"] for job in jobs),
                }
            )  # fmt: skip
    return rows


def overheads(folder: Path) -> list[dict[str, Any]]:
    """A shard beside its transport, at each spacing: planned, first and further of one process, and in one of its own.

    The jobs run by `hevesy job`, as the tasks of a cluster do. The clock of a shard is that of its status; that of a
    process includes its start and its end.
    """
    rows = []
    for spacing in SPACINGS_MM:
        problem = folder / f"problem-{spacing:g}.npz"
        made = synthetic_patient().true_problem(voxel_mm=spacing)
        made.save(problem)
        out = folder / f"overhead-{spacing:g}"
        begun = time.perf_counter()
        plan_problem(problem, out, shards=FEW_SHARDS, decays=FEW_DECAYS, backend="cpu")
        planned = time.perf_counter() - begun
        first, *others = sorted((out / "jobs").iterdir())
        alone = hevesy("job", first, "--quiet") - _status(first)["transport_s"]
        hevesy("job", *others, "--quiet")
        leader, *followers = (_beyond(folder) for folder in others)
        rows.append(
            {
                "spacing_mm": spacing, "voxels": int(np.prod(made.density_g_cm3.shape)),
                "planned_s": planned / FEW_SHARDS, "first_s": leader, "further_s": float(np.median(followers)),
                "alone_s": alone,
            }
        )  # fmt: skip
    return rows


def _status(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "status.json").read_text())


def _beyond(folder: Path) -> float:
    status = _status(folder)
    return status["wall_time_s"] - status["transport_s"]


def measured() -> dict[str, Any]:
    """All measurements, with the machine."""
    with tempfile.TemporaryDirectory(prefix="hevesy-scaling-") as name:
        folder = Path(name)
        about = machine.provenance()
        return {**about, "runs": runs(folder), "shards": shards(folder), "overheads": overheads(folder)}


def costs(record: dict[str, Any]) -> list[dict[str, Any]]:
    """At each spacing: time beside the transport, rate of the transport, and decays for 1 % on every lesion."""
    rows = []
    for spacing in SPACINGS_MM:
        few, many = (row for row in record["runs"] if row["spacing_mm"] == spacing)
        rows.append(
            {
                "spacing_mm": spacing,
                "voxels": many["voxels"],
                "beside_s": many["wall_s"] - many["transport_s"],
                "decays_per_s_core": (many["decays"] - few["decays"])
                / (many["transport_s"] - few["transport_s"])
                / record["machine"]["cores"],
                "decays_for_1_percent": many["decays"] * (many["largest_relative_sigma"] / 0.01) ** 2,
                "result_mb": many["result_mb"],
            }
        )
    return rows


def study(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Hours of the study on machines of several sizes; the work beside the transport runs on the cores named."""
    cost = next(row for row in costs(record) if row["spacing_mm"] == SPACING_MM)
    visits = PATIENTS * VISITS
    beside = visits * cost["beside_s"]
    transport = visits * cost["decays_for_1_percent"]
    machines: list[tuple[str, float, float]] = [
        (f"{record['machine']['cores']} cores (measured)", cost["decays_per_s_core"] * record["machine"]["cores"], 1),
        ("1000 cores", cost["decays_per_s_core"] * 1000, 500),
        ("1 GPU (expected), 16 cores", GPU_DECAYS_PER_S, 8),
        ("8 GPUs (expected), 128 cores", 8 * GPU_DECAYS_PER_S, 64),
    ]
    return [
        {"machine": name, "transport_h": transport / rate / 3600, "beside_h": beside / side / 3600}
        for name, rate, side in machines
    ]


def tables(record: dict[str, Any]) -> dict[str, str]:
    """The tables of the page, by the name of their place."""
    spacings = [
        [f"{row['spacing_mm']:g}", f"{row['voxels']:.3g}", f"{row['beside_s']:.1f}", f"{row['decays_per_s_core']:.3g}",
         f"{row['decays_for_1_percent']:.2g}", f"{row['result_mb']:.0f}"]
        for row in costs(record)
    ]  # fmt: skip
    pieces = [
        [row["executor"], row["shards"], f"{row['wall_s']:.1f}", f"{row['transport_s']:.1f}",
         f"{row['beyond_transport_s']:.2f}", f"{row['most_beyond_s']:.2f}", f"{row['merge_s']:.1f}"]
        for row in record["shards"]
    ]  # fmt: skip
    beside = [
        [f"{row['spacing_mm']:g}", f"{row['voxels']:.3g}",
         *(f"{row[name]:.2f}" for name in ("planned_s", "first_s", "further_s", "alone_s"))]
        for row in record["overheads"]
    ]  # fmt: skip
    machines = [[r["machine"], f"{r['transport_h']:.3g}", f"{r['beside_h']:.3g}"] for r in study(record)]
    return {
        "spacings": report.table(
            ["spacing, mm", "voxels", "s beside the transport", "decays/s and core", "decays for 1 %", "output, MB"],
            spacings,
        ),
        "shards": report.table(
            ["executor", "shards", "s in all", "s of transport", "s beyond it per shard", "most", "s of merging"],
            pieces,
        ),
        "overheads": report.table(
            ["spacing, mm", "voxels", "planning it", "first of a process", "further", "process of its own"], beside
        ),
        "study": report.table(["machine", "h of transport", "h beside it"], machines),
    }


def filled(text: str, record: dict[str, Any]) -> str:
    """The page with its tables made anew."""
    for name, table in tables(record).items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"no part {begin} ... {end} in the page")
        text = f"{before}{begin}\n{report.heading(record)}\n\n{table}\n{end}{after}"
    return text


def main(words: Sequence[str] | None = None) -> int:
    """Measure, and write the file and the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="store_true", help="write the page from the last measurement")
    if not parser.parse_args(words).page:
        machine.write("scaling", measured())
    record = machine.latest("scaling")
    if record is None:
        raise FileNotFoundError("no measurement yet: run without --page")
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), record), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
