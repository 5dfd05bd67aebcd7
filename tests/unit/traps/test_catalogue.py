"""The catalogue of traps: every trap is told apart, and its page and files say what it is."""

import json

import pytest
from hevesy.phantoms.traps.catalogue import traps
from hevesy.phantoms.traps.patient import write_patient, write_volumes
from hevesy.phantoms.traps.trap import Right, Trap
from hevesy.tests.unit.traps.driver import call, judge
from hevesy.tools.trap_page import PLACE, trap_tables

#: What is right for the patient without any trap.
PLAIN = Right(
    hours=(24.0, 96.0),
    lesions={"L1": {"volume_ml": 4.096, "mean_bq_ml": 1e5, "mass_g": 4.17}},
    grid=(20, 30, 30),
    tracer="I-124",
)


def test_the_unchanged_patient(tmp_path, monkeypatch, capsys):
    trap = Trap("plain", "Nothing is odd.", "As made.", lambda folder: write_patient(folder), PLAIN)
    judge(trap, tmp_path, monkeypatch, capsys)


def test_the_unchanged_volumes(tmp_path, monkeypatch, capsys):
    right = Right(hours=(24.0, 96.0), lesions={"lesion 1": {"volume_ml": 4.096, "mean_bq_ml": 1e5}})
    trap = Trap("plain", "Nothing is odd.", "As made.", lambda folder: write_volumes(folder), right)
    judge(trap, tmp_path, monkeypatch, capsys)


def test_a_wrong_number_is_noticed(tmp_path, monkeypatch, capsys):
    right = Right(hours=(24.0, 97.0))
    trap = Trap("plain", "Nothing is odd.", "As made.", lambda folder: write_volumes(folder), right)
    with pytest.raises(AssertionError):
        judge(trap, tmp_path, monkeypatch, capsys)


def test_names_are_unique():
    names = [trap.name for trap in traps()]
    assert len(names) == len(set(names))


def test_the_right_value_is_beside_the_input(tmp_path):
    trap = Trap("plain", "Nothing is odd.", "As made.", lambda folder: write_volumes(folder), PLAIN)
    own = trap.write(tmp_path)
    told = json.loads((own / "right.json").read_text())
    assert told["hours_after"] == [24.0, 96.0] and told["refusal_is_right"] is False
    assert "try: hevesy check case.yaml" in (own / "RIGHT.txt").read_text()


def test_page_is_current():
    page = PLACE.page.read_text(encoding="utf-8")
    assert PLACE.put(page, trap_tables()) == page, "write it again: make traps"


def test_the_command_writes_the_corpus(tmp_path, monkeypatch, capsys):
    first = traps()[0].name
    code, out, _ = call(["traps", first, "--out", str(tmp_path / "corpus")], monkeypatch, capsys)
    assert code == 0 and "wrote 1 trap" in out
    (folder,) = (tmp_path / "corpus").glob("*/*/")
    assert folder.name == first and (folder / "right.json").is_file() and (folder / "RIGHT.txt").is_file()
    code, _, err = call(["traps", first, "--out", str(tmp_path / "corpus")], monkeypatch, capsys)
    assert code == 2 and "is not empty" in err


def test_the_command_lists_kinds_and_refuses_others(monkeypatch, capsys):
    listed = json.loads(call(["traps", "identity", "--json"], monkeypatch, capsys)[1])
    assert {one["kind"] for one in listed} == {"identity"}
    code, _, err = call(["traps", "identty"], monkeypatch, capsys)
    assert code == 2 and "did you mean 'identity'?" in err
