"""Text tables: separators, decimal marks, headings with units, and what can be read in two ways."""

from __future__ import annotations

import random

import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.files import csv_text, write_text
from hevesy.engine.tables import Column, read_csv

SIZE = Column("diameter_mm", ("diameter",), {"mm": 1.0, "cm": 10.0})


@pytest.mark.parametrize(
    "text, delimiter, cells, value",
    [
        ("a,b\n1.5,2\n", ",", ("1.5", "2"), 1.5),
        ("a;b\n1,5;2\n", ";", ("1,5", "2"), 1.5),
        ("a\tb\n1.5\t2\n", "\t", ("1.5", "2"), 1.5),
        ("a\tb\n1,5\t2\n", "\t", ("1,5", "2"), 1.5),
        ("a b\n1.5   2\n", " ", ("1.5", "2"), 1.5),
        ("a, b; c\n1.5, 2\n", ",", ("1.5", "2"), 1.5),  # a semicolon in one cell does not make a delimiter
        ('a,"b;c"\n1.5,"2;3"\n', ",", ("1.5", "2;3"), 1.5),
        ("a,\tb\n1.5,\t2\n", ",", ("1.5", "2"), 1.5),
    ],
)
def test_delimiter_and_decimal_mark_are_recognised(tmp_path, text, delimiter, cells, value):
    file = tmp_path / "t.csv"
    file.write_text("# remark; with, both\n\n" + text)
    table = read_csv(file)
    assert table.delimiter == delimiter and table.comments == ("# remark; with, both",)
    assert table.rows[1].cells == cells and table.rows[1].line == 4
    assert table.number(cells[0], 4) == value


@pytest.mark.parametrize("text", ["1,5", "1.234,5", "1,2,3", "", "1_000", "1 000", "0x10", "nan", "1e999", "٣", "5 mm"])
def test_what_is_no_number_between_commas(tmp_path, text):
    file = tmp_path / "t.csv"
    file.write_text(f'a,b\n"{text}",2\n')
    with pytest.raises(InputError, match="line 2, a: .* is not a number(.|\n)*semicolons"):
        read_csv(file).number(text, 2, "a")


@pytest.mark.parametrize(
    "text, problem",
    [
        ("a;b\n1,5;2.5\n", "has a comma, and '2.5' in line 2 a point"),
        ("a;b\n1,500;2\n", "may be a decimal number or thousands"),
        ('a,b\n1,"2\n3,4\n', "line 2: a quotation mark is not closed"),
        ("a,b\n1," + "2" * 140_000 + "\n", "more than 128 kB"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(tmp_path, text, problem):
    file = tmp_path / "t.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=problem) as caught:
        read_csv(file)
    assert caught.value.why and caught.value.suggestion and str(file) in str(caught.value)


@pytest.mark.parametrize(
    "first, is_heading",
    [
        ("a,b", True), ("HU,g/cm3", True), ("2.5,b", False), ("-1000,0.001", False), ("\u22121000,0.001", False),
        ("nan,b", False), (".5,x", False), ("(1),x", False), ("a,", True), ("\ufeff-1,2", False),
    ],
)  # fmt: skip
def test_a_line_of_data_is_never_a_heading(tmp_path, first, is_heading):
    file = tmp_path / "t.csv"
    file.write_text(first + "\n1,2\n", encoding="utf-8")
    table = read_csv(file)
    assert (table.heading is not None) == is_heading and len(table.data) == 2 - is_heading


@pytest.mark.parametrize(
    "heading, factor",
    [
        ("diameter_mm", 1.0),
        ("Diameter (mm)", 1.0),
        ("diameter [cm]", 10.0),
        ("DIAMETER_CM", 10.0),
        ("diameter mm", 1.0),
    ],
)
def test_a_heading_states_its_unit(tmp_path, heading, factor):
    file = tmp_path / "t.csv"
    file.write_text(f"{heading};x\n1;2\n")
    assert read_csv(file).columns([SIZE], others=True) == {"diameter_mm": (0, factor)}


@pytest.mark.parametrize(
    "heading, problem",
    [
        ("diameter,x", "'diameter' states no unit"),
        ("diameter_mm,diameter_cm", "second column of diameter_mm"),
        ("diameter_mn,x", "did you mean 'diameter_mm'"),
        ("diameter (inch),x", "a unit that is not known here"),
        ("1,2", "has no heading"),
    ],
)
def test_a_heading_that_leaves_questions_is_refused(tmp_path, heading, problem):
    file = tmp_path / "t.csv"
    file.write_text(f"{heading}\n1,2\n")
    with pytest.raises(InputError, match=problem):
        read_csv(file).columns([SIZE], others=True)


def test_a_table_comes_back_by_its_columns(tmp_path):
    rows = [{"name": "neck; node, left", "dose": 1 / 3, "ok": True}, {"name": "#2", "dose": None, "ok": False}]
    file = write_text(tmp_path / "t.csv", csv_text(["name", "dose", "ok"], rows))
    assert list(read_csv(file, comments=False).records()) == [
        {"name": "neck; node, left", "dose": "0.333333333", "ok": "yes"},
        {"name": "#2", "dose": "", "ok": "no"},
    ]


def test_no_damage_to_a_table_gives_another_error(tmp_path):
    """80 seeded mutations of bytes: numbers or our own error."""
    rng = random.Random(12)
    whole = b"diameter_mm;recovery\n10;0,31\n13;0,45\n17;0,605\n"
    file = tmp_path / "t.csv"
    for _ in range(80):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.choice(b'\x00\xff";,\t\n.-e9 \xef#')
        file.write_bytes(bytes(data))
        try:
            table = read_csv(file)
            found = table.columns([SIZE], others=True)
            table.values(found["diameter_mm"][0] if found else 0, "diameter_mm")
        except InputError as error:
            assert error.why and error.suggestion
