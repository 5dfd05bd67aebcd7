"""Try the judge on patients whose true doses are known: how often is it sure, and how often is it then wrong?

Run as ``make verdict-trial`` or ``python -m hevesy.tools.verdict_trial --jobs 2 --parts FOLDER`` in a checkout; writes
docs/validation/verdict.md, verdict.json and verdict.svg with the numbers of the run that was made. Exit code 1 if in
any cell more than 5 % of the claims P > 0.95 or P < 0.05 are wrong. With ``--parts`` each patient's numbers are
stored when they are ready, so that a run can be stopped, resumed, or divided (``--only P01,C02``).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hevesy.engine.case.model import Case
from hevesy.engine.errors import InputError
from hevesy.engine.results.provenance import code_commit
from hevesy.engine.text import plain

from ..phantoms.cohort import CohortPatient, make_cohort
from .cohort_check import FIRST_SEED, PHOTON_DECAYS
from .stored_parts import made_parts
from .verdict_cells import ACTIVITIES_GBQ, CELLS, Cell, grounded, imported_recovery
from .verdict_numbers import summary
from .verdict_page import figure, page
from .verdict_rows import DECAYS, WAYS, Rows, cell_rows, whole_way

ROOT = Path(__file__).resolve().parents[1]
#: Patients of the two arms; they follow from the trial's seed.
PATIENTS, CONTROL_PATIENTS = 18, 10
#: Every patient goes the first of the ways from DICOM, each of this many the others too.
OTHER_WAYS_EVERY = 3
#: Version of stored numbers: those of another version are computed again.
PART_VERSION = 1


def arguments(words: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8, help="noise seeds of the cells")
    parser.add_argument("--seed", type=int, default=1, help="seed of the trial's truth")
    parser.add_argument("--patients", type=int, default=None, help="this many patients at most, the arms in turn")
    parser.add_argument("--only", default=None, help="these patients only, such as P01,C02")
    parser.add_argument("--jobs", type=int, default=1, help="patients at a time, each in a process of its own")
    parser.add_argument("--parts", type=Path, default=None, help="store each patient's numbers here, and reuse them")
    parser.add_argument("--time-limit", type=float, default=None, help="begin no other patient after [s]")
    parser.add_argument("--no-dicom", action="store_true", help="leave out the way from DICOM")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "validation")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Run the trial; 0 when everything that must hold does."""
    args = arguments(words)
    start = time.monotonic()
    names = chosen_patients(args)
    imported = imported_recovery()
    key = [PART_VERSION, args.seed, args.seeds, not args.no_dicom, imported, DECAYS, PHOTON_DECAYS]
    make = partial(patient_part, args=args, imported=imported)
    found: dict[str, dict[str, Any]] = {}
    for part in made_parts(names, make, key, args.parts, jobs=args.jobs, time_limit_s=args.time_limit):
        found[part["name"]] = part
        told = f"{part['name']}: CPU {part['cpu_time_s']:.0f} s, {time.monotonic() - start:.0f} s since the start"
        print(told, flush=True)
    if not found:
        return 1
    done = [found[name] for name in names if name in found]
    record = plain(recorded(done, args, imported, time.monotonic() - start))
    args.out.mkdir(parents=True, exist_ok=True)
    figure(record, args.out / "verdict.svg")
    (args.out / "verdict.md").write_text(page(record), encoding="utf-8")
    for cell in (*record["cells"], record["pooled"]):
        del cell["curves"]  # drawn, and long
    (args.out / "verdict.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    failed = [row for row in record["judgements"] if row["holds"] is False]
    for row in failed:
        print(f"does not hold: {row['what']}, {100 * row['value']:.1f} %, {row['must']}")
    return 1 if failed else 0


def chosen_patients(args: argparse.Namespace) -> list[str]:
    """Names of the patients, the arms taking turns."""
    names = [f"{arm}{k:02d}" for k in range(1, PATIENTS + 1) for arm in "PC" if arm == "P" or k <= CONTROL_PATIENTS]
    if args.only is None:
        return names[: args.patients]
    wanted = args.only.split(",")
    if unknown := set(wanted) - set(names):
        raise SystemExit(f"no patient {', '.join(sorted(unknown))} in this trial")
    return [name for name in names if name in wanted]


def patient_part(name: str, args: argparse.Namespace, imported: dict[str, Any] | None) -> dict[str, Any]:
    """The numbers of one patient."""
    cohort = make_cohort(args.seed, PATIENTS, CONTROL_PATIENTS)
    number, patient = next((k, one) for k, one in enumerate(cohort.patients) if one.name == name)
    seeds = range(FIRST_SEED, FIRST_SEED + args.seeds)
    ways = () if args.no_dicom else WAYS if number % OTHER_WAYS_EVERY == 0 else WAYS[:1]
    lesions, patients = rows_of_patient(patient, CELLS, seeds, ways, imported, args.seed)
    return {"commit": code_commit() or "unknown", "lesions": lesions, "patients": patients}


def rows_of_patient(
    patient: CohortPatient,
    cells: tuple[Cell, ...],
    seeds: Sequence[int],
    ways: Sequence[tuple[str, tuple[float, ...], bool]],
    imported: dict[str, Any] | None,
    seed: int,
) -> tuple[Rows, Rows]:
    """One patient in these cells and noise seeds, and from DICOM by these ways."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ground = grounded(patient, folder / "ground", imported, seed)
        lesions, patients = cell_rows(ground, cells, seeds)
        for way_number, way in enumerate(ways):
            some, whole = whole_way(ground, way, folder / f"way {way_number}", FIRST_SEED)
            lesions, patients = lesions + some, patients + whole
    return lesions, patients


def recorded(
    done: Sequence[dict[str, Any]], args: argparse.Namespace, imported: dict[str, Any] | None, wall_time_s: float
) -> dict[str, Any]:
    """Summary of the patients that are done."""
    lesions = [row for part in done for row in part["lesions"]]
    patients = [row for part in done for row in part["patients"]]
    seen = {row["cell"] for row in patients}
    names = [one for one in (*(cell.name for cell in CELLS), *(way[0] for way in WAYS)) if one in seen]
    about = {
        "trial_seed": args.seed,
        "noise_seeds": [FIRST_SEED + k for k in range(args.seeds)],
        "patients": [part["name"] for part in done],
        "patients_in_trial": PATIENTS + CONTROL_PATIENTS,
        "lesions": len({(row["patient"], row["lesion"]) for row in lesions}),
        "activities_gbq": ACTIVITIES_GBQ,
        "commits": sorted({part["commit"] for part in done}),
        "jobs": args.jobs,
        "wall_time_s": wall_time_s,
        "cpu_time_s": sum(part["cpu_time_s"] for part in done),
        "imported_recovery": imported,
        "decays": DECAYS,
        "photon_decays": PHOTON_DECAYS,
        "no_scan": no_scan(),
    }
    return summary(names, lesions, patients, about)


def no_scan() -> str:
    """What a case without a scan is answered."""
    case = {
        "patient": "P", "therapy": {"nuclide": "I-131", "activity": "7.4 GBq"}, "tracer": {"nuclide": "I-124"},
        "visits": [{"scans": [], "lesions": "lesions.nii"}],
    }  # fmt: skip
    try:
        Case.from_dict(case, check_files=False)
    except InputError as error:
        return f"{error.field} {error.problem}: {error.why}"
    raise AssertionError("a case without a scan was accepted")


if __name__ == "__main__":
    raise SystemExit(main())
