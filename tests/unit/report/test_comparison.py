"""The page of a comparison: its numbers are those of the comparison, it needs nothing else, and hides nothing."""

from __future__ import annotations

import base64
import html.parser
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from hevesy.engine.compare.record import Bias, Comparison, MethodDose
from hevesy.engine.report import render_comparison, write_comparison
from matplotlib.image import imread

from . import comparison_factory as factory
from .comparison_factory import comparison, page

FOUR = ("mc", "local", "local+photons", "kernel")
HOSTILE = (
    "<script>alert(1)</script>",
    "a" * 120,
    "転移 $x^2$ é \N{ANATOMICAL HEART}",
    '\x1b[31m\u202e red & "quoted"',
    "{{ 7*7 }} {% x %}",
)


class Page(html.parser.HTMLParser):
    """The tables of a page as rows of texts, its words, and its tags with their attributes."""

    def __init__(self, text: str):
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.parts: list[str] = []
        self._silent, self._in_cell = 0, False
        self.feed(text)
        self.words = " ".join("".join(self.parts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._silent += tag == "style"
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._in_cell = True
        elif tag == "br":
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag == "style"
        if tag in ("td", "th"):
            self.tables[-1][-1][-1] = self.tables[-1][-1][-1].strip()
            self._in_cell = False
        if tag in ("td", "th", "p", "li", "h2", "h3", "dt", "dd"):
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        self.parts.append(data)
        if self._in_cell:
            self.tables[-1][-1][-1] += data

    def titled(self, *words: str) -> list[list[list[str]]]:
        """The bodies of the tables whose head has all these words."""
        return [
            [row for row in table if len(row) > 1 or row[0][:1].isdigit()]
            for table in self.tables
            if all(word in " ".join(table[0]) for word in words)
        ]


def numbers(text: str) -> list[tuple[float, float]]:
    """Every number of a cell with half a unit of its last digit."""
    out = []
    for match in re.finditer(r"(?<![\w.])[+−]?\d[\d ]*(?:\.(\d+))?(?:×10([⁻⁰-⁹¹²³]+))?", text):
        power = int((match[2] or "0").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
        value = float(match[0].split("×")[0].replace("−", "-").replace(" ", ""))
        out.append((value * 10.0**power, 0.5000001 * 10.0 ** (power - len(match[1] or ""))))
    return out


def same(text: str, *values: float) -> None:
    """A cell shows these numbers and no others, each within half a unit of its last digit."""
    shown = numbers(text)
    assert len(shown) == len(values), (text, values)
    for (value, half), truth in zip(shown, values, strict=True):
        assert abs(value - truth) <= half, (text, values)


def interval(bias: Bias | None) -> tuple[float, ...]:
    assert bias is not None and bias.percent is not None
    ends = () if bias.low_percent is None or bias.high_percent is None else (bias.low_percent, bias.high_percent)
    return (bias.percent, *ends)


def regions(given: Comparison, visit: str, role: str = "target"):
    """In the order of the page, worked out anew: by the dose of the reference, highest first."""
    own = [region for region in given.regions if region.visit == visit and region.role == role]
    return sorted(own, key=lambda region: -region.doses[given.reference].mean_gy)


@pytest.fixture(scope="module")
def two_visits() -> tuple[Comparison, Page]:
    given = comparison(5, FOUR, ("baseline", "week 6"))
    later = tuple(
        replace(region, doses={name: replace(dose, mean_gy=1.37 * dose.mean_gy) for name, dose in region.doses.items()})
        if region.visit == "week 6"
        else region
        for region in given.regions
    )
    given = replace(given, regions=later)
    return given, Page(render_comparison(page(given, maps=())))


def test_the_first_table_has_the_dose_and_every_bias(two_visits):
    given, shown = two_visits
    tables = shown.titled("Volume", "Mean dose")
    assert len(tables) == 2
    for visit, rows in zip(given.visits, tables, strict=True):
        for number, (row, region) in enumerate(zip(rows[1:], regions(given, visit), strict=True), 1):
            assert row[0] == str(number) and row[1] == region.name
            same(row[2], region.volume_ml)
            mean = region.doses["mc"]
            same(row[3].replace("±", "and"), mean.mean_gy, mean.mean_standard_error_gy)
            for cell, name in zip(row[4:], FOUR[1:], strict=True):
                same(cell, *interval(region.doses[name].bias))
                mark = {"use": "✓", "do not use": "✗", "undetermined": "?"}[region.doses[name].use]
                assert mark in cell
                assert ("changes side" in cell) == bool(region.doses[name].changes_side)


def test_the_full_table_has_every_quantity_and_the_sentence(two_visits):
    given, shown = two_visits
    tables = shown.titled("Lesion and method")
    for visit, rows in zip(given.visits, tables, strict=True):
        lines = iter(rows[1:])
        for region in regions(given, visit):
            (heading,) = next(lines)
            assert region.name in heading
            same(heading.split(region.name)[1], region.volume_ml, region.mass_g)
            for name in FOUR:
                dose = region.doses[name]
                label, mean, bias, d95, d50, v20, sentence = next(lines)
                assert label.endswith(factory.LABELS[name])
                error = () if dose.mean_standard_error_gy is None else (dose.mean_standard_error_gy,)
                same(mean.replace("±", "and"), dose.mean_gy, *error)
                if name == "mc":
                    assert bias == "reference" and not sentence.strip()
                    same(d95, dose.d95_gy), same(d50, dose.d50_gy), same(v20, dose.v20gy_percent)
                    continue
                same(bias, *interval(dose.bias))
                same(d95, dose.d95_gy, *interval(dose.d95_bias))
                same(d50, dose.d50_gy, *interval(dose.d50_bias))
                same(v20, dose.v20gy_percent, dose.v20gy_difference_percent)
                assert sentence.strip().endswith(dose.sentence)
        assert next(lines, None) is None


def test_the_activities_at_the_threshold_are_those_of_the_comparison(two_visits):
    given, shown = two_visits
    for visit, rows in zip(given.visits, shown.titled("reached at"), strict=True):
        for row, region in zip(rows[1:], regions(given, visit), strict=True):
            for cell, name in zip(row[2:], FOUR, strict=True):
                dose = region.doses[name]
                same(cell, dose.activity_at_threshold_gbq, *(dose.changes_side_between_gbq or ()))


def test_organs_and_the_body_are_shown_without_the_rule(two_visits):
    given, shown = two_visits
    for visit, rows in zip(given.visits, shown.titled("Region and method"), strict=True):
        organ, body = regions(given, visit, "organ") + regions(given, visit, "body")
        headings = [row[0] for row in rows if len(row) == 1]
        assert "Left kidney" in headings[0] and "organ" in headings[0] and "body" in headings[1]
        for row, (region, name) in zip(
            [row for row in rows[1:] if len(row) > 1], [(r, n) for r in (organ, body) for n in FOUR], strict=True
        ):
            dose = region.doses[name]
            same(row[1].replace("±", "and").split(" and")[0], dose.mean_gy)
            assert row[3:] == ["–", "–", "–"]


def test_gamma_indices_stand_beside_their_control(two_visits):
    given, shown = two_visits
    for visit, rows in zip(given.visits, shown.titled("Global normalisation"), strict=True):
        lines = iter(rows[2:])
        for name in FOUR[1:]:
            rates = [rate for rate in given.methods[name].gamma if rate.visit == visit]
            for place, (of_all, of_voxel) in enumerate(zip(rates[::2], rates[1::2], strict=True)):
                row = next(lines)
                if place == 0:
                    assert row.pop(0).endswith(factory.LABELS[name])
                assert row[0] == f"{of_all.dose_percent:g} % / {of_all.distance_mm:g} mm"
                for cells, rate in ((row[1:5], of_all), (row[5:9], of_voxel)):
                    own = (rate.pass_percent, rate.noise_pass_percent, rate.corrected_pass_percent, rate.voxels)
                    for cell, value in zip(cells, own, strict=True):
                        same(cell, value)
    assert "Voxels below 10 % of the highest dose are left out" in shown.words


def test_time_decays_and_figure_of_merit(two_visits):
    given, shown = two_visits
    (rows,) = shown.titled("Dose from")
    merits = [region.doses["mc"].figure_of_merit_per_s for region in given.regions if region.role == "target"]
    assert [row[1] for row in rows[1:]] == list(FOUR)
    same(rows[1][3], 171.5), same(rows[1][5], 420_000_000)
    same(rows[1][6], np.median(merits), min(merits), max(merits))
    assert rows[2][2] == "the run" and rows[4][2] == "this comparison" and rows[2][5:] == ["–", "–"]
    same(rows[2][3], 0.21), same(rows[2][4], 171.5 / 0.21)
    (each,) = shown.titled("Visit", "mc 1/s")
    for row, region in zip(each[1:], [r for v in given.visits for r in regions(given, v)], strict=True):
        same(row[3], region.doses["mc"].figure_of_merit_per_s)


def test_how_to_repeat_it_is_on_the_page(two_visits):
    given, shown = two_visits
    for text in ("hevesy compare results --methods mc,local,local+photons,kernel", "commit abc123", "commit def456",
                 "Seed (week 6) 11", "cpu (2 cores)", "f" * 64, "What kernel leaves out.", given.rule, *given.warnings,
                 "week 6/ratio_kernel.nii.gz"):  # fmt: skip
        assert text in shown.words


def test_headlines_count_what_the_rule_says(two_visits):
    given, shown = two_visits
    lesions = [region for region in given.regions if region.role == "target"]
    for name in FOUR[1:]:
        count = sum(region.doses[name].use == "use" for region in lesions)
        label = factory.LABELS[name][0].upper() + factory.LABELS[name][1:]
        assert f"{label} May be used in {count} of 10 lesions" in shown.words


def test_lesions_that_a_map_does_not_cover_count_as_such():
    """A method that is good in all it covers may be used in so many of all lesions, and those not covered are named."""
    given = comparison(4, ("mc", "local"))
    first, *others = given.regions
    bare = replace(first, doses={**first.doses, "local": MethodDose(None, covered_percent=49.6)})
    whole = page(given, curves=(), maps=())
    shown = Page(render_comparison(replace(whole, record=replace(given, regions=(bare, *others)).to_dict())))
    yes = sum(region.doses["local"].use == "use" for region in others if region.role == "target")
    assert f"May be used in {yes} of 4 lesions" in shown.words
    assert f"Not covered (1): {first.name}" in shown.words


def test_lesions_that_change_side_are_named_with_both_doses():
    given = comparison(13, ("mc", "local+photons"))
    changed = [region for region in given.regions if region.doses["local+photons"].changes_side]
    assert len(changed) == 1
    low, high = changed[0].doses["mc"].mean_gy, changed[0].doses["local+photons"].mean_gy
    assert low < 20.0 < high
    text = Page(render_comparison(page(given, maps=(), curves=()))).words
    assert f"Change side of 20 Gy at 7.4 GBq (1): {changed[0].name} ({low:.1f} → {high:.1f} Gy)." in text
    assert "Side not settled" not in text
    open_side = replace(changed[0].doses["local+photons"], changes_side=None, use="undetermined")
    doses = {**changed[0].doses, "local+photons": open_side}
    unsettled = tuple(replace(r, doses=doses) if r is changed[0] else r for r in given.regions)
    text = Page(render_comparison(page(replace(given, regions=unsettled), maps=(), curves=()))).words
    assert "Change side of 20 Gy at 7.4 GBq: no lesion. " in text
    assert f"Side not settled (1): {changed[0].name}." in text


def test_the_figure_of_biases_shows_the_numbers():
    """Markers in the SVG, measured by the band of the tolerance, are at the biases of the comparison."""
    given = comparison(6)
    text = render_comparison(page(given, maps=(), curves=()))
    figure = text[text.index("<svg") : text.index("</svg>")]
    (low, _, high) = re.search(
        r'd="M ([\d.]+) ([\d.]+) [^"]*?L ([\d.]+)[^"]*" [^>]*fill: #dfe8f1', figure, re.S
    ).groups()
    corners = [float(x) for x in re.findall(r"[ML] ([\d.]+) ", re.findall(r'd="([^"]*)"[^>]*fill: #dfe8f1', figure)[0])]
    zero, scale = 0.5 * (min(corners) + max(corners)), (max(corners) - min(corners)) / 10.0
    for colour, name in (("0072b2", "local"), ("d55e00", "kernel")):
        places = re.findall(rf'<use [^>]*x="([\d.]+)"[^>]*fill: #{colour}', figure)
        biases = [region.doses[name].bias.percent for region in regions(given, "baseline")]
        shown = [(float(x) - zero) / scale for x in places]
        assert shown[: len(biases)] == pytest.approx(biases, abs=0.01)


def test_the_page_needs_nothing_but_itself(tmp_path):
    path = write_comparison(page(comparison(1)), tmp_path / "compare.html")
    text = path.read_text(encoding="utf-8")
    shown = Page(text)
    assert not [tag for tag, _ in shown.tags if tag in ("script", "link", "iframe", "object", "base")]
    for _, attributes in shown.tags:
        for key in ("src", "href", "xlink:href", "data", "action", "srcset"):
            value = attributes.get(key)
            assert value is None or value.startswith(("data:image/png;base64,", "#"))
    assert "@import" not in text and not re.search(r"url\((?!#)", text)
    assert text == render_comparison(page(comparison(1))), "equal inputs give equal bytes"


def test_pictures_and_tables_can_be_read_aloud():
    shown = Page(render_comparison(page(comparison(3))))
    images = [attributes for tag, attributes in shown.tags if tag == "img"]
    assert len(images) == 3 and all(len(image["alt"] or "") > 20 for image in images)
    figures = [attributes for tag, attributes in shown.tags if tag == "figure"]
    labelled = [figure for figure in figures if figure.get("role") == "img" and figure.get("aria-label")]
    assert len(labelled) == len(figures) - len(images)
    assert all(attributes.get("scope") for tag, attributes in shown.tags if tag == "th")


def test_hostile_names_stay_text():
    with pytest.warns(UserWarning, match="Glyph"):  # the browser's fonts have them
        text = render_comparison(page(replace(comparison(5, names=HOSTILE), patient="<img src=x onerror=a>")))
    shown = Page(text)
    assert not [tag for tag, attributes in shown.tags if tag == "script" or "onerror" in attributes]
    assert "\u202e" not in text and "\x1b" not in text
    for name in (HOSTILE[0], HOSTILE[1], HOSTILE[2], HOSTILE[4], 'red & "quoted"', "<img src=x onerror=a>"):
        assert name in shown.words
    assert "a" * 40 not in "".join(re.findall(r"<text[^>]*>([^<]*)", text)), "long names leave figures their room"


def test_what_is_missing_is_a_dash():
    bare = MethodDose(12.3)
    lost = MethodDose(float("nan"), bias=Bias(None))
    given = comparison(2, intervals=False)
    doses = {"mc": bare, "local": lost}  # and no kernel at all
    given = replace(given, regions=(replace(given.regions[0], doses=doses), *given.regions[1:]), threshold_gy=20.0)
    source = factory.page(given, maps=(), curves=(), provenance={}, decays={}, command="", version="", commit="")
    text = Page(render_comparison(source)).words
    assert not re.search(r"\b(nan|None|inf|null)\b", text, re.I)
    (rows,) = Page(render_comparison(source)).titled("Volume", "Mean dose")
    row = next(row for row in rows if row[3] == "12.3")
    assert row[4:] == ["–", "–"]
    assert "hevesy of unknown version" in text and "Decays simulated" not in text
    plain = Page(render_comparison(page(comparison(2, intervals=False), maps=(), curves=())))
    (rows,) = plain.titled("Volume", "Mean dose")
    assert [len(numbers(cell)) for cell in rows[1][4:]] == [1, 1], "no interval is made up"


def test_a_dose_without_a_threshold_has_no_sides():
    given = comparison(3, judged=False)
    shown = Page(render_comparison(page(given, maps=())))
    text = shown.words.replace(given.rule, "")
    assert not shown.titled("reached at") and "20 Gy" not in text and "side of" not in text
    assert "Threshold" not in text and "May be used in" in text


def changed(given: Comparison, method: str, lesion: str, **values: object) -> dict[str, object]:
    """The record of a comparison with other values for a region by a method, or of the region itself."""
    record = given.to_dict()
    rows = record[method]["lesions"] if method else record["lesions"]
    for row in rows:
        if row["lesion"] == lesion:
            row |= values
    return record


def test_values_corrected_for_noise_are_marked():
    given = comparison(2)
    values = {"d95_noise_corrected_gy": 41.25, "d50_noise_corrected_gy": 51.5, "v20gy_noise_corrected_percent": 87.5}
    record = changed(given, "mc", "lesion B", **values)
    shown = Page(render_comparison(page(given, record=record, maps=(), curves=())))
    (rows,) = shown.titled("Lesion and method")
    place = next(i for i, row in enumerate(rows) if "lesion B" in row[0])
    assert rows[place + 1][3:6] == ["41.2 †", "51.5 †", "87.5 †"]
    assert "†: corrected for Monte Carlo noise" in shown.words
    assert "†" not in " ".join(rows[2])


def test_lesions_without_a_histogram_are_explained():
    given = comparison(2)
    all_curves = factory.curves(given)
    some = [curve for curve in all_curves if curve.region != "lesion B"]
    words = [Page(render_comparison(page(given, maps=(), curves=own))).words for own in (all_curves, some)]
    assert ["does not resolve has no histogram" in text for text in words] == [False, True]


def test_a_method_that_never_reaches_the_threshold_has_no_upper_end():
    given = comparison(2)
    record = changed(given, "local", "lesion A", activity_at_threshold_gbq=None, changes_side_between_gbq=[2.5, None])
    (rows,) = Page(render_comparison(page(given, record=record, maps=(), curves=()))).titled("reached at")
    assert rows[1][3] == "– above 2.500"


def test_a_limit_of_an_organ_is_not_the_threshold_of_lesions():
    given = comparison(2, judged=False)
    sentence = "Local deposition is on the same side of the limit."
    record = changed(given, "local", "Left kidney", above=False, changes_side=False, sentence=sentence)
    next(row for row in record["lesions"] if row["role"] == "organ")["threshold_gy"] = 23.0
    shown = Page(render_comparison(page(given, record=record, maps=(), curves=())))
    assert "organ, limit 23.0 Gy" in shown.words and sentence in shown.words
    assert not shown.titled("reached at") and "Change side of" not in shown.words


def test_a_comparison_of_nothing_says_so():
    text = Page(render_comparison(page(comparison(0)))).words
    assert "There is no lesion in this run." in text and "No lesion to judge by the rule" in text
    alone = Page(render_comparison(page(comparison(2, ("mc",))))).words
    assert "There is no other method to compare" in alone and "Where they differ" not in alone


def test_many_lesions_are_folded_and_the_file_stays_small(tmp_path):
    few = Page(render_comparison(page(comparison(8), maps=())))
    assert [attributes for tag, attributes in few.tags if tag == "details" and "open" in attributes]
    path = write_comparison(page(comparison(20, tuple(factory.LABELS))), tmp_path / "compare.html")
    many = Page(path.read_text(encoding="utf-8"))
    assert not [attributes for tag, attributes in many.tags if tag == "details" and "open" in attributes]
    assert path.stat().st_size < 5e6
    (rows,) = many.titled("Volume", "Mean dose")
    assert len(rows) == 21


def pixels(text: str) -> list[np.ndarray]:
    """The pictures of a page, RGB from 0 to 1."""
    sources = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    return [np.asarray(imread(io.BytesIO(base64.b64decode(source))))[..., :3] for source in sources]


@pytest.mark.parametrize(("factor", "red"), [(1.2, True), (0.8, False)])
def test_a_method_above_the_reference_is_red_and_below_blue(factor, red):
    given = comparison(1, ("mc", "local"))
    (images,) = factory.maps(given)
    doses = {"mc": images.doses["mc"], "local": factor * images.doses["mc"]}
    (picture,) = pixels(render_comparison(page(given, maps=[replace(images, doses=doses)], curves=())))
    third = picture.shape[1] // 3
    panel = picture[: int(0.75 * picture.shape[0]), third : 2 * third]
    reds = int((panel[..., 0] - panel[..., 2] > 0.3).sum())
    blues = int((panel[..., 2] - panel[..., 0] > 0.3).sum())
    assert (reds > 500 and blues == 0) if red else (blues > 500 and reds == 0)


def test_a_map_that_does_not_cover_a_lesion_is_grey_there():
    given = comparison(4, ("mc", "other"))
    covered, partly = (
        pixels(render_comparison(page(given, maps=factory.maps(given, uncovered=name), curves=())))
        for name in ("", "other")
    )
    grey = np.array([0xB9, 0xBF, 0xC7]) / 255
    counts = [
        sum(int((np.abs(p - grey).max(axis=-1) < 0.01).sum()) for p in pictures) for pictures in (covered, partly)
    ]
    assert counts[1] > counts[0] + 2000
