"""The options of executors: converted and checked in this one place, whether a command line or a manifest gives them.

What may come from the folder of a batch is listed too: a folder may be from anywhere, so nothing in it decides which
commands run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import InputError
from ...text import counted, did_you_mean

#: Flags of the commands; any other option is given by ``--option NAME=VALUE``.
FLAGS = {"time_limit": "--job-time", "dry_run": "--dry-run"} | {
    name: f"--{name}" for name in ("workers", "devices", "partition", "account", "gres", "scheduler", "cluster")
}
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")


def flag(name: str) -> str:
    """How an option is given on a command line: ``--partition``, ``--option cpus``."""
    return FLAGS.get(name, f"--option {name}")


@dataclass(frozen=True)
class Kind:
    """What an option may be.

    Parameters
    ----------
    convert
        From the value and the name to the value in its type.
    kept
        Whether it is kept in the folder of a batch, for ``hevesy retry``.
    """

    convert: Callable[[Any, str], Any]
    kept: bool = True


def _number(least: int, most: int, example: int = 4) -> Callable[[Any, str], int]:
    """A whole number within these bounds, also as text."""

    def convert(value: Any, name: str) -> int:
        if isinstance(value, bool) or not re.fullmatch(r"\d{1,9}", str(value), re.A) or not least <= int(value) <= most:
            raise InputError(
                f"{value!r} is not a whole number from {least} to {most}",
                why="it is a count, or a time in whole seconds",
                suggestion=f"{flag(name)}{' ' if name in FLAGS else '='}{example}",
                field=flag(name),
            )
        return int(value)

    return convert


def _seconds(value: Any, name: str) -> float:
    """A time [s], also as text."""
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0.0 < seconds <= 1e9:
        raise InputError(
            f"{value!r} is not a time in seconds",
            why="a number above 0 is needed",
            suggestion=f"{flag(name)}=60",
            field=flag(name),
        )
    return seconds


def _switch(value: Any, name: str) -> bool:
    """Yes or no, also as text."""
    word = str(value).strip().lower()
    if word not in (*_YES, *_NO):
        raise InputError(
            f"{value!r} is neither yes nor no", why="it is a switch", suggestion=f"{flag(name)}=yes", field=flag(name)
        )
    return word in _YES


def _text(value: Any, name: str) -> str:
    """One text."""
    if isinstance(value, (list, tuple, dict)):
        raise InputError(
            f"is given {counted(len(value), 'time')}",
            why="it has one value",
            suggestion="give it once",
            field=flag(name),
        )
    return str(value)


def _lines(value: Any, name: str) -> Any:
    """One text or several; a mapping, as from Python, is left as it is."""
    if isinstance(value, Mapping):
        return value
    return tuple(value.splitlines()) if isinstance(value, str) else tuple(str(text) for text in value)


def _line_or_words(value: Any, name: str) -> str | tuple[str, ...]:
    """A line of words, or the words."""
    return value if isinstance(value, str) else tuple(map(str, value))


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    """What only Python can give."""
    if not isinstance(value, Mapping):
        raise InputError(
            f"{value!r} is no mapping",
            why="this option can be given in Python only",
            suggestion="leave it out",
            field=flag(name),
        )
    return value


_COUNT, _TIME, _SWITCH, _TEXT = Kind(_number(1, 1_000_000)), Kind(_seconds), Kind(_switch), Kind(_text)
_DEVICES = Kind(_line_or_words)
#: What can run a command, name a file outside the folder or a machine to trust, or is not checked by hevesy.
_TEXT_OF_USER, _LINES_OF_USER = Kind(_text, kept=False), Kind(_lines, kept=False)
_COMMAND, _MAPPING = Kind(_line_or_words, kept=False), Kind(_mapping, kept=False)
#: Options of one command alone: a later one would not ask for them again.
ONCE = ("dry_run",)

#: Every option of every executor. Those of a batch system behind Dask, which are not here, are dask-jobqueue's.
OPTIONS: dict[str, dict[str, Kind]] = {
    "here": {"threads": _COUNT},
    "processes": {"workers": _COUNT, "devices": _DEVICES},
    "slurm": {
        "partition": _TEXT, "account": _TEXT, "time_limit": _TEXT, "gres": _TEXT, "memory": _TEXT, "cpus": _COUNT,
        "extra": _LINES_OF_USER, "setup": _LINES_OF_USER, "command": _COMMAND, "image": _TEXT_OF_USER,
        "max_concurrent": _COUNT, "max_tasks": _COUNT, "warning_s": Kind(_number(1, 3600, 90)),
        "max_requeues": Kind(_number(0, 100_000, 100)), "dry_run": Kind(_switch, kept=False),
    },
    "dask": {
        "workers": _COUNT, "threads": _COUNT, "devices": _DEVICES, "cluster": _TEXT, "scheduler": _TEXT_OF_USER,
        "folder_on_workers": _TEXT_OF_USER, "attempts": _COUNT, "lock_patience_s": _TIME, "connect_s": _TIME,
        "dashboard": _SWITCH, "dry_run": Kind(_switch, kept=False), "cores": _COUNT, "processes": _COUNT,
        **dict.fromkeys(("job_extra_directives", "job_script_prologue", "worker_extra_args", "job_directives_skip",
                         "submit_command_extra", "cancel_command_extra"), _LINES_OF_USER),
        "scheduler_options": _MAPPING,
    },
}  # fmt: skip


def checked_options(executor: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an executor in their types; those that are None or empty are left out.

    Parameters
    ----------
    executor
        Its name.
    options
        By name, in their types or as text.

    Returns
    -------
    dict
        By name.

    Raises
    ------
    InputError
        An option that it does not have, or a value that is none of it.
    """
    known = OPTIONS[executor]
    values = {}
    for name, value in options.items():
        if value is None or (isinstance(value, (str, list, tuple)) and not value):
            continue
        kind = known.get(name)
        if kind is None and executor == "dask" and options.get("cluster"):
            values[name] = value  # dask-jobqueue says whether it is one
            continue
        if kind is None:
            raise InputError(
                f"the executor {executor} has no option {name!r}",
                why="it has " + ", ".join(known),
                suggestion=_of_another(executor, name) or did_you_mean(name, known, _otherwise(executor, name)),
                field=flag(name),
            )
        values[name] = kind.convert(value, name)
    return values


def _of_another(executor: str, name: str) -> str:
    """What to do about an option that other executors have; empty where none has it, or a batch system may."""
    others = [other for other, known in OPTIONS.items() if name in known]
    if not others or executor == "dask":
        return ""
    return f"leave it out: it is an option of the executor{'s' if len(others) > 1 else ''} {names_text(others)}"


def _otherwise(executor: str, name: str) -> str:
    """What to do about an unknown option that is like none."""
    if executor == "slurm":
        return f"any other option of sbatch goes into extra: --option extra=--{name.replace('_', '-')}=..."
    return "options of a batch system need --cluster" if executor == "dask" else "leave it out"


def is_kept(executor: str, name: str) -> bool:
    """Whether an option is kept in the folder of a batch."""
    kind = OPTIONS.get(executor, {}).get(name)
    return kind is not None and kind.kept


def names_text(names: Iterable[str]) -> str:
    """Names of options in a sentence."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else str(last)
