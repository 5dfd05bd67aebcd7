"""As much of CuPy as the proof of use touches, on the host.

``FAULT_CUPY`` is the error of its import, ``FAULT_EXIT`` the status with which it ends its process, ``FAULT_CHATTER``
what it prints, ``FAULT_PACKAGES`` an error of packages that do not belong together.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from types import SimpleNamespace

import numpy as np

if "FAULT_CUPY" in os.environ:
    raise ImportError(os.environ["FAULT_CUPY"])
if "FAULT_EXIT" in os.environ:
    sys.exit(int(os.environ["FAULT_EXIT"]))
sys.stdout.write(os.environ.get("FAULT_CHATTER", ""))


class Array(np.ndarray):
    """An array that is "copied to the host" by :meth:`get`."""

    def get(self):
        return np.array(self)


def asarray(host):
    return host.copy().view(Array)


def device_count():
    if "FAULT_PACKAGES" in os.environ:
        raise ctypes.ArgumentError(os.environ["FAULT_PACKAGES"])
    return int(os.environ.get("FAULT_DEVICES", "1"))


runtime = SimpleNamespace(
    getDeviceCount=device_count, getDeviceProperties=lambda number: {"name": f"GPU {number}".encode()}
)
cuda = SimpleNamespace(runtime=runtime, Device=lambda number: contextlib.nullcontext())
