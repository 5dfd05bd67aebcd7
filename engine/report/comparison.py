"""The page of a comparison of dose methods: one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..files import write_text
from . import comparison_content as content
from . import comparison_plots as plots
from .comparison_input import ComparisonPage
from .comparison_rows import Shown
from .comparison_slices import pictures
from .templates import markup, render

#: Lesions up to which every table and figure is open; beyond it the long ones are folded.
OPEN = 8


def write_comparison(page: ComparisonPage, path: str | Path) -> Path:
    """Write the page of a comparison.

    Parameters
    ----------
    page
        Everything it shows.
    path
        The HTML file, written whole or not at all.

    Returns
    -------
    Path
        `path`.
    """
    return write_text(Path(path), render_comparison(page))


def render_comparison(page: ComparisonPage) -> str:
    """The page as HTML text; equal inputs give equal bytes.

    Parameters
    ----------
    page
        Everything it shows.

    Returns
    -------
    str
        One page; figures and styles are in it.
    """
    shown = Shown.of(page.record)
    record = shown.record
    lesions = shown.lesions
    others = tuple(region for region in shown.regions if not region.is_lesion)
    return render(
        "comparison.html.j2",
        shown=shown,
        patient=record["patient"],
        dose_of=" ".join(text for text in (content.activity(record["activity_gbq"]), record["nuclide"]) if text),
        threshold=shown.threshold_gy,
        judged=shown.judged,
        rule=record["rule"],
        tolerance=record["tolerance_percent"],
        unit=shown.unit.name,
        headlines=content.headlines(shown),
        warnings=record.get("warnings") or [],
        visits=_visits(shown),
        folded=len(lesions) > OPEN,
        biases=[markup(svg) for svg in plots.bias_figures(shown)],
        histograms=[markup(svg) for svg in plots.histogram_figures(shown, lesions, page.curves)],
        other_histograms=[markup(svg) for svg in plots.histogram_figures(shown, others, page.curves)],
        unresolved=bool({(r.visit, r.name) for r in lesions} - {(c.visit, c.region) for c in page.curves}),
        bands=any(curve.low_percent is not None for curve in page.curves),
        pictures=[(shown.name_of(region), uri) for region, uri in pictures(shown, tuple(page.maps))],
        over="CT" if any(images.result.ct_hu is not None for images in page.maps) else "mass density",
        gamma=content.gamma_tables(shown),
        costs=content.cost_rows(shown, page),
        corrected=any(
            region.doses[name].get("d95_noise_corrected_gy") is not None for region in lesions for name in region.doses
        ),
        best=any(cell["best"] for region in shown.regions for cell in content.cells(shown, region)),
        foreign=any(method.facts.get("origin") == "file" for method in shown.methods),
        merits=any(region.doses[name].get("figure_of_merit_per_s") for region in lesions for name in region.doses),
        files=content.files(shown),
        provenance=content.provenance_facts(shown, page),
        command=page.command,
        version=page.version,
    )


def _visits(shown: Shown) -> list[dict[str, Any]]:
    """The tables of each visit: its lesions, and its other regions."""
    out = []
    for visit in shown.visits:
        regions = [region for region in shown.regions if region.visit == visit]
        out.append(
            {
                "name": visit,
                "lesions": content.rows(shown, [region for region in regions if region.is_lesion]),
                "others": content.rows(shown, [region for region in regions if not region.is_lesion]),
            }
        )
    return out
