"""Making the kernels: from the cache of kernels where they are, by the transport where not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...engine.dose.voxel_s.cache import kept_kernel
from .analysis import beta_factor
from .plan import Run, request_of, runs_of, scaled_run
from .published import PublishedTable
from .record import RUNS, VALUES, Record, Values, values_of, write

Say = Callable[[str], None]


def make(
    tables: list[PublishedTable],
    *,
    scale: float = 1.0,
    values: Path = VALUES,
    runs: Path = RUNS,
    say: Say = print,
) -> Record:
    """Make every kernel of the study; the files are written after each table.

    Parameters
    ----------
    tables
        The published tables.
    scale
        Factor on the decays of every kernel.
    values, runs
        CSV files to write.
    say
        Told of every kernel.

    Returns
    -------
    Record
        All kernels.
    """
    record = Record()
    for number, table in enumerate(tables):
        planned = runs_of(table.nuclide, table.voxel_mm, number, scale)
        for run in planned:
            record.add(_made(run, table, say))
        betas = next(run for run in planned if run.component == "beta")
        record.add(_made(scaled_run(betas, beta_factor(table, record)), table, say))
        write(record, values, runs)
    return record


def _made(run: Run, table: PublishedTable, say: Say) -> Values:
    say(f"{run.nuclide}, {run.voxel_mm:g} mm, {run.component}: {run.decays} decays, factor {run.factor:g}")
    return values_of(run, kept_kernel(request_of(run, table.medium, table.density_g_cm3)))
