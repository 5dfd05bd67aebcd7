"""Container files: what they copy exists, what they install is locked, stages and bases are named; no secrets."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
DEFINITION = (ROOT / "hevesy.def").read_text(encoding="utf-8")
BUILD = (ROOT / "tools/container_build.sh").read_text(encoding="utf-8")
KNOWN = {
    "ARG", "FROM", "ENV", "WORKDIR", "COPY", "RUN", "LABEL", "USER", "VOLUME", "ENTRYPOINT", "CMD",
}  # fmt: skip
TARGETS = ("run", "gpu")


def instructions(text: str) -> list[tuple[str, str]]:
    """Instructions of a Containerfile: comments left out, continued lines joined."""
    plain = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text))
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in plain.splitlines() if line.strip())
    ]


def copied() -> list[str]:
    return [
        name
        for word, rest in instructions(CONTAINERFILE)
        if word == "COPY" and not rest.startswith("--from")
        for name in rest.split()[:-1]
    ]


def test_every_instruction_is_one():
    assert {word for word, _ in instructions(CONTAINERFILE)} <= KNOWN


def test_stages_are_named_and_bases_are_pinned():
    arguments = dict(rest.split("=", 1) for word, rest in instructions(CONTAINERFILE) if word == "ARG" and "=" in rest)
    stages = [rest for word, rest in instructions(CONTAINERFILE) if word == "FROM"]
    names = [stage.partition(" AS ")[2] for stage in stages]
    assert names == ["build", "hevesy"]
    for stage in stages:
        base = stage.partition(" AS ")[0].replace("${PYTHON}", arguments["PYTHON"])
        assert re.fullmatch(r"docker\.io/library/python:3\.\d+\.\d+-slim-\w+", base), base
    sources = re.findall(r"--from=(\w+)", CONTAINERFILE)
    assert set(sources) <= set(names[:-1])
    assert arguments["TARGET"] in TARGETS
    assert re.findall(r"(?m)^From: (.*)", DEFINITION) == [f"python:{arguments['PYTHON']}"] * 2


def test_what_is_copied_exists_and_is_not_ignored():
    let_in = (ROOT / ".containerignore").read_text(encoding="utf-8")
    assert let_in == (ROOT / ".dockerignore").read_text(encoding="utf-8")
    assert let_in.splitlines()[0] == "*"
    for name in copied():
        assert (ROOT / name).exists(), name
        pattern = "requirements*.lock" if name.endswith(".lock") else name
        assert f"!{pattern}" in {*let_in.splitlines(), f"!{name}/"}, f"{name} is ignored"


def test_all_that_the_wheel_ships_is_copied():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    tops = set(re.findall(r'(?m)^  "hevesy\.(\w+)[\w.]*",', project))
    assert len(tops) >= 4
    assert tops <= {Path(name).name for name in copied()}
    taken = re.findall(r"(?m)^    (\S+) /source/(\S+)$", DEFINITION)
    assert [source for source, _ in taken] == [target for _, target in taken]
    assert {source for source, _ in taken} == set(copied())


def test_nothing_is_installed_but_what_is_locked():
    for text in (CONTAINERFILE, DEFINITION):
        assert "pip install" not in text and "apt" not in text.replace("Apptainer", "").replace("apptainer", "")
        assert "container_build.sh dependencies" in text and "container_build.sh project" in text
    installs = re.findall(r"pip (?:install|wheel) .*", BUILD)
    assert len(installs) == 4
    for line in installs:
        assert "--require-hashes" in line or "--no-deps" in line, line
    for target in TARGETS:
        assert (ROOT / f"requirements-{target}.lock").is_file()


def test_the_image_runs_as_a_user_and_is_checked_when_it_is_built():
    last = instructions(CONTAINERFILE.partition(" AS hevesy")[2])
    users = [rest for word, rest in last if word == "USER"]
    assert users == ["hevesy"]
    words = [word for word, _ in last]
    assert words.index("USER") < words.index("VOLUME")
    assert ("RUN", "hevesy --version") in last and ("ENTRYPOINT", '["hevesy"]') in last
    assert "HEVESY_CACHE=/cache" in CONTAINERFILE
    assert "/opt/hevesy/bin/hevesy --version" in DEFINITION.partition("%test")[2]


def test_no_secret_is_in_an_image():
    for text in (CONTAINERFILE, DEFINITION, BUILD):
        assert not re.search(r"(?i)password|secret|token|api_key|://[^/\s]*@", text)


@pytest.mark.parametrize("name", ["tools/container_build.sh", "tools/container_check.sh"])
def test_scripts_can_be_read_by_a_shell(name):
    subprocess.run(["sh", "-n", ROOT / name], check=True)


def test_the_packager_of_the_lock_file_is_taken_out_whole():
    """`sed` takes one pin with all its hashes out of the lock file, and nothing after it."""
    command = next(line for line in BUILD.splitlines() if line.strip().startswith("sed ")).partition(" >")[0]
    done = subprocess.run(
        ["sh", "-c", f"lock=requirements.lock; {command}"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"setuptools==[\d.]+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", done.stdout)
