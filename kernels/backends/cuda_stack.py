"""Numba's CUDA compiler as hevesy uses it: whoever compiles for a device imports ``cuda`` from here."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

if not hasattr(np, "row_stack"):
    # numba-cuda 0.30 names this function whenever it compiles a kernel or reads one from its cache; NumPy 2.5 has
    # removed it, and numba-cuda gets no more than repairs
    np.row_stack = np.vstack  # noqa: NPY201

from numba import cuda  # noqa: E402

from .cuda_options import ASSEMBLER  # noqa: E402
from .cuda_probe import simulated  # noqa: E402

if not simulated():
    # a warning of too few blocks for the device: a launch that measures or proves something is meant to be small
    cuda.config.CUDA_LOW_OCCUPANCY_WARNINGS = 0


def keep_roundings() -> None:
    """Have every kernel that Numba links assembled with :data:`ASSEMBLER`."""
    from numba.cuda.cudadrv import driver

    usual = driver.Linker

    def linker(*objects: Any, options: Any) -> Any:
        try:
            return usual(*objects, options=dataclasses.replace(options, ptxas_options=ASSEMBLER))
        except ValueError:  # the driver's own linker, which serves where nvJitLink is missing, takes no such option
            return usual(*objects, options=options)

    driver.Linker = linker


if not simulated():
    keep_roundings()

__all__ = ["cuda"]
