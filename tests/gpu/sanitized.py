"""A few histories on the device, for compute-sanitizer to watch; run as a program."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    load = importlib.util.spec_from_file_location("gpu_conftest", HERE / "conftest.py")
    assert load is not None
    assert load.loader is not None
    load.loader.exec_module(importlib.util.module_from_spec(load))  # makes `hevesy` importable

    import numpy as np
    from hevesy.benchmarks import gpu_problems as problems
    from hevesy.kernels.backends import cuda

    world = problems.world(problems.mixed_emission())
    engine = cuda.Engine(world, 1, launch=cuda.Launch(4, 64, 0))
    counters = engine.run_batch(0, 256, np.zeros(world.density.size, np.int64))
    engine.close()
    print("simulated", counters["decays"])


if __name__ == "__main__":
    sys.exit(main())
