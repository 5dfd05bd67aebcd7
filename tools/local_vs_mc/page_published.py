"""The page's tables beside published figures: what was published, what comes out here, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from ..cohort_page import wrapped
from ..signs import with_sign
from .design import SOFT
from .published.check import REFERENCE_ERROR_PERCENT
from .published.clusters import BLURS_MM, NUCLIDES, RADII_SQUARED
from .published.lung import SHUNTS_PERCENT
from .published.own_kernels import MEDIA, VOLUME_ML, VOXEL_MM
from .published.own_kernels import NUCLIDES as OWN_NUCLIDES
from .table import Data

Lines = list[str]
Numbers = dict[str, Any]

#: Published figures [%]: local deposition in D95 of unblurred clusters, at most; losses of D95 and of D50 by blur.
CLUSTER_D95, CLUSTER_D95_LOSS, CLUSTER_D50_LOSS = 59.0, (30.0, 60.0), (15.0, 50.0)
#: Full absorption of the beta energy of 131I in spheres of 6 and of 2 mm.
SPHERE_EXCESS = (11.0, 37.0)
#: Kernel convolution against MCNPX in spheres, mean and standard deviation of 20, by nuclide.
SPHERES_BY_KERNEL = {"Y-90": (0.20, 0.41), "I-131": (-0.36, 0.51)}
#: Mean dose to the lung: local, kernel with and without density, kernel of lung.
LUNG = {"local": -27.0, "kernel": -28.0, "kernel-unscaled": -88.0, "lung kernel": -62.0, "lung kernel, scaled": -35.0}
#: Voxel error of one kernel and of several in a whole body.
BODY = {"single": 49.0, "several": 3.0}
#: A published figure counts as reproduced within this many percentage points.
POINTS = 5.0
#: The same for spheres by kernel, whose published figures are below 1 %.
KERNEL_POINTS = 0.5
NONE = "not calculated yet"


def verdicts(data: Data) -> Lines:
    """Published, ours, verdict, why."""
    lines = ["| published | here | verdict | why |", "|---|---|---|---|"]
    for row in (_clusters_row, _losses_row, _spheres_row, _kernels_row, _lung_row, _body_row):
        lines.append("| " + " | ".join(row(data)) + " |")
    return lines


def clusters(data: Data) -> Lines:
    """Local deposition in clusters of 3 mm voxels."""
    titles = [f"{x}, {'none' if b == 0 else f'{b:g} mm'}" for x in ("D95", "D50") for b in BLURS_MM]
    lines = ["| nuclide | voxels | " + " | ".join(titles) + " |", "|---" * (len(titles) + 2) + "|"]
    for name in NUCLIDES:
        for voxels in RADII_SQUARED:
            found = {b: _cluster(data, name, voxels, b) for b in BLURS_MM}
            cells = [
                _signed(None if (n := found[b]) is None else _bias(n, "local", percent))
                for percent in (95, 50)
                for b in BLURS_MM
            ]
            lines.append(f"| {_name(name)} | {voxels} | " + " | ".join(cells) + " |")
    return lines


def cluster_losses(data: Data) -> Lines:
    """What blur takes from D95 and D50 of clusters, by Monte Carlo."""
    blurs = BLURS_MM[1:]
    titles = [f"{x}, {b:g} mm" for x in ("D95", "D50") for b in blurs]
    lines = ["| nuclide | voxels | " + " | ".join(titles) + " |", "|---" * (len(titles) + 2) + "|"]
    for name in NUCLIDES:
        for voxels in RADII_SQUARED:
            cells = [_signed(_cluster_loss(data, name, voxels, b, percent)) for percent in (95, 50) for b in blurs]
            lines.append(f"| {_name(name)} | {voxels} | " + " | ".join(cells) + " |")
    return lines


def small_spheres(data: Data) -> Lines:
    """131I in spheres of 2 to 6 mm."""
    found = [n for name, n in data.published.items() if name.startswith("small sphere")]
    lines = [
        "| diameter, mm | absorbed fraction, beta | excess, beta, % | excess, all electrons, % |",
        "|---|---|---|---|",
    ]
    for n in sorted(found, key=lambda n: float(n["diameter_mm"])):
        lines.append(
            f"| {n['diameter_mm']:g} | {n['beta']:.4f} ({n['beta error']:.4f}) | {with_sign(_excess(n, 'beta'), 1)} | "
            f"{with_sign(_excess(n, 'electrons'), 1)} |"
        )
    return lines


def check(data: Data) -> Lines:
    """131I in spheres against the independent code."""
    found = [n for name, n in data.published.items() if name.startswith("sphere of")]
    lines = [
        "| mass, g | reference, Gy per decay | here | difference, % | standard error, % |",
        "|---|---|---|---|---|",
    ]
    for n in sorted(found, key=lambda n: float(n["mass_g"])):
        error = math.hypot(100.0 * n["error"] / n["dose"], REFERENCE_ERROR_PERCENT)
        difference = 100.0 * (n["dose"] / n["reference"] - 1.0)
        lines.append(
            f"| {n['mass_g']:g} | {n['reference']:.4e} | {n['dose']:.4e} | {with_sign(difference, 2)} | {error:.2f} |"
        )
    return lines


def own_kernels(data: Data) -> Lines:
    """The program's method ``kernel`` in lung and bone."""
    lines = ["| medium | nuclide | mean, % | D95, % | standard errors, % |", "|---|---|---|---|---|"]
    for medium in MEDIA:
        for name in OWN_NUCLIDES:
            n = data.published.get(f"own kernel {name} {medium}")
            row = next((r for r in data.rows if _is_own(r, name, medium)), None)
            if n is not None and row is not None:
                mean = 100.0 * (n["mean"] / row["mc_mean_gy_per_decay"] - 1.0)
                d95 = 100.0 * (n["d95"] / row["mc_d95_gy_per_decay"] - 1.0)
                errors = f"{row['mc_mean_error_percent']:.2f}, {row['mc_d95_error_percent']:.2f}"
                lines.append(f"| {medium} | {_name(name)} | {with_sign(mean, 2)} | {with_sign(d95, 2)} | {errors} |")
    return lines


def lung(data: Data) -> Lines:
    """Mean dose to the lung by shunt and method."""
    n = data.published.get("lung beside liver")
    if n is None:
        return wrapped(f"{NONE[0].upper()}{NONE[1:]}.")
    titles = [f"{m}, {over}" for over in ("over voxels", "over mass") for m in LUNG]
    lines = ["| shunt, % | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for shunt in SHUNTS_PERCENT:
        cells = [with_sign(_lung_bias(n, m, shunt, over), 0) for over in ("over voxels", "over mass") for m in LUNG]
        lines.append(f"| {shunt:g} | " + " | ".join(cells) + " |")
    return lines


def body(data: Data) -> Lines:
    """Whole body by one and several kernels."""
    n = data.published.get("whole body")
    if n is None:
        return wrapped(f"{NONE[0].upper()}{NONE[1:]}.")
    titles = {
        "single": "one kernel of soft tissue", "several": "kernels of lung, soft tissue and bone",
        "scaled": "one kernel, scaled by voxel mass", "local": "local", "local+photons": "local+photons",
    }  # fmt: skip
    lines = [
        "| method | mean absolute error of a voxel, % | lung, mean | soft tissue, mean | bone, mean |",
        "|---|---|---|---|---|",
    ]
    for key, title in titles.items():
        means = " | ".join(
            f"{with_sign(100.0 * n[f'{key} {tissue}'], 1)}" for tissue in ("lung", SOFT, "cortical bone")
        )
        lines.append(f"| {title} | {100.0 * n[key]:.1f} | {means} |")
    noise = (
        f"{n['voxels']} voxels of {8:g} mm; the noise of Monte Carlo alone makes {100.0 * n['noise']:.1f} % of the "
        "error of a voxel, which is not taken off."
    )
    return [*lines, "", *wrapped(noise)]


def _clusters_row(data: Data) -> tuple[str, str, str, str]:
    told = f"clusters of 251 to 4139 voxels of 3 mm: local D95 up to {CLUSTER_D95:g} % off, unblurred (Pacilio 2015)"
    found = {
        (name, voxels, method): _bias(n, method, 95)
        for name in NUCLIDES
        for voxels in RADII_SQUARED
        for method in ("local", "local+photons")
        if (n := _cluster(data, name, voxels, 0.0)) is not None
    }
    if len(found) < 2 * len(NUCLIDES) * len(RADII_SQUARED):
        return told, NONE, "-", "-"
    worst = max((k for k in found if k[2] == "local"), key=lambda k: abs(found[k]))
    with_photons = max((k for k in found if k[2] != "local"), key=lambda k: abs(found[k]))
    alone = f"up to {with_sign(found[worst], 0)} % ({_name(worst[0])}, {worst[1]} voxels)"
    ours = f"{alone}; with photons {with_sign(found[with_photons], 0)} %"
    near = min(abs(abs(found[k]) - CLUSTER_D95) for k in (worst, with_photons)) <= POINTS
    why = (
        "the clusters are fixed by their numbers of voxels; the reference is Monte Carlo here, a convolution with "
        "voxel S values there"
    )
    return told, ours, "reproduced" if near else "partly", why


def _losses_row(data: Data) -> tuple[str, str, str, str]:
    (a, b), (c, d) = CLUSTER_D95_LOSS, CLUSTER_D50_LOSS
    told = f"blur of 6 to 12 mm lowers D95 by {a:g} to {b:g} %, D50 by {c:g} to {d:g} % (Pacilio 2015)"
    every = {
        percent: [
            _cluster_loss(data, name, voxels, blur, percent)
            for name in NUCLIDES for voxels in RADII_SQUARED for blur in BLURS_MM[1:]
        ]
        for percent in (95, 50)
    }  # fmt: skip
    if any(value is None for values in every.values() for value in values):
        return told, NONE, "-", "-"
    low, high = ({p: f(-v for v in every[p] if v is not None) for p in every} for f in (min, max))
    ours = f"D95 by {low[95]:.0f} to {high[95]:.0f} %, D50 by {low[50]:.0f} to {high[50]:.0f} %"
    pairs = ((low[95], a), (high[95], b), (low[50], c), (high[50], d))
    near = [abs(x - y) <= POINTS for x, y in pairs]
    verdict = "reproduced" if all(near) else "partly" if any(near) else "not"
    return told, ours, verdict, "the published ranges are rounded, and do not say which clusters they are of"


def _spheres_row(data: Data) -> tuple[str, str, str, str]:
    low, high = SPHERE_EXCESS
    told = f"131I spheres of 2 to 6 mm: full absorption {low:g} to {high:g} % too high (thyroid remnants)"
    small, large = (data.published.get(f"small sphere {d} mm") for d in (2, 6))
    if small is None or large is None:
        return told, NONE, "-", "-"
    ours = f"{with_sign(_excess(large, 'beta'), 1)} % at 6 mm, {with_sign(_excess(small, 'beta'), 1)} % at 2 mm"
    near = abs(_excess(small, "beta") - high) <= POINTS and abs(_excess(large, "beta") - low) <= POINTS
    return told, ours, "reproduced" if near else "not", "same set-up: beta particles, uniform in water of unit density"


def _kernels_row(data: Data) -> tuple[str, str, str, str]:
    told = "voxel S against MCNPX in 20 spheres: " + ", ".join(
        f"{_name(name)} {with_sign(mean, 2)} ± {sd:.2f} %" for name, (mean, sd) in SPHERES_BY_KERNEL.items()
    ) + " (Dieudonné 2010)"  # fmt: skip
    ours, near = [], []
    for name in SPHERES_BY_KERNEL:
        values = [
            r["kernel_mean_bias_percent"]
            for r in data.rows
            if r["medium"] == SOFT and r["nuclide"] == name and r["kernel_mean_bias_percent"] is not None
        ]
        if len(values) < 2:
            return told, NONE, "-", "-"
        mean = sum(values) / len(values)
        spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
        ours.append(f"{_name(name)} {with_sign(mean, 2)} ± {spread:.2f} % ({len(values)} cases)")
        near.append(abs(mean) + spread <= 2.0 * KERNEL_POINTS and abs(mean) <= KERNEL_POINTS)
    why = "every sphere of soft tissue in this study, blurred ones too; there radii of 4 to 64 voxels of 3.8 to 7.7 mm"
    return told, ", ".join(ours), "reproduced" if all(near) else "not", why


def _lung_row(data: Data) -> tuple[str, str, str, str]:
    told = (
        "90Y in lung, lung shunt: local -27 %, kernels -28 % (scaled), -88 % (unscaled), -35 to -62 % (of lung) "
        "(d'Andrea 2024)"
    )
    n = data.published.get("lung beside liver")
    if n is None:
        return told, NONE, "-", "-"
    parts = []
    for method in LUNG:
        values = [_lung_bias(n, method, s, over) for s in SHUNTS_PERCENT for over in ("over voxels", "over mass")]
        parts.append(f"{method} {with_sign(min(values), 0)} to {with_sign(max(values), 0)} %")
    agree = max(
        sum(abs(_lung_bias(n, m, s, over) - LUNG[m]) <= POINTS for m in LUNG)
        for s in SHUNTS_PERCENT
        for over in ("over voxels", "over mass")
    )
    verdict = "reproduced" if agree == len(LUNG) else "partly" if 2 * agree > len(LUNG) else "not"
    why = (
        "the patient's lungs and the shunts are not public; in this model local deposition is too low only where the "
        "shunt is so small that the liver's cross-fire counts, the unscaled kernel errs by the ratio of densities, and "
        "how the mean is taken changes the sign"
    )
    return told, "; ".join(parts), verdict, why


def _body_row(data: Data) -> tuple[str, str, str, str]:
    told = f"whole body, 18F: voxel error {BODY['single']:g} % by one kernel, {BODY['several']:g} % by several "
    told += "(Akhavanallaf 2020)"
    n = data.published.get("whole body")
    if n is None:
        return told, NONE, "-", "-"
    ours = f"{100.0 * n['single']:.0f} % by one, {100.0 * n['several']:.0f} % by several, noise included"
    near = [abs(100.0 * n[k] - BODY[k]) <= POINTS for k in BODY]
    verdict = "reproduced" if all(near) else "partly" if any(near) else "not"
    why = (
        "a synthetic neck and thorax of uniform tissues in place of the patients, whose lungs are uneven; number and "
        "reach of the published kernels are unknown; only the order of the two is the same"
    )
    return told, ours, verdict, why


def _cluster(data: Data, name: str, voxels: int, blur: float) -> Numbers | None:
    found: Numbers | None = data.published.get(f"cluster {name} {voxels} blur {blur:g}")
    return found


def _bias(n: Numbers, method: str, percent: int) -> float:
    return 100.0 * (float(n[f"{method} D{percent}"]) / float(n[f"mc D{percent}"]) - 1.0)


def _cluster_loss(data: Data, name: str, voxels: int, blur: float, percent: int) -> float | None:
    n, truth = _cluster(data, name, voxels, blur), _cluster(data, name, voxels, 0.0)
    if n is None or truth is None:
        return None
    return 100.0 * (float(n[f"mc D{percent}"]) / float(truth[f"mc D{percent}"]) - 1.0)


def _excess(n: Numbers, kind: str) -> float:
    return 100.0 * (1.0 / float(n[kind]) - 1.0)


def _lung_bias(n: Numbers, method: str, shunt_percent: float, over: str) -> float:
    """Bias of the mean dose to the lung [%] when so much of the activity is in the lung and the rest in the liver."""
    share = shunt_percent / 100.0

    def dose(one: str) -> float:
        return share * float(n[f"{one} from lung, {over}"]) + (1.0 - share) * float(n[f"{one} from liver, {over}"])

    return 100.0 * (dose(method) / dose("mc") - 1.0)


def _is_own(row: dict[str, Any], name: str, medium: str) -> bool:
    wanted = {"nuclide": name, "medium": medium, "volume_ml": VOLUME_ML, "voxel_mm": VOXEL_MM, "blur_mm": 0.0}
    return all(row[key] == value for key, value in wanted.items())


def _signed(value: float | None) -> str:
    return "-" if value is None else with_sign(value, 1)


def _name(nuclide: str) -> str:
    element, mass = nuclide.split("-")
    return mass + element


#: What is written into the page, by the name of its place.
BLOCKS: dict[str, Callable[[Data], Iterable[str]]] = {
    "published figures": verdicts,
    "clusters": clusters,
    "loss in clusters": cluster_losses,
    "small spheres": small_spheres,
    "lung beside liver": lung,
    "whole body": body,
    "own kernels": own_kernels,
    "spheres of the reference": check,
}
