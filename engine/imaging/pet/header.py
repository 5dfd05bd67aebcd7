"""What a DICOM PET header says: units, decay correction, tracer, times.

Contradictions are resolved by stated rules and reported.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import TYPE_CHECKING

from ...errors import InputError
from ...notes import CONTRADICTION, CRITICAL, Note
from ...same import SAME_EVENT_S
from ..dicom.elements import held, items, text, texts
from ..dicom.find import Header
from .given import administration
from .moments import Moment, gap_s, moment_of, stamp_of
from .stated import (
    LEAST_BQ,
    Body,
    listed_corrections,
    positive,
    stated_activity_mbq,
    stated_body,
    stated_half_life_s,
    stated_positive,
)
from .timing import scan_start
from .tracers import nuclide_name, nuclide_of_code, radionuclide_half_life_s
from .units import Scale, scale_of
from .zones import zone_of_object

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["PetHeader", "moment_of", "nuclide_name", "radionuclide_half_life_s", "read_pet_header"]

#: Positrons per decay (ICRP Publication 107), to notice a scan set up for another nuclide.
_POSITRONS = {"F-18": 0.967, "I-124": 0.227, "Ga-68": 0.891, "Cu-64": 0.175, "Zr-89": 0.227, "C-11": 0.998}
#: Decay factors that place the time corrected to within this [s] of the start of the scan mean START.
_START_S = 300.0
#: Elements that hold for a whole series: slices that state different ones are of two.
_ALIKE = ("Units", "DecayCorrection", "SUVType")
#: Elements of the radiopharmaceutical item of which the same is true.
_ITEM_ALIKE = (
    "RadionuclideTotalDose", "RadionuclideHalfLife", "RadiopharmaceuticalStartTime", "RadiopharmaceuticalStartDateTime"
)  # fmt: skip


@dataclass
class PetHeader:
    """The facts of one PET series; None where the header is silent.

    Parameters
    ----------
    units
        ``"BQML"``, or ``"GML"`` for SUV of any kind.
    decay_correction
        As DICOM states it: ``"START"``, ``"ADMIN"`` or ``"NONE"``.
    tracer
        Nuclide, e.g. ``"F-18"``.
    half_life_s
        Half-life of the tracer [s].
    activity_mbq, activity_guessed
        Administered activity [MBq], and whether its unit had to be guessed: the case's then goes before it everywhere.
    weight_kg
        Body weight [kg].
    start, given
        Start of the scan and time of administration, and whether they were stated or completed.
    after_h
        Time from administration to scan [h], where it is stated as such.
    model, reconstruction, kernel
        Manufacturer's model name, reconstruction method and convolution kernel.
    scale
        What the rescaled values are, and their factors.
    body
        Height and sex, where stated.
    slice_delay_s
        Time from the start of the scan to the middle of a slice's own acquisition [s], by SOP instance UID.
    decay_factor
        The factor that the scanner says it corrected a slice with, by SOP instance UID; empty where it states none.
    notes
        What was assumed or is contradictory, one sentence each.
    time_notes
        How the time of administration was determined, or why it could not be.
    impossible
        Refusals of values that cannot be right and were not used, by the key of the case that replaces them.
    """

    units: str
    decay_correction: str
    tracer: str | None = None
    half_life_s: float | None = None
    activity_mbq: float | None = None
    activity_guessed: bool = False
    weight_kg: float | None = None
    start: Moment | None = None
    given: Moment | None = None
    after_h: float | None = None
    model: str | None = None
    reconstruction: str | None = None
    kernel: str | None = None
    scale: Scale = Scale()
    body: Body = Body()
    slice_delay_s: dict[str, float] = field(default_factory=dict)
    decay_factor: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    time_notes: list[str] = field(default_factory=list)
    impossible: dict[str, InputError] = field(default_factory=dict)

    @property
    def scan_start(self) -> datetime | None:
        """Start of the scan by the clock on the wall, for display and for sorting."""
        return None if self.start is None else self.start.wall

    @property
    def administered(self) -> datetime | None:
        """Time of administration by the clock on the wall, for display and for sorting."""
        return None if self.given is None else self.given.wall


def read_pet_header(headers: Sequence[Header], source: str, half_life_s: float | None = None) -> PetHeader:
    """Read and check the header of one PET series.

    Parameters
    ----------
    headers
        Headers of its files.
    source
        Name of the series in messages.
    half_life_s
        Half-life of the case's tracer [s]; it decides what a clock time without a date can mean.

    Returns
    -------
    PetHeader
        What the header says.

    Raises
    ------
    InputError
        Units that cannot become Bq/mL, or slices that differ in units or decay correction.
    """
    first = headers[0].dataset
    _require_alike(headers)
    scale = scale_of(headers, source)
    info = PetHeader("GML" if scale.suv else "BQML", "", model=text(first, "ManufacturerModelName") or None)
    info.scale = scale
    info.notes += scale.notes
    info.reconstruction = text(first, "ReconstructionMethod") or None
    info.kernel = text(first, "ConvolutionKernel") or None
    info.decay_correction = _stated_correction(first, info, source)
    info.weight_kg, info.body = stated_body(first, info.impossible)
    item = _tracer(first, info, half_life_s)
    times = scan_start(headers, info.half_life_s)
    info.start, info.slice_delay_s, info.decay_factor = times.start, times.slice_delay_s, times.decay_factor
    info.notes += times.notes
    known = half_life_s or _longest(info.half_life_s, radionuclide_half_life_s(info.tracer))
    info.given, remarks = administration(first, item, info.start, known)
    info.time_notes += remarks + ([str(note) for note in times.notes] if info.start is None else [])
    info.decay_correction = info.decay_correction or _dated_correction(headers[0], info)
    info.decay_correction = info.decay_correction or _implied_correction(info, source)
    info.notes += listed_corrections(texts(first, "CorrectedImage"), text(first, "ScatterCorrectionMethod"))
    info.notes += _part_of_a_scan(first)
    return info


def _part_of_a_scan(first: Dataset) -> list[str]:
    """A remark where the series is a part of a gated or dynamic scan."""
    words = {"GATED": "a gated scan: it may hold one phase", "DYNAMIC": "a dynamic scan: it may hold one frame"}
    for kind in texts(first, "SeriesType")[:1]:
        if said := words.get(kind.upper()):
            return [Note(f"the header's series type is {kind}, {said} of it, with more noise than the whole")]
    return []


def _longest(*values: float | None) -> float | None:
    """The longest half-life that a header names: where its parts disagree, the one that assumes least."""
    return max((value for value in values if value), default=None)


def _require_alike(headers: Sequence[Header]) -> None:
    """Refuse slices that state different things of the whole series."""
    first = headers[0].dataset
    for tag in _ALIKE:
        wanted = text(first, tag)
        for other in headers[1:]:
            if (held := text(other.dataset, tag)) != wanted:
                raise _unlike(tag, wanted, held, other)
    for tag in _ITEM_ALIKE:
        seen = ""
        for other in headers:
            parts = items(other.dataset, "RadiopharmaceuticalInformationSequence")
            held = text(parts[0], tag) if parts else ""
            if held and seen and held != seen:
                raise _unlike(tag, seen, held, other)
            seen = seen or held


def _unlike(tag: str, one: str, two: str, other: Header) -> InputError:
    return InputError(
        f"slices of one PET series differ in {tag}: {one or 'none'} and {two or 'none'}",
        why="one conversion cannot hold for both",
        suggestion="export the series again",
        file=other.path,
        field=tag,
    )


def _stated_correction(first: Dataset, info: PetHeader, source: str) -> str:
    """Decay correction as the header states it, or as the list of corrections implies; empty where neither tells."""
    kind = text(first, "DecayCorrection").upper()
    corrected = texts(first, "CorrectedImage")
    if not kind and corrected and "DECY" not in corrected:
        words = "the header has no decay correction, and the corrections listed do not include decay; taken as NONE"
        info.notes.append(Note(words, CONTRADICTION))
        return "NONE"
    if kind not in ("", "NONE", "START", "ADMIN"):
        raise InputError(
            f"the PET's decay correction is {kind!r}",
            why="NONE, START and ADMIN are defined",
            suggestion="export the series again",
            file=source,
            field="DecayCorrection (0054,1102)",
        )
    if kind == "NONE" and "DECY" in corrected:
        words = "the header says decay correction NONE but lists DECY among the corrections; NONE is used"
        info.notes.append(Note(words, CONTRADICTION))
    return kind


def _dated_correction(header: Header, info: PetHeader) -> str:
    """Decay correction of an enhanced PET (Decay Corrected, and to which moment); empty where it states none.

    Raises
    ------
    InputError
        Corrected to a moment that is neither the start of the scan nor the administration, or is not stated.
    """
    answer = text(header.dataset, "DecayCorrected").upper()
    if answer != "YES":
        return "NONE" if answer else ""
    stated = text(header.dataset, "DecayCorrectionDateTime")
    to = stamp_of(stated, zone_of_object(header.dataset)).moment()
    for kind, moment in (("START", info.start), ("ADMIN", info.given)):
        if to is not None and moment is not None and abs(gap_s(to, moment)) <= SAME_EVENT_S:
            return kind
    raise InputError(
        f"the PET is decay corrected to {held(header.dataset, 'DecayCorrectionDateTime') or 'a moment not stated'}",
        why="that is neither the start of the scan nor the administration, as far as the header tells",
        suggestion="export the series decay corrected to the start of the scan",
        file=header.path,
        field="DecayCorrectionDateTime (0018,9701)",
    )


def _implied_correction(info: PetHeader, source: str) -> str:
    """Decay correction where it is not stated: the same for an SUV either way, else by the decay factors of the slices.

    Raises
    ------
    InputError
        They do not tell either: between START and ADMIN lies the decay from administration to scan.
    """
    if info.scale.suv:
        return "START"
    rate = math.log(2.0) / info.half_life_s if info.half_life_s else 0.0
    ahead = [
        math.log(f) / rate - info.slice_delay_s[u]
        for u, f in info.decay_factor.items()
        if u in info.slice_delay_s and rate
    ]
    kind = ""
    if ahead:
        off = median(ahead)
        kind = "START" if abs(off) <= _START_S else "ADMIN" if off > 2.0 * _START_S else ""
    if not kind:
        raise InputError(
            "the header does not say to which time the values are decay corrected",
            why="between the start of the scan and the administration lies the decay of hours to days, and no decay "
            "factor of the slices tells which of the two is meant",
            suggestion="export the series again, with its DecayCorrection",
            file=source,
            field="DecayCorrection (0054,1102)",
        )
    words = f"the header has no decay correction; taken as {kind} by the decay factors of its slices"
    info.notes.append(Note(words, CONTRADICTION))
    return kind


def _tracer(first: Dataset, info: PetHeader, known_s: float | None) -> Dataset | None:
    """Read nuclide, half-life and activity, and return the item of the radiopharmaceutical."""
    found = items(first, "RadiopharmaceuticalInformationSequence")
    if not found:
        return None
    item = found[0]
    if len(found) > 1:
        words = f"the header names {len(found)} radiopharmaceuticals; the first is used"
        info.notes.append(Note(words, CONTRADICTION))
    info.tracer = _named(item, info.notes)
    tracers = (radionuclide_half_life_s(info.tracer), known_s)
    info.half_life_s = stated_half_life_s(text(item, "RadionuclideHalfLife"), tracers, info.notes)
    stated = text(item, "RadionuclideTotalDose")
    info.activity_mbq = stated_activity_mbq(stated, info.notes, info.impossible)
    info.activity_guessed = info.activity_mbq is not None and (positive(stated) or 0.0) < LEAST_BQ
    fraction = stated_positive(item, "RadionuclidePositronFraction")
    expected = _POSITRONS.get(info.tracer or "")
    if fraction and expected and abs(fraction / expected - 1.0) > 0.1:
        words = (
            f"the header's positron fraction {fraction:g} is not that of {info.tracer} ({expected:g}); if the scanner "
            f"calibrated with it, the activity is off by a factor {fraction / expected:.3g}"
        )
        info.notes.append(Note(words, CONTRADICTION))
    return item


def _named(item: Dataset, notes: list[str]) -> str | None:
    """The nuclide by the code of the nuclide, its meaning, the name of the substance and its code, in this order."""
    codes = items(item, "RadionuclideCodeSequence")
    others = items(item, "RadiopharmaceuticalCodeSequence")
    by = [
        *_distinct(nuclide_of_code(text(code, "CodeValue")) for code in codes),
        *_distinct(nuclide_name(text(code, "CodeMeaning")) for code in codes),
        *_distinct([nuclide_name(text(item, "Radiopharmaceutical"))]),
        *_distinct(nuclide_of_code(text(code, "CodeValue")) for code in others),
        *_distinct(nuclide_name(text(code, "CodeMeaning")) for code in others),
    ]
    if len(set(by)) > 1:
        words = f"the header names {' and '.join(dict.fromkeys(by))} as the nuclide; {by[0]} is taken"
        notes.append(Note(words, CONTRADICTION, CRITICAL))
    return by[0] if by else None


def _distinct(names: Iterable[str | None]) -> list[str]:
    return [name for name in names if name]
