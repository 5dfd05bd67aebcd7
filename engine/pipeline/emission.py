"""What a decay of the case's therapy emits, and what a reader must know about it."""

from __future__ import annotations

from collections.abc import Sequence

from ..case.model import Case
from ..lesions.record import LesionDose
from ..lesions.unjudged import scan_sentence
from ..notes import CAUTION, CRITICAL, NOTE, Note
from ..nuclides.decay import nuclide
from ..nuclides.diagnostic import is_diagnostic
from ..nuclides.emission import Emission
from ..nuclides.progeny import DecayEmission, decay_emission
from ..text import activity_text

#: Codes of the notes.
PROGENY, SCAN_DOSE = "progeny", "scan-dose"


def decay_of(case: Case) -> DecayEmission:
    """What one decay of the therapy brings, by the case's treatment of progeny."""
    return decay_emission(case.therapy.nuclide, case.therapy.progeny)


def emission_of(case: Case) -> Emission:
    """What one decay of the therapy emits, the progeny counted included: every dose of the case is made from it."""
    return decay_of(case).emission


def emission_notes(case: Case) -> list[str]:
    """Remarks on what the dose is of: progeny, alpha particles, an administration instead of a therapy."""
    notes: list[str] = []
    brought = decay_of(case)
    if brought.said:
        notes.append(Note(brought.sentence, PROGENY, CRITICAL if brought.alpha else CAUTION))
    name = case.therapy.nuclide
    if not case.therapy_stated:
        text = (
            f"{what_was_given(case)}: the dose is that of the administered {activity_text(case.therapy.activity_mbq)} "
            f"of {name} itself, and there is no verdict."
        )
        notes.append(Note(text, SCAN_DOSE, NOTE))
    elif not case.judged:
        text = (
            f"{name} is a nuclide for imaging: the dose is that of {activity_text(case.therapy.activity_mbq)} of it, "
            "and there is no verdict. For a prediction state the nuclide of the therapy."
        )
        notes.append(Note(text, SCAN_DOSE, CAUTION))
    return notes


def what_was_given(case: Case) -> str:
    """The administration that the dose is of, where no treatment is judged, in a few words."""
    name = case.therapy.nuclide
    if case.therapy_stated:
        return f"Diagnostic nuclide {name}"
    return f"Diagnostic tracer {name}, no therapy stated" if is_diagnostic(name) else f"{name}, no therapy stated"


def dose_of_scan(case: Case, records: Sequence[LesionDose]) -> str:
    """What stands in place of a verdict for a case that judges no treatment, in one sentence."""
    activity = activity_text(case.therapy.activity_mbq)
    dose = f"dose of {activity}, no verdict" if case.therapy_stated else f"dose of the scan, {activity}"
    return scan_sentence(f"{what_was_given(case)}: {dose}", records)


def energy_line(case: Case) -> str:
    """Half-life and energy per decay of the therapy's nuclide, progeny included, as one line."""
    brought = decay_of(case)
    life = nuclide(brought.nuclide).half_life_h
    parts = f", {brought.alone_mev:.3g} MeV without progeny" if brought.counted else ""
    return f"{brought.nuclide}: half-life {life:.4g} h, {brought.total_mev:.3g} MeV per decay{parts}"
