"""Notes for a reader that the program must recognise: by a code and a weight, never by their words."""

from __future__ import annotations

#: Code of a note about input that contradicts itself and was used all the same.
CONTRADICTION = "contradiction"

#: Weights of a note. Critical: it changes the verdict or what may be claimed. Caution: a reader must know it.
#: Note: an assumption, for the record; any plain string weighs that much.
CRITICAL, CAUTION, NOTE = "critical", "caution", "note"


class Note(str):
    """A sentence with a code and a weight; a plain string wherever text goes (tables, JSON, HDF5).

    Parameters
    ----------
    text
        The sentence.
    code
        What the program knows it by; empty where nothing depends on it.
    weight
        `CRITICAL`, `CAUTION` or `NOTE`.
    """

    code: str
    weight: str

    def __new__(cls, text: str, code: str = "", weight: str = CAUTION) -> Note:
        note = super().__new__(cls, text)
        note.code = code
        note.weight = weight
        return note


def code_of(text: str) -> str:
    """Code of a note; empty for any other text."""
    return text.code if isinstance(text, Note) else ""


def weight_of(text: str) -> str:
    """Weight of a note; that of any other text is `NOTE`."""
    return text.weight if isinstance(text, Note) else NOTE


def about(subject: str, text: str) -> str:
    """``subject: text``, with the code and the weight of the text."""
    joined = f"{subject}: {text}"
    return Note(joined, text.code, text.weight) if isinstance(text, Note) else joined
