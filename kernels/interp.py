"""Table look-up: straight lines between nodes that are equidistant in the bits of a float32.

The bits of a positive float32, read as an integer, rise with the number: within an octave in proportion to it, from
octave to octave alike. Nodes 2^s bits apart divide every octave into 2^(23-s) equal parts, so a subtraction, a shift
and a mask find the node and the way to the next: no logarithm.

Indices are unsigned here and wherever a table is read: a signed one makes compiled code test for Python's
counting from the end, and 64-bit arithmetic costs a GPU several instructions where 32 bits cost one.
"""

from .target import bits_float, device, float_bits, i32, real, u32


@device
def locate(x, low, nodes, shift):
    """Node at or below ``x`` and the fraction of the way to the next, clamped to the table.

    ``low`` are the bits of the first node; neighbours are ``1 << shift`` bits apart.
    """
    above = i32(float_bits(x) - low)
    above = min(max(above, i32(0)), i32(i32(i32(nodes - i32(1)) << shift) - i32(1)))
    return i32(above >> shift), real(i32(above & ((1 << shift) - 1))) * real(1.0 / (1 << shift))


@device
def node_value(node, low, shift):
    """The number at which a node stands."""
    return bits_float(i32(low + i32(node << shift)))


@device
def lerp(table, index, stride, fraction):
    """Straight line between ``table[index]`` and ``table[index + stride]``."""
    a = table[u32(index)]
    return a + fraction * (table[u32(index + stride)] - a)
