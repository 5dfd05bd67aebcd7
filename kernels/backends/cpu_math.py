"""Logarithm, exponential, sine and cosine for the CPU target, without calls into the C library.

A call would spill every number that a history holds in registers to memory. The series are the usual Taylor series,
truncated where the remainder is below half a unit in the last place of a float32;
``tests/unit/kernels/test_cpu_math.py`` compares them with NumPy.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.extending import intrinsic

ONE = np.float32(1.0)
HALF = np.float32(0.5)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # ln 2 in two parts, the first exact
INV_LN2 = np.float32(1.4426950408889634)
#: bits of sqrt(1/2): mantissas are taken from there to sqrt(2)
ROOT_HALF = np.int32(0x3F3504F3)
#: ln((1 + s)/(1 - s)) = 2 s (1 + s^2/3 + s^4/5 + ...), |s| < 0.172
L3, L5, L7, L9 = (np.float32(1.0 / n) for n in (3, 5, 7, 9))
#: exp(r), |r| < 0.347
E2, E3, E4, E5, E6, E7 = (np.float32(1.0 / n) for n in (2, 6, 24, 120, 720, 5040))
HALF_PI = np.float32(1.5707963267948966)
#: sine and cosine to a quarter of pi
S3, S5, S7, S9 = (np.float32(v) for v in (-1 / 6, 1 / 120, -1 / 5040, 1 / 362880))
C2, C4, C6, C8 = (np.float32(v) for v in (-1 / 2, 1 / 24, -1 / 720, 1 / 40320))


@intrinsic
def _float_bits(typingctx, x):
    if x != types.float32:
        return None

    def codegen(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@intrinsic
def _bits_float(typingctx, bits):
    if bits != types.int32:
        return None

    def codegen(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), codegen


def float_bits(x):
    """The bits of a float32."""
    return _float_bits(np.float32(x))


def bits_float(bits):
    """The float32 that has these bits."""
    return _bits_float(np.int32(bits))


def log(x):
    """Natural logarithm of a positive normal number, within 2e-7 of it."""
    bits = _float_bits(np.float32(x))
    exponent = np.int32(np.int32(bits - ROOT_HALF) >> np.int32(23))
    m = _bits_float(np.int32(bits - np.int32(exponent << np.int32(23))))
    s = (m - ONE) / (m + ONE)
    z = s * s
    rest = s * z * (L3 + z * (L5 + z * (L7 + z * L9)))
    e = np.float32(exponent)
    return e * LN2_HIGH + (np.float32(2.0) * (s + rest) + e * LN2_LOW)


def exp(x):
    """Exponential of a number between -87 and 88, within 2e-7 of it."""
    x = min(max(np.float32(x), np.float32(-87.0)), np.float32(88.0))
    t = x * INV_LN2
    n = np.int32(t + HALF) if t >= np.float32(0.0) else np.int32(t - HALF)
    e = np.float32(n)
    r = (x - e * LN2_HIGH) - e * LN2_LOW
    p = ONE + r * (ONE + r * (E2 + r * (E3 + r * (E4 + r * (E5 + r * (E6 + r * E7))))))
    return p * _bits_float(np.int32(np.int32(n + np.int32(127)) << np.int32(23)))


def cos_sin_2pi(x):
    """Cosine and sine of 2 pi ``x``, ``x`` from 0 to 1, within 1e-7."""
    t = np.float32(4.0) * np.float32(x)
    quarter = np.int32(t + HALF)
    a = (t - np.float32(quarter)) * HALF_PI
    z = a * a
    sine = a * (ONE + z * (S3 + z * (S5 + z * (S7 + z * S9))))
    cosine = ONE + z * (C2 + z * (C4 + z * (C6 + z * C8)))
    swap = np.int32(quarter & np.int32(1)) != 0
    c = sine if swap else cosine
    s = cosine if swap else sine
    c = -c if np.int32(np.int32(quarter + np.int32(1)) & np.int32(2)) != 0 else c
    s = -s if np.int32(quarter & np.int32(2)) != 0 else s
    return c, s
