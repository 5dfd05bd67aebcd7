"""The report never mixes what is corrected for recovery with what is as imaged, and can be read on any screen."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from hevesy.cli.main import app
from hevesy.engine.grid import write_image
from hevesy.engine.text import number
from hevesy.tests.unit.small_case import GRID, HOT, TEXT, write_small_case
from typer.testing import CliRunner

NAMES = {"1": {"name": "cold slab"}, "2": {"name": "hot cube"}, "3": {"name": "Left kidney"}}


def run(folder: Path, **changes: object) -> Path:
    """A target of low dose before one of high dose in the file, and an organ; threshold 32 Gy."""
    file = write_small_case(folder)
    labels = np.zeros(GRID.shape, np.uint8)
    labels[3, 4:7, 4:7] = 1
    labels[HOT] = 2
    labels[HOT[0].start, HOT[1], HOT[2]] = 3
    write_image(folder / "lesions.nii.gz", GRID, labels)
    (folder / "lesions.json").write_text(json.dumps(NAMES))
    data = yaml.safe_load(TEXT) | {"threshold": "32 Gy"}
    organ = {"Left kidney": {"role": "organ", "limit": "300 Gy"}}
    data["visits"][0]["lesions"] = {"file": "lesions.nii.gz", "names": organ}
    file.write_text(yaml.safe_dump(data | changes))
    shown = CliRunner().invoke(app, ["run", str(file), "--method", "local", "--out", str(folder / "run"), "-q"])
    assert shown.exit_code == 0, shown.output
    return folder / "run"


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # a fine resolution, so that the cube of 12 mm has voxel doses of its own
    return run(tmp_path_factory.mktemp("corrected"), recovery={"fwhm": "4 mm", "fwhm_sigma": "0.4 mm"})


def page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def record(folder: Path, name: str) -> dict:
    lesions = json.loads((folder / "lesions.json").read_text())["lesions"]
    return next(one for one in lesions if one["lesion"] == name)


def text_of(markup: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", markup, flags=re.S))).strip()


def blocks(folder: Path, name: str) -> dict[str, dict[str, str]]:
    """Title of each block of a lesion's section to its facts, and to its note under an empty name."""
    sections = page(folder).split('<section class="inputs">')[0].split('<section class="lesion">')[1:]
    own = next(one for one in sections if name in text_of(re.search(r"<h2>.*?</h2>", one)[0]))
    found = {}
    for block in re.findall(r'<section class="block">(.*?)</section>', own, flags=re.S):
        facts = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", block)
        note = re.search(r'<p class="caption">(.*?)</p>', block, flags=re.S)
        found[text_of(re.search(r"<h3>.*?</h3>", block)[0])] = {
            "": text_of(note[1]) if note else "", **{text_of(k): text_of(v) for k, v in facts}
        }  # fmt: skip
    return found


def test_corrected_and_as_imaged_stand_in_two_blocks_with_the_factor_between_them(corrected: Path) -> None:
    cube, parts = record(corrected, "hot cube"), blocks(corrected, "hot cube")
    assert cube["recovery_dose_factor"] > 1.05 and cube["voxel_metrics"] == "shown"
    ours, image = parts["Corrected for recovery (what the verdict uses)"], parts["As imaged (not corrected)"]
    assert float(ours["Mean dose"].split()[0]) == pytest.approx(cube["dose_gy"], rel=0.03)
    assert float(ours["BED"].split()[0]) == pytest.approx(cube["bed_gy"], rel=5e-3)
    assert float(ours["EQD2"].split()[0]) == pytest.approx(cube["eqd2_gy"], rel=5e-3)
    assert float(ours["Dose per activity"].split()[0]) == pytest.approx(cube["ldpa_gy_per_gbq"], rel=5e-3)
    assert "Interval, k = 2" in ours and "P(D ≥ 32 Gy)" in ours
    assert image["Mean of the map"] == f"{number(cube['dose_map_gy'])} Gy"
    assert image["Minimum, maximum"] == f"{number(cube['min_gy'])}, {number(cube['max_gy'])} Gy"
    assert image["V32 Gy"] == f"{number(cube['vthreshold_percent'])} %"
    # the factor that a reader finds takes one mean to the other
    factor = float(re.search(r"as imaged × ([\d.]+)", image[""])[1])
    assert factor * cube["dose_map_gy"] == pytest.approx(cube["dose_gy"], rel=0.01)
    assert "may lie below the corrected mean" in image[""]
    for key in ("Minimum, maximum", "D98, D95, D90, D70", "V32 Gy", "Mean of the map"):
        assert key not in ours, key
    for key in ("Mean dose", "BED", "EQD2", "Interval, k = 2", "P(D ≥ 32 Gy)"):
        assert key not in image, key
    assert f"As imaged: corrected = as imaged × {number(factor)}." in text_of(page(corrected))


def test_without_recovery_there_is_one_block_named_so_with_the_sign_of_its_bound(tmp_path: Path) -> None:
    folder = run(tmp_path)
    for name in ("hot cube", "cold slab"):
        one, parts = record(folder, name), blocks(folder, name)
        assert list(parts) == ["As imaged (no correction for recovery)", "Lesion and activity"]
        facts = parts["As imaged (no correction for recovery)"]
        kinds = [kind for kind, why in one["bounds"].items() if why]
        if kinds:
            sign = {"lower": "≥", "upper": "≤", "unknown": "~"}[kinds[0]] if len(kinds) == 1 else "~"
            assert facts["Mean dose"][0] == sign
            assert "Interval, k = 2" not in facts and facts["P(D ≥ 32 Gy)"] == "–"
            reasons = dict.fromkeys(reason for kind in kinds for reason in one["bounds"][kind])
            assert facts["Not an estimate, because"] == "; ".join(reasons)
        else:
            assert facts["Mean dose"][0].isdigit() and "Interval, k = 2" in facts


def test_the_alternative_of_the_uptake_is_shown_with_its_integral(corrected: Path) -> None:
    cube = record(corrected, "hot cube")["kinetics"]
    shown = blocks(corrected, "hot cube")["Lesion and activity"]["Uptake before the first scan"]
    assert shown.startswith(f"{cube['uptake']}; with {cube['alternative_uptake']} ")
    assert f"{number(cube['alternative_tia_coefficient_h'])} h" in shown
    change = 100.0 * (cube["alternative_tia_coefficient_h"] / cube["tia_coefficient_h"] - 1.0)
    assert f"{change:+.1f} %" in shown and change > 0


def test_one_scan_shows_the_population(tmp_path: Path) -> None:
    case = yaml.safe_load(TEXT)
    case["visits"][0]["scans"].pop()
    folder = run(tmp_path, visits=case["visits"], kinetics={"model": "single-time-point"})
    facts = blocks(folder, "hot cube")["As imaged (no correction for recovery)"]
    shown = blocks(folder, "hot cube")["Lesion and activity"]["One scan: biological half-life of a population"]
    kinetics = record(folder, "hot cube")["kinetics"]
    assert shown.startswith(f"{number(kinetics['population_half_life_h'])} h, geometric standard deviation")
    assert facts["Mean dose"]


def test_rows_lead_with_what_decides_and_are_numbered_by_dose_as_the_sections_are(corrected: Path) -> None:
    text = page(corrected)
    tables = re.findall(r'<table class="lesions">(.*?)</table>', text, flags=re.S)
    heads = [
        [text_of(cell) for cell in re.findall(r"<th scope=\"col\".*?</th>", table, flags=re.S)] for table in tables
    ]
    assert heads[0][:6] == ["#", "Lesion", "Mean dose Gy, ± u", "Interval k = 2", "P(D ≥ 32 Gy)", "Verdict"]
    assert heads[0][-1] == "V32 Gy %, map" and heads[1][4:6] == ["Limit Gy", "Role"]
    rows = [re.findall(r"<td[^>]*>(\d)</td><th[^>]*>(.*?)</th>", table) for table in tables]
    names = [[(place, text_of(name.split("<sup>")[0])) for place, name in table] for table in rows]
    assert names == [[("1", "hot cube"), ("2", "cold slab")], [("3", "Left kidney")]]
    sections = re.findall(r'<h2><span class="num">(\d)</span> (.*?)</h2>', text)
    assert [(place, text_of(name)) for place, name in sections] == [*names[0], *names[1]]
    assert "V20" not in text_of(text)


def test_the_first_box_holds_the_sentence_of_the_judge_and_the_critical_notes_alone(corrected: Path) -> None:
    box, rest = re.search(r'<section class="verdict.*?</section>', page(corrected), flags=re.S)[0], page(corrected)
    verdict = json.loads((corrected / "lesions.json").read_text())["verdicts"][0]
    visit = json.loads((corrected / "patient.json").read_text())["visits"][0]
    assert verdict["sentence"] in text_of(box) and verdict["headline"] in text_of(box)
    cautions = text_of(re.search(r'aria-label="Cautions">.*?</section>', rest, flags=re.S)[0])
    for text in visit["warnings"]:
        assert (text in text_of(box), text in cautions) == (text in visit["critical"], text not in visit["critical"])
    assumed = text_of(re.search(r'<ol class="assumptions">.*?</ol>', rest, flags=re.S)[0])
    assert not [text for text in visit["warnings"] if text in assumed]


def test_a_ghost_of_the_histogram_is_drawn_where_a_lesion_is_corrected(corrected: Path, tmp_path: Path) -> None:
    assert "as imaged × recovery factor" in page(corrected)
    assert "as imaged × recovery factor" not in page(run(tmp_path))


def test_the_page_states_its_colours_and_its_probabilities_plainly(corrected: Path) -> None:
    text = page(corrected)
    assert '<meta name="color-scheme" content="only light">' in text and "color-scheme: only light" in text
    assert not re.search(r"P = [<>]|= &gt;|\b[01] of 1 lesions", text_of(text))
    assert "α/β = 10 Gy for every structure" in text_of(text)
