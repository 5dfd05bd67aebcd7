"""Full transport against what a user could leave out: rate, and the error it makes in the lesions."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.benchmarks import cases, measure

BATCHES = 24


def compared(problem, seconds: float) -> dict[str, dict]:
    """Rate, figure of merit and lesion means of every mode, in one run."""
    rows: dict[str, dict] = {}
    for name, what, changed, physics in cases.modes(problem):
        watch = measure.Stopwatch(changed, physics)
        try:
            watch.size_batches(seconds / BATCHES)
            for _ in range(BATCHES):
                watch.run_batch()
            figures, tally = watch.figures(), watch.tally
        finally:
            watch.close()
        dose, _ = tally.dose_gy_per_decay(problem.density_g_cm3, problem.voxel_volume_ml)
        energy, spread = tally.region_energy()
        rows[name] = {
            "what": what, "decays_per_s": figures["decays_per_s"], "statistics_share": figures["statistics_share"],
            "per_decay": figures["per_decay"], "merit_per_s": figures.get("lesions", {}).get("merit_per_s"),
            "lesion_gy": cases.lesion_means(problem, dose).tolist(), "lesion_error": (spread / energy).tolist(),
        }  # fmt: skip
    full = rows["full"]
    for name, row in rows.items():
        row["speed_up"] = row["decays_per_s"] / full["decays_per_s"]
        if name in ("full", cases.PHOTONS_ALONE):
            continue
        share = np.array(row["lesion_gy"]) / np.array(full["lesion_gy"]) - 1.0
        noise = np.hypot(row["lesion_error"], full["lesion_error"])
        worst = int(np.abs(share).argmax())
        row["lesion_difference"] = {"largest": float(share[worst]), "standard_error": float(noise[worst])}
    return rows


@pytest.mark.parametrize("name", [cases.MAIN, "Y-90 patient 4 mm", cases.HETEROGENEOUS])
def test_modes(name, quick, benchmark, keep) -> None:
    """Electron-local, electron-free, cut-offs and scoring against full transport."""
    if quick and name != cases.MAIN:
        pytest.skip("not part of the quick run")
    problem = cases.load(name)
    if problem is None:
        pytest.skip("its file is not here: set HEVESY_SHARED")
    found = benchmark.pedantic(compared, args=(problem, 2.0 if quick else 5.0), rounds=1)
    keep("modes", name, {"by_mode": found})
