"""A limit of time: it counts the transport alone, changes no integer, and says what is missing when it comes early."""

import time
from types import SimpleNamespace

import hevesy
import numpy as np
import pytest
from hevesy.engine.notes import CRITICAL, weight_of
from hevesy.engine.transport import engines, run
from hevesy.kernels.backends import cpu
from hevesy.tests.unit.small_case import write_small_case


@pytest.fixture(scope="module")
def case_file(tmp_path_factory):
    return write_small_case(tmp_path_factory.mktemp("limit"))


def test_a_limit_that_is_not_reached_changes_no_integer(case_file):
    free = hevesy.run(case_file, method="mc", decays=20_000, backend="cpu").visits[0].result
    limited = hevesy.run(case_file, method="mc", decays=20_000, backend="cpu", time_limit_s=3600.0).visits[0].result
    np.testing.assert_array_equal(limited.tally.energy_quanta, free.tally.energy_quanta)
    np.testing.assert_array_equal(limited.tally.region_quanta, free.tally.region_quanta)
    assert limited.tally.balance == free.tally.balance
    assert not any("time limit" in text for text in limited.warnings)


def test_compiling_is_named_and_not_counted(case_file, monkeypatch):
    """A compiler that takes longer than the limit: every batch is run all the same."""
    monkeypatch.setattr(cpu, "compiled_before", lambda: False)
    compile_, clock, late = cpu.Engine.compile, time.perf_counter, [0.0]

    def slow(self):
        late[0] += 1e4
        compile_(self)

    monkeypatch.setattr(cpu.Engine, "compile", slow)
    watch = SimpleNamespace(perf_counter=lambda: clock() + late[0], process_time=time.process_time)
    monkeypatch.setattr(run, "time", watch)
    said = []
    outcome = hevesy.run(
        case_file, method="mc", decays=500, backend="cpu", time_limit_s=1e3, progress=lambda _, text: said.append(text)
    )
    result = outcome.visits[0].result
    assert "compiling (first run on this machine)" in said
    assert said.index("compiling (first run on this machine)") < next(i for i, t in enumerate(said) if "decays" in t)
    assert result.decays == 500
    assert not any("time limit" in text for text in result.warnings)


def test_a_machine_that_has_compiled_does_not_say_so(case_file):
    hevesy.run(case_file, method="mc", decays=500, backend="cpu")
    assert engines.compiles_first("cpu") is False
    assert engines.compiles_first("python") is False


def test_too_few_batches_are_critical(case_file):
    outcome = hevesy.run(case_file, method="mc", decays=40_000_000, backend="cpu", time_limit_s=1e-3)
    result = outcome.visits[0].result
    assert result.tally.n_batches < 20
    critical = [text for text in result.warnings if weight_of(text) == CRITICAL]
    assert any("uncertainties of doses and the probabilities are without it" in text for text in critical)
    assert outcome.lesions[0].to_dict()["dose_mc_standard_error_gy"] is None or np.isnan(
        outcome.lesions[0].dose_mc_standard_error_gy
    )
