"""What to do about the error of a step, where that depends on the error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hevesy.kernels.backends import cuda_probe

from .runner import Facts
from .steps import KERNEL, MACHINE, NAMES

#: kind of the fact that replaces what a step usually advises
KIND = "advice"
NO_DRIVER = "install an NVIDIA driver, or run this where `nvidia-smi` lists a card"
PACKAGES = f"see the step {MACHINE!r}: a package is missing or does not load"
OLD_DRIVER = "see what `nvidia-smi` shows: no card that answers, or a driver too old for the machine code"


def driver_is_here() -> bool:
    """Whether the library of the NVIDIA driver loads."""
    return not cuda_probe._driver_missing()


def about(name: str, error: Exception) -> str:
    """What to do about the error of a step; empty where its usual advice is right.

    Parameters
    ----------
    name
        Of the step.
    error
        That ended it.
    """
    if name == MACHINE:
        return ""
    if not driver_is_here():
        return NO_DRIVER
    if isinstance(error, ImportError):
        return PACKAGES
    if name == NAMES:
        unknown = isinstance(error, AttributeError)
        return "correct the names in kernels/backends/cuda_lane.py" if unknown else OLD_DRIVER
    if name == KERNEL:
        unknown = isinstance(error, (AttributeError, TypeError))
        return "install numpy<2.5 and numba<0.69 beside numba-cuda 0.30" if unknown else OLD_DRIVER
    return ""


def of(facts: Facts, usual: str) -> str:
    """The advice that a step told, else the usual one."""
    told: list[Mapping[str, Any]] = [values for kind, values in facts if kind == KIND]
    return str(told[-1]["text"]) if told else usual
