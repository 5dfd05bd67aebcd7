"""Which image series is taken: one PET for each scan, and its CT; by stated grounds, and asked where none decides.

A scan that was reconstructed several times is taken in one of them: attenuation corrected, original before derived, in
Bq/mL before SUV, the larger extent, the finer voxels, more slices. Whether PSF or time of flight were modelled decides
nothing: the recovery depends on it, and only the user knows which one the phantom was measured with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import InputError
from ...privacy import series_code
from ...same import SAME_SCAN_S
from ...text import counted, printable
from .evidence import Box
from .item import Item
from .wishes import Wishes

#: Extents are the same when the smaller one is at least this share of the larger: reconstructions crop some slices.
SAME_EXTENT = 0.9
#: PETs show one place where their extents share at least this much of the smaller one.
SAME_PLACE = 0.5
#: CTs that were taken within this [h] of each other are of one examination: the PET lies between them.
ONE_EXAMINATION_H = 1.0

#: One ground: what it asks of an item (more is better), and what is said of those that lose by it.
Ground = tuple[Callable[[Item], float], str]


def one_per_scan(pets: Sequence[Item], cts: Sequence[Item], wishes: Wishes, notes: list[str]) -> list[Item]:
    """One PET of each scan; the others get the reason why they are left out.

    Parameters
    ----------
    pets
        Usable PETs, in order of time.
    cts
        Usable CTs: a PET without one is of no use.
    wishes
        What the user asked for.
    notes
        Gets a remark where one of two that are alike in everything was taken.

    Raises
    ------
    InputError
        Two of one scan that are equally good and differ in how they were made, or that show different places.
    """
    scans: list[list[Item]] = []
    for pet in pets:
        scan = next((scan for scan in scans if any(_one_moment(pet, other) for other in scan)), None)
        if scan is None:
            scans.append([pet])
        else:
            scan.append(pet)
    return [_best_of(scan, cts, wishes, notes) for scan in scans]


def _one_moment(a: Item, b: Item) -> bool:
    """Whether two PETs are of one moment: a patient is scanned once at a time."""
    if a.when is not None and b.when is not None:
        return abs((a.when - b.when).total_seconds()) < SAME_SCAN_S
    return a.hours is not None and a.hours == b.hours and (a.frame == b.frame or not (a.frame and b.frame))


def _one_place(a: Item, b: Item) -> bool:
    """Whether two PETs show one place; those in different frames of reference are taken to."""
    one, two = _box(a), _box(b)
    if one is None or two is None or a.frame != b.frame:
        return True
    return max(one.share_of(two), two.share_of(one)) >= SAME_PLACE


def _best_of(scan: list[Item], cts: Sequence[Item], wishes: Wishes, notes: list[str]) -> Item:
    parts = [item for item in scan if not wishes.takes(item) and not _one_place(item, scan[0])]
    if parts and not any(map(wishes.takes, scan)):
        raise _asked(
            [scan[0], *parts], "show different places at one time", "they are parts of one scan: join them, or"
        )
    largest = max((box.volume for item in scan if (box := _box(item)) is not None), default=0.0)

    def large(item: Item) -> bool:
        box = _box(item)
        return box is not None and box.volume >= SAME_EXTENT * largest

    grounds: list[Ground] = [
        (wishes.takes, "another reconstruction of this scan was asked for"),
        (lambda i: bool(_of_its_place(i, cts)), "no CT is in its frame of reference"),
        (lambda i: bool(i.evidence and i.evidence.corrected), "its header does not say that attenuation was corrected"),
        (lambda i: i.evidence is None or i.evidence.original, "derived images; the original ones were used"),
        (lambda i: i.header is not None and i.header.units == "BQML", "in SUV; the one in Bq/mL was used"),
        (large, "it shows a smaller region than the one used"),
        (_fineness, "its voxels are larger than those of the one used"),
        (lambda i: i.files, "it has fewer slices than the one used"),
    ]
    left, lost = _narrowed(scan, grounds)
    best = left[0]
    if any(not _alike(best, other) for other in left[1:]):
        raise _asked(left)
    for other in left[1:]:
        lost.append((other, "alike in every respect"))
        notes.append(
            f"{other.label} and {best.label} show one scan, and their headers describe them alike: {best.label} is "
            f"used, the first of them; --take {code_of(other)} takes the other one"
        )
    for item, reason in lost:
        item.skipped = f"another reconstruction of the same scan was used ({best.label}): {reason}"
        item.maybe_scan = False
    return best


def _narrowed(items: Sequence[Item], grounds: Sequence[Ground]) -> tuple[list[Item], list[tuple[Item, str]]]:
    """Those that no ground puts behind another, and the rest with the first ground by which each lost."""
    left, lost = list(items), []
    for ask, reason in grounds:
        best = max(ask(item) for item in left)
        lost += [(item, reason) for item in left if ask(item) != best]
        left = [item for item in left if ask(item) == best]
    return left, lost


def _fineness(item: Item) -> float:
    voxel = item.evidence.voxel_mm3 if item.evidence is not None else None
    return -float(f"{voxel:.2g}") if voxel else 0.0


def _alike(a: Item, b: Item) -> bool:
    """Whether the headers tell two reconstructions apart in nothing, and both say that attenuation was corrected."""
    if a.evidence is None or b.evidence is None or not (a.evidence.corrected and b.evidence.corrected):
        return False
    return (a.description, a.evidence.method) == (b.description, b.evidence.method)


def code_of(item: Item) -> str:
    """The word by which ``--take`` means this item: the code of a series, else the name of the file."""
    return series_code(item.uid)[:6] if "/" not in item.uid and item.uid else item.label


def _asked(
    items: Sequence[Item], problem: str = "show it equally well", advice: str = "choose the one of your recovery:"
) -> InputError:
    """The question which of several series of one scan to take."""
    shown = []
    for item in items:
        method = item.evidence.method if item.evidence is not None else ""
        words = ", ".join(word for word in (repr(item.description) if item.description else "", method) if word)
        shown.append(f"{item.label} ({words + ', ' if words else ''}{counted(item.files, 'file')})")
    told = printable("; ".join(shown))
    options = " or ".join(f"--take {code_of(item)}" for item in items)
    return InputError(
        f"{len(items)} series of the scan of {items[0].time_text} {problem}: {told}",
        why="one scan is one point in time, and no header says which of them is the right one",
        suggestion=f"{advice} import again with {options}",
    )


def match_ct(pet: Item, cts: Sequence[Item], wishes: Wishes, notes: list[str]) -> tuple[Item | None, dict[str, str]]:
    """The CT of a PET: in its frame of reference, else of its study; the one that covers it, then the nearest in time.

    Parameters
    ----------
    pet
        The PET.
    cts
        Usable CTs.
    wishes
        What the user asked for.
    notes
        Gets remarks on a choice between equals, and on a CT that covers little of the PET.

    Returns
    -------
    (ct, reasons)
        None where no CT is of its place; why each of the others was not taken, by its path.
    """
    near = _of_its_place(pet, cts)
    reasons = {ct.spec: "it shows no part of the PET" for ct in near if _cover(pet, ct) <= 0.0}
    candidates = [ct for ct in near if ct.spec not in reasons]
    if not candidates:
        return None, reasons
    widest = max(_cover(pet, ct) for ct in candidates)
    nearest = min(_hours_between(pet, ct) for ct in candidates if _cover(pet, ct) >= SAME_EXTENT * widest)
    grounds: list[Ground] = [
        (wishes.takes, "another CT was asked for"),
        (lambda ct: _cover(pet, ct) >= SAME_EXTENT * widest, "it shows less of the PET"),
        (lambda ct: ct.study == pet.study, "of another study or session"),
        (lambda ct: _hours_between(pet, ct) <= nearest + ONE_EXAMINATION_H, "taken at another time"),
        (lambda ct: ct.evidence is None or ct.evidence.original, "derived images, and the original ones are there"),
        (
            lambda ct: ct.evidence is None or not ct.evidence.sharp,
            "a sharp kernel: CT numbers overshoot at edges",
        ),
        (lambda ct: -round(60.0 * _hours_between(pet, ct)), "farther from the PET in time"),
        (_fineness, "its voxels are larger"),
        (lambda ct: ct.files, "it has fewer slices"),
    ]
    left, lost = _narrowed(candidates, grounds)
    lost += [(ct, "alike in every respect") for ct in left[1:]]
    reasons |= {ct.spec: f"another CT of {pet.label} was used ({left[0].label}): {reason}" for ct, reason in lost}
    if len(left) > 1:
        notes.append(
            f"{counted(len(left), 'CT')} suit {pet.label} equally well: {left[0].label} is used, the first of them; "
            f"--take {code_of(left[1])} takes another"
        )
    pet_box, ct_box = _box(pet), _box(left[0])
    share = 1.0 if pet_box is None or ct_box is None else ct_box.share_of(pet_box, (2,))
    if share < SAME_EXTENT:
        notes.append(f"{left[0].label} covers {100 * share:.0f} % of the length of {pet.label}")
    return left[0], reasons


def _of_its_place(pet: Item, cts: Sequence[Item]) -> list[Item]:
    """CTs in the frame of reference of a PET, else those of its study that state no other one."""
    same_frame = [ct for ct in cts if ct.frame and ct.frame == pet.frame]
    return same_frame or [ct for ct in cts if ct.study and ct.study == pet.study and not (ct.frame and pet.frame)]


def _box(item: Item) -> Box | None:
    return item.evidence.box if item.evidence is not None else None


def _cover(pet: Item, ct: Item) -> float:
    """Share of the PET's extent that a CT shows; 1 where either is not known."""
    one, two = _box(pet), _box(ct)
    return 1.0 if one is None or two is None else float(two.share_of(one))


def _hours_between(pet: Item, ct: Item) -> float:
    if pet.when is not None and ct.when is not None:
        return abs((ct.when - pet.when).total_seconds()) / 3600.0
    if pet.hours is not None and ct.hours is not None:
        return abs(ct.hours - pet.hours)
    return 1e6 if ct.when is not None or pet.when is not None else 0.0
