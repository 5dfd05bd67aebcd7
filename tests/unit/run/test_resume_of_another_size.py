"""A run that is resumed with another number of decays than it was begun with: what it says, and what it does."""

from __future__ import annotations

import json

import pytest
from hevesy.tests.unit.batch.small_batch import small_problem
from hevesy.tests.unit.small_case import write_small_case

CPU = ("--backend", "cpu", "--quiet")


@pytest.mark.parametrize(("decays", "says"), [(1000, True), (3000, False)])
def test_a_finished_run_says_that_nothing_was_left(command, tmp_path, caplog, decays, says):
    case, out = write_small_case(tmp_path / "case"), tmp_path / "out"
    words = ("run", case, "--out", out, "--method", "mc", *CPU)
    assert command(*words, "--decays", "2000")[0] == 0
    assert command(*words, "--decays", decays, "--resume")[0] == 0
    assert ("nothing was left to simulate: the earlier run has 2000 decays" in caplog.text) == says


@pytest.mark.parametrize(("decays", "says"), [(2500, True), (1401, False)])
def test_an_extended_run_says_how_it_differs_from_one_of_that_size(command, tmp_path, caplog, decays, says):
    problem, out = small_problem().save(tmp_path / "p.npz"), tmp_path / "r.h5"
    words = ("simulate", problem, "-o", out, *CPU)
    assert command(*words, "--decays", "1401")[0] == 0  # 49 batches of 29
    code, told, _ = command(*words, "--decays", decays, "--resume", "--json")
    assert code == 0
    end = json.loads(told)["decays"]
    assert end == (2523 if says else 1421)
    said = f"the batches of the stopped run, of 29 decays each, stay: it ends after {end} decays, with other integers"
    assert (said in caplog.text) == says
