"""``cupy.cuda.memory``: device memory, which a pool keeps for the next array instead of giving it back."""

import ctypes
import threading

from .. import _driver
from . import runtime as _runtime

_UNIT = 512
_POISON = 0xCD


class OutOfMemoryError(MemoryError):
    """The device has too little free memory."""

    def __init__(self, size, total, limit=0):
        limited = f", limit set to: {limit:,} bytes" if limit else ""
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes{limited}).")


class _Block:
    """Memory that returns to its pool when nobody holds it any longer."""

    def __init__(self, pool, device, address, size):
        self.pool, self.device, self.address, self.size = pool, device, address, size

    def __del__(self):
        self.pool._give_back(self)


class MemoryPool:
    """Memory of all devices; the methods answer for the current one."""

    def __init__(self):
        self._lock = threading.RLock()
        self._free = {}
        self._used = {}

    def _take(self, bytes_wanted):
        """A block on the current device, its content unknown."""
        _runtime.setDevice(_runtime.getDevice())
        device, size = _driver.current(), max(-(-bytes_wanted // _UNIT), 1) * _UNIT
        with self._lock:
            spare = self._free.setdefault(device, {}).setdefault(size, [])
            address = spare.pop() if spare else self._allocate(size)
            self._used[device] = self._used.get(device, 0) + size
        ctypes.memset(address, _POISON, size)
        return _Block(self, device, address, size)

    def _allocate(self, size):
        address = ctypes.c_uint64()
        for last in (False, True):
            status = _driver.code("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
            if status == 0:
                return address.value
            if status == 2 and not last:
                self.free_all_blocks()
        if status == 2:
            raise OutOfMemoryError(size, self.total_bytes())
        raise _runtime.CUDARuntimeError(status)

    def _give_back(self, block):
        with self._lock:
            self._used[block.device] -= block.size
            self._free[block.device][block.size].append(block.address)

    def used_bytes(self):
        """Bytes of arrays."""
        return self._used.get(_driver.current(), 0)

    def free_bytes(self):
        """Bytes kept for the next array."""
        return sum(size * len(spare) for size, spare in self._free.get(_driver.current(), {}).items())

    def total_bytes(self):
        """Bytes taken from the driver."""
        return self.used_bytes() + self.free_bytes()

    def free_all_blocks(self, stream=None):
        """Return what no array uses to the driver."""
        with self._lock:
            for spare in self._free.get(_driver.current(), {}).values():
                while spare:
                    _driver.code("cuMemFree_v2", ctypes.c_uint64(spare.pop()))


_pool = MemoryPool()
