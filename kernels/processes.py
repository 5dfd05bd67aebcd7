"""Processes of this machine, by their numbers."""

from __future__ import annotations

import os


def is_alive(pid: int) -> bool:
    """Whether a process of this machine has a number."""
    if os.name != "posix":
        return True  # to ask would end it there
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
