"""Counter-based random numbers: Philox4x32-10 (Salmon et al., SC'11, doi:10.1145/2063384.2063405).

A random number is addressed, not consumed: the counter holds (draw, stream, history) and the key holds the
seed, so the numbers of one history do not depend on threads, launch shape or the order of histories.
"""

import numpy as np

from .target import device, i32, own_form, real, u32, u64

M0 = np.uint64(0xD2511F53)
M1 = np.uint64(0xCD9E8D57)
W0 = np.uint32(0x9E3779B9)
W1 = np.uint32(0xBB67AE85)
HALF = np.uint64(32)
MASK = np.uint64(0xFFFFFFFF)
SHIFT9 = np.uint32(9)
INV23 = np.float32(1.0 / (1 << 23))


@own_form
def philox(c0, c1, c2, c3, k0, k1):
    """Ten rounds of Philox4x32; four uint32 words in, four out."""
    for _ in range(10):
        p0 = M0 * u64(c0)
        p1 = M1 * u64(c2)
        h0 = u32(p0 >> HALF)
        h1 = u32(p1 >> HALF)
        n0 = u32(h1 ^ c1 ^ k0)
        n2 = u32(h0 ^ c3 ^ k1)
        c1 = u32(p1 & MASK)
        c3 = u32(p0 & MASK)
        c0 = n0
        c2 = n2
        k0 = u32((u64(k0) + u64(W0)) & MASK)
        k1 = u32((u64(k1) + u64(W1)) & MASK)
    return c0, c1, c2, c3


@device
def unit(word):
    """A uniform number in (0, 1): the middle of one of 2**23 equal cells, exact in float32, never 0 or 1."""
    return (real(u32(word >> SHIFT9)) + 0.5) * INV23


@device
def draw4(key, draw):
    """Four uniform numbers of history ``key`` at address ``draw``."""
    a, b, c, d = philox(u32(draw), key.stream, key.history_low, key.history_high, key.seed_low, key.seed_high)
    return unit(a), unit(b), unit(c), unit(d)


@device
def mixed(x):
    """Mix the bits of a word: each depends on all bits of ``x`` (the finaliser of MurmurHash3, a bijection)."""
    x = u32(x ^ u32(x >> u32(16)))
    x = u32(u64(x) * u64(0x85EBCA6B) & MASK)
    x = u32(x ^ u32(x >> u32(13)))
    x = u32(u64(x) * u64(0xC2B2AE35) & MASK)
    return u32(x ^ u32(x >> u32(16)))


@device
def bit_reverse(x):
    """Reverse the 32 bits of a word: the base-2 radical inverse of an index."""
    x = u32(((x >> u32(1)) & u32(0x55555555)) | ((x & u32(0x55555555)) << u32(1)))
    x = u32(((x >> u32(2)) & u32(0x33333333)) | ((x & u32(0x33333333)) << u32(2)))
    x = u32(((x >> u32(4)) & u32(0x0F0F0F0F)) | ((x & u32(0x0F0F0F0F)) << u32(4)))
    x = u32(((x >> u32(8)) & u32(0x00FF00FF)) | ((x & u32(0x00FF00FF)) << u32(8)))
    return u32((x >> u32(16)) | (x << u32(16)))


@device
def next_draw(draw):
    """The address after ``draw``."""
    return i32(draw + i32(1))
