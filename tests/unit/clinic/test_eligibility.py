"""The 20 Gy verdict at several activities, with its probability for the patient."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hevesy.engine.clinic import eligibility
from hevesy.engine.clinic.eligibility import LesionPrediction, probability_any
from hevesy.engine.errors import InputError
from hevesy.engine.lesions.uncertainty import probability_at_least

assess = partial(eligibility.assess, threshold_gy=20.0)


def test_threshold_of_the_clinical_page():
    """By hand: 20 Gy from 7.4 GBq is 2.70 Gy/GBq."""
    over = assess([LesionPrediction("a", 2.71)]).at[0]
    under = assess([LesionPrediction("a", 2.70)]).at[0]
    assert over.verdict == "eligible" and over.lesions[0].dose_gy == pytest.approx(20.054)
    assert under.verdict == "below"
    assert assess([LesionPrediction("a", 2.5)]).needed_gbq["a"] == pytest.approx(8.0)


def test_flips_between_activities():
    result = assess(
        [
            LesionPrediction("high", 4.0),
            LesionPrediction("middle", 2.0),
            LesionPrediction("low", 0.7),
            LesionPrediction("none", 0.01),
        ],
        maximum_gbq=31.3,
    )
    assert [v.name for v in result.at] == ["7.4 GBq", "11.1 GBq", "MTA"]
    assert result.flips == {"middle": ("11.1 GBq", "MTA"), "low": ("MTA",)}
    assert [v.verdict for v in result.at] == ["eligible"] * 3


def test_an_activity_above_the_maximum_is_not_tolerable():
    result = assess([LesionPrediction("a", 2.0)], maximum_gbq=9.0)
    assert [v.verdict for v in result.at] == ["below", "not tolerable", "below"]
    assert [v.tolerable for v in result.at] == [True, False, True]
    assert assess([LesionPrediction("a", 2.0)]).at[0].tolerable is None


def test_bounds_are_not_verdicts():
    small = LesionPrediction("small", 1.0, lower_bound=True)
    dark = LesionPrediction("dark", 5.0, upper_bound=True)
    assert assess([small]).at[0].verdict == "undetermined"
    assert assess([dark]).at[0].verdict == "undetermined"
    assert assess([LesionPrediction("s", 5.0, lower_bound=True)]).at[0].verdict == "eligible"
    assert assess([LesionPrediction("d", 1.0, upper_bound=True)]).at[0].verdict == "below"
    assert math.isnan(assess([small]).at[0].lesions[0].probability)


def test_verdict_follows_the_threshold():
    lesions = [LesionPrediction("a", 5.0)]
    assert [assess(lesions, threshold_gy=t).at[0].verdict for t in (20, 80, 85, 300)] == ["eligible"] + ["below"] * 3


def test_probability_of_one_lesion_is_its_own():
    one = LesionPrediction("a", 2.5, 0.3, 0.2)
    assert probability_any([one], 7.4, 20.0) == pytest.approx(
        probability_at_least(18.5, math.hypot(0.3, 0.2), 20.0), rel=1e-9
    )


def test_independent_lesions_multiply():
    pair = [LesionPrediction("a", 2.5, 0.3), LesionPrediction("b", 2.0, 0.4)]
    p, q = (probability_at_least(x.ldpa_gy_per_gbq * 7.4, x.relative, 20.0) for x in pair)
    assert probability_any(pair, 7.4, 20.0) == pytest.approx(1 - (1 - p) * (1 - q), rel=1e-9)


def test_common_error_against_draws():
    """400000 draws know the probability to 0.08 %."""
    lesions = [
        LesionPrediction("a", 2.4, 0.2, 0.3),
        LesionPrediction("b", 2.0, 0.3, 0.3),
        LesionPrediction("c", 1.5, 0.4, 0.2),
    ]
    rng = np.random.default_rng(6)
    z = rng.standard_normal(400_000)
    hit = np.zeros(z.size, dtype=bool)
    for one in lesions:
        own = rng.standard_normal(z.size)
        dose = 7.4 * one.ldpa_gy_per_gbq * np.exp(one.relative_systematic * z + one.relative_random * own)
        hit |= dose >= 20
    p = hit.mean()
    assert probability_any(lesions, 7.4, 20.0) == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / z.size))


def test_a_purely_systematic_error_still_integrates():
    one = LesionPrediction("a", 2.5, 0.0, 0.2)
    assert probability_any([one], 7.4, 20.0) == pytest.approx(probability_at_least(18.5, 0.2, 20.0), abs=0.02)
    assert probability_any([], 7.4, 20.0) == 0.0


def test_unusable_input_is_refused_with_its_name():
    with pytest.raises(InputError, match="threshold"):
        assess([], threshold_gy=0.0)
    with pytest.raises(InputError, match="activity"):
        assess([], activities_gbq={"x": -1.0})
    with pytest.raises(InputError, match="disappeared"):
        assess([LesionPrediction("a", math.nan)])
