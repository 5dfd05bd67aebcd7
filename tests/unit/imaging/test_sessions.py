"""Scans of one session are one moment of the kinetics."""

import pytest
from hevesy.engine.same import same_session


@pytest.mark.parametrize(
    ("first", "second", "half_life_h", "same"),
    [
        (24.0, 24.4, 100.2, True),
        (24.0, 25.9, 100.2, True),
        (24.0, 26.1, 100.2, False),
        (1.0, 2.0, 100.2, False),  # the uptake of the first hours
        (1.0, 4.0, 160.0, False),
        (1.0, 1.05, 1.83, True),
        (1.0, 1.1, 1.83, False),
        (24.0, 24.4, None, False),
        (24.0, 24.08, None, True),
    ],
)
def test_a_session(first, second, half_life_h, same):
    assert same_session(first, second, half_life_h) is same
    assert same_session(second, first, half_life_h) is same
