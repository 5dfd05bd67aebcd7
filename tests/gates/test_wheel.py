"""What is built holds every module, the physics tables and the report's templates, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_built_package_is_complete(tmp_path):
    """Runs the build step that fills a wheel, on a copy of the tracked files; needs no network."""
    pytest.importorskip("setuptools", reason="the build step is setuptools'; install the test extra")
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: the tracked files cannot be told")
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    copy = tmp_path / "copy"
    for name in filter(None, files):
        if (ROOT / name).is_file():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "build",
         "--build-lib", tmp_path / "built"],
        cwd=copy, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    inside = {str(p.relative_to(tmp_path / "built")) for p in (tmp_path / "built").rglob("*") if p.is_file()}
    shipped = [n for n in files if n.split("/")[0] in ("engine", "kernels", "cli", "phantoms") and (ROOT / n).is_file()]
    wanted = {f"hevesy/{n}" for n in shipped if n.endswith((".py", ".h5", ".html", ".css", ".j2"))}
    assert wanted - inside == set()
    assert any(n.endswith("physics.h5") for n in inside)
    assert not [n for n in inside if "tests/" in n or "tools/" in n or "benchmarks/" in n]
