"""The errors a user meets: problem (why) suggestion, always with file, field, value and unit.

Library code raises these and never exits; the command line turns them into exit codes
(:attr:`HevesyError.exit_code`). Their wording is tested.
"""

from __future__ import annotations

from .text import printable


class HevesyError(Exception):
    """Base of every error that hevesy raises on purpose."""

    exit_code = 1


class InputError(HevesyError):
    """Input that cannot be used: one problem, why it is one, and what to do about it.

    Parameters
    ----------
    problem
        What is wrong, with the offending value and its unit.
    why
        Why that cannot be used.
    suggestion
        What the user can do about it.
    file, field
        The file and the field (key, DICOM tag, array name) it is in, when there is one.
    """

    exit_code = 2

    def __init__(
        self,
        problem: str,
        *,
        why: str = "",
        suggestion: str = "",
        file: object | None = None,
        field: str | None = None,
    ) -> None:
        self.problem, self.why, self.suggestion = problem, why, suggestion
        self.file = None if file is None else str(file)
        self.field = field
        super().__init__(self.render())

    def render(self) -> str:
        """The whole message as plain text, at most four short lines."""
        where = ": ".join(part for part in (self.file, self.field) if part)
        lines = [f"{where}: {self.problem}" if where else self.problem]
        if self.why:
            lines.append(f"  why: {self.why}")
        if self.suggestion:
            lines.append(f"  try: {self.suggestion}")
        return "\n".join(map(printable, lines))


class SavedElsewhere(InputError):
    """Finished work that could not be written where it should go, and was saved in another folder."""

    exit_code = 3


class StoppedEarly(HevesyError):
    """A run that was interrupted with usable, resumable partial results."""

    exit_code = 3


class CheckFailed(HevesyError):
    """A comparison or check that ran to its end and did not pass."""

    exit_code = 1
