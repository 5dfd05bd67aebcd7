"""The study of voxel S kernels beside published tables: its record, its page, and what it claims, live."""

from __future__ import annotations

import csv
import itertools
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hevesy.engine.dose.local import emitted_energy
from hevesy.engine.dose.voxel_s import make_kernel
from hevesy.engine.errors import InputError
from hevesy.engine.nuclides.decay import nuclide
from hevesy.tests.verification.budget import quantile
from hevesy.tools.voxel_s_study import make, media, page, record, reference
from hevesy.tools.voxel_s_study.__main__ import main
from hevesy.tools.voxel_s_study.analysis import Number, balance
from hevesy.tools.voxel_s_study.plan import PARTS, Run, part_of, parts_of, request_of, runs_of, scaled_beta
from hevesy.tools.voxel_s_study.published import FOLDER, copies, published

TABLES = published()


def test_published_tables_are_complete() -> None:
    assert len({(t.nuclide, t.voxel_mm) for t in TABLES}) == len(TABLES) == 11
    for table in TABLES:
        assert sorted(table.s) == list(itertools.combinations_with_replacement(range(6), 3))
        assert sum(copies(n) for n in table.s) == 11**3
        near_to_far = sorted(table.s, key=lambda n: sum(x * x for x in n))
        assert near_to_far[0] == (0, 0, 0) and table.s[0, 0, 0] == max(table.s.values())
        # along an axis and along the diagonals every value is below the one before it
        for direction in ((0, 0, 1), (0, 1, 1), (1, 1, 1)):
            line = [table.s[tuple(step * d for d in direction)] for step in range(6)]
            assert all(a > b for a, b in itertools.pairwise(line)), (table.nuclide, direction)


@pytest.mark.parametrize(("value", "last"), [(0.899, 1e-3), (1.59, 1e-2), (2.75e-10, 1e-12), (1.00e-5, 1e-7)])
def test_rounding_is_that_of_the_third_figure(value: float, last: float) -> None:
    table = replace(TABLES[0], s={(0, 0, 0): value})
    assert table.rounding((0, 0, 0)) == pytest.approx(last / math.sqrt(12.0))


@pytest.mark.parametrize("name", ["Re-188", "Re-186", "Sm-153", "Lu-177", "I-131"])
def test_parts_carry_the_energy_of_the_whole(name: str) -> None:
    emission = nuclide(name).emission
    assert parts_of(name) == tuple(PARTS)
    energies = [emitted_energy(part_of(emission, part)).total for part in PARTS]
    assert sum(energies) == pytest.approx(emitted_energy(emission).total, rel=1e-12)


@pytest.mark.parametrize("name", ["Y-90", "Sr-89"])
def test_pure_betas_have_one_part(name: str) -> None:
    assert parts_of(name) == ("beta",)


def test_scaled_betas_are_as_many_with_more_energy() -> None:
    emission = nuclide("Lu-177").emission
    scaled = scaled_beta(emission, 1.03)
    number = [float(np.trapezoid(e.beta_per_mev, e.beta_mev)) for e in (emission, scaled)]
    assert number[1] == pytest.approx(number[0], rel=1e-12)
    betas = emitted_energy(part_of(emission, "beta")).total
    assert emitted_energy(scaled).total == pytest.approx(1.03 * betas, rel=1e-12)


@pytest.fixture(scope="module")
def samarium() -> record.Record:
    """153Sm, 3 mm: the whole and its parts, a hundredth of the study's decays."""
    made = record.Record()
    table = next(t for t in TABLES if t.nuclide == "Sm-153")
    for run in runs_of("Sm-153", 3.0, 0):
        short = replace(run, decays=200_000)
        kernel = make_kernel(request_of(short, table.medium, table.density_g_cm3), backend="cpu")
        made.add(record.values_of(short, kernel))
    return made


def test_parts_add_up_to_the_whole(samarium: record.Record) -> None:
    """Self value, a face neighbour and the one behind it, which only photons reach; three values, 50 batches each.

    False-alarm probability: the suite's share for one judgement. Without any one part, the same test fails.
    """
    kernels = {component: values for (_, _, component), values in samarium.kernels.items()}

    def scores(parts: tuple[str, ...]) -> list[float]:
        numbers = []
        for n in ((0, 0, 0), (0, 0, 1), (0, 0, 2)):
            total = Number(0.0, 0.0)
            for part in parts:
                total += Number(*kernels[part].s[n])
            numbers.append(total - Number(*kernels["whole"].s[n]))
        return [abs(n.value) / n.error for n in numbers]

    allowed = quantile(3, 49)  # 50 batches
    assert max(scores(tuple(PARTS))) < allowed
    for left_out in PARTS:
        assert max(scores(tuple(p for p in PARTS if p != left_out))) > allowed, left_out


def test_samarium_table_lacks_the_energy_of_most_lines(samarium: record.Record) -> None:
    """Live, and the same as the page says."""
    table = next(t for t in TABLES if t.nuclide == "Sm-153")
    share = balance(samarium, table).share
    kept = balance(record.read(), table).share
    assert share is not None and kept is not None
    assert abs(share.value - kept.value) < quantile() * math.hypot(share.error, kept.error)
    assert share.value + quantile() * share.error < 0.5


def test_yttrium_agrees_with_the_published_self_value() -> None:
    """Within 1 %, the published value's last figure, and our standard error times the suite's quantile."""
    table = next(t for t in TABLES if t.nuclide == "Y-90" and t.voxel_mm == 3.0)
    run = Run("Y-90", 3.0, "whole", 300_000, 5)
    s, error = record.values_of(run, make_kernel(request_of(run, table.medium, table.density_g_cm3), backend="cpu")).s[
        0, 0, 0
    ]
    last_figure = 0.5 * math.sqrt(12.0) * table.rounding((0, 0, 0))
    assert abs(s - table.s[0, 0, 0]) < 0.01 * table.s[0, 0, 0] + last_figure + quantile(1, 49) * error
    assert error < 0.003 * s


def test_symmetric_values_are_means_over_equivalent_voxels(samarium: record.Record) -> None:
    run = Run("Sm-153", 3.0, "beta", 20_000, 3)
    kernel = make_kernel(request_of(run, "TISSUE, SOFT (ICRP)", 1.04), backend="cpu")
    values = record.values_of(run, kernel)
    s = kernel.s_gy_per_decay * 1e9
    for n in ((0, 0, 0), (0, 0, 1), (0, 1, 2), (1, 2, 3)):
        every = [
            s[tuple(5 + sign * step for sign, step in zip(signs, order, strict=True))]
            for order in set(itertools.permutations(n))
            for signs in itertools.product((-1, 1), repeat=3)
        ]
        assert values.s[n][0] == pytest.approx(np.mean(every), rel=1e-9)
    total = sum(copies(n) * s for n, (s, _) in values.s.items()) * 1e-9
    assert total == pytest.approx(kernel.s_gy_per_decay.sum(), rel=1e-9)


def test_record_survives_its_files(samarium: record.Record, tmp_path: Path) -> None:
    files = tmp_path / "values.csv", tmp_path / "runs.csv"
    record.write(samarium, *files)
    again = record.read(*files)
    assert again.kernels.keys() == samarium.kernels.keys()
    for key, values in samarium.kernels.items():
        assert again.kernels[key].run == values.run
        assert again.kernels[key].inside_mev == pytest.approx(values.inside_mev, rel=1e-7)
        for n, (s, error) in values.s.items():
            assert again.kernels[key].s[n] == (pytest.approx(s, rel=1e-5), pytest.approx(error, rel=1e-2))


def _simulated(*_: object, **__: object) -> None:
    raise AssertionError("a kernel was simulated")


def test_page_is_made_of_the_record_without_a_simulation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (make, media, reference):
        monkeypatch.setattr(module, "kept_kernel", _simulated)
    for file in (record.VALUES, record.RUNS, media.FILE):
        shutil.copy(file, tmp_path)
    assert main(["--page-only", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "voxel-s.md").read_text(encoding="utf-8") == page.PAGE.read_text(encoding="utf-8")
    for figure in ("voxel-s-ratios.png", "voxel-s-parts.png"):
        assert (tmp_path / figure).stat().st_size > 5_000 and (FOLDER / figure).is_file()


def test_claims_are_the_numbers_of_the_csv() -> None:
    """Worked out from the CSV by other code than the page's."""
    with record.VALUES.open(encoding="utf-8") as lines:
        selves = {
            row["nuclide"]: {part: float(row[f"{part}_mgy_per_mbq_s"] or 0.0) for part in PARTS}
            for row in csv.DictReader(lines)
            if (row["voxel_mm"], row["i"], row["j"], row["k"]) == ("3", "0", "0", "0")
        }
    text = page.PAGE.read_text(encoding="utf-8")
    claims = text.partition("<!-- claims:")[2].partition("<!-- end of claims -->")[0]
    assert len(selves) == 7
    for name, parts in selves.items():
        symbol, mass = name.split("-")
        line = re.search(rf"^\| {mass}{symbol} \|.*$", claims, re.M)
        assert line, name
        (written,) = re.findall(r"\| self ([+-][\d.]+) ", line[0])
        published_self = next(t.s[0, 0, 0] for t in TABLES if t.nuclide == name and t.voxel_mm == 3.0)
        digits = len(written.partition(".")[2])
        assert f"{100 * (published_self / sum(parts.values()) - 1):+.{digits}f}" == written
        if parts["lines"]:
            (written,) = re.findall(r"photons alone ([+-][\d.]+) ", line[0])
            digits = len(written.partition(".")[2])
            without = parts["beta"] + parts["photons"]
            assert f"{100 * (published_self / without - 1):+.{digits}f}" == written


def test_only_what_electrons_alone_lack_is_called_proven() -> None:
    """From the CSV and the JSON by other code: a table below the energy of betas and lines, by five uncertainties."""
    text = page.PAGE.read_text(encoding="utf-8")
    standing = " ".join(text.partition("<!-- standing:")[2].partition("<!-- end of standing")[0].split())
    first = standing.partition("**Proven**")[2].partition("- **")[0]
    second = standing.partition("**Not proven in this way:**")[2].partition("- **")[0]
    energy = inside_kev()
    for name in ("Re-188", "Re-186", "Sm-153", "Lu-177", "I-131"):
        table = next(t for t in TABLES if t.nuclide == name and t.voxel_mm == 3.0)
        held, error = (1000 * value for value in table.energy_mev())
        gap = energy[name, "beta"] + energy[name, "lines"] - held
        symbol, mass = name.split("-")
        assert (f"{mass}{symbol} at least" in first) == (gap > 5 * error), name
        assert (f"{mass}{symbol} holds" in second) == (gap <= 5 * error), name
        if gap > 5 * error:
            (written,) = re.findall(rf"{mass}{symbol} at least ([\d.]+) ± ", first)
            assert float(written) == pytest.approx(gap, abs=0.06)
    assert "131I holds" in second and energy["I-131", "photons"] > 20.0


def inside_kev() -> dict[tuple[str, str], float]:
    """Energy [keV] of each part in the voxels of the tables of 3 mm, from the record of the runs."""
    with record.RUNS.open(encoding="utf-8") as lines:
        return {
            (row["nuclide"], row["component"]): 1000 * float(row["inside_mev"])
            for row in csv.DictReader(lines)
            if row["voxel_mm"] == "3"
        }


def test_headline_of_pure_betas_says_where_they_agree() -> None:
    """Every neighbour that is said to be within 1 % is, and the others are not, by the CSV."""
    with record.VALUES.open(encoding="utf-8") as lines:
        found = {
            (row["nuclide"], tuple(int(row[n]) for n in "ijk")): float(row["beta_mgy_per_mbq_s"])
            for row in csv.DictReader(lines)
            if row["voxel_mm"] == "3"
        }
    text = page.PAGE.read_text(encoding="utf-8")
    short = " ".join(text.partition("<!-- short:")[2].partition("<!-- end of short")[0].split())
    for name, symbol, number in (("Y-90", "90Y", 8), ("Sr-89", "89Sr", 6)):
        table = next(t for t in TABLES if t.nuclide == name and t.voxel_mm == 3.0)
        line = short.partition(f"**{symbol}**")[2].partition("- **")[0]
        inside, outside = line.partition("; not at")[::2]
        places = [(p, True) for p in re.findall(r"(\d,\d,\d) \(", inside)]
        places += [(p, False) for p in re.findall(r"(\d,\d,\d) \(", outside)]
        assert len(places) == number
        for place, agrees in places:
            n = tuple(map(int, place.split(",")))
            assert (abs(table.s[n] / found[name, n] - 1.0) <= 0.01) == agrees, (name, place)


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(InputError, match="no place for the table 'self'"):
        page.put("nothing", {"self": "| a |"})


def test_a_record_that_is_not_there_is_an_input_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--page-only", "--out", str(tmp_path)]) == 2
    assert "make it again: python -m hevesy.tools.voxel_s_study" in capsys.readouterr().out
