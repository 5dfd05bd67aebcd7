"""What is asked of Slurm for a batch: checked once, so that nothing in it can break out of a script."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from ...errors import InputError
from ...units import DURATION, parse
from ..job import Record
from .options import checked_options, flag
from .slurm_extra import name_and_value

#: Time limits in the words of Slurm: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]].
_SLURM_TIME = re.compile(r"\d+(:\d\d?){0,2}|\d+-\d\d?(:\d\d?){0,2}|infinite|unlimited", re.I)
#: Memory in the words of Slurm: a number, of megabytes where it has no unit.
_MEMORY = re.compile(r"\d{1,12}([KMGT]B?)?", re.I | re.A)
#: What a value in a line of `#SBATCH` may hold without quotes.
_PLAIN = re.compile(r"[\w.,:;=/@%+*^~()\[\]&|!<>-]+", re.A)


class SlurmRequest(Record):
    """What is asked of Slurm; what is not given is left to its defaults.

    Parameters
    ----------
    partition, account, time_limit, gres, memory
        As of ``sbatch``; ``time_limit`` also as a duration such as ``"2 h"``.
    cpus
        CPUs per task, and threads of a job.
    extra
        Further options of ``sbatch``, as there: ``"--qos=long"``.
    setup
        Lines of shell before the first job: ``"module load python"``.
    command
        The words that call hevesy on a node.
    image
        A container image in which apptainer runs them.
    max_concurrent
        Tasks that run at a time.
    max_tasks
        Tasks of the array; one task runs several jobs where there are more.
    warning_s
        How long before its time limit a task is told to save a checkpoint [s].
    max_requeues
        How often a task may be requeued at its time limit.
    """

    partition: str | None = None
    account: str | None = None
    time_limit: str | None = None
    gres: str | None = None
    memory: str | None = None
    cpus: int | None = Field(default=None, ge=1)
    extra: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    image: str = ""
    max_concurrent: int | None = Field(default=None, ge=1)
    max_tasks: int | None = Field(default=None, ge=1)
    warning_s: int = Field(default=90, ge=1, le=3600)
    max_requeues: int = Field(default=100, ge=0)

    @property
    def wants_gpu(self) -> bool:
        """Whether a GPU is asked for."""
        return bool(self.gres and self.gres.startswith("gpu")) or any(map(is_for_gpus, self.extra))


def request_of(**options: Any) -> SlurmRequest:
    """A request from options as users give them.

    Parameters
    ----------
    options
        Those of :class:`SlurmRequest`, also as text; ``extra`` and ``setup`` as one text or several, ``command`` as
        words or as a line of them.

    Returns
    -------
    SlurmRequest
        Nothing in it can end a line of a script.

    Raises
    ------
    InputError
        An option that Slurm could not be given.
    """
    values = checked_options("slurm", options)
    if "image" in values:  # jobs run in the folder of the batch, not in this one
        path = Path(values["image"])
        values["image"] = str(path.absolute() if path.exists() else path)
    for name in ("partition", "account", "gres", "memory"):
        if name in values:
            values[name] = _value(values[name], flag(name))
    if "time_limit" in values:
        values["time_limit"] = slurm_time(values["time_limit"])
    if "memory" in values and not _MEMORY.fullmatch(values["memory"]):
        raise InputError(
            f"{values['memory']!r} is no amount of memory",
            why="Slurm takes a whole number with K, M, G or T, of megabytes where it has none",
            suggestion="--option memory=16G",
            field=flag("memory"),
        )
    values["extra"] = tuple(raw_option(text) for text in values.get("extra", ()))
    values["setup"] = tuple(_shell_line(text) for text in values.get("setup", ()))
    values["command"] = _words(values.get("command", ()))
    request = SlurmRequest(**values)
    _check_warning(request)
    return request


def shell_command(request: SlurmRequest) -> str:
    """How a script calls hevesy; in a container, on the folder of the batch and with the GPUs of the task."""
    command = shlex.join(request.command or ("hevesy",))
    if not request.image:
        return command
    gpu = " --nv" if request.wants_gpu else ""
    return f'apptainer exec{gpu} --bind "$PWD" --pwd "$PWD" {shlex.quote(request.image)} {command}'


def raw_option(text: str) -> str:
    """An option of ``sbatch`` for a line of ``#SBATCH``: one option, its value quoted.

    Parameters
    ----------
    text
        As on the command line: ``--qos=long``, ``--exclusive``, ``-w node1``.

    Returns
    -------
    str
        As it stands in the script.

    Raises
    ------
    InputError
        No option, several options, one without its value, or one that the script must set itself.
    """
    name, value = name_and_value(text)
    if value is None:
        return name
    return f"{name}{'=' if name.startswith('--') else ' '}{quoted(_value(value, flag('extra')))}"


def is_for_gpus(option: str) -> bool:
    """Whether an option of ``sbatch`` asks for GPUs, which a merge has no use for."""
    name = option.partition("=")[0].split()[0]
    # the beginning of a name is enough for sbatch
    long = ("--gr", "--gp", "--cpus-per-g", "--mem-per-g", "--ntasks-per-g")
    return name == "-G" or name.startswith(long)


def slurm_time(text: str) -> str:
    """A time limit in the words of Slurm, from those or from a duration with its unit (``"2 h"``)."""
    if _SLURM_TIME.fullmatch(text.strip()):
        return text.strip()
    seconds = parse(_value(text, "--job-time"), DURATION, field="--job-time")
    minutes = max(1, -(-int(seconds) // 60))  # Slurm counts whole minutes
    days, rest = divmod(minutes, 24 * 60)
    return f"{days}-{rest // 60:02d}:{rest % 60:02d}:00"


def limit_s(text: str) -> float:
    """A time limit in the words of Slurm [s]; infinity where there is none."""
    if not text[:1].isdigit():
        return math.inf
    days, dash, rest = text.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash or len(parts) == 3:  # from hours on, else from minutes on
        hours, minutes, seconds = [*parts, 0, 0][:3]
        total = ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
    else:
        minutes, seconds = [*parts, 0][:2]
        total = minutes * 60 + seconds
    return total or math.inf  # which is how Slurm reads 0


def _check_warning(request: SlurmRequest) -> None:
    """Refuse a time limit of which the warning leaves little, or nothing: every task would stop as it begins."""
    limit = limit_s(request.time_limit or "0")
    if limit < 2 * request.warning_s:
        raise InputError(
            f"a time limit of {limit:.0f} s, and a warning {request.warning_s} s before it",
            why=f"a task would be told to stop after {max(limit - request.warning_s, 0):.0f} s",
            suggestion=f"a limit of at least {2 * request.warning_s} s, or a shorter --option warning_s=...",
            field="--job-time",
        )


def quoted(value: str) -> str:
    """A value as a line of ``#SBATCH`` holds it; :func:`_value` has refused what quotes do not hold."""
    return value if _PLAIN.fullmatch(value) else f'"{value}"'


def _value(value: str, field: str) -> str:
    """A value that stays within its line and its quotes."""
    if not value.strip() or not value.isprintable() or any(sign in value for sign in "\"'\\`#"):
        raise InputError(
            f"{value!r} cannot stand in a script of Slurm",
            why="it is empty, or holds a quote, a backslash, a number sign or a line break, which would end the option",
            suggestion="give the value alone, in plain characters",
            field=field,
        )
    return value.strip()


def _shell_line(text: str) -> str:
    """A line of shell that the user wants in the script."""
    if any(sign != "\t" and not sign.isprintable() for sign in text):
        raise InputError(
            f"{text!r} is more than one line, or holds control characters",
            why="each line before the first job is given on its own",
            suggestion='--option setup="module load python" --option setup="source venv/bin/activate"',
            field=flag("setup"),
        )
    return text


def _words(command: str | Sequence[str]) -> tuple[str, ...]:
    """The words of a command; a line is divided as a shell does."""
    if not isinstance(command, str):
        return tuple(command)
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise InputError(
            f"{command!r} is not a line of words",
            why=f"a shell could not read it: {error}",
            suggestion='--option command="python -m hevesy"',
            field=flag("command"),
        ) from None
