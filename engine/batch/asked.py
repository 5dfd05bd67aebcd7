"""What a batch was asked for: a command that asks for something else in the same folder is refused, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import InputError
from ..results.environment import table_hashes
from ..results.sources import ThisCode, code_difference, same_code
from ..text import shortened
from .job import BatchJob
from .manifest import Manifest

#: What to do where two hevesy meet in one batch.
SAME_CODE = "plan and run with the same sources everywhere: one checkout, wheel or image"


def check_asked(out: Path, before: Mapping[str, str], now: Mapping[str, str], what: str) -> None:
    """Refuse a command that asks for something else than the batch in its folder was made for.

    Parameters
    ----------
    out
        Folder of the batch.
    before, now
        What was asked for, and what is, by the option or the input.
    what
        What it is asked of: a case, the problem.

    Raises
    ------
    InputError
        The first difference.
    """
    for name in dict.fromkeys((*before, *now)):
        was, is_ = before.get(name, "none"), now.get(name, "none")
        if was != is_:
            differs = f"the batch was made with {shortened(was, 40)}, this command asks for {shortened(is_, 40)}"
            if len(was) == len(is_) == 64:  # hashes tell nobody anything
                differs = "it has changed since the batch was made"
            raise InputError(
                f"{what}: {differs}",
                why="shards of two different runs do not add up",
                suggestion="repeat the command as it was, or give another --out",
                file=out,
                field=name,
            )


def check_same_code(made: Manifest | BatchJob, otherwise: str, out: Path | None = None) -> None:
    """Refuse to add decays of other code to those of a batch.

    Parameters
    ----------
    made
        The batch, or a job of it.
    otherwise
        What to do where the code that made it is not at hand.
    out
        Folder of the batch, for the message.

    Raises
    ------
    InputError
        Its sources or its physics tables are not those of this hevesy.
    """
    now = ThisCode.now()
    if not same_code(made, now):
        raise InputError(
            f"the batch was made by {code_difference(made, now)}",
            why="histories of two versions must not be added up",
            suggestion=f"{SAME_CODE}, or {otherwise}",
            file=out,
            field="code_hash",
        )
    if made.table_hashes != table_hashes():
        raise InputError(
            "the physics tables are not those of the batch",
            why="histories with two tables must not be added up",
            suggestion=f"use hevesy as it was installed where the batch was made, or {otherwise}",
            file=out,
            field="table_hashes",
        )


def check_code_of_batch(out: Path, manifest: Manifest) -> None:
    """Refuse to go on with a batch, or to add up what it has done, by other code than made it.

    Parameters
    ----------
    out
        Folder of the batch.
    manifest
        Of which jobs it consists.

    Raises
    ------
    InputError
        As :func:`check_same_code`.
    """
    divided = any(whole.sharded for whole in manifest.wholes)
    otherwise = (
        "give `hevesy batch` another --out" if divided else "repeat the `hevesy batch`, which runs its cases again"
    )
    check_same_code(manifest, otherwise, out)
