"""The report: one self-contained file that says what the records say, and hides nothing."""

from __future__ import annotations

import base64
import html.parser
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hevesy.engine.case.model import Case
from hevesy.engine.constants import QUANTA_PER_MEV
from hevesy.engine.dose.map import DoseMap
from hevesy.engine.export.folder import rewrite_report
from hevesy.engine.export.report_input import report_input
from hevesy.engine.export.tables import write_lesions_json
from hevesy.engine.grid import Grid
from hevesy.engine.lesions.metrics import DoseContext, DoseMaps, LesionParts, MeanDoseErrors, summarise
from hevesy.engine.report import ReportInput, content, plots, render_report, slices
from hevesy.engine.results.provenance import Provenance
from hevesy.engine.results.result import Result
from hevesy.engine.statistics import few_batches_warning, zero_limbs
from hevesy.engine.transport.tally import Tally

SHAPE = (20, 24, 28)
GRID = Grid(SHAPE, (4.0, 4.0, 4.0), (-100.0, 20.0, -50.0))
CASE = {
    "patient": "P <01>", "threshold": "20.0 Gy", "therapy": {"nuclide": "I-131", "activity": "7400.0 MBq"},
    "tracer": {"nuclide": "I-124", "activity": "74.0 MBq"}, "recovery": {"fwhm": "6.0 mm"},
    "uncertainty": {"calibration": "0.05 fraction"}, "transport": {"electron_cutoff": "0.01 MeV"},
    "visits": [{
        "name": "baseline", "lesions": "in/lesions.nii.gz",
        "scans": [{"pet": "/data/Doe_Jane/pet_24h.nii.gz", "ct": "in/ct.nii.gz", "after": "24.0 h"}],
    }],
}  # fmt: skip
KINETICS = {
    "model": "two-point", "therapy": "I-131", "times_h": [24.0, 96.0], "retention_percent": [0.16, 0.09],
    "curve_times_h": [0.0, 24.0, 96.0, 240.0], "curve_activity_percent": [0.0, 0.147, 0.064, 0.012],
    "tia_coefficient_h": 0.145, "effective_half_life_h": 61.0, "extrapolated_fraction": 0.39,
}  # fmt: skip
BUDGET = {"contributions": [{"name": "volume", "relative": 0.2, "kind": "random"},
                            {"name": "calibration", "relative": 0.05, "kind": "systematic"}],
          "interval_k1_gy": [24.0, 36.0], "interval_k2_gy": [19.0, 45.0]}  # fmt: skip


class Mask:
    def __init__(self, name: str, centre: tuple[int, int, int], radius: float):
        z, y, x = np.indices(SHAPE)
        distance = np.sqrt((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
        self.name, self.fraction = name, np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32)


MASKS = [Mask("node $1 <b>", (10, 8, 9), 2.6), Mask("lung 2", (6, 15, 20), 1.4)]


def make(complete: bool = True, n_batches: int = 25, missing: int = 0, **changes) -> Result:
    dose = np.full(SHAPE, 0.3)
    for mask, level in zip(MASKS, (30.0, 6.0), strict=True):
        dose = dose + level * mask.fraction
    q = 10 * QUANTA_PER_MEV
    tally = Tally(
        np.full(SHAPE, q),
        zero_limbs(SHAPE),
        np.full((n_batches, 2), q),
        np.arange(n_batches),
        1000,
        {"emitted": 3 * q, "deposited": 2 * q - missing, "escaped": q},
        {"loop_caps": 0},
        ("node", "nodule"),
    )
    result = Result(
        "case",
        GRID,
        np.ones(SHAPE, np.float32),
        {"mc": DoseMap("mc", dose, dose * 0.01, "Gy", 1e12)},
        tally,
        lesion_masks=np.stack([np.rint(m.fraction * 255).astype(np.uint8) for m in MASKS]),
        lesion_names=tuple(m.name for m in MASKS),
        ct_hu=np.full(SHAPE, 40, np.int16),
        complete=complete,
        stopped="" if complete else "interrupt",
        assumptions=("CT & PET taken as aligned",),
        provenance=Provenance(
            version="9.9.9",
            commit="abc123",
            input_hash="f" * 64,
            table_hashes={"physics.h5": "e" * 64},
            seed=11,
            backend="cpu",
            device="2 cores",
        ),
    )
    result.lesions = [
        summarise(
            DoseMaps(dose, result.density_g_cm3, GRID, dose * 0.97),
            mask,
            DoseContext("P <01>", "baseline", therapy_activity_gbq=7.4, resolution_mm=6.0, threshold_gy=20.0),
            errors=MeanDoseErrors(0.05, 0.2),
            parts=LesionParts(KINETICS, uncertainty=BUDGET, flags=(f"corrected (x {1.2 + i:.1f})",)),
        )
        for i, mask in enumerate(MASKS)
    ]
    return replace(result, **changes)


def render(result: Result, lesions=None) -> str:
    """The report of a result and its lesions, with the case above."""
    case = Case.from_dict(CASE, check_files=False)
    result = replace(result, case_yaml=case.to_yaml(names_only=True))
    return render_report(report_input(result, result.lesions if lesions is None else lesions, {}, case=case))


class Page(html.parser.HTMLParser):
    """Visible text, every attribute that loads something, and whether tags nest."""

    VOID = {"meta", "img", "br", "link", "input", "hr"}

    def __init__(self, text: str):
        super().__init__()
        self.text, self.loads, self.open, self.tags = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.loads += [v for k, v in attributes if k in ("src", "href", "xlink:href", "data", "poster")]

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style",):
            self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


@pytest.fixture(scope="module")
def report() -> str:
    return render(make())


@pytest.fixture(scope="module")
def page(report) -> Page:
    return Page(report)


def test_one_file_that_loads_nothing(report, page):
    assert not page.open, "every tag is closed"
    assert all(v.startswith(("data:image/png;base64,", "#")) for v in page.loads)
    assert "script" not in page.tags and "link" not in page.tags and "iframe" not in page.tags
    assert not re.search(r"@import|url\((?!#)", report)
    for image in (v for v in page.loads if v.startswith("data:")):
        assert base64.b64decode(image.split(",")[1])[:8] == b"\x89PNG\r\n\x1a\n"
    assert page.tags.count("img") == 1 + len(MASKS), "overview, and the planes of each lesion"
    assert page.tags.count("svg") == 2 + 2 * len(MASKS), "means and histograms; kinetics and budget of each"


def test_every_picture_says_what_it_shows(report):
    for tag in re.findall(r"<img[^>]*>", report):
        assert re.search(r'alt="[^"]{15,}"', tag)
    assert len(re.findall(r'role="img" aria-label="[^"]{15,}"', report)) == 2 + 2 * len(MASKS)


def test_what_the_records_say_is_there(page):
    result = make()
    first, second = result.lesions
    for text in (
        "P <01>",
        "baseline",
        "7.4 GBq I-131",
        "Eligible",
        "that at least one lesion reaches 20 Gy at 7.4 GBq",
        "node $1 <b>",
        f"{first.ldpa_gy_per_gbq:.2f}",
        f"{first.d95_gy:.1f}",
        "−3.0 %",
        f"{first.interval_low_gy:.1f} to {first.interval_high_gy:.1f} Gy",
        "two-point",
        "61.0 h",
        "39 %",
        "CT & PET taken as aligned",
        "9.9.9, commit abc123",
        "f" * 64,
        "e" * 64,
        "cpu (2 cores)",
        "emitted = deposited + escaped, exactly",
        "25 000 in 25 batches of 1 000",
        "pet_24h.nii.gz",
        "calibration 5 %",
        "10 keV",
        "Retention, decay-corrected",
    ):
        assert text in page.words, text
    assert second.voxel_metrics == "mean only" and "mm FWHM): mean dose only" in page.words


def test_folders_of_the_input_are_not_told_outside_the_case_text(report):
    before_case = report[: report.index("Resolved case")]
    assert "Doe_Jane" not in before_case


def test_names_are_escaped(report):
    assert "<b>" not in report and "&lt;b&gt;" in report


def test_remarks_that_differ_in_a_number_share_a_footnote():
    lesions = make().lesions
    notes, marks = content.remarks(lesions)
    assert notes[0] == "corrected"
    assert marks["node $1 <b>"] == {1: "(x 1.2)"} and marks["lung 2"][1] == "(x 2.2)"
    assert content.footnotes(marks["node $1 <b>"]) == "Footnote of the table: 1 (x 1.2)"
    assert content.footnotes(marks["lung 2"]) == "Footnotes of the table: 1 (x 2.2), 2"
    assert content.footnotes({}) == ""
    alone, own = content.remarks(lesions[:1])
    assert alone == ["corrected (x 1.2)"] and own == {"node $1 <b>": {1: ""}}


def test_an_incomplete_run_is_told_on_top():
    page = Page(render(make(complete=False)))
    assert "Incomplete run. It ended before its goal (interrupt)" in page.words
    assert page.words.index("Incomplete run") < page.words.index("Eligible")


def test_warnings_of_statistics_and_balance_are_told():
    few = make(n_batches=5, warnings=("a warning of the run", *few_batches_warning(5)))
    page = Page(render(few))
    assert page.words.count("5 batches were run") == 1 and "a warning of the run" in page.words
    page = Page(render(make(missing=3)))
    assert "this result must not be used" in page.words and "3 quanta" in page.words


@pytest.mark.parametrize(
    "dose, sigma, tone, words",
    [
        (30, 3, "yes", "Eligible"),
        (21, 3, "near", "Eligible, borderline"),
        (19, 3, "near", "Not eligible, borderline"),
        (5, 1, "no", "Not eligible"),
    ],
)
def test_the_banner_never_hides_doubt(dose, sigma, tone, words):
    result = make()
    verdict = "eligible" if dose >= 20 else "below"
    spread = math.exp(2 * sigma / dose)
    ends = {"interval_low_gy": dose / spread, "interval_high_gy": dose * spread}
    one = replace(result.lesions[0], dose_gy=dose, dose_uncertainty_gy=sigma, verdict=verdict, uncertainty={}, **ends)
    text = render(result, [one])
    assert f'class="verdict {tone}"' in text and f'<p class="headline">{words}</p>' in text


def test_rebuilt_from_the_files_of_a_run_alone(tmp_path):
    # the integers of make() are not those of its dose, which no reader lets pass
    result = replace(make(), tally=None, case_yaml=Case.from_dict(CASE, check_files=False).to_yaml(names_only=True))
    result.save(tmp_path / "result.h5")
    write_lesions_json(result.lesions, tmp_path / "lesions.json")
    (path,) = rewrite_report(tmp_path)
    first = path.read_text(encoding="utf-8")
    assert "7.4 GBq I-131" in first and Page(first).tags.count("img") == 3
    rewrite_report(tmp_path)
    assert path.read_text(encoding="utf-8") == first, "the same bytes"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lesions.json", "report.html", "result.h5"]


def test_a_case_of_another_version_is_shown_as_it_stands(tmp_path, caplog):
    result = replace(make(), tally=None, case_yaml="patient: P1\ndose_limit: 20 Gy\n")
    result.save(tmp_path / "result.h5")
    write_lesions_json(result.lesions, tmp_path / "lesions.json")
    (path,) = rewrite_report(tmp_path)
    page = Page(path.read_text(encoding="utf-8"))
    assert "The resolved case is of another version" in page.words and "dose_limit: 20 Gy" in page.words
    assert "unknown key 'dose_limit'" in caplog.text


def test_inputs_are_given_in_the_units_of_a_reader(page):
    for fact in (
        "Therapy activity 7.4 GBq", "Tracer activity 74 MBq", "Dose threshold 20 Gy", "Recovery correction 6 mm FWHM",
        "calibration 5 %, per scan 8 %, density 3 %", "Electron cut-off 10 keV", "Photon cut-off 1 keV",
        "Stop criterion lesions:1%", "24 h pet_24h.nii.gz",
    ):  # fmt: skip
        assert fact in page.words, fact


def test_points_of_the_curve_decay_with_the_half_life_that_is_given():
    """Retention without decay of the tracer; the nuclide that is drawn halves in 24 h, by hand."""
    lesion = make().lesions[0]
    curve = {**KINETICS, "curve_times_h": None, "retention_percent": [8.0, 8.0], "times_h": [24.0, 72.0]}
    figure = plots.kinetics(replace(lesion, kinetics=curve), {"I-131": 24.0})
    points = re.findall(r'<use [^>]*y="([\d.]+)" style="fill: #1c2430; stroke: #1c2430"/>', figure)
    ((top, height),) = re.findall(r'<rect [^>]*y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', figure)
    zero = float(top) + float(height)  # of the axis, in the pixels of the picture
    assert (zero - float(points[0])) / (zero - float(points[1])) == pytest.approx(4.0, rel=1e-3)


def test_less_input_gives_less_report_not_an_error():
    local = DoseMap("local", np.ones(SHAPE), None, "Gy")
    bare = Result("case", GRID, np.ones(SHAPE, np.float32), {"local": local})
    page = Page(render_report(ReportInput(bare)))
    assert "No verdict" in page.words and "The resolved case was not found" in page.words
    lesion = summarise(
        DoseMaps(np.ones(SHAPE), bare.density_g_cm3, GRID),
        MASKS[0],
        DoseContext("P", method="local", threshold_gy=20.0),
    )
    page = Page(render_report(report_input(bare, [lesion], {})))
    assert "over mass density" in page.words and "Not eligible" in page.words


def test_planes_go_through_the_lesion():
    result = make()
    for lesion, mask in zip(result.lesions, result.lesion_masks, strict=True):
        z, y, x = slices.centre_index(GRID, lesion, mask)
        assert mask[z, y, x] == 255
    shell = result.lesion_masks[0].copy()
    shell[10, 8, 9] = 0
    place = slices.centre_index(GRID, result.lesions[0], shell)
    assert shell[place] == 255, "moved out of the hollow"


def test_pictures_are_laid_out_in_patient_millimetres():
    """Axial: left is low x (the patient's right), top is low y (anterior); coronal: top is high z."""
    boxes = [slice(0, n) for n in SHAPE]
    left, right, bottom, top = slices.extent_mm(GRID, boxes, 1, 2)
    assert (left, right) == (-52.0, 60.0) and (bottom, top) == (114.0, 18.0)
    assert slices.extent_mm(GRID, boxes, 0, 2) == (-52.0, 60.0, -102.0, -22.0)
