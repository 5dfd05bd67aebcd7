"""Everything that was scanned at one visit, brought onto one dose grid."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from .. import imaging
from ..case.model import Case, Visit, split_series
from ..errors import InputError
from ..grid import Grid, Volume
from ..imaging import tissue
from ..imaging.masks.drawn import drawn_on
from ..imaging.registration import Alignment
from ..notes import about
from ..nuclides.decay import nuclide
from ..privacy import telling_name
from .alignment import align_scans, carried, check_carried, fine_outlines, read_lesions

log = logging.getLogger(__name__)

#: Below this density [g/cm3] a voxel is air: no dose is stated for it, and no activity is placed in it.
AIR_G_CM3 = 0.01
#: Density [g/cm3] above which a voxel belongs to the body when the dose grid is cropped (lung is 0.26).
BODY_G_CM3 = 0.1
#: Voxels of surroundings kept around the body when the dose grid is cropped.
MARGIN_VOXELS = 2


@dataclass
class VisitImages:
    """One visit on its dose grid.

    Parameters
    ----------
    visit
        The visit of the case.
    grid
        The dose grid.
    ct_hu
        CT on the dose grid (nz, ny, nx) [HU], for display.
    tissue
        Density and material on the dose grid.
    times_h
        Scan times after administration [h], increasing.
    concentration
        Tracer activity concentration at the scan times (nt, nz, ny, nx) [Bq/mL].
    masks
        The lesions on the dose grid.
    tracer_activity_mbq
        Administered tracer activity [MBq].
    pet_spacing_mm
        Voxel size of the first PET (dz, dy, dx) [mm].
    scan_names
        How to call each scan.
    alignments
        How each scan lies against the first.
    scans_own
        For each scan that does not lie on the dose grid, its own PET [Bq/mL] and alignment; else None.
    outlines
        For each lesion its outline on small voxels and their grid, for recovery and to carry it.
    aligned_ct_hu
        CT of each later scan on the dose grid after its alignment [HU], for display.
    contour_spacing_mm
        Voxel size of the image that the lesions were drawn on, where that is not the PET.
    assumptions
        What was assumed or converted, one sentence each.
    """

    visit: Visit
    grid: Grid
    ct_hu: np.ndarray
    tissue: Any
    times_h: np.ndarray
    concentration: np.ndarray
    masks: list[Any]
    tracer_activity_mbq: float
    assumptions: list[str] = field(default_factory=list)
    frame_of_reference: str | None = None
    pet_spacing_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scan_names: tuple[str, ...] = ()
    alignments: tuple[Alignment, ...] = ()
    scans_own: tuple[tuple[Volume, Alignment] | None, ...] = ()
    outlines: tuple[tuple[np.ndarray, Grid] | None, ...] = ()
    aligned_ct_hu: tuple[np.ndarray, ...] = ()
    contour_spacing_mm: tuple[float, float, float] | None = None

    @property
    def density(self) -> np.ndarray:
        """Mass density (nz, ny, nx) [g/cm3]."""
        return np.asarray(self.tissue.density_g_cm3)


def read_visit(case: Case, visit: Visit) -> VisitImages:
    """Read the scans and lesions of a visit and bring them onto its dose grid.

    The dose grid is that of the first PET (or of its CT, or a spacing, as ``transport.grid`` says), cropped
    to the body, the lesions and a margin. Later scans are brought to the first as ``alignment`` says: taken
    as they lie when their frame of reference is the same, aligned by their CTs when it is another.

    Raises
    ------
    InputError
        Whatever makes the input unusable, naming file and reason.
    """
    notes: list[str] = []
    scans = []
    for scan in visit.scans:
        ct = imaging.read_ct(scan.ct)
        pet = _read_pet(case, visit, scan)
        scans.append((scan, pet, ct))
        said = (*pet.assumptions, *pet.volume.notes, *ct.notes)
        notes += [about(_label(visit, scan), text) for text in said]
    scans.sort(key=lambda item: item[1].time_h)
    times = np.array([pet.time_h for _, pet, _ in scans])
    _check_times(times, visit)
    activity = _tracer_activity(case, visit, [pet for _, pet, _ in scans])

    _, first_pet, first_ct = scans[0]
    alignments, remarks = align_scans(case, [ct for *_, ct in scans], [_label(visit, s) for s, *_ in scans])
    notes += remarks
    frame = first_pet.volume.frame_of_reference or first_ct.frame_of_reference
    grid = _dose_grid(case, first_pet.volume.grid, first_ct.grid)
    masks, origins = read_lesions(visit, grid, [pet.volume for _, pet, _ in scans], alignments)
    masks = _named_apart(masks, visit)
    for (_, pet, ct), alignment in zip(scans, alignments, strict=True):
        notes += imaging.check_overlap(ct, pet.volume, [] if alignment.moves else masks)
        if alignment.moves:
            check_carried(masks, grid, (ct, pet.volume), alignment)

    made = tissue.from_ct(first_ct, grid, calibration=case.tissue.calibration)
    notes += list(made.notes)
    box = _body_box(np.asarray(made.density_g_cm3), masks)
    small = grid.cropped(box)
    concentration = np.stack(
        [
            carried(pet.volume, alignment, small) if alignment.moves else _on_grid(pet.volume, grid)[box]
            for (_, pet, _), alignment in zip(scans, alignments, strict=True)
        ]
    )
    if small.shape != grid.shape:
        notes.append(
            f"The dose grid was cropped to the body: {_by(small.shape)} of {_by(grid.shape)} voxels; "
            "outside it is vacuum."
        )
    own = tuple(
        None if pet.volume.grid.same_as(grid) and not alignment.moves else (pet.volume, alignment)
        for (_, pet, _), alignment in zip(scans, alignments, strict=True)
    )
    fine = any(own) or (case.recovery is not None and case.recovery.fwhm_mm is not None)
    outlines = fine_outlines(masks, origins, grid) if fine else ()
    masks = [replace(m, fraction=np.ascontiguousarray(m.fraction[box]), grid=small) for m in masks]
    made = replace(
        made,
        density_g_cm3=np.ascontiguousarray(made.density_g_cm3[box]),
        material=np.ascontiguousarray(made.material[box]),
    )
    if len(scans) > 1 and not any(one.moves for one in alignments):
        notes.append("Scans are taken as aligned in patient coordinates: no registration was done.")
    drawn = _drawn_on(visit, first_pet.volume.grid, first_ct.grid)
    if drawn == "ct":
        notes.append(
            "The lesions were drawn on the CT: their volumes are as uncertain as CT voxels "
            f"({_by(first_ct.grid.spacing_mm)} mm, z, y, x) make them."
        )
    return VisitImages(
        visit=visit,
        grid=small,
        ct_hu=_display_ct(first_ct, small),
        tissue=made,
        times_h=times,
        concentration=concentration,
        masks=masks,
        tracer_activity_mbq=activity,
        assumptions=_unique(notes),
        frame_of_reference=frame,
        pet_spacing_mm=first_pet.volume.grid.spacing_mm,
        scan_names=tuple(_name(scan) for scan, _, _ in scans),
        alignments=tuple(alignments),
        scans_own=own,
        outlines=outlines,
        aligned_ct_hu=tuple(
            _display_ct(ct, small, alignment) for (*_, ct), alignment in zip(scans[1:], alignments[1:], strict=True)
        ),
        contour_spacing_mm=first_ct.grid.spacing_mm if drawn == "ct" else None,
    )


def _drawn_on(visit: Visit, pet: Grid, ct: Grid) -> str | None:
    """Image the lesions were drawn on: what the case says, or what all of their files say."""
    if visit.drawn_on is not None:
        return visit.drawn_on
    found = {drawn_on(file, ct, pet) for file in visit.lesion_files}
    return found.pop() if len(found) == 1 else None


def _read_pet(case: Case, visit: Visit, scan: Any) -> Any:
    administered: datetime | None = visit.administered or case.tracer.administered
    return imaging.read_pet(
        scan.pet,
        administered=administered,
        activity_mbq=visit.activity_mbq or case.tracer.activity_mbq,
        weight_kg=visit.weight_kg or case.weight_kg,
        half_life_s=nuclide(case.tracer.nuclide).half_life_s,
        after_h=scan.after_h,
    )


def _tracer_activity(case: Case, visit: Visit, pets: list[Any]) -> float:
    given = visit.activity_mbq or case.tracer.activity_mbq
    if given is not None:
        return given
    found = {round(p.administered_activity_mbq, 6) for p in pets if p.administered_activity_mbq}
    if len(found) == 1:
        return float(found.pop())
    if found:
        listed = ", ".join(f"{value:g} MBq" for value in sorted(found))
        raise InputError(
            f"the PET headers of visit '{visit.name}' give different administered activities: {listed}",
            why="one administration belongs to one visit",
            suggestion="state it in the case: tracer: {activity: 74 MBq}",
            field="tracer.activity",
        )
    raise InputError(
        f"the administered tracer activity of visit '{visit.name}' is not known",
        why="neither the case nor the PET header gives it, and uptake is measured against it",
        suggestion="state it in the case: tracer: {activity: 74 MBq}",
        field="tracer.activity",
    )


def _check_times(times: np.ndarray, visit: Visit) -> None:
    if times[0] <= 0:
        raise InputError(
            f"a scan of visit '{visit.name}' is {times[0]:g} h after administration",
            why="a scan at or before the administration holds no uptake",
            suggestion="check 'administered' and the scan's 'after'",
            field="visits.scans.after",
        )
    if np.any(np.diff(times) < 1e-6):
        raise InputError(
            f"two scans of visit '{visit.name}' have the same time, {times[np.diff(times).argmin()]:g} h",
            why="the time-activity curve needs different times",
            suggestion="give each scan its own 'after'",
            field="visits.scans.after",
        )


def _named_apart(masks: list[Any], visit: Visit) -> list[Any]:
    if not masks:
        raise InputError(
            f"visit '{visit.name}' has no lesion",
            why=f"{', '.join(p.name for p in visit.lesion_files)} holds none",
            suggestion="give a label map, RTSTRUCT or DICOM SEG with at least one lesion",
            field="visits.lesions",
        )
    seen: dict[str, int] = {}
    out = []
    for mask in masks:
        seen[mask.name] = seen.get(mask.name, 0) + 1
        again = seen[mask.name]
        out.append(mask if again == 1 else replace(mask, name=f"{mask.name} ({again})"))
    return out


def _dose_grid(case: Case, pet: Grid, ct: Grid) -> Grid:
    if case.transport.grid == "pet":
        return pet
    if case.transport.grid == "ct":
        return ct
    step = case.transport.spacing_mm
    assert step is not None
    return pet.with_spacing((step, step, step))


def _body_box(density: np.ndarray, masks: list[Any]) -> tuple[slice, slice, slice]:
    """The box that holds body and lesions with a margin; the whole grid when there is no body."""
    inside = density > BODY_G_CM3
    for mask in masks:
        inside |= np.asarray(mask.fraction) > 0
    if not inside.any():
        inside[:] = True
    slices = []
    for axis in range(3):
        other = tuple(a for a in range(3) if a != axis)
        where = np.flatnonzero(inside.any(axis=other))
        start = max(int(where[0]) - MARGIN_VOXELS, 0)
        slices.append(slice(start, min(int(where[-1]) + 1 + MARGIN_VOXELS, inside.shape[axis])))
    return slices[0], slices[1], slices[2]


def _on_grid(volume: Volume, grid: Grid) -> np.ndarray:
    if volume.grid.same_as(grid):
        return np.asarray(volume.values, dtype=np.float32)
    return np.asarray(imaging.resample_conserving(volume, grid).values, dtype=np.float32)


def _display_ct(ct: Volume, grid: Grid, alignment: Alignment | None = None) -> np.ndarray:
    """Mean HU of each dose voxel; for pictures only (density is averaged as density)."""
    shifted = Volume(ct.grid, np.asarray(ct.values, dtype=np.float32) + 1024.0, "HU+1024")
    return carried(shifted, alignment or Alignment(), grid) - 1024.0


def _label(visit: Visit, scan: Any) -> str:
    return f"{visit.name}, {_name(scan)}"


def _name(scan: Any) -> str:
    return telling_name(*split_series(scan.pet))


def _by(shape: Sequence[float]) -> str:
    return " x ".join(f"{n:g}" for n in shape)


def _unique(notes: list[str]) -> list[str]:
    return list(dict.fromkeys(notes))
