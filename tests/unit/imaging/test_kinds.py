"""What a series holds, by its headers: slices of a volume, or something else with the reason."""

import math
from pathlib import Path

import pytest
from hevesy.engine.imaging.dicom.find import Header
from hevesy.engine.imaging.dicom.kinds import main_orientation, no_slice, unusable
from hevesy.phantoms.traps.patient import CT_CLASS, at, base
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

AXIAL, SAGITTAL = [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1]


def image(number=0, change=None, modality="CT", **elements):
    data = base(modality, "s", number, at(24.0), "x")
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 2 * number], AXIAL
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.RescaleSlope, data.RescaleIntercept = "1", "-1024"
    for key, value in elements.items():
        setattr(data, key, value)
    if change:
        change(data)
    return Header(Path(f"{number}.dcm"), data)


def stack_of(count, **elements):
    return [image(number, **elements) for number in range(count)]


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a localizer"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, "a projection"),
        ({"ImageType": ["DERIVED", "PRIMARY", "PROJECTION IMAGE"]}, "a projection"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "a screenshot"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "Secondary Capture"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.4"}, "Secondary Capture"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "colour"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour"),
        ({"ImagePositionPatient": None}, "without a position"),
        ({"ImageOrientationPatient": None}, "without an orientation"),
        ({"CountsSource": "TRANSMISSION"}, "a transmission image"),
    ],
)
def test_what_is_no_slice_says_why(elements, reason):
    assert reason in unusable(stack_of(5, **elements)) and reason in no_slice(image(**elements))


def test_a_stack_of_slices_is_usable():
    assert unusable(stack_of(5)) == "" and unusable(stack_of(5, modality="PT")) == ""


@pytest.mark.parametrize(
    ("elements", "reason"),
    [({"RescaleSlope": None}, "no RescaleSlope"), ({"RescaleIntercept": None}, "no RescaleIntercept"),
     ({"RescaleType": "MGML"}, "in MGML, not in HU")],
)  # fmt: skip
def test_slices_whose_values_mean_nothing_are_unusable(elements, reason):
    assert reason in unusable([*stack_of(4), image(4, **elements)])


def test_a_class_whose_name_only_begins_alike_is_no_screenshot():
    assert unusable(stack_of(3, SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1")) == ""


def test_strays_do_not_make_a_series_unusable():
    localizer = image(9, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], ImageOrientationPatient=SAGITTAL)
    assert unusable([localizer, *stack_of(5)]) == ""
    assert unusable([image(9, ImageOrientationPatient=SAGITTAL), *stack_of(5)]) == ""
    main, others = main_orientation([image(9, ImageOrientationPatient=SAGITTAL), *stack_of(5)])
    assert len(main) == 5 and [h.path.name for h in others] == ["9.dcm"]


def test_one_slice_of_a_scout_is_no_volume():
    assert unusable(stack_of(1)) == "a single slice"
    assert unusable([]) == "no image"


def test_views_about_the_patient():
    def turned(number):
        angle = math.radians(5 * number)
        cosines = [math.cos(angle), math.sin(angle), 0, 0, 0, -1]
        return image(number, ImageOrientationPatient=cosines, ImageType=["DERIVED", "SECONDARY"])

    assert "turn about the patient (72 orientations)" in unusable([turned(i) for i in range(72)])


def test_two_reformats_in_one_series():
    mixed = stack_of(5) + stack_of(4, ImageOrientationPatient=SAGITTAL)
    assert unusable(mixed) == "images of several orientations (5 of one, 4 of others)"


def test_a_multi_frame_object_is_a_volume():
    groups = Sequence([Dataset(), Dataset()])
    enhanced = image(SOPClassUID=CT_CLASS + ".1", NumberOfFrames=2, PerFrameFunctionalGroupsSequence=groups)
    del enhanced.dataset.ImagePositionPatient
    assert unusable([enhanced]) == ""


@pytest.mark.parametrize("value", [[1, 0, 0], "text", None, [math.nan] * 6])
def test_orientations_that_are_none(value):
    def change(data):
        del data.ImageOrientationPatient
        if value is not None:
            data.add_new("ImageOrientationPatient", "LO", [str(v) for v in value])

    assert unusable(stack_of(5, change=change))
