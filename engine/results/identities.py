"""What must hold between the numbers of a result, whoever wrote it: checked on every reading.

All but the doses are whole numbers, so that a single quantum which is missing shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..constants import QUANTUM_MEV
from ..errors import InputError
from ..statistics import gy_per_mev
from ..transport.sums import region_sums
from ..transport.tally import Tally

if TYPE_CHECKING:
    from .result import Result

#: Largest difference of a dose from the one that its tally gives, in it. Between the two are some ten roundings of
#: 1.1e-16 each, and other versions of NumPy may order them differently; a quantum that is missing of a voxel's energy,
#: which is the smallest change of a tally, moves doses of up to 1e9 quanta (15 MeV) by more.
LARGEST_DIFFERENCE = 1e-9


def broken_identities(result: Result, stated: Mapping[str, Any], *, errors: bool = True) -> Iterator[tuple[str, str]]:
    """Parts of a result that do not belong together.

    Parameters
    ----------
    result
        What a file holds.
    stated
        What it says beside that: ``histories`` and ``history_range`` (k, 2), where it does.
    errors
        Whether the standard errors are computed again from the sums of squares, which takes as long as reading them.

    Yields
    ------
    tuple of str
        Name of the part, and what is wrong with it.
    """
    tally = result.tally
    if tally is None:
        return
    emitted, deposited, escaped = (tally.balance[name] for name in ("emitted", "deposited", "escaped"))
    if emitted != deposited + escaped:
        yield "balance", f"{emitted} quanta emitted are not {deposited} deposited and {escaped} escaped"
    yield from _batches(tally, stated)
    voxels, scored = int(tally.energy_quanta.sum(dtype=np.int64)), scored_quanta(tally)
    if (voxels - scored) % (1 << 64):
        yield "tally/energy_quanta", f"its voxels hold {voxels} quanta, and {scored} were scored"
    yield from _regions(result, tally)
    yield from _doses(result, tally, errors)


def scored_quanta(tally: Tally) -> int:
    """Energy that the voxels of a tally hold, by its counters [quanta]."""
    count = tally.counters.get
    return tally.balance["deposited"] - count("transferred", 0) + count("track_scored", 0)


def _batches(tally: Tally, stated: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if tally.batch_histories < 1 or len(np.unique(tally.batch_ids)) != tally.n_batches:
        yield "tally/batch_ids", "a batch is in it twice, or batches have no histories"
        return
    histories = stated.get("histories")
    if histories is not None and int(histories) != tally.decays:
        yield "balance@histories", f"{tally.n_batches} batches of {tally.batch_histories} are not {histories} histories"
    ranges = stated.get("history_range")
    if ranges is not None and not np.array_equal(np.reshape(ranges, (-1, 2)), tally.history_range):
        yield "history_range", "it is not that of the batches"


def _regions(result: Result, tally: Tally) -> Iterator[tuple[str, str]]:
    masks = result.lesion_masks
    if masks is None or tuple(tally.region_names) != tuple(result.lesion_names):
        return  # the regions of a problem are in its own file
    totals = tally.region_quanta.sum(axis=0)
    for i, mask in enumerate(masks):
        flat = np.ascontiguousarray(mask).reshape(-1)
        index = np.flatnonzero(flat)
        expected = region_sums(tally.energy_quanta, [(index, flat[index].astype(np.int64))])[0]
        if expected != totals[i]:
            yield "tally/region_quanta", f"{result.lesion_names[i]}: {totals[i]} quanta, and {expected} in its voxels"


def _doses(result: Result, tally: Tally, errors: bool) -> Iterator[tuple[str, str]]:
    if result.sums_alone:
        if result.doses or result.case_yaml:
            yield "sums_alone", "there are doses, or they would be those of a case, of which a tally is not all"
        return
    try:
        dose = result.simulated
    except InputError:
        yield "dose", "there is a tally, and no dose that it gives"
        return
    local = result.doses.get("local") if result.simulated_part else None
    if not tally.decays or (result.simulated_part and local is None):
        return
    density, volume = result.density_g_cm3, result.grid.voxel_volume_ml
    factor = gy_per_mev(density, volume) * dose.decays
    factor[density < dose.air_density_g_cm3] = 0.0
    mean = tally.energy_quanta * (QUANTUM_MEV / tally.decays) * factor
    if _differ(dose.mean, mean if local is None else mean + local.mean):
        yield f"dose/{dose.method}/mean", "it is not the one that the tally gives"
    if errors and dose.sigma is not None and _differ(dose.sigma, tally.mean_sigma_mev()[1] * factor):
        yield f"dose/{dose.method}/sigma", "it is not the one that the tally gives"


def _differ(stored: np.ndarray, computed: np.ndarray) -> bool:
    same = np.abs(stored - computed) <= LARGEST_DIFFERENCE * np.abs(computed)
    return not bool(np.all(same | (np.isnan(stored) & np.isnan(computed))))
