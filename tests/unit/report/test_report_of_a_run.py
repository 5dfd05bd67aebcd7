"""`hevesy run` and `hevesy report` write the same report, and it says everything once."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import hevesy
import numpy as np
import pytest
from hevesy.cli.main import app
from hevesy.engine.grid import write_image
from hevesy.tests.unit.small_case import BODY, GRID, HOT, TEXT, TRACER_MBQ, write_small_case
from typer.testing import CliRunner

#: Two visits with different CTs, samples, and another therapy: every section of the report is there.
SEVERAL = (
    TEXT.replace("tracer:", "further_therapies: [{nuclide: Lu-177, activity: 7.4 GBq}]\ntracer:")
    .replace("weight: 75 kg", "weight: 75 kg\nheight: 175 cm\nsex: male\nalignment: {model: none, visits: none}")
    .replace("{pet: pet_96.nii.gz, ct: ct.nii.gz", "{pet: pet_96.nii.gz, ct: ct_96.nii.gz")
    .replace("    lesions: lesions.nii.gz\n", "    lesions: lesions.nii.gz\n    retention: retention.csv\n")
)
SECOND = """\
  - name: week 6
    weight: 71 kg
    activity: 70 MBq
    administered: 2026-02-16 09:00
    scans:
      - {pet: pet_24.nii.gz, ct: ct.nii.gz, after: 24 h}
      - {pet: pet_96.nii.gz, ct: ct.nii.gz, after: 96 h}
    lesions: lesions.nii.gz
"""
SAMPLES = "time_h,whole_body_percent,blood_percent_per_l\n2,95,3.0\n24,40,1.0\n48,20,0.4\n96,5,0.1\n"


def hevesy_command(*words: object) -> str:
    shown = CliRunner().invoke(app, [str(word) for word in words])
    assert shown.exit_code == 0, shown.output
    return shown.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two visits and two therapies, most of it Monte Carlo of ten decays."""
    folder = tmp_path_factory.mktemp("several")
    file = write_small_case(folder, SEVERAL.replace("transport:", SECOND + "transport:"))
    hu = np.full(GRID.shape, -1000.0, np.float32)
    hu[BODY] = np.linspace(-300.0, 300.0, hu[BODY].size).reshape(hu[BODY].shape)  # the result file rounds
    write_image(folder / "ct.nii.gz", GRID, hu)
    hu[3, 4, 5] = 1000.0
    write_image(folder / "ct_96.nii.gz", GRID, hu)
    (folder / "retention.csv").write_text(SAMPLES)
    hevesy_command("run", file, "--decays", "10", "--out", folder / "run", "--quiet")
    return folder / "run"


def reports(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("report.html"))}


def text_of(page: bytes) -> str:
    """Visible text, white space as one blank."""
    body = re.sub(r"<style>.*?</style>|<svg.*?</svg>|<[^>]*>", " ", page.decode(), flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(body))


def test_report_from_the_files_is_that_of_the_run_to_the_byte(folder: Path) -> None:
    written = reports(folder)
    assert len(written) == 4
    first = text_of(written["baseline/report.html"])
    for section in (
        "Eligibility by activity", "Blood and maximum tolerable activity", "Uptake and biological effect",
        "Registration of the scans", "Changes since baseline", "Reporting checklist", "First CT magenta",
        "Weight 75 kg", "decays", "Event counters", "Resolved case",
    ):  # fmt: skip
        assert section in first, section
    second = text_of(written["week_6/report.html"])
    for own in ("Weight 71 kg", "Tracer activity 70 MBq", "Tracer administered 2026-02-16 09:00:00"):
        assert own in second, own
    assert "Tracer activity 74 MBq" in first
    for name in written:
        (folder / name).unlink()
    hevesy_command("report", folder)
    again = reports(folder)
    assert {name: again[name] == page for name, page in written.items()} == dict.fromkeys(written, True)


def test_every_warning_and_assumption_is_said_once(folder: Path) -> None:
    for name, page in reports(folder).items():
        result = hevesy.Result.load((folder / name).with_name("result.h5"))
        sentences = [*result.warnings, *result.assumptions]
        text = text_of(page)
        assert len(sentences) > 8
        assert {s: text.count(s) for s in sentences if text.count(re.sub(r"\s+", " ", s)) != 1} == {}, name


@pytest.mark.parametrize("lesions", [1, 3])
def test_every_remark_and_caption_of_the_lesions_is_said_once(tmp_path: Path, lesions: int) -> None:
    """One scan and recovery: remarks that lesions share, and one that differs in a number."""
    changed = TEXT.replace("      - {pet: pet_96.nii.gz, ct: ct.nii.gz, after: 96 h}\n", "").replace(
        "weight:", "kinetics: {model: single-time-point, population_half_life: 70 h}\nrecovery: {fwhm: 6 mm}\nweight:"
    )
    file = write_small_case(tmp_path, changed)
    labels = np.zeros(GRID.shape, np.uint8)
    labels[HOT] = 1
    if lesions > 1:
        labels[5, 6:9, 6:9], labels[7, 6:8, 6:9] = 2, 3
    write_image(tmp_path / "lesions.nii.gz", GRID, labels)
    named = {str(i): {"name": f"lesion {i}"} for i in range(1, lesions + 1)}
    (tmp_path / "lesions.json").write_text(json.dumps(named))
    hevesy_command("run", file, "--method", "local", "--out", tmp_path / "run", "--quiet")
    records = json.loads((tmp_path / "run" / "lesions.json").read_text())["lesions"]
    text = text_of((tmp_path / "run" / "report.html").read_bytes())
    flags = [flag for record in records for flag in record["flags"]]
    population = "one scan: biological half-life taken from a population"
    corrected = [flag for flag in flags if flag.startswith("mean dose corrected for recovery (x ")]
    assert [flags.count(population), len(corrected), len(set(corrected))] == [lesions] * 3
    once = {population}
    for same in {re.sub(r" \([^)]*\d[^)]*\)", "", flag) for flag in flags}:
        wordings = {flag for flag in flags if re.sub(r" \([^)]*\d[^)]*\)", "", flag) == same}
        # numbers that differ are with each lesion, the sentence is with none
        once |= wordings if len(wordings) == 1 else {same, *(re.search(r"\(.*\)", flag)[0] for flag in wordings)}
    once |= {
        "The map is not corrected for recovery; the mean dose is.", "White: boundary of the lesion.",
        "Shaded: extrapolated beyond the last scan.", "blue: common to all visits.",
    }  # fmt: skip
    assert {said: text.count(said) for said in once if text.count(said) != 1} == {}
    assert len(re.findall(r"Footnotes? of the table: 1\b", text)) == lesions


def test_few_batches_are_said_once(folder: Path) -> None:
    text = text_of(reports(folder)["baseline/report.html"])
    # without the name of the processor and the time, of which one may hold a 20 as well
    text, replaced = re.subn(r"Backend cpu \(.*?Time \S+ s\b", "Backend", text)
    assert replaced == 1
    assert text.count("standard errors need 20 batches") == 1
    assert len(re.findall(r"(?i)[^.]*\b(?:batch(?:es)?)\b[^.]*\b20\b|[^.]*\b20\b[^.]*\bbatch(?:es)?\b", text)) == 1


def test_what_contradicts_itself_is_a_warning_and_no_assumption(tmp_path: Path) -> None:
    """A tenth of the image's activity: less than a body would show, named by every command."""
    sentence = "of the administered activity left at the scan"
    file = write_small_case(tmp_path, TEXT.replace("74 MBq", f"{10 * TRACER_MBQ:g} MBq"))
    shown = hevesy_command("check", file)
    assert len(re.findall(f"critical: [^:]*: the image holds .*{sentence}", " ".join(shown.split()))) >= 1
    found = json.loads(hevesy_command("check", file, "--json"))["visits"][0]
    assert len([text for text in found["warnings"] if sentence in text]) == 2
    assert not [text for text in found["assumptions"] if sentence in text]
    hevesy_command("run", file, "--method", "local", "--out", tmp_path / "run", "--quiet")
    result = hevesy.Result.load(tmp_path / "run" / "result.h5")
    assert len([text for text in result.warnings if sentence in text]) == 2
    assert not [text for text in result.assumptions if sentence in text]
    text = text_of((tmp_path / "run" / "report.html").read_bytes())
    assert text.count(sentence) == 2  # one per scan
