"""Mean and standard error from integer tallies, exact up to the last division.

Energy is scored as an integer number of quanta of 2^-26 MeV. A run is ``B`` batches of ``n`` whole histories
each, and batch ``b`` leaves ``q_b`` quanta in a voxel. Whatever order the batches ran or were merged in, the
run keeps two exact sums per voxel,

    S1 = sum_b q_b  (int64)        S2 = sum_b q_b^2  (128 bits, kept as two uint64 limbs),

from which the mean energy per history and one standard error of that mean follow as

    mean  = S1 / (B n)
    sigma = sqrt( (B S2 - S1^2) / (B^2 (B - 1)) ) / n.

Batches of whole histories are independent and equally distributed, so the second line is the unbiased
estimate of the variance of a mean of B values; squaring single deposits instead would miss the correlation of
the deposits of one history and understate it. ``B S2 - S1^2`` loses all its digits in floating point when
batches agree to better than about 1e-8, so it is formed in integers: modulo 2^128, which is exact because the
Cauchy-Schwarz inequality keeps the true value non-negative and a check keeps ``B S2`` below 2^128.

The estimate of sigma itself has the relative standard error ``1/sqrt(2(B - 1))`` (normal batches): 16 % at
the 20 batches that :data:`MINIMUM_BATCHES` asks for. Below that no sigma is given (NaN), not a bad one.
"""

from __future__ import annotations

import math

import numpy as np

from .constants import JOULE_PER_MEV, QUANTUM_MEV
from .notes import CRITICAL, Note
from .text import counted

#: Fewest batches that a standard error is taken from.
MINIMUM_BATCHES = 20

#: in every warning about too few batches, so that a merge can recognise it
NO_SIGMA = f"standard errors need {MINIMUM_BATCHES} batches of histories"

_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_TWO64 = float(1 << 64)


# ---------------------------------------------------------------------- 128-bit integers in two limbs
# An array of limbs has shape (2, ...): [0] the low, [1] the high 64 bits, both uint64.


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Exact 128-bit product of two uint64 arrays as limbs (schoolbook on 32-bit halves)."""
    a_low, a_high = a & _MASK, a >> _HALF
    b_low, b_high = b & _MASK, b >> _HALF
    low = a_low * b_low
    middle = a_high * b_low + (low >> _HALF)  # < 2^64: (2^32-1)^2 + 2^32-1
    carry = a_low * b_high + (middle & _MASK)
    high = a_high * b_high + (middle >> _HALF) + (carry >> _HALF)
    return np.stack([(carry << _HALF) | (low & _MASK), high])


def zero_limbs(shape: tuple[int, ...]) -> np.ndarray:
    """Limbs of zero: uint64 of shape (2, *shape)."""
    return np.zeros((2, *shape), dtype=np.uint64)


def square_limbs(quanta: np.ndarray) -> np.ndarray:
    """Exact squares of int64 numbers.

    Parameters
    ----------
    quanta
        int64 array (...), of either sign.

    Returns
    -------
    uint64 array (2, ...), low limb first.
    """
    values = np.asarray(quanta)
    if values.dtype.kind not in "iu":
        raise TypeError(f"quanta are integers, not {values.dtype}")
    # abs(-2^63) wraps to -2^63, whose bit pattern read as uint64 is +2^63: right again.
    magnitude = np.abs(values.astype(np.int64)).view(np.uint64) if values.dtype.kind == "i" else values
    magnitude = np.asarray(magnitude, dtype=np.uint64)
    return _product(magnitude, magnitude)


def add_limbs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Exact sum of two arrays of limbs; OverflowError beyond 128 bits."""
    low = a[0] + b[0]
    carry = (low < a[0]).astype(np.uint64)
    high = a[1] + b[1]
    wrapped = high < a[1]
    total = high + carry
    if np.any(wrapped | (total < high)):
        raise OverflowError("a sum of squared batch energies does not fit into 128 bits")
    return np.stack([low, total])


def scale_limbs(limbs: np.ndarray, factor: int) -> np.ndarray:
    """Limbs times a whole number 0 <= factor < 2^64; OverflowError beyond 128 bits."""
    by = np.full(1, factor, dtype=np.uint64)
    low = _product(limbs[0], by)
    high = _product(limbs[1], by)
    total = high[0] + low[1]
    if np.any(high[1]) or np.any(total < high[0]):
        raise OverflowError("a scaled sum of squared batch energies does not fit into 128 bits")
    return np.stack([low[0], total])


def subtract_limbs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Exact difference a - b >= 0; ArithmeticError where it would be negative."""
    borrow = (a[0] < b[0]).astype(np.uint64)
    negative = (a[1] < b[1]) | ((a[1] == b[1]) & (borrow > 0))
    if np.any(negative):
        raise ArithmeticError("a difference of 128-bit sums is negative: the sums do not belong together")
    return np.stack([a[0] - b[0], a[1] - b[1] - borrow])


def limbs_to_float(limbs: np.ndarray) -> np.ndarray:
    """Value of limbs as float64, right to 2 units in the last place."""
    return limbs[1].astype(np.float64) * _TWO64 + limbs[0].astype(np.float64)


def limbs_to_int(limbs: np.ndarray) -> np.ndarray:
    """Value of limbs as an object array of Python integers (slow; for few values and tests)."""
    return limbs[0].astype(object) + (limbs[1].astype(object) << 64)


# ------------------------------------------------------------------------------------------- mean and sigma


def batch_mean_sigma(
    sum_quanta: np.ndarray,
    sum_squares: np.ndarray,
    n_batches: int,
    batch_histories: int,
    minimum_batches: int = MINIMUM_BATCHES,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean energy per history and one standard error of that mean.

    Parameters
    ----------
    sum_quanta
        int64 (...): sum over batches of the quanta scored.
    sum_squares
        uint64 (2, ...): sum over batches of the squared batch quanta, as limbs.
    n_batches
        Number of batches B.
    batch_histories
        Whole histories in each batch n.
    minimum_batches
        Fewest batches a standard error is taken from; at least 2.

    Returns
    -------
    mean, sigma : float64 arrays (...) [MeV per history]
        sigma is NaN everywhere when there are too few batches.

    Raises
    ------
    ArithmeticError
        When B S2 < S1^2: no set of B batches has such sums.
    """
    _check_counts(n_batches, batch_histories)
    sums = np.asarray(sum_quanta)
    mean = sums.astype(np.float64) * (QUANTUM_MEV / (float(n_batches) * batch_histories))
    if n_batches < max(2, minimum_batches):
        return mean, np.full(sums.shape, np.nan)
    try:
        spread = limbs_to_float(subtract_limbs(scale_limbs(sum_squares, n_batches), square_limbs(sums)))
    except OverflowError:  # B S2 >= 2^128, over 10^10 MeV in one voxel: right, if slow, in Python integers
        exact = limbs_to_int(sum_squares) * n_batches - sums.astype(object) ** 2
        if any(value < 0 for value in np.ravel(exact)):
            raise ArithmeticError("sums of squares do not belong to these sums") from None
        spread = exact.astype(np.float64)
    scale = QUANTUM_MEV / (float(n_batches) * math.sqrt(n_batches - 1) * batch_histories)
    return mean, np.sqrt(spread) * scale


def region_mean_sigma(
    region_quanta: np.ndarray,
    batch_histories: int,
    minimum_batches: int = MINIMUM_BATCHES,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean energy per history in each region and one standard error, from the batches' region totals.

    The batches' totals hold the correlation between the voxels of a region, which voxel sigmas cannot give.

    Parameters
    ----------
    region_quanta
        int64 (batch, region): quanta (times integer mask weights, if any) each batch left in each region.
    batch_histories
        Whole histories in each batch.
    minimum_batches
        Fewest batches a standard error is taken from; at least 2.

    Returns
    -------
    mean, sigma : float64 arrays (region,) [MeV per history, times the mask weights' scale]
    """
    quanta = np.asarray(region_quanta)
    if quanta.ndim != 2:
        raise ValueError(f"region quanta have shape (batch, region), not {quanta.shape}")
    n_batches, n_regions = quanta.shape
    _check_counts(n_batches, batch_histories)
    exact = quanta.astype(object)
    sums = [sum(exact[:, r].tolist()) for r in range(n_regions)]
    mean = np.array([s / (n_batches * batch_histories) for s in sums], dtype=np.float64) * QUANTUM_MEV
    if n_batches < max(2, minimum_batches):
        return mean, np.full(n_regions, np.nan)
    sigma = np.empty(n_regions)
    for r in range(n_regions):
        spread = n_batches * sum(q * q for q in exact[:, r].tolist()) - sums[r] ** 2
        sigma[r] = math.sqrt(spread) / (n_batches * math.sqrt(n_batches - 1) * batch_histories)
    return mean, sigma * QUANTUM_MEV


def few_batches_warning(n_batches: int) -> tuple[str, ...]:
    """A sentence for a result whose Monte Carlo part has no standard error; nothing when it has one."""
    if n_batches >= MINIMUM_BATCHES:
        return ()
    ran = counted(n_batches, "batch", ("was", "were"))
    text = (
        f"No Monte Carlo uncertainty is stated: {NO_SIGMA}, and only {ran} run. The uncertainties of doses and the "
        "probabilities are without it, and thus too small or too certain. Simulate more decays."
    )
    return (Note(text, weight=CRITICAL),)


def gy_per_mev(density_g_cm3: np.ndarray, voxel_volume_ml: float) -> np.ndarray:
    """Absorbed dose per MeV deposited [Gy/MeV] in voxels of a given density; 0 where there is no mass."""
    mass_kg = np.asarray(density_g_cm3, dtype=np.float64) * (voxel_volume_ml * 1e-3)
    return np.divide(JOULE_PER_MEV, mass_kg, out=np.zeros_like(mass_kg), where=mass_kg > 0)


def _check_counts(n_batches: int, batch_histories: int) -> None:
    if n_batches < 1 or batch_histories < 1:
        raise ValueError(f"need at least one batch of one history, not {n_batches} of {batch_histories}")
