"""The plain-Python target, and the vocabulary of every target.

Neutral modules import ``device``, ``real`` and the typed helpers from here. When the loader builds them for
another target it puts that target's module in this place, so this file is what the reference (pure Python)
execution uses: the same source, uncompiled, for tests and for reading.

A target provides

``device``      decorator of every physics function
``real``        the floating-point type of the transport
``i32, i64, u32, u64``  integer types
``atomic_add``  ``array[index] += value``, safe between threads
``likely, unlikely``  a condition that mostly holds, or mostly does not: a branch to be foreseen, not a selection
``take``        ``array[index]`` as it was, and one added to it, as one act
``prefetch``    say that ``array[index]`` will be added to soon; changes nothing
``float_bits, bits_float``  the bits of a ``real`` as an ``i32``, and back
``log, exp``    of a ``real``
``turn``        cosine and sine of a share of a full turn
"""

from __future__ import annotations

import math

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


def take(array, index):
    """``array[index]``, which then is one more: the next number of a row."""
    number = array[index]
    array[index] += 1
    return number


def likely(condition):
    """A condition that mostly holds."""
    return condition


def unlikely(condition):
    """A condition that mostly does not hold."""
    return condition


def prefetch(array, index):
    """Nothing: an interpreter waits for other things than memory."""


def float_bits(x):
    """The 32 bits of a number, as a signed integer: for positive numbers they rise with the number."""
    return np.float32(x).view(np.int32)


def bits_float(bits):
    """The number that has these bits."""
    return np.int32(bits).view(np.float32)


def log(x):
    """Natural logarithm."""
    return math.log(x)


def exp(x):
    """Exponential."""
    return math.exp(x)


def turn(share):
    """Cosine and sine of ``share`` of a full turn, 0 to 1."""
    angle = 2.0 * math.pi * share
    return math.cos(angle), math.sin(angle)
