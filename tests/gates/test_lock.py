"""Lock files hold what pyproject.toml asks for, with hashes, without a registry or a path, and nothing known bad."""

from __future__ import annotations

import re

import pytest
from hevesy.tools import audit_lock
from hevesy.tools.locks import KNOWN_BAD, LOCKS, ROOT, asked_for, environments, faults, project_table, read_pins
from packaging.version import Version

TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in LOCKS}
DIGEST = "0" * 64


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_holds_what_the_project_asks_for(name):
    assert faults(TEXTS[name], project_table(), LOCKS[name]) == [], "run `make lock`"
    assert len(read_pins(TEXTS[name])) > 60


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_names_no_registry_and_no_path(name):
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host|file:|(^|\s)/\w", TEXTS[name])


def test_lock_files_agree_on_what_they_share():
    """What is tested is what is shipped, in each environment."""
    for environment in environments():
        here = {
            name: {pin.name: pin.version for pin in read_pins(text) if pin.holds(environment)}
            for name, text in TEXTS.items()
        }
        tested = here["requirements.lock"]
        for name, pins in here.items():
            assert {k: v for k, v in pins.items() if tested.get(k, v) != v} == {}, (name, environment)
        assert here["requirements-run.lock"].keys() <= tested.keys()


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        ("numpy==1.26.4", "has no SHA-256"),
        (f"numpy>=1.26 --hash=sha256:{DIGEST}", "pins no version"),
        (f"--index-url x\nnumpy==1.26.4 --hash=sha256:{DIGEST}", "pins no version"),
        (f"numpy==1.20.0 --hash=sha256:{DIGEST}", "numpy>=1.26 is asked for, and 1.20.0 is pinned"),
        (
            f"numpy==1.26.4 ; python_version < '3.12' --hash=sha256:{DIGEST}",
            "and nothing is pinned (Python 3.12, linux)",
        ),
        (f"numpy==1.26.4 --hash=sha256:{DIGEST}\nnumpy==2.0.0 --hash=sha256:{DIGEST}", "numpy is pinned twice"),
        (
            f"numpy==2.0.0 --hash=sha256:{DIGEST}\npillow==12.2.0 --hash=sha256:{DIGEST}",
            "pillow 12.2.0 is known to be bad",
        ),
    ],
)
def test_a_broken_lock_file_would_be_seen(broken, fault):
    project = {"name": "hevesy", "dependencies": ["numpy>=1.26"], "optional-dependencies": {}}
    assert any(fault in text for text in faults(broken, project, ()))


def test_an_extra_of_extras_is_resolved():
    names = {requirement.name for requirement in asked_for(project_table(), ("test",))}
    assert {"distributed", "dask-jobqueue", "pytest", "numpy"} <= names and "hevesy" not in names


def test_lower_bounds_leave_out_what_is_known_to_be_bad():
    """Of what pyproject.toml names itself; what comes with it is held by the lock files."""
    for requirement in asked_for(project_table(), ("test", "dask", "gpu")):
        if requirement.name.lower() in KNOWN_BAD:
            first = Version(KNOWN_BAD[requirement.name.lower()][0])
            lower = [Version(s.version) for s in requirement.specifier if s.operator == ">="]
            assert max(lower) >= first, requirement


def test_an_audit_that_reached_nobody_is_no_pass():
    """A service that does not know a package leaves it out and is content: that is not a clean bill."""
    clean = {"name": "a", "version": "1", "vulns": []}
    bad = {"name": "b", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}
    skipped = {"name": "c", "skip_reason": "not found"}
    assert audit_lock.verdict([{"dependencies": [clean]}])[0] == 0
    code, told = audit_lock.verdict([{"dependencies": [clean, bad, skipped]}])
    assert code == 1 and "b 1: X-1, fixed in 2" in told
    for reports in ([], [{}], [{"dependencies": [clean, skipped]}], [{"dependencies": [clean]}, {}]):
        code, told = audit_lock.verdict(reports)
        assert code == audit_lock.SKIPPED and any("NOT AUDITED" in text for text in told), reports


def test_every_pin_is_audited_once():
    pins = [pin for text in TEXTS.values() for pin in read_pins(text)]
    groups = audit_lock.rounds(pins)
    assert {(p.name, p.version) for group in groups for p in group} == {(p.name, p.version) for p in pins}
    assert all(len({pin.name for pin in group}) == len(group) for group in groups)
