"""All kinds of input by their names."""

from __future__ import annotations

from random import Random

from .kinds import archive, case, cohort, dicom, kernel, problem, records, result, tables, volumes
from .sample import Kind, Sample

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        case.KIND, *cohort.KINDS, *records.KINDS, *tables.KINDS, problem.KIND, *result.KINDS, *kernel.KINDS,
        *volumes.KINDS, *dicom.KINDS, archive.KIND,
    )
}  # fmt: skip


def sample_of(kind: Kind, number: int) -> Sample:
    """The input of a kind with this number, the same on every machine."""
    return kind.generate(Random(f"{kind.name}:{number}"))


def shares(total: int, names: tuple[str, ...] = ()) -> dict[str, int]:
    """How many inputs of each kind make a total."""
    kinds = [kind for kind in KINDS.values() if not names or kind.name in names]
    whole = sum(kind.share for kind in kinds)
    return {kind.name: -(-total * kind.share // whole) for kind in kinds}
