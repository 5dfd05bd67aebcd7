"""Which structure files hold the lesions of a visit: by the images they were drawn on, then by their frame."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from ...errors import InputError
from ...same import SAME_EVENT_S
from .item import LESION_KINDS, Item
from .wishes import Wishes

#: How a structure file belongs to a visit, best first, and what the account says of it.
_RELATIONS = {
    4: "drawn on the PET",
    3: "drawn on a later PET",
    2: "drawn on the CT",
    1: "in the same frame of reference",
}
#: The hours of a scan in the name of a label map.
_HOURS = re.compile(r"\d+(?:\.\d+)?[-_ ]?(?:h|hr|hours)(?![a-z])")


def match_lesions(
    pets: Sequence[Item], cts: Sequence[Item], items: Sequence[Item], series_of: Mapping[str, str], wishes: Wishes
) -> list[Item]:
    """The structure files of a visit; the others that could have been get the reason why they were not taken.

    What a file says it was drawn on comes before its frame of reference, which programs leave stale inside one file.
    Of several that are related alike, all label maps are taken (one lesion a file is usual), and of RTSTRUCT and SEG
    the newest, with those of the same minute that hold other structures.

    Parameters
    ----------
    pets, cts
        Scans of the visit, in order of time.
    items
        Everything that was found.
    series_of
        Series UID of each image that was found, by its SOP instance UID.
    wishes
        What the user asked for.

    Raises
    ------
    InputError
        Two files of the same minute with the same structures.
    """
    candidates = [i for i in items if i.kind in LESION_KINDS and not i.skipped and not i.visit]
    ranks = {item.spec: _relation(item, pets, cts, items, series_of) for item in candidates}
    candidates = [item for item in candidates if ranks[item.spec] or wishes.takes(item)]
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
        return _label_maps(near, pets)
    _leave(near, drawn, "an RTSTRUCT or SEG")
    return _newest(drawn)


def _relation(
    item: Item, pets: Sequence[Item], cts: Sequence[Item], items: Sequence[Item], series_of: Mapping[str, str]
) -> int:
    """How a structure file belongs to a visit, as in ``_RELATIONS``; 0 for not at all."""
    drawn_on = item.references | {series_of[one] for one in item.instances if one in series_of}
    if pets[0].uid in drawn_on:
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


def _newest(drawn: list[Item]) -> list[Item]:
    latest = max(item.when or datetime.min for item in drawn)
    new = [i for i in drawn if abs((latest - (i.when or datetime.min)).total_seconds()) <= SAME_EVENT_S]
    _leave(drawn, new, f"newer, of {latest:%Y-%m-%d %H:%M}")
    names: dict[str, Item] = {}
    for item in new:
        for name in item.structures:
            other = names.setdefault(name.casefold(), item)
            if other is not item:
                raise InputError(
                    f"{other.label} and {item.label} both hold a structure {name!r}, and neither is newer",
                    why="only one of the two can be its outline",
                    suggestion=f"import again with --take {other.label} or --take {item.label}",
                )
    return new


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
