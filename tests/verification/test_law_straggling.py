"""Soft straggling: the factor on a step's energy loss has mean one and the wanted spread, and is never near zero."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.kernels.physics.electron.step import straggling_factor


@pytest.mark.parametrize("sigma", [0.0, 0.1, 0.3, 0.49, 0.51, 0.8, 1.5, 3.0])
def test_straggling_factor(sigma) -> None:
    """Mean and standard deviation over equidistant cumulative probabilities: no statistics, 0.2 % for the grid."""
    r = (np.arange(200_000) + 0.5) / 200_000
    factor = np.array([straggling_factor(sigma, value) for value in r])
    assert factor.mean() == pytest.approx(1.0, abs=2e-3)
    assert factor.std() == pytest.approx(sigma, rel=2e-3, abs=1e-9)
    assert factor.min() >= 0.1
