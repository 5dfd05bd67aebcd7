"""The picture of the README, from the results of ``make demo``: dose over CT, and dose-volume histograms.

python -m hevesy.tools.demo_picture demo/run -o docs/images/demo.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from hevesy.engine.report.slices import background, centre_index
from hevesy.engine.results.result import Result


def draw(run_dir: Path, output: Path) -> None:
    """Axial plane through the lesion of highest mean dose that a PET resolves, and all histograms, as PNG."""
    from matplotlib.figure import Figure

    result = Result.load(run_dir / "result.h5")
    dose, lesions = result.doses["mc"].mean, result.lesions
    resolved = [one for one in lesions if one.voxel_metrics == "shown"] or lesions
    shown = max(resolved, key=lambda one: one.dose_gy)
    mask = result.lesion_masks[result.lesion_names.index(shown.lesion)]
    z, y, _ = centre_index(result.grid, shown, mask)
    grey, window = background(result)
    top = float(dose[mask > 127].max())
    figure = Figure(figsize=(10.0, 3.6), layout="constrained")
    axial, coronal, curves = figure.subplots(1, 3, width_ratios=(1.15, 1.0, 1.25))
    dz, dy, dx = result.grid.spacing_mm
    for axes, index, aspect, origin, name in (
        (axial, np.s_[z], dy / dx, "upper", "axial"),
        (coronal, np.s_[:, y], dz / dx, "lower", "coronal"),
    ):
        axes.imshow(grey[index], cmap="gray", vmin=window[0], vmax=window[1], aspect=aspect, origin=origin)
        alpha = np.clip((dose[index] / top - 0.03) / 0.15, 0.0, 1.0) * 0.7
        drawn = axes.imshow(dose[index], cmap="inferno", vmin=0.0, vmax=top, alpha=alpha, aspect=aspect, origin=origin)
        axes.set(xticks=[], yticks=[], title=f"{name}, through {shown.lesion}")
        axes.title.set_fontsize(9)
    figure.colorbar(drawn, ax=[axial, coronal], label="dose [Gy]", shrink=0.8, location="bottom", aspect=40)
    for one in lesions:
        if one.dvh is not None:
            curves.plot(one.dvh.dose_gy, one.dvh.volume_percent, label=one.lesion, linewidth=1.4)
    threshold = lesions[0].threshold_gy
    curves.axvline(threshold, color="#b00020", linewidth=1.0)
    curves.set(xlim=(0, None), ylim=(0, 101), xlabel="dose D [Gy]", ylabel="volume with at least D [%]")
    curves.set_title(f"{result.decays:.2g} decays; red: {threshold:g} Gy", fontsize=9)
    curves.legend(fontsize=7, frameon=False)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    draw(given.run_dir, given.output)
