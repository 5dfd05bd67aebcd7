"""The traps in docs/formats/traps.md, written from the catalogue in `hevesy.phantoms.traps`.

``make traps`` writes them; a test fails when page and catalogue differ.
"""

from __future__ import annotations

from ..phantoms.traps.catalogue import kinds
from ..phantoms.traps.trap import Trap
from .page_table import FORMATS, PageTable

PLACE = PageTable("traps", FORMATS / "traps.md")


def trap_tables() -> str:
    """One Markdown table for each kind, under its title and with its test."""
    parts = []
    for kind, (title, members) in kinds().items():
        if members:
            head = f"## {title}\n\nTest: [test_{kind}.py](../../tests/unit/traps/test_{kind}.py)\n\n"
            rows = [
                f"| `{one.name}` | {_cell(one.situation)} | {_cell(one.right)} | {_cell(outcome(one))} |"
                for one in members
            ]
            parts.append(head + "\n".join(["| trap | situation | right | hevesy |", "|---|---|---|---|", *rows]))
    return "\n\n".join(parts)


def outcome(trap: Trap) -> str:
    """What hevesy does with a trap, from the commands and exit codes that its test asserts."""
    command = trap.commands[len(trap.exits) - 1].split()[0]
    said = f": “{trap.expected.says[0]}”" if trap.expected.says else ""
    if trap.exits[-1] == 2:
        return f"`{command}` refuses{said}"
    if 1 in trap.exits:
        asking = trap.commands[trap.exits.index(1)].split()[0]
        return f"`{asking}` ends with exit code 1{said}"
    return f"right value, and says{said.removeprefix(':')}" if said else "right value"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").rstrip(".")


if __name__ == "__main__":
    PLACE.write(trap_tables())
