"""What checkpoints cost: saving the sums of a patient, and their share of a run that saves as often as it may."""

from __future__ import annotations

import time

import numpy as np
from hevesy.benchmarks import cases
from hevesy.engine.results.checkpoint import EVERY_S, CheckpointFile
from hevesy.engine.results.identity import RunIdentity
from hevesy.engine.transport.checkpoints import STRETCH, Checkpoints
from hevesy.engine.transport.run import simulate
from hevesy.engine.transport.tally import Tally


def test_saving(quick, benchmark, keep, tmp_path) -> None:
    """One checkpoint of sums in which every voxel was reached, written and on the disk."""
    rows: dict[str, dict[str, float]] = {}

    def measured() -> None:
        for mm in cases.PATIENT_MM[: 1 if quick else 3]:
            problem = cases.load(f"I-131 patient {mm:g} mm")
            assert problem is not None
            tally = Tally.empty(problem.density_g_cm3.shape, 6, 100_000, 1, region_names=tuple("abcdef"))
            tally.energy_quanta += np.random.default_rng(1).integers(1, 1 << 40, tally.energy_quanta.shape)
            tally.batch_ids, tally.region_quanta = np.arange(1000), np.ones((1000, 6), np.int64)
            file, now = CheckpointFile(tmp_path / "checkpoint.npz"), RunIdentity.now(problem)
            seconds = []
            for _ in range(7):
                start = time.perf_counter()
                file.save(now, tally)
                seconds.append(time.perf_counter() - start)
            s = float(np.median(seconds))
            rows[f"{mm:g} mm"] = {
                "voxels": tally.energy_quanta.size,
                "bytes": file.path.stat().st_size,
                "s": s,
                "interval_s": max(EVERY_S, STRETCH * s),
                "share": s / (s + max(EVERY_S, STRETCH * s)),
            }

    benchmark.pedantic(measured, rounds=1)
    keep("checkpoints", "one checkpoint", {"by_size": rows})


def test_share_of_a_run(quick, benchmark, keep, tmp_path) -> None:
    """The most that checkpoints can cost: a run that saves whenever it may."""
    problem = cases.load(cases.MAIN)
    assert problem is not None
    file, now = CheckpointFile(tmp_path / "checkpoint.npz"), RunIdentity.now(problem)
    saved = Checkpoints(lambda tally: file.save(now, tally), 1e-9)

    def measured() -> Tally:
        return simulate(problem, 10**9, backend="cpu", short_batches=True, time_limit_s=5.0 if quick else 20.0,
                        checkpoint=saved)  # fmt: skip

    tally = benchmark.pedantic(measured, rounds=1)
    share = saved.spent_s / tally.wall_time_s
    keep("checkpoints", cases.MAIN, {"saved": saved.saved, "wall_s": tally.wall_time_s, "share": share})
