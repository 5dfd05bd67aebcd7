"""Outputs that cannot be written, inputs that are cut short: one message and code 2, before anything is simulated."""

import gzip
import shutil
import sys
from pathlib import Path

import pytest
from hevesy.cli import main
from hevesy.tests.unit.small_case import write_small_case
from hevesy.tests.unit.transport.test_problem import good


@pytest.fixture
def refusal(monkeypatch, capsys):
    """Run ``hevesy`` in this process; its one message, after checking that the code is 2."""

    def call(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["hevesy", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main.entry()
        message = capsys.readouterr().err
        assert caught.value.code == 2, message
        assert "Traceback" not in message and "why: " in message
        return message

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small case, a problem, a plain file and an empty folder."""
    write_small_case(tmp_path)
    good().save(tmp_path / "p.npz")
    (tmp_path / "afile").write_text("text")
    (tmp_path / "afolder").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ("run", "case.yaml", "--out"),
        ("batch", "case.yaml", "--out"),
        ("demo", "--out"),
        ("cohort", "--patients", "1", "--control", "0", "--out"),
        ("simulate", "p.npz", "-o"),
        ("merge", "p.npz", "-o"),
        ("schema", "-o"),
        ("import", "afolder", "-o"),
    ],
    ids=lambda words: words[0],
)
def test_an_output_below_a_file_is_refused_first(words, folder, refusal, monkeypatch):
    monkeypatch.chdir(folder)
    message = refusal(*words, "afile/result")
    assert "afile: is a file, not a folder" in message and "why: result would have to be in it" in message
    assert (folder / "afile").read_text() == "text"


@pytest.mark.parametrize("words", [("simulate", "p.npz"), ("merge", "p.npz"), ("schema",), ("import", "afolder")])
def test_a_folder_in_the_place_of_an_output_file_is_refused_first(words, folder, refusal, monkeypatch):
    monkeypatch.chdir(folder)
    assert "afolder: is a folder" in refusal(*words, "-o", "afolder")


@pytest.mark.parametrize("name", ["pet.nii.gz", "ct.nii.gz", "lesions.nii.gz"])
@pytest.mark.parametrize("share", [0.5, 0.97])
def test_an_image_that_is_cut_short_is_named(name, share, folder, refusal):
    files = [file for file in folder.glob("*.nii*") if file.name.startswith(name.split(".")[0])]
    assert files
    for file in files:
        packed = gzip.compress(file.read_bytes()) if file.suffix == ".nii" else file.read_bytes()
        cut = file if file.suffix == ".gz" else file.with_suffix(".nii.gz")
        cut.write_bytes(packed[: int(len(packed) * share)])
        if cut != file:
            text = (folder / "case.yaml").read_text().replace(file.name, cut.name)
            (folder / "case.yaml").write_text(text)
    message = refusal("check", folder / "case.yaml")
    assert "cannot be read" in message and ".nii.gz" in message


@pytest.mark.parametrize("decays", ["inf", "-inf", "nan", "0", "1.5", "many"])
def test_a_number_of_decays_is_a_whole_number(decays, folder, refusal):
    assert f"'{decays}' is not a number of decays" in refusal(
        "simulate", folder / "p.npz", "-o", folder / "r.h5", f"--decays={decays}"
    )


def test_errors_of_the_disk_are_one_message(folder, refusal, monkeypatch):
    """Whatever fails below: here the disk is full while the result is written."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(folder / "r.h5"))

    monkeypatch.setattr("hevesy.engine.results.hdf5.write_result", full)
    message = refusal("simulate", folder / "p.npz", "-o", folder / "r.h5", "--decays", "100")
    assert "r.h5: No space left on device" in message


def test_the_folder_of_a_run_is_not_touched_by_a_refusal(folder, refusal):
    before = sorted(path.name for path in folder.iterdir())
    shutil.rmtree(folder / "afolder")
    refusal("run", folder / "case.yaml", "--out", folder / "afile" / "x")
    assert sorted(path.name for path in folder.iterdir()) == [name for name in before if name != "afolder"]
