"""The scans and lesions of one visit on one dose grid."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..case.model import Case, Scan, Visit
from ..case.plausibility import unusual_values
from ..grid import Grid, Volume
from ..imaging.alignment import Alignment
from ..imaging.masks.checks import check_overlap
from ..imaging.masks.mask import Mask
from ..imaging.masks.references import CaseImage
from ..imaging.pet.checks import check_alike
from ..imaging.pet.ct_date import distant_ct
from ..imaging.pet.read import read_pet
from ..imaging.pet.scan import PetScan
from ..imaging.pet.stated import Body
from ..imaging.resample import resample_conserving
from ..imaging.source import Sources
from ..imaging.tissue import Tissue, from_ct
from ..imaging.volumes import read_ct
from ..notes import about
from ..nuclides.decay import nuclide
from ..privacy import telling_name
from ..series_path import SeriesPath
from .administration import administrations, check_times, check_zones, tracer_activity
from .alignment import AlignedPet, align_scans, check_inside
from .lesion import Lesion
from .plausibility import check_air, check_densities, check_memory, check_shared, check_uptake
from .roles import LesionFiles

log = logging.getLogger(__name__)

#: Density [g/cm3] above which a voxel belongs to the body when the dose grid is cropped (lung is 0.26).
BODY_G_CM3 = 0.1
#: Voxels of surroundings left around the body when the dose grid is cropped.
MARGIN_VOXELS = 2

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class VisitScan:
    """One scan of a visit, beside its concentration on the dose grid.

    Parameters
    ----------
    name
        How tables and report call it.
    ct_hu
        Its CT on the dose grid after the alignment (nz, ny, nx) [HU], for display.
    time_origin
        Where its time comes from: ``"case"`` (stated there as hours), or what the dates of header, sidecar and case
        are: ``"measured"``, ``"completed"`` from a neighbouring field, or ``"assumed"``.
    alignment
        Registration of the scan to the first.
    own
        Its own PET where that does not lie on the dose grid; else None.
    """

    name: str
    ct_hu: np.ndarray
    time_origin: str = "measured"
    alignment: Alignment = Alignment()
    own: AlignedPet | None = None


@dataclass
class VisitImages:
    """One visit on its dose grid.

    Parameters
    ----------
    visit
        The visit of the case.
    grid
        The dose grid.
    tissue
        Density and material on the dose grid.
    times_h
        Scan times after administration (nt,), float64 [h], increasing.
    concentration
        Tracer activity concentration at the scan times (nt, nz, ny, nx), float32 [Bq/mL].
    scans
        What else there is of each scan, in the same order.
    lesions
        The lesions.
    tracer_activity_mbq
        Administered tracer activity [MBq].
    pet_spacing_mm
        Voxel size of the first PET (dz, dy, dx) [mm].
    contour_spacing_mm
        Voxel size of the image that the lesions were drawn on (dz, dy, dx) [mm], where that is not the PET.
    frame_of_reference
        DICOM frame of reference UID of the first scan, where known.
    assumptions
        What was assumed or converted, one sentence each.
    """

    visit: Visit
    grid: Grid
    tissue: Tissue
    times_h: np.ndarray
    concentration: np.ndarray
    scans: tuple[VisitScan, ...]
    lesions: tuple[Lesion, ...]
    tracer_activity_mbq: float
    pet_spacing_mm: tuple[float, float, float]
    contour_spacing_mm: tuple[float, float, float] | None = None
    frame_of_reference: str | None = None
    assumptions: list[str] = field(default_factory=list)

    @property
    def density(self) -> np.ndarray:
        """Mass density (nz, ny, nx) [g/cm3]."""
        return np.asarray(self.tissue.density_g_cm3)

    @property
    def ct_hu(self) -> np.ndarray:
        """CT of the first scan on the dose grid (nz, ny, nx) [HU], for display."""
        return self.scans[0].ct_hu


@dataclass(frozen=True, eq=False)
class _Read:
    """One scan as it was read, and its registration to the first."""

    name: str
    source: Scan
    pet: PetScan
    ct: Volume
    alignment: Alignment = Alignment()

    @property
    def placed(self) -> AlignedPet:
        return AlignedPet(self.pet.volume, self.alignment)

    def on_grid(self, grid: Grid, box: Box) -> np.ndarray:
        """Concentration on ``grid[box]``, activity conserved, float32 (nz, ny, nx) [Bq/mL]."""
        volume = self.pet.volume
        if self.alignment.moves:
            values = self.alignment.resample(volume, grid.cropped(box)).values
        elif volume.grid.same_as(grid):
            values = volume.values[box]
        else:
            values = resample_conserving(volume, grid).values[box]
        return np.asarray(values, dtype=np.float32)

    def on_visit(self, grid: Grid, small: Grid) -> VisitScan:
        """The scan as the visit stores it: ``grid`` is the dose grid, ``small`` the same cropped to the body."""
        elsewhere = self.alignment.moves or not self.pet.volume.grid.same_as(grid)
        ct_hu = _display_ct(self.ct, small, self.alignment)
        origin = self.pet.time_origin.value if self.source.after_h is None else "case"
        return VisitScan(self.name, ct_hu, origin, self.alignment, self.placed if elsewhere else None)


def read_visit(case: Case, visit: Visit, sources: Sources | None = None) -> VisitImages:
    """Read the scans and lesions of a visit and bring them onto its dose grid.

    The dose grid is that of the first PET (or of its CT, or a spacing, as ``transport.grid`` says), cropped
    to the body, the lesions and a margin. Later scans are brought to the first as ``alignment`` says: used
    unregistered when their frame of reference is the same, aligned by their CTs when it is another.

    Parameters
    ----------
    case
        The case.
    visit
        One of its visits.
    sources
        Its files as :func:`~hevesy.engine.pipeline.identity.open_sources` opened them; None: open them here.

    Returns
    -------
    VisitImages
        Tissue, activity concentrations and lesions on one grid.

    Raises
    ------
    InputError
        Whatever makes the input unusable, naming file and reason.
    """
    sources = sources or Sources()
    scans, notes = _read_scans(case, visit, sources)
    times = np.array([scan.pet.time_h for scan in scans])
    check_times(times, visit)
    activity = tracer_activity(case, visit, [scan.pet for scan in scans])
    scans, remarks = _aligned(case, visit, scans)
    notes += remarks

    first = scans[0]
    pet = first.pet.volume
    grid = _dose_grid(case, pet.grid, first.ct.grid)
    elsewhere = any(scan.alignment.moves or not scan.pet.volume.grid.same_as(grid) for scan in scans)
    fine = elsewhere or (case.recovery is not None and case.recovery.fwhm_mm is not None)
    files = LesionFiles.open(visit, sources, _case_images(scans, sources))
    lesions = files.lesions(grid, [scan.placed for scan in scans], fine=fine)
    notes += [*files.notes, *(note for lesion in lesions for note in lesion.mask.notes)]
    notes += _check_overlap(scans, [lesion.mask for lesion in lesions], grid)
    notes += check_shared(lesions, grid.voxel_volume_ml)

    tissue = from_ct(first.ct, grid, calibration=case.tissue.calibration)
    notes += [*tissue.notes, *check_densities(lesions, tissue.density_g_cm3)]
    whole = (slice(0, grid.shape[0]), slice(0, grid.shape[1]), slice(0, grid.shape[2]))
    notes += check_air(first.on_grid(grid, whole), tissue.density_g_cm3, f"{visit.name}, {first.name}")
    box = _body_box(tissue.density_g_cm3, lesions)
    small = grid.cropped(box)
    concentration = np.stack([scan.on_grid(grid, box) for scan in scans])
    cropped = tuple(_cropped_lesion(lesion, box, small) for lesion in lesions)
    notes += check_uptake(cropped, concentration[0], tissue.density_g_cm3[box], small.spacing_mm)
    if small.shape != grid.shape:
        notes.append(
            f"The dose grid was cropped to the body: {_by(small.shape)} of {_by(grid.shape)} voxels; "
            "outside it is vacuum."
        )
    if len(scans) > 1 and not remarks:  # one CT serves them all
        notes.append("Scans are taken as aligned in patient coordinates: no registration was done.")
    drawn = files.drawn_on(first.ct.grid, pet.grid)
    if drawn == "ct":
        notes.append(
            "The lesions were drawn on the CT: their volumes are as uncertain as CT voxels "
            f"({_by(first.ct.grid.spacing_mm)} mm, z, y, x) make them."
        )
    return VisitImages(
        visit=visit,
        grid=small,
        tissue=_cropped_tissue(tissue, box),
        times_h=times,
        concentration=concentration,
        scans=tuple(scan.on_visit(grid, small) for scan in scans),
        lesions=cropped,
        tracer_activity_mbq=activity,
        pet_spacing_mm=pet.grid.spacing_mm,
        contour_spacing_mm=first.ct.grid.spacing_mm if drawn == "ct" else None,
        frame_of_reference=pet.frame_of_reference or first.ct.frame_of_reference,
        assumptions=list(dict.fromkeys(notes)),
    )


def _read_scans(case: Case, visit: Visit, sources: Sources) -> tuple[list[_Read], list[str]]:
    """The scans in the order of their times, and remarks on each; a CT that serves several PETs is read once."""
    cts: dict[Path, Volume] = {}
    scans: list[_Read] = []
    found: dict[str, dict[str, None]] = {}  # the scans that each remark is on, each once
    for scan in visit.scans:
        if scan.ct not in cts:
            cts[scan.ct] = read_ct(sources.open(scan.ct))
        ct = cts[scan.ct]
        pet = read_pet(
            sources.open(scan.pet),
            administered=visit.administered or case.tracer.administered,
            activity_mbq=visit.activity_mbq or case.tracer.activity_mbq,
            weight_kg=visit.weight_kg or case.weight_kg,
            half_life_s=nuclide(case.tracer.nuclide).half_life_s,
            after_h=scan.after_h,
            tracer=case.tracer.nuclide,
            body=Body(case.height_cm, case.sex),
        )
        name = telling_name(*SeriesPath.parse(scan.pet))
        scans.append(_Read(name, scan, pet, ct))
        for text in (*pet.assumptions, *pet.volume.notes, *ct.notes):
            found.setdefault(text, {})[name] = None
    for path in cts:
        users = [scan for scan in scans if scan.source.ct == path]
        for text in distant_ct(sources.open(path), [scan.pet for scan in users]):
            found.setdefault(text, dict.fromkeys(scan.name for scan in users))
    check_zones(case, visit, [scan.pet for scan in scans])
    check_alike([scan.pet for scan in scans], [scan.name for scan in scans])
    notes = unusual_values(case, visit)
    notes += administrations([scan.pet for scan in scans], [scan.name for scan in scans])
    notes += [about(f"{visit.name}, {', '.join(names)}", text) for text, names in found.items()]
    return sorted(scans, key=lambda scan: scan.pet.time_h), notes


def _case_images(scans: Sequence[_Read], sources: Sources) -> list[CaseImage]:
    """The PETs and CTs that structures can refer to, the first scan's first."""
    images: list[CaseImage] = []
    for scan in scans:
        images.append(CaseImage.of("pet", sources.open(scan.source.pet), scan.pet.volume))
        images.append(CaseImage.of("ct", sources.open(scan.source.ct), scan.ct))
    return images


def _aligned(case: Case, visit: Visit, scans: Sequence[_Read]) -> tuple[list[_Read], list[str]]:
    """Each scan with its registration to the first, and remarks on how well they agree."""
    names = [f"{visit.name}, {scan.name}" for scan in scans]
    alignments, notes = align_scans(case, [scan.ct for scan in scans], names)
    return [replace(scan, alignment=one) for scan, one in zip(scans, alignments, strict=True)], notes


def _check_overlap(scans: Sequence[_Read], masks: Sequence[Mask], grid: Grid) -> list[str]:
    """Refuse scans and lesions that do not overlap; remarks on what is not covered."""
    notes = []
    for scan in scans:
        notes += check_overlap(scan.ct, scan.pet.volume, [] if scan.alignment.moves else masks)
        if scan.alignment.moves:
            check_inside(masks, grid, scan.ct, scan.placed)
    return notes


def _cropped_tissue(tissue: Tissue, box: Box) -> Tissue:
    return replace(
        tissue,
        density_g_cm3=np.ascontiguousarray(tissue.density_g_cm3[box]),
        material=np.ascontiguousarray(tissue.material[box]),
    )


def _cropped_lesion(lesion: Lesion, box: Box, grid: Grid) -> Lesion:
    fraction = np.ascontiguousarray(lesion.fraction[box])
    return replace(lesion, mask=replace(lesion.mask, fraction=fraction, grid=grid))


def _dose_grid(case: Case, pet: Grid, ct: Grid) -> Grid:
    if case.transport.grid == "pet":
        return pet
    if case.transport.grid == "ct":
        return ct
    step = case.transport.spacing_mm
    assert step is not None
    grid = pet.with_spacing((step, step, step))
    check_memory(grid)
    return grid


def _body_box(density: np.ndarray, lesions: Sequence[Lesion]) -> Box:
    """The box that holds body and lesions with a margin; the whole grid when there is no body."""
    inside = density > BODY_G_CM3
    for lesion in lesions:
        inside |= lesion.fraction > 0
    if not inside.any():
        inside[:] = True
    return Grid.bounding_box(inside, MARGIN_VOXELS)


def _display_ct(ct: Volume, grid: Grid, alignment: Alignment) -> np.ndarray:
    """Mean HU of each dose voxel; for pictures only (density is averaged as density)."""
    shifted = Volume(ct.grid, np.asarray(ct.values, dtype=np.float32) + 1024.0, "HU+1024")
    return np.asarray(alignment.resample(shifted, grid).values, dtype=np.float32) - 1024.0


def _by(shape: Sequence[float]) -> str:
    return " x ".join(f"{n:g}" for n in shape)
