"""Time-activity curves of lesions: closed forms, guards, fits, uncertainty, by hand or by quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.kinetics.conversion import contradictions, suv
from hevesy.engine.kinetics.curves import BELOW, CAPPED, POPULATION, RISING, fit_curve
from hevesy.engine.kinetics.models import Shape
from hevesy.engine.kinetics.one_scan import ONE_SCAN, break_even_half_life_h
from hevesy.engine.kinetics.population import Population
from scipy.integrate import quad

T124, T131 = 100.224, 192.6048  # 4.1760 d and 8.0252 d
L131 = math.log(2) / T131


def two_point(u1=8e-4, u2=5e-4, **more):
    return fit_curve([24.0, 96.0], [u1, u2], None, T124, T131, **more)


def test_two_point_of_the_clinical_page():
    """Worked example of docs/methods/kinetics.md; form of Jentzen 2008 (J Nucl Med 49:1017)."""
    curve = two_point()
    assert curve.model == "two-point"
    assert curve.tia_coefficient_h == pytest.approx(0.0812682993451709, rel=1e-12)
    assert curve.effective_half_life_h == pytest.approx(68.44793777690472, rel=1e-12)
    assert curve.biological_half_life_h == pytest.approx(106.18342900970028, rel=1e-12)
    assert curve.extrapolated_fraction == pytest.approx(0.43, abs=0.005)
    assert curve.sensitivity == pytest.approx([-0.22291294429159197, 1.222912944291592], rel=1e-9)
    assert curve.relative_sigma(0.08) == pytest.approx(0.09944506021070898, rel=1e-9)
    assert math.isnan(curve.tia_coefficient_uncertainty_h)  # two points leave no scatter
    assert curve.flags == []


def test_the_unseen_uptake_phase_is_a_choice():
    assert two_point(uptake="linear-retention").tia_coefficient_h == pytest.approx(0.08152738756687643, rel=1e-10)
    assert two_point(uptake="instant").tia_coefficient_h == pytest.approx(0.09239849304943444, rel=1e-12)


def test_same_result_from_tracer_activity():
    times = np.array([24.0, 96.0])
    u = np.array([8e-4, 5e-4])
    curve = fit_curve(times, u * np.exp(-math.log(2) / T124 * times), None, T124, T131, quantity="tracer-activity")
    assert curve.tia_coefficient_h == pytest.approx(0.0812682993451709, rel=1e-12)


def test_sigma_is_propagated_through_two_points():
    curve = fit_curve([24, 96], [8e-4, 5e-4], [0.08 * 8e-4, 0.08 * 5e-4], T124, T131)
    assert curve.tia_coefficient_uncertainty_h / curve.tia_coefficient_h == pytest.approx(0.09944506021070898, rel=1e-9)


def test_rising_uptake_is_physical_decay_and_said():
    curve = two_point(5e-4, 8e-4)
    a1 = 5e-4 * math.exp(-L131 * 24)
    assert curve.tia_coefficient_h == pytest.approx(a1 * (12 + 1 / L131), rel=1e-12)
    assert curve.effective_half_life_h == pytest.approx(T131, rel=1e-12)
    assert curve.biological_half_life_h == math.inf
    assert RISING in curve.flags and CAPPED in curve.flags
    assert curve.sensitivity.sum() == pytest.approx(1.0)  # the calibration is common to both scans


@pytest.mark.parametrize("later", [5e-4, 5.5e-4, 8e-4])
def test_a_held_clearance_is_as_uncertain_as_the_scans_leave_it(later):
    """Against sampling: rates of a normal distribution about the measured one, those slower than decay left out."""
    error = 1e-3
    curve = fit_curve([24.0, 96.0], [5e-4, later], [5e-4 * error, later * error], T124, T131)
    rng = np.random.default_rng(5)
    sigma = math.sqrt(2.0) * error / 72.0
    rate = math.log(5e-4 / later) / 72.0
    # retention at the second scan below which the model is held differs from the tangent by the second order alone
    free = rate + sigma * rng.standard_normal(4_000_000)
    excess = math.sqrt(np.mean(free[free > 0.0] ** 2)) / sigma if rate > -4.0 * sigma else None
    tau = 12.0 + 1.0 / L131
    by_rate = -1.0 / L131**2 / tau
    if excess is None:  # no sample gets there; the tail of the distribution is known
        assert curve.relative_sigma(error) < 1.1 * error
        return
    part = by_rate * excess / 72.0
    assert curve.sensitivity == pytest.approx([1.0 + part, -part], rel=0.02)


def test_scans_close_in_time_do_not_show_the_clearance():
    near = fit_curve([24.0, 24.5], [5e-4, 5e-4], None, T124, T131)
    far = fit_curve([24.0, 96.0], [5e-4, 5e-4], None, T124, T131)
    assert near.relative_sigma(0.08) > 10.0 and 0.2 < far.relative_sigma(0.08) < 0.5


def test_one_scan_is_physical_decay_only():
    curve = fit_curve([1.0], [0.01], None, 1.83, 1.83)
    assert curve.model == "physical-decay" and curve.flags == [ONE_SCAN]
    assert curve.tia_coefficient_h == pytest.approx(0.01 * 1.83 / math.log(2), rel=1e-12)


def test_population_half_life_only_when_asked():
    with pytest.raises(InputError, match="population's biological half-life"):
        fit_curve([24.0], [8e-4], None, T124, T131, "single-time-point")
    curve = fit_curve(
        [24.0],
        [8e-4],
        None,
        T124,
        T131,
        "single-time-point",
        population=Population(106.18342900970028, 1.6),
    )
    assert curve.tia_coefficient_h == pytest.approx(0.0812682993451709, rel=1e-10)
    assert POPULATION in curve.flags


@pytest.mark.parametrize("hours", [1.0, 24.0, 96.0])
def test_break_even_is_where_clearance_pays(hours):
    """By quadrature-free definition: immediate uptake at that rate has the integral of physical decay."""
    limit = break_even_half_life_h(hours, L131)
    rate = math.log(2) / limit
    assert math.exp((rate + L131) * hours) / (rate + L131) == pytest.approx(math.exp(L131 * hours) / L131, rel=1e-9)
    assert limit < math.inf == break_even_half_life_h(1.001 / L131, L131)


def test_break_even_at_96_h_of_131i_is_36_hours():
    """By hand: at b = 0.01925 / h both sides of exp(96 b) = 1 + b / p are 6.35."""
    assert break_even_half_life_h(96.0, L131) == pytest.approx(36.0, abs=0.05)


def test_the_spread_of_a_population_does_not_vanish_at_a_minimum():
    """Immediate uptake, 60 h: the integral is least near the median, and a half-life either way means more."""
    half_life = math.log(2) / (1 / 60 - L131)  # l_e t = 1
    people = Population(half_life, 1.8)
    curve = fit_curve([60.0], [8e-4], None, T124, T131, "single-time-point", population=people, uptake="instant")
    drawn = math.log(2) / (half_life * 1.8 ** np.random.default_rng(3).standard_normal(50_000)) + L131
    log = np.log(np.exp(drawn * 60) / drawn / (math.e * 60))
    assert log.min() > -1e-9
    assert curve.population_relative == pytest.approx(math.sqrt(np.mean(log**2)), rel=0.05)
    assert curve.population_relative > 0.15
    steady = fit_curve([24.0], [8e-4], None, T124, T131, "single-time-point", population=Population(70, 1.6))
    tau = [12 + 1 / (math.log(2) / h + L131) for h in (70 * 1.6, 70 / 1.6)]
    assert steady.population_relative == pytest.approx(0.5 * math.log(tau[0] / tau[1]), rel=0.03)


def test_one_early_scan_may_lie_on_a_rise():
    """A population's curve through 4 h: the peak may be as late as 24 h."""
    people = Population(70, 1.6, 24.0)
    other = fit_curve([4.0], [1e-4], None, T124, T131, "single-time-point", population=people).alternative
    peak = 1e-4 * math.exp(-L131 * 4) * 24 / 4
    assert other.tia_coefficient_h == pytest.approx(peak * (12 + 1 / (math.log(2) / 70 + L131)), rel=1e-12)


def test_two_rising_scans_may_both_lie_on_the_rise():
    curve = two_point(5e-4, 8e-4)
    late = 8e-4 * math.exp(-L131 * 96) * (48 + 1 / L131)
    assert curve.alternative.tia_coefficient_h == pytest.approx(late, rel=1e-12)
    assert curve.alternative.relative == pytest.approx(math.log(late / curve.tia_coefficient_h) / math.sqrt(3))


def test_a_rise_within_the_noise_leaves_the_uptake_open():
    """Iodine at 4, 24, 96 h: up by 5 % of 8 % noise against up by six times."""
    times = [4.0, 24.0, 96.0]
    for values, told in (([7.6e-4, 8e-4, 5e-4], False), ([1.3e-4, 8e-4, 5e-4], True)):
        curve = fit_curve(times, values, 0.08 * np.array(values), T124, T131)
        assert curve.model == "linear-exponential"
        assert (curve.alternative is None) is told


def test_instant_uptake_is_mono_exponential_unless_the_scans_say_otherwise():
    times = [24, 48, 72, 96, 168]
    u, tau = made("mono", times, rates=[0.012])
    curve = fit_curve(times, u, 0.05 * u, T124, T131, uptake="instant")
    assert curve.model == "mono-exponential" and set(curve.candidates) == {"mono-exponential", "bi-exponential"}
    assert curve.tia_coefficient_h == pytest.approx(tau, rel=1e-5)
    times = [2, 6, 12, 24, 48, 96, 120]
    u, tau = made("bi", times, rates=[0.008, 0.08])
    curve = fit_curve(times, u, 0.03 * u, T124, T131, uptake="instant")
    assert curve.model == "bi-exponential" and curve.alternative is None
    assert curve.tia_coefficient_h == pytest.approx(tau, rel=1e-5)


def test_detection_limit_gives_an_upper_bound():
    curve = two_point(8e-4, 1e-5, detection_limit=5e-4)
    assert curve.tia_coefficient_h == pytest.approx(0.0812682993451709, rel=1e-12)
    assert curve.upper_bound and BELOW in curve.flags


@pytest.mark.parametrize("u2", [1e-4, 3e-4, 6e-4])
def test_bound_holds_whatever_hides_below_the_limit(u2):
    """The TIA coefficient is not monotone in U1, so the bound must be searched, not assumed."""
    limit = 5e-4
    bound = two_point(1e-5, u2, detection_limit=[limit, 0.0]).tia_coefficient_h
    hidden = [two_point(u1, u2).tia_coefficient_h for u1 in np.linspace(1e-6, limit, 400)]
    assert bound >= max(hidden) * (1 - 1e-12)
    assert bound == pytest.approx(max(hidden), rel=1e-2)


def test_value_below_zero_needs_a_limit_or_sigma():
    with pytest.raises(InputError, match="detection limit"):
        two_point(8e-4, -1e-5)
    curve = fit_curve([24, 96], [8e-4, -1e-5], [5e-5, 5e-5], T124, T131)
    assert curve.upper_bound
    assert curve.tia_coefficient_h == pytest.approx(two_point(8e-4, 1.5e-4).tia_coefficient_h, rel=1e-12)


@pytest.mark.parametrize(
    "shape, amplitude, rates",
    [
        (Shape("rise", L131, 24.0), 7e-4, [0.0065]),
        (Shape("rise", L131, 24.0, "linear-retention"), 7e-4, [0.0065]),
        (Shape("rise", L131, 24.0, "instant"), 7e-4, [0.0065]),
        (Shape("mono", L131), 7e-4, [0.0065]),
        (Shape("bi", L131), 7e-4, [0.0065, 0.2]),
        (Shape("decay", L131), 7e-4, []),
    ],
)
def test_integrals_and_derivatives_are_those_of_the_curve(shape, amplitude, rates):
    rates = np.array(rates)
    split = [0.0, shape.peak_h, 96.0, 1000.0, 6000.0]
    whole = sum(
        quad(lambda t: amplitude * float(shape.unit(np.array([t]), rates)[0]), a, b, epsrel=1e-11)[0]
        for a, b in zip(split, split[1:], strict=False)
    )
    integral, gradient = shape.integral(amplitude, rates)
    assert integral == pytest.approx(whole, rel=1e-8)
    after = quad(lambda t: amplitude * float(shape.unit(np.array([t]), rates)[0]), 96, 4000, limit=200)[0]
    assert shape.tail(96.0, amplitude, rates) == pytest.approx(after, rel=1e-5)
    t = np.array([4.0, 24.0, 48.0, 96.0])
    jacobian = shape.jacobian(t, amplitude, rates)
    p = np.concatenate([[amplitude], rates])
    for k in range(p.size):
        step = np.zeros_like(p)
        step[k] = 1e-5 * p[k]
        up, down = p + step, p - step
        slope = (up[0] * shape.unit(t, up[1:]) - down[0] * shape.unit(t, down[1:])) / (2 * step[k])
        assert jacobian[:, k] == pytest.approx(slope, rel=1e-5, abs=1e-12)
        slope_tau = (shape.integral(up[0], up[1:])[0] - shape.integral(down[0], down[1:])[0]) / (2 * step[k])
        assert gradient[k] == pytest.approx(slope_tau, rel=1e-6)


def made(kind, times, **shape):
    """Exact retention values of a known curve."""
    s = Shape(kind, L131, shape.get("peak", 0.0))
    rates = np.array(shape["rates"])
    y = 1e-3 * s.unit(np.asarray(times, float), rates)
    return y * np.exp(L131 * np.asarray(times, float)), s.integral(1e-3, rates)[0]


@pytest.mark.parametrize(
    "kind, model, times, more",
    [
        ("mono", "mono-exponential", [24, 48, 96], {"rates": [0.008]}),
        ("rise", "linear-exponential", [4, 24, 96], {"rates": [0.008], "peak": 24.0}),
        ("rise", "linear-exponential", [4, 24, 48, 72, 96], {"rates": [0.02], "peak": 24.0}),
        ("bi", "bi-exponential", [4, 24, 48, 96], {"rates": [0.008, 0.15]}),
        ("bi", "bi-exponential", [2, 6, 24, 48, 96, 120], {"rates": [0.0, 0.3]}),
    ],
)
@pytest.mark.parametrize("with_sigma", [True, False])
def test_exact_data_give_the_curve_back(kind, model, times, more, with_sigma):
    u, tau = made(kind, times, **more)
    curve = fit_curve(times, u, 0.05 * u if with_sigma else None, T124, T131, model)
    assert curve.tia_coefficient_h == pytest.approx(tau, rel=2e-5)
    assert curve.model == model


def test_auto_chooses_the_model_by_the_scans():
    assert two_point().model == "two-point"
    times = [4, 24, 48, 72, 96]
    u, tau = made("rise", times, rates=[0.008], peak=24.0)
    linear = fit_curve(times, u, 0.05 * u, T124, T131)
    assert linear.model == "linear-exponential" and linear.parameters["peak_h"] == 24.0
    assert linear.candidates["linear-exponential"] < linear.candidates["bi-exponential"]
    times = [2, 6, 12, 24, 48, 96, 120]
    u, tau = made("bi", times, rates=[0.008, 0.08])
    bi = fit_curve(times, u, 0.03 * u, T124, T131)
    assert bi.model == "bi-exponential"
    assert bi.tia_coefficient_h == pytest.approx(tau, rel=1e-5)


def test_retention_that_grows_is_capped():
    curve = fit_curve([24, 48, 96], [1e-3, 1.1e-3, 1.3e-3], None, T124, T131)
    assert curve.effective_half_life_h == pytest.approx(T131)
    assert RISING in curve.flags and CAPPED in curve.flags


def test_fitted_sigma_matches_the_scatter_of_repeated_noise():
    """Stated standard uncertainty against the spread over 400 noisy repeats (spread known to 3.5 %)."""
    rng = np.random.default_rng(7)
    times = np.array([24.0, 48.0, 72.0, 96.0])
    u, tau = made("mono", times, rates=[0.008])
    sigma = 0.05 * u
    taus, stated = [], []
    for _ in range(400):
        curve = fit_curve(times, u + sigma * rng.standard_normal(4), sigma, T124, T131, "mono-exponential")
        taus.append(curve.tia_coefficient_h)
        stated.append(curve.tia_coefficient_uncertainty_h)
    assert np.mean(stated) == pytest.approx(np.std(taus), rel=0.18)  # 5 standard errors
    assert abs(np.mean(taus) / tau - 1) < 5 * np.std(taus) / tau / 20 + 0.01


def test_sensitivities_are_those_of_a_refit():
    times = np.array([4.0, 24.0, 48.0, 96.0])
    u = np.array([1.5e-4, 8.2e-4, 6.8e-4, 5.1e-4])
    base = fit_curve(times, u, 0.05 * u, T124, T131, "linear-exponential", peak_h=24.0)
    for i in range(4):
        up = u.copy()
        up[i] *= 1.001
        moved = fit_curve(times, up, 0.05 * u, T124, T131, "linear-exponential", peak_h=24.0)
        slope = math.log(moved.tia_coefficient_h / base.tia_coefficient_h) / math.log(1.001)
        assert base.sensitivity[i] == pytest.approx(slope, abs=0.02)


def test_same_nuclide_needs_one_half_life():
    one = fit_curve([24, 96], [0.3, 0.2], None, 159.5)
    assert one.tia_coefficient_h == fit_curve([24, 96], [0.3, 0.2], None, 159.5, 159.5).tia_coefficient_h


def test_using_the_tracer_decay_instead_is_a_known_error():
    """By hand: -28 % at a biological half-life of 106 h."""
    wrong = fit_curve([24, 96], [8e-4, 5e-4], None, T124).tia_coefficient_h
    assert wrong / two_point().tia_coefficient_h - 1 == pytest.approx(-0.28, abs=0.03)


@pytest.mark.parametrize(
    "times, values, text",
    [
        ([-1.0, 24.0], [1, 1], "after administration"),
        ([24.0, 24.0], [1, 1], "later than the one before"),
        ([96.0, 24.0], [1, 1], "later than the one before"),
        ([24.0, 96.0], [1, math.nan], "finite"),
        ([24.0, 96.0], [1, 1, 1], "each scan needs one value"),
        ([], [], "no scan times"),
    ],
)
def test_unusable_input_is_refused_with_its_name(times, values, text):
    with pytest.raises(InputError, match=text):
        fit_curve(times, values, None, T124, T131)


def test_models_are_checked():
    with pytest.raises(InputError, match="did you mean 'bi-exponential'"):
        fit_curve([24, 96], [1, 0.5], None, T124, T131, "biexponential")
    with pytest.raises(InputError, match="needs at least 4"):
        fit_curve([24, 96], [1, 0.5], None, T124, T131, "bi-exponential")
    with pytest.raises(InputError, match="half-life"):
        fit_curve([24, 96], [1, 0.5], None, -1.0, T131)


def test_contradictions_are_named():
    assert contradictions([24, 96], [8e-4, 5e-4]) == []
    assert "more than was administered" in contradictions([24, 96], [1.6, 0.5])[0]
    assert "above what physical decay alone leaves" in contradictions([24, 96], [5e-4, 9e-4])[0]
    assert contradictions([4, 24], [5e-4, 9e-4]) == []  # uptake may still rise in the first day


def test_suv_of_the_clinical_page():
    assert suv(0.04, 75.0) == pytest.approx(30.0)


@pytest.mark.parametrize(("later_h", "left"), [(24.00007, 0.97), (24.5, 0.5), (25.0, 0.4)])
def test_a_fall_that_no_lesion_shows_is_refused(later_h, left):
    """Two reconstructions of one scan, or a wrong unit: an effective half-life below an hour."""
    with pytest.raises(InputError, match="the activity falls with an effective half-life of"):
        fit_curve([24.0, later_h], [1.0, left], None, T124, T131, quantity="tracer-activity", uptake="instant")


def test_a_fast_tracer_may_fall_fast():
    curve = fit_curve([1.0, 2.0], [1.0, 0.5], None, 1.83, 1.83, quantity="tracer-activity")
    assert curve.effective_half_life_h == pytest.approx(1.0)


def test_a_curve_that_no_number_holds_is_refused():
    with pytest.raises(InputError, match="cannot be continued back"):
        Shape("rise", 0.0036, 200.0, "instant").integral(1.0, np.array([4.0]))
