"""The wheel holds every module, the physics tables and the report's templates."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_wheel_is_complete(tmp_path):
    """Built from a copy without build isolation, so that it needs no network where setuptools is at hand."""
    pytest.importorskip("setuptools", reason="building a wheel without the network needs setuptools here")
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    copy = tmp_path / "copy"
    for name in filter(None, files):
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), "."],
        cwd=copy, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("hevesy-*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    shipped = [n for n in files if n.split("/")[0] in ("engine", "kernels", "cli", "phantoms")]
    wanted = {f"hevesy/{n}" for n in shipped if n.endswith((".py", ".h5", ".html", ".css", ".j2"))}
    assert wanted - inside == set()
    assert any(n.endswith("physics.h5") for n in inside)
    assert not any("tests/" in n or "tools/" in n for n in inside)
