"""Sums over the very decays that a transport simulated: what common random numbers need.

Where a decay happens and what it emits depend on the seed, the batch and the number of the decay alone
(``kernels/emission.py``), so both can be repeated without transport. A quantity that is known for every decay, such as
the energy it would give to a region if its electrons stayed where they are, then has a sum over each batch of a
tally, with the same fluctuations of the source as the tally's own sum of that batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from ...kernels.same_decays import Source
from ...kernels.tables import ELECTRON, POSITRON, QUANTA_PER_MEV
from ..nuclides.emission import Emission, spectrum_moments
from .options import PhysicsOptions
from .problem import Problem
from .tables import source as source_tables
from .tally import Tally
from .world import source_fields

#: kinds of particles that the kernels know
KINDS = 4


def expected(problem: Problem, tally: Tally, fields: np.ndarray) -> np.ndarray:
    """Sum over the decays of each batch of a field, weighted with the charged energy that each of them emits.

    Decay h counts ``field[voxel(h)] * charged(h) / mean charged``, where charged are electrons, positrons and alpha
    particles; without any, each decay counts 1. The expectation of column j is
    ``tally.batch_histories * sum_v p_v fields[j, v]``, with p_v the share of all decays in voxel v.

    Parameters
    ----------
    problem
        What was simulated.
    tally
        Its tally, of any backend, resumed or merged: only its seed, its batches and its options are used.
    fields
        float64 (n, nz, ny, nx): a value for a decay in each voxel.

    Returns
    -------
    ndarray
        float64 (batch, n), in the order of ``tally.batch_ids`` and the unit of the fields.
    """
    fields = np.asarray(fields, dtype=np.float64).reshape(len(fields), -1)
    if fields.shape[1] != np.asarray(problem.source).size:
        raise ValueError(f"fields have {fields.shape[1]} voxels, the problem {np.asarray(problem.source).size}")
    physics = PhysicsOptions.from_dict(tally.options or problem.physics)
    charged = _charged(problem.emission)
    mean = _mean_quanta(charged)
    tables = source_tables.build(
        problem.source, charged if mean > 0.0 else problem.emission, physics.electron_cutoff_mev,
        physics.photon_cutoff_mev, physics.photons,
    )  # fmt: skip
    # the categories of the emission as simulated have their numbers, and these enter the random shifts: photons, which
    # come last, may be left out
    source = Source(**source_fields(tables))
    per_kind = np.zeros(2 * KINDS, np.int64)
    if mean > 0.0:
        per_kind[[2 * ELECTRON, 2 * POSITRON]] = 1
    else:
        source, mean = source._replace(local_quanta=np.int64(1)), 1.0
    there = fields[:, tables.voxel]
    rows = [there @ quanta for quanta in batches_of(source, tally, per_kind)]
    return np.array(rows, dtype=np.float64).reshape(-1, len(fields)) / mean


def batches_of(source: Source, tally: Tally, per_kind: np.ndarray) -> Iterator[np.ndarray]:
    """What each batch of a tally emits in the voxels that have decays.

    Parameters
    ----------
    source
        Tables of the source.
    tally
        The tally, of which seed and batches are used.
    per_kind
        Of each kind of particle, int64 (2 * KINDS,): whether its kinetic energy counts, and what it brings beside it
        [quanta].

    Yields
    ------
    ndarray
        int64 (voxel with decays,) [quanta].
    """
    from ...kernels.backends.cpu import threads
    from ...kernels.backends.cpu_decays import emitted

    compact = source._replace(source_voxel=np.arange(source.source_voxel.size, dtype=np.int32))
    with ThreadPoolExecutor(threads(), thread_name_prefix="hevesy-decays") as pool:
        for batch in tally.batch_ids:
            yield emitted(compact, tally.seed, int(batch), tally.batch_histories, per_kind, pool)


def _charged(emission: Emission) -> Emission:
    """The emission without its photons."""
    return replace(emission, photon_lines=np.empty((0, 2)))


def _mean_quanta(emission: Emission) -> float:
    """Mean kinetic energy of the charged particles of one decay [quanta]."""
    lines = 0.0
    for table in (emission.electron_lines, emission.alpha_lines):
        mev, per_decay = np.reshape(np.asarray(table, dtype=np.float64), (-1, 2)).T
        lines += float(mev @ per_decay)
    spectra = (emission.beta_mev, emission.beta_per_mev), (emission.positron_mev, emission.positron_per_mev)
    return QUANTA_PER_MEV * (lines + sum(spectrum_moments(*spectrum)[1] for spectrum in spectra))
