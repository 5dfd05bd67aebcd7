"""Small kernels of the tests' own: their PTX, and their launch on the CPU."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hevesy.tools.ptx import emulator

#: out and given: addresses of arrays; n: a number; %r1: the thread in its block; %rd3: where it writes 4 bytes
HEAD = """
.version 8.0
.target sm_75
.address_size 64
.visible .shared .align 8 .b8 table[256];
.visible .entry small(
    .param .u64 out,
    .param .u64 given,
    .param .u32 n
)
{
    .local .align 16 .b8 depot[64];
    .reg .pred %p<20>; .reg .b16 %rs<20>; .reg .b32 %r<100>; .reg .b64 %rd<100>; .reg .f32 %f<100>;
    ld.param.u64 %rd1, [out];
    ld.param.u64 %rd2, [given];
    ld.param.u32 %r0, [n];
    mov.u32 %r1, %tid.x;
    mul.wide.u32 %rd4, %r1, 4;
    add.s64 %rd3, %rd1, %rd4;
"""
FIRST_LINE = HEAD.count("\n") + 1  # of the body


def kernel(body: str, functions: str = "") -> str:
    """PTX of a kernel with this body, and of functions."""
    return f"{HEAD}{body}\n    ret;\n}}\n{functions}"


@cache
def _folder() -> TemporaryDirectory:
    return TemporaryDirectory(prefix="ptx")


@cache
def library(body: str, functions: str = "") -> emulator.Library:
    """A small kernel, compiled."""
    if emulator.compiler() is None:
        pytest.skip("no C compiler")
    return emulator.Library(emulator.build(kernel(body, functions), Path(_folder().name)))


def launch(
    body: str, out: np.ndarray, given: np.ndarray | None = None, n: int = 0, shape=(1, 32), order=0, jitter=0, **options
) -> np.ndarray:
    """Run a small kernel; ``given`` may only be read."""
    code = library(body, options.get("functions", ""))
    given = np.zeros(1, np.uint32) if given is None else given
    arena = emulator.Arena([emulator.Buffer(out, "out", True), emulator.Buffer(given, "given")])
    parameters = struct.pack("<QQI", arena.address(out), arena.address(given), n)
    code.set(options.get("poison", 0xAA), options.get("limit", 100_000))
    code.launch(parameters, *shape, arena.places, order, jitter)
    arena.fetch()
    return out


def words(body: str, n: int = 0, shape=(1, 32), **options) -> list[int]:
    """What every thread of the first block wrote to its 4 bytes of ``out``."""
    return launch(body, np.zeros(shape[1], np.uint32), n=n, shape=shape, **options).tolist()
