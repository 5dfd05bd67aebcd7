"""Which code made something, and whether two are the same, which is decided here alone: by sources, not commits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .environment import code_hash
from .provenance import code_commit, code_version


class Code(Protocol):
    """What says which code made it: a result, a job or a batch."""

    @property
    def version(self) -> str:
        """Of hevesy."""

    @property
    def commit(self) -> str:
        """Of the checkout; empty when installed."""

    @property
    def code_hash(self) -> str:
        """Of the sources (:func:`~hevesy.engine.results.environment.code_hash`); empty where they are not known."""


@dataclass(frozen=True)
class ThisCode:
    """The code that runs.

    Parameters
    ----------
    version, commit, code_hash
        As in :class:`~hevesy.engine.results.provenance.Provenance`.
    """

    version: str
    commit: str
    code_hash: str

    @classmethod
    def now(cls) -> ThisCode:
        """That of this process."""
        return cls(code_version(), code_commit(), code_hash())


def same_code(one: Code, other: Code) -> bool:
    """Whether two have the same sources; where neither says which, whether version and commit are the same.

    One that does not say is of a hevesy that knew no hash yet, so it is not the same as one that says.
    """
    if one.code_hash or other.code_hash:
        return one.code_hash == other.code_hash
    return (one.version, one.commit) == (other.version, other.commit)


def code_text(one: Code) -> str:
    """A hevesy in words, as messages compare two: the commit is that of a checkout, an installed one has none."""
    head, changed, _ = one.commit.partition("+")
    where = f"from a checkout at {head[:10]}{' with changes' if changed else ''}" if one.commit else "as installed"
    return f"hevesy {one.version} {where}"


def code_difference(before: Code, now: Code, by: str = "this is") -> str:
    """How two differ that are not the same: the end of a sentence such as "the batch was made by"."""
    was, is_ = code_text(before), code_text(now)
    if was == is_:
        return f"{was}, {by} {is_} too, but their sources differ"
    return f"{was}, {by} {is_}" + (", with other sources" if before.code_hash or now.code_hash else "")
