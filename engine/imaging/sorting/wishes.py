"""What the user of an import says beside the files: which series to take, and what no file states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...errors import InputError
from .item import Item


@dataclass(frozen=True)
class Wishes:
    """Options of an import.

    Parameters
    ----------
    take
        Series, structure files or volumes to take before others: UID or its code, name of folder or file, description;
        ``*`` stands for any characters.
    tracer, activity
        Nuclide of the scans and its administered activity, as a case writes them.
    therapy
        Nuclide and activity of the planned therapy, ``("I-131", "7.4 GBq")``.
    patient
        Pseudonym.
    after_h
        Time of scans after the administration [h], by the name of their PET.
    same_patient
        Whether the user answers for it that all files are of one patient.
    """

    take: tuple[str, ...] = ()
    tracer: str | None = None
    activity: str | None = None
    therapy: tuple[str, str] | None = None
    patient: str = "P01"
    after_h: Mapping[str, float] = field(default_factory=dict)
    same_patient: bool = False

    def takes(self, item: Item) -> bool:
        """Whether the user asked for this one."""
        return any(item.is_named_by(pattern) for pattern in self.take)

    def apply(self, items: Sequence[Item]) -> list[str]:
        """Put what is stated into the records: times, and what is taken though it would be left out on weak grounds.

        Returns
        -------
        list of str
            Remarks on the latter.

        Raises
        ------
        InputError
            A word that names nothing that was found, or nothing that can be used.
        """
        notes = []
        for pattern in self.take:
            named = [item for item in items if item.is_named_by(pattern)]
            if not named:
                raise _nothing("--take", pattern, items)
            for item in named:
                if item.weak and item.skipped:
                    notes.append(f"{item.label} is used as asked, though it would be left out: {item.skipped}")
                    item.skipped = ""
            if all(item.skipped for item in named):
                raise InputError(
                    f"{named[0].label} cannot be used: {named[0].skipped}",
                    why="--take chooses among what can be used",
                    suggestion="name another series or file",
                    field="--take",
                )
        for pattern, hours in self.after_h.items():
            pets = [item for item in items if item.kind == "PET" and item.is_named_by(pattern)]
            if not pets:
                raise _nothing("--after", pattern, [item for item in items if item.kind == "PET"])
            for item in pets:
                item.after_h = hours
        return notes


def _nothing(option: str, pattern: str, items: Sequence[Item]) -> InputError:
    labels = sorted({item.label for item in items})
    known = ", ".join(labels[:12]) + (", ..." if len(labels) > 12 else "")
    return InputError(
        f"nothing that was found is named {pattern!r}",
        why="a series is named by its folder, its description, or the code after '#' in the list of what was found",
        suggestion=f"one of: {known}" if known else "see the list of what was found",
        field=option,
    )
