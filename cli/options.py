"""Options that several sub-commands share: one spelling, one help text, one place in every command line."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from ..engine.log_lines import PlainFormatter
from .interrupt import Interrupted
from .output import echo

Command = TypeVar("Command", bound=Callable[..., Any])

JSON = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more messages.")]

#: Help of the option of the transport's backend.
BACKENDS = "auto, cpu or cuda (also: gpu)."
#: Help of the option of the number of decays of a visit.
DECAYS = "Simulate this many decays (1e7) in place of the case's precision; at most, where --until is given too."

#: Spellings of options that older command lines use, and what they are called today.
FORMER_OPTIONS = {"output": "out"}

Checkpoint = Annotated[
    str, typer.Option("--checkpoint", help='Save the sums so often while running, for --resume: "1 min"; or off.')
]
#: How often by default.
EVERY = "1 min"


def checkpoint_seconds(text: str) -> float | None:
    """Seconds between two checkpoints [s]; None for "off"."""
    from ..engine.units import DURATION, parse

    return None if text.strip().lower() == "off" else parse(text, DURATION, field="--checkpoint")


def out_option(text: str) -> Any:
    """The option of where a command writes, the same in all of them."""
    return typer.Option("--out", "-o", help=text)


@contextmanager
def saying_what_is_kept(out: Path) -> Iterator[None]:
    """Say, where the block ends without results, whether there is a checkpoint to continue from."""
    from ..engine.errors import StoppedEarly
    from ..engine.work_folder import work_folder

    try:
        yield
    except (Interrupted, StoppedEarly):
        folder = work_folder(out)
        if any(folder.glob("[!.]*.npz")):
            echo(f"the last checkpoint is in {folder.name}: the same command with --resume continues from it", err=True)
        raise


def today(word: str) -> str:
    """Today's name of an option; click asks for it with every name that it reads."""
    return FORMER_OPTIONS.get(word, word)


#: how a message looks on the terminal: the module is for whoever looks for a fault
BRIEF, WITH_NAMES = "%(levelname)s %(message)s", "%(levelname)s %(name)s: %(message)s"


def start_messages(verbose: bool) -> None:
    """Send hevesy's own messages to standard error: warnings, with ``verbose`` all.

    A run lowers the level of hevesy's own loggers for its log file; the terminal keeps to the requested level. What
    other libraries remark (pydicom on harmless deviations, as log and as warning) is for log.txt and --verbose.
    """
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, stream=sys.stderr)
    logging.captureWarnings(True)
    for handler in logging.getLogger().handlers:
        handler.setLevel(level)
        handler.setFormatter(PlainFormatter(WITH_NAMES if verbose else BRIEF))
        if not verbose:
            handler.addFilter(logging.Filter("hevesy"))


def more_messages() -> None:
    """What ``-v`` after the sub-command does: as :func:`start_messages` with ``verbose``, which ran before."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    for handler in root.handlers:
        handler.setLevel(logging.INFO)
        handler.setFormatter(PlainFormatter(WITH_NAMES))
        for former in [f for f in handler.filters if isinstance(f, logging.Filter)]:
            handler.removeFilter(former)


def with_verbose(function: Command) -> Command:
    """The sub-command with ``--verbose``, so that it may stand after the command's name too."""

    @wraps(function)
    def command(*args: Any, verbose: bool = False, **values: Any) -> Any:
        if verbose:
            more_messages()
        return function(*args, **values)

    signature = inspect.signature(function, eval_str=True)
    added = inspect.Parameter("verbose", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Verbose)
    command.__signature__ = signature.replace(parameters=[*signature.parameters.values(), added])  # type: ignore[attr-defined]
    return command  # type: ignore[return-value]


def listed(folder: Path) -> str:
    """Names of what a command has written into a folder, the ones to open first at the start."""
    first = ("report.html", "trial.html", "lesions.csv", "patient.json", "trial.json", "result.h5")
    names = [name for name in first if (folder / name).is_file()]
    names += sorted(f"{entry.name}/" for entry in folder.iterdir() if entry.is_dir())
    return ", ".join(names)
