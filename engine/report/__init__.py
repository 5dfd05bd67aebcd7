"""The HTML report: one self-contained file, made from what a run leaves and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import write_text
from ..lesions.columns import BY_NAME
from ..lesions.record import LesionDose
from ..lesions.verdict import verdicts
from ..results.result import Result
from . import clinic, content, plots, slices
from .content import read_case

__all__ = ["render_report", "write_report"]

FOLDER = Path(__file__).resolve().parent


def write_report(
    result: Result,
    lesions: Sequence[LesionDose],
    context: Mapping[str, Any] | None,
    path: str | Path,
    *,
    patient: Mapping[str, Any] | None = None,
    overlay: str = "",
) -> Path:
    """Write the report of one visit.

    Parameters
    ----------
    result
        Doses, images, tally and provenance of the visit.
    lesions
        Its lesion records; those of other visits are left out when the result names its own lesions.
    context
        The resolved case as a dictionary. None: ``case.resolved.yaml`` beside the report or one folder
        above, or else the one in the result.
    path
        The HTML file.
    patient
        The patient record (patient.json): blood, eligibility, alignment, follow-up, checklist.
    overlay
        Picture of the aligned CTs as a data URI.

    Returns
    -------
    Path
        `path`, written whole or not at all.
    """
    path = Path(path)
    case = _case(result, path) if context is None else context
    text = render_report(result, lesions, case, patient or {}, overlay)
    return write_text(path, text)


def render_report(
    result: Result,
    lesions: Sequence[LesionDose],
    case: Mapping[str, Any],
    patient: Mapping[str, Any] | None = None,
    overlay: str = "",
) -> str:
    """The report as HTML text; see `write_report`."""
    import jinja2
    import yaml
    from markupsafe import Markup  # jinja2's own

    lesions = list(lesions)
    method = lesions[0].method if lesions and lesions[0].method in result.doses else _first(result)
    notes, _ = content.remarks(lesions)
    masks = {} if result.lesion_masks is None else dict(zip(result.lesion_names, result.lesion_masks, strict=False))
    shown = []
    for i, lesion in enumerate(lesions, 1):
        shown.append(
            {
                "number": i,
                "record": lesion,
                "facts": content.lesion_facts(lesion),
                "planes": slices.planes(result, lesion, masks.get(lesion.lesion), method) if method else "",
                "kinetics": Markup(plots.kinetics(lesion)),
                "budget": Markup(plots.budget(lesion)),
                "flags": lesion.flags,
            }
        )
    found = verdicts(lesions) if lesions else []
    visit = lesions[0].visit if lesions else ""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("report.html.j2").render(
        style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
        patient=lesions[0].patient if lesions else str(case.get("patient", "")),
        visit=visit,
        verdicts=[(content.tone(v), content.headline(v), v) for v in found],
        therapy=_therapy(case, lesions),
        threshold=lesions[0].threshold_gy if lesions else None,
        method=method,
        method_name=content.METHOD_NAMES.get(method, method),
        rows=content.lesion_rows(lesions),
        notes=notes,
        means=Markup(plots.means(lesions)) if lesions else "",
        histogram=Markup(plots.histogram(lesions)) if lesions else "",
        overview=slices.overview(result, lesions, method) if method else "",
        over="CT" if result.ct_hu is not None else "mass density",
        columns=BY_NAME,
        noise_corrected=any(lesion.noise_corrected_dvh for lesion in lesions),
        corrected=any(lesion.recovery_dose_factor != 1.0 for lesion in lesions),
        lesions=shown,
        case_facts=content.case_facts(case),
        scans=content.scan_rows(case, visit),
        case_text=yaml.safe_dump(dict(case), sort_keys=False, allow_unicode=True) if case else "",
        assumptions=result.assumptions,
        warnings=content.warnings_of(result),
        transport=content.transport_facts(result),
        counters=sorted(result.tally.counters.items()) if result.tally is not None else [],
        provenance=content.provenance_facts(result),
        version=result.provenance.version,
        complete=result.complete,
        clinic=_marked(clinic.sections(patient or {}, lesions, visit)),
        overlay=overlay,
        stopped=result.stopped,
    )


def _marked(sections: dict[str, Any]) -> dict[str, Any]:
    """The figure of the blood section is markup; everything else is text."""
    from markupsafe import Markup

    if sections["blood"]:
        sections["blood"]["figure"] = Markup(sections["blood"]["figure"])
    return sections


def _first(result: Result) -> str:
    return "mc" if "mc" in result.doses else next(iter(result.doses), "")


def _therapy(case: Mapping[str, Any], lesions: list[LesionDose]) -> str:
    given = case.get("therapy") or {}
    nuclide = str(given.get("nuclide") or "")
    if not lesions:
        return nuclide
    activity = f"{lesions[0].therapy_activity_gbq:.3g} GBq" if lesions[0].therapy_activity_gbq > 0 else ""
    return " ".join(part for part in (activity, nuclide) if part)


def _case(result: Result, path: Path) -> dict[str, Any]:
    for folder in (path.parent, path.parent.parent):
        file = folder / "case.resolved.yaml"
        if file.is_file():
            return read_case(file.read_text(encoding="utf-8"))
    return read_case(result.case_yaml)
