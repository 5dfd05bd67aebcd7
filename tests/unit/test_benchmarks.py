"""The benchmark code runs, on problems so small that its numbers mean nothing."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from hevesy.benchmarks import cases, fresh, machine, measure, peer_ompmc, peers, report, test_modes
from hevesy.phantoms.patient import synthetic_patient
from hevesy.phantoms.problems import voxel_s


@pytest.fixture(scope="module")
def tiny():
    return synthetic_patient().true_problem(voxel_mm=cases.TINY_MM)


def test_names_are_those_of_the_issue():
    names = cases.names()
    assert len(set(names)) == len(names) == 14
    assert {cases.MAIN, *cases.QUICK} <= set(names)
    assert cases.load("I-131 point 1 mm").source.sum() == 1.0


def test_figures_of_a_problem(tiny):
    watch = measure.Stopwatch(tiny, threads=1)
    watch.start(50)
    for _ in range(20):
        watch.play()
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


def test_batches_are_sized_by_time():
    watch = measure.Stopwatch(voxel_s("Y-90", voxels=5), threads=1)
    assert watch.size_batches(0.01) >= 100
    watch.play()
    assert watch.seconds[0] < 5.0
    watch.close()


def test_a_run_to_a_goal_says_whether_it_got_there():
    problem = voxel_s("I-131", voxels=5)
    assert measure.until(problem, "voxels>50%:50%", 60.0, backend="cpu")["reached"]
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
    assert found["total_s"] <= found["process_s"] + 0.5
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
        {"part": "variance", "name": "h", "by_variant": {"default": dict.fromkeys(
            ("hot", "most", "cpu_s", "steps_per_decay", "merit_hot", "merit_most"), 1.0)}},
    ]}  # fmt: skip
    text = report.tables(json.loads(json.dumps(content)))
    for name in "abcdefgh":
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
