"""DICOM SEG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from .patient import LESION_BQ_ML, LESION_ML, ct_truth, in_box, uid, write_patient
from .trap import Right, Trap

#: Another box in the body (x, y, z) [mm]: 4.096 mL too.
ELSEWHERE = ((-24.0, -8.0), (-8.0, 8.0), (32.0, 48.0))


def _body() -> np.ndarray:
    return ct_truth() > -500


def volumes(**volumes_ml: float) -> Mapping[str, Mapping[str, float]]:
    """Volumes of lesions as an expectation; an underscore stands for a blank."""
    return {name.replace("_", " "): {"volume_ml": volume} for name, volume in volumes_ml.items()}


def as_read(volume_ml: float = LESION_ML, name: str = "L1", **more: Any) -> Right:
    """The lesion alone, under a name."""
    return Right(lesions={name: {"volume_ml": volume_ml, "mean_bq_ml": LESION_BQ_ML}}, **more)


def _seg(
    values: Callable[[], np.ndarray],
    kind: str = "BINARY",
    meaning: str = "PROBABILITY",
    names: Sequence[str] = ("L1",),
    change: Callable[[Dataset], Any] | None = None,
    probability: float | None = None,
) -> Callable[[Path], None]:
    """Makes the patient with a SEG drawn on the CT: values (nz, ny, nx) or, of several segments, (nz, ny, nx, n)."""

    def make(folder: Path) -> None:
        import highdicom
        from pydicom.sr.codedict import codes

        threshold = "" if probability is None else f", probability: {probability}"
        write_patient(folder, case={"lesions": f"{{file: RS/seg.dcm{threshold}}}"})
        (folder / "RS" / "rs.dcm").unlink()
        tissue = codes.SCT.Tissue
        described = [
            highdicom.seg.SegmentDescription(k, name or "x", tissue, tissue, "MANUAL")
            for k, name in enumerate(names, 1)
        ]
        array = values()
        seg = highdicom.seg.Segmentation(
            [pydicom.dcmread(folder / "CT" / f"CT{k:03d}.dcm") for k in range(40)],
            array.astype(np.float32) if kind == "FRACTIONAL" else array.astype(np.uint8),
            kind,
            described,
            uid("SEG"),
            2,
            uid("SEG", 1),
            1,
            "M",
            "M",
            "1",
            "1",
            fractional_type=meaning,
            transfer_syntax_uid="1.2.840.10008.1.2.1",
        )
        if change is not None:
            change(seg)
        seg.save_as(folder / "RS" / "seg.dcm")

    return make


def probabilities() -> np.ndarray:
    """0.9 in the lesion, 0.02 in the body."""
    return np.where(in_box(2.0), 0.9, 0.02 * _body())


def _pair() -> np.ndarray:
    return np.stack([in_box(2.0), in_box(2.0, ELSEWHERE)], axis=-1)


def _identified_once(data: Dataset) -> None:
    """The segment of all frames is said in the groups that they share, and not in their own."""
    shared, own = data.SharedFunctionalGroupsSequence[0], data.PerFrameFunctionalGroupsSequence
    if "SegmentIdentificationSequence" in own[0]:
        shared.SegmentIdentificationSequence = own[0].SegmentIdentificationSequence
    for group in own:
        if "SegmentIdentificationSequence" in group:
            del group.SegmentIdentificationSequence


def _rounded(data: Dataset) -> None:
    """Positions and spacing differ from the CT's by rounding."""
    data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = ["2.0000003", "2.0000003"]
    for group in data.PerFrameFunctionalGroupsSequence:
        x, y, z = group.PlanePositionSequence[0].ImagePositionPatient
        group.PlanePositionSequence[0].ImagePositionPatient = [x + 2e-5, y - 3e-5, z + 1e-5]


def _on_planes(*planes: int) -> Callable[[], np.ndarray]:
    """The lesion on these slices of the CT alone."""
    return lambda: in_box(2.0) * np.isin(np.arange(40), planes)[:, None, None]


def _measures(
    spacing: float | None = None, thickness: float | None = 2.0, refers: bool = True
) -> Callable[[Dataset], None]:
    """Sets what a SEG says on its slices [mm]; ``refers``: whether it names its image."""

    def change(data: Dataset) -> None:
        for group in (data.SharedFunctionalGroupsSequence[0], *data.PerFrameFunctionalGroupsSequence):
            for one in group.get("PixelMeasuresSequence", []):
                for keyword, value in (("SpacingBetweenSlices", spacing), ("SliceThickness", thickness)):
                    if keyword in one:
                        delattr(one, keyword)
                    if value is not None:
                        setattr(one, keyword, value)
            if not refers and "DerivationImageSequence" in group:
                del group.DerivationImageSequence
        for keyword in () if refers else ("ReferencedSeriesSequence", "SourceImageSequence"):
            if keyword in data:
                delattr(data, keyword)

    return change


def _cut(data: Dataset) -> None:
    data.PixelData = data.PixelData[: len(data.PixelData) // 2]


def _renumbered(data: Dataset) -> None:
    data.SegmentSequence[0].SegmentNumber = 5


def _nameless(data: Dataset) -> None:
    del data.SegmentSequence[0].SegmentLabel


def _frameless(data: Dataset) -> None:
    del data.FrameOfReferenceUID


TRAPS: tuple[Trap, ...] = (
    Trap(
        "seg-of-probabilities",
        "A fractional SEG of type PROBABILITY: 0.9 in the lesion, 0.02 in the whole body.",
        "Refused: a probability is no share of volume; the case must give the least one (0.5: 4.096 mL).",
        _seg(probabilities, "FRACTIONAL"),
        Right(refused=True, lesions=volumes(L1=LESION_ML), says=("probabilities", "probability: 0.5")),
        source="report",
    ),
    Trap(
        "seg-of-probabilities-with-a-threshold",
        "The same, and the case says from which probability on a voxel belongs to the lesion.",
        "4.096 mL; the threshold is noted.",
        _seg(probabilities, "FRACTIONAL", probability=0.5),
        as_read(says=("from 0.5 on, as the case says",)),
        source="report",
    ),
    Trap(
        "seg-of-probabilities-that-are-certain",
        "A fractional SEG of type PROBABILITY holds 0 and 1 alone.",
        "4.096 mL.",
        _seg(lambda: in_box(2.0), "FRACTIONAL"),
        as_read(),
    ),
    Trap(
        "seg-of-shares",
        "A fractional SEG of type OCCUPANCY holds 0.6 in the lesion.",
        "That share of each voxel: 2.4576 mL.",
        _seg(lambda: 0.6 * in_box(2.0), "FRACTIONAL", "OCCUPANCY"),
        Right(lesions={"L1": {"volume_ml": 0.6 * LESION_ML}}),
    ),
    Trap(
        "seg-without-fractional-type",
        "A fractional SEG does not say what its values mean.",
        "Refused: what they mean is not known.",
        _seg(probabilities, "FRACTIONAL", change=lambda data: delattr(data, "SegmentationFractionalType")),
        Right(refused=True, says=("SegmentationFractionalType",)),
    ),
    Trap(
        "threshold-for-a-binary-seg",
        "The case gives a least probability for a binary SEG.",
        "Refused: there are none.",
        _seg(lambda: in_box(2.0), probability=0.5),
        Right(refused=True, says=("holds no probabilities",)),
    ),
    Trap(
        "label-map-seg-with-background",
        "A SEG of type LABELMAP describes its background as segment 0.",
        "The background is no lesion: L1 alone.",
        _seg(lambda: in_box(2.0), "LABELMAP"),
        as_read(),
        source="report",
    ),
    Trap(
        "seg-with-segments-said-once",
        "A SEG says which segment its frames show once for all frames.",
        "Read as any other.",
        _seg(lambda: in_box(2.0), change=_identified_once),
        as_read(),
        source="report",
    ),
    Trap(
        "seg-on-a-rounded-grid",
        "Positions and pixel spacing of a SEG differ from its image's by rounding.",
        "The same voxels: 4.096 mL.",
        _seg(lambda: in_box(2.0), change=_rounded),
        as_read(),
        source="report",
    ),
    Trap(
        "seg-without-a-name",
        "A segment has no label.",
        "It is called by its number.",
        _seg(lambda: in_box(2.0), change=_nameless),
        as_read(name="segment 1"),
    ),
    Trap(
        "seg-without-a-frame",
        "A SEG states no frame of reference.",
        "Read: it refers to the slices of the CT.",
        _seg(lambda: in_box(2.0), change=_frameless),
        as_read(),
    ),
    Trap(
        "seg-with-organs",
        "A SEG holds the lesion and the liver.",
        "The liver gets no verdict, which is said.",
        _seg(_pair, names=("L1", "Liver")),
        as_read(says=("structures left out: Liver (organs",)),
    ),
    Trap(
        "seg-of-islands-without-a-slice-distance",
        "A SEG shows two slices of the CT 14 mm apart, and does not state the distance of its slices.",
        "They are as thick as the slices of the CT: 2 x 0.512 mL.",
        _seg(_on_planes(16, 23), change=_measures()),
        as_read(2 * 0.512),
    ),
    Trap(
        "seg-of-every-second-slice-without-a-slice-distance",
        "A SEG shows every second slice, and does not state the distance of its slices.",
        "They are as thick as the slices of the CT: 4 x 0.512 mL.",
        _seg(_on_planes(16, 18, 20, 22), change=_measures()),
        as_read(4 * 0.512),
    ),
    Trap(
        "seg-of-one-slice",
        "A SEG shows one slice; its slice thickness is 5 mm, the slices of its CT are 2 mm apart.",
        "It is as thick as a slice of the CT: 0.512 mL.",
        _seg(_on_planes(18), change=_measures(thickness=5.0)),
        as_read(0.512),
    ),
    Trap(
        "seg-of-whole-slices-of-another-thickness",
        "A SEG shows all slices of the lesion, states 5 mm as their thickness and no distance.",
        "They are as far apart as those of the CT: 4.096 mL.",
        _seg(lambda: in_box(2.0), change=_measures(thickness=5.0)),
        as_read(),
    ),
    Trap(
        "seg-of-islands-without-an-image",
        "The same two slices, in a SEG that refers to no image; its slices are 2 mm thick.",
        "2 x 0.512 mL; that their distance was taken as their thickness is said.",
        _seg(_on_planes(16, 23), change=_measures(refers=False)),
        as_read(2 * 0.512, says=("caution: the segmentation does not state how far its slices are apart; taken as",)),
    ),
    Trap(
        "seg-of-one-slice-without-a-thickness",
        "A SEG of one slice refers to no image, and states neither distance nor thickness of its slices.",
        "Refused: its volume is not known.",
        _seg(_on_planes(18), change=_measures(thickness=None, refers=False)),
        Right(refused=True, says=("SpacingBetweenSlices", "only frame")),
    ),
    Trap(
        "seg-of-sparse-slices-without-a-thickness",
        "A SEG of two slices 14 mm apart refers to no image, and states neither distance nor thickness.",
        "Refused: its volume is not known.",
        _seg(_on_planes(16, 23), change=_measures(thickness=None, refers=False)),
        Right(refused=True, says=("SpacingBetweenSlices", "leave slices out")),
    ),
    Trap(
        "seg-of-slices-stated-farther-apart",
        "A SEG of two slices states that slices are 14 mm apart; those of the CT that it refers to are 2 mm apart.",
        "Its own words count, and that the CT says otherwise is said: 7.168 mL.",
        _seg(_on_planes(16, 23), change=_measures(spacing=14.0)),
        Right(lesions=volumes(L1=7.168), says=("caution: the segmentation states slices 14 mm apart",)),
    ),
    Trap(
        "seg-with-values-above-their-largest",
        "A SEG of shares holds 255 where MaximumFractionalValue is 100.",
        "Refused, naming the element: a share would be above one.",
        _seg(
            lambda: in_box(2.0),
            "FRACTIONAL",
            "OCCUPANCY",
            change=lambda data: setattr(data, "MaximumFractionalValue", 100),
        ),
        Right(refused=True, says=("MaximumFractionalValue is 100", "up to 255")),
    ),
    Trap(
        "seg-cut-short",
        "A SEG holds half of its pixels.",
        "Refused, naming the element.",
        _seg(lambda: in_box(2.0), change=_cut),
        Right(refused=True, says=("PixelData", "the pixels are cut")),
    ),
    Trap(
        "seg-of-an-unknown-segment",
        "The frames of a SEG show segment 1, it describes segment 5.",
        "Refused, naming the element.",
        _seg(lambda: in_box(2.0), change=_renumbered),
        Right(refused=True, says=("ReferencedSegmentNumber", "the segment 1", "numbers 5")),
    ),
)
