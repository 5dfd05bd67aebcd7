"""``cupy.cuda.stream``: streams and events. The emulated device has done all work by the time that it was asked for."""

import ctypes

from .. import _driver
from . import runtime as _runtime


class Stream:
    """A sequence of work on the device that was current when it was made."""

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        _runtime.setDevice(_runtime.getDevice())
        handle = ctypes.c_void_p()
        if not (null or ptds):
            flags = 1 if non_blocking else 0
            _runtime.check_status(_driver.code("cuStreamCreate", ctypes.byref(handle), flags))
        self._handle = handle

    def synchronize(self):
        """Wait for its work."""
        _runtime.check_status(_driver.code("cuStreamSynchronize", self._handle))

    def wait_event(self, event):
        """Let later work wait for an event."""
        _runtime.check_status(_driver.code("cuStreamWaitEvent", self._handle, event._handle, 0))

    def record(self, event=None):
        """An event after all its work so far."""
        event = Event() if event is None else event
        event.record(self)
        return event


class Event:
    """A point in a stream."""

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        _runtime.setDevice(_runtime.getDevice())
        self._handle = ctypes.c_void_p()
        flags = (1 if block else 0) | (2 if disable_timing else 0)
        _runtime.check_status(_driver.code("cuEventCreate", ctypes.byref(self._handle), flags))

    def record(self, stream=None):
        """Put it after all work of a stream so far, the default one if none is given."""
        handle = None if stream is None else stream._handle
        _runtime.check_status(_driver.code("cuEventRecord", self._handle, handle))

    def synchronize(self):
        """Wait until the work before it is done."""
        _runtime.check_status(_driver.code("cuEventSynchronize", self._handle))

    @property
    def done(self):
        """Whether the work before it is done."""
        status = _driver.code("cuEventQuery", self._handle)
        _runtime.check_status(0 if status == 600 else status)
        return status == 0
