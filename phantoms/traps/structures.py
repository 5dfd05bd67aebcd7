"""Structures that are lesions, and others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from .patient import (
    FRAME,
    LESION_BQ_ML,
    LESION_ML,
    Contour,
    box_contours,
    uid,
    write_case,
    write_ct,
    write_patient,
    write_pet,
    write_structures,
)
from .trap import Right, Trap

#: Another box in the body (x, y, z) [mm]: 4.096 mL too.
ELSEWHERE = ((-24.0, -8.0), (-8.0, 8.0), (32.0, 48.0))
#: A frame of reference that no image of the patient has.
STALE = "1.2.826.0.1.3680043.8.498.9"

_Named = tuple[str, Sequence[Contour] | None]
_L1: _Named = ("L1", box_contours())
_POINT: list[Contour] = [("POINT", [[0.0, 0.0, 40.0]])]


def _body() -> list[list[list[float]]]:
    turns = [2.0 * math.pi * k / 60 for k in range(60)]
    return [[[49.0 * math.cos(a), 49.0 * math.sin(a), z] for a in turns] for z in range(1, 80, 2)]


def _set(
    *structures: _Named, names: str = "", role: str = "", types: Sequence[str] = (), change: Any = None
) -> Callable[[Path], Any]:
    """Makes the patient with these structures; names and role as the case writes them."""
    keys = "".join(f", {key}: {text}" for key, text in (("names", names), ("role", role)) if text)
    lesions = f"{{file: RS/rs.dcm{keys}}}" if keys else "RS/rs.dcm"

    def changed(data: Dataset) -> None:
        for item, interpreted in zip(data.RTROIObservationsSequence, types, strict=False):
            item.RTROIInterpretedType = interpreted
        if change is not None:
            change(data)

    return lambda folder: write_patient(
        folder, structures={"structures": structures or [_L1], "change": changed}, case={"lesions": lesions}
    )


def _lesions(*names: str, says: tuple[str, ...] = (), unsaid: tuple[str, ...] = ()) -> Right:
    """These lesions alone, each of 4.096 mL."""
    lesions: dict[str, dict[str, float]] = {name: {"volume_ml": LESION_ML} for name in names}
    if "L1" in lesions:
        lesions["L1"]["mean_bq_ml"] = LESION_BQ_ML
    return Right(lesions=lesions, says=says, unsaid=unsaid)


def _frames(roi: str, listed: str, top: str, refers: bool = True) -> Callable[[Dataset], None]:
    """Sets the three places that state a frame of reference; ``refers``: whether contours name their images."""

    def change(data: Dataset) -> None:
        data.FrameOfReferenceUID = top
        data.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = listed
        for item in data.StructureSetROISequence:
            item.ReferencedFrameOfReferenceUID = roi
        if not refers:
            del data.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
            for drawn in data.ROIContourSequence:
                for contour in drawn.ContourSequence:
                    del contour.ContourImageSequence

    return change


def _images_of_another(data: Dataset) -> None:
    """Everything in the structure set belongs to an image that is not in the case."""
    _frames(STALE, STALE, STALE)(data)
    series = data.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    series.SeriesInstanceUID = uid("MR")
    images = [*series.ContourImageSequence]
    for drawn in data.ROIContourSequence:
        images += [image for contour in drawn.ContourSequence for image in contour.ContourImageSequence]
    for image in images:
        image.ReferencedSOPInstanceUID = uid("MR", 1)


def _numbered_alike(data: Dataset) -> None:
    data.StructureSetROISequence[1].ROINumber = 1


def _two_files(folder: Path) -> None:
    """The same lesion in two files that the case names both."""
    write_ct(folder / "CT")
    write_pet(folder / "PET24")
    write_structures(folder / "RS" / "rs.dcm")
    write_structures(folder / "RS2" / "rs.dcm", [("again", box_contours())])
    write_case(folder, ("PET24",), lesions="[RS/rs.dcm, RS2/rs.dcm]")


_ORGANS: list[_Named] = [_L1, ("Spinal-Cord", box_contours(ELSEWHERE)), ("Lung-Left", box_contours(ELSEWHERE))]
#: What planning makes of other structures.
_PLANNED = ("Liver minus GTV", "Lung_Total-ITV", "Ring_PTV", "SpinalCord_PRV", "body-ptv", "Dose 20Gy")
_MARGINS = ("PTVn", "PTVeval", "zPTV", "PTV_60Gy")
_LONG = "node " + "x" * 295

TRAPS: tuple[Trap, ...] = (
    Trap(
        "planning-structure-set",
        "A structure set of radiotherapy planning: lesion, BODY, an empty structure, an isocentre.",
        "L1 alone is a lesion, 4.096 mL; what is left out is said.",
        _set(_L1, ("BODY", _body()), ("EMPTY", []), ("ISO", _POINT)),
        _lesions("L1", says=("structures left out: BODY", "structures left out: EMPTY, ISO")),
        source="report",
    ),
    Trap(
        "structure-without-contours",
        "A structure has no item in the sequence of contours at all.",
        "The lesion is read; what is left out is said.",
        _set(_L1, ("Areola", None)),
        _lesions("L1", says=("structures left out: Areola",)),
        source="report",
    ),
    Trap(
        "organs-beside-the-lesion",
        "Organs at risk are drawn beside the lesion.",
        "They get no verdict, which is said; the case can name them.",
        _set(*_ORGANS),
        _lesions("L1", says=("caution: structures left out: Spinal-Cord, Lung-Left (organs",)),
        source="report",
    ),
    Trap(
        "organ-by-type",
        "A structure whose name says nothing is of type ORGAN, the lesion of type GTV.",
        "It gets no verdict, which is said.",
        _set(_L1, ("Struct7", box_contours(ELSEWHERE)), types=("GTV", "ORGAN")),
        _lesions("L1", says=("structures left out: Struct7 (organs",)),
    ),
    Trap(
        "every-structure-of-type-organ",
        "The exporter writes the type ORGAN for every structure.",
        "The type tells nothing then: L1 is a lesion.",
        _set(_L1, ("Heart", box_contours(ELSEWHERE)), types=("ORGAN", "ORGAN")),
        _lesions("L1", says=("structures left out: Heart (organs",)),
    ),
    Trap(
        "lesions-named-after-organs",
        "Lesions are called 'liver met' and 'lung nodule L'.",
        "They are lesions.",
        _set(("liver met", box_contours()), ("lung nodule L", box_contours(ELSEWHERE))),
        _lesions("liver met", "lung nodule L", unsaid=("left out",)),
    ),
    Trap(
        "planning-target-volume",
        "GTV, CTV and PTV of one lesion are in the file.",
        "The GTV is the lesion; the others hold margins, which is said.",
        _set(
            ("GTV1", box_contours()), ("CTV1", box_contours()), ("PTV1", box_contours(((4, 28), (-12, 12), (32, 48))))
        ),
        _lesions("GTV1", says=("structures left out: PTV1", "structures left out: CTV1")),
    ),
    Trap(
        "clinical-target-volume-alone",
        "The file holds a CTV and a PTV, no GTV.",
        "The CTV is the lesion.",
        _set(("CTV1", box_contours()), ("PTV1", box_contours(((4, 28), (-12, 12), (32, 48))))),
        _lesions("CTV1", says=("structures left out: PTV1",)),
    ),
    Trap(
        "lesions-chosen-by-name",
        "The case lists the one structure of several that it wants.",
        "That one alone.",
        _set(_L1, ("L2", box_contours(ELSEWHERE)), names="[L1]"),
        _lesions("L1", unsaid=("left out",)),
        source="report",
    ),
    Trap(
        "lesions-chosen-by-pattern",
        'The case lists "gtv*".',
        "All structures of that pattern, whatever their case.",
        _set(
            ("GTV_a", box_contours()), ("GTV_b", box_contours(ELSEWHERE)), ("other", box_contours()), names='["gtv*"]'
        ),
        _lesions("GTV_a", "GTV_b"),
    ),
    Trap(
        "organ-chosen-by-name",
        "The case gives a structure that would be left out a role.",
        "Naming it includes it.",
        _set(*_ORGANS, names="{Lung-Left: organ}"),
        _lesions("L1", "Lung-Left", says=("structures left out: Spinal-Cord",)),
    ),
    Trap(
        "file-of-organs",
        "The case says that the structures of the file are organs.",
        "They are taken.",
        _set(*_ORGANS, ("BODY", _body()), role="reference"),
        _lesions("L1", "Spinal-Cord", "Lung-Left", says=("structures left out: BODY",)),
    ),
    Trap(
        "name-that-the-file-lacks",
        "The case lists a structure that the file does not hold.",
        "Refused with what there is.",
        _set(_L1, names="[L2]"),
        Right(refused=True, says=("no structure is named 'L2'", "holds L1")),
    ),
    Trap(
        "nothing-but-organs",
        "The file holds organs and the body's outline alone.",
        "Refused with the list, and how to name one.",
        _set(("Heart", box_contours()), ("BODY", _body())),
        Right(refused=True, says=("the file holds no lesion", "Heart (organs)", "names: [...]")),
    ),
    Trap(
        "empty-structure-chosen",
        "The case lists a structure without a contour.",
        "Refused: it has no volume.",
        _set(_L1, ("EMPTY", []), names="[L1, EMPTY]"),
        Right(refused=True, says=("'EMPTY' has no closed contour",)),
    ),
    Trap(
        "number-used-twice",
        "Two structures have the same ROI Number.",
        "Refused naming both: whose contours are whose is not clear.",
        _set(_L1, ("L2", box_contours(ELSEWHERE)), change=_numbered_alike),
        Right(refused=True, says=("ROINumber", "L1, L2")),
        source="report",
    ),
    Trap(
        "structure-with-a-stale-frame",
        "The structure states a frame of reference that nothing else has; all other places name the PET/CT's.",
        "Read, which is said: the images that it refers to are the stronger evidence.",
        _set(change=_frames(STALE, FRAME, FRAME)),
        _lesions("L1", says=("the images were believed",)),
        source="report",
    ),
    Trap(
        "structure-with-a-stale-frame-and-no-images",
        "The structure states a stale frame of reference, contours refer to no image; the file's frame is the CT's.",
        "Read, which is said.",
        _set(change=_frames(STALE, FRAME, FRAME, refers=False)),
        _lesions("L1", says=("the images were believed",)),
    ),
    Trap(
        "stale-frames-everywhere",
        "Every frame of reference in the file is stale, but its contours refer to slices of the CT.",
        "Read, which is said.",
        _set(change=_frames(STALE, STALE, STALE)),
        _lesions("L1", says=("the images were believed",)),
    ),
    Trap(
        "structures-of-another-image",
        "Frame of reference, series and slices are those of an MR that is not in the case.",
        "Refused: the coordinates are not comparable.",
        _set(change=_images_of_another),
        Right(refused=True, says=("drawn in another frame of reference",)),
    ),
    Trap(
        "structures-without-names",
        "One structure has no name, two have the same.",
        "The first is called by its number, the others are numbered.",
        _set(
            ("", box_contours()),
            ("node", box_contours(ELSEWHERE)),
            ("node", box_contours(((-8, 8), (16, 32), (32, 48)))),
        ),
        _lesions("ROI 1", "node", "node (2)", says=("caution: 2 structures are named 'node'",)),
    ),
    Trap(
        "names-with-control-characters",
        "Names hold escape sequences of a terminal and line feeds, and one has 300 characters.",
        "They are shown in one line of plain characters.",
        _set(("\x1b[31mL1\x1b[0m", box_contours()), (_LONG, box_contours(ELSEWHERE))),
        _lesions("L1", "node " + "x" * 53 + "..." + "x" * 58, unsaid=("\x1b[31m",)),
        source="report",
    ),
    Trap(
        "lesion-in-two-files",
        "The case names two files that hold the same lesion.",
        "Both are read, and that they are the same is said.",
        _two_files,
        _lesions("L1", "again", says=("caution: lesions 'L1' and 'again' are the same",)),
    ),
    Trap(
        "lesions-that-overlap",
        "Two lesions share half of their volume.",
        "Both are read, and what they share is said.",
        _set(_L1, ("L2", box_contours(((16, 32), (-8, 8), (32, 48))))),
        _lesions("L1", "L2", says=("lesions 'L1' and 'L2' share 2.05 mL",)),
        source="report",
    ),
    Trap(
        "lesion-in-air",
        "A lesion is drawn in the air beside the patient.",
        "Said, with its density.",
        _set(_L1, ("out", box_contours(((40, 56), (40, 56), (32, 48))))),
        _lesions("L1", "out", says=("caution: lesion 'out' lies in air",)),
    ),
    Trap(
        "organ-without-the-tumour",
        "A structure Liver-GTV of type ORGAN lies beside the GTV.",
        "What is left of the organ is no lesion, which is said.",
        _set(("GTV", box_contours()), ("Liver-GTV", box_contours(ELSEWHERE)), types=("GTV", "ORGAN")),
        _lesions("GTV", says=("caution: structures left out: Liver-GTV (made for planning",)),
    ),
    Trap(
        "structures-of-planning",
        "Subtractions, rings, organs with margins and dose regions lie beside the GTV, without types.",
        "None of them is a lesion, which is said.",
        _set(("GTV", box_contours()), *((name, box_contours(ELSEWHERE)) for name in _PLANNED)),
        _lesions("GTV", says=(f"caution: structures left out: {', '.join(_PLANNED)} (made for planning",)),
    ),
    Trap(
        "planning-target-volumes-by-other-names",
        "Planning target volumes are called PTVn, PTVeval, zPTV and PTV_60Gy.",
        "They hold margins and are no lesions, which is said.",
        _set(("GTV", box_contours()), *((name, box_contours(ELSEWHERE)) for name in _MARGINS)),
        _lesions("GTV", says=(f"caution: structures left out: {', '.join(_MARGINS)} (planning target",)),
    ),
    Trap(
        "outlines-and-couches-by-other-names",
        "The body's outline is called 'BODY 2', the couch CouchOuter.",
        "They are no lesions, which is said.",
        _set(_L1, ("BODY 2", _body()), ("CouchOuter", box_contours(ELSEWHERE))),
        _lesions("L1", says=("structures left out: BODY 2", "structures left out: CouchOuter")),
    ),
    Trap(
        "type-against-the-name",
        "A structure called 'brain target' is of type AVOIDANCE, the lesion of type GTV.",
        "Its type says that it is an organ: no lesion, which is said.",
        _set(_L1, ("brain target", box_contours(ELSEWHERE)), types=("GTV", "AVOIDANCE")),
        _lesions("L1", says=("caution: structures left out: brain target (organs",)),
    ),
    Trap(
        "lesions-named-with-a-hyphen",
        "Lesions are called Neck-GTV and GTV-Liver.",
        "They are lesions.",
        _set(("Neck-GTV", box_contours()), ("GTV-Liver", box_contours(ELSEWHERE))),
        _lesions("Neck-GTV", "GTV-Liver", unsaid=("left out",)),
    ),
    Trap(
        "planning-structure-chosen-by-name",
        "The case names Liver-GTV as an organ.",
        "Naming it includes it.",
        _set(("GTV", box_contours()), ("Liver-GTV", box_contours(ELSEWHERE)), names="{Liver-GTV: organ}"),
        _lesions("GTV", "Liver-GTV"),
    ),
    Trap(
        "role-by-name-after-a-pattern",
        'The case lists the pattern "L*" as targets, and after it L2 as an organ.',
        "The exact name counts: L2 is an organ, and is not held against the threshold.",
        _set(_L1, ("L2", box_contours(ELSEWHERE)), names="{'L*': target, L2: {role: organ, limit: 30 mGy}}"),
        _lesions("L1", "L2"),
    ),
    Trap(
        "threshold-of-one-structure",
        "The case gives a threshold to one structure.",
        "Refused: an organ has a limit, the threshold is one for all targets.",
        _set(_L1, names="{L1: {role: target, threshold: 10 Gy}}"),
        Right(refused=True, says=("threshold", "limit")),
    ),
)
