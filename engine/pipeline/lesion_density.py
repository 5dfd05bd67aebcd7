"""The density of a lesion itself, where the voxels on its edge hold some of its surroundings.

A nodule of soft tissue in lung, contoured on 4 mm voxels, shares its edge voxels with lung: the mean density
in the contour is too low, and a dose per mass too high by as much. Each voxel is taken as a mixture,
rho_i = w_i rho_L + (1 - w_i) rho_B, and the two densities follow by least squares over the neighbourhood.
A contour that is drawn too wide still takes in some of the surroundings: :func:`density_slope` says how much.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import center_of_mass, convolve1d

from ..grid import Grid
from ..imaging.resample import resample_fraction

#: A mask with fewer edge fractions than this share of its voxels is a label map: whole voxels only.
LABEL_MAP_SHARE = 0.01


def mixing_fractions(fraction: np.ndarray) -> np.ndarray:
    """Share of the lesion in each voxel (nz, ny, nx), cropped arrays with a margin of one voxel or more.

    Volume fractions are used as they are. A label map has none: its edge passes somewhere through the outer
    voxels, those inside it being filled to 3/4 and those outside to 1/4 on average for a flat edge, which is
    what the filter (1, 2, 1)/4 along each axis gives.
    """
    weight = np.asarray(fraction, dtype=np.float64)
    partial = np.count_nonzero((weight > 0.004) & (weight < 0.996))
    if partial > LABEL_MAP_SHARE * np.count_nonzero(weight):
        return weight
    for axis in range(3):
        weight = convolve1d(weight, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
    return weight


def lesion_density(fraction: np.ndarray, density_g_cm3: np.ndarray) -> float:
    """Density of the lesion without its surroundings [g/cm3].

    Parameters
    ----------
    fraction
        Volume fractions of the lesion (nz, ny, nx).
    density_g_cm3
        Mean mass density of each voxel on the same grid.

    Returns
    -------
    float
        Least squares, voxels weighted by their share of the lesion; limited to the range of
        densities in the mask, since two densities are a simplification.
    """
    index = np.nonzero(fraction > 0)
    box = Grid.bounding_box(fraction, 2)
    share = mixing_fractions(fraction[box])
    near = share > 0
    w, rho = share[near], np.asarray(density_g_cm3[box], dtype=np.float64)[near]
    inside = np.asarray(density_g_cm3[index], dtype=np.float64)
    mean = float(np.average(inside, weights=fraction[index]))
    root = np.sqrt(w)
    design = np.stack([w, 1.0 - w], axis=1) * root[:, None]
    if np.ptp(w) < 0.05:
        return mean  # no edge in sight
    (own, _), *_ = np.linalg.lstsq(design, rho * root, rcond=None)
    return float(np.clip(own, inside.min(), inside.max()))


#: Change of ln(volume) over which the density's dependence on the contour is taken, each way.
SLOPE_STEP = 0.15


def density_slope(mask: np.ndarray, own: Grid, density_g_cm3: np.ndarray, grid: Grid) -> float:
    """d ln(density) / d ln(volume) of a lesion: how its density follows a contour drawn wider or narrower.

    The mask is scaled about its centre and the density computed again. Near zero in soft tissue; about -0.2 for a
    nodule in lung on 4 mm voxels, whose mass then grows less than its volume.

    Parameters
    ----------
    mask, own
        Volume fractions of the mask (nz, ny, nx) and their grid, best on small voxels.
    density_g_cm3, grid
        Mass density of the surroundings on the dose grid.
    """
    centre = own.index_to_xyz(np.array(center_of_mass(mask)))
    corner = own.index_to_xyz(np.zeros(3))
    densities = []
    for change in (-SLOPE_STEP, SLOPE_STEP):
        scale = float(np.exp(change / 3.0))
        x, y, z = (float(v) for v in centre + scale * (corner - centre))
        dz, dy, dx = (scale * step for step in own.spacing_mm)
        drawn = resample_fraction(mask, Grid(own.shape, (dz, dy, dx), (z, y, x), own.direction), grid)
        densities.append(lesion_density(drawn, density_g_cm3))
    return float(np.log(densities[1] / densities[0]) / (2.0 * SLOPE_STEP)) if min(densities) > 0.0 else 0.0
