"""The background of a lesion: its mean where nothing else is near, and the same beside an organ with uptake."""

import numpy as np
import pytest
from hevesy.engine.grid import Grid
from hevesy.engine.pipeline.lesion_views import LesionView, without_organs

GRID = Grid((30, 30, 30), (4.0, 4.0, 4.0))
DISTANCE = np.sqrt(sum(((axis - 14.5) * 4.0) ** 2 for axis in np.indices(GRID.shape)))
LESION = (DISTANCE < 12.0).astype(np.float32)


def view(values):
    return LesionView(values, LESION, np.zeros(GRID.shape, bool), np.ones(GRID.shape), GRID, 8.0)


def noisy(seed, cov=0.3):
    values = 1000.0 * np.random.default_rng(seed).gamma(cov**-2, cov**2, GRID.shape)
    return np.where(LESION > 0, 20_000.0, values)


@pytest.mark.parametrize("cov", [0.05, 0.3, 0.5])
def test_a_clean_background_keeps_its_mean(cov):
    """Gamma noise; what clipping takes away stays below 0.3 % of the mean, over 200 shells."""
    rng = np.random.default_rng(3)
    means = [without_organs(1000.0 * rng.gamma(cov**-2, cov**2, 800)).mean() for _ in range(200)]
    expected = cov / np.sqrt(800.0 * 200.0)  # relative standard error of the mean of means
    assert abs(np.mean(means) / 1000.0 - 1.0) < 0.003 + 4.0 * expected


def test_a_background_with_little_noise_is_not_touched():
    values = np.linspace(900.0, 1100.0, 101)
    np.testing.assert_array_equal(without_organs(values), values)
    flat = np.r_[np.full(90, 1000.0), np.linspace(1000.0, 1400.0, 10)]  # the lesion's own spill
    np.testing.assert_array_equal(without_organs(flat), flat)


@pytest.mark.parametrize("share", [0.05, 0.15, 0.3])
def test_a_bladder_near_the_lesion_is_no_background(share):
    clean = noisy(1)
    plain = view(clean)
    near = clean.copy()
    shell = np.argwhere(plain.shell)
    organ = shell[np.argsort(shell[:, 0])[: int(share * len(shell))]]  # one side of the shell
    near[tuple(organ.T)] *= 12.0
    beside = view(near)
    assert near[plain.shell].mean() > 1.5 * plain.background  # the plain mean would be this far off
    assert beside.background == pytest.approx(plain.background, rel=0.03)
    assert beside.background_sigma < 2.0 * plain.background_sigma


def test_no_shell_is_no_background():
    nothing = LesionView(np.ones(GRID.shape), LESION, np.zeros(GRID.shape, bool), np.zeros(GRID.shape), GRID, 8.0)
    assert nothing.background == 0.0 and nothing.background_sigma == 0.0


def test_a_few_voxels_of_noise_stay():
    """What moves the mean by less than a twentieth is kept to the last digit."""
    values = np.r_[np.linspace(900.0, 1100.0, 400), 6000.0, 7000.0]
    np.testing.assert_array_equal(without_organs(values), values)
    organ = np.r_[np.linspace(900.0, 1100.0, 400), np.full(8, 6000.0)]
    np.testing.assert_array_equal(without_organs(organ), organ[:400])
