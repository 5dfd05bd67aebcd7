"""The HTML report of one visit: one self-contained file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..files import write_text
from ..lesions.columns import BY_NAME
from ..lesions.record import TARGET
from . import clinic, content, plots, slices
from .figures import data_uri
from .input import ReportInput
from .lesion_blocks import factor_text, is_corrected, lesion_blocks
from .templates import markup, render
from .units import DoseUnit


def write_report(given: ReportInput, path: str | Path) -> Path:
    """Write the report of one visit.

    Parameters
    ----------
    given
        Everything it shows.
    path
        The HTML file, written whole or not at all.

    Returns
    -------
    Path
        `path`.
    """
    return write_text(Path(path), render_report(given))


def render_report(given: ReportInput) -> str:
    """The report as HTML text; equal inputs give equal bytes.

    Parameters
    ----------
    given
        Everything that the report shows.

    Returns
    -------
    str
        One page; figures and styles are in it.
    """
    given = replace(given, lesions=content.ordered(given.lesions))
    result, lesions = given.result, given.lesions
    rows = content.lesion_rows(lesions)
    notes, marks = content.remarks(lesions)
    return render(
        "report.html.j2",
        patient=given.patient,
        visit=given.visit,
        verdict=given.judgement.planned if given.judgement else None,
        tone=content.tone(given.judgement.planned) if given.judgement else "near",
        therapy=content.therapy(given),
        threshold=given.threshold_gy,
        method=given.method,
        method_name=given.label(given.method),
        rows=[row for row in rows if row["judged"]],
        others=[row for row in rows if not row["judged"]],
        roles=any(row["role"] != TARGET for row in rows),
        dose_of_scan=content.dose_of_scan(given),
        unit=DoseUnit.of(lesions).name,
        notes=notes,
        means=markup(plots.means(content.compared(lesions))) if lesions else "",
        histogram=markup(plots.histogram(lesions)) if lesions else "",
        overview=slices.overview(result, lesions, given.method) if given.method else "",
        over="CT" if result.ct_hu is not None else "mass density",
        columns=BY_NAME,
        noise_corrected=any(lesion.noise_corrected_dvh for lesion in lesions),
        recovery_corrected=any(is_corrected(lesion) for lesion in lesions),
        lesions=_lesion_sections(given, marks),
        case_facts=content.case_facts(given.case) if given.case else [],
        scans=content.scan_rows(given.case) if given.case else [],
        case_text=given.case_text,
        assumptions=result.assumptions,
        critical=content.critical(result),
        warnings=content.warnings(result),
        transport=content.transport_facts(given),
        counters=sorted(result.tally.counters.items()) if result.tally is not None else [],
        provenance=content.provenance_facts(result),
        version=result.provenance.version,
        complete=result.complete,
        clinic=_clinic(given),
        overlay=data_uri(given.alignment_png) if given.alignment_png else "",
        stopped=result.stopped,
    )


def _lesion_sections(given: ReportInput, marks: Mapping[str, Mapping[int, str]]) -> list[dict[str, Any]]:
    """What the section of each lesion shows; `marks` are the footnotes of each."""
    result, method = given.result, given.method
    masks = {} if result.lesion_masks is None else dict(zip(result.lesion_names, result.lesion_masks, strict=False))
    return [
        {
            "number": number,
            "record": lesion,
            "blocks": lesion_blocks(lesion),
            "factor": factor_text(lesion),
            "planes": slices.planes(result, lesion, masks.get(lesion.lesion), method) if method else "",
            "kinetics": markup(plots.kinetics(lesion, given.half_lives_h)),
            "budget": markup(plots.budget(lesion)),
            "footnotes": content.footnotes(marks[lesion.lesion]),
        }
        for number, lesion in enumerate(given.lesions, 1)
    ]


def _clinic(given: ReportInput) -> dict[str, Any]:
    """The clinical sections; the figure of the blood section is markup, everything else text."""
    sections = clinic.sections(given)
    if sections["blood"]:
        sections["blood"]["figure"] = markup(sections["blood"]["figure"])
    return sections
