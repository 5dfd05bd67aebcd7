"""What a backend says about the machine it ran on."""

from __future__ import annotations

from typing import NamedTuple


class Device(NamedTuple):
    """What ran, for the result's provenance."""

    backend: str
    name: str
    threads: int
