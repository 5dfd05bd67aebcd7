"""Time in Python of one launch on a GPU, up to the driver: the device may be idle meanwhile."""

from __future__ import annotations

import pytest
from hevesy.kernels.backends import cuda_launch
from hevesy.tools import cuda_launches

#: most time in Python of a launch [s]
LONGEST = 1e-3
NUMBERS = (3, 0, 8_000_000, 8_000_000)


@pytest.mark.parametrize("way", ["prepared", "through Numba"])
def test_launch(way, benchmark, keep) -> None:
    """A launch as a run makes it, and with the arguments unpacked every time (the dispatcher types them as well)."""
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: pip install '.[gates]'")
    with cuda_launches.without_a_driver() as (kernel, fixed, launches):
        shape = cuda_launch.Launch(528, 128, 0)
        launch = cuda_launch.launcher(kernel, shape, fixed, len(NUMBERS))
        assert isinstance(launch, cuda_launch.Prepared)
        if way == "through Numba":
            launch = cuda_launch.ThroughNumba(kernel[shape.blocks, shape.threads], fixed)

        def start() -> None:
            launch(*NUMBERS)
            launches.clear()

        benchmark.pedantic(start, rounds=200, iterations=5, warmup_rounds=5)
    seconds = benchmark.stats.stats.median
    keep("launch", way, {"seconds": seconds})
    if way == "prepared":
        assert seconds < LONGEST
