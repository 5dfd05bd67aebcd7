"""What says which code runs: the commit, also where there is no git, and the hash of the sources, which decides."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hevesy.engine.results import environment


@pytest.mark.skipif(shutil.which("git") is None, reason="git makes the checkout of this test")
@pytest.mark.parametrize("kind", ["branch", "packed", "detached", "worktree"])
def test_the_commit_is_read_without_git(kind: str, tmp_path, monkeypatch) -> None:
    def git(*words: str) -> str:
        name = ["-c", "user.name=A", "-c", "user.email=a@b.invalid"]
        done = subprocess.run(["git", *name, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "--message", "First")
    place = tmp_path
    if kind == "packed":
        git("pack-refs", "--all")
    elif kind == "detached":
        git("checkout", "--quiet", "--detach")
    elif kind == "worktree":
        place = tmp_path / "other"
        git("worktree", "add", "--quiet", str(place))
    monkeypatch.setattr(environment, "ROOT", place)
    expected = environment.commit()
    assert expected == git("rev-parse", "HEAD")
    monkeypatch.setenv("PATH", str(tmp_path / "no programs"))
    assert environment.commit() == expected


#: Sources of a small package.
SOURCES = {"engine/a.py": "x = 1\n", "engine/b/c.py": "y = 1\n", "kernels/d.py": "z = 1\n"}


def hash_of(place: Path, files: dict[str, str], end: str = "\n") -> str:
    """The hash of the sources of a package of these files."""
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, newline=end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "ROOT", place)
        return environment.code_hash.__wrapped__()


def test_the_hash_is_that_of_the_sources_and_of_nothing_else(tmp_path) -> None:
    expected = hash_of(tmp_path / "here", SOURCES)
    others = {"README": "x", "tests/a.py": "x", "cli/a.py": "x", "engine/a.html": "x", "engine/.old/a.py": "x"}
    assert hash_of(tmp_path / "there", SOURCES | others) == expected
    (tmp_path / "there" / "engine" / ".#a.py").symlink_to("nowhere")  # as an editor locks a file
    assert hash_of(tmp_path / "there", {}) == expected
    assert hash_of(tmp_path / "windows", SOURCES, "\r\n") == expected
    assert hash_of(tmp_path / "compiled", {"engine/a.pyc": "x"}) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"engine/a.py": "x = 1\n# and\n"},
        {"kernels/d.py": "z = 2\n"},
        {"engine/b/e.py": ""},
        {"engine/a.py": "x = 1\ny = 1\n", "engine/b/c.py": ""},
    ],
)
def test_other_sources_have_another_hash(tmp_path, change) -> None:
    assert hash_of(tmp_path / "a", SOURCES) != hash_of(tmp_path / "b", SOURCES | change)
