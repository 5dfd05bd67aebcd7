"""Two real 18F-FDG PET/CT patients: conversion, contours and tissue agree with the files themselves."""

from datetime import datetime

import numpy as np
import pydicom
import pytest
from hevesy.engine import imaging
from hevesy.engine.imaging import tissue

F18_S = 6586.2
PATIENTS = ["STS_001", "STS_024"]


@pytest.fixture(scope="module", params=PATIENTS)
def patient(request, petct_dir):
    folder = petct_dir / request.param
    return (
        request.param,
        folder,
        imaging.read_pet(folder / "PET/image", half_life_s=F18_S),
        imaging.read_ct(folder / "CT/image"),
    )


def stored_suv(folder):
    """The SUV image straight from the files, slice by slice, without this package."""
    slices = [pydicom.dcmread(path) for path in (folder / "PET/image").iterdir()]
    slices.sort(key=lambda d: float(d.ImagePositionPatient[2]))
    return np.stack([d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in slices]), slices[0]


def shoelace_ml(folder):
    """Contour volume by polygon areas and plane distance, holes subtracted, without this package."""
    data = pydicom.dcmread(folder)
    planes: dict[float, list[np.ndarray]] = {}
    for contour in data.ROIContourSequence[0].ContourSequence:
        points = np.array(contour.ContourData, float).reshape(-1, 3)
        planes.setdefault(round(points[0, 2], 2), []).append(points[:, :2])
    total = 0.0
    for polygons in planes.values():
        areas = [0.5 * abs(np.sum(p[:, 0] * np.roll(p[:, 1], -1) - p[:, 1] * np.roll(p[:, 0], -1))) for p in polygons]
        order = np.argsort(areas)[::-1]
        total += areas[order[0]]
        for other in order[1:]:
            x, y = polygons[other].mean(axis=0)
            outer = polygons[order[0]]
            inside = bool(np.sum(_crosses(outer, x, y)) % 2)
            total += -areas[other] if inside else areas[other]
    return total * np.median(np.diff(sorted(planes))) * 1e-3


def _crosses(polygon, x, y):
    a, b = polygon, np.roll(polygon, -1, axis=0)
    spans = (a[:, 1] > y) != (b[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    return spans & (at > x)


def test_suv_is_turned_back_into_activity_true_at_the_scan(patient):
    name, folder, pet, _ = patient
    suv, header = stored_suv(folder)
    item = header.RadiopharmaceuticalInformationSequence[0]
    hours = {"STS_001": 0.75306, "STS_024": 1.46833}[name]  # 10:35:00 to 11:20:11; 13:38:00 to 15:06:06
    left = 0.5 ** (hours * 3600.0 / float(item.RadionuclideHalfLife))
    expected = suv * float(item.RadionuclideTotalDose) * left / (float(header.PatientWeight) * 1000.0)
    assert pet.time_h == pytest.approx(hours, abs=1e-4)
    np.testing.assert_allclose(pet.volume.values, expected, rtol=1e-4)
    again = pet.volume.values * float(header.PatientWeight) * 1000.0 / (float(item.RadionuclideTotalDose) * left)
    np.testing.assert_allclose(again, suv, rtol=1e-4)
    assert (pet.tracer, pet.weight_kg) == ("F-18", float(header.PatientWeight))


def test_assumptions_are_stated(patient):
    name, _, pet, _ = patient
    said = "\n".join(pet.assumptions)
    assert "SUV by body weight" in said
    if name == "STS_001":
        assert "time of day only, 10:35:00" in said
    else:
        assert "administration date 2005-01-02 13:38:00 contradicts the scan's 2005-01-01 15:06:06" in said
        assert "decay factor 1.11163 refers to the series time" in said
        assert pet.administered == datetime(2005, 1, 1, 13, 38)


@pytest.mark.parametrize("drawn_on", ["CT", "PET"])
def test_lesion_volume_agrees_with_the_contours(patient, drawn_on):
    _, folder, pet, ct = patient
    expected = shoelace_ml(folder / drawn_on / "mask/RS.dcm")
    for grid in (pet.volume.grid, ct.grid):
        (mask,) = imaging.read_masks(folder / drawn_on / "mask/RS.dcm", grid, pet.volume.frame_of_reference)
        assert mask.contour_volume_ml == pytest.approx(expected, rel=2e-3)
        assert mask.volume_ml == pytest.approx(expected, rel=5e-3)


def test_mean_suv_of_the_lesion_agrees_with_the_image(patient):
    """Mean over voxels with their centre in the contours, from raw files, against the weighted mean."""
    _, folder, pet, _ = patient
    suv, header = stored_suv(folder)
    (mask,) = imaging.read_masks(folder / "PET/mask/RS.dcm", pet.volume.grid)
    centre_inside = mask.fraction >= 0.5
    weighted = float((suv * mask.fraction).sum() / mask.fraction.sum())
    assert weighted == pytest.approx(float(suv[centre_inside].mean()), rel=0.02)
    factor = float(pet.volume.values.sum(dtype=float) / suv.sum())
    mean = float((pet.volume.values * mask.fraction).sum(dtype=float) / mask.fraction.sum(dtype=float))
    assert mean / factor == pytest.approx(weighted, rel=1e-4)


def test_pet_ct_and_lesion_belong_together(patient):
    _, folder, pet, ct = patient
    masks = imaging.read_masks(folder / "CT/mask/RS.dcm", pet.volume.grid, ct.frame_of_reference)
    (remark,) = imaging.check_overlap(ct, pet.volume, masks)
    assert "% of the PET" in remark


def test_mass_on_the_pet_grid(patient):
    """The CT's mass inside the PET's extent is kept, and the lesion is soft tissue."""
    _, folder, pet, ct = patient
    grid = pet.volume.grid
    made = tissue.from_ct(ct, grid)
    around = tissue.from_ct(ct, ct.grid)
    inside = imaging.resample_fraction(np.ones(grid.shape), grid, ct.grid)
    covered = imaging.resample_fraction(np.ones(ct.grid.shape), ct.grid, grid)
    air = float((1.0 - covered).sum()) * grid.voxel_volume_ml * tissue.AIR_G_CM3
    mass = float((around.density_g_cm3 * inside).sum(dtype=float)) * ct.grid.voxel_volume_ml
    assert float(made.density_g_cm3.sum(dtype=float)) * grid.voxel_volume_ml - air == pytest.approx(mass, rel=1e-3)
    (mask,) = imaging.read_masks(folder / "PET/mask/RS.dcm", grid)
    assert float((made.density_g_cm3 * mask.fraction).sum() / mask.fraction.sum()) == pytest.approx(1.03, abs=0.04)


def test_import_makes_a_case_of_it(patient, tmp_path):
    from hevesy.engine.case.model import Case

    name, folder, pet, _ = patient
    found = imaging.sort_folder([folder])
    data = found.to_case_dict(tmp_path)
    case = Case.from_dict(data, base=tmp_path, file=tmp_path / "case.yaml")
    assert case.tracer.nuclide == "F-18" and case.therapy.nuclide == "F-18"
    assert case.tracer.activity_mbq == pytest.approx(pet.administered_activity_mbq, rel=1e-5)
    assert len(case.visits) == 1 and len(case.visits[0].scans) == 1
    assert imaging.read_pet(case.visits[0].scans[0].pet).time_h == pytest.approx(pet.time_h)
    left = [item for item in found.items if item.skipped]
    assert len(left) == 1 and left[0].structures == ("GTV_Mass_CT",)
    assert not any(name == word for line in found.account() for word in line.split())
