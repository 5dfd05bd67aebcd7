"""How much energy a run adds up, and what of an emission is too rare for it to show."""

from __future__ import annotations

import numpy as np

from ..constants import ELECTRON_REST_MEV
from ..errors import InputError
from ..notes import CRITICAL, Note
from ..nuclides.emission import Emission

#: Energy that 64-bit sums of quanta hold [MeV], a tenth left for chance; the sums of a region count each voxel up to
#: 255 times, one batch at a time.
MOST_ENERGY_MEV, REGION_WEIGHT = 0.9 * 2.0**37, 255
#: In every remark about rare emissions, so that a merge can recognise it.
RARE = "are expected less than once in"
#: Emissions that a run is expected to show less than once are missing from it; said where they carry this share.
RARE_SHARE = 0.05


def check_sums(emission: Emission, source: np.ndarray, decays_per_batch: int, batches: int) -> None:
    """Refuse runs whose sums of energy might not fit into 64 bits.

    Parameters
    ----------
    emission
        What one decay emits.
    source
        Relative number of decays in each voxel (nz, ny, nx): the one that has most receives most.
    decays_per_batch, batches
        Of the run.

    Raises
    ------
    InputError
        With the largest number of decays.
    """
    energy = emitted_mev(emission)
    largest = float(np.max(source)) / float(np.sum(source, dtype=np.float64))
    in_batch = energy * decays_per_batch * REGION_WEIGHT
    in_voxel = energy * decays_per_batch * batches * largest
    if max(in_batch, in_voxel) > MOST_ENERGY_MEV:
        most = MOST_ENERGY_MEV / energy / (REGION_WEIGHT / batches if in_batch > in_voxel else largest)
        raise InputError(
            f"{float(decays_per_batch) * batches:.3g} decays of {energy:.3g} MeV",
            why="the sums of their energy, kept exactly, would not fit into 64 bits",
            suggestion=f"simulate at most {most:.1e} decays",
            field="decays",
        )


def emitted_mev(emission: Emission) -> float:
    """Energy of all that one decay emits [MeV], rest mass of positrons included."""
    total = sum(float((lines[:, 0] * lines[:, 1]).sum()) for lines in _all_lines(emission) if len(lines))
    for mev, density, rest in (
        (emission.beta_mev, emission.beta_per_mev, 0.0),
        (emission.positron_mev, emission.positron_per_mev, 2.0 * ELECTRON_REST_MEV),
    ):
        if np.size(mev) > 1:
            total += float(np.trapezoid((np.asarray(mev) + rest) * density, mev))
    return total


def _all_lines(emission: Emission) -> tuple[np.ndarray, ...]:
    lists = (emission.electron_lines, emission.photon_lines, emission.alpha_lines)
    return tuple(np.asarray(lines, float).reshape(-1, 2) for lines in lists)


def rare_emissions(emission: Emission, decays: int) -> list[str]:
    """A remark where what carries energy is so rare that a run of so many decays does not show it; else none."""
    lines = np.vstack(_all_lines(emission)[:2])  # alphas are deposited by their mean, not drawn
    rare = lines[(lines[:, 1] > 0) & (lines[:, 1] * decays < 1.0)]
    lost = float((rare[:, 0] * rare[:, 1]).sum())
    beta, positrons = (emission.beta_mev, emission.beta_per_mev), (emission.positron_mev, emission.positron_per_mev)
    for mev, density in (beta, positrons):
        if np.size(mev) > 1 and float(np.trapezoid(density, mev)) * decays < 1.0:
            lost += float(np.trapezoid(np.asarray(mev) * density, mev))
    share = lost / max(emitted_mev(emission), 1e-300)
    if share < RARE_SHARE:
        return []
    text = (
        f"emissions with {100.0 * share:.2g} % of the energy {RARE} {decays:.3g} decays: the "
        "run may not show them, and its standard error does not either; simulate more decays"
    )
    return [Note(text, weight=CRITICAL)]
