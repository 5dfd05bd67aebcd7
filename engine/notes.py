"""Notes for a reader that the program must recognise: by a code, never by their words."""

from __future__ import annotations

#: Code of a note about input that contradicts itself and was used all the same.
CONTRADICTION = "contradiction"


class Note(str):
    """A sentence with a code; a plain string wherever text goes (tables, JSON, HDF5).

    Parameters
    ----------
    text
        The sentence.
    code
        What the program knows it by.
    """

    code: str

    def __new__(cls, text: str, code: str) -> Note:
        note = super().__new__(cls, text)
        note.code = code
        return note


def code_of(text: str) -> str:
    """Code of a note; empty for any other text."""
    return text.code if isinstance(text, Note) else ""


def about(subject: str, text: str) -> str:
    """``subject: text``, with the code of the text."""
    joined = f"{subject}: {text}"
    return Note(joined, text.code) if isinstance(text, Note) else joined
