"""DICOM: PET and CT series, structure sets, segmentations, doses, and what lies beside them."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from ....engine.compare.foreign import read_dose_map
from ....engine.grid import Grid, Volume
from ....engine.imaging.masks.read import read_masks
from ....engine.imaging.pet.read import read_pet
from ....engine.imaging.volumes import read_ct
from ..damage import damaged
from ..dicom import FIRST, SHAPE, STEP, STORED, content, nested, odd, rtdose, slices, structure_set, uid
from ..sample import Kind, Reading, Sample

GRID = Grid(SHAPE, (STEP,) * 3, FIRST[::-1])
BOXES = {
    "tumour": (slice(0, 2), slice(1, 3), slice(1, 4)),
    "node": (slice(1, 3), slice(0, 2), slice(2, 5)),
}


def _points(scale: float, shift: float = 0.0, step: float = STEP, first: tuple[float, ...] = FIRST) -> Any:
    k, j, i = np.indices(SHAPE).reshape(3, -1)
    places = np.column_stack([i * step, j * step, k * STEP]) + np.array(first)
    return places, STORED.reshape(-1).astype(float) * scale + shift


# ---------------------------------------------------------------------------------------------------- series


@cache
def _clean(modality: str) -> tuple[bytes, ...]:
    return tuple(content(data) for data in slices(modality))


def _series(rng: Random, modality: str) -> Sample:
    scale, shift = (200.0, 0.0) if modality == "PT" else (1.0, -100.0)
    kind = rng.randrange(10)
    if kind < 2:
        return _same_series(rng, modality, _points(scale, shift))
    if kind == 2:
        return _number(rng, modality)
    files = list(_clean(modality))
    at = rng.randrange(len(files))
    if kind < 7:
        change = "an element"
        chosen = slices(modality)
        which = range(len(chosen)) if rng.randrange(2) else (at,)
        seed = rng.randrange(1 << 30)
        for one in which:
            files[one] = _odd_file(chosen[one], Random(seed))
    elif kind == 7:
        change = "slices missing, twice or moved"
        files = rng.choice((files[:1], files[:2], files[::2], files + files[:1], [], files + [b"", b"x" * 300]))
    else:
        change = "bytes"  # no checksum: other voxels may be read
        files[at] = damaged(files[at], rng, head=1400)
    return Sample(change, {f"s/{number}.dcm": data for number, data in enumerate(files)} or {"s/a.txt": b""})


def _odd_file(data: Dataset, rng: Random) -> bytes:
    """A file with one element changed; as it was where pydicom does not write that."""
    clean = content(data)
    if rng.randrange(12) == 0:
        return clean + nested(rng.choice((1, 40, 400, 4000)))
    try:
        return content(odd(dcmread(io.BytesIO(clean)), rng))
    except Exception:  # the writer's refusals are of all kinds
        return damaged(clean, rng, head=1400)


def _same_series(rng: Random, modality: str, truth: Any) -> Sample:
    """The same images in another encoding, order, or with elements that mean nothing here."""
    syntax = rng.choice(
        (None, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless)
    )
    files = {}
    names = rng.sample(("a", "b", "c", "0001", "IM3"), 3)
    for name, data in zip(names, slices(modality), strict=True):
        if rng.randrange(2):
            block = data.private_block(0x0099, "maker", create=True)
            block.add_new(1, "LO", "x" * rng.randrange(100))
            data.PatientComments, data.ImageComments = "=1+1", "\u001b[2J"
        if syntax is RLELossless:
            data.compress(RLELossless, generate_instance_uid=False)
        elif syntax is ExplicitVRBigEndian:
            data.PixelData = np.frombuffer(data.PixelData, "<i2").astype(">i2").tobytes()
            data["PixelData"].VR = "OW"
        if syntax is not None:
            data.file_meta.TransferSyntaxUID = syntax
        files[f"s/{name}"] = content(data)
    more = rng.choice(({}, {"s/DICOMDIR": b""}, {"s/notes.txt": b"x"}, {"s/.hidden": b"\0" * 200}))
    return Sample(
        f"the same series: {syntax.name if syntax else 'as it is'}", {**files, **more}, {"points": truth}, "read"
    )


def _number(rng: Random, modality: str) -> Sample:
    """Another scale, place or size of the voxels."""
    factor, step = rng.choice((0.5, 3.0, 1e-3, 0.0, -1.0, 1e9)), rng.choice((2.0, 3.5, 4.0, 0.001, 900.0))
    move = tuple(float(rng.randrange(-50, 50)) for _ in range(3))
    own, shift = (200.0, 0.0) if modality == "PT" else (1.0, -100.0)
    first = tuple(a + b for a, b in zip(FIRST, move, strict=True))
    files = {}
    for number, data in enumerate(slices(modality)):
        data.RescaleSlope = f"{own * factor:.10g}"
        data.PixelSpacing = [step, step]
        data.ImagePositionPatient = [first[0], first[1], first[2] + STEP * number]
        files[f"s/{number}.dcm"] = content(data)
    return Sample("a number", files, {"points": _points(own * factor, shift, step, first)})


def generate_pet(rng: Random) -> Sample:
    """A PET series."""
    return _series(rng, "PT")


def generate_ct(rng: Random) -> Sample:
    """A CT series."""
    return _series(rng, "CT")


def read_pet_series(folder: Path) -> Reading:
    """Activity concentration, and the time of the scan."""
    scan = read_pet(folder / "s", half_life_s=360806.4, tracer="I-124")
    assert np.isfinite(scan.volume.values).all() and scan.time_h >= 0.0
    return {"points": scan.volume, "time_h": scan.time_h}


def read_ct_series(folder: Path) -> Reading:
    """CT numbers."""
    volume = read_ct(folder / "s")
    assert np.isfinite(volume.values).all()
    return {"points": volume}


# ------------------------------------------------------------------------------------- structures and doses


def _fractions(masks: dict[str, np.ndarray]) -> dict[str, Any]:
    return {"masks": {name: np.round(values, 2).tolist() for name, values in sorted(masks.items())}}


def _truth(boxes: dict[str, tuple[slice, slice, slice]]) -> dict[str, Any]:
    out = {}
    for name, box in boxes.items():
        out[name] = np.zeros(SHAPE)
        out[name][box] = 1.0
    return _fractions(out)


def generate_structures(rng: Random) -> Sample:
    """A structure set."""
    kind = rng.randrange(6)
    if kind == 0:
        data = content(structure_set(BOXES, rng))
        return Sample("the same meaning", {"rs.dcm": data}, _truth(BOXES), must="read")
    if kind == 1:
        x, y = rng.randrange(4), rng.randrange(3)
        boxes = {**BOXES, "tumour": (slice(0, 3), slice(y, y + 1), slice(x, x + 1))}
        return Sample("another place", {"rs.dcm": content(structure_set(boxes))}, _truth(boxes), must="read")
    if kind < 5:
        return Sample("an element", {"rs.dcm": _odd_file(structure_set(BOXES), rng)})
    return Sample("bytes", {"rs.dcm": damaged(content(structure_set(BOXES)), rng, head=3000)})


def read_structures(folder: Path) -> Reading:
    """Volume fractions on the grid of the image."""
    return _masks(next(iter(sorted(folder.glob("*.dcm")))))


def _masks(path: Path) -> Reading:
    masks = read_masks(path, GRID, uid("frame"))
    for mask in masks:
        values = np.asarray(mask.fraction)
        assert np.isfinite(values).all() and values.min() >= 0.0 and values.max() <= 1.0 + 1e-6, mask.name
    return _fractions({mask.name: np.asarray(mask.fraction) for mask in masks})


#: What highdicom takes from the clock or draws: with other values each process would damage another file.
_FIXED = {
    "InstanceCreationDate": "20260107", "InstanceCreationTime": "100000", "ContentDate": "20260107",
    "ContentTime": "100000", "ContributionDateTime": "20260107100000", "DimensionOrganizationUID": uid("dimensions"),
}  # fmt: skip


def _fix(_: Dataset, element: DataElement) -> None:
    if element.keyword in _FIXED:
        element.value = _FIXED[element.keyword]


@cache
def _segmentation() -> bytes:
    """A segmentation of the CT, written by highdicom; the same bytes each time."""
    import highdicom as hd
    from highdicom.sr.coding import CodedConcept

    images = slices("CT")
    for image in images:
        for name in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "ReferringPhysicianName"):
            setattr(image, name, "")
    kinds = (
        CodedConcept("49755003", "SCT", "Morphologically abnormal structure"),
        CodedConcept("4147007", "SCT", "Mass"),
    )
    segments = [
        hd.seg.SegmentDescription(number, name, *kinds, hd.seg.SegmentAlgorithmTypeValues.MANUAL)
        for number, name in enumerate(BOXES, start=1)
    ]
    values = np.stack([np.asarray(one) for one in _truth(BOXES)["masks"].values()], axis=-1).astype(np.uint8)
    values = values[..., [sorted(BOXES).index(name) for name in BOXES]]
    made = hd.seg.Segmentation(
        images, values, hd.seg.SegmentationTypeValues.BINARY, segments, uid("seg"), 9, uid("seg", 1), 1, "maker",
        "model", "1", "1",
    )  # fmt: skip
    made.walk(_fix)
    return content(made)


def generate_segmentation(rng: Random) -> Sample:
    """A segmentation."""
    clean = _segmentation()
    kind = rng.randrange(6)
    if kind == 0:
        return Sample("the same meaning", {"seg.dcm": clean}, _truth(BOXES), must="read")
    if kind < 5:
        try:
            return Sample("an element", {"seg.dcm": content(odd(dcmread(io.BytesIO(clean)), rng))})
        except Exception:  # the writer's refusals are of all kinds
            return Sample("bytes", {"seg.dcm": damaged(clean, rng)})
    return Sample("bytes", {"seg.dcm": damaged(clean, rng, head=4000)})


def generate_dose(rng: Random) -> Sample:
    """An RT dose."""
    kind = rng.randrange(6)
    if kind == 0:
        scaling = rng.choice((0.125, 0.5, 1e-3, 2e-5, 0.0, -1.0))
        data = rtdose()
        data.DoseGridScaling = f"{scaling:.10g}"
        return Sample("a number", {"d.dcm": content(data)}, {"points": _points(scaling)})
    if kind == 1:
        return Sample("the same", {"d.dcm": content(rtdose())}, {"points": _points(0.125)}, must="read")
    if kind < 5:
        return Sample("an element", {"d.dcm": _odd_file(rtdose(), rng)})
    return Sample("bytes", {"d.dcm": damaged(content(rtdose()), rng, head=1400)})


def read_dose(folder: Path) -> Reading:
    """The dose on the grid of the run."""
    dose = read_dose_map(folder / "d.dcm", GRID)
    return {"points": Volume(GRID, dose.mean, "Gy")}


KINDS = (
    Kind("dicom-pet", generate_pet, read_pet_series, 3),
    Kind("dicom-ct", generate_ct, read_ct_series, 3),
    Kind("rtstruct", generate_structures, read_structures, 3),
    Kind("dicom-seg", generate_segmentation, read_structures, 2),
    Kind("rtdose", generate_dose, read_dose, 3),
)
