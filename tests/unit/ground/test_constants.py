"""Constants: the exact ones from their definitions, and the kernels' float32 values against the engine's."""

import math

import numpy as np
import pytest
from hevesy.engine import constants
from hevesy.kernels import constants as kernel_constants
from hevesy.kernels.tables import QUANTA_PER_MEV
from scipy import constants as codata
from scipy.stats import norm


def test_values_agree_with_codata():
    # SciPy may hold a later adjustment: the measured values moved by up to 2e-9 from 2018 to 2022
    rest = codata.value("electron mass energy equivalent in MeV")
    assert pytest.approx(rest, rel=3e-9) == constants.ELECTRON_REST_MEV
    assert pytest.approx(1e6 * codata.e, rel=1e-15) == constants.JOULE_PER_MEV
    assert constants.AVOGADRO == codata.N_A
    assert pytest.approx(codata.N_A * 1e-28 * 1e4, rel=1e-15) == constants.AVOGADRO_BARN
    radius_cm = 100 * codata.value("classical electron radius")
    assert pytest.approx(radius_cm, rel=3e-9) == constants.ELECTRON_RADIUS_CM
    assert pytest.approx(codata.alpha, rel=3e-9) == constants.FINE_STRUCTURE
    hc = codata.h * codata.c / codata.e * 1e-6 * 1e10
    assert pytest.approx(hc, rel=5e-10) == constants.HC_MEV_ANGSTROM


def test_full_width_is_where_a_gaussian_is_half_its_maximum():
    half = constants.FWHM_PER_SIGMA / 2
    assert norm.pdf(half) == pytest.approx(norm.pdf(0) / 2, rel=1e-14)


def test_kernels_hold_the_same_constants_in_float32():
    for value in (kernel_constants.MC2, kernel_constants.INVERSE_HC, kernel_constants.QUANTA):
        assert value.dtype == np.float32
    assert np.float32(constants.ELECTRON_REST_MEV) == kernel_constants.MC2
    assert np.float32(1 / constants.HC_MEV_ANGSTROM) == kernel_constants.INVERSE_HC
    assert math.floor(constants.ELECTRON_REST_MEV * 2**26 + 0.5) == kernel_constants.MC2_QUANTA
    assert QUANTA_PER_MEV == kernel_constants.QUANTA == 2**26
    assert kernel_constants.PER_QUANTUM == 2.0**-26 == constants.QUANTUM_MEV
