"""``cupy.cuda``: devices, memory, streams and the runtime."""

import ctypes
import threading

from .. import _driver
from . import memory, runtime, stream
from .memory import MemoryPool
from .stream import Event, Stream

__all__ = ["Device", "Event", "MemoryPool", "Stream", "memory", "runtime", "stream"]

_entered = threading.local()


class Device:
    """A device; as a context, the thread's current one. It may be entered by several threads, and again inside."""

    def __init__(self, device=None):
        self.id = runtime.getDevice() if device is None else int(device)

    def __enter__(self):
        before = runtime.getDevice()
        runtime.setDevice(self.id)
        _entered.__dict__.setdefault("devices", []).append(before)
        return self

    def __exit__(self, *_):
        runtime.setDevice(_entered.devices.pop())

    def use(self):
        """Make it the thread's current device."""
        runtime.setDevice(self.id)

    def synchronize(self):
        """Wait for all its work."""
        with self:
            runtime.deviceSynchronize()

    @property
    def compute_capability(self):
        """Its compute capability, "90" for 9.0."""
        major, minor = ctypes.c_int(), ctypes.c_int()
        runtime.check_status(_driver.code("cuDeviceGetAttribute", ctypes.byref(major), 75, self.id))
        runtime.check_status(_driver.code("cuDeviceGetAttribute", ctypes.byref(minor), 76, self.id))
        return f"{major.value}{minor.value}"

    @property
    def mem_info(self):
        """Free and total bytes."""
        with self:
            return runtime.memGetInfo()
