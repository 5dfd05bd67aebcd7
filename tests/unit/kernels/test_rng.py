"""Random numbers: the published vectors of Philox4x32-10 on every CPU target, exact bit operations."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.kernels import target
from hevesy.kernels.backends import cpu
from hevesy.kernels.loader import load
from hevesy.kernels.streams import BATCH, HISTORY
from hevesy.kernels.tables import Key

#: Random123 (Salmon et al. 2011), kat_vectors: counter, key, result of philox4x32 with 10 rounds
VECTORS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.fixture(params=["python", "cpu"])
def rng(request):
    return load("python", target, "rng") if request.param == "python" else load("cpu", cpu._target(), "rng")


@pytest.mark.parametrize("counter, key, expected", VECTORS)
def test_published_vectors(rng, counter, key, expected) -> None:
    words = [np.uint32(v) for v in (*counter, *key)]
    with np.errstate(over="ignore"):
        assert tuple(int(v) for v in rng.philox(*words)) == expected


def test_bit_reverse_is_the_radical_inverse(rng) -> None:
    words = [0, 1, 2, 3, 0x80000000, 0xFFFFFFFF, 0x12345678, *np.random.default_rng(1).integers(0, 2**32, 50)]
    with np.errstate(over="ignore"):
        for word in words:
            assert int(rng.bit_reverse(np.uint32(word))) == int(f"{int(word):032b}"[::-1], 2)


def test_unit_numbers_are_never_zero_or_one(rng) -> None:
    with np.errstate(over="ignore"):
        low, high = rng.unit(np.uint32(0)), rng.unit(np.uint32(0xFFFFFFFF))
    assert float(low) == 2.0**-24 and float(high) == 1 - 2.0**-24
    # nor after the operations that follow in the kernels
    assert np.isfinite(np.log(np.float32(low))) and np.float32(1) - np.float32(high) > 0


def test_both_targets_agree_and_addresses_differ() -> None:
    python, compiled = load("python", target, "rng"), load("cpu", cpu._target(), "rng")
    seen = set()
    with np.errstate(over="ignore"):
        for stream in (HISTORY, BATCH):
            for history in (0, 1, 2**32 - 1):
                key = Key(np.uint32(history), np.uint32(7), np.uint32(3), np.uint32(4), stream)
                for draw in range(5):
                    a = tuple(float(v) for v in python.draw4(key, np.int32(draw)))
                    assert a == tuple(float(v) for v in compiled.draw4(key, np.int32(draw)))
                    seen.add(a)
    assert len(seen) == 30
