"""What one trap is: a situation, the files that show it, and what is right."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

#: Commands that show most traps.
CHECK = ("check case.yaml",)
IMPORT = ("import . -o case.yaml", "check case.yaml")


@dataclass(frozen=True)
class Right:
    """The right outcome of an input, as numbers and words; what is empty is not asked about.

    Parameters
    ----------
    refused
        Whether hevesy refuses the input (exit code 2). The numbers are then what another program, which reads it,
        should find.
    refusal_allowed
        Whether a refusal is right as well as the numbers; True where ``refused``.
    says
        Words that the message, or the output of the last command, holds: the fault named, for a reader.
    unsaid
        Words that no output holds.
    hours
        Times of the scans after the administration [h].
    lesions
        By name what `hevesy check` states of a lesion: ``volume_ml``, ``mass_g``, ``mean_bq_ml`` (in the first scan).
    only
        Whether the lesions are these alone.
    grid
        Shape of the dose grid after cropping to the body (nz, ny, nx).
    tracer
        Nuclide of the tracer.
    within
        Relative tolerance of the numbers.
    exits
        Exit codes of the commands; by default 0, and 2 for the last where ``refused``.
    """

    refused: bool = False
    refusal_allowed: bool = False
    says: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    hours: tuple[float, ...] = ()
    lesions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    only: bool = True
    grid: tuple[int, int, int] | None = None
    tracer: str | None = None
    within: float = 0.003
    exits: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The numbers as plain data, for other programs."""
        found = {"hours_after": list(self.hours), "lesions": {k: dict(v) for k, v in self.lesions.items()}}
        return {
            **{key: value for key, value in found.items() if value},
            **({"grid": list(self.grid)} if self.grid else {}),
            **({"tracer": self.tracer} if self.tracer else {}),
            "relative_tolerance": self.within,
            "refusal_is_right": self.refused or self.refusal_allowed,
        }


@dataclass(frozen=True)
class Trap:
    """One situation.

    Parameters
    ----------
    name
        Of its folder: words with hyphens.
    situation
        What is odd about the input, in one sentence.
    right
        The right outcome, in one sentence.
    make
        Writes the input into an empty folder.
    expected
        The right outcome as numbers and words.
    commands
        Commands of hevesy, in this folder, that show it.
    source
        ``"report"``: seen in public reports; ``"variant"``: of the same kind, made here.
    """

    name: str
    situation: str
    right: str
    make: Callable[[Path], None]
    expected: Right
    commands: tuple[str, ...] = CHECK
    source: Literal["report", "variant"] = "variant"

    @property
    def exits(self) -> tuple[int, ...]:
        """Exit code of each command that runs; after a refusal none does."""
        if self.expected.exits:
            return self.expected.exits
        return (0,) * (len(self.commands) - 1) + (2 if self.expected.refused else 0,)

    def write(self, folder: Path) -> Path:
        """Write the input into a new folder below ``folder``, with RIGHT.txt and right.json beside it."""
        own = folder / self.name
        own.mkdir(parents=True)
        self.make(own)
        commands = " && ".join(f"hevesy {command}" for command in self.commands)
        (own / "RIGHT.txt").write_text(f"{self.situation}\nright: {self.right}\ntry: {commands}\n", encoding="utf-8")
        text = json.dumps({"name": self.name, **self.expected.to_dict()}, indent=1)
        (own / "right.json").write_text(text + "\n", encoding="utf-8")
        return own
