"""Which image series is taken: one PET for each scan, and its CT; by stated grounds, and asked where none decides.

A scan that was reconstructed several times is taken in one of them: attenuation corrected, original before derived, in
Bq/mL before SUV, the larger extent, the finer voxels, more slices. Whether PSF or time of flight were modelled decides
nothing: the recovery depends on it, and only the user knows which one the phantom was measured with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import InputError
from ...same import SAME_SCAN_S, same_session
from ...text import counted, printable
from ..pet.header import radionuclide_half_life_s
from .evidence import Box
from .item import Item, Pair, word_for
from .wishes import Wishes

#: Extents are the same when the smaller one is at least this share of the larger: reconstructions crop some slices.
SAME_EXTENT = 0.9
#: PETs show one place where their extents share at least this much of the smaller one.
SAME_PLACE = 0.5
#: CTs that were taken within this [h] of each other are of one examination: the PET lies between them.
ONE_EXAMINATION_H = 1.0

#: Scans without a known administration are taken to be late [h]: that they follow an early uptake is not known.
_LATE_H = 1000.0

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


def one_per_session(pairs: Sequence[Pair], wishes: Wishes) -> list[Pair]:
    """One scan of each session: the one asked for, else the one of the greatest extent; the others get the reason.

    Parameters
    ----------
    pairs
        PETs with their CTs, in order of time.
    wishes
        What the user asked for.

    Raises
    ------
    InputError
        Scans of one session that show different places: neither holds the lesions of the other.
    """
    sessions: list[list[Pair]] = []
    for pair in pairs:
        if sessions and _one_session(sessions[-1][0].pet, pair.pet, wishes):
            sessions[-1].append(pair)
        else:
            sessions.append([pair])
    return [_widest(session, wishes) for session in sessions]


def _one_session(a: Item, b: Item, wishes: Wishes) -> bool:
    """Whether two PETs show one moment of the kinetics."""
    half_life_s = (radionuclide_half_life_s(wishes.tracer) if wishes.tracer else None) or half_life_of(a)
    one, two = _hours_after(a), _hours_after(b)
    if one is None or two is None:
        if a.when is None or b.when is None:
            return False
        one, two = _LATE_H, _LATE_H + (b.when - a.when).total_seconds() / 3600.0
    return same_session(one, two, half_life_s / 3600.0 if half_life_s else None)


def half_life_of(pet: Item) -> float | None:
    """Half-life of a PET's tracer [s]: of the nuclide that is named, else as the header states it."""
    if pet.header is None:
        return None
    named = radionuclide_half_life_s(pet.header.tracer) if pet.header.tracer else None
    return named or pet.header.half_life_s


def _hours_after(pet: Item) -> float | None:
    """Start of a PET after the administration [h]; None where it is not known."""
    if pet.hours is not None:
        return pet.hours
    given = pet.header.administered if pet.header is not None else None
    return None if pet.when is None or given is None else (pet.when - given).total_seconds() / 3600.0


def _widest(session: list[Pair], wishes: Wishes) -> Pair:
    """The scan of a session that is taken."""
    if len(session) == 1:
        return session[0]
    asked = [pair for pair in session if wishes.takes(pair.pet)]
    first = session[0].pet
    apart = [pair.pet for pair in session if not _one_place(first, pair.pet)]
    if apart and not asked:
        raise _asked(
            [first, *apart], "show different places in one session", "they are parts of one scan: join them, or"
        )
    largest = max(_volume(pair.pet) for pair in asked or session)
    best = next(pair for pair in asked or session if _volume(pair.pet) >= SAME_EXTENT * largest)
    pets = [pair.pet for pair in session]
    for pair in session:
        if pair is not best:
            smaller = _volume(pair.pet) < SAME_EXTENT * largest
            reason = "was asked for" if asked else "shows more of the patient" if smaller else "was first"
            pair.pet.skipped = (
                f"a further scan of the same session, in which {best.pet.label} {reason}: "
                f"kinetics need scans hours apart; --take {word_for(pair.pet, pets)} takes it instead"
            )
            pair.pet.maybe_scan = False
    return best


def _volume(pet: Item) -> float:
    """What a PET shows [mm3]; 0 where its header does not say."""
    box = _box(pet)
    return 0.0 if box is None else box.volume


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
            f"used, the first of them; --take {word_for(other, left)} takes the other one"
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
    options = " or ".join(f"--take {word_for(item, items)}" for item in items)
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
            f"--take {word_for(left[1], left)} takes another"
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
