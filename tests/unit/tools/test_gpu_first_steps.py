"""Each step of `make gpu-first` fails when what it proves is not so: one fault seeded in each."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hevesy.kernels.backends import cpu, cuda, cuda_probe
from hevesy.kernels.backends.cuda_options import DEFAULT
from hevesy.tests.patience import PATIENCE_S
from hevesy.tools.gpu_first import engine_steps, rate_steps, stack_steps, variants
from hevesy.tools.gpu_first.runner import Notes, Outcome, read_facts

OTHER = DEFAULT._replace(schedule="histories")
RESOURCES = {"registers": 112, "local_bytes": 2272, "blocks": 2, "threads": 64, "resident": 256}
STACK = "hevesy.kernels.backends.cuda_stack"


@pytest.fixture
def notes(tmp_path):
    return Notes(tmp_path / "facts", {"factor": 1e-3}, PATIENCE_S)


def facts_of(notes: Notes, kind: str) -> list[dict]:
    return [values for found, values in read_facts(notes._file) if found == kind]


class FakeEngine:
    """An engine whose histories all deposit one quantum; faults on demand."""

    def __init__(self, world, *, lost=0, extra=0, moved=0, more_steps=0, one_more=False):
        self.size = world.density.size
        self.lost, self.extra, self.moved = lost, extra, moved
        self.more_steps, self.one_more = more_steps, one_more
        self.lanes = [
            SimpleNamespace(
                start=lambda *_: None,
                counters=lambda: None,
                plan=SimpleNamespace(describe=lambda: "little"),
            )
        ]

    def run_batch(self, batch, per_batch, tally):
        tally[self.moved] += 1000 * per_batch - self.lost + self.extra
        if self.one_more:
            self.moved += 1
        deposited = 1000 * per_batch - self.lost
        return {
            "decays": per_batch, "emitted": 1000 * per_batch, "deposited": deposited, "escaped": 0,
            "electron_steps": 1000 * per_batch + self.more_steps,
        }  # fmt: skip

    def close(self):
        pass


def engines(monkeypatch, *faults):
    """Have the steps open these engines one after the other; the last again and again."""
    queue = list(faults)

    def open_next(world, options, **_):
        return FakeEngine(world, **(queue.pop(0) if len(queue) > 1 else queue[0]))

    monkeypatch.setattr(variants, "engine", open_next)
    monkeypatch.setattr(variants, "builds", lambda given: [DEFAULT, OTHER])
    monkeypatch.setattr(engine_steps, "resources", lambda engine: RESOURCES)
    monkeypatch.setattr(rate_steps, "resources", lambda engine: RESOURCES)


# --- below the engine


class FakeCuda:
    """Numba's ``cuda`` with kernels that do this to their arguments."""

    def __init__(self, effect, **attributes):
        self.effect = effect
        self.gpus = [FakeDevice(attributes)]

    def jit(self, function):
        return SimpleKernel(self.effect)

    def to_device(self, array):
        return SimpleNamespace(array=array, copy_to_host=lambda: array)

    def as_cuda_array(self, array):
        return array


class FakeDevice(contextlib.AbstractContextManager):
    def __init__(self, attributes):
        vars(self).update(attributes)

    def __exit__(self, *_):
        return None


class SimpleKernel:
    def __init__(self, effect):
        self.effect = effect

    def __getitem__(self, shape):
        return self.effect


def fake_stack(monkeypatch, fake):
    monkeypatch.setitem(sys.modules, STACK, SimpleNamespace(cuda=fake))


def test_a_kernel_that_counts_wrong_is_seen(monkeypatch, notes):
    def count(to):
        def effect(out):
            out.array[0] = to

        return effect

    fake_stack(monkeypatch, FakeCuda(count(255)))
    with pytest.raises(ArithmeticError, match="256 threads counted to 255"):
        stack_steps.own_kernel(notes)
    fake_stack(monkeypatch, FakeCuda(count(256)))
    stack_steps.own_kernel(notes)


def test_a_name_that_the_driver_does_not_know_fails(monkeypatch, notes):
    fake_stack(monkeypatch, FakeCuda(None, MULTIPROCESSOR_COUNT=132))
    with pytest.raises(AttributeError, match="MAX_THREADS_PER_MULTIPROCESSOR"):
        stack_steps.names(notes)
    # one that only explains may be missing
    fake_stack(monkeypatch, FakeCuda(None, MULTIPROCESSOR_COUNT=132, MAX_THREADS_PER_MULTIPROCESSOR=2048))
    stack_steps.names(notes)
    assert not facts_of(notes, "card")
    assert facts_of(notes, "attributes") == [{"MULTIPROCESSOR_COUNT": 132, "MAX_THREADS_PER_MULTIPROCESSOR": 2048}]


@pytest.mark.parametrize("name", ["A card", b"A card"])
def test_the_card_is_named_before_its_use_is_proved(monkeypatch, notes, name):
    fake_stack(monkeypatch, FakeCuda(None, name=name))
    with pytest.raises(AttributeError):
        stack_steps.names(notes)
    assert facts_of(notes, "card") == [{"name": "A card"}]


class FakeArray(np.ndarray):
    def get(self):
        return np.array(self)


def test_work_out_of_order_is_seen(monkeypatch, notes):
    device = SimpleNamespace(mem_info=(1 << 30, 2 << 30))
    cupy = SimpleNamespace(
        zeros=lambda size, dtype: np.zeros(size, dtype).view(FakeArray),
        cuda=SimpleNamespace(
            Device=lambda _: FakeDevice(vars(device)), runtime=SimpleNamespace(getDeviceCount=lambda: 2)
        ),
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)

    def add(values, number):
        values += number

    fake_stack(monkeypatch, FakeCuda(add))
    stack_steps.cupy_and_numba(notes)
    assert facts_of(notes, "interleaved")[0]["devices"] == 2
    fake_stack(monkeypatch, FakeCuda(lambda values, number: None))
    with pytest.raises(ArithmeticError, match="round 0: 65536 of 65536"):
        stack_steps.cupy_and_numba(notes)


def test_a_device_that_runs_would_not_use_fails(monkeypatch, notes):
    monkeypatch.setattr(cuda_probe, "why_not", lambda: "it is too old")
    with pytest.raises(RuntimeError, match="it is too old"):
        stack_steps.use(notes)


# --- the engine


@pytest.mark.parametrize(("fault", "words"), [("lost", "1 quanta lost, 0 too many"), ("extra", "0 quanta lost, 1 too")])
def test_energy_that_does_not_add_up_is_seen(monkeypatch, notes, fault, words):
    engines(monkeypatch, {fault: 1})
    with pytest.raises(ArithmeticError, match=words):
        engine_steps.first_engine(notes)


def test_a_batch_that_does_not_repeat_is_seen(monkeypatch, notes):
    engines(monkeypatch, {})
    engine_steps.first_engine(notes)
    engines(monkeypatch, {"one_more": True})
    with pytest.raises(ArithmeticError, match="other integers the second time"):
        engine_steps.first_engine(notes)


@pytest.mark.parametrize(("more", "refused"), [(0, False), (30, False), (50, True)])
def test_event_counts_that_rounding_does_not_explain_are_refused(monkeypatch, notes, more, refused):
    """20 decays, 20 000 steps: 30 more are 1.5e-3, 50 more 2.5e-3."""
    monkeypatch.setattr(engine_steps, "DECAYS", 20_000)
    monkeypatch.setattr(cpu, "Engine", lambda world, seed: FakeEngine(world))
    # 32 decays at least: scale what is added
    engines(monkeypatch, {"more_steps": more * 32 // 20})
    if refused:
        with pytest.raises(ArithmeticError, match="rounding does not explain"):
            engine_steps.against_cpu(notes)
    else:
        engine_steps.against_cpu(notes)
    assert facts_of(notes, "counts")[0]["worst"] == pytest.approx(more * 5e-5, rel=0.1)


def test_counts_too_small_to_compare_prove_nothing(monkeypatch, notes):
    monkeypatch.setattr(engine_steps, "LEAST_COUNT", 10**12)
    monkeypatch.setattr(cpu, "Engine", lambda world, seed: FakeEngine(world))
    engines(monkeypatch, {})
    with pytest.raises(ArithmeticError, match="often enough"):
        engine_steps.against_cpu(notes)


def test_schedules_with_other_integers_are_seen(monkeypatch, notes):
    engines(monkeypatch, {})
    engine_steps.schedules(notes)
    engines(monkeypatch, {}, {"moved": 1})
    with pytest.raises(ArithmeticError, match="different integers"):
        engine_steps.schedules(notes)


def test_two_devices_with_other_integers_are_seen(monkeypatch, notes):
    monkeypatch.setattr(cuda_probe, "devices", lambda: (0, 1))
    engines(monkeypatch, {})
    engine_steps.devices(notes)
    engines(monkeypatch, {}, {"moved": 1})
    with pytest.raises(ArithmeticError, match="two devices"):
        engine_steps.devices(notes)
    monkeypatch.setattr(cuda_probe, "devices", lambda: (0,))
    engine_steps.devices(notes)


def test_a_build_that_does_not_compile_leaves_the_others(monkeypatch, notes):
    monkeypatch.setattr(variants, "builds", lambda given: [DEFAULT, OTHER])

    def in_a_process(notes, name, given):
        bad = given.get("options", {}).get("schedule") == "histories"
        if not bad:
            return Outcome(name, "ok", 1.0, "", "", [])
        return Outcome(name, "failed", 1.0, "no registers left", "", [("traceback", {"traceback": "all of it"})])

    monkeypatch.setattr(engine_steps, "_in_a_process", in_a_process)
    with pytest.raises(RuntimeError, match=f"1 of 4 failed; compile one {OTHER.describe()}: no registers left"):
        engine_steps.compile_all(notes)
    assert [fact["traceback"] for fact in facts_of(notes, "compiled") if not fact["ok"]] == ["all of it"]
    told = {
        (fact["task"], fact["given"].get("options", {}).get("schedule")): fact["ok"]
        for fact in facts_of(notes, "compiled")
    }
    assert told == {
        ("compile one", DEFAULT.schedule): True, ("compile one", "histories"): False,
        ("compile for the CPU", None): True, ("prepare patients", None): True,
    }  # fmt: skip


# --- rates


@pytest.fixture
def patients(monkeypatch):
    world = SimpleNamespace(density=np.zeros(8))
    monkeypatch.setattr(variants, "patients", lambda: {"a": None, "b": None})
    monkeypatch.setattr(rate_steps.problems, "world", lambda problem: world)


def test_every_build_shape_and_patient_is_measured(monkeypatch, tmp_path, patients):
    notes = Notes(tmp_path / "facts", {"factor": 1e-3, "schedule": DEFAULT.schedule}, PATIENCE_S)
    engines(monkeypatch, {})
    lower = DEFAULT._replace(max_registers=64)
    monkeypatch.setattr(variants, "builds", lambda given: [DEFAULT, OTHER, lower])
    rate_steps.rates(notes)
    rates = facts_of(notes, "rate")
    shapes = {(r["patient"], r["schedule"], r["max_registers"], r["threads"]) for r in rates}
    assert len(shapes) == len(rates) == 2 * 2 * 3
    assert {r["schedule"] for r in rates} == {DEFAULT.schedule}
    # integers that are equal have one hash
    assert len({r["digest"] for r in rates}) == 1
    assert all(r["decays_per_s"] > 0 for r in rates)


def test_a_build_that_fails_leaves_the_others_to_be_measured(monkeypatch, tmp_path, patients):
    given = {
        "factor": 1e-3,
        "schedule": DEFAULT.schedule,
        "not_compiled": [DEFAULT._replace(max_registers=96)._asdict()],
    }
    notes = Notes(tmp_path / "facts", given, PATIENCE_S)
    engines(monkeypatch, {})
    ceilings = (None, 96, 64)
    monkeypatch.setattr(variants, "builds", lambda given: [DEFAULT._replace(max_registers=n) for n in ceilings])
    tried = []

    def open_next(world, options, **_):
        tried.append(options.max_registers)
        if options.max_registers == 64:
            raise RuntimeError("no such kernel")
        return FakeEngine(world)

    monkeypatch.setattr(variants, "engine", open_next)
    with pytest.raises(RuntimeError, match=f"2 not measured; {DEFAULT.schedule}, at most 96 registers: not compiled"):
        rate_steps.rates(notes)
    assert {r["max_registers"] for r in facts_of(notes, "rate")} == {None}
    # once was enough
    assert tried.count(64) == 1
    assert 96 not in tried


def test_measurements_that_no_longer_fit_are_left_out_and_told(monkeypatch, tmp_path, patients):
    engines(monkeypatch, {})
    notes = Notes(tmp_path / "facts", {"factor": 1e-3, "schedule": DEFAULT.schedule}, PATIENCE_S)
    left = iter([math.inf, math.inf])
    monkeypatch.setattr(Notes, "left_s", property(lambda self: next(left, 0.5)))
    rate_steps.rates(notes)
    assert len(facts_of(notes, "rate")) == 2
    assert facts_of(notes, "left out") == [{"schedule": DEFAULT.schedule, "measurements": 4}]


def test_no_time_for_any_rate_proves_nothing(monkeypatch, tmp_path, patients):
    engines(monkeypatch, {})
    notes = Notes(tmp_path / "facts", {"factor": 1e-3, "schedule": DEFAULT.schedule}, 0.5)
    with pytest.raises(RuntimeError, match="nothing was measured"):
        rate_steps.rates(notes)
    assert not facts_of(notes, "rate")


@pytest.mark.parametrize(("measured", "enough"), [(0, False), (1, False), (2, True), (6, True)])
def test_batches_of_every_patient_are_measured_or_nothing_is_proved(monkeypatch, tmp_path, patients, measured, enough):
    notes = Notes(tmp_path / "facts", {"factor": 1e-3, "options": DEFAULT._asdict()}, PATIENCE_S)
    problem = SimpleNamespace(density_g_cm3=np.zeros(8))
    monkeypatch.setattr(variants, "patients", lambda: {"a": problem, "b": problem})
    engines(monkeypatch, {})
    monkeypatch.setattr(rate_steps.gpu_bench, "timed", lambda *_: (1.0, {}))
    run = {"decays_per_s": 1.0, "sums": "device", "settle_s": 0.0}
    monkeypatch.setattr(rate_steps.gpu_bench, "timed_run", lambda *_: run)
    left = iter([60.0] * measured)
    monkeypatch.setattr(Notes, "left_s", property(lambda self: next(left, 0.5)))
    if enough:
        rate_steps.batches(notes)
    else:
        with pytest.raises(RuntimeError, match="not every patient was measured"):
            rate_steps.batches(notes)
    assert len(facts_of(notes, "batch")) == measured


def test_tests_that_fail_are_seen(monkeypatch, tmp_path):
    notes = Notes(tmp_path / "facts", {"options": DEFAULT._asdict()}, PATIENCE_S)
    monkeypatch.setattr(rate_steps, "elsewhere", lambda notes, tasks: None)
    ended, asked = SimpleNamespace(returncode=0), {}
    monkeypatch.setattr(subprocess, "run", lambda *_, **given: asked.update(given["env"]) or ended)
    rate_steps.tests(notes)
    # what is recommended is tested, not what is kept for the card
    assert json.loads(asked["HEVESY_GPU_OPTIONS"]) == DEFAULT._asdict()
    ended.returncode = 1
    with pytest.raises(RuntimeError, match="pytest ended with 1"):
        rate_steps.tests(notes)


def test_the_engine_has_what_the_steps_ask_of_it():
    """The real names behind the fakes above."""
    import inspect

    from hevesy.kernels.backends.cuda_lane import Lane

    assert {"devices", "tiles", "options"} <= set(inspect.signature(cuda.Engine).parameters)
    assert list(inspect.signature(Lane.start).parameters)[1:5] == ["batch", "first", "last", "per_batch"]
    assert all(p.default is not p.empty for p in list(inspect.signature(Lane.counters).parameters.values())[1:])
