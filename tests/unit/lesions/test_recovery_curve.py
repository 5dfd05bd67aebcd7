"""Recovery curves as tables: units, values that no phantom has, and lesions outside its spheres."""

from __future__ import annotations

import random

import pytest
from hevesy.engine.clinic.blood_samples import read_samples
from hevesy.engine.errors import InputError
from hevesy.engine.imaging.ct_calibration import Calibration
from hevesy.engine.lesions.recovery import LEAST_RECOVERY, SphereRecovery, correct, sphere_volume_ml
from hevesy.engine.lesions.recovery_curve import curve_remarks, read_recovery_curve

SPHERES = ((10, 0.35), (13, 0.5), (17, 0.65), (22, 0.78), (28, 0.86), (37, 0.93))


def table(path, heading="diameter_mm,recovery", rows=SPHERES):
    path.write_text(heading + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "rc.csv"


@pytest.mark.parametrize(
    "heading, scale",
    [
        ("diameter_mm,recovery", (1, 1)), ("diameter (cm),RC", (0.1, 1)), ("Sphere diameter [mm],RC (%)", (1, 100)),
        ("inner diameter mm,recovery_percent", (1, 100)),
    ],
)  # fmt: skip
def test_one_curve_in_many_units(heading, scale, file):
    plain = read_recovery_curve(table(file))
    rows = [(d * scale[0], rc * scale[1]) for d, rc in SPHERES]
    found = read_recovery_curve(table(file, heading, rows))
    assert (found.b1_ml, found.b2) == (pytest.approx(plain.b1_ml, rel=1e-6), pytest.approx(plain.b2, rel=1e-6))


def test_volumes_and_agreeing_diameters_are_the_same_curve(file):
    plain = read_recovery_curve(table(file))
    both = [(d, round(float(sphere_volume_ml(d)), 3), rc) for d, rc in SPHERES]
    found = read_recovery_curve(table(file, "diameter_mm,volume_ml,recovery", both))
    assert found.b1_ml == pytest.approx(plain.b1_ml)
    alone = read_recovery_curve(table(file, "volume_ml,recovery", [(v, rc) for _, v, rc in both]))
    assert alone.b1_ml == pytest.approx(plain.b1_ml, rel=1e-3)


@pytest.mark.parametrize(
    "heading, rows, problem",
    [
        ("diameter_mm,recovery,sigma", [(10, 0.3, 0.03), (13, 0.5, 0), (17, 0.6, 0.03)], "line 3, sigma: .* of 0 "),
        ("diameter_mm,recovery,sigma", [(10, 0.3, 0.03), (13, 0.5, -1), (17, 0.6, 0.03)], "line 3, sigma: .* of -1"),
        ("diameter_mm,recovery,sigma", [(10, 0.3, 0.03), (13, 0.5, ""), (17, 0.6, 0.03)], "line 3, sigma: an empty"),
        ("diameter_mm,recovery,sigma", [(10, 0.3, 3), (13, 0.5, 5), (17, 0.6, 3)], "line 2, sigma: .* of 3 "),
        ("diameter_mm,recovery", [(1.0, 0.3), (1.3, 0.5), (1.7, 0.6)], "line 2: 1 mm is out of range(.|\n)*_cm"),
        ("diameter_mm,recovery", [(10, 1.2), (13, 0.5), (17, 0.6)], "line 2: a recovery coefficient of 1.2"),
        ("diameter_mm,recovery", [(10, 0.0), (13, 0.5), (17, 0.6)], "line 2: a recovery coefficient of 0"),
        ("diameter_mm,recovery", [(10, 0.5), (10, 0.5), (10, 0.5)], "1 size"),
        ("diameter_mm,recovery", [(10, 0.9), (13, 0.5), (17, 0.95)], "falls from 0.9 at 10 mm to 0.5 at 13 mm"),
        ("diameter_mm,recovery", [(17, 0.35), (13, 0.5), (10, 0.65)], "recovery falls"),
        ("diameter_mm,recovery", [(10, 0.5), (13, 0.5), (17, 0.5)], "recovery falls"),
        ("diameter_mm,volume_ml,recovery", [(10, 0.52, 0.3), (13, 5, 0.5), (17, 2.6, 0.6)], "1.15 mL, not 5 mL"),
        ("radius_mm,recovery", [(10, 0.3), (13, 0.5), (17, 0.6)], "is not a recovery curve"),
        ("diameter_mm,recovry", [(10, 0.3), (13, 0.5), (17, 0.6)], "did you mean 'recovery'"),
        ("diameter_mm,recovery", [(10, 0.3, 4), (13, 0.5), (17, 0.6)], "line 2: 3 cells for 2 columns"),
        ("volume_ml,recovery", [(52.4, 0.3), (115, 0.5), (257, 0.6)], "resolution of 3"),
    ],
)  # fmt: skip
def test_what_no_phantom_has_is_refused_by_its_line(heading, rows, problem, file):
    with pytest.raises(InputError, match=problem) as caught:
        read_recovery_curve(table(file, heading, rows))
    assert caught.value.why and caught.value.suggestion and str(file) in str(caught.value)


def test_lesions_outside_the_spheres_are_named(file):
    curve = read_recovery_curve(table(file))
    volumes = {"tiny": 0.05, "small": 0.4, "usual": 4.0, "large": 300.0}
    far, outside = curve_remarks(curve, "rc.csv", volumes)
    assert far.startswith("tiny: far outside") and far.weight == "critical"
    assert outside.startswith("small: outside") and outside.weight == "caution"
    low = read_recovery_curve(table(file, rows=SPHERES[:4]))
    (note,) = curve_remarks(low, "rc.csv", {"large": 300.0})  # the curve has not come near 1 where the spheres end
    assert note.startswith("large: far outside") and note.weight == "critical"
    assert not curve_remarks(curve, "rc.csv", {"usual": 4.0})


def test_large_spheres_in_centimetres_are_doubted(file):
    curve = read_recovery_curve(table(file, rows=[(2.2, 0.78), (2.8, 0.86), (3.7, 0.93)]))
    notes = curve_remarks(curve, "rc.csv", {"a": 4.0})
    assert "The sizes may have another unit" in notes[0] and notes[0].weight == "critical"


def test_no_correction_multiplies_by_more_than_a_phantom_shows():
    found = correct([1.0, 0.4], 1.0, SphereRecovery(30.0), 0.0)
    assert found.limited and found.factor == pytest.approx([1 / LEAST_RECOVERY] * 2)
    assert any("only a bound" in flag for flag in found.flags)
    assert not correct([1.0], 1.0, SphereRecovery(8.0), 0.0).limited


@pytest.mark.parametrize(
    "read, whole",
    [
        (read_recovery_curve, b"diameter_mm,recovery,sigma\n10,0.31,0.02\n13,0.45,0.02\n17,0.6,0.02\n22,0.7,0.02\n"),
        (Calibration.read, b"HU;g/cm3\n-1000;0,001\n0;1,0\n1000;1,6\n3000;2,8\n"),
        (
            read_samples,
            b"# administered_mbq: 74\ntime_h,whole_body_percent,blood_kbq_per_ml\n2,95,3\n24,60,1\n96,9,0.2\n",
        ),
    ],
    ids=["recovery", "calibration", "samples"],
)
def test_no_damage_to_a_table_gives_another_error(read, whole, tmp_path):
    """60 seeded mutations of each table: numbers, or our own error."""
    rng, file = random.Random(8), tmp_path / "t.csv"
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            at, piece = (
                rng.randrange(len(data)),
                rng.choice([b",", b";", b"\n", b'"', b"-", b"e9", b"nan", b"", b"\xc3\xa4", b"0"]),
            )
            data[at : at + rng.randint(0, 3)] = piece
        file.write_bytes(bytes(data))
        try:
            read(file)
        except InputError as error:
            assert error.why and error.suggestion, error
