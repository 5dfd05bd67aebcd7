"""Workers of Dask: processes of this machine, those of a scheduler that runs, or jobs of a batch system.

Dask is loaded when workers are asked for, and not before.
"""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...files import read_json
from ...text import counted, did_you_mean
from .devices import CUDA, Device

#: Batch systems of dask-jobqueue: its class for each, and the command that submits.
SYSTEMS = {
    "pbs": ("PBSCluster", "qsub"),
    "lsf": ("LSFCluster", "bsub"),
    "sge": ("SGECluster", "qsub"),
    "htcondor": ("HTCondorCluster", "condor_submit"),
    "slurm": ("SLURMCluster", "sbatch"),
    "oar": ("OARCluster", "oarsub"),
    "moab": ("MoabCluster", "msub"),
}
#: Ports of this machine alone, and no page of Dask on them.
_LOOPBACK = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
#: What workers of devices offer, in the words of Dask's resources.
GPU, CORE = "GPU", "CPU"


def imported(module: str) -> Any:
    """A library of the extra `dask`.

    Parameters
    ----------
    module
        ``"distributed"``, ``"dask"`` or ``"dask_jobqueue"``.

    Returns
    -------
    module
        Imported.

    Raises
    ------
    InputError
        It is not installed.
    """
    try:
        if module == "distributed":
            import distributed

            return distributed
        if module == "dask":
            import dask

            return dask
        import dask_jobqueue

        return dask_jobqueue
    except ImportError as error:
        raise InputError(
            f"the executor dask needs the package {module.replace('_', '-')}",
            why=str(error),
            suggestion="pip install '.[dask]' in the checkout",
            field="--executor",
        ) from None


@contextmanager
def local_cluster(devices: Sequence[Device], *, dashboard: bool) -> Iterator[Any]:
    """A scheduler in this process and workers beside it, on ports that only this machine reaches.

    Parameters
    ----------
    devices
        One worker for each, a process that runs one job at a time and sees no other device.
    dashboard
        Whether Dask shows its page, on port 8787 of this machine.

    Yields
    ------
    SpecCluster
        Of Dask; closed at the end, with its processes.

    Raises
    ------
    InputError
        Processes cannot share a lock here, which Dask's workers need.
    """
    distributed = imported("distributed")
    scheduler = {**_LOOPBACK, "dashboard": dashboard}
    if dashboard:
        scheduler["dashboard_address"] = "127.0.0.1:8787"
    with tempfile.TemporaryDirectory(prefix="hevesy-dask-", ignore_cleanup_errors=True) as scratch:
        common = {
            **_LOOPBACK, "nthreads": 1, "memory_limit": 0, "local_directory": scratch,
            "preload": [f"{__package__}.dask_task"], "silence_logs": "CRITICAL",
        }  # fmt: skip
        specs = {
            f"{number}-{device.name or 'any'}": {
                "cls": distributed.Nanny,
                "options": {**common, "env": device.environment(), "resources": resources_of(device)},
            }
            for number, device in enumerate(devices)
        }
        if specs:
            _check_locks()
        # the death of a worker is told at once: Dask counts it against jobs too that only waited for that worker
        with imported("dask").config.set({"distributed.scheduler.allowed-failures": 0}):
            cluster = distributed.SpecCluster(
                scheduler={"cls": distributed.Scheduler, "options": scheduler}, workers=specs, silence_logs="CRITICAL"
            )
        with cluster:
            yield cluster


def _check_locks() -> None:
    """Refuse to start workers where they would wait for locks that cannot be."""
    import multiprocessing

    try:
        multiprocessing.get_context("spawn").Lock()
    except OSError as error:
        raise InputError(
            "Dask cannot start workers on this machine",
            why=f"its processes cannot share a lock ({error}); on Linux locks lie in /dev/shm",
            suggestion="--executor processes, or --scheduler with workers that run elsewhere",
            field="--executor",
        ) from None


def resources_of(device: Device) -> dict[str, int]:
    """What the worker of a device offers: Dask gives it only jobs that need no other."""
    return {GPU if device.backend == CUDA else CORE: 1} if device.name else {}


def scheduler_address(scheduler: str) -> str:
    """Address of a scheduler from its address, or from the file that it has written.

    Parameters
    ----------
    scheduler
        ``tcp://host:port``, ``host:port``, or the path of a scheduler file.

    Raises
    ------
    InputError
        No address, no such file, or one without an address in it.
    """
    if re.match(r"[a-z+]+://", scheduler) or (
        re.fullmatch(r"[\w.-]+:\d+|\[[\da-f:]+\]:\d+", scheduler, re.IGNORECASE) and not Path(scheduler).exists()
    ):
        return scheduler
    if not Path(scheduler).exists():
        raise InputError(
            "no such file, and no address",
            why="a scheduler is named by its address, or by the file that `dask scheduler --scheduler-file` wrote",
            suggestion="--scheduler tcp://HOST:PORT, or check the path",
            file=scheduler,
            field="--scheduler",
        )
    content = read_json(scheduler, "give the address of a Dask scheduler, tcp://HOST:PORT, or the file that it wrote")
    address = content.get("address") if isinstance(content, dict) else None
    if not isinstance(address, str):
        raise InputError(
            "names no address of a scheduler",
            why="a file of `dask scheduler --scheduler-file` has an entry 'address'",
            suggestion="--scheduler tcp://HOST:PORT",
            file=scheduler,
        )
    return address


def batch_system_cluster(system: str, options: Mapping[str, Any]) -> Any:
    """A scheduler in this process whose workers will be jobs of a batch system.

    Parameters
    ----------
    system
        One of :data:`SYSTEMS`.
    options
        Of its class in dask-jobqueue: ``cores``, ``memory``, ``walltime``, ``queue``, ``job_extra_directives``, ...

    Returns
    -------
    JobQueueCluster
        Of dask-jobqueue, without a worker yet.

    Raises
    ------
    InputError
        A system that is not known, or options that it refuses, in its own words.
    """
    kind, given = _class_and_options(system, options)
    quiet = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    scheduler = {**quiet, **given.pop("scheduler_options", {})}
    with _refused(system):
        return kind(n_workers=0, silence_logs="CRITICAL", scheduler_options=scheduler, **given)


def job_script(system: str, options: Mapping[str, Any]) -> str:
    """The script by which a batch system starts one worker; nothing is started or submitted.

    Parameters
    ----------
    system, options
        As for :func:`batch_system_cluster`.

    Raises
    ------
    InputError
        As for :func:`batch_system_cluster`.
    """
    kind, given = _class_and_options(system, options)
    given.pop("scheduler_options", None)
    with _refused(system):
        return str(kind.job_cls("tcp://SCHEDULER:PORT", name="hevesy", **given).job_script())


def _class_and_options(system: str, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    jobqueue = imported("dask_jobqueue")
    if system not in SYSTEMS:
        raise InputError(
            f"unknown batch system {system!r}",
            why="dask-jobqueue does not know it",
            suggestion=did_you_mean(system, SYSTEMS),
            field="--cluster",
        )
    kind = getattr(jobqueue, SYSTEMS[system][0])
    known = [*_options_of(kind.job_cls), "scheduler_options"]
    for name in options:
        if name not in known:
            raise InputError(
                f"{system} has no option {name!r}",
                why="dask-jobqueue takes for it " + ", ".join(known),
                suggestion=did_you_mean(name, known, f"leave it out; a directive of {system} goes into "
                                        '--option job_extra_directives="..."'),
                field=f"--option {name}",
            )  # fmt: skip
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}
    if system == "htcondor" and isinstance(given.get("job_extra_directives"), list):
        given["job_extra_directives"] = dict(map(_pair, given["job_extra_directives"]))
    # one job at a time in a worker, on all of its cores: its own --nthreads would run as many jobs as there are cores
    given.setdefault("processes", 1)
    given["worker_extra_args"] = [*given.get("worker_extra_args", []), "--nthreads", "1"]
    return kind, given


def _options_of(job: type) -> list[str]:
    """Options of the workers of a batch system, as the class of their jobs and those that it is made from take them."""
    taken: dict[str, None] = {}
    for one in job.__mro__:
        if "__init__" in vars(one) and one is not object:
            taken |= dict.fromkeys(inspect.signature(one).parameters)
    return [name for name in taken if name not in ("scheduler", "name", "config_name", "base_class_kwargs", "kwargs")]


@contextmanager
def _refused(system: str) -> Iterator[None]:
    """What dask-jobqueue says of options that it does not take, in one message."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise InputError(
            f"the options of {system} do not hold",
            why=re.sub("[.,:] *(for example|Very likely).*", "", str(error).split("\n")[0]),
            suggestion="a worker needs cores and memory at least, on HTCondor disk too: cores=8 memory=16GB disk=1GB",
            field="--cluster",
        ) from None


def _pair(directive: str) -> tuple[str, str]:
    """A directive of HTCondor."""
    name, equals, value = directive.partition("=")
    if not equals:
        raise InputError(
            f"{directive!r} is not a directive of HTCondor",
            why="those are NAME = VALUE",
            suggestion='job_extra_directives="request_gpus = 1"',
            field="--cluster",
        )
    return name.strip(), value.strip()


def check_submits(system: str) -> None:
    """Refuse a batch system whose command is not on this machine.

    Parameters
    ----------
    system
        One of :data:`SYSTEMS`.

    Raises
    ------
    InputError
        It is not here.
    """
    command = SYSTEMS[system][1]
    if shutil.which(command) is None:
        raise InputError(
            f"{command} was not found",
            why=f"{system} is not installed here, or not on PATH",
            suggestion="submit from a machine of the cluster; another batch system is chosen by --cluster",
            field="--cluster",
        )


def submit_workers(cluster: Any, system: str, count: int) -> None:
    """Submit jobs of a batch system that are workers, and new ones where such a job ends before the work does.

    Parameters
    ----------
    cluster
        From :func:`batch_system_cluster`.
    system
        One of :data:`SYSTEMS`.
    count
        Number of jobs.

    Raises
    ------
    InputError
        The system is not here, or it refused the jobs: with its own words.
    """
    check_submits(system)
    try:
        for _ in range(count):  # what `scale` does, which leaves a refusal to a log
            cluster.worker_spec.update(cluster.new_worker_spec())
        cluster.sync(cluster._correct_state)
    except (RuntimeError, OSError, ValueError) as error:
        for job in list(cluster._created):  # closing a cluster waits for jobs that it takes to be on their way
            job.status = imported("distributed").core.Status.failed
        raise InputError(
            f"{system} refused {counted(count, 'job')}",
            why=_words(str(error)),
            suggestion="see the job script: `hevesy batch --executor dask --dry-run`",
            field="--cluster",
        ) from None
    cluster.adapt(minimum_jobs=count, maximum_jobs=count)


def _words(text: str) -> str:
    """What a command said of its failure, from the report of dask-jobqueue."""
    said = re.search(r"stderr:\n(.*?)\n*$", text, re.DOTALL)
    command = re.search(r"Command:\n(.*?)\n", text)
    if said is None:
        return text.split("\n")[0]
    name = shlex.split(command[1])[0] if command else "the command"
    return f"{name}: {' '.join(said[1].split()) or 'no words on it'}"
