"""Progeny, usual activities and doses without a therapy, from a case file to the numbers on every surface.

Energies that the doses are compared with come from outside the program: Q values of AME2020 for the alpha decays, the
28.2 MeV (1.1 % of them photons) that the summary of product characteristics of radium-223 dichloride states, and the
0.147 MeV of electrons per decay of 177Lu.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hevesy.cli.main import app
from hevesy.tests.unit.small_case import TEXT, write_small_case
from typer.testing import CliRunner

JOULE_PER_MEV = 1.602176634e-13
THERAPY = "therapy: {nuclide: I-131, activity: 7.4 GBq}\n"
#: A lesion that a local deposition alone is computed for: fast, and its energy per decay is that of charged particles.
LOCAL = TEXT.replace("transport: {decays: 40000, until: null}", "methods: [local]")
FDG = LOCAL.replace("I-124", "F-18").replace("after: 24 h", "after: 1 h").replace("after: 96 h", "after: 2 h")


def treated(therapy: str, text: str = LOCAL) -> str:
    """The case with another therapy; an empty one leaves it out."""
    return text.replace(THERAPY, f"therapy: {therapy}\n" if therapy else "")


class Run:
    """What a run of the command line left: terminal, JSON, table and report."""

    def __init__(self, folder: Path, text: str, *more: str) -> None:
        file = write_small_case(folder, text)
        self.folder = folder / "run"
        shown = CliRunner().invoke(app, ["run", str(file), "--out", str(self.folder), "--json", *more])
        assert shown.exit_code == 0, shown.output
        self.json: dict[str, Any] = json.loads(shown.stdout)
        with (self.folder / "lesions.csv").open(encoding="utf-8", newline="") as handle:
            (self.row,) = csv.DictReader(handle)
        (self.lesion,) = json.loads((self.folder / "lesions.json").read_text(encoding="utf-8"))["lesions"]
        report = (self.folder / "report.html").read_text(encoding="utf-8")
        report = re.sub(r"<style>.*?</style>|<svg.*?</svg>|data:[^\"]*", "", report, flags=re.S)
        self.report = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", report))

    @property
    def mev_per_decay(self) -> float:
        """Energy that a decay leaves in the lesion, from dose, mass and number of decays [MeV]."""
        decays = float(self.row["tia_coefficient_h"]) * 3600.0 * float(self.row["therapy_activity_gbq"]) * 1e9
        return float(self.row["dose_map_gy"]) * float(self.row["mass_g"]) * 1e-3 / decays / JOULE_PER_MEV

    @property
    def warnings(self) -> str:
        return " ".join(self.json["clinic"]["visits"][0]["warnings"])


@pytest.fixture(scope="module")
def actinium(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("ac225"), treated("{nuclide: Ac-225, activity: 8 MBq}"))


def test_actinium_brings_the_alphas_of_its_chain(actinium: Run) -> None:
    alphas = 5.935 + 6.458 + 7.202 + 0.979 * 8.536 + 0.021 * 5.982  # Q values down to 209Bi
    betas = 0.979 * 1.423 + 0.021 * 3.976 + 0.644  # their ends: an upper limit
    assert alphas < actinium.mev_per_decay < alphas + betas
    assert actinium.mev_per_decay == pytest.approx(28.7, rel=0.01)
    assert float(actinium.row["dose_gy"]) == float(actinium.row["dose_local_gy"])


@pytest.mark.parametrize(
    ("nuclide", "mev", "within"),
    [
        # a transient equilibrium: 1.105 times as much 212Bi as 212Pb, on top of the betas and electrons of 212Pb
        ("Pb-212", 0.176 + 1.105 * (0.359 * 6.207 + 0.641 * 8.954 + 0.641 * 0.77 + 0.359 * 0.60), 0.01),
        ("Ra-223", 28.2 * (1.0 - 0.011), 0.01),
        ("Lu-177", 0.147, 0.01),
        ("At-211", 0.418 * 5.982 + 0.582 * 7.594, 0.01),
    ],
)
def test_what_other_therapies_bring(tmp_path: Path, nuclide: str, mev: float, within: float) -> None:
    done = Run(tmp_path, treated(f"{{nuclide: {nuclide}, activity: 100 MBq}}"))
    assert done.mev_per_decay == pytest.approx(mev, rel=within)


def test_the_first_box_says_which_progeny_and_that_alpha_dose_is_not_weighted(actinium: Run) -> None:
    for shown in (actinium.warnings, actinium.report):
        assert "Ac-225 was counted with progeny in equilibrium" in shown
        assert "28.9 MeV per decay, 5.93 MeV without them" in shown
        assert "not weighted for their biological effect" in shown
    assert "in equilibrium: Fr-221 1.00, At-217 1.00" in actinium.report
    resolved = yaml.safe_load((actinium.folder / "case.resolved.yaml").read_text(encoding="utf-8"))
    assert resolved["therapy"]["progeny"] == "equilibrium"


def test_lutetium_has_nothing_to_say_about_progeny(tmp_path: Path) -> None:
    done = Run(tmp_path, treated("{nuclide: Lu-177, activity: 7.4 GBq}"))
    assert "progeny" not in done.warnings
    assert "RBE" not in done.report


def test_members_can_be_left_out_or_listed(tmp_path: Path, actinium: Run) -> None:
    def dose(name: str, progeny: str) -> Run:
        return Run(tmp_path / name, treated(f"{{nuclide: Ac-225, activity: 8 MBq, progeny: {progeny}}}"))

    none, some, others = (
        dose("none", "none"),
        dose("some", "[Bi-213, 213Po]"),
        dose("others", "[Fr-221, At-217, Pb-209, Tl-209]"),
    )
    assert none.mev_per_decay == pytest.approx(5.935, rel=0.01)
    assert "Left out: Fr-221" in none.warnings
    parts = some.mev_per_decay + others.mev_per_decay - none.mev_per_decay
    assert parts == pytest.approx(actinium.mev_per_decay, rel=1e-6)
    assert some.mev_per_decay - none.mev_per_decay == pytest.approx(0.982 * 8.536 + 0.021 * 5.982 + 0.435, rel=0.01)
    assert "as listed: Bi-213 1.00, Po-213 0.982" in some.report


def test_progeny_that_live_long_are_not_in_equilibrium(tmp_path: Path) -> None:
    done = Run(tmp_path / "th", treated("{nuclide: Th-227, activity: 5 MBq}"))
    assert 0.97 * 6.147 < done.mev_per_decay < 6.147  # its gamma rays leave
    assert "Left out: Ra-223 (half-life 11.4 d)" in done.warnings
    done = Run(tmp_path / "bi", treated("{nuclide: Bi-213, activity: 100 MBq}"))
    assert "Left out: Pb-209 (half-life 3.25 h)" in done.warnings


def test_a_name_that_is_not_of_the_chain_is_refused(tmp_path: Path) -> None:
    text = treated("{nuclide: Ac-225, activity: 8 MBq, progeny: [Bi-212]}")
    shown = CliRunner().invoke(app, ["check", str(write_small_case(tmp_path, text))])
    assert shown.exit_code != 0
    assert "Bi-212 is not a progeny of Ac-225" in str(shown.exception)


def test_the_transport_emits_what_the_chain_brings(tmp_path: Path) -> None:
    text = treated("{nuclide: Ac-225, activity: 8 MBq}", TEXT).replace("decays: 40000", "decays: 4000")
    done = Run(tmp_path, text)
    balance = done.json["visits"][0]["balance_mev_per_decay"]
    assert balance["emitted"] == pytest.approx(28.9, rel=0.01)
    assert balance["emitted"] == pytest.approx(balance["deposited"] + balance["escaped"], rel=1e-9)
    # alphas stay: Monte Carlo and local deposition differ by the electrons that leave
    assert float(done.row["dose_gy"]) == pytest.approx(float(done.row["dose_local_gy"]), rel=0.03)


def test_check_shows_the_energy_of_a_decay(tmp_path: Path) -> None:
    file = write_small_case(tmp_path, treated("{nuclide: Ac-225, activity: 8 MBq}"))
    shown = " ".join(CliRunner().invoke(app, ["check", str(file)]).output.split())
    assert "therapy with 8 MBq of Ac-225: half-life 240 h, 28.9 MeV per decay, 5.93 MeV without progeny" in shown
    data = json.loads(CliRunner().invoke(app, ["check", str(file), "--json"]).stdout)["therapy"]
    assert data["energy_mev_per_decay"] == pytest.approx(28.9, rel=0.01)
    assert data["progeny"]["Po-213"] == pytest.approx(0.982, abs=0.001)


def test_usual_activities_are_those_of_iodine_alone(tmp_path: Path, actinium: Run) -> None:
    names = [one["name"] for one in actinium.json["clinic"]["visits"][0]["eligibility"]["at"]]
    assert names == ["8 MBq"]
    assert "11.1 GBq" not in actinium.report
    both = LOCAL.replace("tracer:", "further_therapies: [{nuclide: Lu-177, activity: 7.4 GBq}]\ntracer:")
    done = Run(tmp_path, both)
    names = [one["name"] for one in done.json["clinic"]["visits"][0]["eligibility"]["at"]]
    assert names == ["7.4 GBq", "11.1 GBq"]
    (lutetium,) = done.json["further_therapies"]
    assert [one["name"] for one in lutetium["clinic"]["visits"][0]["eligibility"]["at"]] == ["7.4 GBq"]


def test_each_therapy_has_its_own_progeny(tmp_path: Path) -> None:
    more = "further_therapies: [{nuclide: Ac-225, activity: 8 MBq}, {nuclide: Pb-212, activity: 80 MBq, progeny: none}]"
    done = Run(tmp_path, treated("{nuclide: Lu-177, activity: 7.4 GBq}").replace("tracer:", f"{more}\ntracer:"))
    said = [" ".join(other["clinic"]["visits"][0]["warnings"]) for other in done.json["further_therapies"]]
    assert "Ac-225 was counted with progeny in equilibrium" in said[0]
    assert "Pb-212 was counted without progeny: 0.322 MeV per decay. Left out: Bi-212" in said[1]
    assert "progeny" not in done.warnings


def no_verdict(done: Run) -> None:
    """No surface of this run judges anything."""
    assert done.json["verdicts"] == []
    assert done.json["therapy"] is None
    record = done.json["clinic"]["visits"][0]
    assert record["eligibility"] == {}
    assert record["threshold_gy"] is None
    for key in ("verdict", "probability", "threshold_gy", "vthreshold_percent", "v20gy_percent"):
        assert done.row[key] == ""
        assert not done.lesion[key]
    for word in ("Eligib", "ligible", "11.1 GBq", "20 Gy", "threshold", "needed", "TSH", "iodine", "undetermined"):
        assert word not in done.report, word
    resolved = (done.folder / "case.resolved.yaml").read_text(encoding="utf-8")
    assert "threshold" not in resolved
    assert "eligibility" not in resolved


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("fdg"), treated("", FDG))


def test_a_tracer_without_a_therapy_gives_the_dose_of_the_scan(scan: Run) -> None:
    no_verdict(scan)
    assert scan.row["therapy_activity_gbq"] == "0.074"
    assert scan.mev_per_decay == pytest.approx(0.967 * 0.2498, rel=0.01)  # positrons of 18F
    mgy = float(scan.row["dose_gy"]) * 1e3
    assert f"Diagnostic tracer F-18, no therapy stated: dose of the scan, 74 MBq; highest hot cube with {mgy:.1f}" in (
        scan.report
    )
    assert " mGy" in scan.report
    assert "therapy" not in yaml.safe_load((scan.folder / "case.resolved.yaml").read_text(encoding="utf-8"))


def test_uptake_at_24_h_is_not_stated_of_a_tracer_that_is_gone_by_then(scan: Run, actinium: Run) -> None:
    assert scan.row["uptake_24h_percent"] == scan.row["suv_24h"] == ""
    assert float(actinium.row["uptake_24h_percent"]) > 0.0  # 124I


def test_the_terminal_shows_mgy_and_no_verdict(tmp_path: Path) -> None:
    file = write_small_case(tmp_path, treated("", FDG))
    shown = CliRunner().invoke(app, ["run", str(file), "--out", str(tmp_path / "run"), "-q"], env={"COLUMNS": "200"})
    assert "[mGy]" in shown.output and "[Gy]" not in shown.output
    assert "Diagnostic tracer F-18, no therapy stated: dose of the scan, 74 MBq" in shown.output
    for word in ("verdict", "20 Gy", "ligible", "11.1"):
        assert word not in shown.output
    checked = " ".join(CliRunner().invoke(app, ["check", str(file)]).output.split())
    assert "Diagnostic tracer F-18, no therapy stated: dose of the scan, no verdict" in checked


def test_a_diagnostic_nuclide_as_the_therapy_is_not_judged_either(tmp_path: Path, scan: Run) -> None:
    done = Run(tmp_path, treated("{nuclide: F-18, activity: 389 MBq}", FDG))
    no_verdict(done)
    assert float(done.row["dose_gy"]) == pytest.approx(float(scan.row["dose_gy"]) * 389.0 / 74.0)
    assert "F-18 is a nuclide for imaging" in done.warnings
    assert "389 MBq" in done.report


def test_the_resolved_case_gives_the_same_numbers(scan: Run, actinium: Run, tmp_path: Path) -> None:
    for number, done in enumerate((scan, actinium)):
        out = tmp_path / str(number)
        again = CliRunner().invoke(app, ["run", str(done.folder / "case.resolved.yaml"), "--out", str(out), "-q"])
        assert again.exit_code == 0, again.output
        assert (out / "lesions.csv").read_text(encoding="utf-8") == (done.folder / "lesions.csv").read_text(
            encoding="utf-8"
        )


def test_each_visit_has_the_activity_that_its_scans_were_made_with(tmp_path: Path) -> None:
    case = yaml.safe_load(treated("", FDG))
    second = {**case["visits"][0], "name": "second", "activity": "148 MBq"}
    write_small_case(tmp_path)
    (tmp_path / "case.yaml").write_text(yaml.safe_dump({**case, "visits": [*case["visits"], second]}))
    shown = CliRunner().invoke(app, ["run", str(tmp_path / "case.yaml"), "--out", str(tmp_path / "run"), "--json"])
    assert shown.exit_code == 0, shown.output
    one, two = json.loads(shown.stdout)["lesions"]
    assert (one["therapy_activity_gbq"], two["therapy_activity_gbq"]) == (0.074, 0.148)
    # the same images: the same decays, of twice the activity
    assert two["dose_gy"] == pytest.approx(one["dose_gy"])
    assert two["ldpa_gy_per_gbq"] == pytest.approx(0.5 * one["ldpa_gy_per_gbq"])


def test_a_treatment_beside_the_scan_is_judged(tmp_path: Path) -> None:
    more = "further_therapies: [{nuclide: Lu-177, activity: 7.4 GBq}]"
    done = Run(tmp_path, treated("", FDG).replace("tracer:", f"{more}\ntracer:"))
    assert done.json["verdicts"] == []
    (lutetium,) = done.json["further_therapies"]
    assert len(lutetium["verdicts"]) == 1
    assert lutetium["therapy"] == "Lu-177"
    assert lutetium["clinic"]["visits"][0]["threshold_gy"] == 20.0


def test_the_thyroid_items_are_asked_of_radioiodine_only(tmp_path: Path) -> None:
    iodine = Run(tmp_path / "i", LOCAL)
    assert "rhTSH or withdrawal, TSH, low-iodine diet, iodine excretion" in iodine.report
    other = Run(
        tmp_path / "l",
        treated(
            "{nuclide: Lu-177, activity: 7.4 GBq}",
            LOCAL.replace("I-124", "Ga-68").replace("after: 24 h", "after: 1 h").replace("after: 96 h", "after: 3 h"),
        ),
    )
    assert "TSH" not in other.report
    assert "activity meter and its traceability" in other.report
