"""The source and directions: voxels, positions, spectra, lines, numbers of particles, rotations."""

from __future__ import annotations

import numpy as np
import pytest
from hevesy.engine.nuclides.decay import nuclide
from hevesy.engine.nuclides.emission import Emission
from hevesy.kernels.emission import CATEGORY_COLUMNS
from hevesy.kernels.tables import ELECTRON, PHOTON, POSITRON
from hevesy.tests.verification.budget import ALPHA, assert_law, assert_share, chi_square, quantile
from hevesy.tests.verification.drivers import block, kernel, repeat, world_of

N = 400_000


def test_uniform_numbers_in_pairs() -> None:
    """Neighbouring numbers of a draw, and of neighbouring histories and addresses, fill the square evenly."""
    draw4 = kernel("rng").draw4

    def body(out, i, key, counters):
        a, b, c, d = draw4(key, np.int32(1))
        e, f, g, h = draw4(key, np.int32(2))
        out[i, 0], out[i, 1], out[i, 2], out[i, 3], out[i, 4] = a, b, c, d, e

    x = repeat(body, N, 5)
    pairs = [(x[:, j], x[:, j + 1]) for j in range(4)] + [(x[:-1, 0], x[1:, 0])]
    for a, b in pairs:
        counts, _, _ = np.histogram2d(a, b, bins=40, range=[[0, 1], [0, 1]])
        assert chi_square(counts.ravel(), np.full(1600, 1 / 1600)) > ALPHA


def test_isotropy() -> None:
    isotropic, draw4 = kernel("geometry").isotropic, kernel("rng").draw4

    def body(out, i, key, counters):
        a, b, c, d = draw4(key, np.int32(1))
        out[i, 0], out[i, 1], out[i, 2] = isotropic(a, b)

    directions = repeat(body, N, 3)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, atol=5e-7)
    edges = np.linspace(-1, 1, 41)
    for axis in range(3):
        assert_law(directions[:, axis], edges, np.full(40, 1 / 40), f"cosine on axis {axis}")
    azimuth = np.arctan2(directions[:, 1], directions[:, 0])
    counts, _, _ = np.histogram2d(directions[:, 2], azimuth, bins=20, range=[[-1, 1], [-np.pi, np.pi]])
    assert chi_square(counts.ravel(), np.full(400, 1 / 400)) > ALPHA


@pytest.mark.parametrize("start", [(0, 0, 1), (0, 0, -1), (1, 0, 0), (0.6, -0.48, 0.64), (1e-4, 0, 1)])
def test_rotation(start) -> None:
    """The turned direction has the asked polar angle and a uniform azimuth about the old one."""
    rotate, draw4, cos_sin_2pi = kernel("geometry").rotate, kernel("rng").draw4, kernel("geometry").cos_sin_2pi

    def body(out, i, key, counters, u, v, w):
        a, b, c, d = draw4(key, np.int32(1))
        cosine = np.float32(2.0) * a - np.float32(1.0)
        cos_phi, sin_phi = cos_sin_2pi(b)
        out[i, 0], out[i, 1], out[i, 2] = rotate(u, v, w, cosine, cos_phi, sin_phi)
        out[i, 3] = cosine

    old = np.array(start, float) / np.linalg.norm(start)
    out = repeat(body, N // 4, 4, *(np.float32(v) for v in old))
    new, cosine = out[:, :3], out[:, 3]
    np.testing.assert_allclose(np.linalg.norm(new, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(new @ old, cosine, atol=2e-6)
    e1 = np.cross(old, [0.0, 1.0, 0.0] if abs(old[1]) < 0.9 else [1.0, 0.0, 0.0])
    e1 /= np.linalg.norm(e1)
    azimuth = np.arctan2(new @ np.cross(old, e1), new @ e1)
    assert_law(azimuth, np.linspace(-np.pi, np.pi, 41), np.full(40, 1 / 40), "azimuth")


def test_opposite_azimuths_keep_momentum_in_a_plane() -> None:
    """Two particles at phi and phi + pi lie in one plane with the old direction, also at the poles."""
    rotate, draw4, cos_sin_2pi = kernel("geometry").rotate, kernel("rng").draw4, kernel("geometry").cos_sin_2pi

    def body(out, i, key, counters):
        a, b, c, d = draw4(key, np.int32(1))
        w = np.float32(1.0) - np.float32(2e-7) * c
        w = w if d < np.float32(0.5) else -w
        s = np.float32(np.sqrt(max(np.float32(1.0) - w * w, np.float32(0.0))))
        x, y = cos_sin_2pi(b)
        out[i, 0], out[i, 1], out[i, 2] = rotate(s, np.float32(0.0), w, np.float32(0.5), x, y)
        out[i, 3], out[i, 4], out[i, 5] = rotate(s, np.float32(0.0), w, np.float32(0.5), -x, -y)

    out = repeat(body, 20_000, 6)
    across = out[:, :2] + out[:, 3:5]
    assert np.abs(across).max() < 2e-3


def test_every_voxel_gets_its_due_decays() -> None:
    """Stratified: the count of a voxel differs from its share by less than two, in every batch."""
    rng = np.random.default_rng(3)
    source = np.where(rng.random((5, 6, 7)) < 0.6, rng.random((5, 6, 7)) ** 4, 0.0).astype(np.float32)
    world = world_of(block(Emission(electron_lines=np.array([[0.1, 1.0]])), source.shape, source=source))
    source_voxel, philox, unit = kernel("emission").source_voxel, kernel("rng").philox, kernel("rng").unit
    n = 50_000

    def body(out, i, key, counters, world, n):
        a, b, c, d = philox(np.uint32(0), key.stream, key.history_low, key.history_high, key.seed_low, key.seed_high)
        out[i, 0] = source_voxel(world, np.int64(i), n, a)
        out[i, 1] = unit(b)

    out = repeat(body, n, 2, world, np.int64(n))
    counts = np.bincount(out[:, 0].astype(int), minlength=source.size)
    due = source.ravel().astype(float) / source.sum(dtype=float) * n
    assert np.abs(counts - due).max() < 2.0
    assert not counts[source.ravel() == 0].any()
    # inside a voxel the position does not know which of its decays it belongs to
    busiest = out[:, 0] == counts.argmax()
    assert_law(out[busiest, 1], np.linspace(0, 1, 11), np.full(10, 0.1), "position")


def test_beta_spectrum_is_sampled_as_listed() -> None:
    """Straight lines between the listed points, zeros and jumps included; plain and stratified numbers."""
    mev = np.array([0.0, 0.02, 0.1, 0.1001, 0.35, 0.5, 0.61])
    density = np.array([3.0, 5.0, 4.0, 1.0, 2.5, 0.0, 0.8])
    world = world_of(block(Emission(beta_mev=mev, beta_per_mev=density)))
    energy, draw4 = kernel("emission").emission_energy, kernel("rng").draw4
    stratified, batch_shift = kernel("emission").stratified, kernel("emission").batch_shift
    batch_words = kernel("emission").batch_words

    def body(out, i, key, counters, world):
        a, b, c, d = draw4(key, np.int32(1))
        out[i, 0] = energy(world, np.int32(0), a)
        phase, mask = batch_shift(batch_words(key.seed_low, key.seed_high, np.int64(i)), np.int32(0))
        out[i, 1] = energy(world, np.int32(0), stratified(np.int64(i), mask))
        first, mask = batch_shift(batch_words(key.seed_low, key.seed_high, np.int64(5)), np.int32(0))
        out[i, 2] = energy(world, np.int32(0), stratified(np.int64(i), mask))

    plain, shifted, net = repeat(body, 1 << 18, 3, world).T
    edges = np.unique(np.concatenate([mev, np.linspace(0, 0.61, 62)]))
    value = np.interp(edges, mev, density)
    p = 0.5 * (value[1:] + value[:-1]) * np.diff(edges)
    p /= p.sum()
    assert_law(plain, edges, p, "plain")
    # a new digital shift for every number: each single energy keeps its exact distribution
    assert_law(shifted, edges, p, "random shift")
    # one shift: 2^18 numbers fill 2^18 equal cells once each, so counts are off by rounding at the edges only
    counts, _ = np.histogram(net, edges)
    assert np.abs(counts - p * net.size).max() < 12


@pytest.mark.parametrize("name", ["I-131", "I-124", "Lu-177"])
def test_lines_spectra_and_numbers_of_a_nuclide(name) -> None:
    """Energy per decay of every category within its statistics, and the number of particles exactly."""
    emission = nuclide(name).emission
    world = world_of(block(emission))
    module = kernel("emission")
    count, energy, stratified, batch_shift, batch_words = (
        module.emission_count, module.emission_energy, module.stratified, module.batch_shift, module.batch_words,
    )  # fmt: skip
    n, per_batch = 100_000, 1000

    def body(out, i, key, counters, world, category, per_batch):
        batch, index = np.int64(i // per_batch), np.int64(i % per_batch)
        phase, mask = batch_shift(batch_words(key.seed_low, key.seed_high, batch), category)
        first, number = count(world.emission_rate[category], index, phase)
        out[i, 0] = number
        total = 0.0
        for j in range(number):
            total += energy(world, category, stratified(first + j, mask))
        out[i, 1] = total

    kinds = {PHOTON: 0.0, ELECTRON: 0.0, POSITRON: 0.0}
    numbers = dict(kinds)
    spread = dict(kinds)
    for category in range(int(world.n_categories)):
        out = repeat(body, n, 2, world, np.int32(category), np.int64(per_batch))
        kind = int(world.emission_index[CATEGORY_COLUMNS * category])
        rate = float(world.emission_rate[category]) / 2**32
        batches = out[:, 0].reshape(-1, per_batch).sum(axis=1)
        # in every batch: rate x decays, rounded up or down
        assert np.abs(batches - rate * per_batch).max() < 1.0
        least = int(np.floor(rate * per_batch))
        assert_share(int((batches - least).sum()), batches.size, rate * per_batch - least, what="rounded up")
        numbers[kind] += out[:, 0].mean()
        kinds[kind] += out[:, 1].mean()
        spread[kind] += out[:, 1].reshape(-1, per_batch).mean(axis=1).var() / (n / per_batch)
    cut_e, cut_p = 0.01, 0.001
    lines = emission.electron_lines[emission.electron_lines[:, 0] > cut_e]
    gammas = emission.photon_lines[emission.photon_lines[:, 0] > cut_p]

    def first_moment(mev, density):
        if len(mev) < 2:
            return 0.0
        a, b, x, y = density[:-1], density[1:], mev[:-1], mev[1:]
        return float(((y - x) / 6 * (a * (2 * x + y) + b * (x + 2 * y))).sum())

    expected = {
        ELECTRON: (lines[:, 0] * lines[:, 1]).sum() + first_moment(emission.beta_mev, emission.beta_per_mev),
        PHOTON: (gammas[:, 0] * gammas[:, 1]).sum(),
        POSITRON: first_moment(emission.positron_mev, emission.positron_per_mev),
    }
    for kind, value in expected.items():
        if value:
            # float32 tables hold energies and probabilities to 1e-7; the rest is statistics
            assert abs(kinds[kind] - value) < quantile() * np.sqrt(spread[kind]) + 1e-6 * value, kind


def test_unit_cells_are_the_ones_of_the_paper() -> None:
    """A batch's energies are a shifted van der Corput sequence: every aligned run of 2^k fills 2^k cells once."""
    stratified = kernel("emission").stratified

    def body(out, i, key, counters, mask):
        out[i, 0] = stratified(np.int64(i), mask)

    for mask in (0, 0x5A5A1234, 0xFFFFFFFF):
        (x,) = repeat(body, 4096, 1, np.uint32(mask)).T
        for k in (16, 256, 4096):
            cells = np.floor(x.reshape(-1, k) * k).astype(int)
            assert (np.sort(cells, axis=1) == np.arange(k)).all()
