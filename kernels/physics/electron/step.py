"""Steps of a charged particle's condensed history: tables of the slowing-down, hinge and straggling of a step.

Law: a step has a scattering strength K that depends on the energy alone. Its hinge has the density K exp(-K x)/(1 -
    exp(-K)) in fractions x of the strength, so that the mean displacement along the initial direction is exact (the
    linear part of Goudsmit-Saunderson transport theory). The soft energy loss is that of continuous slowing down times
    a factor of mean one, with the variance of the free-electron collisions below the threshold.
Source: random hinge of Sempau et al., Phys Med Biol 45 (2000) 2263; stopping powers as in ICRU Report 37 (1984).
Neglects: the skewness of the straggling factor, and all but the random-hinge part of the lateral displacement of a step
    (docs/methods/electrons.md).
"""

import math

from ...interp import lerp, lerp4, locate
from ...rng import draw4, next_draw
from ...tables import (
    ELECTRON_STEPS,
    ENERGY,
    HARD_COLUMNS,
    HARD_SHIFT,
    RANGE,
    STEP,
    STRENGTH,
    TRACK_COLUMNS,
    TRACK_SHIFT,
)
from ...target import device, i32, i64, real, u32
from .scattering import sample_scattering


@device
def residual_range(world, row, energy):
    """Residual range of soft slowing down [g/cm2]."""
    node, fraction = locate(energy, world.e_low, world.e_nodes, HARD_SHIFT)
    at = u32((row * world.e_nodes + node) * HARD_COLUMNS + RANGE)
    return lerp(world.hard, at, i32(HARD_COLUMNS), fraction)


@device
def track_row(world, row, path):
    """Index and fraction of residual range ``path`` in the slowing-down table."""
    node, fraction = locate(path, world.t_low, world.t_nodes, TRACK_SHIFT)
    return i32((row * world.t_nodes + node) * TRACK_COLUMNS), fraction


@device
def track_column(world, row, path, column):
    """One column of the slowing-down table at residual range ``path``."""
    at, fraction = track_row(world, row, path)
    return lerp(world.track, at + column, i32(TRACK_COLUMNS), fraction)


@device
def straggling_factor(sigma, r):
    """Factor of mean one and relative standard deviation ``sigma`` on the energy loss of a step.

    Uniform while that keeps it positive; for the few soft collisions of a short step, two values, the lower 0.1.
    """
    if sigma < 0.5:
        return 1.0 + sigma * 1.7320508 * (2.0 * r - 1.0)
    share = sigma * 1.1111111
    share = 1.0 / (1.0 + share * share)
    return 0.1 + 0.9 / share if r < share else real(0.1)


@device
def hinge_share(strength, skew, r):
    """Fraction of a step's path that lies before its hinge.

    In fractions x of the strength K the hinge has the density K exp(-K x)/(1 - exp(-K)), so that the mean cosine is
    exp(-K) on average at every depth; its inverse, -ln(1 - r (1 - exp(-K)))/K, is taken to the fourth power of K (K
    is at most 0.6: 2e-4 of it). The scattering power rises along the step: a fraction y of the path holds the fraction
    y (1 + skew y)/(1 + skew) of K.
    """
    q = r * (1.0 - r)
    odd = 2.0 * r - 1.0
    third = (1.0 - 6.0 * q) + strength * odd * (0.2 - 2.4 * q)
    share = r - q * strength * (0.5 + strength * (odd * 0.16666667 + strength * third * 0.041666667))
    both = 2.0 * (1.0 + skew) * share
    return both / (1.0 + math.sqrt(1.0 + 2.0 * skew * both))


@device
def draw_step(world, counters, row, path, after_hinge, factor_after, key, draw):
    """Draw the step that begins at residual range ``path``, where the present one ends.

    The present step still has the path ``after_hinge`` with the straggling ``factor_after``. Returns the path to the
    next hinge and from there to the end of the new step, the straggling factors before and after the hinge, the cosine
    and azimuth (fraction of 2 pi) of its deflection, and the next draw address.
    """
    counters[ELECTRON_STEPS] += i64(1)
    columns = i32(TRACK_COLUMNS)
    r1, r2, r3, r4 = draw4(key, draw)
    at, fraction = track_row(world, row, path)
    energy, step, skew, sigma = lerp4(world.track, at + ENERGY, columns, fraction)
    strength = lerp(world.track, at + STRENGTH, columns, fraction)
    before = hinge_share(strength, skew, r1) * step
    cosine = sample_scattering(world, row, energy, r4, r2)
    # soft straggling, drawn from the low digits of r1, which the hinge does not use
    spread = real(r1 * 4096.0)
    following = straggling_factor(sigma, spread - real(i32(spread)))
    to_hinge = after_hinge + before
    factor = (factor_after * after_hinge + following * before) / to_hinge
    return to_hinge, step - before, factor, following, cosine, r3, next_draw(draw)


@device
def rescale_step(world, row, path_left, old_step, to_hinge, after_hinge):
    """Scale the rest of a step drawn where a step was ``old_step`` long to the step length at ``path_left``."""
    ratio = track_column(world, row, path_left, i32(STEP)) / old_step
    return to_hinge * ratio, after_hinge * ratio
