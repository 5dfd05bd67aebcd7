"""The judge on lesions given as numbers: verdicts at several activities, bounds, and the patient's probability."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.lesions.bounds import Bounds
from hevesy.engine.lesions.judge import Target, judge, probability_any
from hevesy.engine.lesions.uncertainty import probability_at_least
from hevesy.engine.lesions.verdict import Judgement, Tolerance, Verdict

ACTIVITIES = {"7.4 GBq": 7.4, "11.1 GBq": 11.1}
AT_LEAST, AT_MOST = Bounds(lower=("too small",)), Bounds(upper=("not seen",))


def assess(
    targets: list[Target], *, threshold_gy: float = 20.0, maximum_gbq: float | None = None, activities_gbq=ACTIVITIES
) -> Judgement:
    tolerance = None if maximum_gbq is None else Tolerance(maximum_gbq, "2 Gy to the blood")
    return judge(targets, activities_gbq, threshold_gy, tolerance)


def test_threshold_of_the_clinical_page():
    """By hand: 20 Gy from 7.4 GBq is 2.70 Gy/GBq."""
    over = assess([Target("a", 2.71)]).at[0]
    under = assess([Target("a", 2.70)]).at[0]
    assert over.verdict == "eligible" and over.lesions[0].dose_gy == pytest.approx(20.054)
    assert under.verdict == "below"
    assert assess([Target("a", 2.5)]).needed_gbq["a"] == pytest.approx(8.0)


def test_flips_between_activities():
    result = assess(
        [
            Target("high", 4.0),
            Target("middle", 2.0),
            Target("low", 0.7),
            Target("none", 0.01),
        ],
        maximum_gbq=31.3,
    )
    assert [v.name for v in result.at] == ["7.4 GBq", "11.1 GBq", "MTA"]
    assert result.flips == {"middle": ("11.1 GBq", "MTA"), "low": ("MTA",)}
    assert [v.verdict for v in result.at] == ["eligible"] * 3


def test_an_activity_above_the_maximum_is_not_tolerable():
    result = assess([Target("a", 2.0)], maximum_gbq=9.0)
    assert [v.verdict for v in result.at] == ["below", "not tolerable", "below"]
    assert [v.tolerable for v in result.at] == [True, False, True]
    assert assess([Target("a", 2.0)]).at[0].tolerable is None


def test_bounds_are_not_verdicts():
    small = Target("small", 1.0, bounds=AT_LEAST)
    dark = Target("dark", 5.0, bounds=AT_MOST)
    assert assess([small]).at[0].verdict == "undetermined"
    assert assess([dark]).at[0].verdict == "undetermined"
    assert assess([Target("s", 5.0, bounds=AT_LEAST)]).at[0].verdict == "eligible"
    assert assess([Target("d", 1.0, bounds=AT_MOST)]).at[0].verdict == "below"
    assert math.isnan(assess([small]).at[0].lesions[0].probability)


def test_verdict_follows_the_threshold():
    lesions = [Target("a", 5.0)]
    assert [assess(lesions, threshold_gy=t).at[0].verdict for t in (20, 80, 85, 300)] == ["eligible"] + ["below"] * 3


def test_probability_of_one_lesion_is_its_own():
    one = Target("a", 2.5, 0.3, 0.2)
    assert probability_any([one], 7.4, 20.0) == pytest.approx(
        probability_at_least(18.5, math.hypot(0.3, 0.2), 20.0), rel=1e-9
    )


def test_independent_lesions_multiply():
    pair = [Target("a", 2.5, 0.3), Target("b", 2.0, 0.4)]
    p, q = (probability_at_least(x.dose_at(7.4), x.relative, 20.0) for x in pair)
    assert probability_any(pair, 7.4, 20.0) == pytest.approx(1 - (1 - p) * (1 - q), rel=1e-9)


def test_common_error_against_draws():
    """400000 draws know the probability to 0.08 %."""
    lesions = [
        Target("a", 2.4, 0.2, 0.3),
        Target("b", 2.0, 0.3, 0.3),
        Target("c", 1.5, 0.4, 0.2),
    ]
    rng = np.random.default_rng(6)
    z = rng.standard_normal(400_000)
    hit = np.zeros(z.size, dtype=bool)
    for one in lesions:
        own = rng.standard_normal(z.size)
        dose = one.dose_at(7.4) * np.exp(one.relative_systematic * z + one.relative_random * own)
        hit |= dose >= 20
    p = hit.mean()
    assert probability_any(lesions, 7.4, 20.0) == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / z.size))


def test_a_purely_systematic_error_still_integrates():
    one = Target("a", 2.5, 0.0, 0.2)
    assert probability_any([one], 7.4, 20.0) == pytest.approx(probability_at_least(18.5, 0.2, 20.0), abs=0.02)
    assert probability_any([], 7.4, 20.0) == 0.0


def test_unusable_input_is_refused_with_its_name():
    with pytest.raises(InputError, match="threshold"):
        assess([Target("a", 1.0)], threshold_gy=0.0)
    with pytest.raises(InputError, match="activity"):
        assess([Target("a", 1.0)], activities_gbq={"x": -1.0})
    with pytest.raises(InputError, match="no target lesions"):
        assess([])
    with pytest.raises(InputError, match="disappeared"):
        assess([Target("a", math.nan)])


def relative_for(dose: float, high: float) -> float:
    """Relative standard uncertainty of a lognormal dose whose interval (k = 2) ends at `high`."""
    return math.log(high / dose) / 2.0


#: Three lesions: two clearly above 20 Gy at 7.4 GBq, one whose interval holds it.
NODE = Target("right level IV node", 46.0, relative_for(46.0, 62.0), activity_gbq=7.4)
LOBE = Target("right upper lobe", 34.0, relative_for(34.0, 52.0), activity_gbq=7.4)
NEAR = Target("right lower lobe", 20.0, relative_for(20.0, 25.0), activity_gbq=7.4)


def sentence(targets: list[Target], **how) -> str:
    return assess(targets, **how).planned.sentence


def test_the_sentence_names_probability_carriers_and_the_undecided():
    assert sentence([NEAR, LOBE, NODE]) == (
        "Eligible: P > 99.9 % that at least one lesion reaches 20 Gy at 7.4 GBq. Carried by right level IV node 46 "
        "(34–62) Gy and right upper lobe 34 (22–52) Gy. Undecided: right lower lobe 20 (16–25) Gy."
    )


def test_a_point_estimate_above_the_threshold_is_not_sold_as_certain():
    found = assess([NEAR]).planned
    assert found.verdict == "eligible" and not found.certain and found.carried_by == ()
    assert found.headline == "Eligible, borderline"
    assert found.sentence == (
        "Eligible, borderline: P = 50 % that at least one lesion reaches 20 Gy at 7.4 GBq. "
        "Undecided: right lower lobe 20 (16–25) Gy."
    )
    below = assess([Target("a", 19.0, 0.1, activity_gbq=7.4)]).planned
    assert below.headline == "Not eligible, borderline" and below.probability == pytest.approx(0.304, abs=0.001)


def test_no_probability_is_stated_where_every_dose_is_a_bound():
    dark = Target("a", 5.0, 0.1, bounds=Bounds(upper=("one scan",)), activity_gbq=7.4)
    found = assess([dark]).planned
    assert found.verdict == "below" and found.certain and math.isnan(found.probability)
    assert found.sentence == "Not eligible at 7.4 GBq: no lesion reaches 20 Gy. Highest: a ≤ 5.0 Gy. ≤: one scan."
    bright = Target("a", 50.0, 0.1, bounds=Bounds(upper=("one scan",)), activity_gbq=7.4)
    assert sentence([bright]) == (
        "Undetermined at 7.4 GBq: the doses do not show whether at least one lesion reaches 20 Gy. "
        "Undecided: a ≤ 50 Gy. ≤: one scan."
    )


def test_bounds_open_the_probability_on_their_side():
    """A lower bound counts at least, and an upper bound at most, as an estimate of that dose would."""
    estimate, small = Target("e", 12.0, 0.2, activity_gbq=7.4), Target("s", 9.0, 0.5, bounds=AT_LEAST, activity_gbq=7.4)
    found = assess([estimate, small]).planned
    p, q = probability_at_least(12.0, 0.2, 20.0), probability_at_least(9.0, 0.5, 20.0)
    assert found.verdict == "undetermined" and found.probability_high == 1.0
    assert found.probability == pytest.approx(1 - (1 - p) * (1 - q), rel=1e-9)
    dark = Target("d", 15.0, 0.2, bounds=AT_MOST, activity_gbq=7.4)
    found = assess([estimate, dark]).planned
    p, q = probability_at_least(12.0, 0.2, 20.0), probability_at_least(15.0, 0.2, 20.0)
    assert found.verdict == "below" and found.probability == pytest.approx(p)
    assert found.probability_high == pytest.approx(1 - (1 - p) * (1 - q), rel=1e-9)
    assert "P ≤ 8.0 %" in found.sentence


def test_a_dose_of_unknown_uncertainty_decides_nothing():
    unknown = Target("a", 50.0, bounds=Bounds(unknown=("stopped",)), activity_gbq=7.4)
    found = assess([unknown]).planned
    assert found.verdict == "undetermined" and found.lesions[0].bounds.sign == "~ "
    both = Target("a", 50.0, 0.1, bounds=Bounds(("small",), ("dark",)), activity_gbq=7.4)
    assert assess([both]).planned.verdict == "undetermined"


def test_many_lesions_just_below_are_not_called_not_eligible():
    """Nine lesions of 19 Gy with u = 10 %: each reaches 20 Gy with P = 0.304, at least one with 1 - 0.696^9 = 0.96."""
    found = assess([Target(f"L{i}", 19.0, 0.1, activity_gbq=7.4) for i in range(9)]).planned
    assert found.verdict == "undetermined" and found.probability == pytest.approx(1.0 - 0.696**9, abs=0.002)
    assert found.sentence.startswith(
        "Undetermined at 7.4 GBq: no lesion is predicted to reach 20 Gy, yet P = 96.2 % that at least one does."
    )


def test_one_lesion_is_certain_exactly_when_it_is_decided():
    for dose in np.linspace(14.0, 30.0, 81):
        found = assess([Target("a", float(dose), 0.1, activity_gbq=7.4)]).planned
        assert found.certain == (not found.undecided), dose


def test_a_tolerance_may_be_a_numpy_number():
    assert judge([NODE], {"7.4 GBq": 7.4}, 20.0, Tolerance(np.float64(1.44))).planned.verdict == "not tolerable"


def test_outlines_are_an_error_that_lesions_share():
    """One reader draws them: two lesions with nothing but that error reach the threshold together."""
    record = SimpleNamespace(
        lesion="a", dose_gy=19.0, therapy_activity_gbq=7.4, dose_uncertainty_gy=1.9, interval_low_gy=15.0,
        bounds=Bounds(),
        uncertainty={"random": 0.1, "systematic": 0.0, "contributions": [{"name": "volume", "relative": 0.1}]},
    )  # fmt: skip
    pair = [Target.of(record), Target.of(record)]
    assert assess(pair).planned.probability == pytest.approx(probability_at_least(19.0, 0.1, 20.0), abs=0.01)


def test_above_the_tolerable_activity_the_sentence_says_so_first():
    found = assess([NODE], maximum_gbq=1.6)
    assert found.planned.verdict == "not tolerable" and found.at[-1].verdict == "below"
    assert found.planned.sentence.startswith(
        "Not tolerable at 7.4 GBq: the maximum is 1.6 GBq, set by 2 Gy to the blood. P > 99.9 % that"
    )
    assert assess([Target("a", 1.0, 0.1, activity_gbq=7.4)], maximum_gbq=1.6).planned.verdict == "below"


def test_every_combination_keeps_the_laws_of_the_judge():
    """All pairs of kinds of lesion, with and without a maximum: what may never be claimed is not claimed."""
    kinds = [
        (bounds, dose, spread)
        for bounds in (Bounds(), AT_LEAST, AT_MOST, Bounds(("a",), ("b",)), Bounds(unknown=("c",)))
        for dose in (0.0, 5.0, 19.0, 21.0, 80.0)
        for spread in (0.05, 0.4)
    ]
    lesions = [
        Target(f"L{i:02d}", dose, spread, 0.05, bounds, True, 7.4) for i, (bounds, dose, spread) in enumerate(kinds)
    ]
    for a in lesions:
        for b in lesions:
            for maximum in (None, 1.0, 30.0):
                for found in assess([a, b], maximum_gbq=maximum).at:
                    check_laws(found, (a, b))


def check_laws(found: Verdict, targets: tuple[Target, Target]) -> None:
    certainly = [t for t in targets if t.dose_at(found.activity_gbq) >= 20 and not (t.bounds.upper or t.bounds.unknown)]
    maybe = [t for t in targets if t.bounds.open or (t.bounds.lower and t.dose_at(found.activity_gbq) < 20)]
    maybe += [t for t in targets if t.bounds.at_most and t.dose_at(found.activity_gbq) >= 20]
    likely = found.probability > 0.5
    expected = "eligible" if certainly else "undetermined" if maybe or likely else "below"
    if found.tolerable is False and expected != "below":
        expected = "not tolerable"
    assert found.verdict == expected
    assert not found.probability > found.probability_high
    if all(t.bounds for t in targets):
        assert math.isnan(found.probability) and "P " not in found.sentence
    if found.certain and found.verdict == "eligible":
        assert found.probability >= 0.977 or any(t.bounds.at_least for t in certainly)
    if found.certain and found.verdict == "below" and math.isfinite(found.probability):
        assert found.probability_high <= 0.023
    for one in found.lesions:
        assert math.isnan(one.probability) == bool(one.bounds)
        assert (one in found.undecided) != one.decided
        told = one.lesion in found.sentence or (one.decided and one.verdict == "below")
        assert told
        if one.lesion in found.sentence and one.bounds:
            assert f"{one.bounds.sign.strip()}: " in found.sentence
