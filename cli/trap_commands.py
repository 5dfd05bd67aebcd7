"""``hevesy traps``: inputs of real life with their right values, for this and for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import JSON, out_option
from .output import echo_json, echo_table, echo_text


def add_to(app: typer.Typer) -> None:
    """Add this sub-command to the application."""
    app.command()(traps)


def traps(
    names: Annotated[list[str] | None, typer.Argument(help="Traps or kinds of traps; all by default.")] = None,
    out: Annotated[Path | None, out_option("New folder for the inputs; without it the traps are listed.")] = None,
    json: JSON = False,
) -> None:
    """Write the trap corpus: small inputs that show what goes wrong in the field, each with its right value."""
    from ..engine.text import counted
    from ..phantoms.traps.catalogue import chosen
    from ..phantoms.traps.corpus import write_corpus

    picked = chosen(names or ())
    if out is None:
        _list(picked, json)
        return
    folder = write_corpus(out, picked)
    if json:
        echo_json({"folder": str(folder), "traps": [trap.name for _, trap in picked]})
        return
    echo_text(
        f"wrote {counted(len(picked), 'trap')} to {folder}: each folder holds an input, RIGHT.txt (what is odd, what "
        "is right, what to run) and right.json (the right numbers)"
    )


def _list(picked: list[tuple[str, Any]], json: bool) -> None:
    if json:
        echo_json(
            [{"kind": kind, "situation": trap.situation, "right": trap.right, **_named(trap)} for kind, trap in picked]
        )
        return
    rows = [[kind, trap.name, trap.situation] for kind, trap in picked]
    echo_table(["kind", "trap", "situation"], rows, "Traps")
    echo_text("Write them with: hevesy traps --out DIR")


def _named(trap: Any) -> dict[str, Any]:
    return {"name": trap.name, "commands": list(trap.commands), "expected": trap.expected.to_dict()}
