"""Multi-frame objects are read as the classic series they say the same as, to the last digit."""

import numpy as np
import pydicom
import pytest
from hevesy.engine import imaging
from hevesy.engine.errors import InputError
from hevesy.engine.imaging.dicom.find import read_header
from hevesy.engine.imaging.dicom.frames import frames_of
from hevesy.phantoms.traps.objects import enhanced_pet
from hevesy.phantoms.traps.patient import at, pet_truth, uid, write_ct, write_pet
from highdicom.legacy import LegacyConvertedEnhancedCTImage, LegacyConvertedEnhancedPETImage


def converted(folder, kind):
    slices = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    path = folder.with_name(folder.name + ".dcm")
    kind(slices, uid("whole"), 3, uid("whole", 1), 1).save_as(path)
    return path


def slopes(data, number):
    """Another scale and time in each slice, as scanners write them."""
    data.RescaleSlope = f"{0.5 + 0.001 * number:.6f}"
    data.AcquisitionTime = f"0900{number:02d}"


def test_a_legacy_converted_pet_is_the_classic_one(tmp_path):
    classic = write_pet(tmp_path / "pet", change=slopes)
    whole = converted(classic, LegacyConvertedEnhancedPETImage)
    a, b = imaging.read_pet(classic), imaging.read_pet(whole)
    np.testing.assert_array_equal(a.volume.values, b.volume.values)
    assert a.volume.grid == b.volume.grid and a.time_h == b.time_h and a.tracer == b.tracer
    assert a.administered_activity_mbq == b.administered_activity_mbq and a.scan_start == b.scan_start
    assert a.assumptions == b.assumptions and a.volume.notes == b.volume.notes


def test_a_legacy_converted_pet_without_decay_correction(tmp_path):
    classic = write_pet(tmp_path / "pet", change=slopes, DecayCorrection="NONE", CorrectedImage=["ATTN"])
    whole = converted(classic, LegacyConvertedEnhancedPETImage)
    a, b = imaging.read_pet(classic), imaging.read_pet(whole)
    np.testing.assert_array_equal(a.volume.values, b.volume.values)
    assert a.assumptions == b.assumptions


def test_a_legacy_converted_ct_is_the_classic_one(tmp_path):
    classic = write_ct(tmp_path / "ct")
    whole = converted(classic, LegacyConvertedEnhancedCTImage)
    a, b = imaging.read_ct(classic), imaging.read_ct(whole)
    np.testing.assert_array_equal(a.values, b.values)
    assert a.grid == b.grid and a.frame_of_reference == b.frame_of_reference


def enhanced(tmp_path, **kwargs):
    enhanced_pet(**kwargs)(tmp_path)
    return tmp_path / "PET24" / "enhanced.dcm"


def test_an_enhanced_pet_says_what_a_classic_one_does(tmp_path):
    frames = frames_of(read_header(enhanced(tmp_path)))
    data = frames[3].dataset
    assert len(frames) == 20 and [frame.frame for frame in frames] == list(range(20))
    assert data.Units == "BQML" and data.ActualFrameDuration == 120_000
    assert data.AcquisitionDate + data.AcquisitionTime == at(24.0).strftime("%Y%m%d%H%M%S")
    assert {"DECY", "ATTN", "SCAT"} <= set(data.CorrectedImage)
    assert float(data.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose) == 74e6
    assert len({frame.instance for frame in frames}) == 20
    scan = imaging.read_pet(tmp_path / "PET24")
    np.testing.assert_allclose(scan.volume.values, pet_truth(), atol=2.0)
    assert scan.time_h == 24.0 and scan.administered_activity_mbq == 74.0


def test_frames_that_the_groups_do_not_describe(tmp_path):
    path = enhanced(tmp_path, change=lambda data: setattr(data, "NumberOfFrames", 40))
    with pytest.raises(InputError, match="describes its frames by 20 items for 40 frames"):
        imaging.read_pet(path)


def test_pixels_of_too_few_frames(tmp_path):
    path = enhanced(tmp_path, change=lambda data: setattr(data, "PixelData", data.PixelData[:-4096]))
    with pytest.raises(InputError, match="the pixels of a DICOM slice cannot be read") as caught:
        imaging.read_pet(path)
    assert "frame" in str(caught.value)


@pytest.mark.parametrize("keyword", ["PlanePositionSequence", "FrameContentSequence"])
def test_a_frame_without_a_position_or_time(tmp_path, keyword):
    def change(data):
        del data.PerFrameFunctionalGroupsSequence[7][keyword]

    path = enhanced(tmp_path, change=change)
    if keyword == "FrameContentSequence":
        assert imaging.read_pet(path).time_h == 24.0
    else:
        with pytest.raises(InputError, match="1 slice missing"):
            imaging.read_pet(path)


def test_compressed_frames(tmp_path):
    path = enhanced(tmp_path)
    plain = imaging.read_pet(path).volume.values
    data = pydicom.dcmread(path)
    data.compress(pydicom.uid.RLELossless)
    data.save_as(path)
    np.testing.assert_array_equal(imaging.read_pet(path).volume.values, plain)


@pytest.mark.parametrize("keyword", ["RescaleSlope", "ImagePositionPatient", "RealWorldValueSlope", "PixelSpacing"])
@pytest.mark.parametrize("kind", ["text", "sequence"])
def test_elements_of_another_type_inside_the_groups(tmp_path, keyword, kind):
    def change(data):
        groups = [data.SharedFunctionalGroupsSequence[0], data.PerFrameFunctionalGroupsSequence[7]]
        for item in (element.value[0] for group in groups for element in group if element.VR == "SQ"):
            if keyword in item:
                del item[keyword]
                value = pydicom.sequence.Sequence([pydicom.Dataset()]) if kind == "sequence" else "text"
                item.add_new(keyword, "SQ" if kind == "sequence" else "LO", value)

    path = enhanced(tmp_path, change=change)
    if keyword == "RescaleSlope":  # the real world values have the scale
        assert imaging.read_pet(path).time_h == 24.0
    else:
        with pytest.raises(InputError):
            imaging.read_pet(path)
