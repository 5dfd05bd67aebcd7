"""The face of an executor, and their names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from ...errors import InputError
from ...progress import Progress, Stop
from ...text import did_you_mean
from .options import checked_options

#: Module and class of each executor.
EXECUTORS = {
    "here": ("here", "Here"),
    "processes": ("processes", "Processes"),
    "slurm": ("slurm", "Slurm"),
    "dask": ("dask", "Dask"),
}
#: Former names.
FORMER = {"local": "processes"}


class Executor(Protocol):
    """Runs jobs, or hands them to what runs them.

    Parameters
    ----------
    waits
        Whether :meth:`run` returns when the jobs have ended (True), or when they have been submitted (False): then a
        dependent job merges.
    """

    waits: bool

    def run(
        self, out: Path, folders: Sequence[Path], *, progress: Progress | None = None, stop: Stop | None = None
    ) -> None:
        """Run the jobs in these folders of the batch in ``out``; those that are done cost nothing.

        Parameters
        ----------
        out
            Folder of the batch.
        folders
            Folders of the jobs, in the order in which they should start.
        progress
            Called with the fraction done and a line of text.
        stop
            True ends the batch: jobs that run save a checkpoint and end as ``"stopped"``.

        Raises
        ------
        InputError
            The executor cannot be used here, or refused the jobs: with its own words. A job that fails is no error:
            its status says so.
        """

    def check(self, out: Path, backends: Collection[str]) -> None:
        """Refuse what can be refused before a batch is planned, so that nothing of it is written.

        Parameters
        ----------
        out
            Folder that the batch will have; it is there, and empty.
        backends
            Backends that its jobs will be planned for, as far as they are known.

        Raises
        ------
        InputError
            The executor cannot be used here, or not with these options, or not for these jobs.
        """

    def cancel(self, out: Path, folders: Sequence[Path]) -> None:
        """Have the jobs in these folders end; jobs that wait do not start any more."""


def executor_of(name: str, /, **options: Any) -> Executor:
    """The executor of a name.

    Parameters
    ----------
    name
        One of :data:`EXECUTORS`, or a former name.
    options
        Of that executor: ``workers``, ``devices``, ``partition``, ...; in their types, or as text.

    Returns
    -------
    Executor
        Ready to run jobs; nothing is started yet.

    Raises
    ------
    InputError
        There is none of this name; an option that it does not have, or cannot take; a library that it needs is
        missing.
    """
    name = FORMER.get(name, name)
    if name not in EXECUTORS:
        raise InputError(
            f"unknown executor {name!r}",
            why="there are " + ", ".join(EXECUTORS),
            suggestion=did_you_mean(name, EXECUTORS, "--executor processes"),
            field="--executor",
        )
    module, kind = EXECUTORS[name]
    executor: Executor = getattr(import_module(f".{module}", __package__), kind)(**checked_options(name, options))
    return executor
