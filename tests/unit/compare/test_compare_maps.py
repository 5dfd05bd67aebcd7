"""Dose maps of other programs through ``hevesy compare``: what they cover, their units and names, what they are."""

from __future__ import annotations

import csv
import json
import math
import re
import shlex
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from hevesy.engine.grid import Grid, write_image
from hevesy.engine.privacy import series_code
from hevesy.engine.results.result import Result
from hevesy.tests.unit.compare.test_rtdose import written


@pytest.fixture(scope="module")
def stored(run) -> Result:
    return Result.load(run / "result.h5")


@pytest.fixture(scope="module")
def dose(stored) -> np.ndarray:
    return stored.doses["mc"].mean.copy()


@pytest.fixture(scope="module")
def grid(stored) -> Grid:
    return stored.grid


@pytest.fixture(scope="module")
def middle(stored) -> tuple[int, int, int]:
    """A voxel in the middle of the hot cube."""
    inside = np.argwhere(stored.lesion_masks[stored.lesion_names.index("hot cube")] == 255)
    z, y, x = np.median(inside, axis=0)
    return int(z), int(y), int(x)


@pytest.fixture
def compare(run, command, tmp_path, grid):
    """Compare a map with the run: what ``--json`` prints, with the folder under ``folder``."""

    def call(values, *words, name="=planned", ending="nii.gz"):
        file = write_image(tmp_path / f"map.{ending}", grid, values)
        code, out, err = command(
            "compare",
            run,
            "--methods",
            "mc,local",
            "--with",
            f"{file}{name}",
            "--out",
            tmp_path / "out",
            "--json",
            *words,
        )
        assert code == 0, err
        assert not re.search(r"\b(NaN|Infinity)\b", out)
        return json.loads(out)

    return call


def by_name(told: dict, method: str) -> dict[str, dict]:
    return {one["lesion"]: one[method] for one in told["lesions"]}


def test_a_lesion_that_is_covered_in_part_is_not_compared(compare, command, run, tmp_path, dose, stored, middle):
    """The map ends in the middle of the hot cube: the share is that of the mask, by hand."""
    values = 1.02 * dose
    values[:, :, middle[2] :] = np.nan
    whole = by_name(compare(1.02 * dose), "planned")
    told = compare(values)
    own, seen = by_name(told, "planned"), set()
    for name, mask in zip(stored.lesion_names, stored.lesion_masks, strict=True):
        share = mask[:, :, : middle[2]].sum(dtype=float) / mask.sum(dtype=float)
        assert own[name]["covered_percent"] == pytest.approx(100 * share)
        if share == 1.0:
            assert own[name] == whole[name]
            continue
        seen.add(share == 0.0)
        for key, value in own[name].items():
            assert key in ("covered_percent", "sentence", "visit", "lesion", "role") or value in (None, ""), key
        role = next(one["role"] for one in told["lesions"] if one["lesion"] == name)
        if role == "target":
            words = "no dose here" if share == 0.0 else "of the lesion only, which is not compared"
            assert words in own[name]["sentence"]
            assert any(name in text and "planned" in text for text in told["warnings"])
    assert seen == {True, False} and own["body"]["mean_gy"] is None
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "covered" in page and not re.search(r">[^<]*\bnan\b", page)
    with (tmp_path / "out" / "compare.csv").open() as file:
        rows = {row["lesion"]: row for row in csv.DictReader(file) if row["method"] == "planned"}
    assert rows["hot cube"]["mean_gy"] == "" and float(rows["hot cube"]["covered_percent"]) < 100
    ratio = sitk.GetArrayFromImage(sitk.ReadImage(tmp_path / "out" / told["planned"]["maps"]["baseline"]["ratio"]))
    assert np.isfinite(ratio).all() and not ratio[:, :, middle[2] :].any()
    code, out, err = command(
        "compare",
        run,
        "--methods",
        "mc",
        "--with",
        f"{tmp_path / 'map.nii.gz'}=planned",
        "--out",
        tmp_path / "o2",
        "-q",
    )
    assert code == 0 and "covered" in out and "nan" not in (out + err).lower()


def test_a_partial_map_as_the_reference(run, command, tmp_path, dose, grid, middle):
    values = 1.02 * dose
    values[:, :, middle[2] :] = np.nan
    file = write_image(tmp_path / "map.nii.gz", grid, values)
    code, out, err = command("compare", run, "--methods", "mc,local", "--with", f"{file}=planned", "--reference",
                             "planned", "--out", tmp_path / "out", "--json")  # fmt: skip
    assert code == 0, err
    hot = by_name(json.loads(out), "local")["hot cube"]
    assert hot["bias"] is None and hot["use"] == "" and "of the lesion only, which is not compared" in hot["sentence"]
    assert hot["mean_gy"] > 0.0


def test_one_voxel_without_dose_in_a_lesion(compare, dose, middle):
    """The lesion has 27 voxels or so: one is more than what may be missing."""
    values = dose.copy()
    values[middle] = np.nan
    hot = by_name(compare(values), "planned")["hot cube"]
    assert 90.0 < hot["covered_percent"] < 99.0 and hot["mean_gy"] is None and hot["use"] == ""


@pytest.mark.parametrize(("unit", "factor"), [("cGy", 100.0), ("mGy/MBq", 1.0 / 7.4)])
def test_a_unit_is_named_with_the_map(compare, dose, unit, factor):
    """The therapy activity is 7.4 GBq: 1 mGy/MBq is 7.4 Gy."""
    told = compare(1.03 * dose * factor, name=f"=planned:{unit}")
    for one in by_name(told, "planned").values():
        if one["bias"] and one["bias"]["percent"] is not None:
            mc = one["mean_gy"] / (1 + one["bias"]["percent"] / 100)
            assert mc > 0
    hot = next(one for one in told["lesions"] if one["lesion"] == "hot cube")
    assert hot["planned"]["mean_gy"] == pytest.approx(1.03 * hot["mc"]["mean_gy"], rel=1e-5)


def test_the_advice_of_a_refusal_can_be_followed(run, command, tmp_path, dose, grid):
    file = write_image(tmp_path / "map.nii.gz", grid, 100.0 * dose)
    words = ("compare", run, "--methods", "mc", "--out", tmp_path / "out", "-q", "--with")
    code, _, err = command(*words, f"{file}=planned")
    assert code == 2 and "most likely it is in cGy" in err
    advice = re.search(r"--with FILE=NAME:(\S+)", err)
    assert advice is not None
    assert command(*words, f"{file}=planned:{advice[1]}")[0] == 0
    for wrong, text in ((":gy", "did you mean 'Gy'"), (":", "no unit follows the colon"), (":stone", "unknown unit")):
        code, _, err = command(*words, f"{file}=planned{wrong}")
        assert code == 2 and text in err, err


@pytest.mark.parametrize("name", ["Müller_1950_4711234.nii.gz", "dose.nii.gz"])
def test_no_name_of_a_file_or_folder_leaves_in_the_output(run, command, tmp_path, dose, name, grid):
    folder = tmp_path / "Hans Mueller 1950-01-01"
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("compare"))
    file = write_image(tmp_path / name, grid, dose)
    code, out, err = command("compare", folder, "--methods", "mc,local", "--with", file, "--json")
    assert code == 0, err
    texts = [out] + [one.read_text() for one in (folder / "compare").glob("compare.*")]
    for path in (folder / "compare").rglob("*.nii.gz"):
        image = sitk.ReadImage(path)
        texts += [path.name, *(image.GetMetaData(key) for key in image.GetMetaDataKeys())]
    for word in ("Hans", "Mueller", "Müller", "1950", "4711234", str(tmp_path)):
        # digits may stand in a longer number or in a hash, as that of the commit, by chance
        pattern = rf"(?<![\da-f.]){re.escape(word)}(?![\da-f])" if word.isdecimal() else re.escape(word)
        assert not any(re.search(pattern, text) for text in texts), word
    told = json.loads(out)
    assert told["methods"] == ["mc", "local", "map"] and told["map"]["label"] == "the dose map"
    assert "The dose map is" in by_name(told, "map")["hot cube"]["sentence"]


def test_two_maps_whose_names_do_not_tell(run, command, tmp_path, dose, grid):
    files = [write_image(tmp_path / f"{name}.nii.gz", grid, dose) for name in ("Mueller", "Meier")]
    words = [word for file in files for word in ("--with", file)]
    code, out, err = command("compare", run, "--methods", "mc", *words, "--out", tmp_path / "out", "--json")
    assert code == 0, err
    assert json.loads(out)["methods"] == ["mc", "map", "map-2"]


def test_the_command_on_the_page_works_with_its_placeholders_filled(run, command, tmp_path, dose, grid):
    file = write_image(tmp_path / "m.nii.gz", grid, 100.0 * dose)
    out = tmp_path / "out"
    code, _, err = command("compare", run, "--methods", "mc,local", "--with", f"{file}=equal:cGy", "--tolerance", "4 %",
                           "--visit", "baseline", "--out", out, "-q")  # fmt: skip
    assert code == 0, err
    page = (out / "compare.html").read_text()
    line = re.search(r'<pre class="command">(.*?)</pre>', page).group(1).replace("&#39;", "'")
    assert str(tmp_path) not in line
    words = shlex.split(line)
    assert words[:3] == ["hevesy", "compare", "RUN"] and "FILE=equal:cGy" in words and words[-2:] == ["--out", "OUT"]
    first = json.loads((out / "compare.json").read_text())
    given = [
        {"RUN": str(run), "OUT": str(tmp_path / "again")}.get(w, w).replace("FILE=", f"{file}=") for w in words[1:]
    ]
    assert command(*given, "-q")[0] == 0
    again = json.loads((tmp_path / "again" / "compare.json").read_text())
    assert [one["equal"] for one in again["lesions"]] == [one["equal"] for one in first["lesions"]]


def test_metrics_of_voxels_are_compared_without_a_correction_for_noise(compare, dose):
    """Another simulation's noise is in the map as it is in the reference's: D95 of the same map has no bias."""
    told = compare(1.01 * dose)
    seen = 0
    for one in told["lesions"]:
        mine, mc = one["planned"], one["mc"]
        if mine["d95_bias"] is not None:
            seen += mc["d95_noise_corrected_gy"] is not None
            assert mine["d95_bias"]["percent"] == pytest.approx(100 * (mine["d95_gy"] / mc["d95_gy"] - 1), abs=1e-6)
            assert mine["v20gy_difference_percent"] == pytest.approx(mine["v20gy_percent"] - mc["v20gy_percent"])
    assert seen and any("neither corrected for noise" in note for note in told["planned"]["notes"])


def test_what_is_no_dose_is_said(compare, dose, run, grid, stored):
    """A map of labels; one of standard errors; another place's dose: cautions among the notes and the warnings."""
    labels = sum((n * (mask > 127) for n, mask in enumerate(stored.lesion_masks, 20)), np.zeros(grid.shape))
    cases = (
        (labels, "a few whole numbers only"),
        (0.05 * dose + 1e-9, "times the run's dose where that is high"),
        (np.random.default_rng(1).random(grid.shape) * dose.max(), "does not look like the run's dose"),
    )
    for values, words in cases:
        told = compare(np.asarray(values, np.float64))
        assert any(words in note for note in told["planned"]["notes"]), words
        assert any(words in text for text in told["warnings"]), words
    assert not any("look like" in text or "whole numbers" in text for text in compare(1.1 * dose)["warnings"])


def test_an_rtdose_of_another_examination_is_refused(run, command, tmp_path, grid):
    """By the code of the frame of reference that the result keeps."""
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("compare"))
    own, other = "1.2.3.4.5.6", "1.2.3.4.5.7"
    result = Result.load(copy / "result.h5")
    result.frame_of_reference = series_code(own)
    result.save(copy / "result.h5")
    assert Result.load(copy / "result.h5").frame_of_reference == series_code(own)
    place = (grid.origin_mm[2] - 40.0, grid.origin_mm[1] - 40.0, grid.origin_mm[0] - 60.0)
    for uid, wanted in ((own, 0), (other, 2)):
        file = written(tmp_path / f"{wanted}.dcm", place, FrameOfReferenceUID=uid)
        code, _, err = command(
            "compare", copy, "--methods", "mc", "--with", f"{file}=tps", "--out", tmp_path / "o", "-q"
        )
        assert code == wanted, err
        assert ("another frame of reference" in err) == (wanted == 2)
    assert math.isfinite(result.grid.voxel_volume_ml)


def test_the_own_map_is_known_region_by_region(compare, dose, stored):
    """Changed outside the hot cube alone, it is still the run's own map in it: the run's estimate, and no bias."""
    mask = stored.lesion_masks[stored.lesion_names.index("hot cube")]
    told = compare(np.where(mask > 0, dose, 1.5 * dose))
    lesion = by_name(told, "planned")["hot cube"]
    assert lesion["bias"]["percent"] == pytest.approx(0.0, abs=1e-6)
    assert lesion["use"] == "use"
    assert any("the run's own map by Monte Carlo" in note for note in told["planned"]["notes"])
    assert by_name(compare(1.5 * dose), "planned")["hot cube"]["bias"]["percent"] == pytest.approx(50.0, abs=5.0)


def test_a_map_is_said_to_be_taken_as_exact(compare, dose):
    told = compare(1.02 * dose)
    assert any("planned: it is taken as exact" in text for text in told["warnings"])


def test_a_unit_without_a_name_is_refused(run, command, tmp_path, dose, grid):
    file = write_image(tmp_path / "map.nii.gz", grid, 100.0 * dose)
    code, _, err = command("compare", run, "--with", f"{file}:cGy")
    assert code == 2
    assert "--with FILE=NAME:cGy" in err
