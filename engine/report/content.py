"""What the report says, as text: rows, facts and remarks. No HTML and no figures here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ..lesions.columns import BY_NAME
from ..lesions.record import LesionDose
from ..lesions.verdict import Verdict
from ..results.result import Result
from ..text import chance, number, percent, plus_minus, signed_percent

METHOD_NAMES = {
    "mc": "Monte Carlo",
    "local": "local deposition, charged particles",
    "local+photons": "local deposition, charged particles and photons",
    "kernel": "kernel convolution",
}

#: What makes the same remark differ from lesion to lesion.
NUMBERS_IN_BRACKETS = re.compile(r"\s*\([^()]*\d[^()]*\)")

#: Where a case keeps what a reader asks for first: (label, path in the resolved case).
CASE_FACTS = (
    ("Therapy nuclide", ("therapy", "nuclide")),
    ("Therapy activity", ("therapy", "activity")),
    ("Tracer", ("tracer", "nuclide")),
    ("Tracer activity", ("tracer", "activity")),
    ("Tracer given", ("tracer", "administered")),
    ("Dose threshold", ("threshold",)),
    ("Weight", ("weight",)),
    ("Height", ("height",)),
    ("Sex", ("sex",)),
    ("Kinetic model", ("kinetics", "model")),
    ("Recovery correction", ("recovery",)),
    ("Uncertainties given", ("uncertainty",)),
    ("Tissue", ("tissue",)),
    ("Dose grid", ("transport", "grid")),
    ("Electron cut-off", ("transport", "electron_cutoff")),
    ("Photon cut-off", ("transport", "photon_cutoff")),
    ("Goal of the simulation", ("transport", "until")),
)


def read_case(text: str) -> dict[str, Any]:
    """The resolved case as a dictionary; empty when there is none."""
    found = yaml.safe_load(text) if text else None
    return found if isinstance(found, dict) else {}


def tone(verdict: Verdict) -> str:
    """Name of the banner's colour; its words say the same."""
    if not verdict.certain:
        return "near"
    return "yes" if verdict.eligible else "no"


def headline(verdict: Verdict) -> str:
    """The verdict in two or three words."""
    words = "Eligible" if verdict.eligible else "Not eligible"
    return words if verdict.certain else f"{words}, borderline"


def remarks(lesions: Sequence[LesionDose]) -> tuple[list[str], dict[str, list[int]]]:
    """Footnotes, each once, and the numbers of those that belong to each lesion."""
    notes: list[str] = []
    numbers: dict[str, list[int]] = {}
    for lesion in lesions:
        mine = set()
        for flag in lesion.flags:
            note = NUMBERS_IN_BRACKETS.sub("", flag)  # the lesion's own section keeps them
            if note not in notes:
                notes.append(note)
            mine.add(notes.index(note) + 1)
        numbers[lesion.lesion] = sorted(mine)
    return notes, numbers


def lesion_rows(lesions: Sequence[LesionDose]) -> list[dict[str, Any]]:
    """Rows of the lesion table, as text."""
    _, numbers = remarks(lesions)
    rows = []
    for i, lesion in enumerate(lesions, 1):
        mean_only = lesion.voxel_metrics != "shown"
        rows.append(
            {
                "number": i,
                "name": lesion.lesion,
                "site": lesion.site,
                "volume": number(lesion.volume_ml),
                "mass": number(lesion.mass_g),
                "dose": plus_minus(lesion.dose_gy, lesion.dose_uncertainty_gy),
                "mc": relative(lesion.dose_mc_standard_error_gy, lesion.dose_gy),
                "ldpa": number(lesion.ldpa_gy_per_gbq),
                "d95": "–" if mean_only else number(lesion.d95_gy),
                "v20": "–" if mean_only else number(lesion.v20gy_percent),
                "local": signed_percent(lesion.local_difference_percent),
                "probability": chance(lesion.probability),
                "verdict": ("reached" if lesion.verdict == "eligible" else "below")
                + (", borderline" if lesion.borderline else ""),
                "reached": lesion.verdict == "eligible",
                "borderline": lesion.borderline,
                "notes": numbers[lesion.lesion],
            }
        )
    return rows


def lesion_facts(lesion: LesionDose) -> list[tuple[str, str]]:
    """What is told beside a lesion's images."""
    facts = [(_label("dose_gy"), f"{plus_minus(lesion.dose_gy, lesion.dose_uncertainty_gy)} Gy")]
    k2 = lesion.uncertainty.get("interval_k2_gy")
    if k2:
        facts.append(("Interval, k = 2", f"{number(k2[0])} to {number(k2[1])} Gy"))
    drawn = lesion.uncertainty.get("sampled")
    if drawn:
        low, high = drawn["interval_k2_gy"]
        facts.append(
            ("… by sampling (GUM S1)", f"{number(low)} to {number(high)} Gy, P = {chance(drawn['probability'])}")
        )
    facts += [
        (_label("dose_mc_standard_error_gy"), f"{number(lesion.dose_mc_standard_error_gy, 2)} Gy"),
        (_label("ldpa_gy_per_gbq"), f"{number(lesion.ldpa_gy_per_gbq)} Gy/GBq"),
        (
            "Local deposition",
            f"{number(lesion.dose_local_gy * lesion.recovery_dose_factor)} Gy "
            f"({signed_percent(lesion.local_difference_percent)})",
        ),
        (
            "Volume, mass",
            f"{number(lesion.volume_ml)} mL, {number(lesion.mass_g)} g ({number(lesion.density_g_cm3)} g/cm³)",
        ),
        (_label("diameter_mm"), f"{number(lesion.diameter_mm)} mm"),
    ]
    if math.isfinite(lesion.contour_volume_ml):
        facts.append((_label("contour_volume_ml"), f"{number(lesion.contour_volume_ml)} mL"))
    if lesion.recovery_dose_factor != 1.0:
        factor = number(lesion.recovery_dose_factor)
        facts.append((_label("dose_map_gy"), f"{number(lesion.dose_map_gy)} Gy, times {factor} for recovery"))
    if lesion.voxel_metrics == "shown":
        facts += [
            ("Minimum, maximum", f"{number(lesion.min_gy)}, {number(lesion.max_gy)} Gy"),
            (
                "D98, D95, D90, D70",
                ", ".join(number(v) for v in (lesion.d98_gy, lesion.d95_gy, lesion.d90_gy, lesion.d70_gy)) + " Gy",
            ),
            ("D50, D2", f"{number(lesion.d50_gy)}, {number(lesion.d2_gy)} Gy"),
            (f"V{lesion.threshold_gy:g} Gy", f"{number(lesion.vthreshold_percent)} %"),
            (_label("uniformity"), number(lesion.uniformity)),
        ]
    facts += _noise_corrected(lesion)
    k = lesion.kinetics
    if k:
        facts += [
            ("Kinetic model", str(k.get("model", "–"))),
            (_label("tia_coefficient_h"), f"{number(k.get('tia_coefficient_h'))} h"),
            (_label("effective_half_life_h"), f"{number(k.get('effective_half_life_h'))} h"),
            (_label("extrapolated_fraction"), percent(k.get("extrapolated_fraction"))),
        ]
        if k.get("retention_percent") and k.get("times_h"):
            facts.append(
                (
                    "Retention, decay-corrected",
                    ", ".join(
                        f"{number(v)} % at {number(t, 2)} h"
                        for t, v in zip(k["times_h"], k["retention_percent"], strict=False)
                    ),
                )
            )
    if lesion.recovery.get("coefficient") is not None:
        facts.append((_label("recovery_coefficient"), number(lesion.recovery["coefficient"])))
    return facts


def _noise_corrected(lesion: LesionDose) -> list[tuple[str, str]]:
    """Metrics of the histogram corrected for Monte Carlo noise, with their bands."""
    clean = lesion.noise_corrected_dvh
    if not clean:
        return []

    def ends(name: str, unit: str) -> str:
        value, low, high = clean["metrics"][name]
        return f"{number(value)} ({number(low)}–{number(high)}) {unit}"

    return [
        (_label("voxel_noise_percent"), f"{number(clean['noise_percent'], 2)} % of the mean dose"),
        (f"Corrected for it, with {100 * clean['level']:g} % bands", f"D95 {ends('D95', 'Gy')}"),
        ("… D98, D2", f"{ends('D98', 'Gy')}, {ends('D2', 'Gy')}"),
        (f"… V{lesion.threshold_gy:g} Gy", ends("Vthreshold", "%")),
    ]


def _label(column: str) -> str:
    """What people call a column of the lesion table."""
    return BY_NAME[column].label


def case_facts(case: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The case's main inputs, in words."""
    facts = []
    for name, path in CASE_FACTS:
        value: Any = case
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if value not in (None, "", {}, []):
            facts.append((name, words(value)))
    return facts


def scan_rows(case: Mapping[str, Any], visit: str) -> list[dict[str, str]]:
    """The scans of the visit: what was read, and when it was made."""
    rows = []
    for entry in case.get("visits") or ():
        if visit and entry.get("name", "baseline") != visit:
            continue
        for scan in entry.get("scans") or ():
            after = words(scan.get("after", "from the file"))
            rows.append({"after": after, "pet": file_name(scan.get("pet")), "ct": file_name(scan.get("ct"))})
        if entry.get("lesions"):
            rows.append({"after": "lesions", "pet": file_name(entry["lesions"]), "ct": ""})
    return rows


def transport_facts(result: Result) -> list[tuple[str, str]]:
    """The simulation and its energy balance."""
    grid = result.grid
    spacing = " × ".join(f"{step:g}" for step in reversed(grid.spacing_mm))
    shape = " × ".join(str(n) for n in reversed(grid.shape))
    facts = [("Dose grid (x, y, z)", f"{shape} voxels of {spacing} mm")]
    facts += [("Method", METHOD_NAMES.get(name, name)) for name in result.doses]
    tally = result.tally
    if tally is None:
        return facts
    balance = result.balance
    whole = balance.emitted or 1.0
    facts += [
        (
            "Decays simulated",
            f"{tally.histories:,}".replace(",", " ")
            + f" in {tally.n_batches} batches of {tally.batch_histories:,}".replace(",", " "),
        ),
        ("Backend", f"{result.backend} ({result.device})"),
        ("Time", f"{number(result.wall_time_s)} s"),
        ("Seed", str(result.seed)),
        ("Energy emitted", f"{balance.emitted:.6g} MeV per decay"),
        ("… deposited in the grid", f"{balance.deposited:.6g} ({percent(balance.deposited / whole, 4)})"),
        ("… escaped from it", f"{balance.escaped:.6g} ({percent(balance.escaped / whole, 4)})"),
        (
            "… unaccounted for",
            "none: emitted = deposited + escaped, to the last quantum"
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
        facts.append(("Transport options", words(p.physics)))
    if p.software:
        facts.append(("Software", ", ".join(f"{name} {version}" for name, version in p.software.items())))
    return facts


def warnings_of(result: Result) -> list[str]:
    """What a reader must not miss."""
    found = list(result.warnings)
    if result.tally is not None:
        if result.balance.residual_quanta != 0:
            found.insert(0, "The energy balance does not close: this result must not be used.")
        if result.tally.n_batches < 20 and not any(text.startswith("Only ") for text in found):
            found.append(f"Only {result.tally.n_batches} batches: no standard error is given below 20.")
    for dose in result.doses.values():
        found += [note for note in dose.notes if note not in found]
    return found


def words(value: Any) -> str:
    """A value of the case in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{str(k).replace('_', ' ')} {words(v)}" for k, v in value.items() if v is not None)
    if isinstance(value, (list, tuple)):
        return ", ".join(words(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "–" if value is None else _quantity(str(value))


def file_name(value: Any) -> str:
    """The last part of a path, or of several: folders may say more about a patient than a report should."""
    if isinstance(value, (list, tuple)):
        return ", ".join(file_name(item) for item in value)
    return "–" if value is None else re.split(r"[\\/]", str(value).rstrip("\\/"))[-1]


def _quantity(text: str) -> str:
    """A quantity of the resolved case in the unit a reader expects: 7.4 GBq, 10 keV, 5 %."""
    found = re.fullmatch(r"([-+.\deE]+) (MBq|MeV|fraction|\S+)", text)
    try:
        value = float(found[1]) if found else math.nan
    except ValueError:
        value = math.nan
    if found is None or not math.isfinite(value):
        return text
    unit = found[2]
    if unit == "MBq" and abs(value) >= 1000:
        value, unit = value / 1000, "GBq"
    elif unit == "MeV" and abs(value) < 0.1:
        value, unit = value * 1000, "keV"
    elif unit == "fraction":
        value, unit = value * 100, "%"
    return f"{value:.6g} {unit}"


def relative(sigma: float, value: float) -> str:
    """A standard error in per cent of its value."""
    return percent(sigma / value) if value > 0 and math.isfinite(sigma) else "–"
