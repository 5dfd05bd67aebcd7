"""PTX on disk: compiled once by whoever comes first, never taken from a file that is not whole."""

from __future__ import annotations

import threading
from importlib import metadata

import pytest
from hevesy.tests.patience import PATIENCE_S
from hevesy.tools import ptx_cache


def test_what_was_made_is_not_made_again(tmp_path):
    file = tmp_path / "deep" / "kernel.ptx"
    assert ptx_cache.stored(file, lambda: ".version 9.0\n") == ".version 9.0\n"
    assert ptx_cache.stored(file, lambda: pytest.fail("made twice")) == ".version 9.0\n"


@pytest.mark.parametrize("damage", [lambda t: t[:-1], lambda t: t.replace("9", "8"), lambda t: "", lambda t: t[5:]])
def test_a_damaged_file_is_made_again(tmp_path, damage):
    file = tmp_path / "kernel.ptx"
    ptx_cache.stored(file, lambda: ".version 9.0\n")
    file.write_text(damage(file.read_text()))
    assert ptx_cache.stored(file, lambda: "new") == "new"
    assert ptx_cache.stored(file, lambda: pytest.fail("made twice")) == "new"


def test_several_at_a_time_make_it_once(tmp_path):
    made, texts, begin = [], [], threading.Event()

    def make():
        made.append(1)
        begin.wait(PATIENCE_S)
        return "text"

    threads = [
        threading.Thread(target=lambda: texts.append(ptx_cache.stored(tmp_path / "kernel.ptx", make))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    begin.set()
    for thread in threads:
        thread.join()
    assert texts == ["text"] * 4
    assert len(made) == 1
    assert {p.name for p in tmp_path.iterdir()} == {"kernel.ptx", "kernel.lock"}


def test_another_compiler_is_another_folder(monkeypatch):
    usual = ptx_cache.folder("options")
    assert ptx_cache.folder("options") == usual
    assert ptx_cache.folder("other options") != usual
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0.0" if name == "numba" else real(name))
    assert ptx_cache.folder("options") != usual
