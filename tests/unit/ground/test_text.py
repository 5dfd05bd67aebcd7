"""Numbers as a physicist writes them."""

from __future__ import annotations

import math

import pytest
from hevesy.engine.text import chance, number, percent, plus_minus, signed_percent


@pytest.mark.parametrize(
    "value, text",
    [
        (0, "0"),
        (12.345, "12.3"),
        (0.0123456, "0.0123"),
        (1234.5, "1234"),
        (9.996, "10.0"),
        (-2.5, "-2.50"),
        (1.5e-7, "1.50×10⁻⁷"),
        (2.5e9, "2.50×10⁹"),
        (math.nan, "–"),
        (None, "–"),
        (math.inf, "–"),
    ],
)
def test_significant_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    "value, sigma, text",
    [
        (44.71, 19.2, "45 ± 19"),
        (19.7, 6.12, "19.7 ± 6.1"),
        (1.906, 0.0996, "1.91 ± 0.10"),
        (123.4, 250.0, "123 ± 250"),
        (5.0, 0.0, "5.00 ± 0"),
        (5.0, math.nan, "5.00"),
        (math.nan, 1.0, "–"),
    ],
)
def test_uncertainty_sets_the_place_of_the_value(value, sigma, text):
    assert plus_minus(value, sigma) == text


def test_per_cent():
    assert percent(0.4321) == "43 %" and percent(None) == "–" and percent(0.4321, 3) == "43.2 %"
    assert [signed_percent(v) for v in (-3.14, 2.0, math.nan)] == ["−3.1 %", "+2.0 %", "–"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0096, "1.0 %"), (1e-28, "< 0.1 %"), (0.4567, "46 %"), (0.953, "95.3 %"), (0.99995, "> 99.9 %"), (None, "–")],
)
def test_chances_far_from_the_middle_are_only_said_to_be_so(value, text):
    assert chance(value) == text
