"""The stop criterion: one grammar, read once at the door of every command, with one message per mistake."""

from __future__ import annotations

import math
import random

import hevesy
import pytest
import yaml
from hevesy.engine.case.changes import with_changes
from hevesy.engine.check import check_case
from hevesy.engine.errors import InputError
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.transport.problem_file import save_problem
from hevesy.engine.transport.run import simulate
from hevesy.engine.until import QUANTITIES, Until
from hevesy.tests.unit.small_case import TEXT, write_small_case
from hevesy.tests.verification.drivers import WATER, block

#: Every way to be wrong, and the words that say so.
MALFORMED = {
    "": "there is no ':'",
    "1%": "there is no ':'",
    "lesions": "there is no ':'",
    "lesions:": "the goal '' is not a number in per cent",
    "lesions:%": "the goal '%' is not a number in per cent",
    "lesions:1": "the goal '1' has no per cent sign",
    "lesions:0%": "a goal of 0 %",
    "lesions:0.0%": "a goal of 0 %",
    "lesions:-1%": "a goal of -1 %",
    "lesions:100%": "a goal of 100 %",
    "lesions:150%": "a goal of 150 %",
    "lesions:nan%": "the goal 'nan%' is not a number in per cent",
    "lesions:inf%": "the goal 'inf%' is not a number in per cent",
    "lesions:1e999%": "the goal '1e999%' is not a number in per cent",
    "lesions:one%": "the goal 'one%' is not a number in per cent",
    "lesions:0,5%": "decimals are written with a point",
    "lesions:1.2.3%": "the goal '1.2.3%' is not a number in per cent",
    "lesions:1 0%": "the goal '1 0%' is not a number in per cent",
    "lesions:1%%": "the goal '1%%' is not a number in per cent",
    "lesions:1%:2%": "the goal '1%:2%' is not a number in per cent",
    "lesions:1% of them": "the goal '1% of them' is not a number in per cent",
    ":1%": "unknown quantity ''",
    "lesion:1%": "did you mean 'lesions'?",
    "Lesions:1%": "did you mean 'lesions'?",
    "voxel>50%:1%": "did you mean 'voxels'?",
    "les ions:1%": "unknown quantity 'les ions'",
    "lesions>50%:1%": "only voxels are chosen by their dose",
    "voxels:2%": "'voxels' does not say which ones",
    "voxels>:2%": "the share of the largest dose '' is not a number in per cent",
    "voxels>50:2%": "the share of the largest dose '50' has no per cent sign",
    "voxels>-5%:2%": "voxels above -5 % of the largest dose",
    "voxels>100%:2%": "voxels above 100 % of the largest dose",
    "voxels>nan%:2%": "the share of the largest dose 'nan%' is not a number in per cent",
    "voxels>5%:0%": "a goal of 0 %",
}


@pytest.fixture(scope="module")
def case_file(tmp_path_factory):
    return write_small_case(tmp_path_factory.mktemp("until"))


@pytest.fixture(scope="module")
def problem_file(tmp_path_factory):
    problem = block(nuclide("Y-90").emission, (3, 3, 3), 5.0, (WATER,))
    return save_problem(problem, tmp_path_factory.mktemp("until") / "block.npz")


def refused_once(code, out, err, text, words):
    """One message on standard error, with the field, the value and the reason; nothing else; exit code 2."""
    assert code == 2
    assert out == ""
    assert f"{text!r} is not a valid stop criterion: " in err
    assert words in err
    assert err.count("not a valid stop criterion") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(("text", "words"), MALFORMED.items())
def test_every_command_refuses_it_at_the_door(command, case_file, problem_file, tmp_path, text, words):
    out = tmp_path / "out"
    for call in (
        ("run", case_file, "--out", out, f"--until={text}"),
        ("batch", case_file, "--out", out, f"--until={text}"),
        ("simulate", problem_file, "-o", out, f"--until={text}"),
    ):
        code, printed, err = command(*call)
        refused_once(code, printed, err, text, words)
        assert "until: " in err
    assert not out.exists()


@pytest.mark.parametrize(("text", "words"), MALFORMED.items())
def test_a_case_file_names_key_and_line(command, tmp_path, text, words):
    file = tmp_path / "case.yaml"
    write_small_case(tmp_path, TEXT.replace("until: null", f'until: "{text}"'))
    line = next(n for n, row in enumerate(file.read_text().splitlines(), 1) if "until" in row)
    before = sorted(tmp_path.iterdir())
    for name in ("check", "run"):
        code, printed, err = command(name, file)
        refused_once(code, printed, err, text, words)
        assert f"{file}: transport.until (line {line}): " in err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("text", "words"), MALFORMED.items())
def test_python_refuses_it_too(case_file, problem_file, text, words):
    problem = hevesy.Problem.load(problem_file)
    for call in (
        lambda: hevesy.run(case_file, until=text),
        lambda: hevesy.simulate(problem, until=text),
        lambda: simulate(problem, until=text),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert words in str(caught.value)
        assert caught.value.field == "until"


@pytest.mark.parametrize("value", [None, 1, 0.01, ["lesions:1%"]])
def test_only_text_is_read(value):
    with pytest.raises(InputError, match="it is not text"):
        Until.parse(value)


@pytest.mark.parametrize(
    ("text", "canonical", "goal", "above"),
    [
        ("lesions:1%", "lesions:1%", 0.01, None),
        (" lesions : 1 % ", "lesions:1%", 0.01, None),
        ("lesions:1.50%", "lesions:1.5%", 0.015, None),
        ("lesions:.5%", "lesions:0.5%", 0.005, None),
        ("lesions:1e-3%", "lesions:0.001%", 1e-5, None),
        ("regions:10%", "regions:10%", 0.1, None),
        ("voxels>50%:2%", "voxels>50%:2%", 0.02, 0.5),
        ("voxels > 0.5 % : 2 %", "voxels>0.5%:2%", 0.02, 0.005),
        ("voxels>0%:2%", "voxels>0%:2%", 0.02, 0.0),
    ],
)
def test_the_canonical_text(text, canonical, goal, above):
    until = Until.parse(text)
    assert str(until) == canonical
    assert until.goal == pytest.approx(goal, rel=1e-15)
    assert until.voxels_above == (above if above is None else pytest.approx(above, rel=1e-15))
    assert Until.parse(until) is until


def test_the_text_of_any_criterion_is_read_back_as_it():
    """4000 criteria over all quantities and twelve decades, from round numbers to the last digit of a double."""
    draw = random.Random(1)

    def per_cent(low: float) -> float:
        value = 10.0 ** draw.uniform(-10.0, 2.0)
        rounded = float(f"{value:.{draw.randint(0, 16)}e}")
        return min(max(rounded, low), math.nextafter(100.0, 0.0))

    for number in range(4000):
        quantity = QUANTITIES[number % len(QUANTITIES)]
        until = Until(quantity, per_cent(5e-324), per_cent(0.0) if quantity == "voxels" else None)
        text = str(until)
        assert Until.parse(text) == until, text
        assert str(Until.parse(text)) == text
        assert "e" not in text.partition(":")[2]


def test_a_run_leaves_the_canonical_text(command, tmp_path):
    """Whatever the spaces in the case file, ``case.resolved.yaml`` and the result have one form, which reads back."""
    case_file = write_small_case(tmp_path / "in", TEXT.replace("until: null", 'until: " lesions :  40.0 % "'))
    out = tmp_path / "out"
    assert command("run", case_file, "--out", out, "--quiet")[0] == 0
    resolved = yaml.safe_load((out / "case.resolved.yaml").read_text())
    assert resolved["transport"]["until"] == "lesions:40%"
    assert yaml.safe_load(hevesy.Result.load(out / "result.h5").case_yaml)["transport"]["until"] == "lesions:40%"
    assert hevesy.Case.load(out / "case.resolved.yaml").transport.until == Until("lesions", 40.0)


def test_check_tells_a_sharper_goal_from_a_coarser_one(tmp_path):
    """Decays for a goal fall with its square, as far as the smallest number of batches does not decide."""

    def decays(until):
        case = hevesy.Case.load(
            write_small_case(tmp_path, TEXT.replace("decays: 40000, until: null", f'until: "{until}"'))
        )
        return check_case(case).visits[0].decays

    assert decays("lesions:0.01%") == pytest.approx(4 * decays("lesions:0.02%"), rel=1e-12)
    assert decays("regions:0.01%") == decays("lesions:0.01%")
    assert decays("voxels>50%:0.01%") == decays("lesions:50%") == 1_000_000


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("10", "10 has no unit"),
        ("0 s", "0 s is out of range"),
        ("-1 min", "-1 min is out of range"),
        ("nan s", "finite"),
    ],
)
def test_a_time_limit_is_a_positive_time_with_its_unit(command, case_file, problem_file, tmp_path, flag, words):
    out = tmp_path / "out"
    for call in (
        ("run", case_file, "--out", out, f"--time-limit={flag}"),
        ("batch", case_file, "--out", out, f"--time-limit={flag}"),
        ("simulate", problem_file, "-o", out, f"--time-limit={flag}"),
    ):
        code, printed, err = command(*call)
        assert (code, printed) == (2, "")
        assert words in err and "time" in err
    assert not out.exists()


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_a_time_limit_in_seconds_is_checked_in_python(case_file, seconds):
    with pytest.raises(InputError) as caught:
        hevesy.run(case_file, time_limit_s=seconds)
    assert caught.value.field == "time_limit_s"


def test_a_time_limit_keeps_every_digit(case_file):
    """One change of form: the seconds that Python gives are the seconds of the case."""
    case = with_changes(hevesy.Case.load(case_file), time_limit_s=0.1 + 0.2)
    assert case.transport.time_limit_s == 0.1 + 0.2
