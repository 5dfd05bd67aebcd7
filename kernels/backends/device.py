"""Description of the machine a backend ran on."""

from __future__ import annotations

from typing import NamedTuple


class Device(NamedTuple):
    """Backend, device and threads of a run, for the result's provenance."""

    backend: str
    name: str
    threads: int
