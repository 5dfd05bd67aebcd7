"""Beta spectra: the interpolation is SciPy's to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.nuclides.decay import _read, data_folder
from hevesy.engine.nuclides.spectra import monotone_cubic
from scipy.interpolate import PchipInterpolator


def test_monotone_cubic_is_that_of_scipy():
    """Every fifth tabulated spectrum of ICRP 107, at the points of a resampled one."""
    files = sorted(data_folder().glob("*.json"))[::5]
    number = 0
    for file in files:
        table = _read(file.stem)["b-spectra"]
        if table.size:
            at = np.linspace(0.0, table[-1, 0], 801)
            expected = PchipInterpolator(table[:, 0], table[:, 1])(at)
            assert np.array_equal(monotone_cubic(table[:, 0], table[:, 1], at), expected), file.stem
            number += 1
    assert number > 150


@pytest.mark.parametrize("y", [[1.0, 3.0], [0.0, 1.0, 0.5, 0.5, 2.0], [0.0, 5.0, 4.9, 0.0], [2.0, 2.0, 2.0]])
def test_shapes_that_no_spectrum_has(y):
    x = np.array([0.0, 0.3, 1.0, 1.2, 5.0])[: len(y)]
    at = np.linspace(0.0, x[-1], 97)
    assert np.array_equal(monotone_cubic(x, np.array(y), at), PchipInterpolator(x, np.array(y))(at))
