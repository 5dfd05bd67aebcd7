"""Output folders: what stands under the name after a kill, what is never deleted, what is refused beforehand."""

import json
import logging
import os
import subprocess
import sys

import pytest
from hevesy.engine.durable import exchange
from hevesy.engine.errors import InputError
from hevesy.engine.inventory import add_to_inventory
from hevesy.engine.output_folder import check_output_folder, replace_folder
from hevesy.engine.work_folder import holding, work_folder, working

MARK = "mark.txt"


def write(out, text, **options):
    with replace_folder(out, MARK, "test", **options) as part:
        (part / MARK).write_text(text)
        (part / "table.csv").write_text(text)


def text_of(folder):
    return (folder / MARK).read_text()


@pytest.mark.skipif(os.name != "posix", reason="kill")
@pytest.mark.parametrize("how", ["exchange", "renames"])
def test_the_old_or_the_new_stands_after_a_kill_at_any_call_and_the_next_command_repairs(tmp_path, how):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    if how == "exchange" and not exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this file system does not exchange names")
    words = [sys.executable, "-m", "hevesy.tests.unit.ground.killed", str(tmp_path), how]
    told = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert told["wrong"] == []
    assert told["moments"] > 40
    assert told["missing"] <= (how == "renames")  # between the two renames alone


def test_one_earlier_generation_is_kept_and_nothing_else_is_left(tmp_path):
    out = tmp_path / "out"
    for text in ("1", "2", "3"):
        write(out, text)
    assert (text_of(out), text_of(tmp_path / "out.previous")) == ("3", "2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.previous"]
    write(tmp_path / "map", "1", previous=False)
    write(tmp_path / "map", "2", previous=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map", "out", "out.previous"]


@pytest.mark.parametrize("previous", [True, False])
@pytest.mark.parametrize("change", ["added", "edited", "in a folder", "a link"])
def test_what_the_user_put_into_a_results_folder_survives_all_later_runs(tmp_path, caplog, change, previous):
    out, mine = tmp_path / "out", "my notes on patient 7"
    write(out, "1", previous=previous)
    if change == "a link":
        (tmp_path / "elsewhere.txt").write_text(mine)
        (out / "link").symlink_to(tmp_path / "elsewhere.txt")
    else:
        file = out / {"added": "notes.txt", "edited": "table.csv", "in a folder": "mine/notes.txt"}[change]
        file.parent.mkdir(exist_ok=True)
        file.write_text(mine)
    for text in ("2", "3", "4", "5"):
        write(out, text, previous=previous)
    assert text_of(out) == "5"
    texts = {p.read_text() for p in tmp_path.rglob("*") if p.is_file() and p.name != "elsewhere.txt"}
    assert mine in texts
    assert text_of(tmp_path / "out.previous") == "1"  # it stays, with what the user put there
    if previous:
        assert text_of(tmp_path / "out.previous-2") == "4"
        assert "out.previous stays: it holds" in caplog.text
    assert len(list(tmp_path.glob("out*"))) == (3 if previous else 2)


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling link"])
def test_a_foreign_thing_of_the_name_of_the_earlier_output_survives(tmp_path, kind):
    out, former = tmp_path / "out", tmp_path / "out.previous"
    if kind == "file":
        former.write_text("mine")
    elif kind == "folder":
        former.mkdir()
        (former / "thesis.txt").write_text("mine")
    else:
        target = tmp_path / "target"
        if kind == "link":
            target.mkdir()
            (target / "thesis.txt").write_text("mine")
        former.symlink_to(target)
    for text in ("1", "2", "3"):
        write(out, text)
    assert (text_of(out), text_of(tmp_path / "out.previous-2")) == ("3", "2")
    if kind == "file":
        assert former.read_text() == "mine"
    elif kind == "dangling link":
        assert former.is_symlink() and not former.exists()
    else:
        assert (former / "thesis.txt").read_text() == "mine"
        assert former.is_symlink() == (kind == "link")


def test_what_hevesy_itself_writes_later_is_no_foreign_file(tmp_path, caplog):
    out = tmp_path / "out"
    write(out, "1")
    (out / "table.csv").write_text("written again")
    add_to_inventory(out, out / "table.csv")
    with replace_folder(out / "compare", MARK, "comparison", previous=False) as part:
        (part / MARK).write_text("a comparison")
    write(out, "2")
    write(out, "3")
    assert text_of(tmp_path / "out.previous") == "2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.previous"]
    assert "stays" not in caplog.text


def test_a_file_that_was_only_copied_or_touched_is_still_ours(tmp_path):
    out = tmp_path / "out"
    write(out, "1")
    os.utime(out / "table.csv", (1e9, 1e9))
    write(out, "2")
    write(out, "3")
    assert text_of(tmp_path / "out.previous") == "2" and not (tmp_path / "out.previous-2").exists()


def test_an_error_leaves_the_earlier_output_and_no_trace(tmp_path):
    out = tmp_path / "new folder" / "out"
    with pytest.raises(ZeroDivisionError), replace_folder(out, MARK):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    write(out, "1")
    with pytest.raises(ZeroDivisionError), replace_folder(out, MARK) as part:
        (part / "half").write_text("")
        raise ZeroDivisionError
    assert text_of(out) == "1" and [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_link_to_a_folder_stays_one(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "results")
    with pytest.raises(InputError, match="is a link that leads nowhere"):
        check_output_folder(tmp_path / "out", MARK)
    (tmp_path / "disk" / "results").mkdir()
    write(tmp_path / "out", "1")
    write(tmp_path / "out", "2")
    assert (tmp_path / "out").is_symlink()
    assert text_of(tmp_path / "disk" / "results") == "2" and text_of(tmp_path / "disk" / "results.previous") == "1"


def test_checkpoints_stay_until_their_owner_removes_them(tmp_path):
    out = tmp_path / "R.h5"
    assert work_folder(out) == tmp_path / ".R.h5.work"
    with pytest.raises(KeyboardInterrupt), working(out) as work:
        (work / "checkpoint.h5").write_text("integers")
        raise KeyboardInterrupt
    assert (tmp_path / ".R.h5.work" / "checkpoint.h5").read_text() == "integers"
    with working(out) as work:
        assert (work / "checkpoint.h5").read_text() == "integers"
        (work / "checkpoint.h5").unlink()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_foreign_thing_of_the_name_of_the_work_folder_is_refused(tmp_path, kind):
    work = tmp_path / ".out.work"
    if kind == "file":
        work.write_text("mine")
    elif kind == "folder":
        work.mkdir()
        (work / "mine").write_text("")
    else:
        work.symlink_to(tmp_path)
    with pytest.raises(InputError, match="hevesy did not make it"):
        check_output_folder(tmp_path / "out", MARK)
    assert os.path.lexists(work)


def test_the_name_of_an_earlier_output_is_told(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    write(tmp_path / "out", "1")
    write(tmp_path / "out", "2")
    assert "the earlier results are now in out.previous" in caplog.text


def test_output_beside_which_nothing_can_be_written_is_read_without_a_lock(tmp_path, monkeypatch):
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    with holding(tmp_path / "out", "reads"):
        assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    with holding(tmp_path / "out", "reads"):
        assert [path.name for path in tmp_path.iterdir()] == [".out.work"]
