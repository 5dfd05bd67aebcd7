"""Plausibility of a PET image: no NaN, no negative activity, no more activity than was administered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...notes import CAUTION, CONTRADICTION, CRITICAL, NOTE, Note
from ...text import counted

if TYPE_CHECKING:
    from .scan import PetScan

#: Negative values up to this share of the positive ones are noise and ringing: filtered back projection leaves some per
#: cent, and a shift by half a voxel with cubic interpolation 6 % about a sharp lesion of 4 voxels.
NEGATIVE_SHARE = 0.1
#: Cubic and windowed sinc interpolation undershoot beside an edge by up to 15 % of its height: nothing goes deeper.
DEEPEST = 0.2
#: Values below minus this share of the maximum whose neighbours are as negative as they are, by the second share of
#: their sum, are no noise, which changes its sign between voxels, and no ringing, which lies beside a hot voxel: they
#: are unsigned numbers read as signed, whose largest turn negative. The third is the most of the positive sum.
DEEP, AS_NEIGHBOURS, FILLED_SHARE = 0.01, 0.8, 3e-4
#: An image with more than a share of its voxels below the first value [HU], and none above the second, is a CT.
CT_AIR, CT_AIR_SHARE, CT_MOST = -900.0, 0.01, 32_768.0
#: More than is left of the administered activity is said, and by more than the second share refused: calibrators of
#: activity meters agree within 5 % and PET scanners within 10 % of a phantom, and no image sees all of the body.
MOST_SHARE, IMPOSSIBLE_SHARE = 1.0, 1.1
#: An image that holds less than this share shows little of the body (the neck alone), or is in another unit.
LEAST_SHARE = 2e-3
#: SUV of the hottest voxel below which nothing can be right: what circulates, and its noise, are above it in any field
#: of view while a hundredth of the activity is in the body. SUV or kBq/mL read as Bq/mL lie a thousandfold below.
LEAST_SUV = 0.1
#: In a field that holds less than this share, a lesion is seen only if it is hotter than the mean of the body, which
#: has SUV 1: a kilogram of tissue with a hundredth of that mean holds more.
TINY_SHARE, LEAST_SUV_OF_TINY = 1e-4, 1.0
#: Largest value [Bq/mL] to which these two apply: no SUV is higher, and no tracer in kBq/mL. A hotter voxel is refused
#: below the second SUV alone, a tenth of the first: in therapies without a thyroid all but a few per cent leave within
#: two days, and the neck holds little of the rest.
MOST_MISREAD_BQ_ML, LEAST_SUV_OF_HOT = 1e3, 0.01
#: All of these hold for the first days [h]; later they halve with each further day, as fast as a body clears.
FIRST_DAYS_H, CLEARED_H = 48.0, 24.0
#: Least weight [kg] that these SUV are computed with: the bounds are those of an adult, and the activity that a mouse
#: or a child holds is above them all the more.
LEAST_WEIGHT_KG = 70.0
#: Two scans of one visit whose shares and whose hottest voxels both differ by more than this are in different units:
#: a washout between two scans and a smaller field of view take less, and kilo is a thousand.
UNLIKE = 300.0


def check_values(scan: PetScan) -> None:
    """Refuse NaN and negative activity; set noise-level negatives to zero and report it."""
    values, source = scan.volume.values, scan.volume.source or None
    finite = np.isfinite(values)
    bad = int(values.size - np.count_nonzero(finite))
    if bad:
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InputError(
            f"{counted(bad, 'PET voxel', ('is', 'are'))} not a number, the first at [z, y, x] = {list(where)}",
            why="no activity is known there",
            suggestion="repair the image; outside the field of view 0 is usual",
            file=source,
        )
    _without_negatives(scan)
    if not values.any():
        raise InputError(
            "the PET holds no activity",
            why="every voxel is zero",
            suggestion="check the file and its rescale slope",
            file=source,
        )


def _without_negatives(scan: PetScan) -> None:
    """Set negative values to zero where they are noise or ringing, and say so; refuse all others."""
    values, source = scan.volume.values, scan.volume.source or None
    negative = values < 0.0
    count = int(np.count_nonzero(negative))
    if not count:
        return
    least, most = float(values.min()), float(values.max())
    if np.count_nonzero(values < CT_AIR) > CT_AIR_SHARE * values.size and most < CT_MOST:
        raise InputError(
            f"the PET values run from {least:.4g} to {most:.4g}",
            why="an activity concentration cannot be negative; values like these are Hounsfield units of a CT",
            suggestion="check that `pet` names the PET and `ct` the CT",
            file=source,
        )
    positive_sum = float(values[~negative].sum(dtype=np.float64))
    share = -float(values[negative].sum(dtype=np.float64)) / positive_sum if positive_sum > 0 else math.inf
    if share > NEGATIVE_SHARE or least < -DEEPEST * most or _filled(values, most) > FILLED_SHARE * positive_sum:
        raise InputError(
            f"{counted(count, 'PET voxel', ('holds', 'hold'))} negative activity, down to {least:.4g} Bq/mL and "
            f"{100 * share:.2g} % of the positive",
            why="an activity concentration cannot be negative, and noise or resampling would leave less",
            suggestion="use a reconstruction without negative values; check rescale slope and intercept, and whether "
            "unsigned numbers were saved as signed",
            file=source,
        )
    values[negative] = 0.0
    words = (
        f"{counted(count, 'voxel')} with negative activity, down to {least:.3g} Bq/mL and {100 * share:.2g} % of the "
        f"total, {'was' if count == 1 else 'were'} set to zero as noise or ringing of a resampling"
    )
    scan.assumptions.append(Note(words, weight=CAUTION if share > 1e-3 or least < -DEEP * most else NOTE))


def _filled(values: np.ndarray, most: float) -> float:
    """Negative activity [Bq/mL, summed] of deep voxels that lie among others as negative."""
    deep = values < -DEEP * most
    if not deep.any():
        return 0.0
    from scipy.ndimage import uniform_filter

    around = uniform_filter(values, 3, mode="nearest")
    return -float(values[deep & (around < AS_NEIGHBOURS * values)].sum(dtype=np.float64))


def check_total(scan: PetScan) -> None:
    """Compare the activity in the image with what was administered, as a check of units.

    Raises
    ------
    InputError
        More than can be left of it, or less than any field of view holds.
    """
    left_bq = scan.left_bq
    if left_bq is None:
        return
    share, suv = shares(scan)
    held = share * left_bq * 1e-6
    if share > IMPOSSIBLE_SHARE:
        raise InputError(
            f"the PET holds {held:.4g} MBq, {share:.3g} times what is left of the administered "
            f"{scan.administered_activity_mbq:.4g} MBq after {scan.time_h:.4g} h",
            why="there cannot be more than was administered: a unit, a time or the administered activity is wrong",
            suggestion="check that the image is in Bq/mL, and the case's `tracer.activity` and `after`",
            file=scan.volume.source or None,
        )
    cleared = 0.5 ** (max(scan.time_h - FIRST_DAYS_H, 0.0) / CLEARED_H)
    little = suv < LEAST_SUV * cleared or (share < TINY_SHARE * cleared and suv < LEAST_SUV_OF_TINY * cleared)
    hot = float(scan.volume.values.max()) >= MOST_MISREAD_BQ_ML
    if suv < LEAST_SUV_OF_HOT * cleared or (little and not hot):
        raise InputError(
            f"the hottest voxel of the PET holds {float(scan.volume.values.max()):.4g} Bq/mL, an SUV of {suv:.2g}, and "
            f"the image {100.0 * share:.2g} % of what is left of the administered "
            f"{scan.administered_activity_mbq:.4g} MBq after {scan.time_h:.4g} h",
            why="no part of a body holds so little: SUV or kBq/mL may have been read as Bq/mL, or the administered "
            "activity or the time is wrong",
            suggestion="give the image in Bq/mL, or its unit in a sidecar; check `tracer.activity` and `after`",
            file=scan.volume.source or None,
        )
    if share > MOST_SHARE:
        words = (
            f"the image holds {100.0 * share:.4g} % of the administered activity left at the scan; check units and "
            "activity"
        )
        scan.assumptions.append(Note(words, CONTRADICTION, CRITICAL))
    elif share < LEAST_SHARE:
        words = (
            f"the image holds {100.0 * share:.3g} % of the administered activity left at the scan; check "
            "units and activity unless it shows a small part of the body"
        )
        scan.assumptions.append(Note(words, CONTRADICTION, CRITICAL))


def shares(scan: PetScan) -> tuple[float, float]:
    """Share of the activity left at the scan that the image holds, and the SUV of its hottest voxel."""
    left_bq = max(scan.left_bq or 0.0, 1e-300)
    total_bq = float(scan.volume.values.sum(dtype=np.float64)) * scan.volume.grid.voxel_volume_ml
    weight_g = 1e3 * max(scan.weight_kg or 0.0, LEAST_WEIGHT_KG)
    return total_bq / left_bq, float(scan.volume.values.max()) * weight_g / left_bq


def check_alike(scans: Sequence[PetScan], names: Sequence[str]) -> None:
    """Refuse scans of one visit that are in different units, as kBq/mL among Bq/mL.

    Raises
    ------
    InputError
        Both what they hold and their hottest voxels differ too much for one patient.
    """
    known = [(shares(scan), scan, name) for scan, name in zip(scans, names, strict=True) if scan.left_bq]
    for index, ((share, suv), scan, name) in enumerate(known):
        for (other_share, other_suv), _, other in known[:index]:
            apart = min(_times(share, other_share), _times(suv, other_suv))
            if apart > UNLIKE:
                raise InputError(
                    f"the scans {other} and {name} hold {100 * other_share:.3g} % and {100 * share:.3g} % of the "
                    f"activity left at each, and their hottest voxels SUV {other_suv:.3g} and {suv:.3g}",
                    why=f"both differ by more than {UNLIKE:g}: one of them is in another unit",
                    suggestion="give both in Bq/mL, or state the unit of each in a sidecar",
                    file=scan.volume.source or None,
                )


def _times(a: float, b: float) -> float:
    return max(a, b) / max(min(a, b), 1e-300)
