"""Plausibility of a PET image: no NaN, no negative activity, no more activity than was administered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from ...notes import CONTRADICTION, Note
from ...text import counted

if TYPE_CHECKING:
    from .scan import PetScan

#: Negative activity beyond this share of the total, or one voxel beyond 1 % of the maximum, is refused.
NEGATIVE_SHARE = 1e-3
#: An image with more than a share of its voxels below the first value [HU], and none above the second, is a CT.
CT_AIR, CT_AIR_SHARE, CT_MOST = -900.0, 0.01, 32_768.0
#: Shares of the administered activity (decayed to the scan) in the image: below the first a unit is
#: doubtful (SUV or kBq/mL read as Bq/mL give about 0.001), above the second something is wrong, above the
#: third it is refused.
LEAST_SHARE, MOST_SHARE, IMPOSSIBLE_SHARE = 2e-3, 1.1, 2.0


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
    negative = values < 0.0
    count = int(np.count_nonzero(negative))
    positive_sum = float(values[~negative].sum(dtype=np.float64))
    if count:
        share = -float(values[negative].sum(dtype=np.float64)) / positive_sum if positive_sum > 0 else math.inf
        if np.count_nonzero(values < CT_AIR) > CT_AIR_SHARE * values.size and float(values.max()) < CT_MOST:
            raise InputError(
                f"the PET values run from {float(values.min()):.4g} to {float(values.max()):.4g}",
                why="an activity concentration cannot be negative; values like these are Hounsfield units of a CT",
                suggestion="check that `pet` names the PET and `ct` the CT",
                file=source,
            )
        if share > NEGATIVE_SHARE or float(values.min()) < -0.01 * float(values.max()):
            raise InputError(
                f"{counted(count, 'PET voxel', ('holds', 'hold'))} negative activity, "
                f"down to {float(values.min()):.4g} Bq/mL",
                why="an activity concentration cannot be negative",
                suggestion="use a reconstruction without negative values; check rescale slope and intercept",
                file=source,
            )
        values[negative] = 0.0
        scan.assumptions.append(
            f"{counted(count, 'voxel')} with negative activity, {100 * share:.2g} % of the total, "
            f"{'was' if count == 1 else 'were'} set to zero"
        )
    if positive_sum == 0.0:
        raise InputError(
            "the PET holds no activity",
            why="every voxel is zero",
            suggestion="check the file and its rescale slope",
            file=source,
        )


def check_total(scan: PetScan) -> None:
    """Compare the activity in the image with what was administered, as a check of units."""
    if not scan.administered_activity_mbq or not scan.half_life_s:
        return
    left_bq = scan.administered_activity_mbq * 1e6 * 0.5 ** (scan.time_h * 3600.0 / scan.half_life_s)
    total_bq = float(scan.volume.values.sum(dtype=np.float64)) * scan.volume.grid.voxel_volume_ml
    share = total_bq / left_bq
    if share > IMPOSSIBLE_SHARE:
        raise InputError(
            f"the PET holds {total_bq * 1e-6:.4g} MBq, {share:.3g} times what is left of the administered "
            f"{scan.administered_activity_mbq:.4g} MBq after {scan.time_h:.4g} h",
            why="there cannot be more than was administered: a unit, a time or the administered activity is wrong",
            suggestion="check that the image is in Bq/mL, and the case's `tracer.activity` and `after`",
            file=scan.volume.source or None,
        )
    if share > MOST_SHARE or share < LEAST_SHARE:
        text = (
            f"the image holds {100.0 * share:.3g} % of the administered activity left at the scan; check "
            "units and activity unless it shows a small part of the body"
        )
        scan.assumptions.append(Note(text, CONTRADICTION))
