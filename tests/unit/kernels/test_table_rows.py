"""Rows of a table read by fours: the values of single look-ups, at addresses that a GPU can read so."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hevesy.kernels import interp
from hevesy.kernels.backends import cuda_memory
from hevesy.kernels.backends.cuda_probe import CudaUnavailable
from hevesy.kernels.tables import ENERGY, SKEW, STEP, STRAGGLE, TRACK_COLUMNS
from hevesy.tools import cuda_offline


def test_four_columns_at_a_time_are_the_single_columns():
    world = cuda_offline.world()
    columns, fraction = np.int32(TRACK_COLUMNS), np.float32(0.37)
    for node in (0, 5, world.t_nodes - 2):
        at = np.int32(node * TRACK_COLUMNS)
        single = [interp.lerp(world.track, at + column, columns, fraction) for column in range(4)]
        assert list(interp.lerp4(world.track, at, columns, fraction)) == single
        assert len(set(single)) == 4


def test_rows_begin_at_multiples_of_a_vector():
    """So does what draw_step reads of them: its four columns are the first four of a row."""
    row = np.dtype(np.float32).itemsize * TRACK_COLUMNS
    assert row % cuda_memory.VECTOR_BYTES == 0
    assert (ENERGY, STEP, SKEW, STRAGGLE) == (0, 1, 2, 3)


class Memory:
    """Device memory whose arrays begin ``offset`` bytes after where they should."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    def array(self, host: np.ndarray) -> np.ndarray:
        return host

    def argument(self, array: np.ndarray) -> SimpleNamespace:
        return SimpleNamespace(__cuda_array_interface__={"data": (0x7F0000000000 + self.offset, False)})


def test_a_table_at_an_odd_place_is_refused():
    world = cuda_offline.world()
    cuda_memory.upload(world, Memory(512))
    for offset in (4, 8, 12):
        with pytest.raises(CudaUnavailable, match="multiple of 16 bytes"):
            cuda_memory.upload(world, Memory(offset))
