"""The plain-Python target, and the vocabulary of every target.

Neutral modules import ``device``, ``real`` and the typed helpers from here. When the loader builds them for
another target, that target's module replaces this one. This module serves the reference execution in pure Python:
the same source, uncompiled, for tests and for reading.

A target provides

``device``      decorator of every physics function
``own_form``    the same, for a function that the target may have a form of its own of, with the same results
``real``        the floating-point type of the transport
``i32, i64, u32, u64``  integer types
``atomic_add``  ``array[index] += value``, safe between threads
``likely, unlikely``  a condition that is nearly always true, or false: compile a predicted branch, not a select
``fetch_add``   add to ``array[index]`` atomically and return its previous value
``lanes``       number of the threads that run in step with this one for which a condition holds: 1 or 0 where each
                runs alone. Every one of them must come to it
``load4``       four neighbours of an array from an index on that is a multiple of four: one access of 16 bytes on a GPU
``prefetch``    hint that ``array[index]`` will be added to soon; changes no value
``float_bits, bits_float``  the bits of a ``real`` as an ``i32``, and back
``log, exp``    of a ``real``
``cos_sin_2pi`` cosine and sine of 2 pi x
"""

from __future__ import annotations

import math

import numpy as np

NAME = "python"
real = np.float32
i32, i64, u32, u64 = np.int32, np.int64, np.uint32, np.uint64


def device(function):
    """Mark a neutral physics function; the Python target runs it unchanged."""
    return function


own_form = device


def atomic_add(array, index, value):
    """Add ``value`` to ``array[index]``."""
    array[index] += value


def fetch_add(array, index, value):
    """Add ``value`` to ``array[index]``; returns what it was before."""
    previous = array[index]
    array[index] += value
    return previous


def likely(condition):
    """A condition that is nearly always true."""
    return condition


def unlikely(condition):
    """A condition that is nearly always false."""
    return condition


def lanes(condition):
    """1 where the condition holds, else 0: threads run alone."""
    return np.int32(condition)


def load4(array, index):
    """``array[index]`` to ``array[index + 3]``; ``index`` is a multiple of four."""
    return array[index], array[index + 1], array[index + 2], array[index + 3]


def prefetch(array, index):
    """Do nothing: memory is not what limits an interpreter."""


def float_bits(x):
    """The 32 bits of a number, as a signed integer: for positive numbers they increase with the number."""
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


def cos_sin_2pi(x):
    """Cosine and sine of 2 pi ``x``, ``x`` from 0 to 1."""
    angle = 2.0 * math.pi * x
    return math.cos(angle), math.sin(angle)
