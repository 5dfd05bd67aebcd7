"""Check the clinic's answers on the synthetic trial against its truth, over many noise seeds.

Run as ``python -m hevesy.tools.cohort_check --seeds 20 --jobs 2 --parts FOLDER`` (or ``make cohort-check``) in a
checkout; writes docs/validation/cohort.md and cohort.json with the numbers of the run that was made. With ``--parts``
each patient's numbers are stored when they are ready, so that a run can be stopped, resumed, or divided (``--only
P01,C02``). docs/methods/cohort.md says what is resampled for each noise seed, and why Monte Carlo need not be.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from hevesy.engine.case.model import Case
from hevesy.engine.lesions.uncertainty import MASS_EXPONENT, VOLUME
from hevesy.engine.nuclides.emission import Emission
from hevesy.engine.pipeline.activity import VisitActivity, integrate
from hevesy.engine.pipeline.clinic.lesions import with_clinic
from hevesy.engine.pipeline.clinic.therapy import judgement_of
from hevesy.engine.pipeline.clinic.visits import VisitLesions, follow_up
from hevesy.engine.pipeline.dose import dose_of_visit, transport_problem
from hevesy.engine.pipeline.lesion_records import lesion_records
from hevesy.engine.pipeline.scans import VisitImages, read_visit
from hevesy.engine.results.provenance import code_commit
from hevesy.engine.run import with_changes
from hevesy.engine.text import plain
from hevesy.engine.transport.run import simulate

from ..engine.constants import JOULE_PER_MEV, QUANTUM_MEV
from ..phantoms.cohort import VISITS, Cohort, CohortPatient, make_cohort
from ..phantoms.patient import SyntheticPatient
from ..phantoms.true_dose import TrueDose, background_photon_dose, true_doses
from .cohort_errors import VisitErrors, draw_errors, with_errors
from .cohort_page import page, summary
from .stored_parts import made_parts

ROOT = Path(__file__).resolve().parents[1]
#: Decays of the photon part, simulated once per visit; its noise is common to all seeds.
PHOTON_DECAYS = 50_000
#: Lines of the budget for what never goes wrong here: all uptake is complete at 24 h, as the model has it.
NOT_DRAWN = ("uptake before the first scan",)
#: Version of stored numbers: those of another version are computed again.
PART_VERSION = 3
#: First noise seed: away from those that made the trial's own images.
FIRST_SEED = 1000


def arguments(words: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="noise seeds")
    parser.add_argument("--seed", type=int, default=1, help="seed of the trial's truth")
    parser.add_argument("--patients", type=int, default=None, help="patients of each arm at most; default all")
    parser.add_argument("--only", default=None, help="these patients only, such as P01,C02")
    parser.add_argument("--jobs", type=int, default=1, help="patients at a time, each in a process of its own")
    parser.add_argument("--parts", type=Path, default=None, help="store each patient's numbers here, and reuse them")
    parser.add_argument("--time-limit", type=float, default=None, help="begin no other patient after [s]")
    parser.add_argument("--trial", type=Path, default=None, help="images of this trial written before (same seed)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "validation")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Run the check; 0 when every judged number holds."""
    args = arguments(words)
    start = time.monotonic()
    cohort = make_cohort(args.seed)
    chosen = [patient.name for patient in in_turn(cohort, args.patients)]
    if args.only is not None:
        wanted = args.only.split(",")
        unknown = set(wanted) - {patient.name for patient in cohort.patients}
        if unknown:
            raise SystemExit(f"no patient {', '.join(sorted(unknown))} in this trial")
        chosen = [name for name in chosen if name in wanted]
    found: dict[str, dict[str, Any]] = {}
    make = partial(patient_part, args=args)
    for part in made_parts(chosen, make, part_key(args), args.parts, jobs=args.jobs, time_limit_s=args.time_limit):
        found[part["patient"]] = part
        print(
            f"{part['patient']}: {len(part['rows'])} lesion doses, CPU {part['cpu_time_s']:.0f} s, "
            f"{time.monotonic() - start:.0f} s since the start",
            flush=True,
        )
        record = plain(recorded([found[name] for name in chosen if name in found], args, cohort, start))
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "cohort.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        (args.out / "cohort.md").write_text(page(record), encoding="utf-8")
    return 0 if found and all(row["holds"] is not False for row in record["judgements"]) else 1


def recorded(done: Sequence[dict[str, Any]], args: argparse.Namespace, cohort: Cohort, start: float) -> dict[str, Any]:
    """Summary of the patients that are done."""
    about = {
        "trial_seed": args.seed,
        "noise_seeds": args.seeds,
        "patients": [part["patient"] for part in done],
        "patients_in_trial": len(cohort.patients),
        "commits": sorted({part["commit"] for part in done}),
        "wall_time_s": time.monotonic() - start,
        "cpu_time_s": sum(part["cpu_time_s"] for part in done),
        "jobs": args.jobs,
        "photon_decays": PHOTON_DECAYS,
    }
    rows = [row for part in done for row in part["rows"]]
    return summary(rows, [one for part in done for one in part["judged"]], about)


def in_turn(cohort: Cohort, most: int | None) -> list[CohortPatient]:
    """Patients, the arms taking turns, so that a run cut short has some of each."""
    arms: dict[str, list[CohortPatient]] = {}
    for patient in cohort.patients:
        arms.setdefault(patient.arm, []).append(patient)
    lists = [members[:most] for members in arms.values()]
    longest = max(len(members) for members in lists)
    return [members[k] for k in range(longest) for members in lists if k < len(members)]


def part_key(args: argparse.Namespace) -> list[int]:
    """Settings in which a patient's stored numbers must agree."""
    return [PART_VERSION, args.seed, args.seeds, PHOTON_DECAYS]


def patient_part(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """The numbers of one patient."""
    cohort = make_cohort(args.seed)
    patient = next(one for one in cohort.patients if one.name == name)
    rows, judged = check_patient(patient, cohort, args.seeds, args.trial)
    return {"patient": name, "commit": code_commit() or "unknown", "rows": rows, "judged": judged}


@dataclass(frozen=True)
class VisitTruth:
    """What is made once a visit and used by every noise seed.

    Parameters
    ----------
    name, scan, images
        The visit; its images as the run reads them.
    clean
        Its PETs before noise.
    doses
        True dose of each lesion, by label.
    photons_gy
        Photon dose of the visit without any error, and ...
    decays
        ... the decays that it belongs to.
    """

    name: str
    scan: SyntheticPatient
    images: VisitImages
    clean: list[np.ndarray]
    doses: dict[int, TrueDose]
    photons_gy: np.ndarray
    decays: float


def check_patient(
    patient: CohortPatient, cohort: Cohort, seeds: int, trial: Path | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every lesion dose and every re-induction verdict of one patient, over the noise seeds."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if trial is None:
            replace(cohort, patients=(patient,)).save(folder, dose="sphere")
        case = with_changes(Case.load((trial or folder) / patient.name / "case.yaml"), method="local")
        visits = list(true_visits(case, patient, cohort.seed))
        contour = visits[0].images.contour_spacing_mm
        assert contour is not None, "lesions are drawn on the CT in this trial"
        rows: list[dict[str, Any]] = []
        judged: list[dict[str, Any]] = []
        for seed in range(seeds):
            errors = draw_errors(case, patient, contour, FIRST_SEED + seed)
            several = []
            for visit, wrong in zip(visits, errors, strict=True):
                images = with_errors(visit.images, visit.scan, visit.clean, wrong, FIRST_SEED + seed, folder)
                several.append(answers(case, visit, images))
                verdicts = verdicts_of(case, several[-1])
                known = zip(several[-1].lesions, visit.scan.truth, verdicts, wrong.volumes, strict=True)
                for lesion, true, verdict, volume in known:
                    assert lesion.lesion == true.name
                    found = row(patient, visit, seed, lesion, true, visit.doses[true.label].dose_gy, verdict)
                    rows.append(found | {"drawn_effect": drawn_effect(lesion, wrong, float(volume))})
            judged += re_induction(case, patient, several, seed)
    return rows, judged


def true_visits(case: Case, patient: CohortPatient, seed: int) -> Iterator[VisitTruth]:
    """Truth, images and photon dose of every visit."""
    background = background_photon_dose(patient.visits[0], seed=seed)
    for (name, _), scan, visit in zip(VISITS, patient.visits, case.visits, strict=True):
        images = read_visit(case, visit)
        clean = [scan.pet_without_noise(k) for k in range(len(scan.times_h))]
        doses = {d.label: d for d in true_doses(scan, seed=seed, background=background)}
        activity = integrate(case, images)
        photons = photon_dose(case, images, activity, seed)
        yield VisitTruth(name, scan, images, clean, doses, photons, activity.total_decays)


def answers(case: Case, visit: VisitTruth, images: VisitImages) -> VisitLesions:
    """The lesion records of a visit: charged particles by local deposition, photons from the visit's own run."""
    activity = integrate(case, images)
    result, sigma = dose_of_visit(case, images, activity, lambda f, text: None, None)
    local = result.doses["local"]
    photons = visit.photons_gy * (activity.total_decays / visit.decays)
    result.doses["local"] = replace(local, mean=np.asarray(local.mean) + photons)
    records = lesion_records(case, images, activity, result, sigma)
    found = with_clinic(case, images, activity, result, records)
    result.ct_hu = None  # the visits' CTs lie in one place: no alignment is asked for
    return VisitLesions(visit.name, found, result)


def verdicts_of(case: Case, visit: VisitLesions) -> list[str]:
    """Verdict of each lesion at the therapy activity."""
    judgement = judgement_of(case, visit.lesions, None)
    assert judgement is not None
    found = {one.lesion: one.verdict for one in judgement.planned.lesions}
    return [found[lesion.lesion] for lesion in visit.lesions]


def re_induction(case: Case, patient: CohortPatient, visits: list[VisitLesions], seed: int) -> list[dict[str, Any]]:
    """Verdicts on re-induction at each later visit."""
    follow = follow_up(case, visits)
    assert follow is not None
    return [
        {
            "patient": patient.name,
            "arm": patient.arm,
            "responder": patient.responder,
            "visit": later["visit"],
            "noise_seed": seed,
            "lesions": len(later["reinduction"]),
            "re_induced": len(later["re_induced"]),
            "concentrated": sum(one["verdict"] == "concentrated by shrinkage" for one in later["reinduction"]),
        }
        for later in follow["visits"]
    ]


def photon_dose(case: Case, images: VisitImages, activity: VisitActivity, seed: int) -> np.ndarray:
    """Dose from the photons of the whole visit [Gy], scored along their tracks."""
    problem = transport_problem(case, images, activity)
    lines = Emission(nuclide="photons of " + problem.emission.nuclide, photon_lines=problem.emission.photon_lines)
    physics = {**problem.physics, "photon_scoring": "track-length"}
    tally = simulate(replace(problem, emission=lines, physics=physics), decays=PHOTON_DECAYS, seed=seed)
    joule = tally.energy_quanta * QUANTUM_MEV / tally.decays * JOULE_PER_MEV * activity.total_decays
    mass_kg = np.asarray(problem.density_g_cm3, dtype=np.float64) * images.grid.voxel_volume_ml * 1e-3
    return np.where(images.density > 0.01, joule / mass_kg, 0.0)


def row(
    patient: CohortPatient, visit: VisitTruth, seed: int, lesion: Any, true: Any, dose_gy: float, verdict: str
) -> dict[str, Any]:
    """One lesion, visit and seed: what was found and what is true."""
    budget = lesion.uncertainty  # empty where no dose was found
    relative = drawn_relative(budget) if budget else 0.0
    low, high = (lesion.dose_gy * math.exp(side * relative) for side in (-1.0, 1.0))
    deviation = math.log(lesion.dose_gy / dose_gy) / relative if budget else None
    return {
        "patient": patient.name,
        "arm": patient.arm,
        "visit": visit.name,
        "lesion": lesion.lesion,
        "site": true.site,
        "noise_seed": seed,
        "volume_ml": true.volume_ml,
        "drawn_ml": lesion.volume_ml,
        "resolutions": true.diameter_mm / visit.scan.fwhm_mm,
        "true_gy": dose_gy,
        "dose_gy": lesion.dose_gy,
        "low_gy": low,
        "high_gy": high,
        "deviation": deviation,
        "parts": {c["name"]: c["relative"] for c in budget.get("contributions", ())},
        "upper_bound": bool(lesion.clinic["upper_bound"]),
        "lower_bound": bool(lesion.clinic["lower_bound"]),
        "probability": float(lesion.probability),
        "verdict": verdict,
        "local_gy": lesion.dose_local_gy * lesion.recovery_dose_factor,
        "sphere_gy": lesion.clinic.get("sphere_dose_gy"),
    }


def drawn_relative(budget: Any) -> float:
    """Relative standard uncertainty from those lines of a budget whose errors do happen in the check."""
    left_out = sum(c["relative"] ** 2 for c in budget["contributions"] if c["name"] in NOT_DRAWN)
    return math.sqrt(budget["relative"] ** 2 - left_out)


def drawn_effect(lesion: Any, errors: VisitErrors, volume: float) -> float:
    """First-order effect of the drawn errors on ln(dose), whose expectation is zero: a control variate of the bias."""
    budget = lesion.uncertainty
    if not budget:
        return 0.0
    part = next(c["relative"] for c in budget["contributions"] if c["name"] == VOLUME)
    scans = float(np.dot(lesion.kinetics["sensitivity"], np.log(errors.scans)))
    # a wider outline lowers the dose: the mass grows faster than the activity in it
    outline = -part / budget["volume"] * math.log(volume)
    return math.log(errors.activity) - MASS_EXPONENT * math.log(errors.density) + scans + outline


if __name__ == "__main__":
    raise SystemExit(main())
