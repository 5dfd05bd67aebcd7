"""Everything that was scanned at one visit, brought onto one dose grid."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from .. import imaging, tissue
from ..case import Case, Visit, split_series
from ..errors import InputError
from ..grid import Grid, Volume
from ..nuclides import nuclide

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

    @property
    def density(self) -> np.ndarray:
        """Mass density (nz, ny, nx) [g/cm3]."""
        return np.asarray(self.tissue.density_g_cm3)


def read_visit(case: Case, visit: Visit) -> VisitImages:
    """Read the scans and lesions of a visit and bring them onto its dose grid.

    The dose grid is that of the first PET (or of its CT, or a spacing, as ``transport.grid`` says), cropped
    to the body, the lesions and a margin. Scans are taken as aligned in patient coordinates.

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
        notes += [f"{_label(visit, scan)}: {text}" for text in said]
    scans.sort(key=lambda item: item[1].time_h)
    times = np.array([pet.time_h for _, pet, _ in scans])
    _check_times(times, visit)
    activity = _tracer_activity(case, visit, [pet for _, pet, _ in scans])

    first_scan, first_pet, first_ct = scans[0]
    frame = first_pet.volume.frame_of_reference or first_ct.frame_of_reference
    grid = _dose_grid(case, first_pet.volume.grid, first_ct.grid)
    masks = []
    for file in visit.lesion_files:
        masks += imaging.read_masks(file, grid, frame_of_reference=frame)
    masks = _named_apart(masks, visit)
    for _, pet, ct in scans:
        notes += imaging.check_overlap(ct, pet.volume, masks)

    made = tissue.from_ct(first_ct, grid, calibration=case.tissue.calibration)
    notes += list(made.notes)
    box = _body_box(np.asarray(made.density_g_cm3), masks)
    concentration = np.stack([_on_grid(pet.volume, grid)[box] for _, pet, _ in scans])
    small = grid.cropped(box)
    if small.shape != grid.shape:
        notes.append(
            f"The dose grid was cropped to the body: {_by(small.shape)} of {_by(grid.shape)} voxels; "
            "outside it is vacuum."
        )
    masks = [replace(m, fraction=np.ascontiguousarray(m.fraction[box]), grid=small) for m in masks]
    made = replace(
        made,
        density_g_cm3=np.ascontiguousarray(made.density_g_cm3[box]),
        material=np.ascontiguousarray(made.material[box]),
    )
    if len(scans) > 1:
        notes.append("Scans are taken as aligned in patient coordinates: no registration was done.")
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
    )


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


def _display_ct(ct: Volume, grid: Grid) -> np.ndarray:
    """Mean HU of each dose voxel; for pictures only (density is averaged as density)."""
    shifted = Volume(ct.grid, np.asarray(ct.values, dtype=np.float32) + 1024.0, "HU+1024")
    return np.asarray(imaging.resample_conserving(shifted, grid).values, dtype=np.float32) - 1024.0


def _label(visit: Visit, scan: Any) -> str:
    return f"{visit.name}, {_name(scan)}"


def _name(scan: Any) -> str:
    """The file's name, or the last two parts of a folder's path: short, and telling."""
    path = split_series(scan.pet)[0]
    return "/".join(path.parts[-2:]) if path.is_dir() else path.name


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in shape)


def _unique(notes: list[str]) -> list[str]:
    return list(dict.fromkeys(notes))
