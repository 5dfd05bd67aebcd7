"""Lesion metrics worked out by hand, and the verdict against the threshold."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.grid import Grid
from hevesy.engine.lesions.bounds import Bounds
from hevesy.engine.lesions.columns import header
from hevesy.engine.lesions.dvh import DoseVolumeHistogram, RegionDoses
from hevesy.engine.lesions.judge import judge_lesions
from hevesy.engine.lesions.metrics import DoseContext, DoseMaps, LesionParts, MeanDoseErrors, summarise
from hevesy.engine.lesions.record import LesionDose

GRID = Grid((1, 1, 4), (10.0, 10.0, 10.0), (5.0, 6.0, 7.0))  # voxels of 1 mL
DOSE = np.array([[[40.0, 10.0, 20.0, 99.0]]])
DENSITY = np.array([[[1.0, 0.25, 1.5, 1.0]]], dtype=np.float32)


@dataclass
class Mask:
    name: str
    fraction: np.ndarray
    contour_volume_ml: float | None = None


MASK = Mask("lung 1", np.array([[[1.0, 0.4, 0.6, 0.0]]], dtype=np.float32), 2.01)


def lesion(**changes):
    """The lesion of `MASK`; changes go to whichever of the inputs has a field of that name."""

    def made(kind, **values):
        return kind(**values | {name: changes.pop(name) for name in kind.__dataclass_fields__ if name in changes})

    maps = made(DoseMaps, dose_gy=DOSE, density_g_cm3=DENSITY, grid=GRID)
    context = made(DoseContext, patient="P1", visit="baseline", threshold_gy=20.0, therapy_activity_gbq=7.4)
    errors = made(MeanDoseErrors, mc_standard_error_gy=0.3, chain_relative=0.1)
    parts = made(LesionParts)
    return summarise(maps, changes.pop("mask", MASK), context, errors=errors, parts=parts, **changes)


def test_mean_is_energy_over_mass_and_the_rest_is_weighted_with_volume():
    got = lesion(local_dose_gy=DOSE * 1.1)
    mass = 1.0 + 0.4 * 0.25 + 0.6 * 1.5
    mean = (40 * 1.0 + 10 * 0.1 + 20 * 0.9) / mass
    assert got.volume_ml == pytest.approx(2.0) and got.mass_g == pytest.approx(mass)
    assert got.dose_gy == pytest.approx(mean) and got.dose_map_gy == pytest.approx(mean)
    assert got.density_g_cm3 == pytest.approx(mass / 2)
    assert got.dose_uncertainty_gy == pytest.approx(math.hypot(0.3, 0.1 * mean))
    assert got.ldpa_gy_per_gbq == pytest.approx(mean / 7.4)
    assert (got.min_gy, got.max_gy, got.voxels) == (10.0, 40.0, 3)
    # hottest first: 1.0 mL at 40, 0.6 mL at 20, 0.4 mL at 10 (50 %, 80 %, 100 % of the volume)
    assert [got.d2_gy, got.d50_gy, got.d70_gy, got.d90_gy, got.d95_gy, got.d98_gy] == [40, 40, 20, 10, 10, 10]
    assert got.v20gy_percent == pytest.approx(80.0)
    assert got.uniformity == pytest.approx(30 / mean)
    assert got.dose_local_gy == pytest.approx(1.1 * mean)
    assert got.local_difference_percent == pytest.approx(10.0)
    assert got.diameter_mm == pytest.approx((6 * 2000 / math.pi) ** (1 / 3))
    assert got.centroid_mm == pytest.approx((5.0, 6.0, 7.0 + 10 * (0.4 * 1 + 0.6 * 2) / 2.0))
    assert got.contour_volume_ml == 2.01


def test_the_threshold_of_the_case_is_the_one_that_counts():
    assert lesion(threshold_gy=25.0).vthreshold_percent == pytest.approx(50.0)
    assert lesion(threshold_gy=25.0).v20gy_percent == pytest.approx(80.0)
    mean = lesion().dose_gy
    assert lesion(threshold_gy=mean).verdict == "eligible"
    assert lesion(threshold_gy=mean * 1.0001).verdict == "below"


def test_undecided_means_that_the_interval_holds_the_threshold():
    """Interval of coverage factor 2 of a lognormal dose with u(D)/D = 10 %: a factor exp(0.2) = 1.2214 each way."""
    mean = lesion().dose_gy
    inside, outside = mean * math.exp(0.19), mean * math.exp(0.21)
    assert lesion(threshold_gy=inside, mc_standard_error_gy=0.0).undecided
    assert not lesion(threshold_gy=outside, mc_standard_error_gy=0.0).undecided
    assert not lesion(threshold_gy=inside, mc_standard_error_gy=0.0, chain_relative=0.01).undecided
    assert lesion(threshold_gy=outside, mc_standard_error_gy=0.0, chain_relative=math.nan).undecided  # not known
    got = lesion(mc_standard_error_gy=0.0)
    assert got.interval_low_gy == pytest.approx(mean * math.exp(-0.2))
    assert got.interval_high_gy == pytest.approx(mean * math.exp(0.2))


def test_a_bound_has_no_probability_and_decides_on_its_own_side_only():
    mean = lesion().dose_gy
    at_least, at_most = Bounds(lower=("reason",)), Bounds(upper=("reason",))
    for threshold, bounds, expected in (
        (mean * 0.5, at_least, "eligible"),
        (mean * 2.0, at_least, "undetermined"),
        (mean * 0.5, at_most, "undetermined"),
        (mean * 2.0, at_most, "below"),
    ):
        got = lesion(threshold_gy=threshold, bounds=bounds)
        assert got.verdict == expected and math.isnan(got.probability)
        assert got.undecided == (expected == "undetermined")


def test_an_organ_has_a_dose_and_no_verdict():
    organ = replace(MASK)
    organ.role, organ.limit_gy = "organ", 23.0
    got = lesion(mask=organ)
    assert got.verdict == "" and not got.undecided and math.isnan(got.probability) and got.limit_gy == 23.0
    assert judge_lesions([got]) is None and lesion().judged


def test_recovery_factor_acts_on_the_mean_once_and_not_on_the_map():
    plain, corrected = lesion(), lesion(recovery_dose_factor=1.5)
    assert corrected.dose_gy == pytest.approx(1.5 * plain.dose_gy)
    assert corrected.dose_mc_standard_error_gy == pytest.approx(1.5 * plain.dose_mc_standard_error_gy)
    assert corrected.dose_map_gy == plain.dose_map_gy and corrected.d95_gy == plain.d95_gy
    assert "voxel metrics are those of the map without recovery correction" in corrected.flags


def test_small_lesions_have_a_mean_only():
    assert lesion(resolution_mm=6.0).voxel_metrics == "shown"  # 15.6 mm across
    small = lesion(resolution_mm=8.0)
    assert small.voxel_metrics == "mean only" and "within two PET resolutions" in small.flags[-1]


def test_missing_uncertainties_are_said_not_invented():
    only_mc = lesion(chain_relative=math.nan)
    assert only_mc.dose_uncertainty_gy == 0.3 and "uncertainty is the Monte Carlo part alone" in only_mc.flags
    no_mc = lesion(mc_standard_error_gy=math.nan)
    assert no_mc.dose_uncertainty_gy == pytest.approx(0.1 * no_mc.dose_gy)
    assert any("Monte Carlo uncertainty not known" in flag for flag in no_mc.flags)
    nothing = lesion(mc_standard_error_gy=math.nan, chain_relative=math.nan)
    assert math.isnan(nothing.dose_uncertainty_gy) and nothing.undecided
    assert nothing.to_row()["dose_uncertainty_gy"] is None


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"mask": Mask("L9", np.zeros((1, 1, 4)))}, "lesion 'L9' has no volume on the dose grid"),
        ({"dose_gy": np.array([[[np.nan, 1.0, 1, 1]]])}, "the dose is undefined in 1 voxel of lesion 'lung 1'"),
    ],
)
def test_lesions_without_volume_or_dose_are_refused(change, problem):
    with pytest.raises(InputError) as error:
        lesion(**change)
    assert error.value.problem == problem and error.value.why and error.value.suggestion


def test_row_and_json_come_back():
    got = lesion(
        local_dose_gy=DOSE,
        kinetics={"tia_coefficient_h": np.float64(0.08), "model": "two-point"},
        recovery={"coefficient": 0.7},
    )
    row = got.to_row()
    assert tuple(row) == header()
    assert tuple(row)[:12] == (
        "patient",
        "visit",
        "lesion",
        "volume_ml",
        "mass_g",
        "dose_gy",
        "dose_uncertainty_gy",
        "dose_mc_standard_error_gy",
        "ldpa_gy_per_gbq",
        "d95_gy",
        "v20gy_percent",
        "verdict",
    )
    assert row["tia_coefficient_h"] == 0.08 and row["recovery_coefficient"] == 0.7
    again = LesionDose.from_dict(json.loads(json.dumps(got.to_dict(), allow_nan=False)))
    assert again.to_row() == row and again.kinetics["model"] == "two-point"
    np.testing.assert_allclose(again.dvh.volume_percent, got.dvh.volume_percent, rtol=1e-5)


def test_histogram_is_exact_and_its_derivative_adds_up():
    region = RegionDoses(np.array([1.0, 3.0, 2.0, 3.0]), np.array([0.5, 1.0, 1.0, 0.5]))
    h = region.histogram(bins=6)
    np.testing.assert_allclose(h.dose_gy, [0, 0.5, 1, 1.5, 2, 2.5, 3])
    np.testing.assert_allclose(h.volume_percent, [100, 100, 100, 250 / 3, 250 / 3, 50, 50])
    assert (h.differential_percent_per_gy * np.diff(h.dose_gy)).sum() == pytest.approx(100.0)
    wide = region.histogram(bins=4, maximum_gy=4.0)
    np.testing.assert_allclose(wide.differential_percent_per_gy, [0, 50 / 3, 100 / 3, 50])
    back = DoseVolumeHistogram.from_dict(h.to_dict())
    np.testing.assert_allclose(back.volume_percent, h.volume_percent, rtol=1e-5)


def test_metrics_of_a_linear_dose_agree_with_the_continuum():
    """Doses uniform on (0, 100): D_x = 100 - x and V_t = 100 - t, up to half a voxel."""
    n = 20_000
    region = RegionDoses((np.arange(n) + 0.5) * 100 / n, np.full(n, 0.3))
    for x in (2, 50, 70, 90, 95, 98):
        assert region.dose_at_volume(x) == pytest.approx(100 - x, abs=100 / n)
    assert region.volume_at_dose(20.0) == pytest.approx(80.0, abs=100 / n)
    assert region.volume_mean() == pytest.approx(50.0)
    assert region.volume_sd() == pytest.approx(100 / 12**0.5, rel=1e-6)
