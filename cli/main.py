"""The one command, ``hevesy``: sub-commands, and how errors end.

Everything heavy is imported inside the sub-commands, so that ``hevesy --help`` answers at once.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer

from ..engine.disk_errors import disk_error
from ..engine.errors import HevesyError, InputError
from ..engine.memory import is_short
from ..engine.text import shortened
from ..engine.written import outputs_written
from . import (
    batch_command,
    batch_commands,
    case_commands,
    cohort_commands,
    compare_command,
    config_commands,
    kernels_command,
    transport_commands,
    trap_commands,
)
from .interrupt import Interrupted, end_on_signals, ignore_signals
from .options import Verbose, start_messages, today
from .output import echo

#: Environment variable: tracebacks of errors of hevesy itself in place of one sentence.
TRACEBACK = "HEVESY_TRACEBACK"

app = typer.Typer(
    name="hevesy",
    help="Voxel-level Monte Carlo dosimetry for radionuclide therapy: PET/CT in; absorbed dose, uncertainty "
    "and the 20 Gy verdict out.",
    epilog="Exit codes: 0 done; 1 a check failed, a device failed during a run, or an import lacks a scan; "
    "2 invalid input, or an output that cannot be written; 3 stopped by Ctrl-C, SIGTERM or SIGHUP, "
    "or saved elsewhere.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": today},
)


def _version(asked: bool) -> None:
    if asked:
        from .. import __version__

        echo(f"hevesy {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    verbose: Verbose = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    start_messages(verbose)


case_commands.add_to(app)
cohort_commands.add_to(app)
batch_command.add_to(app)
batch_commands.add_to(app)
config_commands.add_to(app)
compare_command.add_to(app)
transport_commands.add_to(app)
kernels_command.add_to(app)
trap_commands.add_to(app)


def entry() -> None:
    """Run the command line; exit 0 done, 1 a check failed, 2 bad input, 3 stopped early (docs/errors.md)."""
    outputs_written()  # those of a command before this one in the same process
    atexit.register(ignore_signals)  # a command that is done is not stopped any more
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a path need not be UTF-8, and a terminal not show all of Unicode
            stream.reconfigure(errors="replace")
    try:
        with end_on_signals():
            code = _exit_code()
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
    except (Interrupted, KeyboardInterrupt):
        with suppress(OSError):  # nobody reads it
            echo(_stopped(), err=True)
        code = 3
    except BrokenPipeError:
        _forget_reader()
        code = 0
    except OSError as error:  # what was printed, to a file on a full disk, or to a terminal that is gone
        with suppress(OSError):
            echo(str(disk_error(error, "the printed output")), err=True)
        _forget_reader()
        code = 2
    sys.exit(code)


def _stopped() -> str:
    """The last word after a signal."""
    outputs = outputs_written()
    return f"stopped; {', '.join(map(str, outputs))}: written whole" if outputs else "stopped; no result was written"


def _exit_code() -> Any:
    """The exit code of the command; errors of hevesy and of the disk as their message.

    Raises
    ------
    BrokenPipeError
        The reader of the output (head, less) went away: not an error of ours.
    """
    try:
        app()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # the command-line library made an exit code of it
            raise end.__context__ from None
        return end.code
    except HevesyError as error:
        echo(str(error), err=True)
        return error.exit_code
    except BrokenPipeError:
        raise
    except (MemoryError, RecursionError) as error:
        refusal = _too_large(error)
        echo(str(refusal), err=True)
        return refusal.exit_code
    except OSError as error:
        # A disk or a path that fails while files are read or written, whichever library met it.
        refusal = _too_large(MemoryError()) if is_short(error) else disk_error(error)
        echo(str(refusal), err=True)
        return refusal.exit_code
    except Exception as error:
        if is_short(error):
            refusal = _too_large(MemoryError())
            echo(str(refusal), err=True)
            return refusal.exit_code
        # The last guard: what the readers let through is a fault of this program, and a traceback tells a user nothing.
        if _traceback_wanted():
            raise
        echo(
            f"an error of hevesy itself: {type(error).__name__}: {shortened(error, 200)}\n"
            "  why: no input should end like this\n"
            f"  try: report it with the output of the same command under {TRACEBACK}=1; an input that is damaged may "
            "have caused it",
            err=True,
        )
        return 1
    return 0


def _too_large(error: MemoryError | RecursionError) -> InputError:
    """What an input is that no memory holds, or whose parts lie inside each other without end."""
    if isinstance(error, RecursionError):
        return InputError(
            "an input is nested too deeply",
            why="its parts lie inside each other without end",
            suggestion="check the files that were written by hand or by another program",
        )
    return InputError(
        "the memory of this machine is not enough",
        why="the images, the dose grid or a damaged file ask for more, or a limit of this user is low (ulimit -v, -u)",
        suggestion="use a coarser grid (transport.grid), or a machine with more memory",
    )


def _traceback_wanted() -> bool:
    """Whether the user asked for tracebacks: by the environment, or by --verbose."""
    return bool(os.environ.get(TRACEBACK)) or logging.getLogger().level in range(1, logging.INFO + 1)


def _forget_reader() -> None:
    """Send what is still buffered nowhere, so that the end of the interpreter cannot fail on it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    entry()
