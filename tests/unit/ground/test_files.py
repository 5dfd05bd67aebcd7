"""Text and JSON files: encodings, messages, and files that are whole or not there."""

from __future__ import annotations

import os

import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.files import read_json, read_text, write_json, write_text


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
    # an ending alone makes no two names alike, and not every path is one in a case
    (tmp_path / "container_info.json").write_text("")
    with pytest.raises(
        InputError, match=f"no such file\n  why: looked for it in {tmp_path.name}/\n  try: check the path$"
    ):
        read_text(tmp_path / "nofile.json")
    with pytest.raises(InputError, match="looked for it in /\n"):
        read_text("/no-such-file.json")
    with pytest.raises(InputError, match="cannot be read as text(.|\n)*directory"):
        read_text(tmp_path)


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


@pytest.mark.parametrize(
    "text, why",
    [
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('{"a": ' + "1" * 5000 + "}", "thousands of digits"),
        ('{"a": 1, "a": 2}', "'a' twice, with two values"),
    ],
)
def test_json_that_is_meant_to_hurt(tmp_path, text, why):
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(InputError, match=why):
        read_json(file)


def test_a_pipe_or_an_endless_text_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="is a pipe or a device"):
        read_text(tmp_path / "pipe.csv")
    with (tmp_path / "long.csv").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError, match="1048576 MB"):
        read_text(tmp_path / "long.csv")
    with pytest.raises(InputError, match="zero byte"):
        read_text("a\0b")


def test_a_planted_link_is_not_followed(tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("mine")
    (tmp_path / ".a.json.part").symlink_to(other)
    write_text(tmp_path / "a.json", "new")
    assert other.read_text() == "mine" and (tmp_path / "a.json").read_text() == "new"
    assert not (tmp_path / "a.json").is_symlink()
