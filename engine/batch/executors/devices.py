"""Devices of one machine, each with a worker of its own: which there are, and what a worker's process is told."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ....kernels.backends.machine import usable_cores
from ...errors import InputError
from ...text import did_you_mean
from ..job import JOB_FILE, BatchJob, read_record

CPU, CUDA, MIXED = "cpu", "cuda", "mixed"
#: Environment variables that a worker's process starts with: the GPUs that CUDA shows it, and its CPU threads.
VISIBLE, THREADS = "CUDA_VISIBLE_DEVICES", "HEVESY_THREADS"
#: Every usable GPU, or the CPU where there is none.
ALL = "all"
#: Cores of a worker at least, where nothing else is said.
CORES_PER_WORKER = 4


@dataclass(frozen=True)
class Device:
    """What one worker runs on.

    Parameters
    ----------
    name
        ``"cpu"``, ``"cuda:0"``, ...; empty for whatever a job asks for.
    threads
        Its share of the CPU's cores.
    visible
        What CUDA shows it; None leaves that as it is.
    """

    name: str
    threads: int
    visible: str | None = None

    @property
    def backend(self) -> str:
        """Backend of a job that any device may run."""
        return self.name.split(":")[0] or "auto"

    def takes(self, backend: str) -> bool:
        """Whether it runs jobs that were planned for a backend."""
        return not self.name or backend in (self.backend, "auto", MIXED) or (backend, self.name) == ("python", CPU)

    def environment(self) -> dict[str, str]:
        """Variables that its process must start with, before anything of CUDA is loaded."""
        shown = {} if self.visible is None else {VISIBLE: self.visible}
        return {THREADS: str(self.threads), **shown}


def device_names(given: str | Sequence[str]) -> tuple[str, ...]:
    """Names of devices as a user lists them.

    Parameters
    ----------
    given
        ``"cuda:0,cuda:1,cpu"``, the same as a list, or ``"all"``.

    Returns
    -------
    tuple of str
        ``"cpu"`` and ``"cuda:N"`` in the order given; several ``"cpu"`` share its cores.

    Raises
    ------
    InputError
        No such name, or a GPU twice.
    """
    parts = [part.strip().lower() for part in (given.split(",") if isinstance(given, str) else given)]
    if parts == [ALL]:
        usable = _usable_gpus(required=False)
        return tuple(f"{CUDA}:{number}" for number in usable) or (CPU,)
    names = []
    for part in parts:
        kind, _, number = part.partition(":")
        if part != CPU and not (kind == CUDA and number.isdecimal() and number.isascii() and len(number) < 5):
            raise InputError(
                f"unknown device {part!r}",
                why="devices are cpu, cuda:0, cuda:1 and so on, or all",
                suggestion=did_you_mean(part, (CPU, ALL, f"{CUDA}:0"), "--devices cuda:0,cuda:1"),
                field="--devices",
            )
        name = CPU if part == CPU else f"{CUDA}:{int(number)}"
        if name != CPU and name in names:
            raise InputError(
                f"{name} is listed twice",
                why="two workers on one GPU wait for each other",
                suggestion="list every GPU once",
                field="--devices",
            )
        names.append(name)
    return tuple(names)


def backend_of_devices(names: Sequence[str]) -> str:
    """The backend that a batch for these devices is planned with.

    Parameters
    ----------
    names
        As :func:`device_names` gives them.

    Returns
    -------
    str
        ``"cpu"``, ``"cuda"``, or ``"mixed"`` for both: then every result keeps the backend that simulated it, and
        only such a batch may add up results of both.
    """
    kinds = {name.split(":")[0] for name in names}
    return MIXED if len(kinds) > 1 else next(iter(kinds))


def devices_of(names: Sequence[str]) -> list[Device]:
    """The devices behind names, which this machine has, with their shares of its cores.

    Parameters
    ----------
    names
        As :func:`device_names` gives them.

    Returns
    -------
    list of Device
        In their order. A worker on a GPU needs one core; those on the CPU share the others.

    Raises
    ------
    InputError
        A GPU that is not there or cannot be used, with the reason.
    """
    gpus = [int(name.split(":")[1]) for name in names if name != CPU]
    if gpus:
        usable = _usable_gpus(required=True)
        absent = [number for number in gpus if number not in usable]
        if absent:
            raise InputError(
                f"no usable device {', '.join(f'{CUDA}:{number}' for number in absent)}",
                why="usable here: " + ", ".join([f"{CUDA}:{number}" for number in usable] + [CPU]),
                suggestion="see `hevesy info`, or leave it out",
                field="--devices",
            )
    on_cpu = sum(name == CPU for name in names)
    share = max((usable_cores() - len(gpus)) // on_cpu, 1) if on_cpu else 0
    return [
        Device(CPU, share, "") if name == CPU else Device(name, 1, _shown(int(name.split(":")[1]))) for name in names
    ]


def shares(workers: int) -> list[Device]:
    """Workers that share the cores of this machine, and use whatever device a job asks for."""
    return [Device("", max(usable_cores() // workers, 1))] * workers


def backend_of_job(folder: Path) -> str:
    """Backend that the job in a folder was planned for."""
    return read_record(folder / JOB_FILE, BatchJob).backend


def devices_for(backends: Mapping[str, str], named: Sequence[Device], workers: int | None) -> list[Device]:
    """One device for each worker that jobs of this machine get; no more than there are jobs, the first ones first.

    Parameters
    ----------
    backends
        Backend of each job, by its name.
    named
        Devices that the user listed, if any.
    workers
        How many the user wants; by default one for every four cores, or one for each GPU where the jobs are for GPUs.

    Returns
    -------
    list of Device
        Each job can run on one of them.

    Raises
    ------
    InputError
        No device here runs one of the jobs.
    """
    jobs, kinds = len(backends), set(backends.values())
    if named:
        devices = [*named][:jobs]
    elif CUDA in kinds and workers is None:
        devices = devices_of(device_names(ALL))[:jobs] if kinds == {CUDA} else shares(1)
    else:
        devices = shares(min(jobs, workers or max(usable_cores() // CORES_PER_WORKER, 1)))
    for name, backend in backends.items():
        if not any(device.takes(backend) for device in devices):
            raise InputError(
                f"{name} was planned for {backend}, and no such device is listed",
                why="results of two backends are not bit-identical, so a job keeps the one of its plan",
                suggestion="make the batch with the same --devices as it is run with",
                field="--devices",
            )
    return devices


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have processes that are started in the block find these variables."""
    former = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _usable_gpus(*, required: bool) -> tuple[int, ...]:
    from ....kernels.backends import cuda_probe

    try:
        return cuda_probe.devices()
    except cuda_probe.CudaUnavailable as error:
        if not required:
            return ()
        raise InputError(
            "no GPU can be used here",
            why=error.why,
            suggestion=error.suggestion or "--devices cpu",
            field="--devices",
        ) from None


def _shown(number: int) -> str:
    """How CUDA is told to show one GPU of those that this process sees, which may be a part of the machine's."""
    visible = [part.strip() for part in os.environ.get(VISIBLE, "").split(",") if part.strip()]
    return visible[number] if number < len(visible) else str(number)
