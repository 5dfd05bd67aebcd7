"""A synthetic trial of redifferentiation: patients, visits, scans, samples, and the truth.

Modelled on the published design of RESET (nine patients, baseline and weeks 6 and 12 of treatment, 124I
PET/CT at 24 h and 96 h, no re-induction) with distributions that are plausible for it, not taken from its
data; a positive-control arm in which uptake rises in three of five patients. docs/formats/phantoms.md lists
every distribution. All truth follows from ``seed``; image and sample noise from ``noise_seed``, so that the
same trial can be repeated with other noise.
"""

from __future__ import annotations

import csv
import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from ..engine.files import write_text
from .anatomy import SITES, Lesion, Uptakes
from .files import case_head, case_tail, save_images, visit_lines
from .patient import SyntheticPatient
from .samples import WashoutTruth, draw_washout, write_samples

log = logging.getLogger(__name__)

VISITS = (("baseline", 0), ("week 6", 42), ("week 12", 84))
#: Lesions of nine patients: 30 in all; drawn in random order, repeated for more patients.
_LESIONS_PER_PATIENT = (2, 3, 3, 3, 3, 4, 4, 4, 4)
_SITE_SHARE = {"lung": 0.45, "node": 0.40, "bone": 0.15}
_VOLUME_RANGE_ML = {"lung": (0.1, 10.0), "node": (0.5, 20.0), "bone": (1.0, 50.0)}
_SMALLEST_ML = 0.05
#: Decays of a case of the trial at each visit, so that the whole trial takes minutes and not hours.
_DECAYS = 2_000_000
_FIRST_DAY = datetime(2026, 1, 5, 9, 0)


@dataclass(frozen=True)
class CohortPatient:
    """One patient of the cohort.

    Parameters
    ----------
    name, arm
        Identifier; ``"no_reinduction"`` or ``"control"``.
    responder
        Whether treatment raises its uptake (control arm only).
    visits
        One synthetic patient a visit, with that visit's lesions.
    washout
        True whole-body and blood clearance at each visit.
    height_cm, sex
        For the blood volume.
    """

    name: str
    arm: str
    responder: bool
    visits: tuple[SyntheticPatient, ...]
    washout: tuple[WashoutTruth, ...]
    height_cm: float
    sex: str


@dataclass(frozen=True)
class Cohort:
    """A synthetic trial; make one with :func:`make_cohort`."""

    seed: int
    noise_seed: int
    patients: tuple[CohortPatient, ...] = field(default_factory=tuple)

    def save(self, folder: str | Path, dose: str = "transport", progress: Callable[[str], None] | None = None) -> Path:
        """Write the whole trial.

        Parameters
        ----------
        folder
            Where ``cohort.yaml``, ``truth.csv``, ``truth_blood.csv`` and one folder a patient go.
        dose
            How ``dose_gy`` of ``truth.csv`` is found: ``"transport"`` (a few seconds a lesion) or
            ``"sphere"`` (closed form, local activity only).
        progress
            Called with one line a visit.

        Returns
        -------
        Path
            ``cohort.yaml``.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        truth, blood = [], []
        for patient in self.patients:
            background = None
            if dose == "transport":
                from .true_dose import background_photon_dose

                background = background_photon_dose(patient.visits[0], seed=self.seed)
            for (visit, _), scan, washout in zip(VISITS, patient.visits, patient.washout, strict=True):
                place = folder / patient.name / visit.replace(" ", "_")
                save_images(scan, place)
                sites = {str(t.label): {"name": t.name, "site": t.site} for t in scan.truth}
                write_text(place / "lesions.json", json.dumps(sites, indent=2) + "\n")
                write_samples(place / "retention.csv", washout, scan, seed=self.noise_seed + scan.seed)
                truth += _truth_rows(patient, visit, scan, dose, background, self.seed)
                blood.append(_blood_row(patient, visit, scan, washout))
                if progress:
                    progress(f"{patient.name} {visit}: {len(scan.lesions)} lesions")
            _write_case(patient, folder / patient.name)
        _write_table(folder / "truth.csv", truth)
        _write_table(folder / "truth_blood.csv", blood)
        lines = [
            "name: synthetic redifferentiation trial",
            f"seed: {self.seed}",
            f"noise_seed: {self.noise_seed}",
            "visits: [" + ", ".join(name for name, _ in VISITS) + "]",
            "truth: truth.csv",
            "cases:",
            *(f"  - {{patient: {p.name}, arm: {p.arm}, case: {p.name}/case.yaml}}" for p in self.patients),
        ]
        write_text(folder / "cohort.yaml", "\n".join(lines) + "\n")
        return folder / "cohort.yaml"


def make_cohort(
    seed: int = 1,
    patients: int = 9,
    control_patients: int = 5,
    noise_seed: int | None = None,
    voxel_mm: float = 4.0,
    shift_sd_mm: float = 0.0,
) -> Cohort:
    """Draw a trial.

    Parameters
    ----------
    seed
        Seed of everything that is true.
    patients, control_patients
        Patients of the no-re-induction arm and of the positive-control arm.
    noise_seed
        Seed of image and sample noise; ``seed`` by default.
    voxel_mm
        PET voxel size.
    shift_sd_mm
        Standard deviation along each axis of the patient's movement between the scans of a visit [mm].
    """
    noise_seed = seed if noise_seed is None else noise_seed
    design = _Design(seed, noise_seed, voxel_mm, shift_sd_mm)
    order = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 0])))
    total = patients + control_patients
    counts: list[int] = []
    while len(counts) < total:
        counts += [int(n) for n in order.permutation(_LESIONS_PER_PATIENT)]
    responders = set(order.permutation(control_patients)[: round(0.6 * control_patients)].tolist())
    made = []
    for number in range(total):
        control = number >= patients
        in_arm = number - patients if control else number
        made.append(
            _make_patient(
                design,
                number + 1,
                name=f"{'C' if control else 'P'}{in_arm + 1:02d}",
                control=control,
                responder=control and in_arm in responders,
                lesions=counts[number],
                # A borderline lesion in the second and the sixth patient of the main arm.
                borderline=not control and in_arm % 4 == 1,
            )
        )
    return Cohort(seed, noise_seed, tuple(made))


@dataclass(frozen=True)
class _Design:
    """What all patients of a trial share: seeds, PET voxel size and standard deviation of the scans' shifts [mm]."""

    seed: int
    noise_seed: int
    voxel_mm: float
    shift_sd_mm: float


def _make_patient(
    design: _Design, number: int, *, name: str, control: bool, responder: bool, lesions: int, borderline: bool
) -> CohortPatient:
    """Draw the patient of this number (from 1), which addresses its random numbers."""
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([design.seed, number])))
    sex = "female" if rng.random() < 0.55 else "male"
    weight = float(np.clip(rng.normal(70.0 if sex == "female" else 82.0, 11.0), 45.0, 120.0))
    height = float(np.clip(rng.normal(164.0 if sex == "female" else 177.0, 6.5), 145.0, 200.0))
    uptakes = Uptakes(
        liver=rng.uniform(0.5, 0.8),
        blood=rng.uniform(0.4, 0.7),
        stomach=rng.uniform(5.0, 20.0),
        salivary=rng.uniform(5.0, 15.0),
        thyroid_bed=float(rng.choice([0.3, 0.3, 3.0])),
        muscle=0.3,
        lung=rng.uniform(0.2, 0.3),
    )
    first = _draw_lesions(rng, lesions, control, borderline)
    by_visit = [first, *_follow_up(rng, first, responder)]
    scans, washouts = [], []
    washout = draw_washout(rng, weight)
    for index, ((_, day), found) in enumerate(zip(VISITS, by_visit, strict=True)):
        scans.append(
            SyntheticPatient(
                patient=name,
                seed=_noise_number(design.noise_seed, number, index),
                voxel_mm=design.voxel_mm,
                lesions=found,
                uptakes=uptakes,
                weight_kg=round(weight, 1),
                tracer_mbq=float(round(rng.uniform(70.0, 78.0), 1)),
                administered=f"{_FIRST_DAY + timedelta(days=day):%Y-%m-%dT%H:%M}",
                shift_mm=_triple(rng.normal(0.0, 1.0, 3) * design.shift_sd_mm),
            )
        )
        washouts.append(washout.again(rng))
    return CohortPatient(
        name,
        "control" if control else "no_reinduction",
        responder,
        tuple(scans),
        tuple(washouts),
        round(height),
        sex,
    )


def _draw_lesions(rng: np.random.Generator, count: int, control: bool, borderline: bool) -> tuple[Lesion, ...]:
    """Baseline lesions at different places."""
    free = {site: list(rng.permutation(len(places))) for site, places in SITES.items()}
    out: list[Lesion] = []
    for index in range(count):
        site = str(rng.choice(list(_SITE_SHARE), p=list(_SITE_SHARE.values())))
        centre, radius = SITES[site][int(free[site].pop())]
        low, high = _VOLUME_RANGE_ML[site]
        high = min(high, 4.0 / 3.0 * math.pi * radius**3 * 1e-3)
        volume = _lognormal(rng, 1.5, 3.2, low, high)
        uptake = _lognormal(rng, 0.006 if control else 0.003, 2.5 if control else 3.0, 1e-4, 0.1)
        half_life = _lognormal(rng, 70.0, 1.6, 20.0, 250.0)
        if borderline and index == 0:
            volume, uptake = max(volume, 1.0), rng.uniform(0.025, 0.04)
        density = {
            "lung": float(rng.uniform(0.9, 1.05)),
            "node": 1.05,
            "bone": float(rng.choice([1.2, 1.6])),
        }[site]
        out.append(Lesion(f"{site} {index + 1}", site, centre, volume, uptake, half_life, round(density, 3)))
    return tuple(out)


def _follow_up(rng: np.random.Generator, first: tuple[Lesion, ...], responder: bool) -> list[tuple[Lesion, ...]]:
    """The same lesions at weeks 6 and 12: shrunk, with the uptake of that visit.

    ln(V/V0) is normal about ln 0.306 and ln 0.245, so that 59 % and 75 % lose 30 % of their diameter, with
    sigma 0.35 between patients and 0.36 between lesions, correlated 0.8 between the two visits.
    """
    later = []
    patient_z, lesion_z = rng.standard_normal(), rng.standard_normal(len(first))
    rise = float(np.exp(rng.uniform(math.log(2.0), math.log(10.0)))) if responder else 1.0
    for visit, median in ((1, 0.306), (2, 0.245)):
        if visit == 2:
            step = math.sqrt(1.0 - 0.8**2)
            patient_z = 0.8 * patient_z + step * rng.standard_normal()
            lesion_z = 0.8 * lesion_z + step * rng.standard_normal(len(first))
        found = []
        for lesion, z in zip(first, lesion_z, strict=True):
            change = median * math.exp(0.35 * patient_z + 0.36 * z)
            radius = next(r for c, r in SITES[lesion.site] if c == lesion.centre_mm)
            largest = 4.0 / 3.0 * math.pi * radius**3 * 1e-3
            uptake = lesion.uptake_percent_per_g_24h * rise * 1.3 ** float(rng.standard_normal())
            found.append(
                replace(
                    lesion,
                    volume_ml=float(np.clip(lesion.volume_ml * change, _SMALLEST_ML, largest)),
                    uptake_percent_per_g_24h=uptake,
                )
            )
        later.append(tuple(found))
    return later


def _lognormal(rng: np.random.Generator, median: float, gsd: float, low: float, high: float) -> float:
    """A log-normal draw, repeated until it lies between ``low`` and ``high``."""
    for _ in range(1000):
        value = median * gsd ** float(rng.standard_normal())
        if low <= value <= high:
            return value
    return float(np.clip(median, low, high))


def _noise_number(noise_seed: int, patient: int, visit: int) -> int:
    return (noise_seed * 1000 + patient) * 10 + visit


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _truth_rows(
    patient: CohortPatient,
    visit: str,
    scan: SyntheticPatient,
    dose: str,
    background: np.ndarray | None,
    seed: int,
) -> list[dict[str, object]]:
    doses: dict[int, tuple[float, float]] = {}
    if dose == "transport":
        from .true_dose import true_doses

        doses = {d.label: (d.dose_gy, d.sigma_gy) for d in true_doses(scan, seed=seed, background=background)}
    rows = []
    for t in scan.truth:
        mean, sigma = doses.get(t.label, (t.sphere_dose_gy, 0.0))
        rows.append(
            {
                "patient": patient.name,
                "arm": patient.arm,
                "visit": visit,
                "lesion": t.name,
                "site": t.site,
                "volume_ml": t.volume_ml,
                "mass_g": t.mass_g,
                "diameter_mm": t.diameter_mm,
                "uptake_percent_24h": t.uptake_percent_24h,
                "uptake_percent_per_g_24h": t.uptake_percent_per_g_24h,
                "biological_half_life_h": t.biological_half_life_h,
                "effective_half_life_h": t.effective_half_life_h,
                "tia_coefficient_h": t.tia_coefficient_h,
                "dose_gy": mean,
                "dose_standard_error_gy": sigma,
                "ldpa_gy_per_gbq": mean / (scan.therapy_mbq / 1000.0),
                "sphere_dose_gy": t.sphere_dose_gy,
                "eligible": int(mean >= 20.0),
                "reinduced": int(patient.responder and visit != "baseline"),
                # deprecated names of tia_coefficient_h and dose_standard_error_gy
                "residence_time_h": t.tia_coefficient_h,
                "dose_sigma_gy": sigma,
            }
        )
    return rows


def _blood_row(patient: CohortPatient, visit: str, scan: SyntheticPatient, washout: WashoutTruth) -> dict[str, object]:
    return {"patient": patient.name, "arm": patient.arm, "visit": visit} | washout.summary(scan.weight_kg)


def _write_case(patient: CohortPatient, folder: Path) -> None:
    first = patient.visits[0]
    lines = [*case_head(first), f"height: {patient.height_cm:g} cm", f"sex: {patient.sex}", "visits:"]
    for (visit, _), scan in zip(VISITS, patient.visits, strict=True):
        below = visit.replace(" ", "_") + "/"
        extra = (f"administered: {scan.administered}", f"activity: {scan.tracer_mbq:g} MBq")
        lines += [*visit_lines(scan, visit, below, extra), f"    retention: {below}retention.csv"]
    # a number of decays, not a precision: 1 % in the faintest shrunk lesion would take many times longer
    tail = [line for line in case_tail(first) if not line.startswith("transport:")]
    tail.append(f"transport: {{grid: pet, decays: {_DECAYS}, until: null}}")
    write_text(folder / "case.yaml", "\n".join([*lines, *tail]) + "\n")


def _write_table(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
