"""Quantities: values, wrong units, and the words of every refusal."""

from datetime import timedelta

import pytest
from hevesy.engine import units
from hevesy.engine.errors import InputError


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("7.4 GBq", units.ACTIVITY, 7400.0),
        ("74MBq", units.ACTIVITY, 74.0),
        ("2 mCi", units.ACTIVITY, 74.0),
        ("0.2 Ci", units.ACTIVITY, 7400.0),
        ("24 h", units.TIME, 24.0),
        ("4 days", units.TIME, 96.0),
        ("1 week", units.TIME, 168.0),
        ("10 min", units.DURATION, 600.0),
        ("2000 cGy", units.DOSE, 20.0),
        ("2000 rad", units.DOSE, 20.0),
        ("165 lb", units.MASS, 74.84274105),
        ("10 keV", units.ENERGY, 0.01),
        ("0.6 cm", units.LENGTH, 6.0),
        ("1.75 m", units.HEIGHT, 175.0),
        ("5 %", units.FRACTION, 0.05),
        ("1e-2 MeV", units.ENERGY, 0.01),
        (timedelta(days=1), units.TIME, 24.0),
    ],
)
def test_quantities_are_converted_to_the_inner_unit(text, dimension, value):
    assert units.parse(text, dimension) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("number", "form"), [(24, "24 h"), ("24", "24 h"), (7.4, "7.4 h")])
def test_bare_number_is_refused_and_shows_the_right_form(number, form):
    with pytest.raises(InputError) as caught:
        units.parse(number, units.TIME, field="visits[0].scans[0].after", file="case.yaml")
    text = str(caught.value)
    assert text.startswith("case.yaml: visits[0].scans[0].after: ")
    assert "has no unit" in text
    assert form in text
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["20 Sv", "20 kg", "20 nonsense", "20 h/", "20 )(", "20 J"])
def test_wrong_unit_is_named(text):
    with pytest.raises(InputError, match="is not a unit of dose") as caught:
        units.parse(text, units.DOSE)
    assert "20 Gy" in str(caught.value)


@pytest.mark.parametrize("text", ["-3 MBq", "0 MBq", "nan MBq", "inf MBq"])
def test_values_out_of_range_are_refused(text):
    with pytest.raises(InputError, match="out of range|not finite"):
        units.parse(text, units.ACTIVITY)


@pytest.mark.parametrize("value", [None, True, [], "many MBq", ""])
def test_text_that_is_not_a_quantity_is_refused(value):
    with pytest.raises(InputError, match="is not a quantity"):
        units.parse(value, units.ACTIVITY)


@pytest.mark.parametrize("value", [7400.0, 0.1 + 0.2, 1 / 3])
def test_text_form_reads_back_exactly(value):
    assert units.parse(units.format_quantity(value, units.ACTIVITY), units.ACTIVITY) == value


@pytest.mark.parametrize(("text", "dimension"), [("20 Sv", units.DOSE), ("74 MHz", units.ACTIVITY)])
def test_same_dimension_but_another_quantity_is_refused(text, dimension):
    with pytest.raises(InputError, match="is not a unit of"):
        units.parse(text, dimension)
