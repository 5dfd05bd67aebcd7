"""Options of a simulation besides its problem: decays, precision, backend, and reporting of progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..progress import Progress, Stop
from ..text import counted
from ..units import DURATION, in_range
from ..until import Until
from .checkpoints import Checkpoints
from .engines import check_backend
from .tally import Tally


@dataclass(frozen=True, kw_only=True, eq=False)
class RunOptions:
    """Options of a simulation, checked when they are made.

    Parameters
    ----------
    decays
        Maximum number of decays; rounded up to whole batches. Default: 1e6, or no limit when ``until`` or
        ``time_limit_s`` is given.
    seed
        Seed of the random numbers; the same seed gives the same integer tallies on any number of threads.
    backend
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"python"`` (the uncompiled source, for tests).
    until
        Relative standard error at which to stop, as an :class:`~hevesy.engine.until.Until` or its text:
        ``"lesions:1%"``, ``"voxels>50%:2%"``.
    time_limit_s
        Longest simulation [s].
    batches
        Batches to divide ``decays`` into (default 50; at least 20 give standard errors).
    short_batches
        Whether ``decays``, where nothing else fixes the batches, are divided into batches that last a second or two at
        most, because progress, a stop and a time limit act between them. A limit of time does not change the batches:
        the random numbers belong to them, so one that is not reached leaves the same integers.
    batch_histories, first_batch
        For shards: decays in one batch (fixes the batch size), and number of the first batch.
    regions
        Integer weights 0..255 per voxel of each region, (n, nz, ny, nx) uint8; default the problem's own regions.
    region_names
        Their names.
    physics
        Options that override those of the problem, see :class:`~hevesy.engine.transport.options.PhysicsOptions`.
    threads
        CPU threads; default all cores.
    progress
        Called after every batch with the fraction done and a line of text.
    stop
        Called after every batch; True ends the run with what it has, marked incomplete, as Ctrl-C does. One that can be
        asked at any moment (:func:`hevesy.engine.progress.at_once`) also ends a batch, which is then left out.
    local_mev
        Energy per decay that each voxel gets besides what is simulated, (nz, ny, nx) float64 [MeV]: ``until`` is an
        error relative to the sum. It is not part of the tally.
    resume
        The first batches of the same run, to resume from; ``decays`` and the limit of time count them too.
    checkpoint
        When the sums are saved on the way, and how.

    Raises
    ------
    InputError
        Fewer than one decay, an unknown backend, a stop criterion that is not valid, a time that is not positive.
    """

    decays: int | None = None
    seed: int = 1
    backend: str = "auto"
    until: Until | None = None
    time_limit_s: float | None = None
    batches: int | None = None
    short_batches: bool = False
    batch_histories: int | None = None
    first_batch: int = 0
    regions: Sequence[np.ndarray] | np.ndarray | None = None
    region_names: Sequence[str] = ()
    physics: Mapping[str, Any] | None = None
    threads: int | None = None
    progress: Progress | None = None
    stop: Stop | None = None
    local_mev: np.ndarray | None = None
    resume: Tally | None = None
    checkpoint: Checkpoints | None = None

    def __post_init__(self) -> None:
        if self.decays is not None and self.decays < 1:
            why, advice = "there would be no dose", "simulate at least one decay"
            raise InputError(counted(self.decays, "decay"), why=why, suggestion=advice, field="decays")
        check_backend(self.backend)
        if self.until is not None:
            object.__setattr__(self, "until", Until.parse(self.until))
        if self.time_limit_s is not None:
            in_range(self.time_limit_s, DURATION, field="time_limit_s")

    @property
    def open_ended(self) -> bool:
        """Whether an error or a time ends the run, and no number of decays."""
        return self.decays is None and (self.until is not None or self.time_limit_s is not None)
