"""The synthetic patient as DICOM: what the imaging reader gets back is what was painted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hevesy.engine import imaging
from hevesy.phantoms.anatomy import DEFAULT_LESIONS
from hevesy.phantoms.dicom import ellipsoid_contours
from hevesy.phantoms.patient import SyntheticPatient, lesion_shape, synthetic_patient


@pytest.fixture(scope="module")
def patient() -> SyntheticPatient:
    return synthetic_patient(seed=2, voxel_mm=8.0, lesions=DEFAULT_LESIONS[:4])


@pytest.fixture(scope="module")
def folder(patient: SyntheticPatient, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return patient.save_dicom(tmp_path_factory.mktemp("dicom"))


def test_pet_comes_back_in_bq_per_ml_at_its_scan_time(patient: SyntheticPatient, folder: Path) -> None:
    for number, hours in enumerate(patient.times_h):
        scan = imaging.read_pet(folder / f"{hours:g}h" / "PET")
        truth = patient.scans[number][0]
        assert scan.volume.grid == truth.grid
        # 16 bits a slice: half a step of the slope at most
        step = truth.values.max(axis=(1, 2), keepdims=True) / 32766.0
        assert np.all(np.abs(scan.volume.values - truth.values) <= 0.51 * step)
        assert scan.time_h == pytest.approx(hours)
        assert scan.administered_activity_mbq == pytest.approx(74.0)
        assert scan.tracer == "I-124"


def test_ct_comes_back_in_hu(patient: SyntheticPatient, folder: Path) -> None:
    ct = imaging.read_ct(folder / "24h" / "CT")
    assert ct.grid == patient.ct_grid
    np.testing.assert_array_equal(ct.values, patient.scans[0][1].values)


def test_slopes_differ_from_slice_to_slice_and_the_tracer_is_coded(folder: Path) -> None:
    files = sorted((folder / "24h" / "PET").glob("*.dcm"))
    slices = [pydicom.dcmread(f) for f in files]
    assert len({float(s.RescaleSlope) for s in slices}) > 0.9 * len(slices)
    item = slices[0].RadiopharmaceuticalInformationSequence[0]
    assert item.RadionuclideCodeSequence[0].CodeMeaning == "^124^Iodine"
    assert float(item.RadionuclideHalfLife) == pytest.approx(360806.4)
    assert float(item.RadionuclidePositronFraction) == pytest.approx(0.2286, abs=1e-4)
    assert slices[0].DecayCorrection == "START" and slices[0].Units == "BQML"
    assert float(slices[0].DecayFactor) == pytest.approx(1.0 + 0.5 * np.log(2) * 600 / 360806.4, rel=1e-6)


def test_structure_set_reproduces_the_lesions(patient: SyntheticPatient, folder: Path) -> None:
    scan = imaging.read_pet(folder / "24h" / "PET")
    masks = imaging.read_masks(folder / "24h" / "RTSTRUCT.dcm", patient.ct_grid, scan.volume.frame_of_reference)
    assert [m.name for m in masks] == [t.name for t in patient.truth]
    for mask, truth in zip(masks, patient.truth, strict=True):
        assert mask.contour_volume_ml == pytest.approx(truth.volume_ml, rel=1e-6)
        assert mask.volume_ml == pytest.approx(truth.volume_ml, rel=0.01)
        exact = patient.lesion_fraction(truth.label, patient.ct_grid)
        # The overlap of contour and truth; slabs are steps where the sphere curves.
        assert np.minimum(mask.fraction, exact).sum() / exact.sum() > 0.93


def test_import_finds_both_scans_and_the_lesions(folder: Path) -> None:
    found = imaging.sort_folder([folder])
    case = found.to_case_dict(folder)
    assert len(case["visits"]) == 1 and len(case["visits"][0]["scans"]) == 2
    assert case["tracer"]["nuclide"] == "I-124" and case["tracer"]["activity"] == "74 MBq"
    assert str(case["visits"][0]["lesions"]).endswith("RTSTRUCT.dcm")


def test_one_frame_of_reference_only_while_the_patient_lies_still(
    patient: SyntheticPatient, folder: Path, tmp_path: Path
) -> None:
    def frames(where: Path) -> set[str]:
        return {
            str(pydicom.dcmread(f, stop_before_pixels=True).FrameOfReferenceUID)
            for t in ("24h", "96h")
            for f in sorted((where / t / "PET").glob("*.dcm"))[:2]
        }

    assert len(frames(folder)) == 1
    moved = synthetic_patient(
        voxel_mm=16.0, lesions=DEFAULT_LESIONS[:1], shift_mm=(0.0, 3.0, 0.0), extent_mm=(384.0, 256.0, 384.0)
    )
    assert len(frames(moved.save_dicom(tmp_path))) == 2


def test_files_are_written_alike_each_time_and_hold_no_name(
    patient: SyntheticPatient, folder: Path, tmp_path: Path
) -> None:
    again = synthetic_patient(seed=2, voxel_mm=8.0, lesions=DEFAULT_LESIONS[:4]).save_dicom(tmp_path)
    for name in ("24h/PET/0007.dcm", "96h/CT/0031.dcm", "24h/RTSTRUCT.dcm"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()
    assert str(pydicom.dcmread(folder / "24h/PET/0001.dcm").PatientName) == "HEVESY^SYNTHETIC"


@pytest.mark.parametrize("ratios", [(1.0, 1.0, 1.0), (0.5, 1.0, 1.6)])
def test_contour_areas_add_up_to_the_volume(ratios: tuple[float, float, float]) -> None:
    lesion = DEFAULT_LESIONS[0]
    shape = lesion_shape(type(lesion)("a", "node", (301.3, 7.7, -33.3), 0.7, 0.1, 60.0, ratios=ratios))
    grid = synthetic_patient().ct_grid
    volume = 0.0
    for _, points in ellipsoid_contours(shape, grid):
        x, y = points[:, 0], points[:, 1]
        volume += 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) * grid.spacing_mm[0]
    assert volume * 1e-3 == pytest.approx(0.7, rel=1e-9)
