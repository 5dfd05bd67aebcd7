"""Label maps of NIfTI and NRRD."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .patient import BODY_BQ_ML, LESION_ML, in_box, write_volume, write_volumes
from .segments import ELSEWHERE, as_read, probabilities, volumes
from .trap import Right, Trap

#: A box that overlaps the lesion by half (x, y, z) [mm].
SHIFTED = ((16.0, 32.0), (-8.0, 8.0), (32.0, 48.0))


def _maps(
    labels: Callable[[], np.ndarray] | None = None,
    names: Any = None,
    name: str = "lesions",
    files: Mapping[str, Callable[[], np.ndarray]] | None = None,
    case: str = "",
    change: Callable[[Path], Any] | None = None,
) -> Callable[[Path], None]:
    """Makes the patient of volumes with other lesions.

    Parameters
    ----------
    labels
        Of the label map; the lesion as label 1 by default.
    names
        Written as ``<name>.json``; a text as it is.
    name
        Of the file with the names.
    files
        More label maps, by path.
    case
        The lesions as the case writes them.
    change
        Called with the folder at the end.
    """

    def make(folder: Path) -> None:
        path = write_volumes(folder)
        if labels is not None:
            write_volume(folder / "lesions.nii.gz", labels(), 2.0)
        for file, values in (files or {}).items():
            (folder / file).parent.mkdir(exist_ok=True)
            write_volume(folder / file, values(), 2.0)
        if names is not None:
            text = names if isinstance(names, str) else json.dumps(names)
            (folder / f"{name}.json").write_text(text, encoding="utf-8")
        if case:
            path.write_text(path.read_text().replace("lesions: lesions.nii.gz", f"lesions: {case}"))
        if change is not None:
            change(folder)

    return make


def _two(first: int = 1, second: int = 2) -> Callable[[], np.ndarray]:
    return lambda: (first * in_box(2.0) + second * in_box(2.0, ELSEWHERE)).astype(np.int16)


def _with_table(folder: Path) -> None:
    """Write a table of labels into the header of the map, as an extension (Caret's XML)."""
    names = {1: "liver", 2: "spleen", 3: "vertebrae_L1", 4: "lung_nodules", 5: "kidney_left"}
    rows = "".join(
        f'<Label Key="{k}" Red="1" Green="0" Blue="0" Alpha="1"><![CDATA[{v}]]></Label>' for k, v in names.items()
    )
    text = f'<?xml version="1.0"?><CaretExtension><LabelTable>{rows}</LabelTable></CaretExtension>'.encode()
    size = -(-(len(text) + 8) // 16) * 16
    path = folder / "lesions.nii.gz"
    with gzip.open(path) as stream:
        data = stream.read()
    head = bytearray(data[:352])
    head[108:112], head[348:352] = struct.pack("<f", 352.0 + size), b"\x01\0\0\0"
    extension = struct.pack("<ii", size, 30) + text.ljust(size - 8, b"\0")
    path.write_bytes(gzip.compress(bytes(head) + extension + data[352:]))


def _anatomy() -> np.ndarray:
    values = 1 * in_box(2.0, ((-24, -8), (-24, -8), (32, 48))) + 2 * in_box(2.0, ((-24, -8), (8, 24), (32, 48)))
    values += 3 * in_box(2.0, ((-4, 4), (-24, -16), (32, 48))) + 5 * in_box(2.0, ((8, 24), (16, 24), (32, 48)))
    return np.asarray(values + 4 * in_box(2.0), np.int16)


def _nrrd(layers: int, fields: Mapping[str, str]) -> Callable[[Path], None]:
    """Makes a segmentation as 3D Slicer writes it; with two layers the second segment overlaps the first."""

    def make(folder: Path) -> None:
        import SimpleITK as sitk

        path = write_volumes(folder)
        planes = [5 * in_box(2.0).astype(np.uint8), in_box(2.0, SHIFTED).astype(np.uint8)][:layers]
        image = sitk.GetImageFromArray(np.stack(planes, axis=-1) if layers > 1 else planes[0], isVector=layers > 1)
        image.SetSpacing((2.0, 2.0, 2.0))
        image.SetOrigin((-63.0, -63.0, 1.0))
        for key, value in fields.items():
            image.SetMetaData(key, value)
        sitk.WriteImage(image, str(folder / "Seg.seg.nrrd"), useCompression=True)
        (folder / "lesions.nii.gz").unlink()
        path.write_text(path.read_text().replace("lesions.nii.gz", "Seg.seg.nrrd"))

    return make


_NODE_A = {"Segment0_ID": "Segment_1", "Segment0_Name": "Node A", "Segment0_LabelValue": "5", "Segment0_Layer": "0"}
_NODE_B = {"Segment1_ID": "Segment_2", "Segment1_Name": "Node B", "Segment1_LabelValue": "1", "Segment1_Layer": "1"}
_EXTENT = {"Segment0_Extent": "0 1 0 1 0 1"}


def _numbers(value: float, dtype: type) -> Callable[[], np.ndarray]:
    return lambda: (value * in_box(2.0)).astype(dtype)


TRAPS: tuple[Trap, ...] = (
    Trap(
        "label-names-with-a-byte-order-mark",
        "The file of names begins with a byte order mark.",
        "Read.",
        _maps(names="\ufeff" + json.dumps({"1": "node"})),
        as_read(name="node"),
        source="report",
    ),
    Trap(
        "names-with-background",
        "The file of names calls label 0 'background'.",
        "It is ignored.",
        _maps(names={"0": "background", "1": "node"}),
        as_read(name="node"),
        source="report",
    ),
    Trap(
        "names-by-name-with-background",
        "The file of names is that of nnU-Net: labels by name, background among them.",
        "It is ignored.",
        _maps(names={"labels": {"background": 0, "tumour": 1}}),
        as_read(name="tumour"),
    ),
    Trap(
        "label-zero-called-a-lesion",
        "The file of names calls label 0 'tumour' and label 1 'background'.",
        "Refused: label 0 is the background.",
        _maps(names={"0": "tumour", "1": "background"}),
        Right(refused=True, says=("label 0 is named 'tumour'",)),
    ),
    Trap(
        "two-names-for-a-label",
        "The file of names gives one label two names.",
        "Refused.",
        _maps(names={"a": 1, "b": 1}),
        Right(refused=True, says=("label 1 has two names",)),
    ),
    Trap(
        "data-set-file-of-a-network",
        "The names are in dataset.json (nnU-Net) beside the map; one of its labels has no voxel.",
        "The lesion has its name; the label without a voxel is left out, which is said.",
        _maps(names={"labels": {"background": 0, "tumour": 1, "cyst": 2}}, name="dataset"),
        as_read(name="tumour", says=("structures left out: cyst",)),
    ),
    Trap(
        "table-of-labels-in-the-header",
        "The header of a NIfTI map of the anatomy holds the names of its labels (TotalSegmentator).",
        "Names are read; organs and bones get no verdict, which is said.",
        _maps(_anatomy, change=_with_table),
        as_read(name="lung_nodules", says=("structures left out: liver, spleen, vertebrae_L1, kidney_left",)),
    ),
    Trap(
        "folder-of-maps",
        "The case names a folder with one map per structure, each named by its file.",
        "The lesion is read under the name of its file; the organ and the empty map are left out, which is said.",
        _maps(
            files={
                "seg/tumour.nii.gz": _numbers(1, np.uint8),
                "seg/liver.nii.gz": lambda: in_box(2.0, ELSEWHERE).astype(np.uint8),
                "seg/nothing.nii.gz": _numbers(0, np.uint8),
            },
            case="seg",
        ),
        as_read(name="tumour", says=("structures left out: liver", "structures left out: nothing")),
    ),
    Trap(
        "segmentation-of-slicer",
        "A .seg.nrrd of 3D Slicer names its segment 'Node A' of label 5; its extent is wrong.",
        "Lesion 'Node A'.",
        _nrrd(1, {**_NODE_A, **_EXTENT}),
        as_read(name="Node A"),
        source="report",
    ),
    Trap(
        "segmentation-of-slicer-with-layers",
        "Two segments of 3D Slicer overlap and lie in two layers.",
        "Both lesions, each whole; that they overlap is said.",
        _nrrd(2, {**_NODE_A, **_NODE_B}),
        Right(lesions=volumes(Node_A=LESION_ML, Node_B=LESION_ML), says=("share 2.05 mL",)),
        source="report",
    ),
    Trap(
        "labels-as-whole-floats",
        "The label map holds whole numbers as floats.",
        "Read.",
        _maps(_numbers(1.0, np.float32)),
        as_read(name="lesion 1"),
    ),
    Trap(
        "labels-of-300",
        "Labels are 300 and 7.",
        "Two lesions of those numbers.",
        _maps(_two(300, 7)),
        Right(lesions=volumes(lesion_7=LESION_ML, lesion_300=LESION_ML)),
    ),
    Trap(
        "negative-labels",
        "The label map holds -1.",
        "Refused.",
        _maps(_numbers(-1, np.int16)),
        Right(refused=True, says=("not whole labels",)),
    ),
    Trap(
        "labels-between-whole-numbers",
        "The label map was interpolated and holds 1.5.",
        "Refused.",
        _maps(_numbers(1.5, np.float32)),
        Right(refused=True, says=("not whole labels",)),
    ),
    Trap(
        "map-of-probabilities",
        "The map holds probabilities from 0 to 1.",
        "Refused: the case must give the least one of the lesion.",
        _maps(lambda: probabilities().astype(np.float32)),
        Right(refused=True, says=("probability: 0.5",)),
    ),
    Trap(
        "map-of-probabilities-with-a-threshold",
        "The same, and the case says from which probability on a voxel belongs to the lesion.",
        "4.096 mL; the threshold is noted.",
        _maps(lambda: probabilities().astype(np.float32), case="{file: lesions.nii.gz, probability: 50 %}"),
        as_read(name="lesion 1", says=("from 0.5 on, as the case says",)),
    ),
    Trap(
        "image-as-a-label-map",
        "The case names an image of thousands of values as the lesions.",
        "Refused.",
        _maps(lambda: np.arange(64 * 64 * 40, dtype=np.int32).reshape(40, 64, 64) % 4000),
        Right(refused=True, says=("an image rather than a map",)),
    ),
    Trap(
        "lesions-named-like-organs",
        "The file of names calls the lesions 'lung' and 'node'.",
        "Both are lesions, since it names lesions; that one is named like an organ is said.",
        _maps(_two(), names={"1": "node", "2": "lung"}),
        Right(lesions=volumes(node=LESION_ML, lung=LESION_ML), says=("caution: lung: named like an organ",)),
    ),
    Trap(
        "regions-of-several-labels",
        "The names are those of a network with regions: 'whole' is made of labels 1 and 2, 'core' is label 2.",
        "Each label is a lesion; that the region is not read is said.",
        _maps(_two(), names={"labels": {"background": 0, "whole": [1, 2], "core": 2}}, name="dataset"),
        Right(
            lesions=volumes(lesion_1=LESION_ML, core=LESION_ML),
            says=("caution: dataset.json names structures that several labels make together (whole)",),
        ),
    ),
    *(
        Trap(
            f"description-of-a-{text}-beside-it",
            f"The file beside the map is that of a {text} in BIDS, and names no label.",
            "It is left aside, which is said: lesion 1.",
            _maps(names=names),
            as_read(name="lesion 1", says=("lesions.json ties no name to a label",)),
        )
        for text, names in (
            ("mask", {"Type": "Lesion", "RawSources": ["bids::sub-01/pet/x.nii.gz"], "Sources": ["a"]}),
            ("segmentation", {"Manual": True, "SpatialReference": "orig", "Resolution": "native"}),
            ("mask-with-numbers", {"Type": "Lesion", "RawSources": ["a"], "Density": 2}),
        )
    ),
    Trap(
        "names-that-tie-no-label",
        "One entry of the names by name ties no label.",
        "Refused: which lesion is meant is not known.",
        _maps(names={"node": 1, "lung": "the second"}),
        Right(refused=True, says=("ties no name to a label",)),
    ),
    *(
        Trap(
            f"label-zero-called-{name.lower()}",
            f"The file of names calls label 0 '{name}'.",
            "Label 0 is the background: ignored.",
            _maps(names={"0": name, "1": "node"}),
            as_read(name="node"),
        )
        for name in ("Unknown", "none", "Body")
    ),
    Trap(
        "names-from-zero-on",
        "The file of names counts lesions from 0: L1 is label 0.",
        "Refused: the names are one off.",
        _maps(_two(), names={"0": "L1", "1": "L2"}),
        Right(refused=True, says=("label 0 is named 'L1'",)),
    ),
    Trap(
        "names-by-decimal-labels",
        'The file of names writes labels as "1.0".',
        "Label 1.",
        _maps(names={"1.0": "node"}),
        as_read(name="node"),
    ),
    Trap(
        "labels-scaled-by-rounding",
        "The header scales labels by 1.00000006.",
        "Whole labels but for rounding: read.",
        _maps(_numbers(1.00000006, np.float64)),
        as_read(name="lesion 1"),
    ),
    Trap(
        "labels-a-hundredth-off",
        "Labels are 1.01.",
        "Refused: they are no whole numbers.",
        _maps(_numbers(1.01, np.float64)),
        Right(refused=True, says=("not whole labels",)),
    ),
    Trap(
        "folder-in-place-of-names",
        "A folder is called lesions.json.",
        "Refused, naming it.",
        _maps(change=lambda folder: (folder / "lesions.json").mkdir()),
        Right(refused=True, says=("lesions.json", "a folder")),
    ),
    Trap(
        "names-behind-a-dead-link",
        "lesions.json is a link that leads nowhere.",
        "Refused, naming it: the names are missing.",
        _maps(change=lambda folder: (folder / "lesions.json").symlink_to(folder / "gone.json")),
        Right(refused=True, says=("lesions.json", "leads nowhere")),
    ),
    Trap(
        "mirrored-map",
        "The voxels of the map are mirrored left to right, and its header is not.",
        "The lesion lies where the PET shows nothing special, which is said.",
        _maps(lambda: in_box(2.0)[:, :, ::-1].astype(np.uint8)),
        Right(
            lesions={"lesion 1": {"volume_ml": LESION_ML, "mean_bq_ml": BODY_BQ_ML}},
            says=("caution: lesion 'lesion 1' is no hotter than its surroundings",),
        ),
    ),
)
