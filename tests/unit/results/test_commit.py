"""The commit of a checkout is the same where there is no git, as on the nodes of a cluster."""

from __future__ import annotations

import shutil
import subprocess

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
