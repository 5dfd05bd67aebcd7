"""Slices on an even grid: the largest error decides, in a stack of any height and with rounded positions."""

from pathlib import Path

import numpy as np
import pytest
from hevesy.engine.errors import InputError
from hevesy.engine.imaging.dicom.find import Header
from hevesy.engine.imaging.dicom.positions import Plane, even_grid
from pydicom.dataset import Dataset

AXIAL = np.array([1.0, 0, 0, 0, 1, 0])


def judged(z, x=None, pixel=2.0):
    """The affine of slices at ``z`` (and ``x``) [mm], and the remarks."""
    x = np.zeros(len(z)) if x is None else np.asarray(x, float)
    planes = [
        Plane(np.array([a, 0.0, b]), AXIAL, np.array([pixel, pixel]), (64, 64)) for a, b in zip(x, z, strict=True)
    ]
    headers = [Header(Path(f"ct/{i}.dcm"), Dataset()) for i in range(len(z))]
    return even_grid(headers, planes, "CT")


def test_an_even_stack_has_no_remark():
    affine, notes = judged(1.0 + 2.0 * np.arange(40))
    assert notes == [] and affine[2, 0] == 2.0 and affine[2, 3] == 1.0


def test_a_whole_body_pet_whose_beds_overlap_unevenly():
    """267 slices at 3.27 mm, one gap of 3.19 mm and four of 3.29 mm: no slice is off by more than 0.08 mm."""
    gaps = np.full(266, 3.27)
    gaps[130], gaps[[20, 75, 180, 240]] = 3.19, 3.29
    z = np.concatenate([[0.0], np.cumsum(gaps)])
    worst = np.max(np.abs(z - np.linspace(0.0, z[-1], 267)))
    affine, notes = judged(z)
    assert 0.02 < worst < 0.08 and f"up to {worst:.2g} mm" in notes[0]
    assert affine[2, 0] == pytest.approx(z[-1] / 266)


@pytest.mark.parametrize("count", [4, 5, 20, 600])
@pytest.mark.parametrize(("step", "decimals"), [(2.0, 6), (0.625, 1), (3.27, 2), (1.25, 1), (5.0, 0)])
def test_a_missing_slice_is_found_wherever_it_is(count, step, decimals):
    z = np.round(0.3 + step * np.arange(count), decimals)
    judged(z)
    for lost in {1, count // 2, count - 2}:
        with pytest.raises(InputError, match="1 slice missing in the CT series between") as caught:
            judged(np.delete(z, lost))
        assert f"{z[lost - 1]:.2f} and {z[lost + 1]:.2f} mm" in str(caught.value)


def test_several_missing_slices_are_counted():
    z = np.delete(2.0 * np.arange(50), [10, 11, 12, 30])
    with pytest.raises(InputError, match=r"4 slices missing .* 2 such places"):
        judged(z)


@pytest.mark.parametrize("z", [[0, 1, 2.5, 4], [0, 2, 4, 6.6, 8, 10], [0, 3, 6, 10]])
def test_uneven_slices_are_refused(z):
    with pytest.raises(InputError, match="in the CT series between"):
        judged(np.array(z, float))


def test_slices_at_one_place_are_refused():
    with pytest.raises(InputError, match=r"same position, 4.00 mm .*\(ct/2.dcm and ct/3.dcm; 1 such pair\)"):
        judged([0.0, 2, 4, 4, 6])
    with pytest.raises(InputError, match="same position"):
        judged([0.0, 2, 4, 4.05, 6])


def test_a_drift_of_half_a_pixel_over_the_stack_is_too_much():
    count, z = 500, 2.0 * np.arange(500)
    assert judged(z, np.linspace(0.0, 0.1, count))[1] == []
    (note,) = judged(z, np.linspace(0.0, 0.9, count))[1]
    assert "shifted against each other by up to 0.9 mm" in note
    with pytest.raises(InputError, match="gantry tilt"):
        judged(z, np.linspace(0.0, 1.1, count))


def test_one_shifted_slice_is_named():
    x = np.zeros(40)
    x[12] = 5.0
    with pytest.raises(InputError, match=r"shifted in its plane by 5 mm against the others \(number 13 of 40"):
        judged(2.0 * np.arange(40), x)
