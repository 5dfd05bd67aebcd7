"""The plain-Python target, and the vocabulary of every target.

Neutral modules import ``device``, ``real`` and the typed helpers from here. When the loader builds them for
another target it puts that target's module in this place, so this file is what the reference (pure Python)
execution uses: the same source, uncompiled, for tests and for reading.

A target provides

``device``      decorator of every physics function
``real``        the floating-point type of the transport
``i32, i64, u32, u64``  integer types
``atomic_add``  ``array[index] += value``, safe between threads
"""

from __future__ import annotations

import numpy as np

NAME = "python"
real = np.float32
i32, i64, u32, u64 = np.int32, np.int64, np.uint32, np.uint64


def device(function):
    """Mark a neutral physics function; the Python target runs it as it is."""
    return function


def atomic_add(array, index, value):
    """Add ``value`` to ``array[index]``."""
    array[index] += value
