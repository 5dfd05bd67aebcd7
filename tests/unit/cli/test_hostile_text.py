"""What files of others say never commands a terminal, a spreadsheet or this program."""

from __future__ import annotations

import logging
import os
import random
import sys
from pathlib import Path

import pytest
from hevesy.cli import main, output
from hevesy.engine.case.file import read_yaml
from hevesy.engine.case.model import Case
from hevesy.engine.errors import InputError
from hevesy.engine.files import csv_text
from hevesy.engine.imaging.ct_calibration import Calibration
from hevesy.engine.log_lines import PlainFormatter
from hevesy.engine.privacy import telling_name, without_folders
from hevesy.engine.text import printable, shown_name
from hevesy.engine.transport.problem import Problem
from hevesy.tests.unit.small_case import TEXT, write_small_case
from hevesy.tests.unit.transport.test_problem import good


@pytest.mark.parametrize(
    "name, shown",
    [
        ("left\x1b[2J node", "left node"),
        ("a\nb\tc\r\nd", "a b c d"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("half \ud800", "half"),
        ("\u202egnol", "gnol"),
        ("a\0b", "a b"),
        ("  ", "unnamed"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
        ("Läsion 漢", "Läsion 漢"),
    ],
)
def test_names_are_one_printable_line(name, shown):
    assert shown_name(name) == shown
    assert printable(shown) == shown


def test_a_long_name_is_shortened():
    assert len(shown_name("x" * 300)) <= 120


def test_formulas_do_not_reach_a_spreadsheet():
    row = ["=cmd()", "+1+1", "-2", "- left", "@x", " =y", -2.5, -3, None, "\t=z", "plain"]
    text = csv_text([f"c{i}" for i in range(len(row))], [row]).splitlines()[1]
    assert text == "'=cmd(),'+1+1,-2,'- left,'@x,' =y,-2.5,-3,,' =z,plain"


def test_markup_and_escape_sequences_print_as_they_are(capsys):
    output.echo_table(("name", "x"), [("[red]a[/red]", "\x1b[2Jb")], "[blue]title")
    output.echo("one\x1b[31m two\nthree")
    told = capsys.readouterr().out
    assert "[red]a[/red]" in told and "[blue]title" in told and "\x1b" not in told and "one two\nthree" in told


def test_a_log_has_one_line_for_each_message():
    record = logging.LogRecord("hevesy", logging.INFO, "", 0, "visit %s", ("a\n2026 ERROR \x1b[2Jforged",), None)
    assert PlainFormatter("%(levelname)s %(message)s").format(record) == "INFO visit a 2026 ERROR forged"


def test_folders_stay_out_of_files():
    text = "/data/Smith John/ct/x.dcm: no (C:\\Users\\smith\\b.nii) at 5 mm/s in kBq/mL"
    assert without_folders(text, Path("/data/Smith John/ct"), Path("/data/Smith John")) == (
        "x.dcm: no (b.nii) at 5 mm/s in kBq/mL"
    )
    assert telling_name(Path("/x/RS.Smith_John.dcm")) == "file.dcm"
    assert telling_name(Path("/x/RS.1.2.840.5.dcm")) == "RS.UID.dcm"
    assert telling_name(Path("/x/pet_24h.nii.gz")) == "pet_24h.nii.gz"
    assert telling_name(Path("/x/rc Smith.csv")) == "table.csv"
    assert telling_name(Path("/x/recovery_curve_i124.csv")) == "recovery_curve_i124.csv"


@pytest.fixture
def hevesy(monkeypatch, capsys):
    """Run ``hevesy`` in this process: code, standard error."""

    def call(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["hevesy", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main.entry()
        return caught.value.code or 0, capsys.readouterr().err

    return call


@pytest.mark.parametrize(
    "error, code, words",
    [
        (ZeroDivisionError("x\ny"), 1, "an error of hevesy itself: ZeroDivisionError: x"),
        (MemoryError(), 2, "the memory of this machine is not enough"),
        (RuntimeError("can't start new thread"), 2, "the memory of this machine is not enough"),
        (RecursionError(), 2, "nested too deeply"),
    ],
)
def test_what_still_gets_through_is_one_message(error, code, words, hevesy, monkeypatch):
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("hevesy.engine.results.environment.describe", fails)
    monkeypatch.delenv(main.TRACEBACK, raising=False)
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)
    found, told = hevesy("info")
    assert found == code and words in told and "Traceback" not in told and "why:" in told and "try:" in told


def test_a_traceback_comes_when_it_is_asked_for(hevesy, monkeypatch):
    def fails() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("hevesy.engine.results.environment.describe", fails)
    monkeypatch.setenv(main.TRACEBACK, "1")
    monkeypatch.setattr(sys, "argv", ["hevesy", "info"])
    with pytest.raises(ZeroDivisionError):
        main.entry()


def test_a_path_that_is_no_text_is_one_message(hevesy, tmp_path):
    code, told = hevesy("check", os.fsdecode(bytes(tmp_path) + b"/\xff\x1b[2J.yaml"))
    assert code == 2 and "no such file" in told and "\x1b" not in told


def test_an_input_is_not_written_over(hevesy, tmp_path):
    file = good().save(tmp_path / "p.npz")
    before = file.read_bytes()
    (tmp_path / "link.h5").symlink_to(file)
    for out in (file, tmp_path / "link.h5"):
        code, told = hevesy("simulate", file, "-o", out, "--decays", "100")
        assert code == 2 and "is the input itself" in told and file.read_bytes() == before
    code, told = hevesy("merge", file, "-o", file)
    assert code == 2 and "is the input itself" in told


@pytest.mark.parametrize("value", ["", "relative/cache"])
def test_a_cache_that_anybody_may_fill_is_refused(value, hevesy, monkeypatch, tmp_path):
    good().save(tmp_path / "p.npz")
    monkeypatch.setenv("HEVESY_CACHE", value)
    code, told = hevesy("simulate", tmp_path / "p.npz", "-o", tmp_path / "r.h5", "--decays", "100")
    assert code == 2 and "HEVESY_CACHE" in told


def test_a_cache_that_everybody_writes_to_is_refused(hevesy, monkeypatch, tmp_path):
    good().save(tmp_path / "p.npz")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    monkeypatch.setenv("HEVESY_CACHE", str(tmp_path / "cache"))
    code, told = hevesy("simulate", tmp_path / "p.npz", "-o", tmp_path / "r.h5", "--decays", "100")
    assert code == 2 and "everybody may write" in told


@pytest.mark.parametrize(
    "line, words",
    [
        ("kinetics: {model: single-time-point, population_gsd: 0.5}", "the value must be at least 1"),
        ("methods: [local, local]", "'local' is listed twice"),
        ("radiobiology: {geud_exponent: nan}", "geud_exponent"),
        ("diffuse_lung_metastases: perhaps", "true or false is needed"),
        ("? [a, b]\n: 1", "a key is a list"),
    ],
)
def test_values_of_a_case_are_refused_in_our_words(line, words, tmp_path):
    file = write_small_case(tmp_path, TEXT + line + "\n")
    with pytest.raises(InputError, match=words) as caught:
        Case.load(file)
    assert "pydantic" not in str(caught.value) and "Input should" not in str(caught.value)


def test_no_damage_to_a_case_gives_another_error(tmp_path):
    """80 seeded mutations of a case file: a case, or our own error."""
    file = write_small_case(tmp_path)
    whole, rng = file.read_text(), random.Random(3)
    pieces = [
        ":",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a ",
        "- ",
        "\n",
        "  ",
        "!!x ",
        "null",
        "1e999",
        "nan",
        '"',
        "\\",
        "\x85",
        "|",
    ]
    for _ in range(80):
        text = whole
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice(pieces) + text[at + rng.randint(0, 6) :]
        file.write_text(text)
        try:
            Case.load(file)
        except InputError as error:
            assert error.why and error.suggestion


def test_no_damage_to_a_problem_gives_another_error(tmp_path):
    """80 seeded mutations of bytes of a problem file: a problem, or our own error."""
    file = good().save(tmp_path / "p.npz")
    whole, rng = file.read_bytes(), random.Random(4)
    for _ in range(80):
        data = bytearray(whole)
        if rng.random() < 0.2:
            data = data[: rng.randrange(len(data))]
        for _ in range(rng.randint(1, 4)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        file.write_bytes(bytes(data))
        try:
            Problem.load(file)
        except InputError as error:
            assert error.why and error.suggestion


def test_read_yaml_allows_references(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &x [1, 2]\nb: *x\n")
    assert read_yaml(tmp_path / "a.yaml")[0] == {"a": ["1", "2"], "b": ["1", "2"]}


def test_a_calibration_is_named_without_the_patient(tmp_path):
    (tmp_path / "cal Smith.csv").write_text("-1000,0.001\n0,1.0\n1000,1.6\n")
    assert Calibration.read(tmp_path / "cal Smith.csv").name == "table.csv"
