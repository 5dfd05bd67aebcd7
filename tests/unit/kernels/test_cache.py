"""The files of the cache: what is read is what was written there, wherever that can be."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hevesy.kernels import cache
from hevesy.kernels.backends import cuda_options

CONTENT = bytes(range(256)) * 4


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cache of this machine, and nothing said yet."""
    monkeypatch.setenv("HEVESY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HEVESY_TEMPORARY_CACHE", "")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(cache, "_said", set())


def test_what_is_stored_comes_back():
    path = cache.cache_root() / "tables" / "a.tables"
    assert cache.load(path) is None
    assert cache.store(path, CONTENT) == path
    assert cache.load(path) == CONTENT and cache.store(path, b"") == path and cache.load(path) == b""
    assert [file.name for file in path.parent.iterdir()] == ["a.tables"]


def test_no_damaged_byte_and_no_length_is_read(caplog):
    path = cache.cache_root() / "tables" / "a.tables"
    whole = cache.seal(path, CONTENT)
    for place in range(len(whole)):
        assert cache.unsealed(path, whole[:place]) is None
        assert cache.unsealed(path, whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]) is None
    assert cache.unsealed(path, whole) == CONTENT and cache.unsealed(path, whole + b"\0") is None
    path.parent.mkdir(parents=True)
    path.write_bytes(whole[:-1])
    assert cache.load(path) is None and not path.exists() and str(path) in caplog.text


def test_a_file_under_another_name_or_of_another_version_is_not_read():
    path = cache.cache_root() / "kernels-1" / "a.nbc"
    cache.store(path, CONTENT)
    for other in (path.with_name("b.nbc"), path.parents[1] / "kernels-2" / "a.nbc"):
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(path.read_bytes())
        assert cache.load(other) is None
    assert cache.load(path) == CONTENT


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_is_not_waited_for(make):
    path = cache.cache_root() / "tables" / "a.tables"
    path.parent.mkdir(parents=True)
    make(path)
    assert cache.load(path) is None


def test_a_temporary_cache_takes_what_the_usual_one_cannot(tmp_path, caplog):
    (tmp_path / "cache").write_text("")
    path = cache.cache_root() / "kernels-1" / "a.nbc"
    stored = cache.store(path, CONTENT)
    assert stored is not None and stored.is_relative_to(tmp_path / "temporary")
    root = stored.parents[1]
    assert root.stat().st_mode & 0o777 == 0o700 and root.stat().st_uid == os.getuid()
    assert cache.load(path) == CONTENT
    cache.store(path.with_name("b.nbc"), CONTENT)
    assert [record.getMessage().count("a temporary cache is used") for record in caplog.records] == [1]


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o777])
def test_a_folder_that_others_may_read_or_write_is_no_temporary_cache(tmp_path, monkeypatch, mode):
    other = tmp_path / "other"
    other.mkdir()
    other.chmod(mode)
    monkeypatch.setenv("HEVESY_TEMPORARY_CACHE", str(other))
    assert cache.temporary_root() != other
    (tmp_path / "link").symlink_to(other)
    other.chmod(0o700)
    monkeypatch.setenv("HEVESY_TEMPORARY_CACHE", str(tmp_path / "link"))
    assert cache.temporary_root() != tmp_path / "link"


def test_where_nothing_can_be_written_at_all_it_is_said_once(tmp_path, monkeypatch, caplog):
    (tmp_path / "cache").write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "cache"))
    for name in "ab":
        assert cache.store(cache.cache_root() / "tables" / name, CONTENT) is None
    assert len(caplog.records) == 1 and "nor to a temporary one" in caplog.text


@pytest.mark.parametrize("home", ["", "relative", "/nonexistent/home"])
def test_a_home_that_is_none_is_no_error(monkeypatch, home):
    monkeypatch.delenv("HEVESY_CACHE")
    monkeypatch.setenv("HOME", home)
    assert cache.cache_root().is_absolute()


def test_no_damaged_bit_of_the_options_of_a_card_is_used():
    """Two bits of each byte: the options that were measured, or the defaults."""
    chosen = cuda_options.CudaOptions("histories", 80, 64, 1_000_000)
    cuda_options.save("Card", chosen)
    file = cuda_options.options_file()
    whole, seen = file.read_bytes(), set()
    for place in range(len(whole)):
        for bit in (1 << place % 7, 1 << (place + 3) % 7):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            seen.add(cuda_options.options_for("Card"))
    assert cuda_options.DEFAULT in seen <= {chosen, cuda_options.DEFAULT}
    del (by_hand := json.loads(whole))["Card"]["sha256"]
    file.write_text(json.dumps(by_hand))
    assert cuda_options.options_for("Card") == chosen
