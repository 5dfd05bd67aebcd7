"""Which structure files hold the lesions of a visit: by the images they were drawn on, then by their frame."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from ...errors import InputError
from ...same import SAME_EVENT_S
from ...text import printable
from .item import LESION_KINDS, Item, Pair, word_for
from .tracers import several_tracers, tracer_of
from .wishes import Wishes

#: How a structure file belongs to a visit, best first, and what the account says of it.
_RELATIONS = {
    5: "drawn on the PET of the first scan",
    4: "drawn on the CT of the first scan",
    3: "drawn on a later PET",
    2: "drawn on a later CT",
    1: "in the same frame of reference",
}
#: The hours of a scan in the name of a label map.
_HOURS = re.compile(r"\d+(?:\.\d+)?[-_ ]?(?:h|hr|hours)(?![a-z])")


def match_lesions(
    groups: Sequence[Sequence[Pair]],
    items: Sequence[Item],
    series_of: Mapping[str, str],
    wishes: Wishes,
    notes: list[str],
) -> list[list[Item]]:
    """The structure files of each visit; the others that could have been get the reason why they were not taken.

    A file belongs to the visit that it is related to best, the first of several alike.

    Parameters
    ----------
    groups
        PETs with their CTs of each visit, in order of time.
    items
        Everything that was found.
    series_of
        Series UID of each image that was found, by its SOP instance UID.
    wishes
        What the user asked for.
    notes
        Gets a remark where several files are used together.

    Raises
    ------
    InputError
        Two files of the same minute with the same structures; a file that scans of two tracers are related to alike.
    """
    candidates = [item for item in items if item.kind in LESION_KINDS and not item.skipped]
    own: list[list[tuple[int, Item]]] = [[] for _ in groups]
    for item in candidates:
        ranks = [_relation(item, group, items, series_of) for group in groups]
        best = max(ranks, default=0)
        if best or wishes.takes(item):
            alike = [group for group, rank in zip(groups, ranks, strict=True) if rank == best]
            if len({tracer_of(group[0].pet) for group in alike}) > 1:
                raise several_tracers([pair.pet for group in groups for pair in group])
            own[ranks.index(best)].append((best, item))
    return [_matched(related, group, wishes, notes) for related, group in zip(own, groups, strict=True)]


def _matched(
    related: Sequence[tuple[int, Item]], scans: Sequence[Pair], wishes: Wishes, notes: list[str]
) -> list[Item]:
    """The structure files of a visit.

    What a file says it was drawn on comes before its frame of reference, which programs leave stale inside one file;
    the first scan comes first, which kinetics are registered to. Of several that are related alike, all label maps are
    taken (one lesion a file is usual), and of RTSTRUCT and SEG the newest, with older ones of which it holds no
    structure. Lesions of files that are left out, which no file used holds, are kept in their `lost`; what was drawn on
    the CT of a scan is another drawing of the lesions that were drawn on its PET.
    """
    candidates = [item for _, item in related]
    ranks = {item.spec: rank for rank, item in related}
    if not candidates:
        return []
    if asked := [item for item in candidates if wishes.takes(item)]:
        _leave(candidates, asked, "another one was asked for")
        return asked
    best = max(ranks[item.spec] for item in candidates)
    near = [item for item in candidates if ranks[item.spec] == best]
    _leave(candidates, near, _RELATIONS[best])
    drawn = [item for item in near if item.kind != "lesions"]
    if not drawn:
        return _label_maps(near, [pair.pet for pair in scans])
    _leave(near, drawn, "an RTSTRUCT or SEG")
    taken = _newest(drawn)
    if len(taken) > 1:
        names = " and ".join(item.label for item in taken)
        notes.append(f"{names} hold different structures: all of them are used")
    used = {name.casefold() for item in taken for name in item.structures}
    for item in candidates:
        if item not in taken and (best, ranks[item.spec]) not in ((5, 4), (3, 2)):
            item.lost = tuple(name for name in item.structures if name.casefold() not in used)
    return taken


def _relation(item: Item, scans: Sequence[Pair], items: Sequence[Item], series_of: Mapping[str, str]) -> int:
    """How a structure file belongs to a visit, as in ``_RELATIONS``; 0 for not at all."""
    pets, cts = [pair.pet for pair in scans], [pair.ct for pair in scans]
    drawn_on = _drawn_on(item, items, series_of)
    if pets[0].uid in drawn_on:
        return 5
    if cts[0].uid in drawn_on:
        return 4
    if any(pet.uid in drawn_on for pet in pets):
        return 3
    if any(ct.uid in drawn_on for ct in cts):
        return 2
    frames = {scan.frame for scan in (*pets, *cts) if scan.frame}
    others = [one for one in items if one.uid in drawn_on]
    if others and not any(one.frame in frames for one in others):
        return 0
    stated = item.frames or ({item.frame} if item.frame else set())
    return int(bool(others) or bool(frames & stated) or not (stated or drawn_on))


def _drawn_on(item: Item, items: Sequence[Item], series_of: Mapping[str, str]) -> frozenset[str]:
    """Series that a file was drawn on; of those that contradict each other the ones in its frame of reference."""
    stated = item.frames or ({item.frame} if item.frame else set())
    drawn_on = item.references | {series_of[one] for one in item.instances if one in series_of}
    agreeing = frozenset(one.uid for one in items if one.uid in drawn_on and one.frame in stated)
    return agreeing or drawn_on


def _newest(drawn: list[Item]) -> list[Item]:
    """The newest of some files, and older ones with no structure in common; of two copies the first."""
    taken: list[Item] = []
    for item in sorted(drawn, key=lambda one: one.when or datetime.min, reverse=True):
        if any(_is_copy(item, other) for other in taken):
            item.skipped = "a copy of a file that is used"
            continue
        names = {name.casefold(): name for name in item.structures}
        rivals = {key: other for other in taken for name in other.structures if (key := name.casefold()) in names}
        if not rivals:
            taken.append(item)
            continue
        key, rival = next(iter(rivals.items()))
        if _same_minute(item, rival):
            raise InputError(
                f"{_place(rival)} and {_place(item)} both hold a structure {names[key]!r}, and neither is newer",
                why="only one of the two can be its outline",
                suggestion=f"import again with --take {word_for(rival, drawn)} or --take {word_for(item, drawn)}",
            )
        item.skipped = f"another structure file was used (newer, of {rival.time_text})"
    return taken


def _place(item: Item) -> str:
    path = Path(item.spec)
    return printable(f"{path.parent.name}/{path.name}")


def _is_copy(a: Item, b: Item) -> bool:
    return a.uid == b.uid and filecmp.cmp(a.spec, b.spec, shallow=False)


def _same_minute(a: Item, b: Item) -> bool:
    return abs(((a.when or datetime.min) - (b.when or datetime.min)).total_seconds()) <= SAME_EVENT_S


def _label_maps(maps: list[Item], pets: Sequence[Item]) -> list[Item]:
    """All label maps, but one alone of those whose names differ in the hours of a scan."""
    versions: dict[str, list[Item]] = {}
    for item in maps:
        versions.setdefault(str(Path(item.spec).parent / _HOURS.sub("", Path(item.spec).name.lower())), []).append(item)
    taken = []
    for same in versions.values():
        first = pets[0].hours
        best = next((item for item in same if first is not None and item.hours == first), same[0])
        _leave(same, [best], f"of the first scan: {best.label}")
        taken.append(best)
    return taken


def _leave(items: Sequence[Item], taken: Sequence[Item], reason: str) -> None:
    for item in items:
        if item not in taken:
            item.skipped = f"another structure file was used ({reason})"
