"""A run reads each file once: DICOM headers, pixels, structure files, volumes and label maps."""

from collections import Counter

import hevesy
import numpy as np
import pydicom
import pytest
from hevesy.engine.grid import Grid
from hevesy.engine.imaging.formats.header import VolumeHeader
from hevesy.engine.imaging.source import Sources
from hevesy.tests.unit.dicom_factory import sphere_contours, uid, write_pet, write_rtstruct, write_seg, write_series
from hevesy.tests.unit.moving_body import write_case

GRID = Grid((12, 14, 14), (4.0, 4.0, 4.0), (-22.0, -26.0, -26.0))
LESIONS = {"left": (-10.0, 0.0, 0.0), "right": (10.0, 0.0, 0.0)}  # x, y, z


def distance(centre):
    points = GRID.index_to_xyz(np.stack(np.meshgrid(*map(np.arange, GRID.shape), indexing="ij"), axis=-1))
    return np.linalg.norm(points - np.array(centre), axis=-1)


@pytest.fixture
def reads(monkeypatch):
    """Calls of ``pydicom.dcmread`` by file name and whether pixels were asked for, and readings of volumes."""
    counted = Counter()
    dcmread, voxels = pydicom.dcmread, VolumeHeader.values

    def count_dicom(path, *args, stop_before_pixels=False, **more):
        counted[path.name, "header" if stop_before_pixels else "pixels"] += 1
        return dcmread(path, *args, stop_before_pixels=stop_before_pixels, **more)

    def count_volume(header, dtype):
        counted[header.file.name, "volume"] += 1
        return voxels(header, dtype)

    monkeypatch.setattr(pydicom, "dcmread", count_dicom)
    monkeypatch.setattr(VolumeHeader, "values", count_volume)
    return counted


def write_pile(folder, structures):
    """Two PETs, the CT that serves both, and two lesions, all in one folder; the case addresses them by series."""
    values = 500.0 + 20000.0 * sum(np.exp(-((distance(c) / 6.0) ** 2)) for c in LESIONS.values())
    ct = write_series(folder, np.full(GRID.shape, 40.0), GRID, series="ct")
    for day, share in (("20260106", 1.0), ("20260109", 0.4)):
        dates = {"StudyDate": day, "SeriesDate": day, "AcquisitionDate": day}
        write_pet(folder, share * values, GRID, series=f"pet {day}", **dates)
    if structures == "SEG":
        masks = {name: (distance(c) < 7.0).astype(float) for name, c in LESIONS.items()}
        source = write_series(folder.parent / "ct alone", np.full(GRID.shape, 40.0), GRID, series="ct")
        write_seg(folder / "lesions.dcm", source, masks)
    else:
        contours = {name: sphere_contours(7.0, c, 2.0) for name, c in LESIONS.items()}
        write_rtstruct(folder / "lesions.dcm", contours)
    pets = [f"{folder.name}#{uid(f'pet {day}', 'PT')}" for day in ("20260106", "20260109")]
    data = {
        "patient": "P01",
        "therapy": {"nuclide": "I-131", "activity": "7.4 GBq"},
        "tracer": {"nuclide": "I-124"},
        "visits": [
            {
                "scans": [{"pet": pet, "ct": f"{ct.name}#{uid('ct', 'CT')}"} for pet in pets],
                "lesions": f"{folder.name}/lesions.dcm",
            }
        ],
        "recovery": {"fwhm": "6 mm"},
    }
    return hevesy.Case.from_dict(data, base=folder.parent)


@pytest.mark.parametrize("structures", ["RTSTRUCT", "SEG"])
def test_a_run_reads_each_dicom_file_once(tmp_path, reads, structures):
    case = write_pile(tmp_path / "pile", structures)
    reads.clear()  # writing the SEG read its CT
    outcome = hevesy.run(case, method="local")
    assert [lesion.lesion for lesion in outcome.lesions] == ["left", "right"]
    assert all(lesion.recovery["coefficient"] < 0.9 for lesion in outcome.lesions)  # fine masks were made
    slices = [path.name for path in (tmp_path / "pile").iterdir() if path.name != "lesions.dcm"]
    assert len(slices) == 3 * GRID.shape[0]
    assert {name: (reads[name, "header"], reads[name, "pixels"]) for name in slices} == dict.fromkeys(slices, (1, 1))
    pixels = int(structures == "SEG")
    assert (reads["lesions.dcm", "header"], reads["lesions.dcm", "pixels"]) == (1, pixels)
    assert sum(reads.values()) == 2 * len(slices) + 1 + pixels


def test_a_run_reads_each_volume_and_label_map_once(tmp_path, reads):
    outcome = hevesy.run(write_case(tmp_path, (5.0, -3.4, 6.2), "alignment: {model: rigid}\n"), method="local")
    assert outcome.lesions[0].recovery["coefficient"] < 0.9
    names = ["pet_24", "pet_96", "ct_24", "ct_96", "lesions"]
    assert reads == {(f"{name}.nii.gz", "volume"): 1 for name in names}


def test_sources_share_the_headers_of_a_folder(tmp_path, reads):
    """Geometry and frame of reference come from headers alone; two series of one folder read its headers once."""
    folder = tmp_path / "pile"
    for series in ("a", "b"):
        write_series(folder, np.full(GRID.shape, 40.0), GRID, series=series)
    sources = Sources()
    for series in ("a", "b", "a"):
        stack = sources.open(f"{folder}#{uid(series, 'CT')}").stack("CT", "CT")
        assert stack.grid.same_as(GRID) and stack.frame_of_reference == uid("frame")
        assert {header.series for header in stack.headers} == {uid(series, "CT")}
    assert set(reads.values()) == {1} and {kind for _, kind in reads} == {"header"}
