"""The driver library, called as the CUDA runtime inside CuPy calls it."""

import ctypes
import threading
from functools import lru_cache

_library = ctypes.CDLL("libcuda.so.1")
_thread = threading.local()
_contexts: dict[int, ctypes.c_void_p] = {}
_lock = threading.Lock()

#: CUDA version of the runtime that CuPy has linked in; older drivers refuse it
RUNTIME_VERSION = 13020
INSUFFICIENT_DRIVER, NO_DEVICE, INVALID_DEVICE = 35, 100, 101


def code(name, *arguments):
    """Call an entry point; its error code."""
    return getattr(_library, name)(*arguments)


def version():
    """CUDA version of the driver."""
    value = ctypes.c_int()
    code("cuDriverGetVersion", ctypes.byref(value))
    return value.value


@lru_cache(maxsize=1)
def start():
    """Initialise the driver, once; the error code of the runtime."""
    if version() // 1000 < RUNTIME_VERSION // 1000:
        return INSUFFICIENT_DRIVER
    return code("cuInit", 0)


@lru_cache(maxsize=1)
def count():
    """Error code and number of devices, asked for once."""
    value = ctypes.c_int()
    failed = start() or code("cuDeviceGetCount", ctypes.byref(value))
    return (failed or (0 if value.value else NO_DEVICE)), value.value


def current():
    """Number of the thread's device: that of its context, else the one that was set, else the first."""
    context, device = ctypes.c_void_p(), ctypes.c_int()
    code("cuCtxGetCurrent", ctypes.byref(context))
    if context.value and code("cuCtxGetDevice", ctypes.byref(device)) == 0:
        return device.value
    return getattr(_thread, "device", 0)


def use(number):
    """Make a device's primary context the thread's current one, as cudaSetDevice does; the error code."""
    failed, devices = count()
    if failed:
        return failed
    if not 0 <= number < devices:
        return INVALID_DEVICE
    with _lock:
        if number not in _contexts:
            context = ctypes.c_void_p()
            failed = code("cuDevicePrimaryCtxRetain", ctypes.byref(context), number)
            if failed:
                return failed
            _contexts[number] = context
    _thread.device = number
    return code("cuCtxSetCurrent", _contexts[number])
