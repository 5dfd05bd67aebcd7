"""Options that say where the jobs of a batch run: the same for `batch` and `retry`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..engine.errors import InputError

if TYPE_CHECKING:
    from ..engine.batch.manifest import Option

Executor = Annotated[
    str | None,
    typer.Option(help="here, processes, slurm or dask; here by default, processes with several --workers or devices."),
]
ExecutorAgain = Annotated[
    str | None,
    typer.Option("--executor", help="here, processes, slurm or dask; as the batch was run by default."),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Jobs at a time; they share the cores.")]
Devices = Annotated[
    str | None, typer.Option(help='One worker for each of these devices, e.g. "cuda:0,cuda:1,cpu".', metavar="LIST")
]
Partition = Annotated[str | None, typer.Option(help="Slurm: the partition.")]
Account = Annotated[str | None, typer.Option(help="Slurm: the account.")]
Gres = Annotated[str | None, typer.Option(help='Slurm: generic resources of a task, e.g. "gpu:1".')]
JobTime = Annotated[str | None, typer.Option(help='Slurm: time limit of a task, e.g. "2 h" or "1-12:00".')]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the scripts of Slurm or of --cluster, submit nothing.")]
Scheduler = Annotated[str | None, typer.Option(help="Dask: address or file of a scheduler that runs.")]
Cluster = Annotated[str | None, typer.Option(help="Dask: batch system of the workers: pbs, lsf, sge, htcondor ...")]
More = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=VALUE", help="Any other option of the executor (docs/formats/batch.md)."),
]


def executor_and_options(
    name: str | None, workers: int | None, devices: str | None, more: list[str] | None, **options: Option
) -> tuple[str, dict[str, Option]]:
    """The executor that the command line asks for, and its options.

    Parameters
    ----------
    name
        As given; ``"local"``, as it was once called, is this machine.
    workers, devices, more
        As given.
    options
        Others, by the executor's own names; those that are not given are None.

    Returns
    -------
    tuple of str and dict
        For :func:`hevesy.engine.batch.launch.hand_over`.

    Raises
    ------
    InputError
        An option that is not written as NAME=VALUE.
    """
    several = (workers or 1) > 1 or devices is not None
    if name in (None, "local"):
        name = "processes" if several else "here"
    if name == "here" and not several:
        workers = None
    given: dict[str, Option] = {"workers": workers, "devices": devices, **options}
    for text in more or ():
        key, sign, value = text.partition("=")
        key = key.strip().lstrip("-").replace("-", "_")
        if not sign or not key.isidentifier():
            raise InputError(
                f"{text!r} is not an option with a value",
                why="a name, '=' and a value are needed",
                suggestion="--option memory=8G",
                field="--option",
            )
        before = given.get(key)
        given[key] = (
            value if before in (None, False) else [*(before if isinstance(before, list) else [str(before)]), value]
        )
    return str(name), {key: value for key, value in given.items() if value not in (None, False)}
