"""Images of a serial study: averaging on a rotated grid, and `check` of two whole-body scans in two places."""

from __future__ import annotations

import time

import numpy as np
from hevesy.benchmarks import whole_body
from hevesy.engine.case import Case
from hevesy.engine.check import check_case
from hevesy.engine.imaging.resample import average


def test_rotated_average(quick, benchmark, keep) -> None:
    """One map of 13 million voxels between grids turned by 3 degrees."""
    values = np.random.default_rng(1).gamma(1.0, 1000.0, whole_body.GRID.shape).astype(np.float32)
    average(values[:8], whole_body.GRID.cropped((slice(0, 8), slice(0, 256), slice(0, 256))), whole_body.turned())
    start, cpu = time.perf_counter(), time.process_time()
    benchmark.pedantic(average, args=(values, whole_body.GRID, whole_body.turned()), rounds=1)
    wall, used = time.perf_counter() - start, time.process_time() - cpu
    keep("images", "rotated average", {"voxels": values.size, "s": wall, "cpu_s": used})


def test_check_of_two_whole_bodies(quick, benchmark, keep, tmp_path) -> None:
    """Reading, registration and resampling: what a user waits for before a run."""
    if quick:
        return
    case = Case.load(whole_body.write(tmp_path))
    start, cpu = time.perf_counter(), time.process_time()
    benchmark.pedantic(check_case, args=(case,), rounds=1)
    wall, used = time.perf_counter() - start, time.process_time() - cpu
    keep("images", "check, two scans", {"voxels": 2 * whole_body.GRID.size, "s": wall, "cpu_s": used})
