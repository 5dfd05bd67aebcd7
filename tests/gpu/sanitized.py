"""A few histories on the device, for compute-sanitizer to watch; run as a program."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    runpy.run_path(str(ROOT / "tools" / "importable.py"))

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
