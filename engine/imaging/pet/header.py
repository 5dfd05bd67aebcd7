"""What a DICOM PET header says: units, decay correction, tracer, times.

Contradictions are resolved by stated rules and reported.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from ...errors import InputError
from ...notes import CONTRADICTION, Note
from ...nuclides.decay_data import decay
from ..dicom.find import Header
from .stated import positive, stated_activity_mbq, stated_weight_kg

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_ELEMENTS = {
    "carbon": "C", "nitrogen": "N", "oxygen": "O", "fluorine": "F", "fluor": "F", "sodium": "Na",
    "scandium": "Sc", "manganese": "Mn", "copper": "Cu", "gallium": "Ga", "germanium": "Ge", "bromine": "Br",
    "rubidium": "Rb", "yttrium": "Y", "zirconium": "Zr", "technetium": "Tc", "indium": "In", "iodine": "I",
    "terbium": "Tb", "lutetium": "Lu", "thallium": "Tl",
}  # fmt: skip
_SYMBOLS = frozenset(_ELEMENTS.values())
#: Positrons per decay (ICRP Publication 107), to notice a scan set up for another nuclide.
_POSITRONS = {"F-18": 0.967, "I-124": 0.227, "Ga-68": 0.891, "Cu-64": 0.175, "Zr-89": 0.227, "C-11": 0.998}
#: Longest half-life [s] of a nuclide whose administration time without a date is taken on the scan's day.
_SAME_DAY_HALF_LIFE_S = 20.0 * 3600.0


@dataclass
class PetHeader:
    """The facts of one PET series; None where the header is silent.

    Parameters
    ----------
    units
        ``"BQML"`` or ``"GML"`` (SUV by body weight).
    decay_correction
        As DICOM states it: ``"START"``, ``"ADMIN"`` or ``"NONE"``.
    tracer
        Nuclide, e.g. ``"F-18"``.
    half_life_s
        Half-life of the tracer [s].
    activity_mbq
        Administered activity [MBq].
    weight_kg
        Body weight [kg].
    scan_start, administered
        Start of the scan and time of administration.
    model, reconstruction, kernel
        Manufacturer's model name, reconstruction method and convolution kernel.
    slice_delay_s
        Time from the start of the scan to the middle of a slice's own acquisition [s], by SOP instance UID.
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
    weight_kg: float | None = None
    scan_start: datetime | None = None
    administered: datetime | None = None
    model: str | None = None
    reconstruction: str | None = None
    kernel: str | None = None
    slice_delay_s: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    time_notes: list[str] = field(default_factory=list)
    impossible: dict[str, InputError] = field(default_factory=dict)


def nuclide_name(text: str) -> str | None:
    """``"F-18"`` from any usual spelling inside a text (18F, ^18^Fluorine, FDG F18), or None."""
    for name, symbol in _ELEMENTS.items():
        if found := re.search(rf"(?i)(\d{{1,3}}m?)\W*{name}|{name}\W*(\d{{1,3}}m?)", text):
            return f"{symbol}-{found.group(1) or found.group(2)}"
    for pattern in (
        r"(?<![A-Za-z])(?P<symbol>[A-Z][a-z]?)\W{0,2}(?P<mass>\d{2,3}m?)(?!\d)",
        r"(?<!\d)(?P<mass>\d{2,3}m?)\W{0,2}(?P<symbol>[A-Z][a-z]?)(?![a-z])",
    ):
        for match in re.finditer(pattern, text):
            if match["symbol"] in _SYMBOLS:
                return f"{match['symbol']}-{match['mass']}"
    return None


@lru_cache(maxsize=32)
def radionuclide_half_life_s(name: str | None) -> float | None:
    """Half-life of a nuclide [s] from the ICRP-107 data of `radioactivedecay`; None when unknown."""
    if name is None:
        return None

    try:
        return decay(name).half_life_s
    except KeyError:
        return None


def read_pet_header(headers: list[Header], source: str) -> PetHeader:
    """Read and check the header of one PET series.

    Parameters
    ----------
    headers
        Headers of its files.
    source
        Name of the series in messages.

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
    units = str(first.get("Units", "") or "").upper().strip()
    if units not in ("BQML", "GML"):
        raise InputError(
            f"the PET's units are {units or 'not given'}",
            why="only Bq/mL (BQML) and SUV by body weight (GML) can be turned into activity",
            suggestion="export the series in Bq/mL",
            file=source,
            field="Units (0054,1001)",
        )
    suv_type = str(first.get("SUVType", "") or "BW").upper()
    if units == "GML" and suv_type != "BW":
        raise InputError(
            f"the PET's SUV is of type {suv_type}",
            why="only SUV by body weight (BW) can be turned back into Bq/mL here",
            suggestion="export the series in Bq/mL",
            file=source,
            field="SUVType (0054,1006)",
        )
    info = PetHeader(units, "", model=_text(first, "ManufacturerModelName"))
    info.reconstruction, info.kernel = _text(first, "ReconstructionMethod"), _text(first, "ConvolutionKernel")
    for other in headers[1:]:
        for tag in ("Units", "DecayCorrection"):
            if other.dataset.get(tag) != first.get(tag):
                raise InputError(
                    f"slices of one PET series differ in {tag}: {first.get(tag)} and {other.dataset.get(tag)}",
                    why="one conversion cannot hold for both",
                    suggestion="export the series again",
                    file=other.path,
                    field=tag,
                )
    _decay_correction(first, info, source)
    _tracer(first, info)
    _scan_start(headers, info)
    _administration(first, info)
    corrected = [str(v) for v in _many(first.get("CorrectedImage"))]
    if corrected and "ATTN" not in corrected:
        text = "the header does not list attenuation correction; the activity is not quantitative"
        info.notes.append(Note(text, CONTRADICTION))
    return info


def _many(value: object) -> list:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)  # type: ignore[call-overload]


def _text(data: Dataset, tag: str) -> str | None:
    """Text of a tag as one line; None where it is empty."""
    return " ".join(" ".join(str(v) for v in _many(data.get(tag))).split()) or None


def _decay_correction(first: Dataset, info: PetHeader, source: str) -> None:
    kind = str(first.get("DecayCorrection", "") or "").upper().strip()
    corrected = [str(v) for v in _many(first.get("CorrectedImage"))]
    if not kind:
        kind = "START" if "DECY" in corrected or not corrected else "NONE"
        info.notes.append(
            f"the header has no decay correction; taken as {kind}"
            + (" because the corrections listed include decay" if "DECY" in corrected else "")
        )
    if kind not in ("NONE", "START", "ADMIN"):
        raise InputError(
            f"the PET's decay correction is {kind!r}",
            why="NONE, START and ADMIN are defined",
            suggestion="export the series again",
            file=source,
            field="DecayCorrection (0054,1102)",
        )
    if kind == "NONE" and "DECY" in corrected:
        info.notes.append("the header says decay correction NONE but lists DECY among the corrections; NONE is used")
    info.decay_correction = kind


def _tracer(first: Dataset, info: PetHeader) -> None:
    """Nuclide, half-life, activity and weight."""
    info.weight_kg = stated_weight_kg(first.get("PatientWeight"), info.impossible)
    sequence = first.get("RadiopharmaceuticalInformationSequence")
    if not sequence:
        return
    item = sequence[0]
    texts = []
    for code in item.get("RadionuclideCodeSequence") or []:
        texts.append(str(code.get("CodeMeaning", "")))
    texts.append(str(item.get("Radiopharmaceutical", "") or ""))
    info.tracer = next((name for name in map(nuclide_name, texts) if name), None)
    info.half_life_s = positive(item.get("RadionuclideHalfLife"))
    info.activity_mbq = stated_activity_mbq(item.get("RadionuclideTotalDose"), info.notes, info.impossible)
    fraction = positive(item.get("RadionuclidePositronFraction"))
    expected = _POSITRONS.get(info.tracer or "")
    if fraction and expected and abs(fraction / expected - 1.0) > 0.1:
        text = (
            f"the header's positron fraction {fraction:g} is not that of {info.tracer} ({expected:g}); if the scanner "
            f"calibrated with it, the activity is off by a factor {fraction / expected:.3g}"
        )
        info.notes.append(Note(text, CONTRADICTION))


def moment_of(date: object, time: object) -> datetime | None:
    """A DICOM date and time of day as one local time."""
    date, time = str(date or "").strip().replace(".", ""), str(time or "").strip().replace(":", "")
    if not date or not time:
        return None
    whole, _, fraction = time.partition(".")
    try:
        moment = datetime.strptime(date[:8] + whole.ljust(6, "0")[:6], "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return moment + timedelta(seconds=float("0." + fraction) if fraction.isdigit() else 0.0)


def _scan_start(headers: list[Header], info: PetHeader) -> None:
    """The time for which START-corrected values hold, and each slice's delay from it.

    Rule: the series time, unless the earliest acquisition came before it (a derived series has the time
    of its creation) or the header's decay factor says that the acquisition time was the reference.
    """
    first = headers[0].dataset
    series = moment_of(first.get("SeriesDate") or first.get("StudyDate"), first.get("SeriesTime"))
    acquired = {}
    for header in headers:
        data = header.dataset
        moment = moment_of(data.get("AcquisitionDate") or data.get("SeriesDate"), data.get("AcquisitionTime"))
        if moment is not None:
            acquired[str(data.SOPInstanceUID)] = moment
    earliest = min(acquired.values()) if acquired else None
    start = series if earliest is None else earliest if series is None else min(series, earliest)
    if series is not None and earliest is not None and abs((series - earliest).total_seconds()) > 60.0:
        gap = (earliest - series).total_seconds()
        if gap < 0.0:
            info.notes.append(
                f"the series time lies {-gap:.0f} s after the first acquisition (a derived series); "
                "the acquisition is taken "
                "as the start of the scan"
            )
        else:
            start = _by_decay_factor(headers, info, series, earliest)
    info.scan_start = start
    if start is not None and len(acquired) == len(headers):
        for header in headers:
            data = header.dataset
            half_frame = 0.5e-3 * (positive(data.get("ActualFrameDuration")) or 0.0)
            moment = acquired[str(data.SOPInstanceUID)]
            info.slice_delay_s[str(data.SOPInstanceUID)] = (moment - start).total_seconds() + half_frame


def _by_decay_factor(headers: list[Header], info: PetHeader, series: datetime, earliest: datetime) -> datetime:
    """Series or acquisition time, whichever the Decay Factor (0054,1321) agrees with; else series."""
    gap = (earliest - series).total_seconds()
    text = f"the first acquisition lies {gap:.0f} s after the series time"
    sequence = headers[0].dataset.get("RadiopharmaceuticalInformationSequence")
    half_life = positive(sequence[0].get("RadionuclideHalfLife")) if sequence else None
    factor = positive(headers[0].dataset.get("DecayFactor"))
    acquired = moment_of(
        headers[0].dataset.get("AcquisitionDate") or headers[0].dataset.get("SeriesDate"),
        headers[0].dataset.get("AcquisitionTime"),
    )
    if half_life and factor and acquired is not None:
        half_frame = 0.5e-3 * (positive(headers[0].dataset.get("ActualFrameDuration")) or 0.0)
        middle = acquired + timedelta(seconds=half_frame)
        reference = middle - timedelta(seconds=math.log(factor) * half_life / math.log(2.0))
        chosen = min((series, earliest), key=lambda moment: abs((moment - reference).total_seconds()))
        if abs((chosen - reference).total_seconds()) <= 60.0:
            name = "series" if chosen == series else "acquisition"
            info.notes.append(
                f"{text}; the header's decay factor {factor:g} refers to the {name} time, taken as scan start"
            )
            return chosen
    info.notes.append(f"{text}; the series time is taken as the start of the scan")
    return series


def _administration(first: Dataset, info: PetHeader) -> None:
    """Administration time: the date-time field, else the clock field on the scan's day.

    A date-time that lies after the scan, or more than 30 days before it, has a wrong date. For a nuclide
    with a half-life below a day the clock time on the scan's day (or the day before) is then right; for
    a longer-lived one nothing is assumed and the case has to state it.
    """
    sequence = first.get("RadiopharmaceuticalInformationSequence")
    if not sequence:
        info.time_notes.append("the header has no radiopharmaceutical information")
        return
    item, scan = sequence[0], info.scan_start
    whole = str(item.get("RadiopharmaceuticalStartDateTime", "") or "")
    stamped = moment_of(whole[:8], re.split(r"[+-]", whole[8:])[0]) if len(whole) >= 12 else None
    clock = str(item.get("RadiopharmaceuticalStartTime", "") or "")
    if scan is None:
        info.time_notes.append("the header has no scan time")
        return
    if stamped is None and not clock:
        info.time_notes.append("the header has no administration time")
        return
    if stamped is not None and clock:
        by_clock = moment_of(whole[:8], clock)
        if by_clock is not None and abs((by_clock - stamped).total_seconds()) > 60.0:
            info.time_notes.append(
                f"two administration clock times in the header, {stamped:%H:%M:%S} and "
                f"{by_clock:%H:%M:%S}; the date-time "
                "field's is used"
            )
    if stamped is not None and timedelta(0) <= scan - stamped <= timedelta(days=30):
        info.administered = stamped
        return
    half_life = info.half_life_s or radionuclide_half_life_s(info.tracer)
    if half_life is None or half_life > _SAME_DAY_HALF_LIFE_S:
        reason = "has no date" if stamped is None else f"({stamped:%Y-%m-%d %H:%M}) contradicts the scan's date"
        info.time_notes.append(
            f"the administration time {reason} (scan {scan:%Y-%m-%d %H:%M}), and the tracer is too "
            "long-lived to take the scan's day"
        )
        return
    time_of_day = f"{stamped:%H%M%S}" if stamped is not None else clock
    moment = moment_of(f"{scan:%Y%m%d}", time_of_day)
    if moment is None:
        info.time_notes.append(f"the administration time {clock!r} cannot be read")
        return
    if moment > scan:
        moment -= timedelta(days=1)
    info.administered = moment
    if stamped is None:
        day = "the scan's day" if moment.date() == scan.date() else "the day before the scan"
        info.time_notes.append(
            f"the header gives the administration's time of day only, {moment:%H:%M:%S}; taken on {day}"
        )
    else:
        info.time_notes.append(
            f"the header's administration date {stamped:%Y-%m-%d %H:%M:%S} contradicts the scan's "
            f"{scan:%Y-%m-%d %H:%M:%S}; "
            "its time of day was taken on the scan's day "
            f"({(scan - moment).total_seconds() / 3600.0:.3g} h before the scan)"
        )
