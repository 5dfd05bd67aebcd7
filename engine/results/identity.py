"""What must be equal for the histories of two runs to belong together, beyond what their tallies say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from ..errors import InputError
from ..transport.problem import Problem
from .provenance import Provenance, problem_hash, regions_hash
from .sources import code_difference, same_code

#: What a refusal calls the run that is not resumed.
THE_STOPPED_RUN = "the stopped run"


@dataclass(frozen=True)
class RunIdentity:
    """Problem, regions, data tables and code of a transport run; seed, backend and batches are in its tally.

    Parameters
    ----------
    input_hash, regions_hash, table_hashes, version, commit, code_hash
        As in :class:`~hevesy.engine.results.provenance.Provenance`.
    """

    input_hash: str
    regions_hash: str
    table_hashes: dict[str, str]
    version: str
    commit: str
    code_hash: str

    @classmethod
    def now(cls, problem: Problem, regions: Sequence[np.ndarray] | np.ndarray | None = None) -> RunIdentity:
        """Of a run of this problem with this installation; ``regions`` where they are not the problem's own."""
        hashes = {"input_hash": problem_hash(problem), "regions_hash": regions_hash(problem, regions)}
        return cls.of(Provenance.now(**hashes))

    @classmethod
    def of(cls, provenance: Provenance) -> RunIdentity:
        """Of the run that left a result."""
        return cls(**{field.name: getattr(provenance, field.name) for field in fields(cls)})

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary."""
        return asdict(self)

    def check_same(self, now: RunIdentity) -> None:
        """Refuse to resume this run as another one.

        Raises
        ------
        InputError
            The problem, the regions, the data tables or the code differ; the first of these.
        """
        if self.input_hash != now.input_hash:
            raise changed(f"the images, the activity or the physics are not those of {THE_STOPPED_RUN}", "input_hash")
        if self.regions_hash != now.regions_hash:
            raise changed(f"the regions or lesions are not those of {THE_STOPPED_RUN}", "regions_hash")
        if self.table_hashes != now.table_hashes:
            raise changed(f"the physics tables are not those of {THE_STOPPED_RUN}", "table_hashes")
        if not same_code(self, now):
            raise changed(f"{THE_STOPPED_RUN} was made by {code_difference(self, now)}", "code_hash")


def changed(problem: str, field: str) -> InputError:
    """The refusal to add up histories of two runs."""
    return InputError(
        problem,
        why="histories of two different runs must not be added up",
        suggestion="undo the change, or run without --resume (the earlier results remain beside the new ones)",
        field=field,
    )
