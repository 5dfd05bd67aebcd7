"""What is listed beside the images of a lesion, in blocks: corrected for recovery, as imaged, and the rest. As text."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..lesions.columns import BY_NAME
from ..lesions.record import LesionDose
from ..text import NONE, chance, number, or_nan, percent, signed_percent, stated_chance
from .units import DoseUnit

Facts = list[tuple[str, str]]

#: Titles of the blocks.
CORRECTED = "Corrected for recovery (what the verdict uses)"
CORRECTED_ONLY = "Corrected for recovery"
AS_IMAGED = "As imaged (not corrected)"
UNCORRECTED = "As imaged (no correction for recovery)"
LESION = "Lesion and activity"


@dataclass(frozen=True)
class Block:
    """A titled list of facts, with a sentence below the title."""

    title: str
    facts: Facts
    note: str = ""


def is_corrected(lesion: LesionDose) -> bool:
    """Whether the dose of the lesion was corrected for recovery."""
    return lesion.recovery_dose_factor != 1.0 or lesion.recovery.get("coefficient") is not None


def factor_text(lesion: LesionDose) -> str:
    """``corrected = as imaged × 1.31``; empty where nothing is corrected."""
    return f"corrected = as imaged × {number(lesion.recovery_dose_factor)}" if is_corrected(lesion) else ""


def lesion_blocks(lesion: LesionDose) -> list[Block]:
    """The blocks of a lesion, in the order of the page.

    Doses that are corrected for recovery and those of the map are never in one block.
    """
    unit = DoseUnit.of([lesion])
    rest = Block(LESION, [*_size_facts(lesion), *_kinetic_facts(lesion)])
    if not is_corrected(lesion):
        facts = [*_mean_facts(lesion, unit), *_voxel_facts(lesion, unit), *_noise_corrected(lesion, unit)]
        return [Block(UNCORRECTED, facts), rest]
    of_map = f"{unit.value(lesion.dose_map_gy)} {unit.name}"
    imaged = [("Mean of the map", of_map), *_voxel_facts(lesion, unit), *_noise_corrected(lesion, unit)]
    factor = factor_text(lesion)
    if lesion.voxel_metrics == "shown":
        note = f"{factor[0].upper()}{factor[1:]}: even the maximum of the map may lie below the corrected mean."
    else:
        note = f"{factor[0].upper()}{factor[1:]}. No voxel doses: the PET does not resolve this lesion."
    title = CORRECTED if lesion.judged else CORRECTED_ONLY
    return [Block(title, _mean_facts(lesion, unit)), Block(AS_IMAGED, imaged, note), rest]


def _mean_facts(lesion: LesionDose, unit: DoseUnit) -> Facts:
    """Mean dose with its interval, what it means against the threshold, and its biological effect."""
    sign = lesion.bounds.sign
    stated = unit.plus_minus(lesion.dose_gy, lesion.stated_uncertainty_gy)
    facts = [(_label("dose_gy"), f"{sign}{stated} {unit.name}")]
    if lesion.bounds:
        facts.append(("Not an estimate, because", "; ".join(lesion.bounds.reasons)))
    elif math.isfinite(lesion.interval_low_gy):
        ends = f"{unit.value(lesion.interval_low_gy)} to {unit.value(lesion.interval_high_gy)}"
        facts.append(("Interval, k = 2", f"{ends} {unit.name}"))
    if lesion.judged:
        facts.append((f"P(D ≥ {lesion.threshold_gy:g} Gy)", chance(lesion.probability)))
    if math.isfinite(lesion.limit_gy):
        facts.append((_label("limit_gy"), f"{unit.value(lesion.limit_gy)} {unit.name}"))
    sampled = lesion.uncertainty.get("sampled")
    if sampled and not lesion.bounds:  # files of older versions have it for bounds too
        low, high = (unit.value(end) for end in sampled["interval_k2_gy"])
        probability = stated_chance(or_nan(sampled["probability"]))
        reached = f", {probability}" if lesion.judged else ""
        facts.append(("… by sampling (GUM S1)", f"{low} to {high} {unit.name}{reached}"))
    for key, name in (("bed_gy", "BED"), ("eqd2_gy", "EQD2")):
        if lesion.clinic.get(key) is not None:
            facts.append((name, f"{sign}{unit.value(or_nan(lesion.clinic.get(key)))} {unit.name}"))
    local = unit.value(lesion.dose_local_gy * lesion.recovery_dose_factor)
    return [
        *facts,
        (_label("ldpa_gy_per_gbq"), f"{sign}{number(lesion.ldpa_gy_per_gbq)} Gy/GBq"),
        (_label("dose_mc_standard_error_gy"), f"{unit.value(lesion.dose_mc_standard_error_gy, 2)} {unit.name}"),
        ("Local deposition", f"{local} {unit.name} ({signed_percent(lesion.local_difference_percent)})"),
    ]


def _size_facts(lesion: LesionDose) -> Facts:
    mass = f"{number(lesion.mass_g)} g ({number(lesion.density_g_cm3)} g/cm³)"
    facts = [
        ("Volume, mass", f"{number(lesion.volume_ml)} mL, {mass}"),
        (_label("diameter_mm"), f"{number(lesion.diameter_mm)} mm"),
    ]
    if math.isfinite(lesion.contour_volume_ml):
        facts.append((_label("contour_volume_ml"), f"{number(lesion.contour_volume_ml)} mL"))
    return facts


def _voxel_facts(lesion: LesionDose, unit: DoseUnit) -> Facts:
    """Metrics of the voxel doses; none for a lesion that the PET does not resolve."""
    if lesion.voxel_metrics != "shown":
        return []
    near_minimum = (lesion.d98_gy, lesion.d95_gy, lesion.d90_gy, lesion.d70_gy)
    facts = [
        ("Minimum, maximum", f"{unit.value(lesion.min_gy)}, {unit.value(lesion.max_gy)} {unit.name}"),
        ("D98, D95, D90, D70", ", ".join(unit.value(v) for v in near_minimum) + f" {unit.name}"),
        ("D50, D2", f"{unit.value(lesion.d50_gy)}, {unit.value(lesion.d2_gy)} {unit.name}"),
    ]
    if math.isfinite(lesion.threshold_gy):
        facts.append((f"V{lesion.threshold_gy:g} Gy", f"{number(lesion.vthreshold_percent)} %"))
    return [*facts, (_label("uniformity"), number(lesion.uniformity))]


def _noise_corrected(lesion: LesionDose, unit: DoseUnit) -> Facts:
    """Metrics of the histogram corrected for Monte Carlo noise, with their bands."""
    clean = lesion.noise_corrected_dvh
    if not clean:
        return []

    def ends(name: str, unit: DoseUnit) -> str:
        value, low, high = (unit.value(end) for end in clean["metrics"][name])
        return f"{value} ({low}–{high}) {unit.name}"

    facts = [
        (_label("voxel_noise_percent"), f"{number(clean['noise_percent'], 2)} % of the mean dose"),
        (f"Noise-corrected, with {100 * clean['level']:g} % bands", f"D95 {ends('D95', unit)}"),
        ("… D98, D2", f"{ends('D98', unit)}, {ends('D2', unit)}"),
    ]
    if "Vthreshold" in clean["metrics"]:
        facts.append((f"… V{lesion.threshold_gy:g} Gy", ends("Vthreshold", DoseUnit("%"))))
    return facts


def _kinetic_facts(lesion: LesionDose) -> Facts:
    """The time-activity curve, what the scans do not tell of it, and the recovery coefficient of the activities."""
    k = lesion.kinetics
    facts = []
    if k:
        facts = [
            ("Kinetic model", str(k.get("model", NONE))),
            (_label("tia_coefficient_h"), f"{number(k.get('tia_coefficient_h'))} h"),
            (_label("effective_half_life_h"), f"{number(k.get('effective_half_life_h'))} h"),
            (_label("extrapolated_fraction"), percent(k.get("extrapolated_fraction"))),
            *_unseen_facts(lesion),
        ]
    if k.get("retention_percent") and k.get("times_h"):
        points = zip(k["times_h"], k["retention_percent"], strict=False)
        listed = ", ".join(f"{number(v)} % at {number(t, 2)} h" for t, v in points)
        facts.append(("Retention, decay-corrected", listed))
    if lesion.recovery.get("coefficient") is not None:
        facts.append((_label("recovery_coefficient"), number(lesion.recovery["coefficient"])))
    return facts


def _unseen_facts(lesion: LesionDose) -> Facts:
    """The uptake before the first scan with its alternative, and the population that one scan was completed from."""
    k, facts = lesion.kinetics, []
    tia, other = or_nan(k.get("tia_coefficient_h")), or_nan(k.get("alternative_tia_coefficient_h"))
    if k.get("uptake"):
        text = str(k["uptake"])
        if k.get("alternative_uptake") and math.isfinite(other) and tia > 0:
            change = signed_percent(100.0 * (other / tia - 1.0))
            text += f"; with {k['alternative_uptake']} {number(other)} h ({change})"
        facts.append(("Uptake before the first scan", text))
    if k.get("population_half_life_h") is not None:
        spread = k.get("population_gsd")
        gsd = "" if spread is None else f", geometric standard deviation {number(spread)}"
        half_life = f"{number(k['population_half_life_h'])} h{gsd}"
        facts.append(("One scan: biological half-life of a population", half_life))
    return facts


def _label(column: str) -> str:
    """What a reader sees instead of the name of a column of the lesion table."""
    return BY_NAME[column].label
