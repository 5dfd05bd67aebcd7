"""Options that a card should run with, from made-up measurements; goals, and the table."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hevesy.benchmarks import gpu_goals
from hevesy.benchmarks import gpu_problems as problems
from hevesy.tools.gpu_first import engine_steps, table
from hevesy.tools.gpu_first.recommend import LEAST_GAIN, choose
from hevesy.tools.gpu_first.runner import Outcome, Step

LU, IODINE = "lu177_patient_4mm", "i131_patient_4mm"
PATIENTS = (LU, IODINE)
DEFAULT = ("interleaved", None, 128)


def rate(key: tuple, patient: str, per_s: float, digest: str = "same") -> dict[str, Any]:
    schedule, ceiling, threads = key
    return {
        "schedule": schedule, "max_registers": ceiling, "threads": threads, "patient": patient, "registers": 112,
        "blocks": 528, "decays_per_s": per_s, "digest": f"{digest} of {patient}",
    }  # fmt: skip


def both(key: tuple, lu: float, iodine: float, digest: str = "same") -> list[dict[str, Any]]:
    return [rate(key, LU, lu, digest), rate(key, IODINE, iodine, digest)]


USUAL = both(DEFAULT, 3e8, 1.5e8)


def test_the_fastest_build_is_recommended():
    faster, slower = ("voted", 64, 256), ("histories", None, 128)
    choice = choose([*both(faster, 6e8, 2.7e8), *USUAL, *both(slower, 2e8, 1e8)], DEFAULT, PATIENTS)
    assert choice.key == faster
    assert choice.gain == pytest.approx((2.0 * 1.8) ** 0.5)
    assert choice.measured
    assert not choice.differing


def test_both_patients_count():
    one_sided, balanced = ("voted", None, 128), ("interleaved", 80, 128)
    facts = [*USUAL, *both(one_sided, 4.5e8, 1.2e8), *both(balanced, 3.9e8, 1.9e8)]
    assert choose(facts, DEFAULT, PATIENTS).key == balanced


def test_other_integers_are_not_recommended_however_fast():
    other = ("voted", 64, 128)
    choice = choose([*USUAL, *both(other, 9e8, 9e8, digest="other")], DEFAULT, PATIENTS)
    assert choice.key == DEFAULT
    assert choice.differing == (other,)
    # of one patient alone is enough
    mixed = [rate(other, LU, 9e8), rate(other, IODINE, 9e8, digest="other")]
    assert choose([*USUAL, *mixed], DEFAULT, PATIENTS).key == DEFAULT


@pytest.mark.parametrize(("gain", "chosen"), [(0.5 * LEAST_GAIN, DEFAULT), (1.5 * LEAST_GAIN, ("voted", None, 128))])
def test_little_more_than_the_default_is_chance(gain, chosen):
    fast = both(("voted", None, 128), 3e8 * (1 + gain), 1.5e8 * (1 + gain))
    assert choose([*USUAL, *fast], DEFAULT, PATIENTS).key == chosen


def test_a_build_that_was_measured_on_one_patient_is_no_candidate():
    assert choose([*USUAL, rate(("voted", None, 128), LU, 9e8)], DEFAULT, PATIENTS).key == DEFAULT


def test_without_the_default_nothing_can_be_compared():
    choice = choose([*both(("voted", None, 128), 9e8, 9e8), rate(DEFAULT, LU, 3e8)], DEFAULT, PATIENTS)
    assert choice.key == DEFAULT
    assert not choice.measured
    assert not choose([], DEFAULT, PATIENTS).measured


@pytest.mark.parametrize("impossible", [0.0, -1.0, float("inf"), float("nan")])
def test_a_rate_that_no_clock_can_give_is_none(impossible):
    other = ("voted", None, 128)
    choice = choose([*USUAL, *both(other, impossible, impossible)], DEFAULT, PATIENTS)
    assert (choice.key, choice.measured) == (DEFAULT, True)
    assert not choose([*both(DEFAULT, impossible, 1e8), *both(other, 5e8, 5e8)], DEFAULT, PATIENTS).measured


def batch(patient: str, decays: float, per_s: float) -> dict[str, Any]:
    return {"patient": patient, "decays": decays, "with_sums_per_s": per_s, "with_copies_per_s": 1e8, "sums": "device"}


@pytest.fixture
def model(monkeypatch, tmp_path):
    """Results of the model: an old file, and a newer one with rates by schedule and by ceiling of registers."""
    rows = [
        {
            "name": name,
            "schedule": "interleaved",
            "ceilings": {"0": {"central": 4e8}, "64": {"central": 6e8}},
        }
        for name in gpu_goals.MODELLED.values()
    ]
    (tmp_path / "model-20260101-000000.json").write_text('{"rows": []}')
    (tmp_path / "model-20260102-000000.json").write_text(json.dumps({"rows": rows}))
    monkeypatch.setattr(gpu_goals, "RESULTS", tmp_path)


def test_goals_are_judged_by_runs_of_the_usual_batch(model):
    attributes = {"MULTIPROCESSOR_COUNT": 66, "CLOCK_RATE": 1_755_000}
    batches = [batch(LU, 2e6, 4e8), batch(LU, 8e6, 2.9e8), batch(IODINE, 8e6, 1.5e8)]
    lu, iodine = table.goals(batches, USUAL, attributes, DEFAULT)
    assert (lu["patient"], lu["run_per_s"], lu["met"]) == (LU, 2.9e8, False)
    assert (iodine["run_per_s"], iodine["met"]) == (1.5e8, True)
    # half the multiprocessors, half the rate
    assert lu["expected_per_s"] == pytest.approx(2e8)
    assert lu["of_expected"] == pytest.approx(1.5)


def test_goals_without_measurements(model):
    for row in table.goals([], [], {}, DEFAULT):
        assert not row["met"]
        assert row["run_per_s"] is None
        assert row["of_expected"] is None


def test_the_model_is_asked_for_the_build(model):
    size, ghz = gpu_goals.MULTIPROCESSORS, gpu_goals.GHZ
    assert gpu_goals.expected(LU, "interleaved", None, size, ghz) == pytest.approx(4e8)
    assert gpu_goals.expected(LU, "interleaved", 64, size, 2 * ghz) == pytest.approx(12e8)
    assert gpu_goals.expected(LU, "interleaved", 80, size, ghz) is None
    assert gpu_goals.expected(LU, "histories", None, size, ghz) is None


def test_a_model_that_was_not_asked_expects_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_goals, "RESULTS", tmp_path)
    assert gpu_goals.expected(LU, "interleaved", None, 132, 1.755) is None


def test_patients_of_the_targets_are_those_of_the_model():
    assert set(gpu_goals.MODELLED) == set(gpu_goals.TARGETS) == set(problems.PATIENTS)


def report(facts, goals, **more) -> dict[str, Any]:
    step = {
        "name": "rates", "state": "failed", "seconds": 3.0, "reason": "ValueError: why", "proves": "this",
        "otherwise": "do that", "facts": facts,
    }  # fmt: skip
    recommended = {
        "options": {"schedule": "voted", "max_registers": None, "threads": 128}, "gain": 1.2, "why": "1.20 times",
        "rule": "", "differing": [["histories", 64, 128]], "saved": "not saved: why",
    }  # fmt: skip
    return {
        "machine": {"commit": "0123456789abc", "python": "3.12", "versions": {"numpy": "2.5"}}, "device": {},
        "seconds": 3.0, "budget_s": 240.0, "steps": [step], "recommended": recommended, "goals": goals,
        "failed": ["rates"], "not_run": ["batches", "tests"],
    } | more  # fmt: skip


def test_the_table_is_short_and_has_what_matters(model):
    keys = [
        (s, c, t) for s in ("voted", "interleaved", "histories") for c in (None, 96, 80, 64) for t in (64, 128, 256)
    ]
    rates = [fact for key in keys for fact in both(key, 3e8, 1.5e8)]
    batches = [batch(p, size, 3e8) for p in PATIENTS for size in (2e6, 8e6, 1.6e7)]
    attributes = {"MULTIPROCESSOR_COUNT": 132, "CLOCK_RATE": 1_980_000}
    facts = [("rate", fact) for fact in rates] + [("batch", fact) for fact in batches]
    text = table.whole(report(facts, table.goals(batches, rates, attributes, ("interleaved", 64, 128))))
    # the reply of a remote machine holds the last 12 000 characters
    assert len(text) < 8000
    assert "ValueError: why" in text
    assert "do that" in text
    assert "recommended: schedule voted, max_registers free, threads 128" in text
    assert "not saved: why" in text
    assert "177Lu: goal 3e+08/s met" in text
    assert "that the model expects" in text
    assert "other integers than the default" in text
    assert max(map(len, text.splitlines())) <= 160


def test_without_options_nothing_is_recommended():
    whole = report([], [])
    whole["recommended"] |= {"options": None, "why": "engine failed", "saved": "not saved: engine failed"}
    text = table.whole(whole)
    assert "nothing recommended: engine failed\n  not saved: engine failed" in text
    assert "\nrecommended" not in text
    assert text.splitlines()[-1] == "NOT PROVED: rates failed; batches, tests did not run to the end"
    assert table.proof({"failed": [], "not_run": []}) == "proved: every step passed"


def test_of_a_traceback_the_error_alone_is_shown():
    output = "said\nTraceback (most recent call last):\n  File 'x', line 1\n    it()\nValueError: why"
    step = Step("engine", lambda notes: None, 1.0, "this", "do that")
    failed = Outcome("engine", "failed", 1.0, "ValueError: why", output, [])
    assert table.step_text(step, failed).splitlines() == [
        "== engine: failed in 1.0 s", "said", "   it would prove: this", "   why it does not: ValueError: why",
        "   do that",
    ]  # fmt: skip
    other = failed._replace(facts=[("advice", {"text": "do this"})])
    assert table.step_text(step, other).splitlines()[-1] == "   do this"


def test_missing_problem_files_are_named_first():
    text = table.first_lines({LU: "main lines", IODINE: "decay data"}, ["y90_voxel_3mm_water"])
    assert "y90_voxel_3mm_water" in text.splitlines()[0]
    assert "HEVESY_SHARED" in text.splitlines()[0]
    assert f"{LU} from main lines" in text
    assert "not here" not in table.first_lines({LU: "decay data"}, [])


def test_event_counts_apart_are_seen():
    usual = {"emitted": 10**9, "photon_flights": 40_000, "electron_steps": 500_000, "stack_overflows": 0}
    assert engine_steps.compare(usual, usual, 10_000) == (0.0, ["photon_flights", "electron_steps"])
    worst, _ = engine_steps.compare(usual, usual | {"electron_steps": 502_000}, 10_000)
    assert worst == pytest.approx(4e-3)
    # a counter that only one of them has
    worst, _ = engine_steps.compare(usual, usual | {"stack_overflows": 20_000}, 10_000)
    assert worst > 1.0
