"""``hevesy compare``, from the folder of a run to its files, against the same numbers worked out by hand."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path

import h5py
import hevesy
import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from hevesy.engine.compare.job import CompareOptions, compare_run
from hevesy.engine.compare.record import Comparison
from hevesy.engine.results.result import Result
from hevesy.tests.unit.results.older import without_digests
from hevesy.tests.unit.small_case import TEXT, write_small_case

METHODS = "mc,local,local+photons"
RECORDS = ("mean_gy", "d95_gy", "d50_gy", "v20gy_percent")


@pytest.fixture(scope="module")
def compared(run) -> dict:
    """compare.json of that run, which every test may read."""
    before = digests(run)
    done = compare_run(run, CompareOptions(("mc", "local", "local+photons")))
    assert done.folder == run / "compare" and digests(run) == before
    return json.loads((run / "compare" / "compare.json").read_text())


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that the run wrote."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and "compare" not in file.parts]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def region(compared: dict, name: str) -> dict:
    return next(one for one in compared["lesions"] if one["lesion"] == name)


def test_the_reference_has_the_very_numbers_of_the_lesion_table(run, compared):
    for lesion in json.loads((run / "lesions.json").read_text())["lesions"]:
        mc = region(compared, lesion["lesion"])["mc"]
        assert mc["mean_gy"] == lesion["dose_gy"]
        assert mc["mean_standard_error_gy"] == lesion["dose_mc_standard_error_gy"]
        shown = lesion["voxel_metrics"] == "shown"
        for key in ("d95_gy", "d50_gy"):
            assert mc[key] == (lesion[key] if shown else None)
        if shown:  # over the mask as the result stores it: each voxel's share to 1/510
            assert mc["v20gy_percent"] == pytest.approx(lesion["v20gy_percent"], abs=0.2)
        local = region(compared, lesion["lesion"])["local"]["mean_gy"]
        assert local == pytest.approx(lesion["dose_local_gy"] * lesion["recovery_dose_factor"], rel=1e-14)


def test_means_and_biases_by_hand(run, compared):
    """Energy over mass from the maps of the result file; the bias lies where the ratio of the means does."""
    with h5py.File(run / "result.h5") as file:
        density = file["density"][()].astype(np.float64)
        names = json.loads(file["lesions/mask"].attrs["names"])
        masks = dict(zip(names, file["lesions/mask"][()] / 255.0, strict=True))
        mc, local = file["dose/mc/mean"][()], file["dose/local/mean"][()]
    volume = 4.0**3 * 1e-3
    for name, mask in masks.items():
        one = region(compared, name)
        assert one["volume_ml"] == pytest.approx(mask.sum() * volume, rel=1e-6)
        # the ratio of two methods does not depend on the mass, nor on the recovery factor
        ratio = (mask * local * density).sum() / (mask * mc * density).sum()
        assert one["local"]["mean_gy"] / one["mc"]["mean_gy"] == pytest.approx(ratio, rel=1e-6)
        bias, relative = one["local"]["bias"], one["mc"]["mean_standard_error_gy"] / one["mc"]["mean_gy"]
        # what is said of the mean follows from what is shown of it
        best = one["mc"]["mean_without_decay_noise_gy"] or one["mc"]["mean_gy"]
        assert bias["percent"] == pytest.approx(100 * (one["local"]["mean_gy"] / best - 1), rel=1e-9)
        assert bias["paired"] == (one["mc"]["mean_without_decay_noise_gy"] is not None)
        if bias["low_percent"] is None:
            assert name in ("cold node", "aorta")  # next to no decays of its own
            continue
        assert bias["low_percent"] <= bias["percent"] <= bias["high_percent"]
        # the noise that pairing takes out is a fraction of the noise that there was
        assert abs(bias["percent"] / 100 + 1 - ratio) <= 6 * ratio * relative
        assert bias["standard_error_percent"] <= 100.001 * ratio * relative
    body = region(compared, "body")
    tissue = density >= 0.01
    for method, dose in (("mc", mc), ("local", local)):
        by_hand = (dose * density)[tissue].sum() / density[tissue].sum()
        assert body[method]["mean_gy"] == pytest.approx(by_hand, rel=1e-12)
    assert body["mass_g"] == pytest.approx(density[tissue].sum() * volume, rel=1e-12)
    assert body["local"]["bias"]["low_percent"] is None and body["local"]["use"] == ""


def test_the_maps_are_ratio_and_difference(run, compared):
    with h5py.File(run / "result.h5") as file:
        mc, local = file["dose/mc/mean"][()], file["dose/local/mean"][()]
    files = compared["local"]["maps"]["baseline"]
    ratio, difference = (
        sitk.GetArrayFromImage(sitk.ReadImage(run / "compare" / files[kind])) for kind in ("ratio", "difference")
    )
    assert np.allclose(difference, local - mc, rtol=1e-6, atol=1e-6 * mc.max())
    known = mc >= 0.01 * mc.max()
    assert not ratio[~known].any() and known.any() and not known.all()
    assert np.allclose(ratio[known], (local / np.where(known, mc, 1.0))[known], rtol=1e-6)


def test_every_file_says_the_same(run, compared):
    with (run / "compare" / "compare.csv").open(encoding="utf-8", newline="") as stream:
        rows = {(row["lesion"], row["method"]): row for row in csv.DictReader(stream)}
    assert len(rows) == 5 * 3
    for one in compared["lesions"]:
        for method in compared["methods"]:
            row, dose = rows[one["lesion"], method], one[method]
            assert float(row["mean_gy"]) == pytest.approx(dose["mean_gy"], rel=1e-8)
            assert (row["use"], row["sentence"]) == (dose["use"], dose["sentence"])
            if dose["bias"] is not None:
                assert float(row["bias_percent"]) == pytest.approx(dose["bias"]["percent"], rel=1e-8)
    for method in compared["methods"]:
        by_method = {one["lesion"]: one for one in compared[method]["lesions"]}
        assert by_method["hot cube"]["mean_gy"] == region(compared, "hot cube")[method]["mean_gy"]
    page = (run / "compare" / "compare.html").read_text()
    assert "hot cube" in page and compared["lesions"][0]["local"]["sentence"].split(" (95")[0] in page


def test_only_lesions_have_a_word_of_the_rule_and_organs_their_limit(compared):
    roles = {one["lesion"]: one["role"] for one in compared["lesions"]}
    assert roles == {
        "hot cube": "target", "kidney": "organ", "aorta": "reference", "cold node": "target", "body": "body",
    }  # fmt: skip
    for one in compared["lesions"]:
        words = {one[method]["use"] for method in ("local", "local+photons")}
        assert ("" in words) == (one["role"] != "target")
    assert region(compared, "hot cube")["threshold_gy"] == 20.0 and region(compared, "kidney")["threshold_gy"] == 25.0
    assert region(compared, "aorta")["threshold_gy"] is None
    photons = region(compared, "kidney")["local+photons"]
    assert photons["above"] is True
    at = 7.4 * 25.0 / photons["mean_gy"]
    assert photons["activity_at_threshold_gbq"] == pytest.approx(at)


def test_a_cold_lesion_is_not_for_local_deposition(compared):
    cold = region(compared, "cold node")
    assert cold["local"]["mean_gy"] == 0.0 and cold["local"]["bias"]["percent"] == -100.0
    assert cold["local"]["use"] == "do not use"
    assert cold["local"]["changes_side"] is False and cold["local"]["activity_at_threshold_gbq"] is None
    low, high = cold["local"]["changes_side_between_gbq"]
    assert low == pytest.approx(cold["mc"]["activity_at_threshold_gbq"]) and high is None


@pytest.fixture
def edited(run, tmp_path, monkeypatch):
    """A function that changes the result of a copy of the run, whose doses may then not be those of its sums."""
    monkeypatch.setattr("hevesy.engine.results.hdf5.broken_identities", lambda *given, **how: ())
    return lambda change: edited_copy(run, tmp_path, change)


def edited_copy(run: Path, folder: Path, change) -> Path:
    copy = folder / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("compare"))
    result = Result.load(copy / "result.h5")
    change(result)
    result.save(copy / "result.h5")
    return copy


def test_a_reference_that_is_11_tenths_of_local_gives_minus_9_09_percent(edited):
    """A result made by hand: Monte Carlo is 1.1 times local deposition, exactly and without noise."""

    def change(result):
        local = result.doses["local"]
        result.doses["mc"] = dataclasses.replace(
            result.doses["mc"], mean=1.1 * local.mean, sigma=np.zeros_like(local.mean)
        )
        result.lesions = [
            dataclasses.replace(one, dose_gy=1.1 * one.dose_local_gy * one.recovery_dose_factor,
                                dose_map_gy=1.1 * one.dose_local_gy)
            for one in result.lesions
        ]  # fmt: skip

    copy = edited(change)
    regions = compare_run(copy, CompareOptions(("mc", "local"))).first.regions
    for one in regions:
        if one.name in ("hot cube", "kidney", "body"):
            bias = one.doses["local"].bias
            assert bias is not None
            for value in (bias.percent, bias.low_percent, bias.high_percent):
                assert value == pytest.approx(-100 / 11, rel=1e-9)
    hot = regions[0].doses["local"]
    assert hot.use == "do not use" and "9.09 % below Monte Carlo" in hot.sentence
    wide = compare_run(copy, CompareOptions(("mc", "local"), tolerance_percent=10.0)).first
    assert wide.regions[0].doses["local"].use == "use"


def test_fewer_than_20_batches_decide_nothing(edited):
    def change(result):
        tally = result.tally
        result.tally = dataclasses.replace(
            tally, batch_ids=tally.batch_ids[:10], region_quanta=tally.region_quanta[:10]
        )
        mc = result.doses["mc"]
        result.doses["mc"] = dataclasses.replace(mc, sigma=np.full_like(mc.mean, np.nan), tally=result.tally)
        result.lesions = [dataclasses.replace(one, dose_mc_standard_error_gy=np.nan) for one in result.lesions]

    done = compare_run(edited(change), CompareOptions(("mc", "local"))).first
    hot = done.regions[0].doses["local"]
    assert hot.use == "undetermined" and hot.bias.low_percent is None and hot.changes_side is None
    assert "20 batches are needed" in hot.sentence
    assert any("standard errors need 20 batches" in text and "only 10" in text for text in done.warnings)


def test_a_run_without_monte_carlo_gets_one(tmp_path, command):
    """It is simulated as the case says, so that it is bit-identical with that of a run of the case."""
    write_small_case(tmp_path)
    with_mc = hevesy.run(tmp_path / "case.yaml").visits[0]
    hevesy.run(tmp_path / "case.yaml", method="local", out=tmp_path / "run")
    code, out, err = command("compare", tmp_path / "run", "--methods", "mc,local", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["mc"]["origin"] == "compared" and told["local"]["origin"] == "run"
    assert told["lesions"][0]["mc"]["mean_gy"] == pytest.approx(with_mc.lesions[0].dose_gy, rel=1e-9)
    body = told["lesions"][-1]
    assert body["lesion"] == "body" and body["local"]["bias"]["low_percent"] is not None
    assert any("no Monte Carlo dose" in text for text in told["warnings"])


def test_the_terminal_shows_the_table_the_sentences_and_the_rule(run, command, tmp_path):
    code, out, err = command("compare", run, "--methods", METHODS, "--out", tmp_path / "there", "-q")
    assert code == 0, err
    words = " ".join(out.split())
    assert "hot cube" in words and "reference" in words and "Rule: Use a method for a lesion if" in words
    assert words.count("hot cube: Local deposition") == 2
    assert {file.name for file in (tmp_path / "there").iterdir()} == {
        ".hevesy.json", "baseline", "compare.csv", "compare.html", "compare.json",
    }  # fmt: skip


def test_json_is_the_file(run, command, tmp_path):
    code, out, _ = command("compare", run, "--methods", METHODS, "--out", tmp_path / "there", "--json")
    assert code == 0
    told, file = json.loads(out), json.loads((tmp_path / "there" / "compare.json").read_text())
    assert told == file and {"mc", "local", "local+photons"} <= set(told) and told["format"] == "hevesy-comparison"


def test_a_dose_map_of_the_run_itself_has_no_bias(run, command, tmp_path):
    code, out, err = command(
        "compare",
        run,
        "--methods",
        "mc",
        "--with",
        f"{run / 'dose_mc.nii.gz'}=planned",
        "--out",
        tmp_path / "o",
        "--json",
    )
    assert code == 0, err
    told = json.loads(out)
    assert told["methods"] == ["mc", "planned"] and told["planned"]["origin"] == "file"
    hot = told["lesions"][0]
    assert hot["planned"]["mean_gy"] == pytest.approx(hot["mc"]["mean_gy"], rel=1e-6)
    assert abs(hot["planned"]["bias"]["percent"]) < 1e-4
    for one in told["lesions"]:
        assert (
            one["planned"]["v20gy_difference_percent"] in (None, 0.0)
            and one["planned"]["v20gy_percent"] == one["mc"]["v20gy_percent"]
        )
        assert one["planned"]["d95_bias"] is None or one["planned"]["d95_bias"]["percent"] == pytest.approx(
            0.0, abs=1e-4
        )
    assert any("the run's own map by Monte Carlo" in note for note in told["planned"]["notes"])
    assert all(rate["pass_percent"] == 100.0 for rate in told["planned"]["gamma"])


def test_a_comparison_replaces_an_earlier_one_and_nothing_else(run, command, tmp_path):
    out = tmp_path / "there"
    for _ in range(2):
        assert command("compare", run, "--methods", "mc,local", "--out", out, "-q")[0] == 0
    assert not list(tmp_path.glob("*.previous")) and not list(tmp_path.glob(".*"))
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").write_text("mine")
    code, _, err = command("compare", run, "--methods", "mc,local", "--out", full)
    assert code == 2 and "holds files that are not of a hevesy comparison" in err
    assert (full / "notes.txt").read_text() == "mine"
    assert command("compare", run, "--out", run, "--methods", "mc,local")[0] == 2


def test_the_run_can_be_run_and_reported_again_with_a_comparison_in_it(tmp_path, command):
    case = write_small_case(tmp_path)
    out = tmp_path / "run"
    assert command("run", case, "--out", out, "--method", "local", "-q")[0] == 0
    assert command("compare", out, "--methods", "local,local+photons", "--reference", "local", "-q")[0] == 0
    assert command("report", out)[1].strip() == f"wrote {out / 'report.html'}"
    assert command("run", case, "--out", out, "--method", "local", "-q", "--resume")[0] == 0
    assert not (out / "compare").exists() and (tmp_path / "run.previous" / "compare" / "compare.json").is_file()


def test_local_may_be_the_reference(run, compared):
    done = compare_run(run, CompareOptions(("mc", "local"), reference="local"), out=run.parent / "by-local").first
    assert list(done.methods) == ["local", "mc"]
    mine, theirs = done.regions[0].doses["mc"].bias, region(compared, "hot cube")["local"]["bias"]
    # the one bias is the other turned over, with its interval
    assert (1 + mine.percent / 100) * (1 + theirs["percent"] / 100) == pytest.approx(1.0, rel=1e-9)
    assert (1 + mine.low_percent / 100) * (1 + theirs["high_percent"] / 100) == pytest.approx(1.0, rel=1e-9)


def test_two_visits_and_a_further_therapy(tmp_path, command):
    write_small_case(tmp_path)
    data = yaml.safe_load(TEXT)
    data["visits"].append(data["visits"][0] | {"name": "follow-up"})
    data["further_therapies"] = [{"nuclide": "Lu-177", "activity": "7.4 GBq"}]
    case = tmp_path / "two.yaml"
    case.write_text(yaml.safe_dump(data))
    run = tmp_path / "run"
    assert command("run", case, "--out", run, "--method", "local", "-q")[0] == 0
    words = ("compare", run, "--methods", "local,local+photons", "--reference", "local")
    code, out, err = command(*words, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["visits"] == ["baseline", "follow-up"] and told["nuclide"] == "I-131"
    other = told["further_therapies"]["therapy_Lu-177"]
    assert other["nuclide"] == "Lu-177" and (run / "compare" / "therapy_Lu-177" / "compare.html").is_file()
    assert other == json.loads((run / "compare" / "therapy_Lu-177" / "compare.json").read_text())
    assert (run / "compare" / "follow-up" / "ratio_local_photons.nii.gz").is_file()
    assert [one["visit"] for one in told["lesions"]] == ["baseline", "baseline", "follow-up", "follow-up"]
    assert json.loads(command(*words, "--visit", "follow-up", "--json")[1])["visits"] == ["follow-up"]
    code, _, err = command(*words, "--visit", "followup")
    assert code == 2 and "there is no visit 'followup'" in err and "did you mean 'follow-up'?" in err
    code, _, err = command(*words, "--with", run / "baseline" / "dose_local.nii.gz")
    assert code == 2 and "which visit" in err and "--visit" in err


def test_a_diagnostic_run_has_no_threshold(tmp_path):
    write_small_case(tmp_path)
    data = {key: value for key, value in yaml.safe_load(TEXT).items() if key not in ("therapy", "threshold")}
    run = tmp_path / "run"
    hevesy.run(hevesy.Case.from_dict(data, base=tmp_path), method="local", out=run)
    done = compare_run(run, CompareOptions(("local", "local+photons"), reference="local"))
    told = done.first.to_dict()
    dose = told["lesions"][0]["local+photons"]
    assert told["threshold_gy"] is None and dose["above"] is None and dose["activity_at_threshold_gbq"] is None
    assert dose["v20gy_percent"] is None and dose["use"] == "do not use"
    text = (done.folder / "compare.json").read_text()
    assert not re.search(r"\b20 Gy", text.replace("V20", "")) and "same side" not in told["rule"]
    assert any("nothing is judged" in warning for warning in told["warnings"])


def older(folder: Path) -> None:
    with h5py.File(without_digests(folder / "result.h5"), "r+") as file:
        del file["problem"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["nowhere"], "no such folder"),
        (["run/result.h5"], "is a file, not the folder of a run"),
        (["."], "is not the folder of a run"),
        (["old"], "has no transport problem"),
        (["run", "--methods", "locl"], "unknown dose method 'locl'"),
        (["run", "--methods", "local,local"], "'local' is listed twice"),
        (["run", "--methods", ","], "no method is named"),
        (["run", "--reference", "planned"], "unknown reference method 'planned'"),
        (["run", "--tolerance", "5"], "tolerance"),
        (["run", "--tolerance", "-5 %"], "tolerance"),
        (["run", "--tolerance", "much"], "tolerance"),
        (["run", "--visit", "baselin"], "there is no visit 'baselin'"),
        (["run", "--with", "gone.nii.gz"], "gone.nii.gz"),
        (["run", "--with", "run/lesions.csv"], "lesions.csv"),
        (["run", "--with", "run/dose_mc.nii.gz=local"], "cannot be called 'local'"),
        (["run", "--with", "run/dose_mc.nii.gz=rule"], "cannot be called 'rule'"),
        (["run", "--with", "run/dose_mc.nii.gz=a", "--with", "run/dose_local.nii.gz=a"], "two dose maps are called"),
        (["run", "--out", "run/log.txt"], "is a file"),
    ],
)  # fmt: skip
def test_refusals_are_one_message_and_write_nothing(run, command, tmp_path, monkeypatch, words, problem):
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("compare"))
    if words[0] == "old":
        shutil.copytree(tmp_path / "run", tmp_path / "old")
        older(tmp_path / "old")
    monkeypatch.chdir(tmp_path)
    before = digests(tmp_path)
    code, out, err = command("compare", "--methods", "mc,local", *words, "--quiet")
    assert code == 2 and problem in err and "Traceback" not in err and not out
    assert "why:" in err or "try:" in err
    assert digests(tmp_path) == before and not (tmp_path / "run" / "compare").exists()


def test_a_stop_leaves_nothing_behind(run, command, tmp_path, monkeypatch):
    from hevesy.cli.interrupt import Interrupted
    from hevesy.engine.compare import job

    def stopped(*_):
        raise Interrupted

    monkeypatch.setattr(job, "visit_doses", stopped)
    code, _, err = command("compare", run, "--methods", "mc,local", "--out", tmp_path / "there", "-q")
    assert code == 3 and "stopped; no result was written" in err
    assert not list(tmp_path.iterdir())


def test_the_document_lists_every_field_and_no_other():
    """docs/formats/comparison.md against the record, its columns and the keys of the file."""
    from hevesy.engine.compare import output, record

    page = (Path(hevesy.__file__).parent / "docs" / "formats" / "comparison.md").read_text()
    fields = {
        field.name
        for kind in (record.Comparison, record.MethodFacts, record.RegionComparison, record.MethodDose, record.Bias,
                     record.GammaRate)
        for field in dataclasses.fields(kind)
    }  # fmt: skip
    fields -= {"regions", "doses"}  # under "lesions" and the names of the methods in the file
    fields |= set(Comparison("", "", 0.0, None, "", 0.0, "", (), {}, ()).to_dict())
    fields |= {"lesion", "further_therapies", *output.REGION_COLUMNS, *output.DOSE_COLUMNS}
    listed = {
        word for line in page.splitlines() if line.startswith("| `") for word in line.split("|")[1].split("`")[1::2]
    }
    files = {word for word in listed if "." in word}
    assert listed - files == fields
