"""``cupy.cuda.runtime``: calls of the CUDA runtime, an error code as an exception."""

import ctypes

from .. import _driver

_ERRORS = {
    1: ("cudaErrorInvalidValue", "invalid argument"),
    2: ("cudaErrorMemoryAllocation", "out of memory"),
    3: ("cudaErrorInitializationError", "initialization error"),
    35: ("cudaErrorInsufficientDriver", "CUDA driver version is insufficient for CUDA runtime version"),
    100: ("cudaErrorNoDevice", "no CUDA-capable device is detected"),
    101: ("cudaErrorInvalidDevice", "invalid device ordinal"),
    700: ("cudaErrorIllegalAddress", "an illegal memory access was encountered"),
    719: ("cudaErrorLaunchFailure", "unspecified launch failure"),
    803: ("cudaErrorSystemDriverMismatch", "system has unsupported display driver / cuda driver combination"),
    999: ("cudaErrorUnknown", "unknown error"),
}


class CUDARuntimeError(RuntimeError):
    """An error of the CUDA runtime, ``status`` its code."""

    def __init__(self, status):
        self.status = status
        name, text = _ERRORS.get(status, ("unrecognized error code", "unrecognized error code"))
        super().__init__(f"{name}: {text}")


def check_status(status):
    """Raise a code that is not success."""
    if status:
        raise CUDARuntimeError(status)


def driverGetVersion():
    """CUDA version of the driver."""
    return _driver.version()


def runtimeGetVersion():
    """CUDA version of the runtime."""
    return _driver.RUNTIME_VERSION


def getDeviceCount():
    """Number of devices."""
    status, number = _driver.count()
    check_status(status)
    return number


def getDevice():
    """The thread's current device."""
    check_status(_driver.start())
    return _driver.current()


def setDevice(number):
    """Make a device the thread's current one."""
    check_status(_driver.use(number))


def getDeviceProperties(number):
    """Name, compute capability, multiprocessors and memory of a device."""
    check_status(_driver.count()[0])
    text = ctypes.create_string_buffer(256)
    check_status(_driver.code("cuDeviceGetName", text, 256, number))
    values = {"name": text.value}
    for key, attribute in (("multiProcessorCount", 16), ("major", 75), ("minor", 76)):
        value = ctypes.c_int()
        check_status(_driver.code("cuDeviceGetAttribute", ctypes.byref(value), attribute, number))
        values[key] = value.value
    size = ctypes.c_size_t()
    check_status(_driver.code("cuDeviceTotalMem_v2", ctypes.byref(size), number))
    return values | {"totalGlobalMem": size.value}


def memGetInfo():
    """Free and total bytes of the current device."""
    setDevice(getDevice())
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    check_status(_driver.code("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total)))
    return free.value, total.value


def deviceSynchronize():
    """Wait for all work of the current device; the errors of its kernels show here."""
    setDevice(getDevice())
    check_status(_driver.code("cuCtxSynchronize"))
