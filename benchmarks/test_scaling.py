"""How the rate goes with threads, with histories a batch and (in test_problems.py) with voxels."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hevesy.benchmarks import cases, measure
from hevesy.engine.transport.tally import Tally
from hevesy.kernels.backends.machine import usable_cores

#: histories of a batch
HISTORIES = (1_000, 10_000, 100_000, 1_000_000)
NOTHING = {"emitted": 0, "deposited": 0, "escaped": 0}


def thread_counts() -> list[int]:
    """1, 2, 4, ... and all cores of this machine."""
    most, counts = usable_cores(), [1]
    while counts[-1] * 2 < most:
        counts.append(counts[-1] * 2)
    return counts if most == 1 else [*counts, most]


def test_threads(quick, benchmark, keep) -> None:
    """The same batches on more and more threads; efficiency is against one."""
    problem = cases.load(cases.MAIN)
    assert problem is not None
    rows: dict[str, dict[str, float]] = {}

    def measured() -> None:
        # one and many in turn, three times: a slow moment of the machine falls on all of them
        for _ in range(1 if quick else 3):
            for threads in thread_counts():
                found = measure.timed(problem, 5, 1.0 if quick else 2.5, threads=threads, per_batch=100_000)
                best = rows.setdefault(str(threads), {"decays_per_s": 0.0, "transport_per_s": 0.0})
                best["decays_per_s"] = max(best["decays_per_s"], found["decays_per_s"])
                pure = found["decays_per_s"] / (1.0 - found["statistics_share"])
                best["transport_per_s"] = max(best["transport_per_s"], pure)

    benchmark.pedantic(measured, rounds=1)
    for threads, row in rows.items():
        row["efficiency"] = row["transport_per_s"] / rows["1"]["transport_per_s"] / int(threads)
    keep("threads", cases.MAIN, {"by_threads": rows})


def test_histories(quick, benchmark, keep) -> None:
    """Short batches cost more: their sums and squares are of all voxels that anything reached."""
    problem = cases.load(cases.MAIN)
    assert problem is not None
    rows: dict[str, dict[str, float]] = {}

    def measured() -> None:
        for count in HISTORIES[: 3 if quick else 4]:
            found = measure.timed(problem, 3 if count > 100_000 else 9, 1.0, per_batch=count)
            rows[str(count)] = {key: found[key] for key in ("decays_per_s", "statistics_share")}

    benchmark.pedantic(measured, rounds=1)
    keep("histories", cases.MAIN, {"by_histories": rows})


def test_sums(quick, benchmark, keep) -> None:
    """What the host needs to add and square one batch that reached every voxel of the patient."""
    rows: dict[str, dict[str, float]] = {}

    def measured() -> None:
        for mm in cases.PATIENT_MM[: 1 if quick else 3]:
            problem = cases.load(f"I-131 patient {mm:g} mm")
            assert problem is not None
            tally = Tally.empty(problem.density_g_cm3.shape, 0, 1, 1, backend="cpu", device="")
            quanta = np.random.default_rng(1).integers(1, 1 << 40, problem.density_g_cm3.size)
            seconds = []
            for batch in range(5):
                start = time.perf_counter()
                tally.add_batch(batch, quanta, np.zeros(0, np.int64), NOTHING)
                seconds.append(time.perf_counter() - start)
            rows[f"{mm:g} mm"] = {"voxels": quanta.size, "s": float(np.median(seconds))}

    benchmark.pedantic(measured, rounds=1)
    keep("sums", "host", {"by_size": rows})


@pytest.mark.parametrize("name", [f"I-131 patient {mm:g} mm" for mm in cases.PATIENT_MM])
def test_memory(name, quick, benchmark, keep) -> None:
    """Peak resident memory of a whole run in a process of its own."""
    from hevesy.benchmarks import fresh

    if quick and name != cases.MAIN:
        pytest.skip("not part of the quick run")
    found = benchmark.pedantic(fresh.memory, args=(name, 100_000), rounds=1)
    keep("memory", name, found)
