"""Case files: a changed number is the number that is read, what means the same reads the same."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import yaml

from ....engine.case.model import Case
from ..damage import WORDS, damaged, encoded, reworded, transplanted
from ..sample import Kind, Reading, Sample

#: A case with most of its keys.
BASE: dict[str, Any] = {
    "patient": "T1",
    "threshold": "20 Gy",
    "therapy": {"nuclide": "I-131", "activity": "7.4 GBq"},
    "tracer": {"nuclide": "I-124", "activity": "74 MBq", "administered": "2026-01-05T09:00"},
    "weight": "75 kg",
    "height": "175 cm",
    "sex": "female",
    "visits": [
        {
            "name": "baseline",
            "scans": [
                {"pet": "pet_24.nii.gz", "ct": "ct.nii.gz", "after": "24 h"},
                {"pet": "pet_96.nii.gz", "ct": "ct.nii.gz", "after": "96 h"},
            ],
            "lesions": {"file": "lesions.nii.gz", "names": ["a", "b*"]},
            "retention": "samples.csv",
        },
        {"name": "after", "scans": [{"pet": "pet_96.nii.gz", "ct": "ct.nii.gz"}], "lesions": "lesions.nii.gz"},
    ],
    "kinetics": {"model": "auto", "uptake": "linear", "detection_sigmas": "3"},
    "recovery": {"fwhm": "6 mm", "fwhm_sigma": "1 mm"},
    "uncertainty": {"calibration": "5 %", "per_scan": "8 %", "density": "3 %", "volume": "10 %"},
    "eligibility": {"activities": ["7.4 GBq", "11.1 GBq"]},
    "radiobiology": {"alpha_beta": "10 Gy", "alpha": "0.2 /Gy", "repair_half_time": "1.5 h", "geud_exponent": "-10"},
    "methods": ["mc", "local"],
    "transport": {
        "grid": "4 mm", "decays": "40000", "until": None, "seed": "5", "backend": "cpu", "electron_cutoff": "10 keV",
        "photon_cutoff": "1 keV", "time_limit": "10 min",
    },
}  # fmt: skip
FILES = dict.fromkeys(("pet_24.nii.gz", "pet_96.nii.gz", "ct.nii.gz", "lesions.nii.gz", "samples.csv"), b"")
#: Where a number with a unit stands, and the factors of its units to that of the model.
_ACTIVITY = {"MBq": 1.0, "GBq": 1e3, "kBq": 1e-3, "mCi": 37.0, "Bq": 1e-6}
_DOSE = {"Gy": 1.0, "cGy": 0.01, "mGy": 1e-3, "rad": 0.01}
_HOURS = {"h": 1.0, "min": 1 / 60, "d": 24.0, "days": 24.0}
_LENGTH = {"mm": 1.0, "cm": 10.0}
_SHARE = {"%": 0.01, "percent": 0.01, "fraction": 1.0}
_ENERGY = {"keV": 1e-3, "MeV": 1.0}
QUANTITIES: tuple[tuple[tuple[Any, ...], str, dict[str, float]], ...] = (
    (("threshold",), "threshold_gy", _DOSE),
    (("therapy", "activity"), "therapy.activity_mbq", _ACTIVITY),
    (("tracer", "activity"), "tracer.activity_mbq", _ACTIVITY),
    (("weight",), "weight_kg", {"kg": 1.0, "g": 1e-3}),
    (("height",), "height_cm", {"cm": 1.0, "m": 100.0}),
    (("visits", 0, "scans", 0, "after"), "visits.0.scans.0.after_h", _HOURS),
    (("visits", 0, "scans", 1, "after"), "visits.0.scans.1.after_h", _HOURS),
    (("kinetics", "detection_sigmas"), "kinetics.detection_sigmas", {"": 1.0}),
    (("recovery", "fwhm"), "recovery.fwhm_mm", _LENGTH),
    (("recovery", "fwhm_sigma"), "recovery.fwhm_sigma_mm", _LENGTH),
    (("uncertainty", "calibration"), "uncertainty.calibration", _SHARE),
    (("uncertainty", "volume"), "uncertainty.volume", _SHARE),
    (("eligibility", "activities", 1), "eligibility.activities_mbq.1", _ACTIVITY),
    (("radiobiology", "alpha_beta"), "radiobiology.alpha_beta_gy", _DOSE),
    (("radiobiology", "geud_exponent"), "radiobiology.geud_exponent", {"": 1.0}),
    (("transport", "decays"), "transport.decays", {"": 1.0}),
    (("transport", "seed"), "transport.seed", {"": 1.0}),
    (("transport", "electron_cutoff"), "transport.electron_cutoff_mev", _ENERGY),
    (("transport", "time_limit"), "transport.time_limit_s", {"min": 60.0, "s": 1.0, "h": 3600.0}),
)


def put(data: Any, where: tuple[Any, ...], value: Any) -> Any:
    """Plain data with one value replaced."""
    out = dict(data) if isinstance(data, dict) else list(data)
    out[where[0]] = value if len(where) == 1 else put(data[where[0]], where[1:], value)
    return out


def written(data: Any, rng: Random) -> str:
    """YAML of the same meaning in any style, keys in any order."""
    style = rng.choice((False, True, None))
    text = yaml.safe_dump(
        shuffled(data, rng), sort_keys=False, default_flow_style=style, allow_unicode=True, width=rng.choice((40, 1000))
    )
    if style is False and rng.randrange(2):
        text = "".join(f"{line}  # {rng.choice(WORDS[:20]).strip()}\n" for line in text.splitlines())
    return rng.choice(("", "---\n", "# a comment\n\n", "%YAML 1.2\n---\n")) + text


def shuffled(data: Any, rng: Random) -> Any:
    """The same with the keys of its blocks in another order."""
    if isinstance(data, dict):
        keys = list(data)
        rng.shuffle(keys)
        return {key: shuffled(data[key], rng) for key in keys}
    return [shuffled(item, rng) for item in data] if isinstance(data, list) else data


def number_text(rng: Random) -> tuple[str, float]:
    """A number as people write it, and its value."""
    value = rng.choice((0.5, 1.0, 3.0, 7.4, 12.0, 25.0, 74.0, 111.0, 1234.5, 40000.0, 1e6, 0.001, -3.0, 0.0, 1e30))
    value = value if rng.randrange(3) else rng.randrange(1, 10**6) / rng.choice((1, 10, 1000, 10**6))
    form = rng.randrange(4)
    plain = f"{value:.12g}"
    if form == 0 and "e" not in plain and "." in plain and len(plain.split(".")[1]) != 3:
        return plain.replace(".", ","), value  # a comma before three digits may separate thousands
    if form == 1:
        return f"{value:.6e}", float(f"{value:.6e}")
    return (f"+{plain}" if form == 2 and value > 0 else plain), value


def generate(rng: Random) -> Sample:
    """A case file changed in one way."""
    kind = rng.randrange(10)
    if kind < 4:
        where, name, units = rng.choice(QUANTITIES)
        text, value = number_text(rng)
        unit = rng.choice(list(units))
        quantity = rng.choice((f"{text} {unit}", f" {text}  {unit} ")) if unit else text
        content = written(put(BASE, where, quantity), rng)
        return Sample("a number", {**FILES, "case.yaml": encoded(content, rng)}, {name: value * units[unit]})
    if kind == 4:
        content = encoded(written(BASE, rng), rng)
        return Sample("the same meaning", {**FILES, "case.yaml": content}, {"case": plain_base()}, must="read")
    if kind == 5:
        return Sample("a value, key or item", {**FILES, "case.yaml": written_any(transplanted(BASE, rng), rng)})
    if kind == 6:
        return _refused(rng)
    base = yaml.safe_dump(BASE, sort_keys=False)
    if kind < 9:
        return Sample("text", {**FILES, "case.yaml": reworded(base, rng).encode("utf-8", "surrogatepass")})
    return Sample("bytes", {**FILES, "case.yaml": damaged(base.encode(), rng)})


def written_any(data: Any, rng: Random) -> bytes:
    """YAML of any plain data."""
    return yaml.safe_dump(data, sort_keys=False, default_flow_style=rng.choice((False, None))).encode()


def _refused(rng: Random) -> Sample:
    """What no case may be."""
    base = yaml.safe_dump(BASE, sort_keys=False)
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, rng.randrange(8, 30))]
    texts = {
        "an unknown key": base + rng.choice(("tresholds: 5 Gy\n", "Patient: x\n", "weight_kg: 5\n", "'': 5\n")),
        "a key twice": base + rng.choice(("patient: other\n", "weight: 80 kg\n")),
        "references without end": base + "\n".join(["a0: &a0 [x]", *levels]) + "\n",
        "a list in itself": base + "x: &x [*x]\n",
        "nested without end": base + "x: " + "[" * rng.randrange(60, 20_000) + "\n",
        "a block nested without end": base + "x:\n" + "\n".join(" " * n + "- " for n in range(1, 300)),
        "two documents": base + "---\n" + base,
        "code for the patient": base.replace("T1", "!!python/object/apply:os.mkdir [ran]"),
        "code for a visit": base.replace("visits:", "visits: !!python/object/new:os.system [touch ran]\nx:"),
        "no unit": base.replace("75 kg", "75"),
        "another unit": base.replace("20 Gy", rng.choice(("20 Sv", "20 MBq", "20 kg", "20 h"))),
        "a missing file": base.replace("ct.nii.gz", rng.choice(("no.nii", "../no", "/no/such", "ct.nii.gz/x"))),
        "a name that is a way": base.replace("T1", rng.choice(("'/'", "'..'", "'.'", "'\"\"'", '"\\0"'))),
        "binary": base.replace("20 Gy", "!!binary AAAA"),
    }
    change = rng.choice(list(texts))
    return Sample(change, {**FILES, "case.yaml": texts[change].encode()}, must="refuse")


def plain_base() -> dict[str, Any]:
    """The resolved base case as plain data, paths without folders."""
    global _resolved
    if _resolved is None:
        _resolved = Case.from_dict(BASE, base="/", check_files=False).to_dict("/")
    return _resolved


_resolved: dict[str, Any] | None = None


def read(folder: Path) -> Reading:
    """The case, the quantities in it, and itself written and read again."""
    case = Case.load(folder / "case.yaml")
    if (folder / "ran").exists():
        raise AssertionError("code of the case file ran")
    plain = case.to_dict(folder)
    again = Case.from_dict(plain, base=folder)
    if again.to_dict(folder) != plain:
        raise AssertionError("the resolved case does not read as itself")
    return {"case": plain, **{name: _value(case, name) for _, name, _ in QUANTITIES}}


def _value(case: Case, name: str) -> Any:
    value: Any = case
    for part in name.split("."):
        if value is None:
            return None
        item = int(part) if part.isdigit() else None
        value = getattr(value, part) if item is None else (value[item] if item < len(value) else None)
    return float(value) if isinstance(value, int | float) else value


KIND = Kind("case", generate, read, 10, ("check", "case.yaml"))
