"""Cohort files and the defaults of a site, in YAML as a case is."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import yaml

from ....engine.case.site import Site
from ....engine.cohort.cohort_file import folder_name, load_trial
from ..damage import damaged, encoded, reworded, transplanted
from ..sample import Kind, Reading, Sample
from .case import number_text, put, written, written_any
from .records import WAYS

COHORT: dict[str, Any] = {
    "name": "trial",
    "seed": "5",
    "cases": [
        {"patient": "P01", "arm": "treated", "case": "a/case.yaml"},
        {"patient": "P02", "arm": "control", "case": "b/case.yaml"},
        {"case": "c/case.yaml"},
        "d/other.yaml",
    ],
}
_READ = (("P01", "treated"), ("P02", "control"), ("c", "all"), ("other", "all"))
SITE: dict[str, Any] = {
    "threshold": "25 Gy",
    "therapy": {"nuclide": "I-131", "activity": "5.5 GBq"},
    "recovery": {"I-124": {"fwhm": "6 mm", "fwhm_sigma": "1 mm"}},
    "scanners": {"Vision 600": {"I-124": {"fwhm": "5 mm"}}},
    "uncertainty": {"calibration": "4 %"},
    "radiobiology": {"alpha_beta": "8 Gy"},
    "methods": ["mc", "local"],
    "transport": {"seed": "3", "electron_cutoff": "20 keV"},
}


def _of_any(base: dict[str, Any], file: str, rng: Random) -> Sample:
    """Mutations that know nothing of the keys."""
    kind = rng.randrange(4)
    text = yaml.safe_dump(base, sort_keys=False)
    if kind < 2:
        return Sample("a value, key or item", {file: written_any(transplanted(base, rng), rng)})
    if kind == 2:
        return Sample("text", {file: reworded(text, rng).encode("utf-8", "surrogatepass")})
    return Sample("bytes", {file: damaged(text.encode(), rng)})


def generate_cohort(rng: Random) -> Sample:
    """A cohort file."""
    kind = rng.randrange(6)
    if kind == 0:
        content = encoded(written(COHORT, rng), rng)
        return Sample("the same meaning", {"cohort.yaml": content}, {"cases": _READ}, must="read")
    if kind == 1:
        way = rng.choice((*WAYS, "../../evil", "/evil", "..", "a/../..", "\\\\host\\x", "P01", "p01", "P-01", "~root"))
        where = rng.choice((("cases", 1, "patient"), ("cases", 1, "arm"), ("name",)))
        return Sample("a name that leads out", {"cohort.yaml": written_any(put(COHORT, where, way), rng)})
    if kind == 2:
        more = rng.choice((COHORT["cases"][0], {"patient": "p01", "case": "x.yaml"}, {"patient": "P01.", "case": "y"}))
        content = written_any({**COHORT, "cases": [*COHORT["cases"], more]}, rng)
        return Sample("a patient twice", {"cohort.yaml": content}, must="refuse")
    return _of_any(COHORT, "cohort.yaml", rng)


def read_cohort(folder: Path) -> Reading:
    """Names and arms; what their folders are called stays inside, and differs."""
    trial = load_trial([folder / "cohort.yaml"])
    out = folder / "out"
    names = [folder_name(case.name) for case in trial.cases]
    for name in (*names, folder_name(trial.name), *(folder_name(case.arm) for case in trial.cases)):
        assert (out / name).resolve().parent == out.resolve() and "\0" not in name, f"{name!r} leads out"
    assert len({name.casefold() for name in names}) == len(names), f"{names} fall together"
    return {"cases": tuple((case.name, case.arm) for case in trial.cases)}


_QUANTITIES = (
    (("threshold",), "threshold", {"Gy": 1.0, "cGy": 0.01}),
    (("therapy", "activity"), "activity", {"GBq": 1e3, "MBq": 1.0, "mCi": 37.0}),
    (("recovery", "I-124", "fwhm"), "fwhm", {"mm": 1.0, "cm": 10.0}),
    (("uncertainty", "calibration"), "calibration", {"%": 0.01}),
    (("transport", "electron_cutoff"), "cutoff", {"keV": 1e-3, "MeV": 1.0}),
)


def generate_site(rng: Random) -> Sample:
    """The defaults of a site."""
    kind = rng.randrange(6)
    if kind == 0:
        truth = {"threshold": 25.0, "activity": 5500.0, "fwhm": 6.0, "calibration": 0.04, "cutoff": 0.02}
        return Sample("the same meaning", {"site.yaml": encoded(written(SITE, rng), rng)}, truth, must="read")
    if kind == 1:
        where, name, units = rng.choice(_QUANTITIES)
        text, value = number_text(rng)
        unit = rng.choice(list(units))
        content = encoded(written(put(SITE, where, f"{text} {unit}"), rng), rng)
        return Sample("a number", {"site.yaml": content}, {name: value * units[unit]})
    if kind == 2:
        key = rng.choice(("patient", "visits", "tracer", "weight"))
        return Sample("of a patient", {"site.yaml": written_any({**SITE, key: "x"}, rng)}, must="refuse")
    return _of_any(SITE, "site.yaml", rng)


def read_site(folder: Path) -> Reading:
    """Quantities of the defaults, and a new case with them."""
    site = Site.load(folder / "site.yaml")
    defaults = site.defaults
    case: dict[str, Any] = {"tracer": {"nuclide": "I-124"}, "therapy": {"nuclide": "I-131"}, "transport": {}}
    site.applied(case, "Vision 600", folder)
    recovery = defaults.recovery.get("I-124")
    return {
        "threshold": defaults.threshold_gy,
        "activity": defaults.therapy.activity_mbq if defaults.therapy else None,
        "fwhm": recovery.fwhm_mm if recovery else None,
        "calibration": defaults.uncertainty.calibration if defaults.uncertainty else None,
        "cutoff": defaults.transport.electron_cutoff_mev if defaults.transport else None,
    }


KINDS = (
    Kind("cohort", generate_cohort, read_cohort, 8),
    Kind("site", generate_site, read_site, 4),
)
