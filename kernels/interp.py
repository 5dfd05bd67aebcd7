"""Table look-up: straight lines between nodes that are equidistant in the bits of a float32.

The bits of a positive float32, read as an integer, increase with the number, linearly within each octave. Nodes 2^s
apart divide every octave into 2^(23-s) equal parts, so a subtraction, a shift and a mask find the node and the fraction
of the way to the next: no logarithm.

Indices are unsigned here and wherever a table is read: with a signed one, compiled code tests for Python's negative
indices, and 64-bit arithmetic costs a GPU several instructions where 32 bits cost one.
"""

from .target import bits_float, device, float_bits, i32, load4, real, u32


@device
def locate(x, low, nodes, shift):
    """Node at or below ``x`` and the fraction of the way to the next, clamped to the table.

    ``low`` holds the bits of the first node; neighbours are ``1 << shift`` apart.
    """
    above = i32(float_bits(x) - low)
    above = min(max(above, i32(0)), i32(i32(i32(nodes - i32(1)) << shift) - i32(1)))
    return i32(above >> shift), real(i32(above & ((1 << shift) - 1))) * real(1.0 / (1 << shift))


@device
def node_value(node, low, shift):
    """The number at a node."""
    return bits_float(i32(low + i32(node << shift)))


@device
def lerp(table, index, stride, fraction):
    """Straight line between ``table[index]`` and ``table[index + stride]``."""
    a = table[u32(index)]
    return a + fraction * (table[u32(index + stride)] - a)


@device
def lerp4(table, index, stride, fraction):
    """The straight lines of four columns, from ``table[index]`` on; ``index`` and ``stride`` are multiples of four."""
    a0, a1, a2, a3 = load4(table, u32(index))
    b0, b1, b2, b3 = load4(table, u32(index + stride))
    return a0 + fraction * (b0 - a0), a1 + fraction * (b1 - a1), a2 + fraction * (b2 - a2), a3 + fraction * (b3 - a3)
