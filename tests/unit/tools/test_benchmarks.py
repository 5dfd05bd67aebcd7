"""The benchmark code runs, on problems so small that its numbers mean nothing."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hevesy.benchmarks import (
    cases,
    decay,
    decay_report,
    fresh,
    machine,
    measure,
    page,
    peer_ompmc,
    peers,
    report,
    test_modes,
    versus,
)
from hevesy.phantoms.patient import synthetic_patient
from hevesy.phantoms.problems import voxel_s
from hevesy.tests.patience import PATIENCE_S


@pytest.fixture(scope="module")
def tiny():
    return synthetic_patient().true_problem(voxel_mm=cases.TINY_MM)


def test_every_named_problem_exists_once():
    names = cases.names()
    assert len(set(names)) == len(names) == 14
    assert {cases.MAIN, *cases.QUICK} <= set(names)
    assert cases.load("I-131 point 1 mm").source.sum() == 1.0


def test_figures_of_a_problem(tiny):
    watch = measure.Stopwatch(tiny, threads=1)
    watch.start(50)
    for _ in range(20):
        watch.run_batch()
    found = watch.figures()
    watch.close()
    assert found["decays"] == 1000
    assert found["decays_per_s"] > 0
    assert 0 < found["statistics_share"] < 1
    assert found["per_decay"]["photon_flights"] > 0
    spent = found["decays"] / found["decays_per_s"]
    hot = found["hot_voxels"]
    assert hot["merit_per_s"] == pytest.approx(1 / (hot["error"] ** 2 * spent))
    assert hot["s_to_2_percent"] == pytest.approx(spent * (hot["error"] / 0.02) ** 2)


#: a clock in the processes of two trees: a batch takes half a second in the slow one, and a quarter in the other
STEADY = """
import itertools, pathlib, time
looks = itertools.count(0.0, 0.5 if pathlib.Path.cwd().name == "slow" else 0.25)
time.process_time = lambda: next(looks)
"""


def test_commits_beside_each_other(tmp_path, monkeypatch):
    trees = {"one": tmp_path / "slow", "working tree": tmp_path / "quick"}
    for tree in trees.values():
        tree.mkdir()
        (tree / "hevesy").symlink_to(versus.ROOT)
    monkeypatch.setattr(versus, "named", lambda name: voxel_s("Y-90", voxels=5))
    monkeypatch.setattr(versus, "WORKER", STEADY + versus.WORKER)
    row = versus.compare("90Y", trees, 0.02, 3, tmp_path)
    assert row["same_energy"] == [True, True]
    assert row["gain"] == [1.0, 2.0]
    assert row["gain_error"] == [0.0, 0.0]
    # of 20,000 that took 0.5 s
    assert row["histories"] == 800
    table = versus.tables({**machine.provenance(), "rows": [row]})
    assert "90Y" in table
    assert "working tree" in table


def test_batches_are_sized_by_time(monkeypatch):
    """On a machine that simulates a history in a microsecond."""
    watch = measure.Stopwatch(voxel_s("Y-90", voxels=5), threads=1)
    run_batch, clock = watch.engine.run_batch, SimpleNamespace(now=0.0)

    def steadily(batch, per_batch, tally):
        clock.now += 1e-6 * per_batch
        return run_batch(batch, per_batch, tally)

    monkeypatch.setattr(watch.engine, "run_batch", steadily)
    monkeypatch.setattr(
        measure, "time", SimpleNamespace(perf_counter=lambda: clock.now, process_time=lambda: clock.now)
    )
    assert watch.size_batches(0.01) == 10_000
    watch.run_batch()
    assert watch.seconds == [pytest.approx(0.01)]
    assert watch.size_batches(1e-5) == 100
    watch.close()


def test_a_run_to_a_goal_says_whether_it_got_there():
    problem = voxel_s("I-131", voxels=5)
    assert measure.until(problem, "voxels>50%:50%", PATIENCE_S, backend="cpu")["reached"]
    assert not measure.until(problem, "voxels>50%:0.0001%", 0.01, backend="cpu")["reached"]


def test_modes_are_compared_with_full_transport(tiny, monkeypatch):
    monkeypatch.setattr(test_modes, "BATCHES", 20)
    found = test_modes.compared(tiny, 0.05)
    assert found["full"]["speed_up"] == 1.0
    assert found["electron-local"]["per_decay"]["electron_steps"] == 0
    assert found[cases.PHOTONS_ALONE]["per_decay"]["electron_steps"] == 0
    assert "lesion_difference" not in found[cases.PHOTONS_ALONE]
    assert "largest" in found["50 keV"]["lesion_difference"]


def test_a_start_is_taken_apart(tmp_path):
    """Warm only: the compiled code of this test run is there."""
    file = tmp_path / "problem.npz"
    voxel_s("I-131", voxels=5).save(file)
    found = fresh.call(file, 100)
    assert tuple(found["parts_s"]) == fresh.PARTS
    assert found["total_s"] <= found["process_s"]
    assert found["peak_rss_mib"] > 50


def test_a_failed_process_tells_why(tmp_path):
    with pytest.raises(RuntimeError, match="nothing.npz"):
        fresh.call(tmp_path / "nothing.npz", 1)


def test_results_are_written_whole_and_found_again(tmp_path):
    assert machine.latest("cpu", tmp_path) is None
    machine.write("cpu", {"rows": [1]}, tmp_path)
    assert machine.latest("cpu", tmp_path) == {"rows": [1]}
    assert machine.latest("quick", tmp_path) is None
    assert not list(tmp_path.glob("*.part"))


def test_tables_hold_every_part():
    lesions = {"merit_per_s": 2.0, "s_to_1_percent": 3.0}
    events = dict.fromkeys(measure.EVENTS, 1.5)
    mode = {"decays_per_s": 1e5, "speed_up": 1.0, "merit_per_s": None, "per_decay": events}
    part = {"parts_s": dict.fromkeys(fresh.PARTS, 0.1), "total_s": 0.7}
    content = {**machine.provenance(), "rows": [
        {"part": "problems", "name": "a", "voxels": 10, "decays_per_s": 1e6, "threads": 2, "per_decay": events,
         "lesions": lesions, "hot_voxels": {"s_to_2_percent": 4.0}},
        {"part": "goals", "name": "b", "goal": "lesions:1%", "reached": True, "wall_s": 5.0, "decays": 100},
        {"part": "threads", "name": "c", "by_threads": {"1": {"decays_per_s": 1.0, "transport_per_s": 1.0,
                                                              "efficiency": 1.0}}},
        {"part": "histories", "name": "d", "by_histories": {"10": {"decays_per_s": 1.0, "statistics_share": 0.1}}},
        {"part": "modes", "name": "e", "by_mode": {"full": mode}},
        {"part": "start", "name": "f", "cold": part, "warm": part},
        {"part": "memory", "name": "g", "voxels": 10, "before_run_mib": 50.0, "peak_rss_mib": 100.0},
        {"part": "sums", "name": "host", "by_size": {"i": {"voxels": 10, "s": 0.1}}},
        {"part": "variance", "name": "h", "by_variant": {"default": dict.fromkeys(
            ("hot", "most", "cpu_s", "steps_per_decay", "merit_hot", "merit_most"), 1.0)}},
        {"part": "methods", "name": "j", "voxels": 10, "by_method": {
            "mc": {"s": 2.0, "cpu_s": 3.0, "largest_error": 0.01, "largest_bias": 0.0},
            "kernel": {"s": 1.0, "cpu_s": 1.0, "largest_bias": -0.02}}},
        {"part": "kernel", "name": "k", "voxels": 10, "decays": 100, "made_s": 1.0, "made_cpu_s": 2.0, "cached_s": 0.1,
         "source_error": 1e-3},
        {"part": "convolution", "name": "l", "reach": 3, "padded": [8, 8, 8], "float64_s": 1.0, "float64_cpu_s": 2.0,
         "float32_s": 0.5, "float32_error": 1e-7, "float32_error_far": None},
    ]}  # fmt: skip
    text = report.tables(json.loads(json.dumps(content)))
    for name in "abcdefghijkl":
        assert f"\n| {name} " in text
    for lines in text.split("\n\n")[1:]:
        assert len({line.count("|") for line in lines.splitlines()}) == 1


def test_without_ompmc_there_is_one_clear_message(capsys):
    assert peers.main(["--peer-python", sys.executable + "-that-is-not-there"]) == 2
    said = capsys.readouterr().err
    assert "cannot be run" in said
    assert "pip install ompmc" in said


def test_phase_space_of_an_isotropic_source(tmp_path):
    peer_ompmc.phase_space(tmp_path / "source", 4000, -1, 0.2, 0.15, 3)
    kinds = [("type", "i1"), *((name, "<f4") for name in "exyzuv")]
    record = np.fromfile(tmp_path / "source.IAEAphsp", kinds)
    assert record.size == 4000
    assert set(np.abs(record["type"])) == {2}
    assert np.all(record["e"] == np.float32(-0.2))
    w = np.sign(record["type"]) * np.sqrt(np.maximum(1 - record["u"] ** 2.0 - record["v"] ** 2.0, 0))
    for cosine in (record["u"], record["v"], w):  # isotropic: every component is uniform in -1..1
        assert abs(cosine.mean()) < 5 / np.sqrt(3 * 4000)
        assert cosine.var() == pytest.approx(1 / 3, rel=0.1)
    header = (tmp_path / "source.IAEAheader").read_text()
    assert f"$RECORD_LENGTH:\n{record.itemsize}\n" in header
    assert f"$CHECKSUM:\n{record.nbytes}\n" in header


def test_both_codes_get_the_same_problem():
    setup = peers.SPEED[1]
    problem = peers.problem(setup.particle, setup.energy_mev, 5, setup.voxel_cm)
    assert problem.voxel_size_mm == pytest.approx((3.0, 3.0, 3.0))
    assert problem.source[2, 2, 2] == 1 and problem.source.sum() == 1
    assert problem.physics == {"electron_cutoff_mev": 0.01, "photon_cutoff_mev": 0.01}


def test_lines_of_ptx_are_counted_by_kind():
    ptx = """
\t.loc\t2 10 1
\tfma.rn.ftz.f32 \t%f1, %f2, %f3, %f4;
\t@%p1 bra \t$L__BB0_3;
\t.loc\t2 11 1, function_name $L__info_string9, inlined_at 2 10 1
\tlg2.approx.ftz.f32 \t%f5, %f1;
\tred.global.add.u64 \t[%rd3], %rd4;
$L__BB0_3:
\tld.global.f32 \t%f6, [%rd1+4];
\t.file\t2 "/somewhere/kernels/rng.py"
"""
    found = decay.count_lines(ptx)
    assert found["rng.py", 10] == {"other": 1, "branch": 1}
    assert found["rng.py", 11] == {"special": 1, "atomic": 1, "global load": 1}


def test_inlined_copies_follow_the_calls():
    held = decay.copies()
    assert held["decay_history"] == held["transport_charged"] == held["transport_photon"] == 1
    assert held["philox"] > 10  # in every place that draws
    rng = decay.functions()["philox"]
    assert set(rng.repeats.values()) == {10}


def test_instructions_of_a_decay_are_those_of_its_lines():
    problem = voxel_s("I-131", voxels=5)
    seen = decay.trace(problem, 4)
    assert seen.calls["decay_history"] == 4
    assert seen.calls["philox"] > 8
    first = decay.functions()["decay_history"]
    line = ("history.py", next(n for f, n in seen.lines if f == "history.py" and first.first < n <= first.last))
    found = decay.instructions({line: {"other": 3}}, seen)
    assert found.total == pytest.approx(3 * seen.lines[line] / 4)
    assert found.functions["decay_history"] == found.total


def test_bounds_follow_from_instructions():
    profile = {"sass_per_ptx": 0.9, "gpu": {"total": 1000.0, "kinds": {"special": 200.0, "global load": 10.0}}}
    card = decay_report.Card("card", 20.0, 1.0)
    found = decay_report.bounds(profile, card)
    assert found["issue"] == pytest.approx(1e13 / 900)
    assert found["special"] == pytest.approx(1e13 / 1600) == found["arithmetic"]
    assert found["memory"] == pytest.approx(1e12 / 320)


def test_the_page_is_filled_from_the_newest_results(tmp_path):
    text = page.PAGE.read_text(encoding="utf-8")
    empty = page.filled(text, tmp_path)
    for _, _, command in page.PARTS.values():
        assert f"No measurement yet: `{command}`." in empty
    assert page.filled(empty, tmp_path) == empty
    speed = [
        {"problem": "p", "range_rejection": on, "per_core_s": {"hevesy": 10.0, "ompmc": 2.0}, "ratio": 5.0}
        for on in (False, True)
    ]
    code = {"largest_difference": 0.001, "at_cm": 1.0, "mean_radius_cm": 1.0, "standard_error_at_most": 0.0001}
    kernel = {
        "kernel": "photon_364p5_keV",
        "histories": {"hevesy": 10, "ompmc": 10},
        "hevesy": code,
        "ompmc": code,
        "mean_radius_reference_cm": 1.0,
    }
    machine.write("peers", {**machine.provenance(), "speed": speed, "accuracy": [kernel]}, tmp_path)
    filled = page.filled(text, tmp_path)
    assert "photon 364.5 keV" in filled
    assert "No measurement yet: `make bench-peers`" not in filled
    with pytest.raises(ValueError, match="begin cpu"):
        page.filled("nothing here", tmp_path)
