"""What a structure is by its name and type: a lesion, or something that gets no verdict unless the case names it.

The names are exact (left, right and separators apart): "liver" is the organ, "liver met" a lesion.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ...notes import CAUTION, NOTE, Note
from ...text import shown_name

#: Names listed in one remark; the rest is counted.
LISTED = 12

#: What a structure is. ``"margin"`` is a target volume with its margin for set-up errors, ``"clinical"`` one with
#: margin for microscopic spread, ``"derived"`` what planning makes of others (an organ without the tumour, a ring, an
#: organ with a margin, a dose region), ``"aid"`` what helps planning or imaging, ``"empty"`` a structure without
#: a closed contour or voxel.
Kind = Literal["lesion", "organ", "margin", "clinical", "derived", "body", "aid", "empty", "background"]

_WHAT: dict[Kind, str] = {
    "organ": "organs",
    "margin": "planning target volumes, which hold a margin of healthy tissue",
    "clinical": "clinical target volumes, which hold the gross tumour volumes of the same file",
    "derived": "made for planning: organs without the tumour, rings, organs with margins, dose regions",
    "body": "the body's outline",
    "aid": "points, couches and other aids of planning",
    "empty": "structures without a closed contour or voxel",
    "background": "background",
}
#: A reader must know that these have no verdict; that the others have none goes without saying.
_TELLING: tuple[Kind, ...] = ("organ", "margin", "clinical", "derived")

#: RT ROI Interpreted Type (PS3.3 C.8.8.8) that settles what a structure is.
_TYPES: dict[str, Kind] = {
    "EXTERNAL": "body",
    "PTV": "margin",
    "CTV": "clinical",
    "ORGAN": "organ",
    "OAR": "organ",
    "AVOIDANCE": "organ",
    **dict.fromkeys(("TREATED_VOLUME", "IRRAD_VOLUME", "DOSE_REGION", "CONTROL"), "derived"),
    **dict.fromkeys(
        ( "DOSE_MEASUREMENT", "BOLUS", "MARKER",
         "REGISTRATION", "ISOCENTER", "CONTRAST_AGENT", "BRACHY_CHANNEL", "BRACHY_ACCESSORY", "BRACHY_SRC_APP",
         "BRACHY_CHNL_SHLD", "SUPPORT", "FIXATION"),
        "aid",
    ),
}  # fmt: skip

_BODY = frozenset(
    ("body", "external", "externalcontour", "bodycontour", "skin", "outline", "patient", "patientoutline")
)
_AIDS = re.compile(
    r"(iso(cent(er|re))?|couch(surface|interior)?|(treatment)?table(top)?|support|bolus|fixation|"
    r"(ref|reference|dose|calc|marker|user)?(point|origin)|marker|ref|poi|fiducial|carbonfib(er|re)|"
    r"metal|implant|art[ei]fact|pacemaker)s?\d*"
)
_BACKGROUND = frozenset(
    ["background", "bg", "backgroundlabel", "unlabeled", "unlabelled", "clearlabel", "ignore", "bkg", "bkgd"]
)
#: Organs whose plain name is hardly ever that of a lesion. Thyroid, prostate, breast, nodes and bones are not among
#: them: lesions are called after the place where they lie.
_ORGANS = frozenset((
    "spinalcord", "cord", "spinalcanal", "myelon", "medulla", "lung", "lungs", "totallung", "bothlungs", "heart",
    "liver", "kidney", "kidneys", "spleen", "stomach", "bowel", "bowelbag", "bowelsmall", "bowellarge",
    "smallbowel", "largebowel", "bowelloop", "smallintestine", "largeintestine", "colon", "rectum", "sigmoid",
    "duodenum", "pancreas", "gallbladder", "bladder", "urinarybladder", "esophagus", "oesophagus", "trachea",
    "larynx", "pharynx", "brain", "brainstem", "cerebellum", "chiasm", "opticchiasm", "opticnerve", "opticnrv",
    "eye", "eyes", "eyeball", "lens", "cochlea", "pituitary", "parotid", "parotidgland", "parotids",
    "submandibular", "submandibulargland", "glndsubmand", "lacrimal", "lacrimalgland", "oralcavity", "lips",
    "femoralhead", "femurhead", "femhead", "aorta", "bonemarrow", "penilebulb", "bloodpool", "mediastinalbloodpool",
    "leber", "lunge", "lungen", "herz", "niere", "nieren", "milz", "magen", "hirn", "gehirn", "blase", "harnblase",
    "rückenmark", "darm", "dünndarm", "dickdarm", "speicheldrüse",
))  # fmt: skip
#: What else maps of the whole anatomy hold, as the widespread automatic segmentation of CT names it.
_ANATOMY = re.compile(
    r"vertebraec?\w*|rib\w*|lung\w*lobe|heart\w+|adrenalgland|hip|humerus|scapula|clavicula|femur|sacrum|sternum|skull|"
    r"costalcartilages|gluteus\w+|autochthon|iliopsoas|prostate|thyroidgland|iliac(artery|vena)|\w*venacava|"
    r"portalveinandsplenicvein|pulmonary\w+|brachiocephalic\w+|subclavianartery|commoncarotidartery|atrialappendage\w*|"
    r"face|smallbowel|kidneycyst"
)
_SIDE = re.compile(r"^(left|right|lt|rt|l|r)(?=[ ]|$)|(?<=[ ])(left|right|lt|rt|l|r|li|re|both|total|bilat|combined)$")
#: Words that tell that a structure is not the organ as it is drawn, and leave an organ one.
_WHICH = re.compile(
    r"(?<![a-z])(normal|norm|healthy|reference|ref|spared?|sparing|remaining|rest of|uninvolved)(?![a-z])"
)
#: What planning cuts out of a structure, and how names say so. After a hyphen, which joins other names too, only a
#: volume of planning counts, and only what is left of an organ, the body or a margin is meant.
_VOLUME = r"[gicpbm]tv"
_CUT = re.compile(
    rf"(?<=\w)\s*([-\\!~][\s_]*{_VOLUME}|"
    r"(?<![a-z])(?P<word>sub|minus|not|without|excl?|excluding|exclude|ohne|w/?o)(?![a-z])[\s_]*"
    rf"({_VOLUME}|tumou?r|lesion|met(?![a-z])|mets|metastas[ie]s|target))"
)
#: Rings around a target, organs with margins, dose regions.
_RING = re.compile(r"(^| )(nt)?(rings?|shell|rind|annulus|donut|doughnut)( ?\d+)?( |$)")
_RISK = re.compile(r"(^| )[op]?prv")
_SHARE = re.compile(r"v?\d+([.,]\d+)?\s*(%|percent)")
_DOSE = re.compile(r"(^| )(iso ?)?dos(e|is)( |\d|$)|(^| )\d+( \d+)? ?c?gy( |$)")
_GROWN = re.compile(r"\+\s*\d+([.,]\d+)?\s*[mc]m")
#: Structures whose names begin so help optimisation: zGTV is what is left of a GTV outside another structure.
_HELPER = re.compile(r"^z+ ?(gtv|itv|btv)|(^| )(non|not) (target|gtv|tumou?r|lesion)")
_COUCH = re.compile(r"^(z ?)?(couch|baseplate|headrest|mask frame)")
#: What follows the name of the body's outline: a number, the image that it was drawn on, that it is a copy.
_COPY = re.compile(r"( ?(v?\d+|copy|new|old|ct|pet|mri?|contour|outline|original|orig|auto))+$")
#: Words that make a structure a lesion where its type does not say otherwise.
_LESION = re.compile(
    r"(^|[^a-z])(gtv|itv|btv|mtv|lesion|tumou?r|met(?![a-z])|mets|metastas[ie]s|node|nodule|"
    r"recurrence|target|remnant)",
)


@dataclass(frozen=True)
class Content:
    """One structure of a file.

    Parameters
    ----------
    name
        As this program shows it.
    kind
        What it is, ``"lesion"`` where nothing tells that it is something else.
    """

    name: str
    kind: Kind = "lesion"


def clean_name(text: object, otherwise: str) -> str:
    """A structure's name as it is used everywhere (:func:`hevesy.engine.text.shown_name`).

    Parameters
    ----------
    text
        As the file holds it.
    otherwise
        The name where nothing is left.
    """
    return shown_name(text, otherwise)


def kind_of(name: str, interpreted: str = "", anatomy: bool = False) -> Kind:
    """What a structure is by its name, and by its type where the name leaves it open.

    Parameters
    ----------
    name
        Of the structure.
    interpreted
        Its RT ROI Interpreted Type; empty where there is none.
    anatomy
        Whether the file is a map of the anatomy: bones and vessels are organs then.
    """
    lower, stated = _words(name), interpreted.upper()
    typed = _TYPES.get(stated)
    if stated == "GTV":
        return "lesion"
    planned = _planned(name.casefold(), lower)
    if planned is not None and not (planned == "clinical" and typed in ("organ", "body")):
        return planned
    if typed in ("organ", "body", "derived"):
        return typed
    if is_lesion_word(name):
        return "lesion"
    if _is_body(lower):
        return "body"
    joined = lower.replace(" ", "")
    if joined in _BACKGROUND:
        return "background"
    if _AIDS.fullmatch(joined) or _COUCH.match(lower):
        return "aid"
    if is_organ(name, anatomy):
        return "organ"
    return typed or "lesion"


def _words(name: str) -> str:
    """A name in small letters, its words parted by one blank."""
    return re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).casefold().strip()


def _planned(written: str, lower: str) -> Kind | None:
    """What a name makes a structure that planning derives from others; None for any other."""
    cut = _CUT.search(written)
    if cut is not None:
        left = _words(written[: cut.start()])
        of_organ = _is_body(left) or any(is_organ(word) for word in (left, *left.split()))
        if re.search(r"[cp]tv", left) or (not _LESION.search(left) and (cut["word"] is not None or of_organ)):
            return "derived"
    if _RING.search(lower) or _RISK.search(lower) or _HELPER.search(lower):
        return "derived"
    if "ptv" in lower.replace(" ", ""):
        return "margin"
    if _GROWN.search(written):
        return "margin" if _LESION.search(lower) else "derived"
    if re.search(r"(^| )z?ctv", lower) and not re.search("[gi]tv", lower):
        return "clinical"
    return (
        "derived" if (_DOSE.search(lower) or _SHARE.fullmatch(written.strip())) and not _LESION.search(lower) else None
    )


def _is_body(lower: str) -> bool:
    """Whether words are those of the body's outline, a number or the like behind them apart."""
    return lower.replace(" ", "") in _BODY or _COPY.sub("", lower).replace(" ", "") in _BODY


def is_lesion_word(name: str) -> bool:
    """Whether a name holds a word for a lesion."""
    return _LESION.search(_words(name)) is not None


def is_organ(name: str, anatomy: bool = False) -> bool:
    """Whether a name is exactly that of an organ, its side apart; ``anatomy``: or that of any part of the body."""
    lower = " ".join(_WHICH.sub(" ", _words(name)).split())
    for _ in range(2):
        joined = lower.replace(" ", "")
        if joined in _ORGANS or (anatomy and _ANATOMY.fullmatch(joined)):
            return True
        lower = _SIDE.sub("", lower).strip()
    return False


def settled(contents: Sequence[Content], types: Sequence[str]) -> list[Content]:
    """The structures of one file, judged together.

    A type that every structure has tells nothing (some programs write ORGAN for all), and a clinical target volume is
    the lesion where the file holds no gross tumour volume.

    Parameters
    ----------
    contents
        As :func:`kind_of` judges each.
    types
        Their RT ROI Interpreted Types.
    """
    drawn = [k for k, one in enumerate(contents) if one.kind not in ("empty", "body", "aid")]
    same = len({types[k].upper() for k in drawn}) == 1 and len(drawn) > 0
    alike = same and types[drawn[0]].upper() in ("ORGAN", "OAR", "AVOIDANCE")
    out = [replace(one, kind=kind_of(one.name)) if alike and k in drawn else one for k, one in enumerate(contents)]
    if not any(one.kind == "lesion" for one in out):
        out = [replace(one, kind="lesion") if one.kind == "clinical" else one for one in out]
    return out


def remarks_left_out(contents: Sequence[Content]) -> list[Note]:
    """One remark for each kind of structure that is left out."""
    notes = []
    for kind, what in _WHAT.items():
        names = [one.name for one in contents if one.kind == kind]
        if not names:
            continue
        include = "" if kind in ("empty", "background") else "; to include one, list it under lesions: {names: [...]}"
        text = f"structures left out: {listed(names)} ({what}{include})"
        notes.append(Note(text, weight=CAUTION if kind in _TELLING else NOTE))
    return notes


def listed(names: Sequence[str]) -> str:
    """Names in a row, the first dozen of them."""
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")


def why_left_out(kind: Kind) -> str:
    """Why a structure of this kind is no lesion; empty for a lesion."""
    return _WHAT.get(kind, "")
