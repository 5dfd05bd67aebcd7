"""What the project uses of CuPy, over NumPy, in the memory of the emulated driver.

Names, errors and refusals are CuPy's: no implicit copies to the host, no operands of NumPy, no operands of another
device. ``tests/gates/test_cuda_stand_in.py`` compares the names with those of CuPy itself (``cupy_names.json``).
"""

from numpy import int64, uint64

from . import cuda
from ._array import asarray, empty, ndarray, zeros


def get_default_memory_pool():
    """The pool of all arrays."""
    return cuda.memory._pool


__version__ = "14.2.0"

__all__ = ["asarray", "cuda", "empty", "get_default_memory_pool", "int64", "ndarray", "uint64", "zeros"]
