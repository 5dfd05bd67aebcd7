"""Shards of one run become the result that the whole run would have given: exact, and only when they belong together.

Shards are added one at a time, so that a thousand of them need the memory of two. What they must have in common is
compared as they come; what is missing shows in the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import statistics
from ..dose.hybrid import with_local
from ..dose.map import DoseMap
from ..dose.montecarlo import dose_map
from ..errors import InputError
from ..nuclides.emission import Emission
from ..text import counted, shortened
from ..transport.emission_checks import RARE, rare_emissions
from ..transport.tally import Tally, history_ranges
from .result import Result
from .sources import ThisCode, code_difference, code_text, same_code

#: How a partial result says that it is one, so that the next stage of the merge can tell whether it still is.
LACKS = "a part of the run is missing"
#: Between the backends of a result that several simulated, and between their devices.
AND = "+"
#: Ranges of decays that a message lists.
LISTED = 3


def merge(
    results: Sequence[Result],
    names: Sequence[str] | None = None,
    *,
    partial: bool = False,
    emission: Emission | None = None,
) -> Result:
    """Join shards of one problem: exact sums of integers, mean and standard error recomputed.

    The outcome does not depend on the order of the shards, nor on stages. Lesion records are left out, since their
    Monte Carlo part changes: the caller computes them again.

    Parameters
    ----------
    results
        Shards with their tallies, in any order.
    names
        What messages call them; "result 1", "result 2" and so on by default.
    partial
        Whether decays may be missing, in a stage of a merge: the outcome then says so and is not complete.
    emission
        Of the problem, for remarks on what is too rare for the run to show; by default those of the shards stay.

    Returns
    -------
    Result
        With the histories of all.

    Raises
    ------
    InputError
        Shards of different problems, regions, seeds, batch sizes, backends, data tables or code versions; histories
        in common, or missing.
    """
    called = names or [f"result {number}" for number in range(1, len(results) + 1)]
    return merged(zip(called, results, strict=True), partial=partial, emission=emission)


def merge_files(files: Sequence[Path], *, partial: bool = False) -> Result:
    """Join the results in files, of which one at a time is in memory; see :func:`merge`.

    Parameters
    ----------
    files
        Result files of one problem, in any order.
    partial
        Whether decays may be missing.

    Returns
    -------
    Result
        With the histories of all.

    Raises
    ------
    InputError
        As :func:`merge`; a file that is given twice, also by another path; a file that is no result.
    """
    known: dict[tuple[int, int], Path] = {}
    for file in files:
        try:
            about = file.stat()
        except OSError:
            continue  # reading it says why
        other = known.setdefault((about.st_dev, about.st_ino), file)
        if other is not file:
            raise InputError(
                "is given twice" if other == file else f"is the same file as {other}",
                why="its decays would count twice, and the uncertainty be understated",
                suggestion="give every result once",
                file=file,
            )
    return merged(((str(file), Result.load(file, doses=False)) for file in files), partial=partial)


def merged(shards: Iterable[tuple[str, Result]], *, partial: bool = False, emission: Emission | None = None) -> Result:
    """The sum of named shards, each of which is let go when it has been added; arguments as for :func:`merge`."""
    total: _Sum | None = None
    for name, result in shards:
        if result.tally is None:
            raise InputError(
                "a result without a Monte Carlo tally cannot be merged",
                why="merging adds up the integers of the transport",
                suggestion=f"leave {name} out",
            )
        if total is None:
            total = _Sum(name, result)
        else:
            total.add(name, result)
        del result  # before the next one is read
    if total is None:
        raise InputError("nothing to merge", why="no result was given", suggestion="give at least one result")
    return total.result(partial, emission)


@dataclass(frozen=True)
class _Shard:
    """What is kept of a shard when its arrays have been added: name, batches, and what its result says of itself."""

    name: str
    ids: np.ndarray
    result: Result

    @property
    def first(self) -> int:
        return int(self.ids.min(initial=np.iinfo(np.int64).max))


class _Sum:
    """The sum so far, and the shards in it."""

    def __init__(self, name: str, result: Result) -> None:
        self.name, self.whole = name, result
        self.total = Tally.joined([_tally(result)])
        self.plan: dict[str, Any] = {}
        self.shards: list[_Shard] = []
        self._take(name, result)

    def add(self, name: str, result: Result) -> None:
        """Add a shard, after comparing it with those before."""
        for what, mine, its in _identity(self.whole, result):
            if mine != its:
                raise _differ(what, (self.name, mine), (name, its))
        if self.whole.backend != result.backend and not (self._mixed(self.whole) and self._mixed(result)):
            raise _differ("backend", (self.name, self.whole.backend), (name, result.backend))
        for other in self.shards:
            if not same_code(other.result.provenance, result.provenance):
                raise _differ("code", (other.name, _code(other.result)), (name, _code(result)))
            common = np.intersect1d(other.ids, _tally(result).batch_ids)
            if common.size:
                raise _overlap(other, name, _tally(result), common)
        try:
            self.total.add(_tally(result))
        except OverflowError as error:
            raise InputError(
                str(error), why="too many histories", suggestion="merge fewer shards", file=name
            ) from error
        self._take(name, result)

    def _take(self, name: str, result: Result) -> None:
        plan = result.provenance.plan
        if self.plan and plan and plan != self.plan:
            raise _differ("plan", (self.name, self.plan), (name, plan))
        self.plan = self.plan or plan
        # without its arrays: these are in the sum
        facts = replace(result, tally=None, doses={}, tia_bq_h_ml=None, lesion_masks=None, ct_hu=None, problem=None)
        facts.density_g_cm3 = np.empty((0, 0, 0), np.float32)
        self.shards.append(_Shard(name, _tally(result).batch_ids.copy(), facts))

    @staticmethod
    def _mixed(result: Result) -> bool:
        return bool(result.provenance.plan.get("mixed"))

    def result(self, partial: bool, emission: Emission | None) -> Result:
        """The merged result, in which nothing depends on the order in which shards came."""
        self.shards.sort(key=lambda shard: shard.first)
        first = self.whole
        missing = self._missing()
        if missing and not partial:
            raise self._incomplete(missing)
        parts = [shard.result for shard in self.shards]
        backend = AND.join(_several(part.backend for part in parts))
        device = f" {AND} ".join(_several((part.device for part in parts), f" {AND} "))
        provenance = replace(
            first.provenance,
            # of the same sources, which one may have from a checkout and another from a wheel
            commit=min((part.provenance.commit for part in parts if part.provenance.commit), default=""),
            wall_time_s=math.fsum(part.wall_time_s for part in parts),
            device=device,
            backend=backend,
            created=min(part.provenance.created for part in parts),
            plan=dict(self.plan),
        )
        order = np.argsort(self.total.batch_ids, kind="stable")
        tally = replace(
            self.total,
            batch_ids=self.total.batch_ids[order],
            region_quanta=self.total.region_quanta[order],
            backend=backend,
            device=device,
            wall_time_s=provenance.wall_time_s,
        ).frozen()
        complete, stopped = self._how_it_ended(missing)
        remarks = () if emission is None else rare_emissions(emission, tally.decays)
        kept = [text for part in parts for text in part.warnings if not _of_the_parts(text, emission is not None)]
        assumptions = (*(text for part in parts for text in part.assumptions), *_machines(parts), *_merged_by(first))
        return replace(
            first,
            tally=tally,
            doses=_doses(first, tally),
            sums_alone=False,
            lesions=[],
            complete=complete,
            stopped=stopped,
            assumptions=tuple(dict.fromkeys(assumptions)),
            warnings=(*dict.fromkeys(kept), *statistics.few_batches_warning(tally.n_batches), *remarks),
            provenance=provenance,
        )

    def _missing(self) -> list[tuple[int, int]]:
        """Half-open ranges of decays that the whole has and no shard holds."""
        ids = np.sort(np.concatenate([shard.ids for shard in self.shards]))
        planned = self.plan.get("batches", 0)
        if planned and ids.size and ids[-1] >= planned:
            stranger = next(shard.name for shard in self.shards if shard.ids.max(initial=0) >= planned)
            raise InputError(
                f"batch {int(ids[-1])} is none of the {counted(planned, 'batch')} of the run",
                why="the plan of the shards says how many there are",
                suggestion="leave it out",
                file=stranger,
                field="history_range",
            )
        edges = np.concatenate([[-1], ids, [planned or int(ids.max(initial=-1)) + 1]])
        gaps = np.nonzero(np.diff(edges) > 1)[0]
        n = self.total.batch_histories
        return [((int(edges[i]) + 1) * n, int(edges[i + 1]) * n) for i in gaps]

    def _incomplete(self, missing: list[tuple[int, int]]) -> InputError:
        n, done = self.total.batch_histories, sum(len(shard.ids) for shard in self.shards)
        held = ", ".join(f"{shard.name} holds {_ranges(_history(shard.ids, n))}" for shard in self.shards[:LISTED])
        more = len(self.shards) - LISTED
        whole = f" of the {self.plan['batches'] * n}" if self.plan.get("batches") else ""
        return InputError(
            f"{_ranges(missing)} are missing",
            why=f"a sum without them is not the run: there are {done * n}{whole} decays ({held}"
            + (f" and {more} more" if more > 0 else "")
            + ")",
            suggestion="give the missing results too, or --partial for a stage of a merge",
            field="history_range",
        )

    def _how_it_ended(self, missing: list[tuple[int, int]]) -> tuple[bool, str]:
        """Whether the sum is the whole run, and why not. A run of a known plan is whole when no batch is missing."""
        if missing:
            return False, f"{LACKS}: {_ranges(missing)}"
        if self.plan.get("batches"):
            return True, ""
        own = [part for part in (shard.result for shard in self.shards) if not part.complete]
        reasons = dict.fromkeys(part.stopped for part in own if not part.stopped.startswith(LACKS))
        return not reasons, "; ".join(reason for reason in reasons if reason)


def _doses(first: Result, tally: Tally) -> dict[str, DoseMap]:
    """The doses of a shard with that of the sum in place of its simulated one."""
    if first.sums_alone:
        dose = dose_map(tally, first.density_g_cm3, first.grid.voxel_volume_ml)
        return {dose.method: dose}
    dose = first.simulated
    decays = None if dose.unit == "Gy per decay" else dose.decays
    simulated = dose_map(tally, first.density_g_cm3, first.grid.voxel_volume_ml, decays, dose.air_density_g_cm3)
    simulated = with_local(simulated, first.doses["local"]) if first.simulated_part else simulated
    return {**first.doses, dose.method: replace(simulated, method=dose.method)}


def _of_the_parts(text: str, rare_known: bool) -> bool:
    """Whether a warning is about the small number of decays of a shard, so that it may not hold for the sum."""
    return statistics.NO_SIGMA in text or (rare_known and RARE in text)


def _machines(parts: Sequence[Result]) -> list[str]:
    """Remarks on what may differ between shards without making the sum wrong."""
    remarks = []
    backends = _several(part.backend for part in parts)
    if len(backends) > 1:
        remarks.append(
            f"The decays were simulated on several backends ({' and '.join(backends)}), as the batch was planned. "
            "Their statistics are the same; the integers depend on which of them simulated which decays."
        )
    for name in ("numba", "python"):
        versions = sorted({part.provenance.software.get(name, "") for part in parts} - {""})
        if len(versions) > 1:
            remarks.append(
                f"The decays were simulated with several versions of {name} ({', '.join(versions)}), which may round "
                "differently: the sum need not be bit-identical to that of one machine."
            )
    return remarks


def _merged_by(first: Result) -> list[str]:
    """A remark where other code adds up than has simulated the decays."""
    now = ThisCode.now()
    if same_code(first.provenance, now):
        return []
    made = code_difference(first.provenance, now, by="and added up, with dose and error computed anew, by")
    return [f"The decays were simulated by {made}."]


def _several(values: Iterable[str], between: str = AND) -> list[str]:
    """Different values, those of earlier merges taken apart; in an order that depends on nothing but them."""
    return sorted({one for value in values for one in value.split(between)}, reverse=True)


def _differ(what: str, mine: tuple[str, Any], its: tuple[str, Any]) -> InputError:
    (name, value), (other, other_value) = mine, its
    suggestion = "leave out the result that does not belong to the others"
    if what == "backend":
        suggestion += "; results of several backends add up where `hevesy batch --devices` planned them so"
    return InputError(
        f"results differ in their {what}: {shortened(value)} in {name}, {shortened(other_value)} in {other}",
        why="only shards of one and the same run add up to a result",
        suggestion=suggestion,
        field=what,
    )


def _overlap(other: _Shard, name: str, tally: Tally, common: np.ndarray) -> InputError:
    same = len(common) == len(other.ids) == tally.n_batches
    return InputError(
        f"{_ranges(_history(common, tally.batch_histories))} are in more than one of the results: {other.name} and "
        f"{name}",
        why="counted twice, they would understate the uncertainty"
        + ("; one is a copy of the other, or the same shard was run twice" if same else ""),
        suggestion="leave out one of them",
        field="history_range",
    )


def _history(ids: np.ndarray, per_batch: int) -> list[tuple[int, int]]:
    """Half-open ranges of decays of batches, as plain integers."""
    return [(int(first), int(end)) for first, end in history_ranges(ids, per_batch)]


def _ranges(ranges: Sequence[tuple[int, int]]) -> str:
    """Ranges of decays in words."""
    shown = ", ".join(f"{first} to {end - 1}" for first, end in ranges[:LISTED])
    return f"decays {shown}" + (f" and {counted(len(ranges) - LISTED, 'more range')}" if len(ranges) > LISTED else "")


def _code(result: Result) -> str:
    """Which code made a result, in words."""
    sources = result.provenance.code_hash
    return code_text(result.provenance) + (f" (sources {shortened(sources[:10])})" if sources else "")


def _tally(result: Result) -> Tally:
    assert result.tally is not None
    return result.tally


def _identity(a: Result, b: Result) -> Iterator[tuple[str, Any, Any]]:
    """What two shards must have in common but for the backend: (name, value of a, value of b)."""
    yield "kind", a.kind, b.kind
    yield "grid", (a.grid.shape, a.grid.spacing_mm), (b.grid.shape, b.grid.spacing_mm)
    for name in ("input_hash", "regions_hash", "physics", "table_hashes", "seed"):
        yield name.replace("_", " "), getattr(a.provenance, name), getattr(b.provenance, name)
    yield "batch size", _tally(a).batch_histories, _tally(b).batch_histories
    yield "regions", _tally(a).region_names, _tally(b).region_names
    masks = tuple(r.lesion_names if r.lesion_masks is not None else None for r in (a, b))
    yield "lesions", masks[0], masks[1]
    if a.lesion_masks is not None and b.lesion_masks is not None:
        yield "lesion masks", True, bool(np.array_equal(a.lesion_masks, b.lesion_masks))
    (method, decays), (its_method, its_decays) = _dose(a), _dose(b)
    yield "method", method, its_method
    yield "decays", decays, its_decays


def _dose(result: Result) -> tuple[str, float]:
    """Method of the dose that a tally gives, and the decays that it is stated for."""
    return ("mc", 1.0) if result.sums_alone else (result.simulated.method, result.simulated.decays)
