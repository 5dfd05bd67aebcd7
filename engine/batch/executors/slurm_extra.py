"""Options of ``sbatch`` that a user passes as they are: which are the script's own, and which need a value."""

from __future__ import annotations

import re

from ...errors import InputError
from .options import flag

#: An option, its value after a sign or a blank; and a short one that has its value at once.
_OPTION = re.compile(r"(--[A-Za-z][A-Za-z0-9-]*|-[A-Za-z])(?:(?:=|\s+)(.*))?", re.S)
_JOINED = re.compile(r"(-[A-Za-z])([^\s=].*)", re.S)

_TASKS, _MERGE = (
    "hevesy numbers the tasks: max_concurrent limits how many run at a time",
    "the merge depends on the array",
)
_FOLDER, _ANSWER = "the jobs run in the folder of the batch", "hevesy reads what sbatch prints"
_LOGS = "the logs lie beside the script, where `hevesy status` names them"
_CLUSTER = "hevesy asks this cluster alone about its jobs: submit from the other one"
_NAME, _WAIT = "the job is named for the batch", "hevesy does not wait"
#: Options on which the script rests, or what hevesy reads of it.
OURS = {
    "--array": _TASKS, "-a": _TASKS,
    "--dependency": _MERGE, "-d": _MERGE,
    "--chdir": _FOLDER, "-D": _FOLDER,
    "--wrap": "the script is hevesy's",
    "--parsable": _ANSWER, "--quiet": _ANSWER, "-Q": _ANSWER, "--help": _ANSWER, "-h": _ANSWER, "--usage": _ANSWER,
    "--version": _ANSWER, "-V": _ANSWER,
    "--test-only": "use --dry-run",
    "--wait": _WAIT, "-W": _WAIT,
    "--signal": "hevesy needs the signal before the time limit",
    "--requeue": "hevesy sets it",
    "--no-requeue": "jobs resume by it",
    "--output": _LOGS, "-o": _LOGS, "--error": _LOGS, "-e": _LOGS, "--open-mode": _LOGS,
    "--clusters": _CLUSTER, "-M": _CLUSTER,
    "--job-name": _NAME, "-J": _NAME,
}  # fmt: skip
#: Options that sbatch does not take without a value; those that are not here may have none.
_WITH_VALUE = (
    "--account -A --acctg-freq --batch --bb --bbf --begin -b --comment --constraint -C --container --core-spec -S "
    "--cores-per-socket --cpu-freq --cpus-per-gpu --cpus-per-task -c --deadline --delay-boot --distribution -m "
    "--exclude -x --export --export-file --extra-node-info -B --gid --gpu-bind --gpu-freq --gpus -G --gpus-per-node "
    "--gpus-per-socket --gpus-per-task --gres --gres-flags --hint --input -i --licenses -L --mail-type --mail-user "
    "--mcs-label --mem --mem-bind --mem-per-cpu --mem-per-gpu --mincpus --network --nodefile -F --nodelist -w --nodes "
    "-N --ntasks -n --ntasks-per-core --ntasks-per-gpu --ntasks-per-node --ntasks-per-socket --partition -p --prefer "
    "--priority --profile --qos -q --reservation --sockets-per-node --switches --thread-spec --threads-per-core "
    "--time -t --time-min --tmp --uid --wckey"
)


def name_and_value(text: str) -> tuple[str, str | None]:
    """Name and value of an option of ``sbatch``.

    Parameters
    ----------
    text
        As on the command line: ``--qos=long``, ``--exclusive``, ``-w node1``.

    Returns
    -------
    tuple of str and str or None
        The value is None where there is none.

    Raises
    ------
    InputError
        No option, several options, one without its value, or one that the script must set itself.
    """
    match = _OPTION.fullmatch(text.strip()) if text.isprintable() else None
    joined = _JOINED.fullmatch(text.strip()) if match is None and text.isprintable() else None
    if joined is not None:
        _refuse_ours(joined[1])
        raise InputError(
            f"{text!r} is not an option of sbatch",
            why="a short option and its value stand apart, and a long one begins with two hyphens",
            suggestion=f"--option extra='{joined[1]} {joined[2]}', or extra=-{text.strip()}",
            field=flag("extra"),
        )
    if match is None:
        raise InputError(
            f"{text!r} is not an option of sbatch",
            why="an option begins with a hyphen, and each is given on its own",
            suggestion="--option extra=--qos=long --option extra=--exclusive",
            field=flag("extra"),
        )
    name, value = match.groups()
    _refuse_ours(name)
    if value is None and name in _WITH_VALUE.split():
        raise InputError(
            f"{name} has no value",
            why="sbatch does not take it without one",
            suggestion=f"--option extra={name}=..." if name.startswith("--") else f"--option extra='{name} ...'",
            field=flag("extra"),
        )
    return name, value


def _refuse_ours(name: str) -> None:
    # sbatch takes the beginning of a long option for the option
    ours = next((one for one in OURS if one == name or (name.startswith("--") and one.startswith(name))), None)
    if ours is not None:
        meant = "" if ours == name else f", which begins {ours},"
        raise InputError(
            f"{name}{meant} cannot be passed to sbatch",
            why=OURS[ours],
            suggestion="leave it out" if ours == name else "leave it out, or give the whole name of another option",
            field=flag("extra"),
        )
