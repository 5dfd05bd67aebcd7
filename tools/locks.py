"""The lock files: what they pin, what they must hold, and which versions are known to be bad.

Reads text alone; no network. :mod:`hevesy.tools.audit_lock` asks the advisory service.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef]

ROOT = Path(__file__).resolve().parents[1]
#: The extras that each lock file promises.
LOCKS = {
    "requirements.lock": ("test", "gates", "dask"),
    "requirements-run.lock": ("dask",),
    "requirements-gpu.lock": ("dask", "gpu"),
}
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
#: First version without a known fault, with the advisory: below it the lock files and pyproject.toml must not go. What
#: concerns us of each is in the second words. Only `make audit`, where the service is reached, knows all others.
KNOWN_BAD = {
    "distributed": ("2026.1.0", "CVE-2026-23528: code from a link to the dashboard runs on the scheduler"),
    "fonttools": ("4.60.2", "CVE-2025-66034: files written where a crafted font design says"),
    "jinja2": ("3.1.6", "CVE-2025-27516: templates leave their sandbox"),
    "pillow": ("12.3.0", "CVE-2026-59205: writes beyond its memory"),
    "setuptools": ("78.1.1", "CVE-2025-47273: a package index may write any file"),
    "tornado": ("6.5", "CVE-2025-47287: a malformed request floods the log and blocks the server"),
}


@dataclass(frozen=True)
class Pin:
    """One package of a lock file.

    Parameters
    ----------
    name, version
        Canonical name; the version that is installed.
    marker
        Where it is installed; None everywhere.
    hashes
        SHA-256 of the files that may be installed.
    """

    name: str
    version: Version
    marker: Marker | None
    hashes: tuple[str, ...]

    def holds(self, environment: dict[str, str]) -> bool:
        """Whether it is installed in an environment."""
        return self.marker is None or self.marker.evaluate({**environment, "extra": ""})


def read_pins(text: str) -> list[Pin]:
    """The packages of a lock file.

    Raises
    ------
    ValueError
        A line that pins no version, has no hash, or is an option of pip: a registry, a path.
    """
    pins = []
    logical = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text))
    for line in filter(None, (line.strip() for line in logical.splitlines())):
        wanted, *hashes = re.split(r"\s+--hash=", line)
        if not re.fullmatch(r"[A-Za-z0-9._-]+==[^\s;]+(\s*;.*)?", wanted):
            raise ValueError(f"pins no version of a package: {line[:80]}")
        if not hashes or not all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", digest) for digest in hashes):
            raise ValueError(f"has no SHA-256, or another option: {line[:80]}")
        requirement = Requirement(wanted)
        version = Version(next(iter(requirement.specifier)).version)
        pins.append(Pin(canonicalize_name(requirement.name), version, requirement.marker, tuple(hashes)))
    return pins


def environments() -> Iterator[dict[str, str]]:
    """The computers that the lock files are for: every Python that we support, on Linux and macOS."""
    for python in PYTHONS:
        for system, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")):
            yield {
                "python_version": python, "python_full_version": f"{python}.9", "sys_platform": system,
                "platform_machine": machine, "platform_system": system.capitalize(), "os_name": "posix",
                "implementation_name": "cpython", "platform_python_implementation": "CPython",
                "implementation_version": f"{python}.9", "platform_release": "", "platform_version": "",
            }  # fmt: skip


def asked_for(project: dict[str, Any], extras: tuple[str, ...]) -> list[Requirement]:
    """What pyproject.toml asks for with these extras; an extra that is made of others is resolved."""
    wanted = [Requirement(text) for text in project["dependencies"]]
    for extra in extras:
        for requirement in map(Requirement, project["optional-dependencies"][extra]):
            if canonicalize_name(requirement.name) == project["name"]:
                inner = asked_for({**project, "dependencies": []}, tuple(sorted(requirement.extras)))
                wanted += inner
            else:
                wanted.append(requirement)
    return wanted


def faults(text: str, project: dict[str, Any], extras: tuple[str, ...]) -> list[str]:
    """What is wrong with a lock file: nothing, or sentences.

    Parameters
    ----------
    text
        Of the lock file.
    project
        The table `project` of pyproject.toml.
    extras
        What it promises.
    """
    try:
        pins = read_pins(text)
    except ValueError as error:
        return [str(error)]
    out = dict.fromkeys(
        f"{pin.name} {pin.version} is known to be bad below {KNOWN_BAD[pin.name][0]}: {KNOWN_BAD[pin.name][1]}"
        for pin in pins
        if pin.name in KNOWN_BAD and pin.version < Version(KNOWN_BAD[pin.name][0])
    )
    for environment in environments():
        where = f"Python {environment['python_version']}, {environment['sys_platform']}"
        here = defaultdict(list)
        for pin in pins:
            if pin.holds(environment):
                here[pin.name].append(pin.version)
        out |= dict.fromkeys(f"{name} is pinned twice ({where})" for name, some in here.items() if len(some) > 1)
        for requirement in asked_for(project, extras):
            if requirement.marker is not None and not requirement.marker.evaluate({**environment, "extra": ""}):
                continue
            versions = here.get(canonicalize_name(requirement.name), [])
            if not any(requirement.specifier.contains(version, prereleases=True) for version in versions):
                pinned = ", ".join(map(str, versions)) or "nothing"
                out[f"{requirement} is asked for, and {pinned} is pinned ({where})"] = None
    return list(out)


def project_table() -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table
