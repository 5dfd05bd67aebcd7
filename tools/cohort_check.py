"""Check the clinic's answers on the synthetic trial against its truth, over many noise seeds.

Run as ``python -m hevesy.tools.cohort_check --seeds 20`` (or ``make cohort-check``) in a checkout; writes
docs/validation/cohort.md and cohort.json with the numbers of the run that was made. docs/methods/cohort.md says what
is repeated with each noise seed and why Monte Carlo need not be.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.case import Case
from ..engine.pipeline.activity import integrate
from ..engine.pipeline.clinic_lesions import with_clinic
from ..engine.pipeline.dose import dose_of_visit, transport_problem
from ..engine.pipeline.lesion_records import lesion_records
from ..engine.pipeline.scans import VisitImages, read_visit
from ..engine.pipeline.visits import VisitLesions, follow_up
from ..engine.run import with_changes
from ..engine.transport import simulate
from ..engine.transport.problem import Emission
from ..engine.verdict import plain
from ..phantoms.cohort import VISITS, Cohort, CohortPatient, make_cohort
from ..phantoms.noise import correlated_noise, noise_stream, positive_noise
from ..phantoms.patient import SyntheticPatient
from ..phantoms.problems import JOULE_PER_MEV
from ..phantoms.true_dose import background_photon_dose, true_doses
from .cohort_page import page, summary

ROOT = Path(__file__).resolve().parents[1]
#: Decays of the photon part, played once a visit; its noise is common to all seeds.
PHOTON_DECAYS = 50_000


def arguments(words: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="noise seeds")
    parser.add_argument("--seed", type=int, default=1, help="seed of the trial's truth")
    parser.add_argument("--patients", type=int, default=None, help="patients of each arm at most; default all")
    parser.add_argument("--time-limit", type=float, default=None, help="begin no other patient after [s]")
    parser.add_argument("--trial", type=Path, default=None, help="images of this trial written before (same seed)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "validation")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Run the check; 0 when every judged number holds."""
    args = arguments(words)
    start, cpu = time.monotonic(), time.process_time()
    cohort = make_cohort(args.seed)
    rows: list[dict[str, Any]] = []
    judged: list[dict[str, Any]] = []
    done: list[str] = []
    for patient in in_turn(cohort, args.patients):
        if done and args.time_limit is not None and time.monotonic() - start > args.time_limit:
            break
        found = check_patient(patient, cohort, args.seeds, args.trial)
        rows += found[0]
        judged += found[1]
        done.append(patient.name)
        spent = time.monotonic() - start, time.process_time() - cpu
        print(f"{patient.name}: {len(found[0])} lesion doses, {spent[0]:.0f} s, CPU {spent[1]:.0f} s", flush=True)
        about = {
            "trial_seed": args.seed,
            "noise_seeds": args.seeds,
            "patients": done,
            "patients_in_trial": len(cohort.patients),
            "wall_time_s": spent[0],
            "cpu_time_s": spent[1],
            "photon_decays": PHOTON_DECAYS,
        }
        record = plain(summary(rows, judged, about))
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "cohort.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        (args.out / "cohort.md").write_text(page(record), encoding="utf-8")
    return 0 if done and all(row["holds"] is not False for row in record["judgements"]) else 1


def in_turn(cohort: Cohort, most: int | None) -> list[CohortPatient]:
    """Patients, the arms taking turns, so that a run cut short has some of each."""
    arms: dict[str, list[CohortPatient]] = {}
    for patient in cohort.patients:
        arms.setdefault(patient.arm, []).append(patient)
    lists = [members[:most] for members in arms.values()]
    longest = max(len(members) for members in lists)
    return [members[k] for k in range(longest) for members in lists if k < len(members)]


def check_patient(
    patient: CohortPatient, cohort: Cohort, seeds: int, trial: Path | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every lesion dose and every re-induction verdict of one patient, over the noise seeds."""
    background = background_photon_dose(patient.visits[0], seed=cohort.seed)
    with tempfile.TemporaryDirectory() as folder:
        file = (trial or Path(folder)) / patient.name / "case.yaml"
        if trial is None:
            only = replace(cohort, patients=(patient,))
            only.save(folder, dose="sphere")
        case = with_changes(Case.load(file), method="local")
        visits = [read_visit(case, visit) for visit in case.visits]
    rows: list[dict[str, Any]] = []
    by_seed: list[list[VisitLesions]] = [[] for _ in range(seeds)]
    for (name, _), scan, images in zip(VISITS, patient.visits, visits, strict=True):
        truth = {d.label: d for d in true_doses(scan, seed=cohort.seed, background=background)}
        clean = [scan.pet_without_noise(k) for k in range(len(scan.times_h))]
        photons: np.ndarray | None = None
        for seed in range(seeds):
            noisy = with_noise(images, scan, clean, 1000 + seed)
            activity = integrate(case, noisy)
            if photons is None:
                photons = photon_dose(case, noisy, activity, cohort.seed)
            result, sigma = dose_of_visit(case, noisy, activity, lambda f, text: None, None)
            local = result.doses["local"]
            result.doses["local"] = replace(local, mean=np.asarray(local.mean) + photons)
            found = with_clinic(
                case, noisy, activity, result, lesion_records(case, noisy, activity, result, sigma)
            )
            by_seed[seed].append(VisitLesions(name, found, result))
            for lesion, true in zip(found, scan.truth, strict=True):
                assert lesion.lesion == true.name
                rows.append(row(patient, name, seed, lesion, true, truth[true.label].dose_gy, scan))
    judged = []
    for seed, several in enumerate(by_seed):
        follow = follow_up(case, several)
        assert follow is not None
        for later in follow["visits"]:
            judged.append(
                {
                    "patient": patient.name,
                    "arm": patient.arm,
                    "responder": patient.responder,
                    "visit": later["visit"],
                    "noise_seed": seed,
                    "lesions": len(later["reinduction"]),
                    "re_induced": len(later["re_induced"]),
                }
            )
    return rows, judged


def with_noise(images: VisitImages, scan: SyntheticPatient, clean: list[np.ndarray], seed: int) -> VisitImages:
    """The visit as read, with other PET noise; CT and outlines stay."""
    start = [
        round((a - b) / step)
        for a, b, step in zip(images.grid.origin_mm, scan.grid.origin_mm, scan.grid.spacing_mm, strict=True)
    ]
    box = tuple(slice(s, s + n) for s, n in zip(start, images.grid.shape, strict=True))
    assert not any(images.scans_own), "scans lie on the dose grid in this trial"
    noisy = []
    for number, pet in enumerate(clean):
        stream = noise_stream(seed * 100_000 + scan.seed % 100_000, 2 * number)
        noise = correlated_noise(scan.grid.shape, stream)
        noisy.append((pet * positive_noise(noise, scan._cov(pet))).astype(np.float32)[box])
    return replace(images, concentration=np.stack(noisy))


def photon_dose(case: Case, images: VisitImages, activity: Any, seed: int) -> np.ndarray:
    """Dose from the photons of the whole visit [Gy], scored along their tracks."""
    problem = transport_problem(case, images, activity)
    lines = Emission(nuclide="photons of " + problem.emission.nuclide, photon_lines=problem.emission.photon_lines)
    physics = {**problem.physics, "photon_scoring": "track-length"}
    tally = simulate(replace(problem, emission=lines, physics=physics), decays=PHOTON_DECAYS, seed=seed)
    joule = tally.energy_quanta / 2.0**26 / tally.decays * JOULE_PER_MEV * activity.total_decays
    mass_kg = np.asarray(problem.density_g_cm3, dtype=np.float64) * images.grid.voxel_volume_ml * 1e-3
    return np.where(images.density > 0.01, joule / mass_kg, 0.0)


def row(
    patient: CohortPatient, visit: str, seed: int, lesion: Any, true: Any, dose_gy: float, scan: Any
) -> dict[str, Any]:
    """One lesion, visit and seed: what was found and what is true."""
    low, high = lesion.uncertainty["interval_k1_gy"]
    return {
        "patient": patient.name,
        "arm": patient.arm,
        "visit": visit,
        "lesion": lesion.lesion,
        "site": true.site,
        "noise_seed": seed,
        "volume_ml": lesion.volume_ml,
        "resolutions": true.diameter_mm / scan.fwhm_mm,
        "true_gy": dose_gy,
        "dose_gy": lesion.dose_gy,
        "low_gy": low,
        "high_gy": high,
        "upper_bound": bool(lesion.clinic["upper_bound"]),
        "lower_bound": bool(lesion.clinic["lower_bound"]),
        "probability": float(lesion.probability),
        "local_gy": lesion.dose_local_gy * lesion.dose_factor,
        "sphere_gy": lesion.clinic.get("sphere_dose_gy"),
    }


if __name__ == "__main__":
    raise SystemExit(main())
