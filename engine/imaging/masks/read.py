"""Lesions from label maps, DICOM RTSTRUCT and DICOM SEG as volume fractions on a grid."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import ndimage

from ...case.inputs import LESION_NAMES
from ...errors import InputError
from ...files import read_json, sidecar
from ...grid import Grid, Volume, canonical
from ..dicom.find import Header, headers_of, quiet, require, split_path
from ..resample import average
from ..volumes import is_dicom_path, read_file
from .contours import group_planes, rasterise

log = logging.getLogger(__name__)

#: A lesion that loses more than this share of its volume at the grid's edge does not lie on the grid.
LOST_SHARE = 0.01


@dataclass
class Mask:
    """One lesion.

    Parameters
    ----------
    name
        As the file names it.
    fraction
        float32 (nz, ny, nx) in [0, 1]: share of each voxel inside.
    volume_ml
        Sum of fractions times voxel volume [mL].
    contour_volume_ml
        Volume of the contours themselves (area times plane distance) [mL]; None for other sources.
    grid
        The grid of ``fraction``.
    notes
        Remarks on how it was made.
    site
        Where it is (node, lung, bone...), when the file says so.
    """

    name: str
    fraction: np.ndarray
    volume_ml: float
    contour_volume_ml: float | None = None
    grid: Grid | None = None
    notes: list[str] = field(default_factory=list)
    site: str = ""


def read_masks(
    path: str | Path, grid: Grid, frame_of_reference: str | None = None, names: list[str] | None = None
) -> list[Mask]:
    """Lesions of one file on ``grid``.

    Parameters
    ----------
    path
        Label map (NIfTI, MetaImage, NRRD; names in a sidecar ``lesions.json`` or ``<name>.json`` of the form
        ``{"1": "name"}``), RTSTRUCT or SEG file, a folder that holds one of these, or
        ``folder#SeriesInstanceUID``.
    grid
        The grid wanted.
    frame_of_reference
        Of the image that the grid belongs to; contours and segments on another one are refused.
    names
        Only these lesions; all by default.

    Raises
    ------
    InputError
        Naming the lesion: no volume, outside the grid, another frame of reference; or an unusable file.
    """
    base, _ = split_path(path)
    require(base, "lesion file")
    if is_dicom_path(path):
        header = structure_header(path)
        read = _from_rtstruct if header.modality == "RTSTRUCT" else _from_seg
        masks = read(header, grid, frame_of_reference, names)
    else:
        masks = _from_label_map(base, grid, names)
    if names is not None:
        missing = [name for name in names if name not in {mask.name for mask in masks}]
        if missing:
            raise InputError(
                f"no lesion named {missing[0]!r}",
                why="the file does not hold it",
                suggestion="lesions in it: " + ", ".join(mask.name for mask in masks),
                file=base,
            )
    return masks


def structure_header(path: str | Path) -> Header:
    headers = [h for h in headers_of(path) if h.modality in ("RTSTRUCT", "SEG")]
    base = split_path(path)[0]
    if not headers:
        raise InputError(
            "no RTSTRUCT or SEG found",
            why="lesions come from a label map, RTSTRUCT or SEG",
            suggestion="give the file with the lesions",
            file=base,
        )
    if len(headers) > 1:
        raise InputError(
            f"{len(headers)} structure files: " + ", ".join(h.path.name for h in headers),
            why="which one holds the lesions is not clear",
            suggestion="name one file in the case",
            file=base,
        )
    return headers[0]


def _finish(name: str, fraction: np.ndarray, grid: Grid, whole_ml: float, file: object) -> Mask:
    """The mask, after a check of its volume on the grid against its whole volume [mL]."""
    if whole_ml <= 0.0:
        raise InputError(
            f"lesion {name!r} has no volume",
            why="a dose to nothing cannot be stated",
            suggestion="draw it, or remove it from the file",
            file=file,
            field=name,
        )
    volume = float(fraction.sum(dtype=np.float64)) * grid.voxel_volume_ml
    if volume <= 0.0:
        raise InputError(
            f"lesion {name!r} lies outside the image",
            why="none of its volume is on the grid",
            suggestion="check that lesions and images belong together",
            file=file,
            field=name,
        )
    lost = 1.0 - volume / whole_ml
    if lost > LOST_SHARE:
        raise InputError(
            f"lesion {name!r} reaches outside the image: {100.0 * lost:.1f} % of its {whole_ml:.3g} mL are missing",
            why="its dose cannot be computed there",
            suggestion="give an image that covers it",
            file=file,
            field=name,
        )
    return Mask(name, fraction.astype(np.float32), volume, None, grid)


Box = tuple[slice, slice, slice]


@lru_cache(maxsize=1)
def _label_volume(path: Path, changed_ns: int, size: int) -> tuple[Volume, dict[int, Box]]:
    """The last label map read and the box of each label: its lesions are asked for one by one.

    Time and size tell a changed file.
    """
    volume = read_file(path, "label", dtype=None)
    values = volume.values
    if not np.all(np.isfinite(values)) or np.any(values != np.rint(values)) or np.any(values < 0):
        raise InputError(
            f"the lesion map holds values from {values.min():g} to {values.max():g} that are not whole labels",
            why="a label map has 0 for background and 1, 2, 3, ... for lesions",
            suggestion="export it without interpolation (nearest neighbour)",
            file=path,
        )
    inside = values > 0
    used, number = np.unique(values[inside], return_inverse=True)
    compact = np.zeros(values.shape, np.int32)  # labels may be any whole numbers; boxes are wanted in their order
    compact[inside] = number + 1
    return volume, dict(zip((int(v) for v in used), ndimage.find_objects(compact), strict=True))


def _from_label_map(path: Path, grid: Grid, names: list[str] | None) -> list[Mask]:
    stamp = path.stat()
    volume, boxes = _label_volume(path, stamp.st_mtime_ns, stamp.st_size)
    present = list(boxes)
    titles = _label_names(path)
    for label, (title, _) in titles.items():
        if label not in present:
            raise InputError(
                f"lesion {title!r} (label {label}) has no volume",
                why="no voxel of the label map carries its label",
                suggestion="draw it, or remove it from the names",
                file=path,
                field=title,
            )
    if not present:
        raise InputError(
            "the label map is empty",
            why="every voxel is background",
            suggestion="give a map with at least one lesion",
            file=path,
        )
    masks = []
    for label in present:
        name, site = titles.get(label, (f"lesion {label}", ""))
        if names is not None and name not in names:
            continue
        box = boxes[label]
        where = volume.values[box] == label
        fraction = average(where, volume.grid.cropped(box), grid)
        whole = float(np.count_nonzero(where)) * volume.grid.voxel_volume_ml
        mask = _finish(name, np.clip(fraction, 0.0, 1.0), grid, whole, path)
        masks.append(replace(mask, site=site))
    return masks


#: How lesions are named beside a label map.
_NAMES_HELP = 'write {"1": "neck node", "2": "lung nodule"}, saved as UTF-8'


def _label_names(path: Path) -> dict[int, tuple[str, str]]:
    """Names and sites of labels from ``<name>.json`` or ``lesions.json`` beside the map, either way round."""
    for candidate in (sidecar(path), path.with_name(LESION_NAMES)):
        if not candidate.is_file():
            continue
        try:
            pairs = dict(read_json(candidate, _NAMES_HELP))
            out: dict[int, tuple[str, str]] = {}
            for key, value in pairs.items():
                if isinstance(value, dict):  # {"1": {"name": "neck node", "site": "node"}}
                    out[int(key)] = (str(value["name"]), str(value.get("site") or ""))
                    continue
                label, title = (key, value) if str(key).strip().isdigit() else (value, key)
                out[int(label)] = (str(title), "")
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                "the lesion names cannot be read",
                why=str(error),
                file=candidate,
                suggestion=_NAMES_HELP,
            ) from None
        return out
    return {}


def _check_frame(own: str | None, wanted: str | None, name: str, file: object) -> None:
    if own and wanted and own != wanted:
        raise InputError(
            f"lesion {name!r} is drawn in another frame of reference than the image (...{own[-8:]}, "
            f"not ...{wanted[-8:]})",
            why="its coordinates do not mean the same place",
            suggestion="draw it on this PET/CT, or register and export it again",
            file=file,
            field=name,
        )


def _from_rtstruct(header: Header, grid: Grid, wanted: str | None, names: list[str] | None) -> list[Mask]:
    """All ROIs of an RTSTRUCT (closed planar contours, even-odd in each plane)."""
    data, file = header.dataset, header.path
    contours = {int(c.ReferencedROINumber): c for c in data.get("ROIContourSequence") or []}
    masks = []
    for roi in data.get("StructureSetROISequence") or []:
        name = str(roi.get("ROIName", "") or f"ROI {roi.ROINumber}")
        if names is not None and name not in names:
            continue
        _check_frame(str(roi.get("ReferencedFrameOfReferenceUID", "") or "") or None, wanted, name, file)
        item = contours.get(int(roi.ROINumber))
        polygons, notes, skipped = [], [], 0
        for contour in (item.get("ContourSequence") or []) if item is not None else []:
            points = np.array(contour.get("ContourData") or [], float).reshape(-1, 3)
            if (
                str(contour.get("ContourGeometricType", "")) not in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
                or len(points) < 3
            ):
                skipped += 1
                continue
            polygons.append(points)
        if not polygons:
            raise InputError(
                f"lesion {name!r} has no closed contour",
                why="a dose to nothing cannot be stated: its volume is zero",
                suggestion="draw it, or remove it from the structure set",
                file=file,
                field=name,
            )
        if skipped:
            notes.append(f"lesion {name!r}: {skipped} point(s) or open contour(s) were left out")
        planes, frame, more = group_planes(polygons, name, file)
        if len(planes) == 1:
            planes[0].thickness = grid.spacing_mm[0]
            more.append(f"lesion {name!r} has one contour plane; taken as {grid.spacing_mm[0]:.3g} mm thick")
        whole = sum(plane.area_mm2 * plane.thickness for plane in planes) * 1e-3
        mask = _finish(name, rasterise(planes, frame, grid), grid, whole, file)
        mask.contour_volume_ml = whole
        mask.notes += notes + more
        masks.append(mask)
    if not masks and names is None:
        raise InputError(
            "the structure set holds no structure",
            why="there is no lesion in it",
            suggestion="export it again",
            file=file,
        )
    return masks


def _from_seg(header: Header, grid: Grid, wanted: str | None, names: list[str] | None) -> list[Mask]:
    """All segments of a DICOM segmentation (binary or fractional), read by highdicom."""
    import highdicom

    file = header.path
    try:
        with quiet():
            seg = highdicom.seg.segread(file)
            numbers = [int(n) for n in seg.segment_numbers]
    except Exception as error:
        raise InputError(
            "the DICOM segmentation cannot be read",
            why=f"it is damaged or not standard ({error})",
            suggestion="export it again, or as a label map",
            file=file,
        ) from None
    own = str(seg.get("FrameOfReferenceUID", "") or "") or None
    masks = []
    for number in numbers:
        name = str(seg.get_segment_description(number).segment_label) or f"segment {number}"
        if names is not None and name not in names:
            continue
        _check_frame(own, wanted, name, file)
        part = _segment(seg, number, name, file)
        whole = float(part.values.sum(dtype=np.float64)) * part.grid.voxel_volume_ml
        if whole <= 0.0:
            _finish(name, part.values, part.grid, 0.0, file)
        box = Grid.bounding_box(part.values)
        fraction = average(part.values[box], part.grid.cropped(box), grid)
        masks.append(_finish(name, np.clip(fraction, 0.0, 1.0), grid, whole, file))
    return masks


def _segment(seg: object, number: int, name: str, file: Path) -> Volume:
    """One segment as fractions on its own canonical grid."""
    try:
        with quiet():
            found = seg.get_volume(  # type: ignore[attr-defined]
                segment_numbers=[number],
                combine_segments=False,
                rescale_fractional=True,
                allow_missing_positions=True,
            )
        values = np.asarray(found.array, np.float32)
        if values.ndim == 4:
            values = values[..., 0]
        values, own = canonical(values, np.asarray(found.affine), file)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"segment {name!r} does not form a volume",
            why=str(error),
            suggestion="export the segmentation on all slices of its image, or as a label map",
            file=file,
            field=name,
        ) from None
    return Volume(own, values, "fraction")
