"""Every named problem: decays a second, figure of merit, time to a goal."""

from __future__ import annotations

import pytest
from hevesy.benchmarks import cases, measure

BATCHES = 24
#: seconds of all batches of one problem; the least and the most histories of one batch
SECONDS, QUICK_SECONDS = 10.0, 4.0


@pytest.mark.parametrize("name", cases.names())
def test_rate(name, quick, benchmark, keep) -> None:
    """Batches of equal work; the rate is that of the median batch."""
    if quick and name not in cases.QUICK:
        pytest.skip("not part of the quick run")
    problem = cases.load(name)
    if problem is None:
        pytest.skip(f"no file of {name}; set HEVESY_SHARED to the folder that holds reference/")
    watch = measure.Stopwatch(problem)
    try:
        watch.size_batches((QUICK_SECONDS if quick else SECONDS) / BATCHES)
        benchmark.pedantic(watch.run_batch, rounds=BATCHES, iterations=1)
        figures = watch.figures()
    finally:
        watch.close()
    assert figures["decays_per_s"] > 0
    keep("problems", name, figures)


@pytest.mark.parametrize("nuclide", cases.NUCLIDES[:2])
def test_one_per_cent_on_every_lesion(nuclide, quick, benchmark, keep) -> None:
    """The patient at 4 mm until every lesion's mean is known to 1 %, by the program's own stop rule."""
    if quick and nuclide != "I-131":
        pytest.skip("not part of the quick run")
    name = f"{nuclide} patient 4 mm"
    problem = cases.load(name)
    run = benchmark.pedantic(measure.until, args=(problem, "lesions:1%", 120.0), kwargs={"backend": "cpu"}, rounds=1)
    keep("goals", name, run)
    assert run["reached"]
