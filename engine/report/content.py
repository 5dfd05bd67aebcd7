"""The text of a report: rows, facts and remarks. No HTML and no figures here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..lesions.record import LesionDose
from ..lesions.verdict import ELIGIBLE, NOT_TOLERABLE, UNDETERMINED, Verdict
from ..results.result import Result
from ..text import NONE, activity_text, chance, counted, number, percent, signed_percent
from .input import CaseSummary, ReportInput
from .units import DoseUnit

#: What makes the same remark differ from lesion to lesion.
NUMBERS_IN_BRACKETS = re.compile(r"\s*\([^()]*\d[^()]*\)")


def tone(verdict: Verdict) -> str:
    """Name of the banner's colour; its words say the same."""
    if not verdict.certain or verdict.verdict == NOT_TOLERABLE:
        return "near"
    return "yes" if verdict.eligible else "no"


def dose_of_scan(given: ReportInput) -> str:
    """What stands in place of the verdict where there is no treatment; empty where there is one."""
    if given.judgement is not None or not given.lesions:
        return ""
    return str(given.clinic.get("dose_of_scan") or "")


def remarks(lesions: Sequence[LesionDose]) -> tuple[list[str], dict[str, dict[int, str]]]:
    """The remarks on the lesions as footnotes, each once.

    Parameters
    ----------
    lesions
        Lesions in the order of their table.

    Returns
    -------
    list of str
        Footnotes, numbered from 1. Remarks that differ in numbers in brackets alone share one without the brackets.
    dict of str to dict of int to str
        For each lesion the numbers of its footnotes, ascending, with the brackets that a shared footnote leaves
        out, else "".
    """
    wordings: dict[str, list[str]] = {}
    for lesion in lesions:
        for flag in lesion.flags:
            same = wordings.setdefault(NUMBERS_IN_BRACKETS.sub("", flag), [])
            if flag not in same:
                same.append(flag)
    notes = [same[0] if len(same) == 1 else shared for shared, same in wordings.items()]
    marks: dict[str, dict[int, str]] = {}
    for lesion in lesions:
        mine: dict[int, str] = {}
        for place, same in enumerate(wordings.values(), 1):
            own = [flag for flag in same if flag in lesion.flags]
            if own:
                brackets = [] if len(same) == 1 else NUMBERS_IN_BRACKETS.findall(" ".join(own))
                mine[place] = " ".join(text.strip() for text in brackets)
        marks[lesion.lesion] = mine
    return notes, marks


def footnotes(marks: Mapping[int, str]) -> str:
    """Where a lesion's remarks are, as one line: ``Footnotes of the table: 1, 2 (x 1.31)``; empty without remarks."""
    if not marks:
        return ""
    listed = ", ".join(f"{place} {brackets}".rstrip() for place, brackets in marks.items())
    return f"{'Footnote' if len(marks) == 1 else 'Footnotes'} of the table: {listed}"


def ordered(lesions: Sequence[LesionDose]) -> tuple[LesionDose, ...]:
    """In the order of the page, which numbers them: what is judged before other structures, each by dose."""
    return tuple(sorted(lesions, key=lambda lesion: (not lesion.judged, -lesion.dose_gy)))


def compared(lesions: Sequence[LesionDose]) -> list[LesionDose]:
    """The lesions that are held against the threshold; all structures where none is."""
    return [lesion for lesion in lesions if lesion.judged] or list(lesions)


def lesion_rows(lesions: Sequence[LesionDose]) -> list[dict[str, Any]]:
    """Rows of the lesion table, as text."""
    _, marks = remarks(lesions)
    unit = DoseUnit.of(lesions)
    rows = []
    for i, lesion in enumerate(lesions, 1):
        mean_only = lesion.voxel_metrics != "shown"
        interval = NONE
        if not lesion.bounds and math.isfinite(lesion.interval_low_gy):
            interval = f"{unit.value(lesion.interval_low_gy)}–{unit.value(lesion.interval_high_gy)}"
        undecided = lesion.undecided and lesion.verdict != UNDETERMINED
        rows.append(
            {
                "number": i,
                "judged": lesion.judged,
                "name": lesion.lesion,
                "site": lesion.site,
                "role": lesion.role,
                "dose": lesion.bounds.sign + unit.plus_minus(lesion.dose_gy, lesion.stated_uncertainty_gy),
                "interval": interval,
                "probability": chance(lesion.probability),
                "verdict": (lesion.verdict or NONE) + (", undecided" if undecided else ""),
                "limit": unit.value(lesion.limit_gy),
                "volume": number(lesion.volume_ml),
                "mass": number(lesion.mass_g),
                "mc": relative(lesion.dose_mc_standard_error_gy, lesion.dose_gy),
                "ldpa": number(lesion.ldpa_gy_per_gbq),
                "local": signed_percent(lesion.local_difference_percent),
                "map": unit.value(lesion.dose_map_gy),
                "d95": NONE if mean_only else unit.value(lesion.d95_gy),
                "v": NONE if mean_only else number(lesion.vthreshold_percent),
                "reached": lesion.verdict == ELIGIBLE,
                "notes": list(marks[lesion.lesion]),
            }
        )
    return rows


def therapy(given: ReportInput) -> str:
    """Activity and nuclide of the predicted therapy, as far as they are known."""
    gbq = given.lesions[0].therapy_activity_gbq if given.lesions else 0.0
    nuclide = given.case.therapy_nuclide if given.case else ""
    return " ".join(part for part in (activity_text(1e3 * gbq, 3) if gbq > 0 else "", nuclide) if part)


def case_facts(case: CaseSummary) -> list[tuple[str, str]]:
    """The case's main inputs; what the case does not state is left out."""
    uncertainties = [f"{name.replace('_', ' ')} {100.0 * value:.6g} %" for name, value in case.uncertainties.items()]
    facts = [
        *_planned(case),
        ("Tracer", case.tracer_nuclide),
        ("Tracer activity", _activity(case.tracer_activity_mbq)),
        ("Progeny", case.progeny),
        ("Tracer administered", case.administered.isoformat(sep=" ") if case.administered else ""),
        ("Dose threshold", _quantity(case.threshold_gy, "Gy") if case.therapy_planned else ""),
        ("Weight", _quantity(case.weight_kg, "kg")),
        ("Height", _quantity(case.height_cm, "cm")),
        ("Sex", case.sex or ""),
        ("Kinetic model", case.kinetic_model),
        ("Recovery correction", _recovery(case)),
        ("Uncertainties given (k = 1)", ", ".join(uncertainties)),
        ("Tissue calibration", case.tissue_calibration or ""),
        ("Dose grid", case.grid),
        ("Electron cut-off", _energy(case.electron_cutoff_mev)),
        ("Photon cut-off", _energy(case.photon_cutoff_mev)),
        ("Stop criterion", case.until or ""),
    ]
    return [(name, value) for name, value in facts if value]


def _planned(case: CaseSummary) -> list[tuple[str, str]]:
    """The therapy; without one, what the dose is of."""
    if not case.therapy_planned:
        return [("Dose of", f"the administered {case.therapy_nuclide}, no therapy")]
    return [("Therapy nuclide", case.therapy_nuclide), ("Therapy activity", _activity(case.therapy_activity_mbq))]


def scan_rows(case: CaseSummary) -> list[dict[str, str]]:
    """The images of the visit: what was read, and when it was made."""
    rows = [
        {
            "after": "from the image header" if scan.after_h is None else f"{scan.after_h:g} h",
            "pet": scan.pet,
            "ct": scan.ct,
        }
        for scan in case.scans
    ]
    if case.lesion_files:
        rows.append({"after": "lesions", "pet": ", ".join(case.lesion_files), "ct": ""})
    return rows


def transport_facts(given: ReportInput) -> list[tuple[str, str]]:
    """The simulation and its energy balance."""
    result = given.result
    grid = result.grid
    spacing = " × ".join(f"{step:g}" for step in reversed(grid.spacing_mm))
    shape = " × ".join(str(n) for n in reversed(grid.shape))
    facts = [("Dose grid (x, y, z)", f"{shape} voxels of {spacing} mm")]
    listed = [name for name in given.method_labels if name in result.doses]
    others = [name for name in sorted(result.doses) if name not in listed]
    facts += [("Method", given.label(name)) for name in (*listed, *others)]
    tally = result.tally
    if tally is None:
        return facts
    balance = result.balance
    whole, part = balance.emitted or 1.0, result.simulated_part
    facts += [
        (
            "Decays simulated",
            f"{tally.decays:,} in {counted(tally.n_batches, 'batch')} of {tally.batch_histories:,}".replace(",", " "),
        ),
        ("Backend", f"{result.backend} ({result.device})"),
        ("Time", f"{number(result.wall_time_s)} s"),
        ("Seed", str(result.seed)),
        (f"Energy of {part} emitted" if part else "Energy emitted", f"{balance.emitted:.6g} MeV per decay"),
        ("… deposited in the grid", f"{balance.deposited:.6g} ({percent(balance.deposited / whole, 4)})"),
        ("… escaped from it", f"{balance.escaped:.6g} ({percent(balance.escaped / whole, 4)})"),
        (
            "… unaccounted for",
            "none: emitted = deposited + escaped, exactly"
            if balance.residual_quanta == 0
            else f"{balance.residual_quanta} quanta of 2⁻²⁶ MeV: DO NOT USE",
        ),
    ]
    return facts


def provenance_facts(result: Result) -> list[tuple[str, str]]:
    """Versions and hashes."""
    p = result.provenance
    facts = [
        ("hevesy", f"{p.version or 'unknown'}{', commit ' + p.commit if p.commit else ''}"),
        ("Calculated", p.created or "–"),
        ("Input SHA-256", p.input_hash or "–"),
    ]
    facts += [(f"{name} SHA-256", digest) for name, digest in sorted(p.table_hashes.items())]
    if p.physics:
        options = (f"{key.replace('_', ' ')} {_option(v)}" for key, v in sorted(p.physics.items()) if v is not None)
        facts.append(("Transport options", ", ".join(options)))
    if p.software:
        facts.append(("Software", ", ".join(f"{name} {version}" for name, version in sorted(p.software.items()))))
    return facts


def warnings(result: Result) -> list[str]:
    """What a reader must know beyond the critical notes, each once."""
    sentences = [text for text in result.warnings if text not in result.critical]
    notes = (note for dose in result.doses.values() for note in dose.notes)
    sentences += [note for note in notes if note not in result.assumptions]
    return list(dict.fromkeys(sentences))


def critical(result: Result) -> list[str]:
    """What changes the verdict or what may be claimed; a broken energy balance before everything else."""
    broken = result.tally is not None and result.balance.residual_quanta != 0
    return [*(["The energy balance does not close: this result must not be used."] if broken else []), *result.critical]


def _recovery(case: CaseSummary) -> str:
    if case.recovery_fwhm_mm is None:
        return case.recovery_curve or ""
    spread = _quantity(case.recovery_fwhm_uncertainty_mm, "mm")
    return f"{_quantity(case.recovery_fwhm_mm, 'mm')} FWHM" + (f" ± {spread}" if spread else "")


def _activity(mbq: float | None) -> str:
    return "" if mbq is None else activity_text(mbq, 6)


def _energy(mev: float) -> str:
    return _quantity(1000.0 * mev, "keV") if mev < 0.1 else _quantity(mev, "MeV")


def _quantity(value: float | None, unit: str) -> str:
    """A value with its unit; empty when there is none."""
    return "" if value is None else f"{value:.6g} {unit}"


def _option(value: Any) -> str:
    """A transport option: a switch, a number or a word."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def relative(sigma: float, value: float) -> str:
    """A standard error in per cent of its value."""
    return percent(sigma / value) if value > 0 and math.isfinite(sigma) else "–"
