"""Numbers as a physicist writes them."""

from __future__ import annotations

import ast
import math
import re
from pathlib import Path

import hevesy
import numpy as np
import pytest
from hevesy.engine.text import (
    activity_text,
    chance,
    count_of,
    counted,
    covered_text,
    csv_cell,
    did_you_mean,
    dose_text,
    number,
    or_nan,
    percent,
    plain,
    plus_minus,
    shortened,
    signed_percent,
)


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


def test_fractions_are_shown_as_per_cent():
    assert percent(0.4321) == "43 %" and percent(None) == "–" and percent(0.4321, 3) == "43.2 %"
    assert [signed_percent(v) for v in (-3.14, 2.0, math.nan)] == ["−3.1 %", "+2.0 %", "–"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0096, "1.0 %"), (1e-28, "< 0.1 %"), (0.4567, "46 %"), (0.953, "95.3 %"), (0.99995, "> 99.9 %"), (None, "–")],
)
def test_chances_far_from_the_middle_are_only_said_to_be_so(value, text):
    assert chance(value) == text


@pytest.mark.parametrize(
    "count, total, text",
    [
        (0, 6, "0 of 6 lesions reach"),
        (1, 6, "1 of 6 lesions reaches"),
        (2, 6, "2 of 6 lesions reach"),
        (6, 6, "6 of 6 lesions reach"),
        (0, 1, "0 of 1 lesion reaches"),
        (1, 1, "1 of 1 lesion reaches"),
    ],
)
def test_counts_agree_with_noun_and_verb(count, total, text):
    assert count_of(count, total, "lesion", ("reaches", "reach")) == text
    assert count_of(count, total, "lesion") == text.rsplit(" ", 1)[0]


def test_counts_agree_with_their_noun():
    assert [counted(n, "scan") for n in (0, 1, 2)] == ["0 scans", "1 scan", "2 scans"]
    assert [counted(n, "PET voxel", ("is", "are")) for n in (0, 1, 2)] == [
        "0 PET voxels are", "1 PET voxel is", "2 PET voxels are",
    ]  # fmt: skip
    plurals = [counted(2, noun) for noun in ("batch", "energy", "decay", "mass")]
    assert plurals == ["2 batches", "2 energies", "2 decays", "2 masses"]


def test_no_text_leaves_the_plural_to_the_reader():
    """``1 point(s)``: a count and its noun agree, by `counted`. Calls in f-strings such as ``f(s)`` are no text."""
    package = Path(hevesy.__file__).parent
    sources = [file for folder in ("engine", "cli") for file in sorted((package / folder).rglob("*.py"))]
    assert len(sources) > 100
    found = [
        f"{file.relative_to(package)}:{node.lineno}: {node.value}"
        for file in sources
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"\w\(e?s\)", node.value)
    ]
    templates = [file for folder in ("engine", "cli") for file in sorted((package / folder).rglob("*.j2"))]
    assert templates
    found += [str(file) for file in templates if "(s)" in file.read_text(encoding="utf-8")]
    assert found == []


def test_suggestions_name_the_nearest_known_word():
    assert did_you_mean("TRESHOLD", ["threshold", "tracer"]) == "did you mean 'threshold'?"
    assert did_you_mean("I-13", ["I-131", "I-130", "Y-90"], n=2) == "did you mean 'I-131' or 'I-130'?"
    assert did_you_mean("zzz", ["pet", "ct"]) == "known here: pet, ct"
    assert did_you_mean("zzz", ["pet"], otherwise="use 'auto'") == "use 'auto'"


def test_cells_and_what_comes_back():
    assert [csv_cell(v) for v in (None, True, False, 1 / 3, 7, "a")] == ["", "yes", "no", "0.333333333", "7", "a"]
    assert math.isnan(or_nan(None)) and or_nan("2.5") == 2.5


def test_long_values_lose_their_middle():
    assert shortened("a" * 80) == "a" * 80
    text = shortened("a" * 60 + "b" * 60)
    assert len(text) == 79 and text.startswith("aaa") and "..." in text and text.endswith("bbb")


def test_values_become_plain_json():
    given = {1: np.float32(0.5), "a": (np.int64(2), math.inf), "b": np.array([[1.0, np.nan]]), "c": np.bool_(True)}
    assert plain(given) == {"1": 0.5, "a": [2, None], "b": [[1.0, None]], "c": True}


@pytest.mark.parametrize(
    ("mbq", "shown"),
    [(7400.0, "7.4 GBq"), (1000.0, "1 GBq"), (389.0, "389 MBq"), (8.0, "8 MBq"), (0.05, "50 kBq"), (math.nan, "–")],
)
def test_an_activity_has_the_unit_of_its_size(mbq: float, shown: str) -> None:
    assert activity_text(mbq) == shown


@pytest.mark.parametrize(
    ("gy", "sigma", "shown"),
    [
        (46.2, 8.1, "46.2 ± 8.1 Gy"),
        (0.1, 0.02, "0.100 ± 0.020 Gy"),
        (0.008524, 0.0011, "8.5 ± 1.1 mGy"),
        (0.008524, math.nan, "8.52 mGy"),
        (2e-5, math.nan, "20.0 µGy"),
        (0.0, math.nan, "0 Gy"),
    ],
)
def test_a_dose_has_the_unit_of_its_size(gy: float, sigma: float, shown: str) -> None:
    assert dose_text(gy, sigma) == shown


@pytest.mark.parametrize(
    ("percent", "text"),
    [
        (0.0, "outside"),
        (2.7, "3 % covered"),
        (98.6, "99 % covered"),
        (99.84, "99.8 % covered"),
        (99.97, "99.9 % covered"),
    ],
)
def test_a_part_is_never_said_to_be_the_whole(percent, text):
    assert covered_text(percent) == text
