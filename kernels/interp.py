"""Table look-up: equidistant nodes in log2 of the argument, straight lines between values.

Indices are unsigned here and wherever a table is read: a signed one makes compiled code test for Python's
counting from the end, and 64-bit arithmetic costs a GPU several instructions where 32 bits cost one.
"""

import math

import numpy as np

from .target import device, i32, real, u32

INV_LN2 = np.float32(1.0 / math.log(2.0))


@device
def log2(x):
    """Base-2 logarithm."""
    return math.log(x) * INV_LN2


@device
def locate(x, log0, inv, nodes):
    """Node below ``x`` on a log2 grid and the fraction of the way to the next, clamped to the table."""
    t = (log2(x) - log0) * inv
    t = min(max(t, real(0.0)), real(i32(nodes - i32(1))) - 1e-3)
    node = i32(t)
    return node, t - real(node)


@device
def lerp(table, index, stride, fraction):
    """Straight line between ``table[index]`` and ``table[index + stride]``."""
    a = table[u32(index)]
    return a + fraction * (table[u32(index + stride)] - a)
