"""The study of local deposition: its cases are what they say, it can be stopped and resumed, its page is current."""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hevesy.engine.dose.compute import compute_dose
from hevesy.engine.dose.local import emitted_energy
from hevesy.engine.dose.map import DoseMap
from hevesy.engine.errors import InputError
from hevesy.engine.transport.run_options import RunOptions
from hevesy.tools.local_vs_mc import methods, page, run, score, spheres, table
from hevesy.tools.local_vs_mc.design import (
    BLURS_MM,
    MEDIA,
    NUCLIDES,
    SOFT,
    SOFT_BONE,
    VOLUMES_ML,
    VOXELS_MM,
    Case,
    design,
    first_pass,
)
from hevesy.tools.signs import with_sign

STUDIES = Path(__file__).resolve().parents[3] / "docs" / "studies"
CASES = (Case("Lu-177", SOFT, 0.3, 6.0), Case("Lu-177", SOFT, 0.3, 6.0, 8.0), Case("I-131", SOFT_BONE, 0.3, 6.0))


def test_the_design_has_every_point_of_every_axis_and_no_case_twice() -> None:
    for cases in (design(), first_pass()):
        assert len({case.name for case in cases}) == len(cases)
        assert len({case.seed for case in cases}) == len(cases)
        for axis, values in (
            ("nuclide", NUCLIDES), ("medium", MEDIA), ("voxel_mm", VOXELS_MM), ("blur_mm", BLURS_MM),
        ):  # fmt: skip
            assert {getattr(case, axis) for case in cases} == set(values)
    assert {case.volume_ml for case in design()} == set(VOLUMES_ML)
    assert set(first_pass()) <= set(design())
    # the loss by blur is stated against the unblurred case, which has to be there
    assert {case.unblurred() for case in design()} <= set(design())


@pytest.mark.parametrize("case", [Case("Y-90", SOFT, 1.0, 2.0), Case("Y-90", SOFT_BONE, 10.0, 4.0, 12.0)])
def test_a_case_is_the_sphere_that_it_says(case: Case) -> None:
    """Volume by the fractions, one decay in all, media on their sides, 50 mm around."""
    made = spheres.built(case)
    volume = made.fraction.sum() * case.voxel_mm**3 * 1e-3
    assert volume == pytest.approx(case.volume_ml, rel=2e-3)
    assert case.diameter_mm == pytest.approx(2.0 * (0.75 * case.volume_ml * 1e3 / math.pi) ** (1 / 3))
    source = made.problem.source.astype(np.float64)
    assert source.sum() == pytest.approx(1.0, rel=1e-5)
    if case.blur_mm == 0.0:
        np.testing.assert_allclose(source / source.max(), made.fraction, atol=1e-6)
    half = made.fraction.shape[0] // 2
    density = np.asarray(made.problem.density_g_cm3)
    assert np.unique(density[:half]) == pytest.approx([1.04])
    assert np.unique(density[half:]) == pytest.approx([1.92 if case.medium == SOFT_BONE else 1.04])
    inside = np.argwhere(made.fraction > 0)
    assert inside.min() * case.voxel_mm >= 50.0 - case.voxel_mm


def test_blur_has_the_width_that_it_says_and_loses_no_activity() -> None:
    point = np.zeros((61, 61, 61))
    point[30, 30, 30] = 1.0
    seen = spheres.blurred(point, 8.0, 2.0)
    assert seen.sum() == pytest.approx(1.0, rel=1e-5)
    offset = 2.0 * (np.arange(61) - 30)
    sigma = math.sqrt(float(seen.sum(axis=(1, 2)) @ offset**2))
    assert sigma * 2.0 * math.sqrt(2.0 * math.log(2.0)) == pytest.approx(8.0, rel=0.01)


def test_local_deposition_of_a_case_is_its_closed_form() -> None:
    """D = N E / m in each voxel, so the mean over the mask is the sphere's times the mean of the fractions in it."""
    case = Case("Lu-177", SOFT, 3.0, 3.0)
    made = spheres.built(case)
    inside = made.fraction[made.fraction > 0]
    energy = emitted_energy(made.problem.emission).charged * 1.602176634e-13
    expected = energy / (1.04e-3 * inside.sum() * 0.027) * (inside @ inside) / inside.sum()
    found = methods.scored("local", case)
    assert found.mean_gy == pytest.approx(expected, rel=1e-4)
    assert found.mean_error_gy == 0.0 and found.d95_error_gy == 0.0


@pytest.mark.parametrize(("case", "images"), [(CASES[0], 48), (CASES[2], 8)])
def test_voxels_that_are_averaged_are_images_of_each_other(case: Case, images: int) -> None:
    """Averaging over them changes nothing in a dose that has the symmetry of sphere and grid."""
    made = spheres.built(replace(case, volume_ml=10.0, voxel_mm=3.0))
    voxels = score.voxels_of(made)
    dose = compute_dose("local", made.problem).mean[voxels.index]
    np.testing.assert_allclose(voxels.folded(dose)[voxels.group], dose, rtol=1e-5)
    assert np.bincount(voxels.group).max() == images
    assert voxels.volume.sum() == pytest.approx(made.fraction.sum())


def test_d95_of_a_noisy_uniform_dose_is_corrected_and_its_error_covers_what_is_left() -> None:
    """1000 voxels of 1 Gy with noise of 5 %: D95 as read is 8 % low; the correction takes off half or more of that.

    Adding the noise once more widens a normal histogram from 1 to sqrt(2) standard deviations, so the first-order
    correction is known: 1.645 (2 - sqrt(2)) = 0.964 standard deviations stay.
    """
    random = np.random.Generator(np.random.Philox(3))
    dose, noise, volume = 1.0 + 0.05 * random.standard_normal(4000), np.full(4000, 0.05), np.ones(4000)
    seen = float(np.quantile(dose, 0.05))
    shift, error = score.noise_of(dose, noise, volume, 95)
    # standard error of a 5 % quantile of 4000 normal values: 0.0017; four of them
    assert seen - shift == pytest.approx(1.0 - 0.05 * 1.645 * (2.0 - math.sqrt(2.0)), abs=0.007)
    assert 0.0005 < error < 0.004


def test_two_seeds_differ_by_their_standard_errors() -> None:
    """Mean and D95 of one sphere by 12 seeds: chi-square of the scatter against the stated errors.

    False alarms: 6e-4 for each of the two (chi-square with 11 degrees of freedom: below 1.6 with 5.2e-4, above 40 with
    3.6e-5).
    """
    case = Case("Lu-177", SOFT, 1.0, 4.0)
    made = spheres.built(case)
    found = []
    for seed in range(12):
        options = RunOptions(
            decays=20_000, seed=seed, backend="cpu", batches=50, regions=score.weights(made), region_names=("s",)
        )
        found.append(methods.simulated("mc", made, options))
    for metric in ("mean", "d95"):
        values = np.array([getattr(one, f"{metric}_gy") for one in found])
        errors = np.array([getattr(one, f"{metric}_error_gy") for one in found])
        chi = float(np.sum((values - values.mean()) ** 2) / np.mean(errors**2))
        assert 1.6 < chi < 40.0, metric


def test_stopped_and_resumed_study_leaves_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run, and another that is killed after its first case and continued: the same table, page and figures."""
    monkeypatch.setattr(run, "design", lambda: CASES)
    for folder in ("whole", "resumed"):
        (tmp_path / folder).mkdir()
        shutil.copy(STUDIES / page.PAGE, tmp_path / folder)

    def words(name: str, *more: str) -> list[str]:
        parts = ["--out", str(tmp_path / name), "--parts", str(tmp_path / f"{name} parts")]
        return [*parts, "--only", "mc,local,local+photons", *more]

    monkeypatch.setattr(Case, "decays", property(lambda self: 20_000))
    assert run.main(words("whole")) == 0

    code = (
        "import os, signal, sys\n"
        "from hevesy.tools.local_vs_mc import methods, run\n"
        "from hevesy.tools.local_vs_mc.design import Case\n"
        f"cases = {CASES!r}\n"
        "run.design = lambda: cases\n"
        "Case.decays = property(lambda self: 20_000)\n"
        "scored, done = methods.scored, []\n"
        "def dies(method, case):\n"
        "    if done:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    done.append(case)\n"
        "    return scored(method, case)\n"
        "methods.scored = dies\n"
        "run.main(sys.argv[1:])\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, *words("resumed")], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list((tmp_path / "resumed parts" / "mc").glob("*.json"))) == 1
    assert not (tmp_path / "resumed" / table.CASES).exists()
    assert run.main(words("resumed")) == 0
    whole, resumed = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("whole", "resumed")
    )
    assert whole == resumed and table.CASES in whole
    rows = table.read(tmp_path / "whole").rows
    assert [r["blur_mm"] for r in rows if r["nuclide"] == "Lu-177"] == [0.0, 8.0]
    assert rows[1]["mean_loss_by_blur_percent"] < -10.0  # a sphere of 8 mm in a PET of 8 mm
    assert all(r["local+photons_mean_bias_percent"] > r["local_mean_bias_percent"] for r in rows)


def test_the_page_and_figures_are_current_with_the_data(tmp_path: Path) -> None:
    for name in (table.CASES, table.PUBLISHED_FILE, page.PAGE):
        shutil.copy(STUDIES / name, tmp_path)
    assert run.main(["--page", "--out", str(tmp_path)]) == 0
    assert (tmp_path / page.PAGE).read_text(encoding="utf-8") == (STUDIES / page.PAGE).read_text(encoding="utf-8")
    for figure in tmp_path.glob("*.svg"):
        assert (STUDIES / figure.name).is_file()
        assert f"]({figure.name})" in (STUDIES / page.PAGE).read_text(encoding="utf-8")


def test_nothing_is_minus_zero() -> None:
    for name in (page.PAGE, "voxel-s.md"):
        text = (STUDIES / name).read_text(encoding="utf-8")
        assert not re.findall(r"(?<![\w.,])[-−]0(?:\.0+)?(?![\w.,])", text), name
    assert [with_sign(value, 1) for value in (-0.04, 0.04, -0.06, 12.0)] == ["+0.0", "+0.0", "-0.1", "+12.0"]


def test_the_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    data = table.read(STUDIES)
    table.write(data, tmp_path)
    assert (tmp_path / table.CASES).read_bytes() == (STUDIES / table.CASES).read_bytes()


def test_a_page_without_its_marks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no place for state"):
        page.filled("# A page\n", table.read(STUDIES), tmp_path / page.PAGE)


def test_a_dose_without_noise_has_no_errors() -> None:
    made = spheres.built(CASES[0])
    dose = DoseMap("local", np.ones(made.fraction.shape), None, "Gy per decay")
    found = score.score(made, dose)
    assert (found.mean_gy, found.d95_gy) == (pytest.approx(1.0), 1.0)
    assert (found.mean_error_gy, found.d95_error_gy, found.d95_shift_gy) == (0.0, 0.0, 0.0)
