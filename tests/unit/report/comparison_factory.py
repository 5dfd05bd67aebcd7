"""A comparison made up for tests of its page: lesions of many sizes, the methods apart by known amounts."""

from __future__ import annotations

import numpy as np
from hevesy.engine.compare.record import (
    Bias,
    Comparison,
    GammaRate,
    MethodDose,
    MethodFacts,
    RegionComparison,
)
from hevesy.engine.dose.map import DoseMap
from hevesy.engine.grid import Grid
from hevesy.engine.report import ComparisonPage, DoseCurve, VisitMaps
from hevesy.engine.results.provenance import Provenance
from hevesy.engine.results.result import Result

LABELS = {
    "mc": "Monte Carlo",
    "local": "local deposition, charged particles",
    "local+photons": "local deposition, charged particles and photons",
    "kernel": "voxel S kernel, scaled by mass",
    "hybrid": "hybrid: electrons local, photons by Monte Carlo",
    "other": "other.nii",
}
SHIFTS = {"local": -3.5, "local+photons": 9.0, "kernel": 0.8, "hybrid": 1.5, "other": -1.2}
THRESHOLD = 20.0
RULE = (
    "Use a method for a lesion if the whole 95 % interval of the bias of its mean dose against Monte Carlo lies within "
    "±5 % and the lesion is on the same side of 20 Gy by both. Do not use it if the interval lies wholly outside, or "
    "if the lesion changes side beyond the noise of the simulation. Otherwise it is undetermined: simulate more decays."
)


def lesion_dose(method: str, place: int, *, judged: bool = True, intervals: bool = True) -> MethodDose:
    """One lesion by one method; the doses fall with the place."""
    mean = 60.0 * 0.9**place + 0.123456
    error = 0.004 * mean * (1 + place / 10)
    if method == "mc":
        at = 7.4 * THRESHOLD / mean
        return MethodDose(
            mean, error, 0.62 * mean, 0.98 * mean, min(100.0, 1.9 * mean), figure_of_merit_per_s=120.0 / (1 + place),
            activity_at_threshold_gbq=at if judged else None, above=mean >= THRESHOLD if judged else None,
        )  # fmt: skip
    bias = SHIFTS[method] * (1.0 + 0.25 * np.sin(3.0 * place)) - 0.2 * place
    wide = 0.4 + 0.12 * place
    own = mean * (1 + bias / 100)
    low, high = bias - 1.96 * wide, bias + 1.96 * wide
    use = "undetermined" if not intervals else "use" if max(-low, high) <= 5 else "do not use"
    if intervals and low <= 5 < high or low < -5 <= high:
        use = "undetermined"
    changes = (own >= THRESHOLD) != (mean >= THRESHOLD) if judged else None
    use = "do not use" if changes else use
    ends = sorted((7.4 * THRESHOLD / mean, 7.4 * THRESHOLD / own))
    ends_text = f"95 % interval {low:+.1f} to {high:+.1f} %"
    words = f"{LABELS[method].capitalize()} is within {abs(bias) + 1:.1f} % ({ends_text}) here"
    return MethodDose(
        own,
        error if method == "hybrid" else None,
        0.57 * own,
        0.97 * own,
        min(100.0, 1.8 * own),
        bias=Bias(bias, low, high, wide, paired=True) if intervals else Bias(bias),
        d95_bias=Bias(2 * bias, 2 * low, 2 * high, 2 * wide) if intervals else Bias(2 * bias),
        d50_bias=Bias(bias, low, high, wide) if intervals else None,
        v20gy_difference_percent=-1.234 - place / 100,
        activity_at_threshold_gbq=7.4 * THRESHOLD / own if judged else None,
        above=own >= THRESHOLD if judged else None,
        changes_side=changes,
        changes_side_between_gbq=(ends[0], ends[1]) if judged else None,
        figure_of_merit_per_s=55.5 if method == "hybrid" else None,
        use=use,
        sentence=f"{words}: {'use it' if use == 'use' else 'do not use it' if use == 'do not use' else use}.",
    )


def comparison(
    lesions: int = 8,
    methods: tuple[str, ...] = ("mc", "local", "kernel"),
    visits: tuple[str, ...] = ("baseline",),
    *,
    judged: bool = True,
    intervals: bool = True,
    names: tuple[str, ...] = (),
) -> Comparison:
    """A comparison of some lesions, one organ and the body at each visit."""
    regions = []
    for visit in visits:
        for place in range(lesions):
            doses = {name: lesion_dose(name, place, judged=judged, intervals=intervals) for name in methods}
            volume = 0.3 * 1.4 ** ((7 * place) % 13)
            name = names[place] if place < len(names) else f"lesion {chr(65 + place % 26)}{place // 26 or ''}"
            regions.append(RegionComparison(visit, name, "target", volume, 1.04 * volume, doses))
        for place, (name, role) in enumerate((("Left kidney", "organ"), ("body", "body")), 14):
            plain = {method: lesion_dose(method, place, judged=False) for method in methods}
            doses = {
                method: MethodDose(d.mean_gy, d.mean_standard_error_gy, bias=d.bias) for method, d in plain.items()
            }
            regions.append(RegionComparison(visit, name, role, 150.0, 157.0, doses))
    return Comparison(
        "P-007", "I-131", 7.4, THRESHOLD, "mc", 5.0, RULE, visits, {name: facts(name, visits) for name in methods},
        tuple(regions), ("The activity map is that of the PET, blurred over 6 mm.",),
    )  # fmt: skip


def facts(name: str, visits: tuple[str, ...]) -> MethodFacts:
    """A method, with gamma indices and maps unless it is the reference."""
    criteria = ((1.0, 1.0), (1.0, 2.0), (2.0, 2.0), (3.0, 3.0))
    gamma = tuple(
        GammaRate(visit, dose, mm, kind, 10.0, 123456, 80.5 + 4 * dose + mm - (kind == "local"), 99.25, 97.5)
        for visit in visits for dose, mm in criteria for kind in ("global", "local")
    )  # fmt: skip
    maps = {visit: {kind: f"{visit}/{kind}_{name}.nii.gz" for kind in ("ratio", "difference")} for visit in visits}
    origin = {"mc": "run", "local": "run", "other": "file"}.get(name, "compared")
    seconds = {"mc": 171.5, "local": 0.21, "kernel": 1.84}.get(name)
    if name == "mc":
        return MethodFacts(name, LABELS[name], origin, seconds, ("2.1e+08 decays.",))
    return MethodFacts(name, LABELS[name], origin, seconds, (f"What {name} leaves out.",), gamma, maps)


def curves(given: Comparison) -> list[DoseCurve]:
    """A histogram of every lesion and method, with bands where there is a standard error."""
    out = []
    for region in given.regions:
        for method, dose in region.doses.items():
            doses = np.linspace(0.0, 1.6 * dose.mean_gy, 201)
            volume = 100.0 / (1.0 + (doses / dose.mean_gy) ** 9)
            band = 4.0 * np.sin(np.pi * volume / 100.0) if method == "mc" else None
            low, high = (None, None) if band is None else (volume - band, volume + band)
            out.append(DoseCurve(region.visit, region.name, method, doses, volume, low, high))
    return out


def maps(given: Comparison, *, uncovered: str = "", ct: bool = True) -> list[VisitMaps]:
    """Spheres of dose for the lesions of each visit, in a row of noise; one method may not cover all of it."""
    grid = Grid((40, 64, 64), (3.0, 3.0, 3.0), (-95.0, -95.0, -60.0))
    z, y, x = np.indices(grid.shape)
    noise = np.random.default_rng(5).normal(0.0, 0.01, grid.shape)
    out = []
    for visit in given.visits:
        regions = [region for region in given.regions if region.visit == visit and region.role == "target"]
        doses = {name: np.full(grid.shape, 0.4) for name in given.methods}
        masks = []
        for place, region in enumerate(regions):
            centre = (10 + 5 * (place % 5), 12 + 10 * (place // 5 % 5), 12 + 9 * (place % 6))
            radius = (3.0 * region.volume_ml * 1000 / (4 * np.pi)) ** (1 / 3) / 3.0
            distance = np.sqrt((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
            masks.append(np.rint(255 * np.clip(radius + 0.5 - distance, 0, 1)).astype(np.uint8))
            for name, dose in region.doses.items():
                sharp = 1.5 if name == "mc" else 1.1
                doses[name] = doses[name] + dose.mean_gy / (1 + np.exp((distance - radius) / sharp))
        doses["mc"] = doses["mc"] * (1 + noise)
        if uncovered in doses:
            doses[uncovered][:, :, 40:] = np.nan
        result = Result(
            kind="case",
            grid=grid,
            density_g_cm3=np.ones(grid.shape, np.float32),
            doses={"mc": DoseMap("mc", doses["mc"], None, "Gy")},
            lesion_masks=np.stack(masks) if masks else None,
            lesion_names=tuple(region.name for region in regions),
            ct_hu=(60 * noise * 100).astype(np.int16) if ct else None,
        )
        out.append(VisitMaps(visit, result, doses))
    return out


def page(given: Comparison, **changes: object) -> ComparisonPage:
    """The input of the page of a comparison, with everything that it can have."""
    source = Provenance(
        "9.9.9", "abc123", input_hash="f" * 64, seed=11, backend="cpu", device="2 cores", created="2026-01-02"
    )
    values: dict[str, object] = {
        "record": given.to_dict(),
        "curves": curves(given),
        "maps": maps(given),
        "provenance": dict.fromkeys(given.visits, source),
        "decays": dict.fromkeys(given.visits, 210_000_000),
        "command": f"hevesy compare results --methods {','.join(given.methods)}",
        "version": "9.9.9",
        "commit": "def456",
    }
    return ComparisonPage(**(values | changes))
