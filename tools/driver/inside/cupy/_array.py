"""Arrays in device memory. NumPy computes; what CuPy refuses is refused."""

import ctypes
import operator

import numpy as np

from . import _driver
from .cuda import memory, runtime


def _new(shape, dtype):
    """An array of the current device, its content unknown."""
    made = ndarray.__new__(ndarray)
    dtype = np.dtype(dtype)
    shape = (int(shape),) if np.ndim(shape) == 0 else tuple(int(n) for n in shape)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    made._block = memory._pool._take(size)
    content = (ctypes.c_char * max(size, 1)).from_address(made._block.address)
    made._host = np.frombuffer(content, dtype, count=size // dtype.itemsize).reshape(shape)
    return made


def _computed(values):
    """An array of the current device with these values, as an elementwise kernel leaves it."""
    values = np.asarray(values)
    made = _new(values.shape, values.dtype)
    made._host[...] = values
    return made


def _operand(value):
    """The NumPy array behind an operand of the current device; a kernel that failed before shows here."""
    if isinstance(value, ndarray):
        runtime.check_status(_driver.code("cuStreamQuery", None))
        if value._block.device != runtime.getDevice():
            raise ValueError(
                f"Array device must be same as the current device: array device = {value._block.device}"
                f" while current = {runtime.getDevice()}"
            )
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    return value


def _index(index):
    if isinstance(index, tuple):
        return tuple(_index(part) for part in index)
    return _operand(index) if isinstance(index, ndarray) else index


class ndarray:  # noqa: N801  (the name is CuPy's)
    """An array on a device."""

    __array_ufunc__ = None  # NumPy leaves operators with these arrays to them

    def __init__(self, shape, dtype=float):
        made = _new(shape, dtype)
        self._block, self._host = made._block, made._host

    def _part(self, host):
        """The same memory, seen otherwise."""
        part = ndarray.__new__(ndarray)
        part._block, part._host = self._block, host
        return part

    @property
    def shape(self):
        """As of NumPy."""
        return self._host.shape

    @property
    def dtype(self):
        """As of NumPy."""
        return self._host.dtype

    @property
    def size(self):
        """As of NumPy."""
        return self._host.size

    @property
    def nbytes(self):
        """As of NumPy."""
        return self._host.nbytes

    @property
    def ndim(self):
        """As of NumPy."""
        return self._host.ndim

    @property
    def __cuda_array_interface__(self):
        host = self._host
        strides = None if host.flags.c_contiguous else host.strides
        data = (host.__array_interface__["data"][0] if host.size else 0, False)
        return {
            "shape": host.shape, "typestr": host.dtype.str, "descr": host.dtype.descr, "stream": 1, "version": 3,
            "strides": strides, "data": data,
        }  # fmt: skip

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __len__(self):
        return len(self._host)

    def __bool__(self):
        return bool(_operand(self))

    def __int__(self):
        return int(_operand(self))

    def __abs__(self):
        return _computed(abs(_operand(self)))

    def __getitem__(self, index):
        chosen = _operand(self)[_index(index)]
        basic = isinstance(chosen, np.ndarray) and np.may_share_memory(chosen, self._host)
        return self._part(chosen) if basic else _computed(chosen)

    def __setitem__(self, index, value):
        _operand(self)[_index(index)] = _operand(value)

    def fill(self, value):
        """Set all elements."""
        _operand(self).fill(value)

    def get(self, stream=None, order="C", out=None, blocking=True):
        """A copy on the host; waits for the kernels before it."""
        runtime.setDevice(self._block.device)
        host = np.empty(self.shape, self.dtype) if out is None else out
        whole = np.ascontiguousarray(self._host)
        source = self._host if whole is self._host else _computed(whole)._host
        if whole.nbytes:
            address = ctypes.c_uint64(source.__array_interface__["data"][0])
            to = ctypes.c_void_p(host.ctypes.data)
            runtime.check_status(_driver.code("cuMemcpyDtoH_v2", to, address, ctypes.c_size_t(whole.nbytes)))
        return host

    def set(self, arr, stream=None):
        """Copy from the host."""
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.shape != self.shape or arr.dtype != self.dtype:
            raise ValueError("Shape or dtype mismatch")
        source = np.ascontiguousarray(arr)
        runtime.setDevice(self._block.device)
        if source.nbytes:
            to = ctypes.c_uint64(self._host.__array_interface__["data"][0])
            at = ctypes.c_void_p(source.ctypes.data)
            runtime.check_status(_driver.code("cuMemcpyHtoD_v2", to, at, ctypes.c_size_t(source.nbytes)))

    def view(self, dtype=None):
        """The same memory as another type."""
        return self._part(self._host.view(dtype) if dtype is not None else self._host)

    def reshape(self, *shape):
        """The same memory in another shape."""
        return self._part(self._host.reshape(*shape))

    def astype(self, dtype):
        """A copy as another type."""
        return _computed(_operand(self).astype(dtype))

    def copy(self):
        """A copy on the device."""
        return _computed(_operand(self))

    def sum(self):
        """The sum, on the device."""
        return _computed(_operand(self).sum())

    def cumsum(self):
        """Running sums."""
        return _computed(_operand(self).cumsum())


def _both(name):
    """Operator of two arrays, or of an array and a number."""
    function = getattr(operator, name)

    def operate(self, other):
        return _computed(function(_operand(self), _operand(other)))

    return operate


def _reflected(name):
    function = getattr(operator, name)

    def operate(self, other):
        return _computed(function(_operand(other), _operand(self)))

    return operate


def _in_place(name):
    function = getattr(operator, f"i{name}")

    def operate(self, other):
        function(_operand(self), _operand(other))
        return self

    return operate


for _name in ("add", "sub", "mul", "and_", "or_", "lshift", "rshift"):
    _bare = _name.rstrip("_")
    setattr(ndarray, f"__{_bare}__", _both(_name))
    setattr(ndarray, f"__r{_bare}__", _reflected(_name))
    setattr(ndarray, f"__i{_bare}__", _in_place(_bare))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(ndarray, f"__{_name}__", _both(_name))


def asarray(a):
    """An array on the current device, copied from the host unless it is on a device already."""
    if isinstance(a, ndarray):
        return a
    host = np.asarray(a)
    made = _new(host.shape, host.dtype)
    made.set(host)
    return made


def empty(shape, dtype=float):
    """An array of unknown content."""
    return _new(shape, dtype)


def zeros(shape, dtype=float):
    """An array of zeros."""
    made = _new(shape, dtype)
    made.fill(0)
    return made
