"""Inputs of a batch that cannot be used: all of them in one message, before anything is started."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InputError
from ..text import count_of


class Refusals(InputError):
    """Several inputs that cannot be used.

    Parameters
    ----------
    errors
        What is wrong with each, by its name.
    total
        How many there are, with the good ones.
    noun
        What they are, in the singular: ``"case"``.
    """

    def __init__(self, errors: Mapping[str, InputError], total: int, noun: str) -> None:
        self.errors = dict(errors)
        super().__init__(
            f"{count_of(len(errors), total, noun, ('is', 'are'))} refused",
            why="a batch begins when all of its input can be used; nothing was started",
            suggestion="correct what is named above, or leave it out of the command",
        )

    def render(self) -> str:
        """The message of each, and how many they are."""
        return "\n".join([*(error.render() for error in self.errors.values()), super().render()])


def raise_refusals(errors: Mapping[str, InputError], total: int, noun: str = "case") -> None:
    """Refuse a batch of which inputs cannot be used.

    Parameters
    ----------
    errors
        What is wrong with each, by its name; none is no error.
    total
        How many inputs there are.
    noun
        What they are, in the singular.

    Raises
    ------
    InputError
        The only one that there is, in its own words; of several a :class:`Refusals`.
    """
    if not errors:
        return
    if total == 1:
        raise next(iter(errors.values()))
    raise Refusals(errors, total, noun)
