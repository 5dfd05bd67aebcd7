"""What the scans do not tell of a curve, from files to the tables: one scan, and the uptake before the first.

Truths are integrals of known curves by quadrature; nothing here uses the closed forms of the engine.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hevesy.cli.main import app
from hevesy.engine.case.model import Case
from hevesy.engine.constants import JOULE_PER_MEV
from hevesy.engine.dose.local import emitted_energy
from hevesy.engine.errors import InputError
from hevesy.engine.grid import write_image
from hevesy.engine.lesions.bounds import NO_RECOVERY
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.results.result import Result
from hevesy.tests.unit.small_case import GRID, HOT, TEXT, TRACER_MBQ, write_small_case
from scipy.integrate import quad
from typer.testing import CliRunner

LN2 = math.log(2.0)
VOLUME_ML = 27 * 0.064
#: Assumed of thyroid metastases (docs/methods/kinetics.md).
MEDIAN_H, GSD, PEAK_H = 70.0, 1.6, 24.0


def retained(half_life_h: float, peak_h: float, physical: float) -> Callable[[float], float]:
    """Activity of a nuclide that rises linearly to 1 at the peak (0: is there at once), then clears and decays."""
    slow = LN2 / half_life_h + physical
    return lambda t: t / peak_h if t < peak_h else math.exp(-slow * (t - peak_h))


def integral(curve: Callable[[float], float], peak_h: float) -> float:
    """From administration to 4000 h, by quadrature."""
    split = [0.0, *([peak_h] if peak_h else []), 200.0, 1000.0, 4000.0]
    return sum(quad(curve, a, b, epsrel=1e-9)[0] for a, b in zip(split, split[1:], strict=False))


def run(
    folder: Path,
    retention_per_ml: Mapping[float, float],
    more: str = "",
    *,
    tracer: str = "I-124",
    therapy: str = "I-131",
) -> tuple[dict[str, Any], list[str]]:
    """Write scans with these retentions, run the command; record and warnings. Its row of the table agrees with it."""
    scans = "".join(f"      - {{pet: pet_{t:g}.nii.gz, ct: ct.nii.gz, after: {t:g} h}}\n" for t in retention_per_ml)
    text = re.sub(r"(?m)^      - .*\n", "", TEXT).replace("    scans:\n", "    scans:\n" + scans)
    file = write_small_case(folder, text.replace("I-131", therapy).replace("I-124", tracer) + more)
    for hours, retention in retention_per_ml.items():
        pet = np.zeros(GRID.shape, np.float32)
        pet[HOT] = retention * TRACER_MBQ * 1e6 * math.exp(-nuclide(tracer).decay_constant_per_h * hours)
        write_image(folder / f"pet_{hours:g}.nii.gz", GRID, pet)
    shown = CliRunner().invoke(app, ["run", str(file), "--method", "local", "--out", str(folder / "run"), "--json"])
    assert shown.exit_code == 0, shown.output
    (record,) = json.loads((folder / "run" / "lesions.json").read_text())["lesions"]
    with (folder / "run" / "lesions.csv").open() as stream:
        (row,) = csv.DictReader(line for line in stream if not line.startswith("#"))
    for name in ("upper_bound", "lower_bound"):
        assert row[name] == ("yes" if record["clinic"][name] else "no")
    return record, list(Result.load(folder / "run" / "result.h5").warnings)


def lines(record: dict[str, Any]) -> dict[str, float]:
    return {line["name"]: line["relative"] for line in record["uncertainty"]["contributions"]}


def adds_up(record: dict[str, Any]) -> bool:
    budget = record["uncertainty"]
    return math.isclose(sum(v**2 for v in lines(record).values()), budget["relative"] ** 2, rel_tol=1e-9)


def dose_gy(tia_h: float, therapy: str, density: float) -> float:
    """Mean dose of 7.4 GBq that are all deposited where they decay."""
    joule = tia_h * 3600.0 * 7.4e9 * emitted_energy(nuclide(therapy).emission).charged * JOULE_PER_MEV
    return joule / (density * VOLUME_ML * 1e-3)


@pytest.mark.parametrize("scan_h", [4.0, 24.0, 48.0, 96.0])
def test_one_scan_bounds_every_plausible_truth(tmp_path: Path, scan_h: float) -> None:
    """Biological half-lives of the population's two-sigma range, and slower; uptake at once or linear within a day."""
    share = 4e-4
    record, warnings = run(tmp_path, {scan_h: share})
    physical = nuclide("I-131").decay_constant_per_h
    truths = {}
    for half_life in (*np.geomspace(MEDIAN_H / GSD**2, MEDIAN_H * GSD**2, 15), 1e9):
        for peak in (0.0, 0.5 * min(scan_h, PEAK_H), PEAK_H):
            curve = retained(float(half_life), peak, physical)
            scale = share * math.exp(-physical * scan_h) / curve(scan_h)
            truths[half_life, peak] = VOLUME_ML * scale * integral(curve, peak)
    largest = max(truths.values())
    bound = record["kinetics"]["tia_coefficient_h"]
    assert bound == pytest.approx(largest, rel=1e-4)  # at least, and no more than need be
    assert record["dose_gy"] == pytest.approx(dose_gy(bound, "I-131", record["density_g_cm3"]), rel=1e-3)  # the map
    assert record["kinetics"]["upper_bound"] and record["clinic"]["upper_bound"]
    assert record["bounds"]["upper"] == ["clearance not measured: one scan, the largest plausible integral taken"]
    told = [text for text in warnings if "One scan only" in text]
    assert len(told) == 1 and "at most the one stated" in told[0] and "model: single-time-point" in told[0]
    assert lines(record)["uptake before the first scan"] == 0.0 and adds_up(record)


def test_physical_decay_is_not_the_bound_of_a_late_scan(tmp_path: Path) -> None:
    """At 96 h a biological half-life of 28 h means 1.4 times what physical decay gives."""
    late, _ = run(tmp_path, {96.0: 4e-4})
    physical_only = VOLUME_ML * 4e-4 / nuclide("I-131").decay_constant_per_h
    assert late["kinetics"]["model"] == "mono-exponential"
    assert late["kinetics"]["tia_coefficient_h"] > 1.3 * physical_only


def test_one_scan_of_another_nuclide_states_the_half_life_it_holds_for(tmp_path: Path) -> None:
    record, warnings = run(tmp_path, {24.0: 4e-4}, tracer="Lu-177", therapy="Lu-177")
    (told,) = (text for text in warnings if "One scan only" in text)
    limit = float(re.search(r"half-life is longer than ([\d.]+) h", told)[1])  # type: ignore[index]
    physical = nuclide("Lu-177").decay_constant_per_h
    bound = record["kinetics"]["tia_coefficient_h"]
    assert record["clinic"]["upper_bound"] and record["bounds"]["lower"] == [NO_RECOVERY]  # none by the kinetics
    for half_life, within in ((1.03 * limit, True), (0.97 * limit, False)):
        curve = retained(half_life, 0.0, physical)
        truth = VOLUME_ML * 4e-4 * math.exp(-physical * 24.0) / curve(24.0) * integral(curve, 0.0)
        assert (truth <= bound) is within


def test_a_scan_later_than_the_mean_life_bounds_nothing(tmp_path: Path) -> None:
    record, warnings = run(tmp_path, {6.0: 4e-4}, tracer="F-18", therapy="F-18")
    assert record["clinic"]["upper_bound"] and record["clinic"]["lower_bound"]
    assert not record["kinetics"]["upper_bound"]
    assert any("which is no bound" in text for text in warnings)


@pytest.mark.parametrize("scan_h", [24.0, 48.0, 96.0])
def test_the_population_s_interval_covers_the_truths_drawn_from_it(tmp_path: Path, scan_h: float) -> None:
    """20 000 lesions with the population's half-lives, uptake complete at 24 h, each scanned once.

    The spread is that of the truths (3 %, 6 standard errors and the quadrature); with the open uptake k = 2 covers at
    least 95 % of them (0.2 % statistical). k = 1 is checked where the integral follows the half-life steadily.
    """
    record, warnings = run(tmp_path, {scan_h: 4e-4}, more="kinetics: {model: single-time-point}\n")
    spread = lines(record)["biological half-life of the population"]
    physical = nuclide("I-131").decay_constant_per_h
    drawn = MEDIAN_H * GSD ** np.random.default_rng(5).standard_normal(20_000)
    slow = LN2 / drawn + physical
    at_peak = 4e-4 * np.exp(-physical * scan_h + slow * (scan_h - PEAK_H))
    truth = VOLUME_ML * at_peak * (0.5 * PEAK_H + 1.0 / slow)
    log = np.log(truth / record["kinetics"]["tia_coefficient_h"])
    both = math.hypot(spread, lines(record)["uptake before the first scan"])
    assert spread == pytest.approx(math.sqrt(np.mean(log**2)), rel=0.03)
    assert np.mean(np.abs(log) < 2.0 * both) > 0.948
    if scan_h == PEAK_H:
        assert np.mean(np.abs(log) < spread) == pytest.approx(0.683, abs=0.02)
        assert np.mean(np.abs(log) < 2.0 * spread) == pytest.approx(0.954, abs=0.02)
    assert not record["clinic"]["upper_bound"] and adds_up(record)
    assert lines(record)["uptake before the first scan"] > 0.02
    assert record["kinetics"]["population_gsd"] == GSD
    assert any("(geometric standard deviation 1.6) is in the uncertainty" in text for text in warnings)


def test_a_stated_spread_counts_and_another_nuclide_must_state_its_half_life(tmp_path: Path) -> None:
    stated = "kinetics: {model: single-time-point, population_half_life: 60 h%s}\n"
    both = {"tracer": "Lu-177", "therapy": "Lu-177"}
    wide, _ = run(tmp_path, {24.0: 4e-4}, more=stated % "", **both)
    none, _ = run(tmp_path, {24.0: 4e-4}, more=stated % ", population_gsd: 1", **both)
    name = "biological half-life of the population"
    assert lines(none)[name] == 0.0 < 0.2 < lines(wide)[name]
    assert wide["kinetics"]["population_gsd"] == 2.0
    file = tmp_path / "case.yaml"
    file.write_text(re.sub(r"population_half_life: 60 h, ", "", file.read_text()))
    with pytest.raises(InputError, match=r"kinetics \(line 12\): .* with Lu-177 needs 'population_half_life'"):
        Case.load(file)


@pytest.mark.parametrize("half_life_h", [25.0, 60.0, 400.0])
def test_lutetium_with_three_scans_comes_back(tmp_path: Path, half_life_h: float) -> None:
    """A mono-exponential truth at 24, 96 and 168 h: integral and map within 3 %, and both conventions stated."""
    share = {t: 4e-4 * 2.0 ** (-t / half_life_h) for t in (24.0, 96.0, 168.0)}
    record, _ = run(tmp_path, share, tracer="Lu-177", therapy="Lu-177")
    physical = nuclide("Lu-177").decay_constant_per_h
    truth = VOLUME_ML * 4e-4 * integral(retained(half_life_h, 0.0, physical), 0.0)
    kinetics = record["kinetics"]
    assert kinetics["model"] == "mono-exponential" and kinetics["uptake"] == "immediate uptake"
    assert kinetics["tia_coefficient_h"] == pytest.approx(truth, rel=0.03)
    assert record["dose_map_gy"] == pytest.approx(dose_gy(truth, "Lu-177", record["density_g_cm3"]), rel=0.03)
    rise = retained(half_life_h, 24.0, physical)
    first = share[24.0] * math.exp(-physical * 24.0)
    other = VOLUME_ML * first * integral(rise, 24.0)
    assert kinetics["alternative_uptake"] == "a linear rise"
    assert kinetics["alternative_tia_coefficient_h"] == pytest.approx(other, rel=1e-3)
    line = lines(record)["uptake before the first scan"]
    assert line == pytest.approx(math.log(truth / other) / math.sqrt(3.0), rel=0.01)
    told = f"uptake before the first scan not measured ({100 * (other / truth - 1):+.0f} % with a linear rise)"
    assert (told in record["flags"]) is (other / truth < 0.95)
    assert adds_up(record)


def test_scans_that_show_the_rise_decide(tmp_path: Path) -> None:
    """177Lu rising to 24 h through a scan at 4 h: its peak is found, and nothing is left open."""
    physical = nuclide("Lu-177").decay_constant_per_h
    curve = retained(60.0, 24.0, physical)
    share = {t: 4e-4 * curve(t) * math.exp(physical * t) for t in (4.0, 24.0, 96.0)}
    record, _ = run(tmp_path, share, tracer="Lu-177", therapy="Lu-177")
    assert record["kinetics"]["model"] == "linear-exponential"
    assert record["kinetics"]["tia_coefficient_h"] == pytest.approx(VOLUME_ML * 4e-4 * integral(curve, 24.0), rel=1e-3)
    assert record["kinetics"]["alternative_uptake"] is None
    assert lines(record)["uptake before the first scan"] == 0.0


def test_two_scans_of_iodine_keep_their_dose_and_state_the_other(tmp_path: Path) -> None:
    """Worked example of docs/methods/kinetics.md: 4.468 Gy/GBq of a 2 g sphere, 5.080 back-extrapolated."""
    scans = {24.0: 8e-4 / VOLUME_ML, 96.0: 5e-4 / VOLUME_ML}
    record, _ = run(tmp_path, scans)
    sphere = 107.684 * 2.0**-0.96973
    kinetics = record["kinetics"]
    assert sphere * kinetics["tia_coefficient_h"] == pytest.approx(4.468, rel=1e-3)
    assert sphere * kinetics["alternative_tia_coefficient_h"] == pytest.approx(5.080, rel=1e-3)
    assert "uptake before the first scan not measured (+14 % with immediate uptake)" in record["flags"]
    assert lines(record)["uptake before the first scan"] == pytest.approx(math.log(5.080 / 4.468) / 3**0.5, rel=2e-3)
    assert adds_up(record) and not record["clinic"]["upper_bound"]
    asked, _ = run(tmp_path, scans, more="kinetics: {uptake: instant}\n")
    assert sphere * asked["kinetics"]["tia_coefficient_h"] == pytest.approx(5.080, rel=1e-3)
    assert asked["dose_gy"] / record["dose_gy"] == pytest.approx(5.080 / 4.468, rel=1e-3)  # the map follows
    assert sphere * asked["kinetics"]["alternative_tia_coefficient_h"] == pytest.approx(4.468, rel=1e-3)


@pytest.mark.parametrize(
    ("scans", "therapy", "kinetics"),
    [
        ({24.0: 4e-4}, "I-131", "{model: single-time-point}"),
        ({24.0: 4e-4}, "Lu-177", "{model: single-time-point, population_half_life: 60 h, population_gsd: 1.5}"),
        ({24.0: 4e-4, 96.0: 2.5e-4}, "Lu-177", "{}"),
        ({24.0: 4e-4, 96.0: 2.5e-4}, "I-131", "{}"),
    ],
)
def test_the_sampled_budget_agrees_with_the_stated_one(
    tmp_path: Path, scans: dict[float, float], therapy: str, kinetics: str
) -> None:
    more = f"kinetics: {kinetics}\nrecovery: {{fwhm: 6 mm}}\nuncertainty: {{volume: 15 %}}\n"
    record, _ = run(tmp_path, scans, more, therapy=therapy)
    drawn = record["uncertainty"]["sampled"]
    assert drawn["relative"] == pytest.approx(record["uncertainty"]["relative"], rel=0.06)
    assert drawn["median_gy"] == pytest.approx(record["dose_gy"], rel=0.03)
    assert drawn["interval_k1_gy"] == pytest.approx(record["uncertainty"]["interval_k1_gy"], rel=0.05)
