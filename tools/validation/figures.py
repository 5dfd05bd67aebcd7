"""Figures of the validation page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

#: reference in black, hevesy in blue; further series told apart by colour and marker (safe for colour blindness)
REFERENCE, OURS = "#000000", "#0072B2"
SERIES = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8c510a", "#666666", "#999933"]
MARKERS = "osD^vP*Xd"
STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(STYLE)
    return plt


def _save(plt: Any, figure: Any, path: Path) -> str:
    figure.tight_layout()
    figure.savefig(path, dpi=110, pil_kwargs={"optimize": True})
    plt.close(figure)
    return path.name


def radial_kernels(kernels: list[dict[str, Any]], path: Path, photons: bool) -> str:
    """Energy within a radius (upper) and its difference from the reference in % of the emitted energy (lower)."""
    plt = _pyplot()
    figure, (top, low) = plt.subplots(2, 1, figsize=(7.2, 6.0), sharex=True, height_ratios=(3, 2))
    for number, kernel in enumerate(kernels):
        radii = np.array(kernel["radii_cm"])
        x = radii if photons else radii / radii[-1]
        reference, ours = (100 * np.array(kernel[k]) for k in ("reference", "ours"))
        label = kernel["name"].replace("364p5", "364.5").replace("_", " ")
        every = slice(None, None, 2)
        top.plot(x, reference, color=REFERENCE, lw=0.8)
        if x.size < 20:
            every = slice(None)
        top.plot(x[every], ours[every], MARKERS[number], ms=3.5, color=SERIES[number], label=label)
        low.plot(x, ours - reference, MARKERS[number] + "-", ms=2.5, lw=0.8, color=SERIES[number])
        sigma = 100 * np.array(kernel["sigma"])
        low.fill_between(x, ours - reference - sigma, ours - reference + sigma, color=SERIES[number], alpha=0.25, lw=0)
    for bar in (-1, 1):
        low.axhline(bar, color="#999999", ls="--", lw=0.8)
    low.axhline(0, color=REFERENCE, lw=0.5)
    low.set_ylim(-1.25, 1.25)
    low.set_ylabel("difference\n[% of emitted]")
    top.set_ylabel("energy within radius\n[% of emitted kinetic or photon energy]")
    low.set_xlabel("radius [cm]" if photons else "radius / outermost compared radius")
    top.plot([], [], color=REFERENCE, lw=0.8, label="reference code")
    top.legend(fontsize=8)
    note = "band: one combined standard error; dashed: bar"
    low.text(0.99, 0.97, note, transform=low.transAxes, ha="right", va="top", fontsize=7)
    return _save(plt, figure, path)


def voxel_s_profiles(runs: list[dict[str, Any]], path: Path) -> str:
    """Voxel S along an axis for each nuclide, and ours over the reference with one combined standard error."""
    plt = _pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.2))
    for number, run in enumerate(runs):
        axis = sorted((e for e in run["table"] if e["offset"][0] == e["offset"][1] == 0), key=lambda e: e["offset"][2])
        x = np.array([e["offset"][2] for e in axis])
        reference, ours = (np.array([e[k] for e in axis]) for k in ("reference", "ours"))
        spread = np.hypot(
            [e["sigma"] / e["ours"] if e["ours"] else np.nan for e in axis],
            [e["reference_sigma"] / e["reference"] for e in axis],
        )
        left.semilogy(x, reference, color=REFERENCE, lw=0.8)
        left.semilogy(
            x, np.where(ours > 0, ours, np.nan), MARKERS[number], ms=4, color=SERIES[number], label=run["label"]
        )
        shift = 0.09 * (number - (len(runs) - 1) / 2)
        right.errorbar(
            x + shift,
            100 * (ours / reference - 1),
            100 * spread,
            fmt=MARKERS[number],
            ms=3.5,
            lw=0.9,
            color=SERIES[number],
        )
    edges = [-0.5, 0.5, 1.5, 6.5]
    for sign in (-1, 1):
        right.stairs([0.5 * sign, 1.0 * sign, 2.0 * sign], edges, color="#999999", ls="--", lw=0.8, baseline=None)
    right.axhline(0, color=REFERENCE, lw=0.5)
    right.set_ylim(-6, 6)
    left.set_xlabel("voxels from the source along an axis")
    right.set_xlabel("voxels from the source along an axis")
    left.set_ylabel("voxel S [Gy per decay]")
    right.set_ylabel("hevesy - reference [%]")
    right.set_title("dashed: bars; error bars: one combined standard error", fontsize=8)
    left.plot([], [], color=REFERENCE, lw=0.8, label="reference code")
    left.legend(fontsize=7)
    return _save(plt, figure, path)


def depth_profile(profile: dict[str, Any], path: Path) -> str:
    """Dose along the line through the spheres and the interfaces of the heterogeneous phantom."""
    plt = _pyplot()
    figure, (top, low) = plt.subplots(2, 1, figsize=(7.2, 5.4), sharex=True, height_ratios=(3, 1.6))
    reference, ours = np.array(profile["reference"]), np.array(profile["ours"])
    spread = np.hypot(profile["sigma"], profile["reference_sigma"])
    x = (np.arange(reference.size) + 0.5) * profile["voxel_mm"]
    density = np.array(profile["density"])
    names = {0.26: ("lung", "#dbe9f6"), 1.0: ("soft tissue", "#f7e3da"), 1.85: ("bone", "#dddddd")}
    starts = np.flatnonzero(np.diff(density, prepend=np.nan) != 0)
    for start, stop in zip(starts, [*starts[1:], density.size], strict=True):
        name, shade = names.get(round(float(density[start]), 2), ("", "#ffffff"))
        for panel in (top, low):
            panel.axvspan(start * profile["voxel_mm"], stop * profile["voxel_mm"], color=shade, lw=0)
        top.text(
            (start + stop) / 2 * profile["voxel_mm"],
            0.97,
            name,
            ha="center",
            va="top",
            fontsize=8,
            transform=top.get_xaxis_transform(),
        )
    top.step(x, reference, where="mid", color=REFERENCE, lw=0.9, label="reference code")
    top.plot(x, ours, "o", ms=3, color=OURS, label="hevesy")
    top.set_yscale("log")
    top.set_ylim(top.get_ylim()[0], top.get_ylim()[1] * 4)
    low.errorbar(x, 100 * (ours / reference - 1), 100 * spread / reference, fmt="o", ms=2.5, lw=0.8, color=OURS)
    low.axhline(0, color=REFERENCE, lw=0.5)
    limit = 100 * max(4 * float(np.median(spread / reference)), 0.02)
    low.set_ylim(-limit, limit)
    top.set_ylabel("dose [Gy per decay]")
    low.set_ylabel("difference [%]")
    low.set_xlabel("x [mm]")
    top.legend(fontsize=8, loc="center left")
    return _save(plt, figure, path)


def z_histograms(samples: dict[str, np.ndarray], path: Path) -> str:
    """Histograms of (hevesy - reference)/combined standard error, against the normal curve."""
    from scipy.stats import norm

    plt = _pyplot()
    columns = 3
    rows = -(-len(samples) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(8.6, 2.3 * rows), squeeze=False)
    edges = np.arange(-4.5, 4.6, 0.75)
    x = np.linspace(-4.5, 4.5, 181)
    for panel, (label, z) in zip(panels.flat, samples.items(), strict=False):
        panel.hist(np.clip(z, -4.49, 4.49), edges, color=OURS, alpha=0.75)
        panel.plot(x, norm.pdf(x) * z.size * 0.75, color=REFERENCE, lw=0.9)
        rms = np.sqrt((z**2).mean())
        panel.set_title(f"{label}\n{z.size} values, mean {z.mean():+.2f}, rms {rms:.2f}", fontsize=7.5)
    for panel in panels.flat[len(samples) :]:
        panel.axis("off")
    for panel in panels[-1]:
        panel.set_xlabel("z")
    return _save(plt, figure, path)
