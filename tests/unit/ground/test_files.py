"""Text, CSV and JSON files: encodings, delimiters, messages, and files that are whole or not there."""

from __future__ import annotations

import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.files import csv_text, read_csv, read_json, read_text, write_json, write_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_in_any_marked_encoding(tmp_path, encoding):
    file = tmp_path / "a.txt"
    file.write_bytes("Läsion\r\nzwei\rdrei\n".encode(encoding))
    assert read_text(file) == "Läsion\nzwei\ndrei\n"


@pytest.mark.parametrize(
    "data, why",
    [
        (b"one\ntwo \xe4\n", "byte 0xe4 in line 2 is not UTF-8"),
        (b"\xef\xbb\xbfone\xff", "byte 0xff in line 1 is not UTF-8"),
        (b"\xff\xfea\x00\x00\xd8", "byte 0x00 in line 1 is not UTF-16"),
        (b"one\ntwo\x00", "line 2 holds a zero byte"),
    ],
)
def test_what_is_no_text_says_where(tmp_path, data, why):
    file = tmp_path / "a.txt"
    file.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_text(file, "save it as UTF-8")
    assert str(caught.value) == f"{file}: cannot be read as text\n  why: {why}\n  try: save it as UTF-8"


def test_missing_files_and_folders(tmp_path):
    (tmp_path / "lesions.csv").write_text("")
    with pytest.raises(InputError, match="no such file(.|\n)*did you mean 'lesions.csv'"):
        read_text(tmp_path / "lesion.csv")
    with pytest.raises(InputError, match="cannot be read as text(.|\n)*directory"):
        read_text(tmp_path)


@pytest.mark.parametrize(
    "text, delimiter, cells, value",
    [
        ("a,b\n1.5,2\n", ",", ("1.5", "2"), 1.5),
        ("a;b\n1,5;2\n", ";", ("1,5", "2"), 1.5),
        ("a\tb\n1.5\t2\n", "\t", ("1.5", "2"), 1.5),
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
    assert table.number(cells[0]) == value


@pytest.mark.parametrize("text", ["1,5", "1.234,5", "1,2,3", ""])
def test_a_comma_is_a_decimal_mark_between_semicolons_alone(tmp_path, text):
    file = tmp_path / "t.csv"
    file.write_text(f'a,b\n"{text}",2\n')
    with pytest.raises(ValueError, match="could not convert"):
        read_csv(file).number(text)
    file.write_text(f'a;b\n"{text}";2\n')
    if text == "1,5":
        assert read_csv(file).number(text) == 1.5
    else:
        with pytest.raises(ValueError, match="could not convert"):
            read_csv(file).number(text)


def test_a_table_comes_back_by_its_columns(tmp_path):
    rows = [{"name": "neck; node, left", "dose": 1 / 3, "ok": True}, {"name": "#2", "dose": None, "ok": False}]
    file = write_text(tmp_path / "t.csv", csv_text(["name", "dose", "ok"], rows))
    assert list(read_csv(file, comments=False).records()) == [
        {"name": "neck; node, left", "dose": "0.333333333", "ok": "yes"},
        {"name": "#2", "dose": "", "ok": "no"},
    ]


def test_json_says_where_it_breaks(tmp_path):
    file = write_json(tmp_path / "a.json", {"a": [1, 2]})
    assert read_json(file) == {"a": [1, 2]}
    file.write_text('{"a": 1,\n "b" 2}')
    with pytest.raises(InputError, match="line 2, column 6: is not valid JSON"):
        read_json(file)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    file = write_text(tmp_path / "a.json", "old")
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(file, {"a": float("nan")})
    with pytest.raises(UnicodeEncodeError):
        write_text(file, "\ud800")
    assert file.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.json"]
