"""The one command, ``hevesy``: sub-commands, and how errors end.

Everything heavy is imported inside the sub-commands, so that ``hevesy --help`` answers at once.
"""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from ..engine.errors import HevesyError, InputError
from . import case_commands, cohort_commands, config_commands, transport_commands

app = typer.Typer(
    name="hevesy",
    help="Voxel-level Monte Carlo dosimetry for radionuclide therapy: PET/CT in; absorbed dose, uncertainty "
    "and the 20 Gy verdict out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from .. import __version__

        typer.echo(f"hevesy {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print more messages.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        stream=sys.stderr,
        format="%(levelname)s %(name)s: %(message)s",
    )
    # A run lowers the level of hevesy's own loggers for its log file; the terminal keeps to the requested level. What
    # other libraries remark (pydicom on harmless deviations, as log and as warning) is for log.txt and --verbose.
    logging.captureWarnings(True)
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.INFO if verbose else logging.WARNING)
        if not verbose:
            handler.addFilter(logging.Filter("hevesy"))


case_commands.add_to(app)
cohort_commands.add_to(app)
config_commands.add_to(app)
transport_commands.add_to(app)


def entry() -> None:
    """Run the command line; exit 0 done, 1 a check failed, 2 bad input, 3 stopped early but usable."""
    try:
        app()
    except HevesyError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("stopped; nothing was written", err=True)
        sys.exit(3)
    except BrokenPipeError:
        # The reader (head, less) went away: not an error of ours.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        # A disk or a path that fails while files are read or written, whichever library met it.
        refusal = InputError(
            error.strerror or str(error),
            why="a file or folder could not be read or written",
            suggestion="check the path, its permissions and the space left",
            file=error.filename,
        )
        typer.echo(str(refusal), err=True)
        sys.exit(refusal.exit_code)


if __name__ == "__main__":
    entry()
